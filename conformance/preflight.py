"""Before the first case: is the target there, does it speak the protocol, are its tokens ours, and how fast is it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import asdict, evolve, frozen

from conformance.clock import Clock
from conformance.exploring import Route
from conformance.plan import Plan
from conformance.player import Outcome, Player
from conformance.scripts import Case, Idle, Settle, Step
from conformance.skew import Skew, from_token, measure
from conformance.target import Target, loopback
from conformance.wire import post
from spec.exits import Exit, Stop
from spec.machine import Request
from spec.tracker import Answer, Slack

__all__ = ["Calibration", "calibrate", "preflight"]


@frozen
class Calibration:
    """What was measured, in seconds: the round trip, the quiet period and slack that follow from it, and clocks."""

    round_trip: float
    quiet: float
    slack: Slack
    skew: Skew | None = None


async def preflight(plan: Plan, clock: Clock) -> Calibration:
    """Try every way in once; raises Stop where running cases would only blame the wrong one."""
    if lapsed := plan.target.book.lapsed(clock()):
        raise Stop(Exit.USAGE, lapsed, "`[tokens]` of the target file can name a command or a login that gives tokens")
    trips: list[float] = []
    reached, answers = False, []
    for route in plan.routes.values():
        outcome = await _play(plan, clock, (*route.steps("ana"), Idle(0.0)))
        knocks = outcome.unavailable is not None
        if knocks:
            # This way in needs a token that cannot be had; being turned away without one shows that somebody is there.
            outcome = await _play(plan, clock, (plan.opens(route, headers=(), query=()),))
        if outcome.unreachable is not None:
            raise Stop(*_unreachable(plan, outcome.unreachable))
        if not knocks:
            _stop_if_refused(plan, route, outcome)
        reached |= any(entry.direction == "<" and entry.text.startswith("101") for entry in outcome.transcript)
        answers += [entry.text for entry in outcome.transcript if entry.direction == "<"][:1]
        trips += _trips(outcome)
    if not reached and not _speaks(plan, answers):
        raise Stop(Exit.UNREACHABLE, *_no_server(plan, answers))
    return _calibrated(plan, trips)


async def calibrate(plan: Plan, clock: Clock) -> Calibration:
    """Compare clocks, then `preflight`, and what was measured noted in the target."""
    target = plan.target
    skew = await _compared(target, clock)
    if skew is not None:
        clock.lead(skew.seconds)
        target.book.ahead = clock.ahead
    calibration = await preflight(plan, clock)
    target.round_trip, target.quiet, target.slack = calibration.round_trip, calibration.quiet, calibration.slack
    if skew is not None and not (skew.agrees and loopback(target.endpoint.host)):
        # A timer that a token's end decides may fire by so much earlier or later.
        slack = target.slack
        target.slack = evolve(slack, flight=slack.flight + skew.within, early=slack.early + skew.within)
    return evolve(calibration, slack=target.slack, skew=skew)


async def _compared(target: Target, clock: Clock) -> Skew | None:
    """The target's clock beside ours, as its answers tell, or else the token that was given."""

    async def ask() -> Answer:
        source = target.addresses.take() if target.addresses is not None else None
        answer, _ = await post(target.endpoint, source, Request("GET", "/", (), source or ""), clock)
        return answer

    found = await measure(ask, clock, closely=not loopback(target.endpoint.host))
    return found or from_token(*target.book.issued, clock())


async def _play(plan: Plan, clock: Clock, steps: tuple[Step, ...]) -> Outcome:
    case = Case("preflight", "preflight", (), (*steps, Settle()), quiet=False)
    return await Player(plan.target, clock, 0).play(case)


def _unreachable(plan: Plan, reason: str) -> tuple[Exit, str, str]:
    url = plan.target.endpoint.url
    return Exit.UNREACHABLE, f"{url} cannot be reached: {reason}", "is the server running, and is the URL its base?"


def _speaks(plan: Plan, answers: list[str]) -> bool:
    """Whether a refusal is one of the protocol's own that a correct server would not give: the cases say which."""
    expected = {"NOT_FOUND", "UPGRADE_REQUIRED", "VERSION_UNSUPPORTED", "SHUTTING_DOWN"}
    codes = {row.code for row in plan.document.opening if row.code} - expected
    return any(f'"{code}"' in answer for code in codes for answer in answers)


def _no_server(plan: Plan, answers: list[str]) -> tuple[str, str]:
    url, said = plan.target.endpoint.url, sorted({" ".join(answer.split())[:120] for answer in answers})
    text = f"{url} is no server of {plan.document.name}: no upgrade was accepted (answers: {'; '.join(said) or 'none'})"
    if any("VERSION_UNSUPPORTED" in answer for answer in said):
        return text, "it serves other versions: tell its rollout stage, such as `--set rollout=legacy`"
    if any("SHUTTING_DOWN" in answer for answer in said):
        return text, "it is shutting down"
    path = plan.document.path
    return text, f"the URL is the base below which {path} is served; a path prefix belongs to it"


def recipes(value: Any) -> Iterator[str]:
    """The recipes of the tokens in steps."""
    if isinstance(value, Mapping):
        if "$token" in value:
            yield value["$token"].get("recipe", "valid")
        for member in value.values():
            yield from recipes(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from recipes(member)


def _stop_if_refused(plan: Plan, route: Route, outcome: Outcome) -> None:
    """A valid token that is refused says that the key is not the deployment's, not that fifty rules are broken."""
    refusals = _token_refusals(plan)
    if not outcome.findings or not (route.sends or route.opening.headers or route.opening.query):
        return
    # Only what nothing is wrong with says anything of the key.
    if any(recipe != "valid" for recipe in recipes([asdict(step) for step in route.steps("ana")])):
        return
    heard = [entry.text for entry in outcome.transcript if entry.direction == "<"]
    code = next((code for code in refusals if any(f'"{code}"' in text.replace(" ", "") for text in heard)), None)
    if code is None:
        return
    source = "the key" if plan.book.tier == "mint" else "the token"
    hint = f"give {source} that the target knows; without one, only what needs no token is checked"
    if "EXPIRED" in code:
        hint = "its clock may be ahead of ours by more than an hour, or the token is old"
    raise Stop(Exit.USAGE, f"the target refuses our tokens ({code}): {source} is not the deployment's", hint)


def _token_refusals(plan: Plan) -> list[str]:
    """The error codes by which the document refuses tokens."""
    names = {fact.name for fact in plan.document.facts.values() if fact.kind == "token"}
    guarded = [
        (case.when, getattr(effect, "code", None))
        for state in plan.document.states.values()
        for cases in state.receive.values()
        for case in cases
        for effect in case.do
    ]
    guarded += [(row.when, row.code) for row in plan.document.opening]
    return sorted({str(code) for when, code in guarded if code and names & set(when)})


def _trips(outcome: Outcome) -> list[float]:
    found, asked = [], None
    for entry in outcome.transcript:
        if entry.direction == ">":
            asked = entry.at
        elif entry.direction == "<" and asked is not None:
            found.append(entry.at - asked)
            asked = None
    return found


def _calibrated(plan: Plan, trips: list[float]) -> Calibration:
    """A quiet period is eight of the longest round trips seen, and never under 150 ms."""
    worst = max(trips, default=0.01)
    slack = evolve(Slack(), flight=max(0.05, 4 * worst), lateness=max(0.05, worst))
    return Calibration(sorted(trips)[len(trips) // 2] if trips else worst, max(0.15, 8 * worst), slack)
