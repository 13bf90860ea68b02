"""Histories: what a server remembers of accepted messages, and the order in which it handles those that wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from conformance.exploring import Route
from conformance.plan import SOON, Plan
from conformance.scripts import Case, Expire, Idle, Send, Settle, Step

FAMILY = "histories"

_FORGED = {"recipe": "wrong-key", "keyless": True}
_SECOND = {"$id": "second"}
_FIRST = {"$id": "first"}


def cases(plan: Plan) -> Iterator[Case]:
    """Ids that were accepted before, by whom and where, and messages sent behind an unanswered one."""
    for state, route in plan.leaves():
        for message, _ in plan.secrets():
            yield from _memories(plan, state, route, message)
    yield from _behind(plan)


def _holds_subject(plan: Plan, route: Route) -> bool:
    return bool(route.sends) or bool(route.opening.headers or route.opening.query)


def _memories(plan: Plan, state: str, route: Route, message: str) -> Iterator[Case]:
    """An id that was accepted before: by this connection, by another of the subject, by another subject."""
    if not plan.document.memories:
        return
    home = plan.routes.get(next((r.state for r in plan.routes.values() if r.sends), ""), None)
    rules = tuple(
        rule
        for fact in plan.document.facts.values()
        if fact.kind == "memory"
        for known in plan.document.states.values()
        for case in known.receive.get(message, ())
        if fact.name in case.when
        for rule in case.rules
    )
    if _holds_subject(plan, route):
        first = plan.send("ana", message, label="first", id=_FIRST)
        again = plan.send("ana", message, label="again", id=_FIRST)
        steps = (*route.steps("ana"), first, Settle(), again, Settle())
        yield plan.case(FAMILY, f"{message}/{state}/id-again", steps, rules=rules)
    if home is not None:
        yield from _across(plan, state, route, home, message, rules)


def _across(plan: Plan, state: str, route: Route, home: Route, message: str, rules: tuple[str, ...]) -> Iterator[Case]:
    before = home.steps("ana", id=_FIRST, subject="ana")
    mine: dict[str, Any] = {"id": {"$id": "third"}, "subject": "ana"}
    tried: dict[str, tuple[Step, ...]] = {
        "id-of-other-connection": (plan.send("ben", message, subject="ana", label="tried", id=_FIRST),),
        "id-fresh": (plan.send("ben", message, subject="ana", label="tried", id=_SECOND),),
        "id-again-forged": (plan.send("ben", message, subject="ana", recipe=_FORGED, id=_FIRST),),
        "id-again-expired": (plan.send("ben", message, subject="ana", recipe={"recipe": "expired"}, id=_FIRST),),
    }
    for name, sends in tried.items():
        steps = plan.probed((*before, *route.steps("ben", **mine), *sends, Settle()), "ben")
        yield plan.case(FAMILY, f"{message}/{state}/{name}", steps, rules=rules)
    other_room = (*before, *route.steps("ben", room="b", **mine), tried["id-of-other-connection"][0], Settle())
    yield plan.case(FAMILY, f"{message}/{state}/id-of-other-room", other_room, rules=rules)
    if _holds_subject(plan, route):
        seen = plan.send("ben", message, subject="ana", label="tried", id=_FIRST)
        steps = (*before, *route.steps("ben", id={"$id": "third"}), seen, Settle())
        yield plan.case(FAMILY, f"{message}/{state}/other-subject-and-its-id", steps, rules=rules)
        return
    stranger = plan.send("ben", message, subject="ben", id=_FIRST, rules=rules)
    steps = plan.probed((*before, *route.steps("ben", **mine), stranger, Settle()), "ben")
    yield plan.case(FAMILY, f"{message}/{state}/id-of-other-subject", steps, rules=rules)
    leeway = float(plan.parameters.get("leeway", 0.0))
    late = plan.send("ben", message, subject="ana", label="late", id=_FIRST, rules=rules)
    brief = (*home.steps("ana", id=_FIRST, left=SOON), Expire("ana"), Idle(leeway + 0.3))
    steps = plan.probed((*brief, *route.steps("ben", **mine), late, Settle()), "ben")
    yield plan.case(FAMILY, f"{message}/{state}/id-whose-token-expired", steps, rules=rules)


def _behind(plan: Plan) -> Iterator[Case]:
    """Messages sent behind an unanswered one are handled in their order."""
    ordered = plan.document.ordered
    for state, route in plan.leaves():
        for message, _ in plan.secrets():
            accepted = plan.send("ana", message, label="tried", id=_SECOND)
            reached = plan.probe((*route.steps("ana", id=_FIRST), accepted), "ana")
            if not reached or not isinstance(reached[0], Send):
                continue
            word = evolve(reached[0], rules=ordered)
            if message == word.message:
                continue
            burst = (accepted, word, word, Send("ana", "handfast_unknown", rules=ordered), word, Settle())
            yield plan.case(FAMILY, f"{message}/{state}/messages-behind", (*route.steps("ana", id=_FIRST), *burst))
            refused = plan.send("ana", message, recipe=_FORGED, label="tried", id=_SECOND)
            steps = (*route.steps("ana", id=_FIRST), refused, word, word, Settle())
            yield plan.case(FAMILY, f"{message}/{state}/messages-behind-refused", steps, rules=ordered)
