"""Interleavings: several clients join, talk, prove themselves again and go, in two rooms, without waiting for others.

The tracker knows the order of one client's inputs and nothing of that between clients. So a script waits (`Settle`)
between two inputs whose order would show:

- what a room hears, and an input of another client's that makes somebody a member of that room or ends a membership
  (joining, or being closed for an error), in either order. Who leaves of its own accord, by a close frame or by going,
  is owed nothing more, and races with everything;
- an id that is to be a second use, and its first use by another client;
- a reset, and what the same client sent before it: what a reset finds unread is thrown away (RFC 9293 section
  3.10.7.4);
- two proofs whose timers fire at once: each may fire anywhere in a burst, and together there would be too many courses
  to follow.

Everything else overlaps: messages of several clients, joins with joins, renewals with messages, leaving with all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from attrs import define, evolve, field

from conformance.generation.drawing import Draw, Script, drawn_cases
from conformance.generation.inputs import Inputs, Kind
from conformance.generation.wording import Speaker
from conformance.scripts import Case, Close, Open, Reset, Send, Settle, Step
from spec.expressions import pointer_get, pointer_put
from spec.machine.world import CLOSED

FAMILY = "interleavings"

_MOST_AT_ONCE = 4
"""How many messages race for the numbers of a log: with more, there would be too many orders to follow."""

_NAMES = ("ana", "ben", "cat", "dan")
_LONGEST = 24
_TALKING, _LEAVING, _STAYING, _WAITING = 55, 65, 80, 20
"""Of a hundred inputs, up to where they are talk, and up to where a member leaves; how many of the others keep the
connection; and how often there is a pause."""


def cases(inputs: Inputs, seed: int, examples: int) -> Iterator[Case]:
    """Examples with two to four clients, where there are rooms."""
    if inputs.plan.broadcasts():
        yield from drawn_cases(partial(_script, inputs), examples, seed, FAMILY)


@define
class _Unsettled:
    """What was sent since all was quiet: who talked to a room, whose membership of it changed, who sent anything."""

    talk: dict[Any, set[str]] = field(factory=dict)
    moves: dict[Any, set[str]] = field(factory=dict)
    senders: set[str] = field(factory=set)
    short: bool = False
    count: int = 0


class _Hall:
    """The steps so far, the clients, and what they lead to."""

    def __init__(self, inputs: Inputs, draw: Draw) -> None:
        self.inputs, self.draw = inputs, draw
        self.stage = inputs.plan.stage(())
        self.steps: list[Step] = []
        self.speakers: list[Speaker] = []
        self._said = 0
        self._left: set[Any] = set()
        self._unsettled = _Unsettled()

    def settle(self) -> None:
        if self.steps and not isinstance(self.steps[-1], Settle):
            self.steps.append(Settle())
        self._unsettled = _Unsettled()

    def open_speakers(self) -> list[Speaker]:
        return [speaker for speaker in self.speakers if self.stage.state(speaker.client) != CLOSED]

    def add(self, client: str, step: Step, *, short: bool = False) -> None:
        """Go on by a step, behind a pause where its order would show."""
        before = self.stage.members()
        self.stage.step(step)
        after = self.stage.members()
        moved = {room for room in {*before, *after} if before.get(room) != after.get(room)}
        heard = {room for room, members in after.items() if client in members} if self.stage.spoke else set()
        leaves = isinstance(step, Close | Reset)
        now = self._unsettled
        shown = any(now.talk.get(room, set()) - {client} for room in moved) and not leaves
        shown |= any(now.moves.get(room, set()) - {client} for room in heard)
        shown |= isinstance(step, Reset) and client in now.senders
        shown |= short and now.short
        shown |= now.count >= _MOST_AT_ONCE and bool(self.inputs.plan.document.logs)
        if shown:
            self.settle()
        self.steps.append(step)
        now = self._unsettled
        now.senders.add(client)
        now.short |= short
        now.count += isinstance(step, Send)
        for room in heard:
            now.talk.setdefault(room, set()).add(client)
        for room in moved:
            if leaves:
                self._left.add(room)
            else:
                now.moves.setdefault(room, set()).add(client)

    # ------------------------------------------------------------------------------------------------------ inputs

    def enter(self) -> None:
        """One more client: a new subject, or one that is there already; on its way in, it waits or does not."""
        client = _NAMES[len(self.speakers)]
        known = [speaker for speaker in self.speakers if self.draw.percent(20)]
        speaker = Speaker(client, known[0].subject if known else client)
        self.speakers.append(speaker)
        route = self.draw.among(list(self.inputs.plan.routes.values()))
        room = "a" if self.draw.percent(75) else "b"
        steps = route.steps(client, room=room, subject=speaker.subject, id=speaker.fresh(), label=f"{client}-way")
        for step in steps if self.draw.percent(85) else steps[:2]:
            if isinstance(step, Open | Send):
                self.add(client, step, short=route.short and isinstance(step, Send))
        if self.draw.percent(_WAITING):
            self.settle()

    def go_on(self, speaker: Speaker, kind: Kind) -> None:
        if kind.name.startswith("seen:"):
            # An id is a second use only once its first has been seen to.
            self.settle()
        step = kind.drawn(self.draw, speaker)
        if isinstance(step, Send) and kind.name in self.inputs.talk:
            step = self._told_apart(step)
            if not step.rules and any(speaker.client in found for room, found in self._rooms() if room in self._left):
                step = evolve(step, rules=self.inputs.plan.document.forget)
        self.add(speaker.client, step, short=kind.name.startswith("short:"))

    def _rooms(self) -> Iterable[tuple[Any, frozenset[str]]]:
        return self.stage.members().items()

    def _told_apart(self, step: Send) -> Send:
        """The message with a number in what is echoed of it, so that no two say the same."""
        form = self.inputs.plan.message(step.message).client
        assert form is not None
        payload, self._said = dict(step.payload), self._said + 1
        for pointer in form.echoed:
            text = pointer_get(payload, pointer)
            if isinstance(text, str):
                pointer_put(payload, pointer, f"{self._said}{text[len(str(self._said)) :]}")
        return evolve(step, payload=payload)


def _script(inputs: Inputs, draw: Draw) -> Script:
    hall = _Hall(inputs, draw)
    most = 2 + draw.below(len(_NAMES) - 1)
    hall.enter()
    hall.enter()
    for _ in range(6 + draw.below(_LONGEST - 6)):
        speakers = hall.open_speakers()
        if not speakers or (len(hall.speakers) < most and draw.percent(20)):
            if len(hall.speakers) >= most:
                break
            hall.enter()
            continue
        speaker = draw.among(speakers)
        hall.go_on(speaker, _kind(hall, speaker))
        if draw.percent(_WAITING):
            hall.settle()
    hall.settle()
    return tuple(hall.steps), tuple(hall.stage.touched)


def _kind(hall: _Hall, speaker: Speaker) -> Kind:
    inputs, draw = hall.inputs, hall.draw
    keepers = inputs.keepers(hall.stage.state(speaker.client))
    talk = [name for name in inputs.talk if name in keepers]
    turn = draw.below(100)
    if talk and turn < _TALKING:
        return inputs.kinds[draw.among(talk)]
    if talk and turn < _LEAVING and len(hall.open_speakers()) > 1:
        return inputs.kinds[draw.among(inputs.leaving)]
    return inputs.kinds[draw.among(keepers if draw.percent(_STAYING) else tuple(inputs.kinds))]
