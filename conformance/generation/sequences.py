"""Sequences: whatever one client does, one thing after the other, is answered as specified; also when it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from conformance.generation.drawing import Draw, Script, drawn_cases
from conformance.generation.inputs import Inputs, Kind
from conformance.generation.wording import Speaker
from conformance.scripts import Case, Reset, Settle, Step
from spec.machine.world import CLOSED

FAMILY = "sequences"

_LONGEST, _CONNECTIONS = 12, 3
_STAYING, _AGAIN = 80, 87
"""Of a hundred inputs, up to where they are of a kind that keeps the connection, and up to where an id comes again."""


def cases(inputs: Inputs, seed: int, examples: int) -> Iterator[Case]:
    """Examples from every way in."""
    yield from drawn_cases(partial(_script, inputs), examples, seed, FAMILY)


class _Course:
    """The steps so far, and what they lead to."""

    def __init__(self, inputs: Inputs, draw: Draw) -> None:
        self.inputs, self.draw = inputs, draw
        self.stage = inputs.plan.stage()
        self.speaker = Speaker("ana", "ana")
        self.steps: list[Step] = []
        self.connections = 1
        self._unsettled = self._proved = False

    @property
    def open(self) -> bool:
        return self.stage.state(self.speaker.client) != CLOSED

    def add(self, *steps: Step) -> None:
        """Go on by steps."""
        for step in steps:
            self.steps.append(step)
            self.stage.step(step)
            self._unsettled = not isinstance(step, Settle)
            self._proved &= self._unsettled

    def settle(self) -> None:
        if self._unsettled:
            self.add(Settle())

    def enter(self) -> None:
        """Connect, and come into a state or stop at the door."""
        route = self.draw.among(list(self.inputs.plan.routes.values()))
        own = self.speaker.fresh(self.inputs.wording.id_suffix(self.draw))
        steps = route.steps(
            self.speaker.client, subject=self.speaker.subject, id=own, label=f"{self.speaker.client}-way"
        )
        self.add(*(steps[:2] if self.draw.percent(50) else steps))

    def come_back(self) -> None:
        """Another connection of the same subject, which knows the ids of the one before."""
        self.settle()
        self.connections += 1
        self.speaker = Speaker(f"ana{self.connections}", self.speaker.subject, self.speaker.ids)
        self.enter()

    def go_on(self, kind: Kind) -> None:
        if kind.proves:
            # The moment at which a timer fires may be anywhere in a burst; of two, there would be too many to follow.
            if self._proved:
                self.settle()
            self._proved = True
        step = kind.drawn(self.draw, self.speaker)
        if isinstance(step, Reset):
            # What a reset finds unread is thrown away (RFC 9293 section 3.10.7.4), so it must have been handled.
            self.settle()
        self.add(step)


def _script(inputs: Inputs, draw: Draw) -> Script:
    course = _Course(inputs, draw)
    course.enter()
    for _ in range(2 + draw.below(_LONGEST - 1)):
        if not course.open:
            if course.connections >= _CONNECTIONS or draw.percent(50):
                break
            course.come_back()
            continue
        course.go_on(_kind(course))
        if not course.open and draw.percent(30) and inputs.talk:
            # What is sent behind that which ends a connection is answered by nobody.
            course.go_on(inputs.kinds[draw.among(inputs.talk)])
        if draw.percent(60):
            course.settle()
    course.settle()
    return tuple(course.steps), tuple(course.stage.touched)


def _kind(course: _Course) -> Kind:
    """A kind that keeps the connection, an id once more, which only histories show, or any that may end it."""
    inputs, draw = course.inputs, course.draw
    keepers, turn = inputs.keepers(course.stage.state(course.speaker.client)), draw.below(100)
    if turn < _STAYING:
        return inputs.kinds[draw.among(keepers)]
    if turn < _AGAIN and inputs.second_uses:
        return inputs.kinds[draw.among(inputs.second_uses)]
    return inputs.kinds[draw.among([name for name in inputs.kinds if name not in keepers])]
