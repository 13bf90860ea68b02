"""A gate from its file to its verdict: it lints, compares, checks and judges, and tells all that it found at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from attrs import define, field

from conformance.baseline import read_baseline
from conformance.events import read_stream
from conformance.gating.changes import Changes, Misplaced, Stage, changes, stages
from conformance.gating.checking import Checked, Told, check_all
from conformance.gating.file import Gate, Site, read_gate
from conformance.gating.outcome import Outcome
from conformance.gating.verdict import Result, reasons_of
from conformance.reporting.run import Run, read_run
from conformance.session import SHRINK, write_text
from conformance.tomlplaces import read_placed
from conformance.trends import trend
from spec.authoring.diffing.locating import document_at
from spec.authoring.diffing.policy import Policy, read_policy
from spec.authoring.diffing.reporting import render
from spec.authoring.linting.judging import lint
from spec.compiling import compile_source
from spec.exits import Exit, Stop
from spec.expressions import rfc3339
from spec.loading import DocumentError, Source, UnknownProtocol, find, read

__all__ = ["run_gate"]

Checks = Callable[[Gate, Path, float, Told], list[Checked]]
"""How targets are checked: into a folder, with so many seconds for shrinking each target's failures."""


def _checks(gate: Gate, folder: Path, shrink: float, told: Told) -> list[Checked]:
    return check_all(gate, folder, shrink=shrink, told=told)


def run_gate(
    path: Path,
    folder: Path,
    urls: Mapping[str, str],
    *,
    shrink: float = SHRINK,
    told: Told = lambda site, checked: None,
    checks: Checks = _checks,
    today: date | None = None,
) -> Outcome:
    """Run a gate, with the reports of its targets into a folder.

    Raises:
        Stop: where its file cannot be used, before anything is sent to anybody.
    """
    started, began = time.time(), time.monotonic()
    toml, folder = read_placed(path), folder.resolve()
    # What the file names, it names from where it stands: paths, references to secrets, revisions of git.
    with contextlib.chdir(path.resolve().parent):
        gate = read_gate(toml, urls)
        found = _Run(gate, folder, shrink, told, checks, today or datetime.now(UTC).date())
        results = found.run()
    return Outcome(
        gate,
        rfc3339(started),
        time.monotonic() - began,
        found.protocol,
        found.versions,
        found.problems,
        found.stages,
        found.changes,
        results,
        reasons_of(found.problems, found.changes, results, gate.demands),
        found.reports,
    )


@define
class _Run:
    gate: Gate
    folder: Path
    shrink: float
    told: Told
    checks: Checks
    today: date
    protocol: str = ""
    versions: dict[str, tuple[int, str]] = field(factory=dict)
    problems: list[str] = field(factory=list)
    stages: list[Stage] = field(factory=list)
    changes: Changes | None = None
    reports: dict[str, Path] = field(factory=dict)

    def run(self) -> list[Result]:
        gate = self.gate
        policy = read_policy(gate.policy) if gate.policy else Policy()
        for site in gate.sites:
            if site.baseline is not None:
                read_baseline(site.baseline)
        new = self.document("new", gate.new)
        old = self.document("old", gate.old) if gate.old is not None else None
        if new is None:
            return []
        self.place(new)
        lasts = {site.name: self.last(site) for site in gate.sites}
        self.compare(old, new, policy)
        self.folder.mkdir(parents=True, exist_ok=True)
        found = self.checks(gate, self.folder, self.shrink, self.told)
        return [self.result(checked, lasts[checked.site.name]) for checked in found]

    def document(self, side: str, name: str) -> Source | None:
        """A document that can be used, or None with its problems noted."""
        try:
            path = None if name.startswith("git:") else find(name)
            if path is not None and side == "new":
                # The old one is out, and cannot be mended any more.
                self.lint(path)
            source = document_at(name) if path is None else read(path)
        except UnknownProtocol as problem:
            raise Stop(Exit.USAGE, f"{self.gate.toml.place('documents', side)}: {problem}") from None
        except DocumentError as error:
            self.problems += [str(problem) for problem in error.problems if side == "old"]
            return None
        document = compile_source(source)
        self.versions[side] = (document.version, document.digest)
        self.protocol = document.name if side == "new" else self.protocol
        return source

    def lint(self, path: Path) -> None:
        """Note what `handfast lint` fails for, by the policy that lies beside the document."""
        judgement = lint([path], today=self.today)
        bad = (one for one in judgement.findings if one.level in ("error", "warning") and not one.ignored)
        self.problems += [*map(str, bad), *judgement.stale]

    def place(self, new: Source) -> None:
        document = compile_source(new)
        try:
            self.stages = stages(self.gate, document)
        except Misplaced as problem:
            raise Stop(Exit.USAGE, f"{self.gate.toml.place(*problem.at)}: {problem}") from None

    def compare(self, old: Source | None, new: Source, policy: Policy) -> None:
        if old is None or self.gate.old is None:
            return
        self.changes = changes(self.gate, old, new, self.stages, policy, self.today)
        for kind in ("json", "html"):
            path = self.folder / f"changes.{kind}"
            write_text(path, render(kind, self.changes.judgement, (self.gate.old, self.gate.new)))
            self.reports[f"changes.{kind}"] = path

    def last(self, site: Site) -> Run | None:
        """The last release's run of a target."""
        if site.last is None:
            return None
        if not site.last.exists():
            text = f"{site.place}: `last` names {site.last}, which is not there"
            raise Stop(Exit.USAGE, text, "it is the jsonl report of the last release's gate; a first release has none")
        run = read_run(read_stream(site.last))
        if run.header["protocol"] != self.protocol:
            text = f"{site.place}: `last` names a run of {run.header['protocol']}, and this gate is of {self.protocol}"
            raise Stop(Exit.USAGE, text)
        return run

    def result(self, checked: Checked, last: Run | None) -> Result:
        path = checked.stream
        run = read_run(read_stream(path)) if path is not None else None
        compared = trend(last, run) if last is not None and run is not None and run.complete else None
        return Result(checked.site, checked, run, compared, last is None or last.complete)
