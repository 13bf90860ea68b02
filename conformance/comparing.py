"""Comparing two servers: the same scripts at both; what differs is played again, alone, before it is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import trio
from attrs import define, evolve, frozen

from conformance.arranging import Arranged
from conformance.clock import Clock
from conformance.contrasting import ALIKE, Difference, Group, comparable, contrast, grouped, texts_apart
from conformance.observing import Observer
from conformance.plan import Plan
from conformance.preflight import Calibration, calibrate
from conformance.runner import Runner
from conformance.scripts import Case
from conformance.session import choose, enough_addresses
from conformance.target import Addresses
from conformance.verdicts import Result
from spec.exits import Exit, Stop

__all__ = ["Compared", "Comparison", "apart"]

_TRIES = 3
"""How many cases of one cause are played again, until one shows the difference again."""


@frozen
class Compared:
    """What came of a comparison.

    `alike` counts scripts by how they are alike, `unsteady` are those that differed once and not again, with how, and
    `missed` those that could not be compared, with the reason. `died` says which server died and of what.
    """

    cases: int
    groups: tuple[Group, ...]
    alike: dict[str, int]
    texts: dict[str, tuple[str, str]]
    unsteady: dict[str, str]
    missed: dict[str, str]
    died: str | None
    duration: float

    @property
    def verdict(self) -> str:
        """`different`, `same`, or `inconclusive` where too little was compared to say so."""
        if self.groups:
            return "different"
        broke = any(": error" in why for why in self.missed.values())
        return "inconclusive" if self.died or broke or not sum(self.alike.values()) else "same"

    @property
    def exit(self) -> Exit:
        if self.died:
            return Exit.UNREACHABLE
        if self.groups:
            return Exit.NONCONFORMANT
        if any(": error" in why for why in self.missed.values()):
            return Exit.INTERNAL
        return Exit.CONFORMANT if sum(self.alike.values()) else Exit.NOTHING


def apart(first: Arranged, second: Arranged) -> tuple[Arranged, Arranged]:
    """Two arrangements whose clients do not meet where both servers are one: with addresses and names of their own."""
    one, other = first.target, second.target
    if other.addresses is not None and other.addresses.size > 2**16:
        other.addresses = Addresses.for_host(other.endpoint.address or other.endpoint.host, (), first.seed + 1)
    one.tag, other.tag = f"{one.tag}a", f"{one.tag}b"
    return first, second


@define
class Comparison:
    """Plays the same scripts at two servers; `shown` hears of every play, `began` what was measured beforehand."""

    first: Arranged
    second: Arranged
    shown: Callable[[Result, int], None] = lambda result, total: None
    began: Callable[[int, list[Calibration]], None] = lambda cases, calibrations: None
    _clocks: tuple[Clock, ...] = ()
    _plays: int = 0

    def run(self) -> Compared:
        """Compare; raises Stop where nothing could be played at one of the servers."""
        return trio.run(self._run)

    @property
    def _sides(self) -> tuple[tuple[str, Arranged], ...]:
        return (("A", self.first), ("B", self.second))

    async def _run(self) -> Compared:
        # Each server has a clock of its own.
        self._clocks, started = (Clock(), Clock()), time.monotonic()
        plans = [Plan(arranged.target, arranged.level) for _, arranged in self._sides]
        _, cases = choose(plans[0], self.first)
        calibrations = []
        for (name, _), plan, clock in zip(self._sides, plans, self._clocks, strict=True):
            enough_addresses(plan, len(cases))
            calibrations.append(await _calibrated(name, plan, clock))
        for _, arranged in self._sides:
            # Both are listened to for as long, or one alone would be heard to let a timer fire.
            arranged.target.quiet = max(calibration.quiet for calibration in calibrations)
        self.began(len(cases), calibrations)
        runners = [
            self._runner(arranged, clock, 2 * len(cases))
            for (_, arranged), clock in zip(self._sides, self._clocks, strict=True)
        ]
        await self._both(runners, cases)
        return await self._conclude(cases, runners, started)

    def _runner(self, arranged: Arranged, clock: Clock, total: int) -> Runner:
        return Runner(arranged.target, lambda result: self.shown(result, total), clock)

    async def _both(self, runners: Iterable[Runner], cases: Iterable[Case]) -> None:
        """Play at both at once, unless both are one server."""
        if self.first.target.endpoint.url == self.second.target.endpoint.url:
            for runner in runners:
                await runner.run(cases)
            return
        async with trio.open_nursery() as nursery:
            for runner in runners:
                nursery.start_soon(runner.run, cases)

    async def _conclude(self, cases: list[Case], runners: list[Runner], started: float) -> Compared:
        observer = Observer(self.first.target.document)
        alike, missed, differences = dict.fromkeys(ALIKE, 0), {}, []
        pairs = []
        for case in cases:
            one, other = (runner.results.get(case.id) for runner in runners)
            if one is None or other is None:
                missed[case.id] = "it was not played"
                continue
            why = comparable(one, other)
            if why:
                missed[case.id] = why
                continue
            pairs.append((one, other))
            found = contrast(observer, one, other)
            if isinstance(found, Difference):
                differences.append(found)
            else:
                alike[found] += 1
        died = next(
            (f"{name} died: {r.died}" for (name, _), r in zip(self._sides, runners, strict=True) if r.died), None
        )
        groups, unsteady = ([], differences) if died else await self._confirmed(observer, differences)
        texts = texts_apart(observer, pairs)
        names = {difference.case.id: difference.text for difference in unsteady}
        return Compared(len(cases), tuple(groups), alike, texts, names, missed, died, time.monotonic() - started)

    # ---------------------------------------------------------------------------------------------- confirmation

    async def _confirmed(
        self, observer: Observer, differences: list[Difference]
    ) -> tuple[list[Group], list[Difference]]:
        """The causes that show again when nothing else runs, and what did not."""
        groups: dict[tuple[str, ...], Group] = {}
        unsteady: list[Difference] = []
        for group in grouped(differences):
            shown = await self._shows_again(observer, group)
            if shown is None:
                unsteady += group
                continue
            names = tuple(difference.case.id for difference in group)
            known = groups.get(shown.key)
            groups[shown.key] = Group(known.shown, (*known.cases, *names)) if known else Group(shown, names)
        return list(groups.values()), unsteady

    async def _shows_again(self, observer: Observer, group: list[Difference]) -> Difference | None:
        for difference in group[:_TRIES]:
            found = await self._again(observer, difference.case)
            # Where no rule decides, only that it stays as it is tells a difference from a race.
            if found is not None and not found.culprits:
                again = await self._again(observer, difference.case)
                found = found if again is not None and again.key == found.key else None
            if found is not None:
                return found
        return None

    async def _again(self, observer: Observer, case: Case) -> Difference | None:
        """The difference that a case shows when played by itself at both, with names that were not used before."""
        self._plays += 1
        runners = []
        for (_, arranged), clock in zip(self._sides, self._clocks, strict=True):
            target = evolve(arranged.target, tag=f"{arranged.target.tag}{self._plays}")
            runners.append(Runner(target, lambda result: None, clock))
        await self._both(runners, [evolve(case, alone=True)])
        one, other = (runner.results.get(case.id) for runner in runners)
        late = any(runner.lag.worst > runner.target.slack.lateness for runner in runners)
        if one is None or other is None or comparable(one, other) or late:
            return None
        found = contrast(observer, one, other)
        return found if isinstance(found, Difference) else None


async def _calibrated(name: str, plan: Plan, clock: Clock) -> Calibration:
    try:
        return await calibrate(plan, clock)
    except Stop as stop:
        message, url = stop.args[0], plan.target.endpoint.url
        where = name if url in message else f"{name} ({url})"
        raise Stop(stop.exit, f"{where}: {message}", stop.hint) from None
