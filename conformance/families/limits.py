"""Limits: the rates that a document declares, at their bound and over it, for one source address and for another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import evolve

from conformance.edges import invalid_payloads
from conformance.exploring import Route
from conformance.plan import Plan
from conformance.scripts import Case, Idle, Open, Settle, Step
from spec.expressions import compile_expression
from spec.parameters import Rate

FAMILY = "limits"

_MOST = 60
"""A limit of more than this many is not tried: its case would be a load test."""

_LONGEST = 4.0
"""A window longer than this, in seconds, is not waited for."""


def cases(plan: Plan) -> Iterator[Case]:
    """For each limit and each state that it decides in."""
    for fact in plan.document.facts.values():
        if fact.kind != "limit":
            continue
        rate: Rate = compile_expression(fact.options["rate"])({"parameters": plan.parameters})
        for state, route in plan.leaves():
            for message, _ in plan.secrets():
                cited = _cited(plan, state, message, fact.name)
                why = _why_not(plan, rate)
                if cited and why is not None:
                    plan.untried.update(dict.fromkeys(cited, why))
                elif cited:
                    yield from _reached(plan, route, message, rate, cited)


def _why_not(plan: Plan, rate: Rate) -> str | None:
    if plan.target.addresses is None:
        return "there is only one source address, and trying its limit would use it up"
    if rate.count > _MOST:
        return f"a limit of more than {_MOST} is not tried; it would be a load test"
    if plan.target.addresses.size < 3:
        return "the address pool has fewer than three addresses"
    return None


def _cited(plan: Plan, state: str, message: str, fact: str) -> tuple[str, ...]:
    cases = plan.document.states[state].receive.get(message, ())
    return tuple(rule for case in cases if fact in case.when for rule in case.rules)


_FORGED = {"recipe": "wrong-key", "keyless": True}


def _try(plan: Plan, route: Route, client: str, message: str, address: str, **more: Any) -> tuple[Step, ...]:
    send = plan.send(client, message, id={"$id": client}, label=client, **more)
    return (*route.steps(client, address=address), send, Settle())


def _many(plan: Plan, route: Route, clients: Iterable[str], message: str, **more: Any) -> tuple[Step, ...]:
    """Tries of several clients of one address, all at once, so that one window holds them over a long way too."""
    steps: list[Step] = []
    for alike in zip(*(_try(plan, route, client, message, "one", **more) for client in clients), strict=True):
        if isinstance(alike[0], Settle):
            steps.append(Settle())
        else:
            steps += [evolve(step, waits=False) if isinstance(step, Open) else step for step in alike]
    return tuple(steps)


def _named(letter: str, rate: Rate, start: int = 0) -> list[str]:
    """Names of as many clients as a limit allows, less those before `start`."""
    return [f"{letter}{number}" for number in range(start, rate.count)]


def _reached(plan: Plan, route: Route, message: str, rate: Rate, rules: tuple[str, ...]) -> Iterator[Case]:
    allowed = _many(plan, route, _named("c", rate), message, rules=rules)
    over = _try(plan, route, "over", message, "one")
    name = f"{route.state}/{message}"
    yield plan.case(FAMILY, f"{name}/over", (*allowed, *over), rules=rules)
    elsewhere = _try(plan, route, "other", message, "two", rules=rules)
    yield plan.case(FAMILY, f"{name}/other-address", (*allowed, *over, *elsewhere), rules=rules)
    forged = _try(plan, route, "forged", message, "one", recipe=_FORGED)
    yield plan.case(FAMILY, f"{name}/whatever-the-token", (*allowed, *forged), rules=rules)
    refused = _many(plan, route, _named("f", rate), message, recipe=_FORGED)
    yield plan.case(FAMILY, f"{name}/refused-tokens-count", (*refused, *over), rules=rules)
    again = _try(plan, route, "again", message, "one")
    yield plan.case(FAMILY, f"{name}/again-over", (*allowed, *over, *again), rules=rules)
    misfits = _misfits(plan, route, message, rate)
    fits = _try(plan, route, "fits", message, "one", rules=rules)
    yield plan.case(FAMILY, f"{name}/misfits-first", (*misfits, *fits), rules=rules)
    yield from _uncounted(plan, route, message, rate, rules)
    if rate.window <= _LONGEST:
        yield from _sliding(plan, route, message, rate, rules)


def _misfits(plan: Plan, route: Route, message: str, rate: Rate) -> tuple[Step, ...]:
    """As many messages as a limit allows, which are refused for their payload, before the limit is asked or behind."""
    form = plan.message(message).client
    assert form is not None
    steps: list[Step] = []
    for client in _named("b", rate):
        send = plan.send(client, message, id={"$id": client}, label=client)
        wrong = next(iter(invalid_payloads(form, send.payload).values()), send.payload)
        steps += [*route.steps(client, address="one"), evolve(send, payload=wrong)]
    return (*steps, Settle())


def _sliding(plan: Plan, route: Route, message: str, rate: Rate, rules: tuple[str, ...]) -> Iterator[Case]:
    """Any window of its length counts, not only those that begin at some moment; and one that is over is over."""
    name, window = f"{route.state}/{message}", rate.window
    first = _try(plan, route, "c0", message, "one", rules=rules)
    rest = _many(plan, route, _named("c", rate, 1), message, rules=rules)
    last = _try(plan, route, "last", message, "one", rules=rules)
    over = _try(plan, route, "over", message, "one")
    across = (*first, Idle(window * 0.55), *rest, Idle(window * 0.5), *last, *over)
    yield plan.case(FAMILY, f"{name}/across-windows", across, rules=rules)
    refused = _many(plan, route, _named("r", rate), message)
    passed = (*first, *rest, Idle(window * 0.4), *refused, Idle(window * 0.65), *last)
    yield plan.case(FAMILY, f"{name}/refused-do-not-count", passed, rules=rules)


def _uncounted(plan: Plan, route: Route, message: str, rate: Rate, rules: tuple[str, ...]) -> Iterator[Case]:
    """What a limit of one state does not count: the same message in another state."""
    entered = _try(plan, route, "c0", message, "one", rules=rules)
    names = [f"more{number}" for number in range(rate.count + 2)]
    more = [plan.send("c0", message, id={"$id": name}, label=name, rules=rules) for name in names]
    again: tuple[Step, ...] = (*more, Settle())
    if plan.rehearse((*entered, *again)).states.get("c0", "closed") == "closed":
        return
    rest = _many(plan, route, _named("c", rate, 1), message, rules=rules)
    over = _try(plan, route, "over", message, "one")
    yield plan.case(FAMILY, f"{route.state}/{message}/uncounted", (*entered, *again, *rest, *over), rules=rules)
