"""Edits: what can be left out of a script, from the largest parts to the smallest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from attrs import evolve, field, frozen

from conformance.scripts import Case, Idle, Settle, Step
from conformance.shrinking.plainer import plainer, sooner
from conformance.shrinking.sizes import Plain

__all__ = ["Edit", "edits"]

T = TypeVar("T")

_SHORTEST = 0.05
"""Idling for less than this, in seconds, is not made any shorter: there would be nothing to see."""


@frozen
class Edit:
    """A change of a script: steps by their index, None where one is left out; `still` drops the quiet period."""

    steps: Mapping[int, Step | None] = field(factory=dict)
    still: bool = False

    def applied(self, case: Case) -> Case:
        """The case with the change, and without waiting for what is due where it was just waited for."""
        every = (self.steps.get(index, step) for index, step in enumerate(case.steps))
        kept: list[Step] = []
        for step in every:
            if step is not None and not (isinstance(step, Settle) and (not kept or isinstance(kept[-1], Settle))):
                kept.append(step)
        # The player waits for what is due at the end of every script.
        while kept and isinstance(kept[-1], Settle):
            kept.pop()
        return evolve(case, steps=tuple(kept), quiet=case.quiet and not self.still)

    def joined(self, other: Edit) -> Edit:
        """Both changes, or only this one where they touch the same step."""
        if self.steps.keys() & other.steps.keys():
            return self
        return Edit({**self.steps, **other.steps}, self.still or other.still)


def edits(case: Case, plain: Plain) -> Iterator[Edit]:
    """Every change that may leave a smaller case which fails alike, the most hopeful first."""
    if case.quiet:
        yield Edit(still=True)
    acting = [index for index, step in enumerate(case.steps) if not isinstance(step, Settle)]
    # A play ends at its first hard finding: what stands behind it goes at once.
    yield from (_without(acting[length:]) for length in _lengths(len(acting)))
    yield from _fewer_clients(case)
    yield from (_without(chunk) for chunk in _chunks(acting))
    yield from _shorter_waits(case)
    yield from (Edit(changed) for changed in sooner(case))
    yield from (Edit(changed) for changed in plainer(case, plain))


def _without(indices: Sequence[int]) -> Edit:
    return Edit(dict.fromkeys(indices))


def _lengths(most: int) -> Iterator[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, … below a length."""
    low = 1
    while low < most:
        yield low
        if low > 1 and low + low // 2 < most:
            yield low + low // 2
        low *= 2


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Halves, quarters and so on down to single items, each size from the end (delta debugging)."""
    size = len(items) // 2
    while size:
        for end in range(len(items), 0, -size):
            yield items[max(0, end - size) : end]
        size //= 2


def _fewer_clients(case: Case) -> Iterator[Edit]:
    steps: dict[str, list[int]] = {}
    for index, step in enumerate(case.steps):
        client = getattr(step, "client", None)
        if client is not None:
            steps.setdefault(client, []).append(index)
    for chunk in _chunks(list(steps)):
        yield _without([index for client in chunk for index in steps[client]])


def _shorter_waits(case: Case) -> Iterator[Edit]:
    for index, step in enumerate(case.steps):
        if isinstance(step, Idle) and step.seconds is not None and step.seconds > _SHORTEST:
            yield Edit({index: Idle(round(step.seconds / 2, 3))})
