"""The baseline: failures that are known, each with a reason; they still run, and the list must fit what happens."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from conformance.globs import matches
from conformance.tomlfile import read_toml
from conformance.verdicts import Result
from spec.exits import Exit, Stop

__all__ = ["Baseline", "Known", "read_baseline"]

_TYPES: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("case", "rule", "match", "verdict", "reason", "issue", "target"), (str, "text")),
    "version": (int, "whole number"),
    "flaky": (float, "rate above 0 and below 1, such as 0.05"),
    "expires": (date, "date; write 2026-12-31 without quotes"),
}
"""The keys of an entry, what they hold, and what is said where they hold something else."""

_FAILED = ("fail", "warn")

_UNLIKELY = 0.001
"""How improbable, by the declared rate, failures must be before they count against a flaky entry."""

_MOST = 20
"""How often a flaky case is played again at most."""


@define
class Known:
    """One entry: a case (glob) or a rule, what else its failures must be, and why they are known.

    `flaky` is the rate at which they come and go. `target` (a glob over the URL) and `version` (the document's) say
    where the entry speaks. `failed` and `passed` count results, and for flaky entries plays.
    """

    place: str
    reason: str
    case: str | None = None
    rule: str | None = None
    match: str | None = None
    verdict: str | None = None
    issue: str | None = None
    expires: date | None = None
    target: str | None = None
    version: int | None = None
    flaky: float | None = None
    failed: int = 0
    passed: int = 0

    def covers(self, result: Result) -> bool:
        """Whether the entry speaks of a result's case or of the rule that it broke."""
        if self.case is not None and not matches(self.case, result.case.id):
            return False
        return self.rule is None or self.rule in result.rules[:1]

    def explains(self, result: Result) -> bool:
        """Whether a result is the failure that the entry speaks of."""
        verdicts = (self.verdict,) if self.verdict else _FAILED
        return result.verdict in verdicts and self.covers(result) and (self.match or "") in result.message

    def plays(self, result: Result) -> bool:
        """Whether a result of any verdict is of a case that the entry speaks of."""
        named = self.case is None or matches(self.case, result.case.id)
        return named and (self.rule is None or self.rule in (*result.rules, *result.case.rules))

    def applies(self, target: str, version: int) -> bool:
        """Whether a run at a target, of a version, is in the entry's scope."""
        there = self.target is None or fnmatch.fnmatchcase(target, self.target)
        return there and self.version in {None, version}

    def expired(self, today: date) -> bool:
        return self.expires is not None and self.expires < today

    @property
    def reruns(self) -> int:
        """How often a flaky case that failed is played again: so that failing each time would be a thing of itself."""
        assert self.flaky is not None
        return min(_MOST, max(3, math.ceil(math.log(_UNLIKELY) / math.log(self.flaky))))

    @property
    def told(self) -> str:
        """What became of a flaky entry."""
        assert self.flaky is not None
        named = " ".join(name for name in (self.case, self.rule) if name)
        seen = f"failed {self.failed} of {self.failed + self.passed} times"
        return f"{self.place} ({named}): {seen}, declared {self.flaky:.1%}: {self.reason}"

    def problem(self, today: date, *, partial: bool = False) -> str | None:
        """What to edit, where the entry does not fit what happened; a partial run cannot show that nothing matches."""
        if self.expired(today):
            return f"{self.place} expired on {self.expires}: mend the fault, or give the entry a new date and reason"
        if self.flaky is not None:
            return self._flaky_problem(self.flaky, partial=partial)
        if self.failed:
            return None
        if self.case is not None and self.passed:
            # Below a glob, what a partial run left out may still fail.
            globbed = any(sign in self.case for sign in "*?")
            told = f"{self.place} is fixed: `{self.case}` passes; remove the entry"
            return None if partial and globbed else told
        return (
            None if partial else f"{self.place} matches nothing that failed; remove the entry, or correct what it names"
        )

    def _flaky_problem(self, rate: float, *, partial: bool) -> str | None:
        played = self.failed + self.passed
        if not played:
            return None if partial else f"{self.place} matches no case; remove the entry, or correct what it names"
        if _at_least(self.failed, played, rate) < _UNLIKELY:
            return f"{self.place} failed {self.failed} of {played} times, more than {rate:.1%} of them; it is no flake"
        return None


@define
class Baseline:
    """The entries of one file; `out_of_scope` counts those that speak of other targets or versions."""

    path: Path
    entries: list[Known]
    today: date = field(factory=lambda: datetime.now(UTC).date())
    out_of_scope: int = 0

    def within(self, target: str, version: int) -> Baseline:
        """The entries in whose scope a run is."""
        kept = [entry for entry in self.entries if entry.applies(target, version)]
        return evolve(self, entries=kept, out_of_scope=len(self.entries) - len(kept))

    def judge(self, result: Result) -> Result:
        """A result with the verdict `known` or `fixed` where an entry speaks of it; what is flaky gets the reason."""
        for entry in self._valid():
            if entry.flaky is not None:
                result = _count(entry, result)
            elif entry.explains(result):
                entry.failed += 1
                return evolve(result, verdict="known", known=entry.reason, excused=result.verdict)
            elif result.verdict == "pass" and entry.case is not None and matches(entry.case, result.case.id):
                entry.passed += 1
                # Below a glob some may pass while others fail; only a case named as it is can be said to be fixed.
                if entry.case == result.case.id:
                    return evolve(result, verdict="fixed", known=entry.reason)
        return result

    def knows(self, result: Result) -> bool:
        """Whether an entry speaks of a failure."""
        return any(entry.explains(result) for entry in self._valid())

    def reruns(self, result: Result) -> int:
        """How often a failure is to be played again because an entry says that it comes and goes; 0 for not at all."""
        entries = [entry for entry in self._valid() if entry.flaky is not None and entry.explains(result)]
        return max((entry.reruns for entry in entries), default=0)

    def _valid(self) -> list[Known]:
        return [entry for entry in self.entries if not entry.expired(self.today)]

    def problems(self, *, partial: bool = False) -> list[str]:
        """Every entry that does not fit what happened."""
        found = (entry.problem(self.today, partial=partial) for entry in self.entries)
        return [problem for problem in found if problem is not None]

    def summary(self, *, partial: bool = False) -> dict[str, Any]:
        """What the footer of a run says of it."""
        flaky = [entry.told for entry in self.entries if entry.flaky is not None]
        misfits = self.problems(partial=partial)
        return {"file": str(self.path), "misfits": misfits, "flaky": flaky, "out_of_scope": self.out_of_scope}


def _count(entry: Known, result: Result) -> Result:
    """Count what a flaky case did, and note why it is known to."""
    if not entry.plays(result) or result.verdict not in {"pass", "flaky", *_FAILED}:
        return result
    if result.tried is not None and entry.covers(result):
        entry.failed += result.tried.failed
        entry.passed += result.tried.played - result.tried.failed
    else:
        unsteady = result.verdict == "flaky"
        entry.failed += unsteady or entry.explains(result)
        entry.passed += unsteady or not entry.explains(result)
    return evolve(result, known=entry.reason) if result.verdict == "flaky" and entry.covers(result) else result


def _at_least(failed: int, played: int, rate: float) -> float:
    """The probability of so many failures or more, where each play fails at a rate."""
    return sum(math.comb(played, n) * rate**n * (1 - rate) ** (played - n) for n in range(failed, played + 1))


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
    return Baseline(path, [Known(place, **entry) for place, entry in zip(entries, raw, strict=True)])


def _problems(entry: Any) -> list[str]:
    if not isinstance(entry, Mapping):
        return ["is no table"]
    found = [f"has no key `{key}`; known: {', '.join(sorted(_TYPES))}" for key in entry if key not in _TYPES]
    if not entry.get("reason"):
        found.append("has no reason: say why the failure is known")
    if not (entry.get("case") or entry.get("rule")):
        found.append("names neither a case nor a rule")
    for key, (kind, told) in _TYPES.items():
        if key in entry and type(entry[key]) is not kind:
            found.append(f"has `{key}` that is no {told}")
    if isinstance(entry.get("flaky"), float) and not 0 < entry["flaky"] < 1:
        found.append(f"has `flaky` that is no {_TYPES['flaky'][1]}")
    if isinstance(entry.get("verdict"), str) and entry["verdict"] not in _FAILED:
        found.append(f"has the verdict `{entry['verdict']}`; known failures are {' or '.join(_FAILED)}")
    return found
