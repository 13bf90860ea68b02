"""Operators on timers: off, late, early, and kept where they should stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import Patch, add, remove, replace
from spec.authoring.mutants.reading import Draft, Rules, joined, literal
from spec.expressions import spans
from spec.parameters import format_value

__all__ = ["timer_early", "timer_kept", "timer_late", "timer_off"]

_MOVED = 1.0
"""By how many seconds a timer is moved that is set to a moment."""


@frozen
class _Timer:
    name: str
    at: str
    state: str
    value: Mapping[str, Any]

    @property
    def rules(self) -> Rules:
        return joined(*(case["rules"] for case in self.value["expire"]))


def _timers(draft: Draft) -> Iterator[_Timer]:
    for path, (at, state) in draft.states.items():
        for name, value in state.get("timers", {}).items():
            yield _Timer(name, f"{at}/timers/{name}", path, value)


def timer_off(draft: Draft) -> Iterator[Edit]:
    """A timer never fires."""
    for timer in _timers(draft):
        yield Edit(timer.at, timer.rules, f"`{timer.name}` never fires", (remove(timer.at),))


def timer_late(draft: Draft) -> Iterator[Edit]:
    """A timer takes twice as long, or fires behind its moment."""
    for timer in _timers(draft):
        patch = _scaled(draft, timer, "after", 2.0) or _moved(draft, timer, "plus")
        if patch:
            yield Edit(timer.at, timer.rules, f"`{timer.name}` fires late", patch)


def timer_early(draft: Draft) -> Iterator[Edit]:
    """A timer takes half as long, or fires before its moment."""
    for timer in _timers(draft):
        patch = _scaled(draft, timer, "after", 0.5) or _moved(draft, timer, "before")
        if patch:
            yield Edit(timer.at, timer.rules, f"`{timer.name}` fires early", patch)


def _scaled(draft: Draft, timer: _Timer, key: str, factor: float) -> tuple[Patch, ...]:
    seconds = draft.parameter(timer.value.get(key))
    if not isinstance(seconds, float):
        return ()
    declared, reads = literal("duration", format_value(seconds * factor))
    return declared, replace(f"{timer.at}/{key}", reads)


def _moved(draft: Draft, timer: _Timer, key: str) -> tuple[Patch, ...]:
    if "at" not in timer.value:
        return ()
    before = sum(draft.parameter(span) or 0.0 for span in spans(timer.value.get(key)))
    declared, reads = literal("duration", format_value(_MOVED + before))
    return declared, add(f"{timer.at}/{key}", reads)


def timer_kept(draft: Draft) -> Iterator[Edit]:
    """A timer runs in the states that its own is left for, too."""
    for timer in _timers(draft):
        for row in draft.cases:
            to = row.value.get("to")
            if row.kind != "case" or row.state != timer.state or to is None or to.startswith(timer.state):
                continue
            at, state = draft.states[to]
            place = f"{at}/timers"
            timers = {**state.get("timers", {}), timer.name: timer.value}
            yield Edit(timer.at, timer.rules, f"`{timer.name}` runs in `{to}` too", (add(place, timers),), to)
