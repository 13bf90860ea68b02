"""Globs over case identifiers: `*` within a segment, `**` across segments."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from spec.exits import Exit, Stop

__all__ = ["matches", "select"]


def _pattern(glob: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/?|\*|\?)", glob)
    spelled = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(spelled.get(part, re.escape(part)) for part in parts) + "(?:/.*)?")


def matches(glob: str, name: str) -> bool:
    """Whether a glob names a case, or something above it."""
    return _pattern(glob).fullmatch(name) is not None


def select(names: Iterable[str], run: Iterable[str], skip: Iterable[str]) -> set[str]:
    """The names that some `run` glob matches (all, where there is none) and no `skip` glob does.

    A glob also matches everything below what it names. Raises Stop for a glob that matches nothing.
    """
    every = list(names)
    wanted = _matching(every, run) if (run := list(run)) else set(every)
    return wanted - _matching(every, skip)


def _matching(names: list[str], globs: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for glob in globs:
        matched = {name for name in names if _pattern(glob).fullmatch(name)}
        if not matched:
            raise Stop(Exit.USAGE, f"no case matches `{glob}`", _nearest(glob, names))
        found |= matched
    return found


def _nearest(glob: str, names: list[str]) -> str:
    candidates = {"/".join(name.split("/")[:depth]) for name in names for depth in range(1, 6)}
    near = difflib.get_close_matches(glob, sorted(candidates), n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else "`handfast list --cases` shows them"
