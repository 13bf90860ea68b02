"""The runner: schedules cases, confirms what rests on silence or timing, and notices when the target or itself is ill.

Cases wait together. A case holds one of a few places while it talks, and gives it away while it waits for a timer or
for a quiet period, so that hundreds of connections wait at once and only some are busy; the target is never asked more
at a time than a slow one could answer within its bounds.
"""

from __future__ import annotations

import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable
from pathlib import Path

import trio
from attrs import define, evolve, field

from conformance.attribution import Attribution
from conformance.clock import Clock
from conformance.measuring import measure
from conformance.plan import NOT_OWNED
from conformance.player import Outcome, Pause, Player
from conformance.renewing import keep_fresh
from conformance.scripts import SAVED, Case
from conformance.shrinking import Shrinker, shortest_first
from conformance.target import Target, loopback
from conformance.verdicts import Result, Tried
from conformance.wire import Unreachable
from spec.model import Rule
from spec.tracker import Finding

__all__ = ["Lag", "Runner"]

_BUSY, _BUSIEST = 16, 64
"""How many cases may talk at once, and the most where the way to the target is long."""

_BUSY_PER_SECOND = 800
"""How many cases may talk at once for each second of the round trip: over a long way, most of them only wait."""

_GENTLY = 4
"""How many attacks may be under way at once: if the target dies, it is known of which few."""

_CONFIRMED = 1
"""How many failures of one kind must show again alone; then the others share their verdict."""


@define
class Lag:
    """Watches how late this process is woken, in seconds."""

    grain: float = 0.02
    worst: float = 0.0
    recent: list[tuple[float, float]] = field(factory=list)

    async def watch(self) -> None:
        """Run beside everything else."""
        # In virtual time nobody is late, and every look would be a step of the clock: a day has millions of them.
        while not hasattr(trio.lowlevel.current_clock(), "autojump_threshold"):
            before = trio.current_time()
            await trio.sleep(self.grain)
            late = trio.current_time() - before - self.grain
            self.worst = max(self.worst, late)
            if late > self.grain:
                self.recent.append((trio.current_time(), late))

    def since(self, moment: float) -> float:
        """The worst lateness seen since a moment of Trio's clock."""
        return max((late for at, late in self.recent if at >= moment), default=0.0)


@define
class Runner:
    """Runs cases against a target; `tell` hears every result as it comes, those that failed behind the others.

    `reruns` says how often more a failure is to be played, because it is known to come and go.
    """

    target: Target
    tell: Callable[[Result], None]
    clock: Clock
    fail_fast: bool = False
    shrinker: Shrinker | None = None
    reruns: Callable[[Result], int] = lambda result: 0
    lag: Lag = field(factory=Lag)
    results: dict[str, Result] = field(factory=dict)
    died: str | None = None
    _attacks: deque[str] = field(factory=lambda: deque(maxlen=_GENTLY))
    _numbers: int = 0
    _doubtful: list[tuple[Case, Outcome]] = field(factory=list)
    _blamed: list[Result] = field(factory=list)
    _shrunk: dict[str, Result] = field(factory=dict)
    _stop: trio.CancelScope = field(factory=trio.CancelScope)
    _shrinking: trio.CancelScope = field(factory=trio.CancelScope)

    async def run(self, cases: Iterable[Case]) -> None:
        """Run all cases and shrink what failed; results are told and kept, also where this is cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.lag.watch)
                nursery.start_soon(keep_fresh, self.target.book, self.clock)
                if loopback(self.target.endpoint.host):
                    await nursery.start(self.target.tripwire.watch)
                with self._stop:
                    await self._run(cases)
                self._leave_doubts()
                with self._shrinking:
                    await self._shrink()
                nursery.cancel_scope.cancel()
        finally:
            self._leave_doubts()
            self._tell_blamed()

    def _leave_doubts(self) -> None:
        """What could not be confirmed blames nobody."""
        for case, outcome in self._doubtful:
            self._conclude(case, outcome, verdict="inconclusive")
        self._doubtful.clear()

    async def _run(self, cases: Iterable[Case]) -> None:
        every = sorted(cases, key=lambda case: (case.family != SAVED, -case.wait))
        places = min(_BUSIEST, max(_BUSY, int(self.target.round_trip * _BUSY_PER_SECOND)))
        busy, live = trio.Semaphore(places), trio.Semaphore(max(8, self.target.connections // 2))
        # What may harm the target comes last, but for what then waits: the others are known by then.
        attacks = [case for case in every if case.hostile and not case.wait]
        gently = trio.Semaphore(max(_GENTLY, places * _GENTLY // _BUSY))
        for part, place in (([case for case in every if not case.hostile or case.wait], busy), (attacks, gently)):
            async with trio.open_nursery() as nursery:
                for case in part:
                    if not case.alone:
                        await live.acquire()
                        nursery.start_soon(self._one, case, place, live)
        await self._confirm()
        for case in every:
            if case.alone:
                await self._alone(case)
        await self._rerun()

    # --------------------------------------------------------------------------------------------------- playing

    async def _play(self, case: Case, pause: Pause | None, target: Target | None = None) -> Outcome:
        self._numbers += 1
        if case.hostile:
            if not self.target.owned:
                return Outcome(unavailable=NOT_OWNED)
            self._attacks.appendleft(case.id)
        try:
            return await Player(target or self.target, self.clock, self._numbers, pause).play(case)
        except Exception as problem:
            # A finding is a value; an exception is the suite's own fault, and never the target's.
            return Outcome(broken=_innermost(problem))

    async def _one(self, case: Case, busy: trio.Semaphore, live: trio.Semaphore) -> None:
        try:
            pause = Pause(busy)
            await pause.acquire()
            try:
                outcome = await self._play(case, pause)
            finally:
                pause.release()
            if outcome.unreachable is not None and not await self._alive():
                self.dies(outcome.unreachable)
            elif outcome.unreachable is not None or _doubtful(case, outcome):
                self._doubtful.append((case, outcome))
            else:
                self._conclude(case, outcome)
        finally:
            live.release()

    async def _alive(self) -> bool:
        for _ in range(3):
            try:
                stream = await self.target.endpoint.connect(None)
            except Unreachable:
                await trio.sleep(0.2)
            else:
                await trio.aclose_forcefully(stream)
                return True
        return False

    def dies(self, reason: str) -> None:
        """Note that the target has died, and stop."""
        if self.died is None:
            behind = f"; the last attacks, the latest first: {', '.join(self._attacks)}" if self._attacks else ""
            self.died = f"{reason}{behind}"
            self._stop.cancel()
            self._shrinking.cancel()

    # -------------------------------------------------------------------------------------------------- verdicts

    def _conclude(self, case: Case, outcome: Outcome, attempts: int = 1, verdict: str | None = None) -> None:
        self._tell(self._judged(case, outcome, attempts, verdict))

    def _judged(self, case: Case, outcome: Outcome, attempts: int = 1, verdict: str | None = None) -> Result:
        findings = tuple(outcome.findings)
        rules = tuple(dict.fromkeys(rule for finding in findings for rule in finding.blamed)) or case.rules
        other = outcome.broken or outcome.unavailable or outcome.unreachable or ""
        return Result(
            case,
            verdict or self._verdict(case, outcome),
            rules,
            findings[0].text if findings else other,
            findings,
            outcome.transcript,
            frozenset(outcome.covered),
            frozenset(outcome.visited),
            frozenset(outcome.transitions - {""}),
            outcome.duration,
            attempts,
            observed=outcome.observed,
            firings=outcome.firings,
            began=outcome.started,
            tokens=outcome.tokens,
        )

    def _tell(self, result: Result) -> None:
        """Tell a result; one with findings waits until it is known what else was found."""
        if result.findings:
            self._blamed.append(result)
        else:
            self.results[result.case.id] = result
            self.tell(result)
        if self.fail_fast and result.verdict == "fail":
            self._stop.cancel()

    def _tell_blamed(self) -> None:
        """Tell what was found, of each kind the exchange to show before the others."""
        attribution = Attribution.of(self._blamed)
        told = [self._shrunk.get(result.case.id) or self._attributed(attribution, result) for result in self._blamed]
        self._blamed.clear()
        for result in sorted(told, key=shortest_first):
            self.results[result.case.id] = result
            self.tell(result)

    def _verdict(self, case: Case, outcome: Outcome) -> str:
        if outcome.broken is not None:
            return "error"
        if outcome.unavailable is not None:
            return "not applicable"
        if outcome.unreachable is not None:
            return "inconclusive"
        if not outcome.findings:
            return "pass"
        return self._severity(outcome.findings)

    def _severity(self, findings: Iterable[Finding]) -> str:
        """`warn` where every rule that is blamed first is a SHOULD, else `fail`."""
        levels = {rule.level for finding in findings for rule in self._first_rule(finding.blamed)}
        return "warn" if levels and levels <= {"should", "may"} else "fail"

    def _attributed(self, attribution: Attribution, result: Result) -> Result:
        """A result by the rules that are to blame, which decide too whether it fails or warns."""
        found = attribution.attributed(result)
        return evolve(found, verdict=self._severity(found.findings)) if found.verdict in {"fail", "warn"} else found

    def _first_rule(self, rules: tuple[str, ...]) -> list[Rule]:
        return [self.target.document.rules[rule] for rule in rules[:1] if rule in self.target.document.rules]

    # ------------------------------------------------------------------------------------------------- shrinking

    async def _shrink(self) -> None:
        """Make smaller what failed, judged by all that was found before."""
        if self.shrinker is None or self.died is not None:
            return
        attribution = Attribution.of(self._blamed)

        hurried = self.target.hurried()

        async def attempt(case: Case, hasty: bool) -> Result:
            began = trio.current_time()
            outcome = await self._play(case, None, hurried if hasty else self.target)
            if outcome.unreachable is not None and not await self._alive():
                self.dies(outcome.unreachable)
            if outcome.unanswered:
                _unanswered(case, outcome, self.target.document.due_rules)
            late = self.lag.since(began) > self.target.slack.lateness and _doubtful(case, outcome)
            judged = self._judged(case, outcome, verdict="inconclusive" if late else None)
            return self._attributed(attribution, judged)

        def keep(result: Result) -> None:
            self._shrunk[result.case.id] = result

        blamed = [self._attributed(attribution, result) for result in self._blamed]
        await self.shrinker.shrink(blamed, attempt, keep)

    # ---------------------------------------------------------------------------------------------- confirmation

    async def _confirm(self) -> None:
        """Run doubtful failures again, alone; beyond a few of one kind, the others follow the first ones."""
        kinds: Counter[tuple[tuple[str, str], ...]] = Counter()
        self._doubtful.sort(key=lambda pair: (pair[0].wait, pair[0].id), reverse=True)
        while self._doubtful:
            case, outcome = self._doubtful[-1]
            kind = tuple(finding.key for finding in outcome.findings[:1])
            if kinds[kind] >= _CONFIRMED:
                self._conclude(case, outcome)
            elif await self._again(case, outcome):
                kinds[kind] += 1
            if self.died is not None:
                return
            self._doubtful.pop()

    async def _again(self, case: Case, first: Outcome) -> bool:
        """Whether a failure shows again when nothing else runs."""
        for attempt in (2, 3):
            began = trio.current_time()
            outcome = await self._play(case, None)
            late = self.lag.since(began) > self.target.slack.lateness
            if outcome.unreachable is not None and not await self._alive():
                self.dies(outcome.unreachable)
                return False
            if outcome.unanswered:
                _unanswered(case, outcome, self.target.document.due_rules)
            if not outcome.findings and outcome.unreachable is None and outcome.broken is None:
                self._passed(case, first, outcome, attempt)
                return False
            if not late or not _doubtful(case, outcome):
                self._conclude(case, outcome, attempt)
                return True
        self._conclude(case, outcome, 3, "inconclusive")
        return False

    def _passed(self, case: Case, first: Outcome, outcome: Outcome, attempt: int) -> None:
        """Tell a case that failed and, alone, does not: counted as it passed, and shown as it failed."""
        passed = self._judged(case, outcome, attempt)
        if not self._harness_late(first):
            failed = self._judged(case, first, attempt)
            passed = evolve(
                passed,
                verdict="flaky",
                rules=failed.rules,
                message=failed.message,
                transcript=failed.transcript,
            )
        self._tell(passed)

    async def _rerun(self) -> None:
        """Play again what is known to come and go; what passes at least once is flaky, and what never does fails."""
        attribution = Attribution.of(self._blamed)
        for number, result in enumerate(self._blamed):
            attributed = self._attributed(attribution, result)
            times = self.reruns(attributed) if attributed.verdict in {"fail", "warn"} else 0
            if not times:
                continue
            failed = [True, *await self._plays(result.case, times)]
            if self.died is not None:
                return
            verdict = result.verdict if all(failed) else "flaky"
            self._blamed[number] = evolve(result, verdict=verdict, tried=Tried(sum(failed), len(failed)))

    async def _plays(self, case: Case, times: int) -> list[bool]:
        """Whether a case fails, each time that it is played; what says nothing of the target is left out."""
        failed = []
        for _ in range(times):
            outcome = await self._play(case, None)
            if outcome.unreachable is not None and not await self._alive():
                self.dies(outcome.unreachable)
                break
            if not (outcome.unreachable or outcome.broken or outcome.unavailable):
                failed.append(bool(outcome.findings))
        return failed

    def _harness_late(self, outcome: Outcome) -> bool:
        """Whether the first failure fell into a time in which this process was itself late."""
        shift = self.clock() - trio.current_time()
        return self.lag.since(outcome.started - shift) > self.target.slack.lateness

    # -------------------------------------------------------------------------------------------------- measures

    async def _alone(self, case: Case) -> None:
        if case.measure is None:
            self._conclude(case, await self._play(case, None))
            return
        found = await measure(case, self._undisturbed, lambda began: self.lag.since(began) > self.target.slack.lateness)
        if isinstance(found, Outcome):
            self._conclude(case, found)
        else:
            self._tell(found.result())

    async def _undisturbed(self, case: Case) -> Outcome:
        return await self._play(case, None)


def _unanswered(case: Case, outcome: Outcome, due: tuple[str, ...]) -> None:
    """Make a finding of a request that a living target left without an answer, alone too."""
    text = f"an upgrade request was not answered: {outcome.unreachable}"
    rules = tuple(dict.fromkeys((*case.rules[:1], *due)))
    outcome.findings.append(Finding("missing", rules, text, "", outcome.started, timed=True))
    outcome.unreachable = None


def _innermost(problem: BaseException) -> str:
    """An exception of the suite's own in one line: what it was and where it was raised."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    frame = traceback.extract_tb(problem.__traceback__)[-1]
    return f"the suite failed: {type(problem).__name__}: {problem} ({Path(frame.filename).name}:{frame.lineno})"


def _doubtful(case: Case, outcome: Outcome) -> bool:
    """Whether a failure rests on silence or on timing."""
    return bool(outcome.findings) and (case.timed or any(finding.timed for finding in outcome.findings))
