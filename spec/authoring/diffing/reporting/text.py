"""For a terminal: one change after the other, the worst first."""

from __future__ import annotations

from collections.abc import Iterator

from spec.authoring.diffing.policy import Finding, Judgement
from spec.authoring.diffing.reporting.words import SIDES, headline, level_of, place, summary, witness_lines

__all__ = ["text"]


def text(judgement: Judgement, names: tuple[str, str]) -> str:
    """The judgement for people to read."""
    return "\n".join(_lines(judgement, names)) + "\n"


def _lines(judgement: Judgement, names: tuple[str, str]) -> Iterator[str]:
    comparison = judgement.comparison
    yield f"{comparison.protocol} {comparison.versions[0]} → {comparison.versions[1]} ({names[0]} → {names[1]})"
    quiet = [one for one in judgement.findings if one.level == "info" and one.change.rule.row in ("D01", "D02")]
    for finding in judgement.findings:
        if finding not in quiet:
            yield ""
            yield from _finding(finding)
    yield ""
    if quiet:
        yield f"{len(quiet)} of prose and of which rules are cited"
    for stale in judgement.stale:
        yield f"stale: {stale}; take it out of the policy"
    for left in comparison.left_out:
        yield f"not played: {left}"
    yield summary(judgement)


def _finding(finding: Finding) -> Iterator[str]:
    found = finding.change
    yield f"{level_of(finding)} {found.rule.id} {headline(found)}"
    yield f"  at {place(found)} [{found.fingerprint}]"
    if finding.ignored:
        yield f"  ignored: {finding.ignored}"
        return
    yield "  " + "; ".join(f"{side}: {found.verdict(order)}" for order, side in SIDES.items())
    if found.stages:
        yield f"  where {' or '.join(found.stages)}"
    if finding.level == "info":
        return
    for witness in found.witnesses:
        yield f"  {SIDES[witness.order]}:"
        yield from (f"    {line}" for line in witness_lines(witness))
    if found.rule.fix:
        yield f"  instead: {found.rule.fix}"
