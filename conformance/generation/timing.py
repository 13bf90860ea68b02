"""Timing: nothing that a silent or chatty client does while a timer runs moves the moment at which it fires."""

from __future__ import annotations

import math
from collections.abc import Iterator

from conformance.exploring import Route
from conformance.families.timers import timers_of
from conformance.generation.drawing import Draw, Script, drawn_cases
from conformance.generation.inputs import Inputs, Kind
from conformance.generation.wording import Speaker
from conformance.plan import Plan
from conformance.scripts import Case, Expire, Fragment, Idle, Ping, Step

FAMILY = "timing"

_MOST = 6
_FAR, _SOON = 500000.0, 0.8
"""A life of a token, in seconds, in which nothing fires, and how long a timer that a token sets is to run."""

_LATEST, _CHATTY = 80, 90
"""Behind so many hundredths of a timer's run, most clients do something for the last time; so many of a hundred do."""


def cases(inputs: Inputs, seed: int, examples: int) -> Iterator[Case]:
    """Examples for each timer of each state, an even share for each, and one at least."""
    plan = inputs.plan
    strata = [
        (state, route, timer, left)
        for state, route in plan.leaves()
        for timer, left in timers_of(plan, state, route).items()
    ]
    for index, (state, route, timer, left) in enumerate(strata):
        count = max(1, (examples + len(strata) - 1 - index) // len(strata))
        name = f"{state}/{timer}"
        course = _Course(plan, route, timer, left, inputs)
        yield from drawn_cases(course.script, count, seed, FAMILY, name, course.run)


def _lead(plan: Plan, route: Route, timer: str) -> float:
    """How many seconds before its token expires a timer fires."""
    due = plan.rehearse(route.steps("ana", left=_FAR)).dues.get("ana", {}).get(timer)
    if due is None:
        return 0.0
    return round(math.ceil(plan.target.epoch + _FAR) - plan.target.epoch - due, 3)


class _Course:
    """One timer of one state, and what may be done while it runs."""

    def __init__(self, plan: Plan, route: Route, timer: str, left: float | None, inputs: Inputs) -> None:
        self._plan, self._timer = plan, timer
        self._here = route.steps("ana", left=None if left is None else max(0.2, _lead(plan, route, timer) + _SOON))
        # A token's whole seconds add up to one more, by when the run begins; what is drawn must not hang on that.
        self.run = _SOON if left is not None else round(plan.rehearse(self._here).dues["ana"][timer], 3)
        self._harmless = [kind for kind in inputs.kinds.values() if self._is_harmless(kind)]

    def _is_harmless(self, kind: Kind) -> bool:
        """Whether an input leaves the state, its timers and what its client has proved as they are."""
        if kind.ends or kind.proves:
            return False
        before = self._plan.rehearse(self._here)
        after = self._plan.rehearse((*self._here, kind.plain(Speaker("ana", "ana"))))
        return (before.states, before.dues) == (after.states, after.dues)

    def script(self, draw: Draw) -> Script:
        """Things done at moments of the timer's run, then its end."""
        ana, unfinished = Speaker("ana", "ana"), False
        steps: list[Step] = []
        moments = sorted(draw.below(_LATEST) for _ in range(draw.below(_MOST)))
        if draw.percent(_CHATTY):
            # What is done early may move a timer by less than it may be late.
            moments.append(_LATEST + draw.below(_LATEST // 8))
        for before, moment in zip((0, *moments), moments, strict=False):
            if moment > before:
                steps.append(Idle(round(self.run * (moment - before) / 100, 3)))
            if unfinished or draw.percent(20):
                steps.append(_piece(draw, unfinished))
                unfinished = True
            else:
                steps.append(draw.among(self._harmless).drawn(draw, ana))
        return self._to_the_end((*steps, Expire("ana", self._timer)), probed=not unfinished)

    def _to_the_end(self, steps: tuple[Step, ...], *, probed: bool) -> Script:
        stage = self._plan.stage(self._here)
        for step in steps:
            stage.step(step)
        probe = self._plan.probe_in(stage.state("ana"), "ana") if probed else ()
        return (*self._here, *steps, *probe), tuple(stage.touched)


def _piece(draw: Draw, unfinished: bool) -> Step:
    """A piece of a message that is never finished: only control frames can be sent within it (RFC 6455 section 5.4)."""
    if unfinished and draw.percent(50):
        return Ping("ana")
    return Fragment("ana", "x" if unfinished else '{"', not unfinished)
