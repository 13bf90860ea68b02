"""The search: candidates of one failing case are played, several at once, and one that fails alike is gone on with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import reduce

import trio
from attrs import define, evolve, field

from conformance.exploring import Explorer
from conformance.scripts import Case
from conformance.shrinking.edits import Edit, edits
from conformance.shrinking.sensible import Standing, plain_payload
from conformance.shrinking.sizes import same_as
from conformance.verdicts import Result

__all__ = ["Attempt", "Search", "kind"]

Attempt = Callable[[Case, bool], Awaitable[Result]]
"""Plays a case once and judges it, as the runner judges every case; hastily where the second argument says so."""

_AT_ONCE = 8
"""How many candidates are played at the same time; most of them only wait."""

_ATTACKS = 2
"""How many attacks are tried at the same time: what they cost others is not to be taken for what they show."""

_SHORT = 0.5
"""A candidate that waits no longer than this, in seconds, is worth a play even if little would be won."""


def kind(result: Result) -> tuple[str, str, str]:
    """What results that fail alike have in common: the verdict, the rule blamed first, and what was compared."""
    return result.verdict, result.rules[0] if result.rules else "", result.findings[0].check if result.findings else ""


@define
class Search:
    """Makes one failing case smaller; `found` are those that have failed alike, each smaller than the one before.

    `plays` says how many are left. A `hasty` search takes what has not come for a while for missing, and is only as
    good as its confirmation.
    Every case that is taken is smaller than the one before by a well-founded measure, so that a search ends by itself.
    """

    original: Result
    explorer: Explorer
    attempt: Attempt
    plays: int
    hasty: bool = False
    found: list[Result] = field(factory=list)
    _standing: Standing = field(init=False)
    _tried: set[str] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        self._standing = Standing.of(self.original.case, self.explorer)

    def alike(self, result: Result) -> bool:
        """Whether a result fails as the original did."""
        return kind(result) == kind(self.original)

    async def run(self) -> None:
        """Search until no smaller candidate fails alike, or the plays are used up; may be cancelled at any time."""
        at_once = 1 if self.original.case.alone else _ATTACKS if self.original.case.hostile else _AT_ONCE
        while batch := await self._batch(min(at_once, self.plays)):
            played = await self._play([standing for _, standing in batch])
            won = [(edit, standing, result) for (edit, standing), result in zip(batch, played, strict=True)]
            won = [entry for entry in won if self.alike(entry[2])]
            if won:
                together = self._fresh(reduce(Edit.joined, (edit for edit, _, _ in won)))
                self._take(*won[0][1:])
                if together is not None and self.plays:
                    await self._take_if_alike(together)

    async def _take_if_alike(self, together: Standing) -> None:
        """Take all changes that failed alike at once, if they do so together: one play instead of one for each."""
        [result] = await self._play([together])
        if self.alike(result):
            self._take(together, result)

    def _take(self, standing: Standing, result: Result) -> None:
        self._standing = standing
        self.found.append(result)

    async def _play(self, standings: list[Standing]) -> list[Result]:
        found: dict[int, Result] = {}
        self.plays -= len(standings)

        async def play(number: int, case: Case) -> None:
            found[number] = evolve(await self.attempt(case, self.hasty), case=case)

        async with trio.open_nursery() as nursery:
            for number, standing in enumerate(standings):
                nursery.start_soon(play, number, standing.case)
        return [found[number] for number in range(len(standings))]

    async def _batch(self, size: int) -> list[tuple[Edit, Standing]]:
        found: list[tuple[Edit, Standing]] = []
        for edit in edits(self._standing.case, lambda step: plain_payload(self.explorer, step)):
            if len(found) >= size:
                break
            # Rehearsing takes a while, in which other searches are to go on and not be late.
            await trio.lowlevel.checkpoint()
            standing = self._fresh(edit)
            if standing is not None:
                found.append((edit, standing))
        return found

    def _fresh(self, edit: Edit) -> Standing | None:
        """The best case with a change, or None where that was tried before or makes no sense."""
        after = edit.applied(self._standing.case)
        trace = same_as((after.quiet, [(type(step).__name__, repr(step)) for step in after.steps]))
        if trace in self._tried:
            return None
        self._tried.add(trace)
        standing = self._standing.with_edit(edit)
        if standing is None or (self._slow and not standing.clearly_below(self._standing)):
            return None
        return standing

    @property
    def _slow(self) -> bool:
        """Whether a candidate that fails alike takes its time to do so."""
        timed = any(finding.timed for finding in self.original.findings)
        return self._standing.case.wait > _SHORT or (timed and not self.hasty)
