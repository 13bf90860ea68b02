"""Alerts: what members hear of clients who are refused again and again, at the bound of a limit and over it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from conformance.edges import invalid_payloads
from conformance.members import Company, companies, effects_of
from conformance.plan import Plan
from conformance.scripts import Case, Send, Settle, Step
from spec import model
from spec.expressions import compile_expression
from spec.parameters import Rate

FAMILY = "alerts"

_MOST = 20
"""A limit of more than this many refusals is not tried."""


def cases(plan: Plan) -> Iterator[Case]:
    """For every limit that a decision behind a refusal asks, and every room that hears of it."""
    for company, room, fact, rules in _told(plan):
        rate: Rate = compile_expression(fact.options["rate"])({"parameters": plan.parameters})
        if rate.count > _MOST:
            plan.untried.update(dict.fromkeys(rules, f"a limit of more than {_MOST} is not tried"))
            continue
        for name, steps in _tried(company, rate.count):
            yield plan.case(FAMILY, f"{room}/{company.state}/{name}", steps, rules=rules)


def _told(plan: Plan) -> Iterator[tuple[Company, str, model.Fact, tuple[str, ...]]]:
    limits = [fact for fact in plan.document.facts.values() if fact.kind == "limit"]
    seen: set[tuple[str, str, str]] = set()
    for state in plan.document.states.values():
        for cases in state.receive.values():
            for _, effect in effects_of(cases):
                inner = effect.cases if isinstance(effect, model.Decide) else ()
                asked = [fact for fact in limits if any(fact.name in case.when for case in inner)]
                heard = [e for case in inner for e in case.do if isinstance(e, model.Broadcast)]
                rules = tuple(dict.fromkeys(rule for case in inner for rule in case.rules))
                for room in dict.fromkeys(broadcast.room for broadcast in heard):
                    for fact in asked:
                        for company in companies(plan, room):
                            if (key := (company.state, room, fact.name)) not in seen:
                                seen.add(key)
                                yield company, room, fact, rules


def _refused(company: Company, client: str, subject: str, words: dict[str, Any]) -> tuple[Step, ...]:
    """A client comes to the same door, and is turned away."""
    steps = list(company.route.steps(client, subject=subject, room=f"of-{client}"))
    steps[-2] = company.plan.send(client, company.entry, subject=subject, label=client, **words)
    return tuple(steps)


def _tried(company: Company, count: int) -> Iterator[tuple[str, tuple[Step, ...]]]:
    plan = company.plan
    expired = {"recipe": plan.words_for("expired")}
    forged = {"recipe": {"recipe": "wrong-key", "keyless": True}}
    members = (*company.join("ana"), *company.join("dan", room="b"), *company.join("eve", room="c", subject="eve"))
    fences = tuple(step for client in ("ana", "dan", "eve") for step in company.fence(client))

    def tries(number: int, words: dict[str, Any], subject: str = "ana", name: str = "late") -> tuple[Step, ...]:
        return tuple(s for n in range(number) for s in _refused(company, f"{name}{n}", subject, words))

    yield "within", (*members, *tries(count, expired), *fences)
    yield "over", (*members, *tries(count + 3, expired), *fences)
    yield "forged", (*members, *tries(count + 2, forged, name="forged"), *fences)
    both = (*tries(count, expired), *tries(1, forged, name="forged"), *tries(1, expired, "eve", "other"))
    yield "apart", (*members, *both, *fences)
    form = plan.message(company.entry).client
    assert form is not None
    misfits: list[Step] = []
    for number in range(count + 1):
        steps = list(company.join(f"misfit{number}", room=f"of-{number}"))
        send = steps[-2]
        assert isinstance(send, Send)
        wrong = next((body for name, body in invalid_payloads(form, send.payload).items() if "token" not in name), None)
        steps[-2] = send if wrong is None else evolve(send, payload=wrong)
        misfits += steps
    yield "misfits", (*members, *misfits, Settle(), *fences)
