"""The shrinker: which failures of a run are made smaller, within which budget, and that what comes of it is true."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio
from attrs import define, evolve, field

from conformance.exploring import Explorer
from conformance.scripts import SAVED, Case, extent
from conformance.shrinking.searching import Attempt, Search, kind
from conformance.verdicts import Result

__all__ = ["Shrinker", "shortest_first"]

_BUSY = 16
"""How many candidates of all searches together are played at once."""


def shortest_first(result: Result) -> tuple[bool, bool, int, float, str]:
    """Sorts failures of one kind so that the one to show comes first; a saved one has its file already."""
    return result.case.family != SAVED, result.shrunk is None, len(result.transcript), result.case.wait, result.case.id


@define
class Shrinker:
    """Shrinks one failure of each kind, the shortest: for `seconds` all of them together, with `plays` for each.

    A failure that rests on silence, timing, limits or an attack is shrunk while nothing else runs; the others are
    shrunk side by side before. Whatever is found is played once more alone, and only what then fails alike is told.
    Failures for which `known` is true are left as they are.
    """

    explorer: Explorer
    seconds: float = 10.0
    plays: int = 400
    known: Callable[[Result], bool] = field(default=lambda result: False)

    async def shrink(self, failures: Iterable[Result], attempt: Attempt, keep: Callable[[Result], None]) -> None:
        """Shrink what can be shrunk; `keep` hears of each confirmed result as soon as there is one."""
        limiter = trio.CapacityLimiter(_BUSY)

        async def limited(case: Case, hasty: bool) -> Result:
            async with limiter:
                return await attempt(case, hasty)

        chosen = self._chosen(failures)
        searches = [self._search(result, limited, hasty=result.findings[0].check == "missing") for result in chosen]
        timed = [search for search in searches if _timed(search.original)]
        plain = [search for search in searches if not _timed(search.original)]
        left = self.seconds - await _within(self.seconds * len(plain) / max(1, len(searches)), *plain)
        for search in plain:
            await _confirm(search, keep)
        for others, search in zip(range(len(timed), 0, -1), timed, strict=True):
            share = left / others
            took = await _within(share, search)
            if not await _confirm(search, keep) and search.hasty and search.found:
                patient = self._search(search.original, limited, hasty=False)
                took += await _within(share - took, patient)
                await _confirm(patient, keep)
            left -= took

    def _search(self, result: Result, attempt: Attempt, *, hasty: bool) -> Search:
        return Search(result, self.explorer, attempt, self.plays, hasty)

    def _chosen(self, failures: Iterable[Result]) -> list[Result]:
        """The shortest failure of each kind; first one of each rule, since only these are shown whole."""
        failed = [r for r in failures if r.verdict in {"fail", "warn"} and r.findings and not self.known(r)]
        kinds: dict[tuple[str, str, str], Result] = {}
        for result in sorted(failed, key=shortest_first):
            kinds.setdefault(kind(result), result)
        shown = {found[:2]: found for found in reversed(kinds)}
        return sorted(kinds.values(), key=lambda result: kind(result) not in shown.values())


async def _within(seconds: float, *searches: Search) -> float:
    """Run searches side by side for so many seconds at most; gives how many it took."""
    began = trio.current_time()
    with trio.move_on_after(max(0.0, seconds)):
        async with trio.open_nursery() as nursery:
            for search in searches:
                nursery.start_soon(search.run)
    return trio.current_time() - began


def _timed(result: Result) -> bool:
    case = result.case
    return case.timed or case.alone or case.hostile or any(finding.timed for finding in result.findings)


async def _confirm(search: Search, keep: Callable[[Result], None]) -> bool:
    """Play the smallest that was found once more, alone and without haste; what does not fail alike again is not told.

    What fails now and then only may do so in a larger script: then the one half way is tried, and the first.
    """
    tried = {index: search.found[index] for index in (len(search.found) - 1, len(search.found) // 2, 0) if search.found}
    for smaller in tried.values():
        found = await search.attempt(smaller.case, False)
        if search.alike(found):
            original = search.original
            # What the larger script reached counts on: it failed in the same way.
            reached = {name: getattr(original, name) for name in ("covered", "visited", "transitions", "attempts")}
            keep(evolve(found, case=smaller.case, shrunk=extent(original.case.steps), **reached))
            return True
    return False
