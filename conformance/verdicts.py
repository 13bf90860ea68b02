"""Verdicts: what a case came to, and what a run comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from conformance.observing import Observed
from conformance.player import Entry
from conformance.scripts import Case, Extent
from conformance.tokenbook import Minted
from spec.exits import Exit
from spec.tracker import Finding, Firing

__all__ = ["VERDICTS", "Result", "Tried", "exit_of", "run_verdict"]

VERDICTS = ("pass", "fail", "warn", "known", "fixed", "flaky", "inconclusive", "not applicable", "error")


@frozen
class Tried:
    """How often a case that is known to be flaky failed, of how many plays."""

    failed: int
    played: int


@frozen
class Result:
    """What one case came to; `rules` begins with the broken one where there is one.

    `shrunk` is how long the script was before it was made smaller; `case` then holds the smaller one. `excused` is the
    verdict that a baseline changed to `known`, and `tried` is there where it asked for more plays. `began` is when it
    was played, in epoch seconds, and `tokens` are those that its transcript names.
    """

    case: Case
    verdict: str
    rules: tuple[str, ...]
    message: str = ""
    findings: tuple[Finding, ...] = ()
    transcript: Sequence[Entry] = ()
    covered: frozenset[str] = frozenset()
    visited: frozenset[str] = frozenset()
    transitions: frozenset[str] = frozenset()
    duration: float = 0.0
    attempts: int = 1
    failure_file: str | None = None
    known: str | None = None
    measured: Mapping[str, Any] = field(factory=dict)
    shrunk: Extent | None = None
    observed: Sequence[Observed] = ()
    firings: Sequence[Firing] = ()
    excused: str | None = None
    tried: Tried | None = None
    began: float = 0.0
    tokens: Mapping[str, Minted] = field(factory=dict)


def run_verdict(
    results: Iterable[Result], *, fail_on: str, unreached: Iterable[str], died: bool, misfits: Iterable[str] = ()
) -> str:
    """The verdict of a run: `conformant`, `nonconformant`, `inconclusive` or `error`.

    `misfits` are the entries of a baseline that do not fit what happened.
    """
    verdicts = {result.verdict for result in results}
    bad = {"fail", "warn"} if fail_on == "should" else {"fail"}
    if verdicts & bad or any(misfits):
        return "nonconformant"
    if died or "error" in verdicts or not verdicts - {"not applicable"}:
        return "error"
    return "inconclusive" if "inconclusive" in verdicts or any(unreached) else "conformant"


def exit_of(verdict: str, results: Iterable[Result], *, died: bool, interrupted: bool) -> Exit:
    """The exit code of a run."""
    verdicts = [result.verdict for result in results]
    if interrupted:
        return Exit.INTERRUPTED
    if died:
        return Exit.UNREACHABLE
    if verdict == "nonconformant":
        return Exit.NONCONFORMANT
    if not any(one != "not applicable" for one in verdicts):
        return Exit.NOTHING
    if "error" in verdicts:
        return Exit.INTERNAL
    return Exit.CONFORMANT if verdict == "conformant" else Exit.NOTHING
