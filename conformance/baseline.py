"""The baseline: failures that are known, each with a reason; they still run, and the list must fit what happens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from attrs import define, evolve

from conformance.globs import matches
from conformance.tomlfile import read_toml
from conformance.verdicts import Result
from spec.exits import Exit, Stop

__all__ = ["Baseline", "read_baseline"]

_KEYS = {"case", "rule", "match", "reason", "issue", "expires"}


@define
class Known:
    """One entry: a case (glob) or a rule, optionally a text that the message must hold, and why it is known."""

    place: str
    reason: str
    case: str | None = None
    rule: str | None = None
    match: str | None = None
    issue: str | None = None
    expires: date | None = None
    failed: int = 0
    passed: int = 0

    def covers(self, result: Result) -> bool:
        """Whether the entry speaks of a result's case or of the rule that it broke."""
        if self.case is not None and not matches(self.case, result.case.id):
            return False
        return self.rule is None or self.rule in result.rules[:1]

    def explains(self, result: Result) -> bool:
        """Whether a result is the failure that the entry speaks of."""
        return result.verdict in {"fail", "warn"} and self.covers(result) and (self.match or "") in result.message

    def problem(self, today: date) -> str | None:
        """What to edit, where the entry does not fit what happened."""
        if self.expires is not None and self.expires < today:
            return f"{self.place} expired on {self.expires}: mend the fault, or give the entry a new date and reason"
        if self.failed:
            return None
        if self.case is not None and self.passed:
            return f"{self.place} is fixed: `{self.case}` passes; remove the entry"
        return f"{self.place} matches nothing that failed; remove the entry, or correct what it names"


@define
class Baseline:
    """The entries of one file."""

    path: Path
    entries: list[Known]
    today: date

    def judge(self, result: Result) -> Result:
        """A result with the verdict `known` or `fixed` where an entry speaks of it."""
        for entry in self._valid():
            if entry.explains(result):
                entry.failed += 1
                return evolve(result, verdict="known", known=entry.reason)
            if result.verdict == "pass" and entry.case is not None and entry.covers(evolve(result, rules=())):
                entry.passed += 1
                # Below a glob some may pass while others fail; only a case named as it is can be said to be fixed.
                if entry.case == result.case.id:
                    return evolve(result, verdict="fixed", known=entry.reason)
        return result

    def knows(self, result: Result) -> bool:
        """Whether an entry speaks of a failure."""
        return any(entry.explains(result) for entry in self._valid())

    def _valid(self) -> list[Known]:
        return [entry for entry in self.entries if entry.expires is None or entry.expires >= self.today]

    def problems(self) -> list[str]:
        """Every entry that does not fit what happened."""
        return [problem for entry in self.entries if (problem := entry.problem(self.today)) is not None]


def read_baseline(path: Path) -> Baseline:
    """Read a baseline file; raises Stop with every problem of it."""
    data = read_toml(path)
    raw = data.get("known", [])
    problems = [f"{path}: there is no section [{name}]; entries are [[known]]" for name in data if name != "known"]
    if not isinstance(raw, list):
        raise Stop(Exit.USAGE, f"{path}: entries are written [[known]]")
    entries = [f"{path}: entry {number}" for number in range(1, len(raw) + 1)]
    for place, entry in zip(entries, raw, strict=True):
        problems += [f"{place} {problem}" for problem in _problems(entry)]
    if problems:
        raise Stop(Exit.USAGE, "\n".join(problems))
    return Baseline(path, [Known(place, **entry) for place, entry in zip(entries, raw, strict=True)], _today())


def _today() -> date:
    return datetime.now(UTC).date()


def _problems(entry: Any) -> list[str]:
    if not isinstance(entry, Mapping):
        return ["is no table"]
    found = [f"has no key `{key}`; known: {', '.join(sorted(_KEYS))}" for key in entry if key not in _KEYS]
    if not entry.get("reason"):
        found.append("has no reason: say why the failure is known")
    if not (entry.get("case") or entry.get("rule")):
        found.append("names neither a case nor a rule")
    for key in _KEYS - {"expires"}:
        if not isinstance(entry.get(key, ""), str):
            found.append(f"has a `{key}` that is no text")
    if type(entry.get("expires", date.max)) is not date:
        found.append("has an `expires` that is no date; write 2026-12-31 without quotes")
    return found
