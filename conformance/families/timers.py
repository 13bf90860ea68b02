"""Timers: each fires neither early nor late, whatever a client does meanwhile, and follows what restarts it."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from conformance.exploring import Route, opened
from conformance.plan import SOON, Plan
from conformance.scripts import Case, Expire, Fragment, Idle, Ping, Raw, Send, Settle, Step
from spec.expressions import compile_expression
from spec.machine.world import CLOSED

FAMILY = "timers"

_LONGEST = 4.0
"""No case waits longer than this, in seconds, for a timer that a token could bring nearer."""


def cases(plan: Plan) -> Iterator[Case]:
    """Every timer of every state: in silence, under pings and fragments, under talk, restarted, and stopped."""
    for state, route in plan.leaves():
        for timer, left in timers_of(plan, state, route).items():
            yield from _fires(plan, state, route, timer, left)
        yield from _follows(plan, state, route)
        yield from _stopped(plan, state, route)
        yield from _beats(plan, state, route)


def timers_of(plan: Plan, state: str, route: Route) -> dict[str, float | None]:
    """The timers of a state, each with the life of the token that brings it near, None where a token moves nothing."""
    found: dict[str, float | None] = {}
    for path in plan.document.states[state].chain:
        for timer in plan.document.states[path].timers:
            if timer.at is None:
                found[timer.name] = None
                continue
            far = plan.rehearse(route.steps("ana", left=500000.0)).dues.get("ana", {}).get(timer.name)
            if far is not None:
                found[timer.name] = max(0.2, 500000.0 - far + SOON)
            elif timer.name in plan.rehearse(route.steps("ana")).dues.get("ana", {}):
                found[timer.name] = SOON
    return found


def _beats(plan: Plan, state: str, route: Route) -> Iterator[Case]:
    """Timers beside the states: what they send comes again and again, and who does not answer is let go."""
    timers = plan.document.timers
    spans = {timer.name: float(compile_expression(timer.after)({"parameters": plan.parameters})) for timer in timers}
    beats = [spans[timer.name] for timer in timers if not timer.asked]
    asked = [spans[timer.name] for timer in timers if timer.asked]
    if not beats:
        return
    rules = tuple(rule for timer in timers for rule in timer.rules)
    here, late = route.steps("ana"), 0.5
    again = (*here, Idle(2 * max(beats) + late))
    if plan.rehearse(again).states.get("ana", "closed") == "closed":
        return
    yield plan.case(FAMILY, f"{state}/beats", plan.probed(again, "ana"), rules=rules)
    if asked:
        bound = max(beats) + max(asked)
        allowed = plan.parameters["timer_late"].of(bound)
        alone = (*opened(here, silent=True), *route.steps("ben"), Idle(bound + allowed + late))
        yield plan.case(FAMILY, f"{state}/silent", plan.probed(alone, "ben"), rules=rules)


def _near(route: Route, left: float | None) -> tuple[Step, ...]:
    return route.steps("ana", left=left, subject="ana")


def _restarts(plan: Plan, state: str, timer: str) -> tuple[str, ...]:
    chain = plan.document.states[state].chain
    return next(t.restarts for path in chain for t in plan.document.states[path].timers if t.name == timer)


def _rules(plan: Plan, state: str, timer: str) -> tuple[str, ...]:
    return next(
        found.rules
        for path in plan.document.states[state].chain
        for found in plan.document.states[path].timers
        if found.name == timer
    )


def _fires(plan: Plan, state: str, route: Route, timer: str, left: float | None) -> Iterator[Case]:
    rules, restarts = _rules(plan, state, timer), _restarts(plan, state, timer)
    here = _near(route, left)
    if "received" in restarts:
        # Clients that answer what is sent to them are never silent.
        here = opened(here, silent=True)
    duration = plan.rehearse(here).dues.get("ana", {}).get(timer, SOON)
    beat = max(0.05, duration / 5)
    pings = tuple(step for _ in range(4) for step in (Ping("ana", "handfast"), Idle(beat)))
    # Unfinished fragments are of a message that would be refused if it were ever finished.
    pieces = tuple(step for n in range(4) for step in (Fragment("ana", '{"', first=n == 0), Idle(beat)))
    variants: dict[str, tuple[Step, ...]] = {"silent": (), "pings": pings, "unfinished-fragments": pieces}
    if plan.binding.ends:
        begun = tuple(step for text in ('{"', "x", "x", "x") for step in (Raw("ana", text=text), Idle(beat)))
        variants["unfinished-messages"] = begun
    word = plan.probe(here, "ana")
    if word and isinstance(word[0], Send) and word[0].message not in {name for name, _ in plan.secrets()}:
        variants["talking"] = tuple(step for _ in range(4) for step in (word[0], Settle(), Idle(beat)))
    for name, meanwhile in variants.items():
        steps = (*here, *meanwhile, Expire("ana", timer))
        # Behind an unfinished message no other can be sent (RFC 6455 section 5.4).
        script = steps if any(isinstance(step, Fragment | Raw) for step in meanwhile) else plan.probed(steps, "ana")
        yield plan.case(FAMILY, f"{state}/{timer}/{name}", script, rules=rules)
    if left is not None:
        both = (*here, Expire("ana"))
        if plan.rehearse(both).elapsed < _LONGEST:
            yield plan.case(FAMILY, f"{state}/{timer}/to-the-end", both, rules=rules)
        exact = tuple(_fractional(step) for step in here)
        yield plan.case(FAMILY, f"{state}/{timer}/fraction", (*exact, Expire("ana", timer)), rules=rules)


def _fractional(step: Step) -> Step:
    """The same step with a token whose `exp` has a fraction (RFC 7519 section 2, NumericDate)."""
    if isinstance(step, Send) and isinstance(step.payload, dict):
        payload = {k: _with_fraction(v) for k, v in step.payload.items()}
        return evolve(step, payload=payload)
    return step


def _with_fraction(value: object) -> object:
    if isinstance(value, dict) and "$token" in value:
        return {"$token": {**value["$token"], "fraction": True}}
    return value


def _follows(plan: Plan, state: str, route: Route) -> Iterator[Case]:
    """A message that restarts a state moves its timers, to a later moment and to a sooner one."""
    for message, _ in plan.secrets():
        lives = {"sooner": (600.0, SOON), "later": (SOON, 600.0)}
        for name, (first, second) in lives.items():
            here = route.steps("ana", left=first, subject="ana", id={"$id": "first"})
            before = plan.rehearse(here).dues.get("ana", {})
            renew = plan.send("ana", message, left=second, label="renewed", id={"$id": "second"})
            renew = evolve(renew, rules=plan.rehearse((*here, renew)).rules)
            after = plan.rehearse((*here, renew)).dues.get("ana", {})
            moved = [timer for timer in after if timer in before and after[timer] != before[timer]]
            if not moved:
                continue
            steps = (*here, renew, Settle())
            waited = plan.probed((*steps, _past(plan)), "ana") if name == "later" else (*steps, Expire("ana"))
            yield plan.case(FAMILY, f"{state}/{message}/{name}", waited, rules=plan.rehearse((*here, renew)).rules)


def _past(plan: Plan) -> Idle:
    """Wait until a timer that was near would have fired, however late it may."""
    near = SOON + 1.0
    return Idle(near + min(plan.parameters["timer_late"].of(near), 1.0))


def _stopped(plan: Plan, state: str, route: Route) -> Iterator[Case]:
    """A timer of a state that was left does not fire."""
    dues = plan.rehearse(route.steps("ana")).dues.get("ana", {})
    for timer in plan.document.states[state].timers:
        if timer.at is not None or timer.name not in dues:
            continue
        for message, _ in plan.secrets():
            steps = (*route.steps("ana"), plan.send("ana", message, label="tried"), Settle())
            after = plan.rehearse(steps)
            if after.states.get("ana") == CLOSED or timer.name in after.dues.get("ana", {timer.name: 0}):
                continue
            late = plan.parameters["timer_late"].of(dues[timer.name])
            waited = (*steps, Idle(dues[timer.name] + min(late, 1.0)))
            yield plan.case(FAMILY, f"{state}/{timer.name}/stopped", plan.probed(waited, "ana"), rules=timer.rules)
            break
