"""For a pull request: a table of what breaks whom, then each change with its witness."""

from __future__ import annotations

from collections.abc import Iterator

from spec.authoring.diffing.policy import Finding, Judgement
from spec.authoring.diffing.reporting.words import SIDES, headline, level_of, place, summary, witness_lines

__all__ = ["markdown"]

_SHOWN = {"error": "**error**", "warning": "warning", "info": "info", "ignored": "ignored"}


def markdown(judgement: Judgement, names: tuple[str, str]) -> str:
    """The judgement as GitHub's Markdown."""
    return "\n".join(_lines(judgement, names)) + "\n"


def _lines(judgement: Judgement, names: tuple[str, str]) -> Iterator[str]:
    comparison = judgement.comparison
    yield f"# {comparison.protocol} {comparison.versions[0]} → {comparison.versions[1]}"
    yield ""
    yield f"`{names[0]}` → `{names[1]}`: {summary(judgement)}."
    if judgement.findings:
        yield ""
        yield "| severity | change | at | old clients, new server | new clients, old server |"
        yield "| --- | --- | --- | --- | --- |"
    for one in judgement.findings:
        found = one.change
        yield (
            f"| {_SHOWN[level_of(one)]} | `{found.rule.id}` {_cell(found.text)} | `{_cell(place(found))}` "
            f"| {found.server_first} | {found.clients_first} |"
        )
    for one in judgement.findings:
        if not one.ignored and one.level in ("error", "warning"):
            yield ""
            yield from _finding(one)
    if judgement.stale:
        yield ""
        yield "## Stale exceptions"
        yield ""
        yield from (f"- {_plain(stale)}" for stale in judgement.stale)
    if comparison.left_out:
        yield ""
        yield "## Not played"
        yield ""
        yield from (f"- {_plain(left)}" for left in comparison.left_out)


def _finding(one: Finding) -> Iterator[str]:
    found = one.change
    yield f"## `{found.rule.id}` {_plain(headline(found))}"
    yield ""
    yield f"At `{place(found)}`, fingerprint `{found.fingerprint}`." + (
        f" Where {' or '.join(found.stages)}." if found.stages else ""
    )
    if found.rule.fix:
        yield f"Instead: {found.rule.fix}."
    for witness in found.witnesses:
        yield ""
        yield f"{SIDES[witness.order].capitalize()}:"
        yield ""
        yield "```text"
        yield from witness_lines(witness)
        yield "```"


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|").replace("\n", " ")


def _plain(text: str) -> str:
    """A text in which nothing is taken for HTML."""
    return text.replace("<", "&lt;")
