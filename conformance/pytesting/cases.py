"""Cases as tests: collected without a word to the target, played in one run, each reported as a test of its own.

| verdict | as a test |
| --- | --- |
| pass, flaky, warn (but for `--handfast-fail-on should`) | passed |
| fail | failed, with the exchange |
| known | expected to fail (xfail), with the reason that the baseline gives |
| fixed | failed: the entry of the baseline is to be removed |
| not applicable | skipped |
| inconclusive, error | error: nothing was shown of the server |

What fails a run and is no case's fault is told by a test `(run)`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from conformance.arranging import arrange
from conformance.baseline import read_baseline
from conformance.pytesting.flags import SHARED, arguments_of, given
from conformance.pytesting.once import Once
from conformance.pytesting.telling import case_in_words, run_in_words, unrun_in_words
from conformance.reporting.run import Event, Run, read_run
from conformance.scripts import Case
from conformance.session import SHRINK, Prepared, Session, parse_report, prepare
from spec.exits import Exit, Stop

__all__ = ["Cases"]

RUN = "(run)"


class Cases(pytest.Collector):
    """Every case of the run that the flags ask for."""

    once: Once
    wanted: Sequence[str]
    _behind: Session | None = None
    _prepared: Prepared | None = None
    _run: Run | None = None
    _told = False

    @classmethod
    def of(cls, parent: pytest.Session, name: str, wanted: Sequence[str]) -> Cases:
        """The collector; `wanted` are the cases that the command line names, all where there is none."""
        made: Cases = cls.from_parent(parent, name=name, nodeid=name)
        made.wanted = wanted
        made.once = Once(parent.config.stash[SHARED].folder)
        return made

    def collect(self) -> Iterator[pytest.Item]:
        try:
            self._behind, prepared = self._arranged()
        except Stop as stop:
            raise self.CollectError(f"handfast: {stop}") from None
        self._prepared = self._behind.prepared = prepared
        found = {case.id for case in prepared.chosen} | {RUN}
        unknown = [name for name in self.wanted if name and name not in found]
        if unknown:
            raise self.CollectError(f"handfast: there is no case `{unknown[0]}`; `pytest --collect-only` lists them")
        for case in prepared.chosen:
            if self._wants(case.id):
                yield OneCase.of(self, case)
        if self._wants(RUN):
            yield WholeRun.from_parent(self, name=RUN, nodeid=f"{self.name}::{RUN}")

    def _wants(self, name: str) -> bool:
        return not any(self.wanted) or name in self.wanted

    def _arranged(self) -> tuple[Session, Prepared]:
        said = given(self.config)
        if self.config.getoption("numprocesses", None) and importlib.util.find_spec("fcntl") is None:
            raise Stop(Exit.USAGE, "on this system the workers of pytest-xdist cannot share a run", "use `-n 0`")
        arguments = arguments_of(said, Path.cwd())
        arguments.drawn = self.config.stash[SHARED].drawn
        arranged = arrange(arguments, said.get("url"))
        baseline = read_baseline(Path(arguments.baseline)) if arguments.baseline else None
        shrink = SHRINK if arguments.shrink is None else arguments.shrink
        reports = tuple(parse_report(text) for text in arguments.report)
        failures = Path(arguments.failures)
        return Session(arranged, reports, failures, False, baseline, shrink), prepare(arranged, failures)

    def choose(self, items: Sequence[pytest.Item]) -> None:
        """Only what is left of the tests is played; where no case is, but the run itself, all are."""
        names = frozenset(item.case.id for item in items if isinstance(item, OneCase))
        if self._behind is not None and self._prepared is not None:
            self._behind.prepared = self._prepared.only(names) if names else self._prepared

    def run_of(self) -> Run:
        """The run, made where it is not yet; a test that asks for one that could not be made ends here."""
        if self._run is None:
            assert self._behind is not None
            try:
                self._run = read_run(self.once.events(self._behind))
            except Stop as stop:
                why = f"handfast: {stop}"
        if self._run is None:
            self.unrun(why)
        assert self._run is not None
        return self._run

    def unrun(self, why: str) -> None:
        """End a test that was not played: one is told why, and a thousand would say nothing more."""
        first, self._told = not self._told, True
        if first:
            pytest.fail(why, pytrace=False)
        pytest.skip(why.splitlines()[0])


class OneCase(pytest.Item):
    """One case as a test."""

    case: Case
    parent: Cases

    @classmethod
    def of(cls, parent: Cases, case: Case) -> OneCase:
        # Identifiers of cases stay as they are, whatever pytest would read into them.
        made: OneCase = cls.from_parent(parent, name=case.id, nodeid=f"{parent.name}::{case.id}")
        made.case = case
        made.extra_keyword_matches.update((case.family, *case.rules))
        made.user_properties += [("rule", rule) for rule in case.rules[:1]]
        return made

    def setup(self) -> None:
        run = self.parent.run_of()
        event = self._event(run)
        if event is None:
            self.parent.unrun(unrun_in_words(run))
        elif event["verdict"] == "not applicable":
            pytest.skip(event["message"])
        elif event["verdict"] in {"inconclusive", "error"}:
            pytest.fail(case_in_words(run, event), pytrace=False)

    def runtest(self) -> None:
        run = self.parent.run_of()
        event = self._event(run)
        assert event is not None
        self._judge(run, event)

    def _judge(self, run: Run, event: Event) -> None:
        failing: Mapping[str, bool] = {"fail": True, "fixed": True, "warn": run.header["fail_on"] == "should"}
        if event["verdict"] == "known":
            pytest.xfail(event["known"])
        if failing.get(event["verdict"], False):
            pytest.fail(case_in_words(run, event), pytrace=False)

    def _event(self, run: Run) -> Event | None:
        return next((event for event in run.cases if event["id"] == self.case.id), None)

    def reportinfo(self) -> tuple[str, None, str]:
        return self.parent.name, None, f"case {self.name}"  # What ends the identifier would be taken for a dotted name.


class WholeRun(pytest.Item):
    """What fails a run and is no case's fault: a baseline that does not fit, a rule that no case reached, …"""

    parent: Cases

    def setup(self) -> None:
        self.parent.run_of()

    def runtest(self) -> None:
        told = run_in_words(self.parent.run_of())
        if told:
            pytest.fail(told, pytrace=False)

    def reportinfo(self) -> tuple[str, None, str]:
        return self.parent.name, None, f"case {self.name}"
