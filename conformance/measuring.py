"""Measures: two durations that must not tell which of two things a server found, compared by their medians."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable

import trio
from attrs import evolve, frozen

from conformance.player import Outcome
from conformance.scripts import Case
from conformance.verdicts import Result

__all__ = ["Measured", "measure"]

_ATTEMPTS = 3
"""How often durations are measured before they count as apart: the machine may have other things to do, once."""


@frozen
class Measured:
    """Durations of a case in seconds, in pairs, and the last of the exchanges that gave them."""

    case: Case
    outcome: Outcome
    samples: tuple[tuple[float, float], ...]
    attempts: int

    @property
    def medians(self) -> tuple[float, float]:
        return statistics.median(one for one, _ in self.samples), statistics.median(two for _, two in self.samples)

    @property
    def apart(self) -> float:
        """How far the medians are apart."""
        first, second = self.medians
        return abs(first - second)

    @property
    def within(self) -> float:
        """How far they may be."""
        assert self.case.measure is not None
        return float(self.case.measure["within"])

    @property
    def near(self) -> bool:
        return bool(self.samples) and self.apart <= self.within

    def result(self) -> Result:
        """What the durations come to; what could not be measured says nothing."""
        assert self.case.measure is not None
        rules, covered = tuple(self.case.measure["rules"]), frozenset(self.outcome.covered)
        text = "nothing could be measured: this process was late, or what was to be timed did not come"
        told = Result(
            *(self.case, "inconclusive", rules, text, (), self.outcome.transcript, covered),
            attempts=self.attempts,
            observed=self.outcome.observed,
        )
        if not self.samples:
            return told
        first, second = self.medians
        text = f"the medians are {self.apart * 1000:.0f} ms apart ({first * 1000:.1f} and {second * 1000:.1f} ms)"
        return evolve(
            told,
            verdict="pass" if self.near else "warn",
            message="" if self.near else f"{text}; {self.within * 1000:.0f} ms are allowed",
            covered=covered | {*rules},
            measured={"first_s": first, "second_s": second, "within_s": self.within, "samples": len(self.samples)},
        )


async def measure(
    case: Case, play: Callable[[Case], Awaitable[Outcome]], late: Callable[[float], bool]
) -> Measured | Outcome:
    """Measure a case as often as its document asks; `late` says whether this process was, since a moment of Trio's.

    Gives the exchange that failed, where one does.
    """
    assert case.measure is not None
    samples: list[tuple[float, float]] = []
    for attempt in range(1, _ATTEMPTS + 1):
        samples.clear()
        for _ in range(int(case.measure["samples"])):
            began = trio.current_time()
            outcome = await play(evolve(case, quiet=False))
            if outcome.findings or outcome.broken or outcome.unavailable or outcome.unreachable:
                return outcome
            first, second = (outcome.timings.get(case.measure[side]) for side in ("first", "second"))
            if first is not None and second is not None and not late(began):
                samples.append((first, second))
        found = Measured(case, outcome, tuple(samples), attempt)
        if found.near:
            break
    return found
