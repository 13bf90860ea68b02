"""A session: one run from preflight to reports, interrupted or not."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import define, evolve, field, frozen

from conformance.arranging import Arranged
from conformance.baseline import Baseline
from conformance.clock import Clock
from conformance.coverage import coverage
from conformance.events import Stream, calibration_event, case_event, header_event
from conformance.families import all_cases, transitions
from conformance.globs import select
from conformance.guarantee import guarantee, holds
from conformance.plan import Plan
from conformance.preflight import calibrate, preflight
from conformance.reporting import KINDS, unknown_kind
from conformance.runner import Runner
from conformance.saved import SavedFailures, Shelf, read_saved
from conformance.scripts import Case
from conformance.shrinking import Shrinker
from conformance.verdicts import Result, exit_of, run_verdict
from spec.exits import Exit, Stop
from spec.parameters import format_value

__all__ = [
    "SHRINK",
    "STDOUT",
    "Prepared",
    "Report",
    "Session",
    "choose",
    "enough_addresses",
    "parse_report",
    "prepare",
    "write_report",
    "write_summary",
    "write_text",
]

STDOUT = Path("-")
"""The path by which a report goes to standard output."""

SHRINK = 10.0
"""For how many seconds a run shrinks its failures unless told otherwise."""


@frozen
class Report:
    """A report to write: its kind and its path."""

    kind: str
    path: Path


def parse_report(text: str, known: Iterable[str] = tuple(KINDS)) -> Report:
    """`KIND:PATH`; raises Stop for an unknown kind."""
    kind, colon, path = text.partition(":")
    if not colon or not path:
        raise Stop(Exit.USAGE, f"`--report {text}` names no file", "write `--report json:PATH`")
    if kind not in known:
        raise unknown_kind(kind, known)
    return Report(kind, Path(path))


def choose(plan: Plan, arranged: Arranged, saved: SavedFailures | None = None) -> tuple[list[Case], list[Case]]:
    """Every case of the plan, and those that level and globs choose, behind the saved ones that globs choose."""
    described, drawn = list(all_cases(plan)), _drawn(plan, arranged)
    every = described + drawn
    levelled = _smoke(described) + drawn if arranged.level == "smoke" else every
    entries = saved.entries.values() if saved is not None else ()
    known = [*(case.id for case in levelled), *(name for one in entries for name in one.names)]
    names = select(known, arranged.run, arranged.skip)
    skipped = select(known, arranged.skip, ()) if arranged.skip else set()
    chosen = [one.case for one in entries if one.names & names and not one.names & skipped]
    chosen += [case for case in levelled if case.id in names]
    if not chosen:
        raise Stop(Exit.NOTHING, "no case is left to run", "the globs of --run and --skip leave nothing")
    return every, chosen


@frozen
class Prepared:
    """What a run knows before it meets its target: the plan, every case of it, and those that are chosen."""

    plan: Plan
    saved: SavedFailures
    every: list[Case]
    chosen: list[Case]

    def only(self, names: frozenset[str]) -> Prepared:
        """The same with fewer cases chosen."""
        return evolve(self, chosen=[case for case in self.chosen if case.id in names])


def prepare(arranged: Arranged, failures: Path, *, remember: bool = True) -> Prepared:
    """Plan a run; takes a second or more, and sends nothing."""
    plan = Plan(arranged.target, arranged.level)
    saved = read_saved(failures, plan) if remember else SavedFailures(failures, {})
    return Prepared(plan, saved, *choose(plan, arranged, saved))


def _drawn(plan: Plan, arranged: Arranged) -> list[Case]:
    """The examples that are wanted; where none are, what draws them is not even imported."""
    if not arranged.examples or not plan.binding.enveloped:
        return []
    # Plugins of Hypothesis are for tests: Trio's takes a hold of its scheduler's chance, and brings pytest along.
    os.environ.setdefault("HYPOTHESIS_NO_PLUGINS", "1")
    from conformance.generation import generated

    return list(generated(plan, arranged.seed, arranged.examples))


def enough_addresses(plan: Plan, cases: int) -> None:
    """Refuse a run whose clients would use up a limit per address, and be refused for it."""
    size = plan.target.addresses.size if plan.target.addresses is not None else 1
    for fact in plan.document.facts.values():
        if fact.kind != "limit" or fact.options["key"] != "$connection.address":
            continue
        name = str(fact.options["rate"]).removeprefix("$parameters.")
        rate = plan.parameters[name]
        if size * rate.count < 2 * cases:
            text = f"`{name}` allows {format_value(rate)} per address, and our clients have {size} for {cases} cases"
            hint = (
                f"give a pool ([addresses] in the target file), or deploy and tell a high one: --set {name}=100000/60s"
            )
            raise Stop(Exit.USAGE, text, hint)


def _smoke(cases: list[Case]) -> list[Case]:
    """Every transition, and beside them the quickest case for each different set of rules."""
    kept: dict[tuple[str, ...], Case] = {}
    for case in sorted(cases, key=lambda case: (case.wait, len(case.steps))):
        kept.setdefault(case.rules, case)
    return [case for case in cases if case.family == transitions.FAMILY or kept[case.rules] is case]


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Nearly all that a run makes lives to its end; searching it for cycles all the time takes a tenth of it."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@define
class Session:
    """Runs what was arranged; `shown` hears every result, for live progress.

    `failures` is the folder in which failures are saved, and those saved before are played first where `remember` is
    true; `shrink` is how many seconds may go into making failures smaller, 0 for none. What was `prepared` is not
    planned again.
    """

    arranged: Arranged
    reports: tuple[Report, ...] = ()
    failures: Path = Path("handfast-failures")
    fail_fast: bool = False
    baseline: Baseline | None = None
    shrink: float = SHRINK
    remember: bool = True
    shown: Callable[[Result, int], None] = lambda result, total: None
    began: Callable[[list[dict[str, Any]]], None] = lambda events: None
    prepared: Prepared | None = None
    stream: Stream = field(init=False)
    interrupted: bool = False
    judged: dict[str, Result] = field(factory=dict)
    misfits: list[str] = field(factory=list)
    shelf: Shelf = field(init=False)

    def run(self) -> Exit:
        """Run to the end; gives the exit code. Raises Stop where nothing could be run."""
        return trio.run(self.play)

    async def play(self) -> Exit:
        """`run`, within a Trio that runs already."""
        paths = [report.path for report in self.reports if report.kind == "jsonl" and report.path != STDOUT]
        self.stream = Stream(paths, self.arranged.target.book.sieve)
        try:
            with _seldom_collecting():
                return await self._run()
        finally:
            self.stream.close()

    async def _run(self) -> Exit:
        if threading.current_thread() is not threading.main_thread():
            # Signals are the main thread's.
            return await self._listening(_no_signals())
        # From here on a signal ends what is under way, and the reports are still written.
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            return await self._listening(signals)

    async def _listening(self, signals: AsyncIterator[int]) -> Exit:
        clock, started = Clock(), time.monotonic()
        if self.prepared is None:
            self.prepared = prepare(self.arranged, self.failures, remember=self.remember)
        plan, every, chosen = self.prepared.plan, self.prepared.every, self.prepared.chosen
        self.shelf = Shelf(self.arranged, self.prepared.saved.only(case.id for case in chosen))
        enough_addresses(plan, len(chosen))
        guaranteed = guarantee(plan, every, chosen)
        self.stream.tell(header_event(self.arranged, len(chosen), guaranteed, self.shelf.saved.summary()))
        tell = partial(self._tell, total=len(chosen))
        if self.baseline is not None:
            self.baseline = self.baseline.within(self.arranged.target.endpoint.url, plan.document.version)
        runner = Runner(self.arranged.target, tell, clock, self.fail_fast, self._shrinker(plan), self._reruns)
        try:
            await self._unless_interrupted(signals, lambda: self._calibrate(plan, clock))
        except Stop as stop:
            self._finish(plan, every, {}, "error", stop.exit, str(stop).splitlines()[0], started)
            raise
        self.began(self.stream.events)
        await self._unless_interrupted(signals, lambda: runner.run(chosen))
        if runner.died is None:
            await self._unless_interrupted(signals, lambda: self._still_alive(plan, clock, runner))
        return self._conclude(plan, every, chosen, runner, started)

    def _shrinker(self, plan: Plan) -> Shrinker | None:
        def known(result: Result) -> bool:
            return self.baseline is not None and self.baseline.knows(self.shelf.as_saved(result))

        return Shrinker(plan.explorer, self.shrink, known=known) if self.shrink else None

    def _reruns(self, result: Result) -> int:
        return self.baseline.reruns(self.shelf.as_saved(result)) if self.baseline is not None else 0

    async def _calibrate(self, plan: Plan, clock: Clock) -> None:
        calibration = await calibrate(plan, clock)
        self.stream.tell(calibration_event(calibration))

    async def _unless_interrupted(self, signals: AsyncIterator[int], work: Callable[[], Awaitable[None]]) -> None:
        """Do a part of the run, until it is done or a signal comes; nothing more once one has come."""
        stopped: Stop | None = None
        if self.interrupted:
            return
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                async for _ in signals:
                    self.interrupted = True
                    nursery.cancel_scope.cancel()

            nursery.start_soon(listen)
            try:
                await work()
            except Stop as stop:
                stopped = stop
            nursery.cancel_scope.cancel()
        if stopped is not None:
            raise stopped

    def _tell(self, result: Result, total: int) -> None:
        if self.baseline is not None:
            result = self.shelf.judged(result, self.baseline)
        result = self.shelf.filed(result)
        self.judged[result.case.id] = result
        saved = self.shelf.saved.entries.get(result.case.id)
        self.stream.tell(case_event(result, origin=saved.origin.id if saved is not None else None))
        self.shown(result, total)

    def _conclude(self, plan: Plan, every: list[Case], chosen: list[Case], runner: Runner, started: float) -> Exit:
        results = runner.results
        filtered = len(chosen) - len(self.shelf.saved.entries) < len(every) or self.fail_fast
        partial = self.interrupted or runner.died is not None
        unreached = coverage(plan, every, results, filtered=filtered)["rules"]["unreached"] if not partial else {}
        died = runner.died is not None
        # What was not run cannot show that an entry does not fit.
        told = [result if self.baseline is None else self.judged[name] for name, result in results.items()]
        self.misfits = self.baseline.problems(partial=filtered or partial) if self.baseline else []
        verdict = run_verdict(told, fail_on=self.arranged.fail_on, unreached=unreached, died=died, misfits=self.misfits)
        if self.interrupted and verdict == "conformant":
            verdict = "inconclusive"
        reason = self._reason(runner, results, len(chosen))
        code = exit_of(verdict, told, died=died, interrupted=self.interrupted)
        self._finish(plan, every, results, verdict, code, reason, started, filtered=filtered or partial)
        return code

    async def _still_alive(self, plan: Plan, clock: Clock, runner: Runner) -> None:
        """The last probe: a target that does not answer any more has died of what was done to it."""
        try:
            await preflight(plan, clock)
        except Stop as stop:
            if stop.exit is Exit.UNREACHABLE:
                runner.dies(str(stop).splitlines()[0])

    def _reason(self, runner: Runner, results: dict[str, Result], total: int) -> str:
        if self.interrupted:
            return f"interrupted: {len(results)} of {total} cases were run"
        if runner.died is not None:
            return f"the target died: {runner.died}; {len(results)} of {total} cases were run"
        return ""

    def _finish(
        self,
        plan: Plan,
        every: list[Case],
        results: dict[str, Result],
        verdict: str,
        code: Exit,
        reason: str,
        started: float,
        *,
        filtered: bool = True,
    ) -> None:
        footer = {
            "event": "footer",
            "verdict": verdict,
            "exit": int(code),
            "complete": not reason,
            "reason": reason,
            "duration_s": round(time.monotonic() - started, 3),
            "unsaved": self.shelf.unwritten,
            "baseline": {**self.baseline.summary(), "misfits": self.misfits} if self.baseline else None,
            "coverage": coverage(plan, every, results, filtered=filtered),
            "guaranteed": holds(self.stream.events[0]["guarantee"], results),
        }
        self.stream.tell(footer)
        for report in self.reports:
            if report.kind != "jsonl" or report.path == STDOUT:
                write_report(report, self.stream.events)


async def _no_signals() -> AsyncGenerator[int]:
    await trio.sleep_forever()
    yield 0


def write_report(report: Report, events: list[dict[str, Any]]) -> None:
    """Write a report of a run; raises Stop where that cannot be done."""
    write_text(report.path, KINDS[report.kind](events))
    if report.kind == "github":
        write_summary(KINDS["markdown"](events))


def write_summary(text: str) -> None:
    """Add a Markdown text to the summary of a step of GitHub, where there is one; raises Stop where that fails."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        from conformance.reporting.github import summary_of

        # The file is the step's, and may hold what others of its commands have said.
        write_text(Path(summary), summary_of(text), mode="a")


def write_text(path: Path, text: str, mode: str = "w") -> None:
    """Write a report's text, to standard output where the path is `-`; raises Stop where that cannot be done."""
    if path == STDOUT:
        print(text, end="")
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Servers may send lone surrogates, which no encoding of text has.
        with path.open(mode, encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as problem:
        raise Stop(Exit.USAGE, f"the report {path} cannot be written: {problem.strerror}") from None
