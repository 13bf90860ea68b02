"""Trying one mutant: is it one, could anybody tell, who should notice, and who does."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import trio
from attrs import define, evolve, field, frozen

from conformance.clock import Clock
from conformance.globs import matches
from conformance.mutating.deployments import Bench, Deployment
from conformance.mutating.rehearsing import Rehearsals, machine_of
from conformance.mutating.serving import serving
from conformance.ranking import by_rule
from conformance.runner import Runner
from conformance.scripts import Case
from conformance.verdicts import Result
from conformance.wire import Endpoint
from spec.authoring.mutants import Endless, Mutant, Original
from spec.compiling import compile_source
from spec.loading import DocumentError
from spec.model import Document
from spec.parameters import resolve
from spec.tracker import Slack

__all__ = ["VERDICTS", "Trial", "Trier"]

VERDICTS = ("right", "otherwise", "survived", "equivalent", "impossible")
"""What becomes of a mutant: caught with a rule of its own first, caught otherwise, not caught although it could be told
apart, not to be told apart, or no document at all."""

_SAMPLE = 40
"""How many of the cases that should notice a mutant are played at first."""

_SLACK = Slack(flight=0.1, lateness=0.1)
_QUIET = 0.2


@frozen
class Trial:
    """What became of a mutant.

    `named` are the rules that the first failure names, the first of which counts; `case` is its case and `said` what
    was found. `apart` says what tells the mutant from the right document, `stage` in which deployment it was tried.
    """

    mutant: Mutant
    verdict: str
    named: tuple[str, ...] = ()
    case: str = ""
    said: str = ""
    apart: str = ""
    stage: str = ""
    failures: int = 0
    played: int = 0
    seconds: float = 0.0


@define
class Trier:
    """Tries mutants of one protocol, one at a time; what a deployment needs is made when first needed."""

    bench: Bench
    run: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    _originals: dict[str, Original] = field(factory=dict)
    _rehearsals: dict[str, Rehearsals] = field(factory=dict)

    def attempt(self, mutant: Mutant) -> Trial:
        """Try a mutant, in every deployment in which it could be told apart until it is caught."""
        began = time.monotonic()
        try:
            document = compile_source(mutant.source(self.bench.source.data))
        except DocumentError as problem:
            return Trial(mutant, "impossible", said=str(problem.problems[0].message))
        try:
            trial = self._tried(mutant, document)
        except Endless:
            return Trial(mutant, "impossible", said="its timers start each other without end")
        return evolve(trial, seconds=time.monotonic() - began)

    def _tried(self, mutant: Mutant, document: Document) -> Trial:
        trial = Trial(mutant, "equivalent")
        told: list[tuple[Deployment, str]] = []
        # The first stage in which a case should notice; then the others, and only then every case there is.
        for stage in self.bench.stages():
            why = self._apart(document, stage)
            if why is not None:
                told.append((stage, why))
                trial = self._played(trial, stage, why, self._noticing(mutant, document, stage))
            if trial.verdict not in {"equivalent", "survived"}:
                return trial
        for stage, why in told:
            trial = self._played(trial, stage, why, self._rehearsal(stage).cases)
            if trial.verdict != "survived":
                break
        return trial

    def _played(self, trial: Trial, stage: Deployment, why: str, cases: Sequence[Case]) -> Trial:
        before = evolve(trial, verdict="survived", apart=why, stage=stage.name)
        return evolve(self._play(trial.mutant, stage, cases, trial.played), apart=why) if cases else before

    # ------------------------------------------------------------------------------------------------ selection

    def _apart(self, document: Document, stage: Deployment) -> str | None:
        plan = self.bench.plan(stage)
        if stage.name not in self._originals:
            self._originals[stage.name] = Original(self.bench.document, plan.parameters)
        return self._originals[stage.name].apart(document, self._parameters(document, stage))

    def _parameters(self, document: Document, stage: Deployment) -> dict[str, object]:
        return resolve(document.parameters, stage.settings, quick=True)

    def _rehearsal(self, stage: Deployment) -> Rehearsals:
        if stage.name not in self._rehearsals:
            # A measure is of durations, which no edit of a document changes.
            cases = [case for case in self.bench.cases(stage) if case.measure is None]
            chosen = [case for case in cases if self._chosen(case.id)]
            self._rehearsals[stage.name] = Rehearsals(self.bench.plan(stage), chosen)
        return self._rehearsals[stage.name]

    def _chosen(self, name: str) -> bool:
        wanted = not self.run or any(matches(glob, name) for glob in self.run)
        return wanted and not any(matches(glob, name) for glob in self.skip)

    def _noticing(self, mutant: Mutant, document: Document, stage: Deployment) -> list[Case]:
        plan, rehearsal = self.bench.plan(stage), self._rehearsal(stage)
        places = _places(mutant)
        near = _mixed(rehearsal.cases if places is None else rehearsal.near(places))
        found = rehearsal.noticing(near, machine_of(document, self._parameters(document, stage), plan.book))
        return list(islice(found, _SAMPLE))

    # -------------------------------------------------------------------------------------------------- playing

    def _play(self, mutant: Mutant, stage: Deployment, cases: Sequence[Case], played: int) -> Trial:
        data = mutant.data(self.bench.source.data)
        with (
            tempfile.TemporaryDirectory(prefix="handfast-mutant-") as folder,
            serving(data, stage, self.bench.deployed, Path(folder)) as served,
        ):
            url = served.url()
            results = trio.run(self._run, url, stage, cases) if url is not None else []
        failed = [result for result in results if result.verdict in {"fail", "warn"}]
        trial = Trial(mutant, "survived", stage=stage.name, played=played + len(cases), failures=len(failed))
        if url is None:
            return evolve(trial, verdict="otherwise", said="the server did not start")
        if not failed:
            return trial
        first = first_told(failed)
        verdict = "right" if first.rules[:1] and first.rules[0] in mutant.rules else "otherwise"
        return evolve(trial, verdict=verdict, named=first.rules, case=first.case.id, said=first.message)

    async def _run(self, url: str, stage: Deployment, cases: Sequence[Case]) -> list[Result]:
        target = evolve(self.bench.plan(stage).target, endpoint=Endpoint.parse(url, None), slack=_SLACK, quiet=_QUIET)
        runner = Runner(target, lambda result: None, Clock())
        await runner.run(cases)
        return list(runner.results.values())


def first_told(failed: Sequence[Result]) -> Result:
    """The failure that a report begins with: what must not be before what should not, the shortest exchange first."""
    worst = [result for result in failed if result.verdict == "fail"] or list(failed)
    ranked = by_rule(worst, lambda r: (r.rules or ("",))[0], lambda r: (len(r.transcript), r.case.id))
    return ranked[0][1][0]


_LIST = re.compile(r"(/opening/rows|/connection(?:/states/[^/]+)*/receive/[^/]+)(?:/(\d+)(/.*)?)?")
_TIMER = re.compile(r"(/connection(?:/states/[^/]+)*/timers/[^/]+)(?:/.*)?")


def _places(mutant: Mutant) -> set[str] | None:
    """The rows and cases, or the whole lists, whose decisions a mutant's edit can change; None where any can be."""
    found: set[str] = set()
    for path in (operation["path"] for operation in mutant.edit.patch):
        decision, timer = _LIST.fullmatch(path), _TIMER.fullmatch(path)
        if timer is not None:
            found.add(f"{timer[1]}/expire")
        elif decision is not None:
            within = decision[3] is not None and not decision[3].startswith(("/when", "/in"))
            found.add(f"{decision[1]}/{decision[2]}" if within else decision[1])
        elif not path.startswith("/parameters/"):
            return None
    return found


def _mixed(cases: Iterable[Case]) -> list[Case]:
    """Cases such that the first ones are of every kind: by family, by what they are about, with and without a focus."""
    kinds: dict[tuple[str, str, bool], list[Case]] = {}
    for case in sorted(cases, key=lambda case: (case.wait > 1, len(case.steps))):
        focus = any(getattr(step, "rules", ()) for step in case.steps)
        kinds.setdefault((case.family, (case.rules or ("",))[0], focus), []).append(case)
    rounds = max(map(len, kinds.values()), default=0)
    return [group[index] for index in range(rounds) for group in kinds.values() if index < len(group)]
