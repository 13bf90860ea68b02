"""Saved failures: what earlier runs found is played first, as `saved/<name of the file>`.

The files are a project's memory of failures. They are small, play on any machine and fit into its repository, where
one who has mended a fault keeps them as tests against its return: cases that were drawn may not be drawn again. So
the suite never removes a file. One whose failure is gone is told as fixed, and plays again in every run, which costs
what a shrunken script costs: little. Whoever does not want that deletes the file.

Files of other protocols and versions are left alone. What cannot be read or played any more is told in one line and
left out: an old file never stops a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen

from conformance.arranging import Arranged
from conformance.baseline import Baseline
from conformance.failures import path_of, read_failure, write_failure
from conformance.plan import Plan
from conformance.scripts import SAVED, Case, case_from_data, case_to_data
from conformance.shapes import symbols
from conformance.shrinking import kind
from conformance.verdicts import Result
from spec.exits import Stop

__all__ = ["Saved", "SavedFailures", "Shelf", "misfit", "read_saved"]


@frozen
class Saved:
    """One saved failure: its file, what stands there, the case as it was, and the case that is played."""

    path: Path
    content: Mapping[str, Any]
    origin: Case
    case: Case

    @property
    def names(self) -> set[str]:
        """The identifiers by which globs and baselines may speak of it."""
        return {self.case.id, self.origin.id}


@frozen
class SavedFailures:
    """What a folder holds for a run, by the identifiers of the cases; `skipped` says what is left out, and why."""

    folder: Path
    entries: Mapping[str, Saved]
    skipped: tuple[str, ...] = ()

    def summary(self) -> dict[str, Any]:
        """What the header of a run says of it."""
        return {"folder": str(self.folder), "played": len(self.entries), "skipped": list(self.skipped)}

    def only(self, chosen: Iterable[str]) -> SavedFailures:
        """Those whose identifiers are chosen."""
        kept = set(chosen)
        return evolve(self, entries={name: saved for name, saved in self.entries.items() if name in kept})


def read_saved(folder: Path, plan: Plan) -> SavedFailures:
    """The saved failures of a folder that this run's protocol and version have; none where there is no folder."""
    entries: dict[str, Saved] = {}
    skipped: list[str] = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            content = read_failure(path)
            if (content["protocol"], content["version"]) == (plan.document.name, plan.document.version):
                saved = _saved(path, content, plan)
                entries[saved.case.id] = saved
        except (Stop, ValueError) as problem:
            said = str(problem).splitlines()[0]
            skipped.append(said if said.startswith(str(path)) else f"{path}: {said}")
    return SavedFailures(folder, entries, tuple(skipped))


def _saved(path: Path, content: Mapping[str, Any], plan: Plan) -> Saved:
    origin = case_from_data(content["case"])
    stale = misfit(origin, plan)
    if stale is not None:
        raise ValueError(stale)
    wait = plan.explorer.rehearse_once(origin.steps).elapsed
    return Saved(path, content, origin, evolve(origin, id=f"{SAVED}/{path.stem}", family=SAVED, wait=wait))


def misfit(case: Case, plan: Plan) -> str | None:
    """Why a script means nothing to a document and a deployment, or None."""
    recipes = {recipe.name: recipe for recipe in plan.document.recipes}
    for wanted in symbols(case_to_data(case), "$token"):
        recipe = recipes.get(wanted["recipe"])
        if recipe is None:
            return f"the script no longer fits: there is no recipe `{wanted['recipe']}` of tokens"
        reason = plan.book.applicable(recipe)
        if reason is not None:
            return f"the script does not fit here: a token `{recipe.name}` cannot be made: {reason}"
    try:
        plan.explorer.rehearse_once(case.steps)
    except Exception as problem:
        # A script that was edited may ask for what cannot be written, such as a length that its field cannot hold.
        return f"the script cannot be played: {type(problem).__name__}: {problem}"
    return None


@define
class Shelf:
    """Where a run's failures go: one file for each kind, which the other failures of the kind name too.

    A kind that a saved failure still shows has its file already. `unwritten` says why a file could not be written.
    """

    arranged: Arranged
    saved: SavedFailures
    unwritten: str | None = None
    _files: dict[tuple[str, str, str], str] = field(factory=dict)

    def as_saved(self, result: Result) -> Result:
        """A result under the identifier that its case had when it was saved."""
        saved = self.saved.entries.get(result.case.id)
        return result if saved is None else evolve(result, case=evolve(result.case, id=saved.origin.id))

    def judged(self, result: Result, baseline: Baseline) -> Result:
        """A result judged by a baseline; that an entry is fixed shows in the case itself, not in a saved failure."""
        if result.case.id not in self.saved.entries:
            return baseline.judge(result)
        if result.verdict == "pass":
            return result
        return evolve(baseline.judge(self.as_saved(result)), case=result.case)

    def filed(self, result: Result) -> Result:
        """A result with its file, written where it is the first of its kind; those to show are told first."""
        saved = self.saved.entries.get(result.case.id)
        if result.verdict not in {"fail", "warn", "known"}:
            return result if saved is None else evolve(result, failure_file=str(saved.path))
        path = saved.path if saved is not None else path_of(self.saved.folder, result.case.id)
        if saved is not None or kind(result) not in self._files:
            if saved is None or not _as_before(result, saved):
                self._write(path, self.as_saved(result))
            self._files.setdefault(kind(result), str(path))
        return evolve(result, failure_file=str(path) if saved is not None else self._files[kind(result)])

    def _write(self, path: Path, result: Result) -> None:
        try:
            write_failure(path, self.arranged.target, result, self.arranged.seed)
        except OSError as problem:
            self.unwritten = f"{path} cannot be written: {problem.strerror}"


def _as_before(result: Result, saved: Saved) -> bool:
    """Whether a saved failure fails as its file says, so that a file in a repository does not change for nothing."""
    checks = [finding.check for finding in result.findings]
    same = (list(result.rules[:1]), checks[:1]) == (saved.content["rules"][:1], saved.content["checks"][:1])
    return same and result.case.steps == saved.origin.steps
