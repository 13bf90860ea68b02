"""Bringing a baseline up to date with what a run found: entries go and come, comments and all others stay.

The file is edited as text. What TOML libraries keep of comments they keep behind the table before; people write them
above the entry that they are about, so an entry's comment goes with it. What comes out is read again and compared with
what it should be before anything is written.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from attrs import frozen

from conformance.baseline import Baseline, Known, read_baseline
from conformance.reporting.run import Run
from conformance.scripts import SAVED, Case
from conformance.verdicts import Result, Tried
from spec.exits import Exit, Stop

__all__ = ["DRAWN", "Change", "compared", "rewritten", "written"]

DRAWN = frozenset({"bodies", "sequences", "interleavings", "timing"})
"""Families whose cases another seed draws anew: an entry for one speaks of its family and rule."""

_HEADER = re.compile(r"\s*\[\[\s*known\s*\]\]\s*(#.*)?")
_WAS = {"fixed": "pass"}


@frozen
class Change:
    """What is to be done to a baseline: entries to add, numbers of entries to remove, and what people must decide."""

    path: Path
    added: Sequence[Mapping[str, Any]] = ()
    removed: Sequence[int] = ()
    left: Sequence[str] = ()
    told: Sequence[str] = ()


def compared(path: Path, run: Run, *, by: str = "case") -> Change:
    """Judge a run's cases by a baseline anew, and say what would make it fit; one that is not there is empty."""
    whole = read_baseline(path) if path.exists() else Baseline(path, [])
    baseline = whole.within(str(run.header["target"]), run.header["version"])
    judged = [baseline.judge(_unjudged(case)) for case in run.cases]
    bad = ("fail", "warn") if run.header["fail_on"] == "should" else ("fail",)
    partial = not run.complete or bool(run.header["run"] or run.header["skip"])
    expired = [entry for entry in baseline.entries if entry.expired(baseline.today)]
    fresh, left = [], []
    for result in judged:
        if result.verdict not in bad:
            continue
        # Whether what has expired is to be known for longer is for people to say.
        known = any(entry.explains(result) for entry in (*expired, *_flaky(baseline)))
        if not known:
            fresh.append(_entry(result, by))
    removed = []
    for number, entry in enumerate(whole.entries):
        problem = entry.problem(baseline.today, partial=partial) if entry in baseline.entries else None
        if problem and (entry.expired(baseline.today) or (entry.flaky is not None and entry.failed + entry.passed)):
            left.append(problem)
        elif problem:
            removed.append(number)
    added = [dict(pairs) for pairs in dict.fromkeys(tuple(entry.items()) for entry in fresh)]
    told = ["the run was partial: entries that matched nothing stay"] if partial else []
    return Change(path, added, removed, left, told)


def _flaky(baseline: Baseline) -> list[Known]:
    return [entry for entry in baseline.entries if entry.flaky is not None]


def _unjudged(event: Mapping[str, Any]) -> Result:
    """A result as it was before a baseline judged it."""
    verdict = event.get("excused") or _WAS.get(event["verdict"], event["verdict"])
    case = Case(event.get("origin", event["id"]), event["family"], tuple(event["rules"]), ())
    tried = Tried(**event["tried"]) if "tried" in event else None
    # A saved failure that passes says nothing of the case that it came from.
    verdict = "inconclusive" if event["family"] == SAVED and verdict == "pass" else verdict
    return Result(case, verdict, tuple(event["rules"]), event["message"], tried=tried)


def _entry(result: Result, by: str) -> dict[str, Any]:
    rule = {"rule": result.rules[0]} if result.rules else {}
    if by == "rule" and rule:
        return rule
    family = result.case.id.partition("/")[0]
    return {"case": f"{family}/**", **rule} if family in DRAWN else {"case": result.case.id, **rule}


def written(change: Change, *, reason: str, issue: str | None = None, expires: date | None = None) -> str:
    """The new text of the file; raises Stop where it cannot be edited with certainty."""
    text = change.path.read_text(encoding="utf-8") if change.path.exists() else ""
    more = {name: value for name, value in (("reason", reason), ("issue", issue), ("expires", expires)) if value}
    entries = [{**entry, **more} for entry in change.added]
    kept = [entry for number, entry in enumerate(_entries(text)) if number not in change.removed]
    text = _without(text, change.removed) if change.removed else text
    blocks = [text.rstrip("\n"), *(_block(entry) for entry in entries)]
    edited = "\n\n".join(block for block in blocks if block) + "\n"
    if _entries(edited) != [*kept, *entries]:
        raise Stop(
            Exit.USAGE,
            f"{change.path} cannot be edited with certainty; nothing was changed",
            "write each entry as [[known]] on a line of its own, with its keys below",
        )
    return edited


def _entries(text: str) -> list[Any]:
    try:
        return list(tomllib.loads(text).get("known", []))
    except tomllib.TOMLDecodeError:
        return []


def _without(text: str, removed: Iterable[int]) -> str:
    """The text without some entries, the comment lines right above them, and one blank line."""
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if _HEADER.fullmatch(line)]
    gone: set[int] = set()
    for number in removed:
        if number >= len(heads):
            break
        start, end = heads[number], _end(lines, heads[number])
        while start and lines[start - 1].lstrip().startswith("#"):
            start -= 1
        blank = end < len(lines) and not lines[end].strip()
        gone |= {*range(start, end + blank)}
    return "\n".join(line for number, line in enumerate(lines) if number not in gone) + "\n"


def _end(lines: Sequence[str], head: int) -> int:
    """Where an entry ends: at the first blank line, or at the comments of the next entry."""
    end = head + 1
    while end < len(lines) and lines[end].strip() and not _HEADER.fullmatch(lines[end]):
        end += 1
    if end < len(lines) and lines[end].strip():
        while lines[end - 1].lstrip().startswith("#"):
            end -= 1
    return end


def _block(entry: Mapping[str, Any]) -> str:
    return "\n".join(["[[known]]", *(f"{name} = {_value(value)}" for name, value in entry.items())])


def _value(value: Any) -> str:
    """A text as TOML's basic string, whose escapes are JSON's but for DEL, or a date as it is."""
    return (
        value.isoformat()
        if isinstance(value, date)
        else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    )


def rewritten(change: Change, text: str) -> None:
    """Put a file's new text in place; raises Stop where that cannot be done."""
    try:
        change.path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise Stop(Exit.USAGE, f"{change.path} cannot be written: {problem.strerror}") from None
