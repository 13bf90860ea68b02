"""The `github` report: workflow commands that annotate what is new, one for each broken rule.

GitHub shows ten errors and ten warnings of a step and drops the others silently, so the last one says how many there
are more. What the baseline knows is not new. The summary of the step is the `markdown` report, cut to what it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.reporting.run import Run, plural, read_run
from conformance.reporting.spans import plain

__all__ = ["ERRORS", "capped", "message", "render", "summary_of"]

ERRORS = 10
"""How many annotations of a kind GitHub shows for a step."""

_MOST = 1_000_000
"""How many bytes a step's summary may have, a little below GitHub's bound of 1 MiB."""


def render(events: list[dict[str, Any]]) -> str:
    """The report."""
    run = read_run(events)
    errors = [*_own(run), *_broken(run, "error"), *_broken(run, "fail")]
    warnings = [*_broken(run, "warn"), *_broken(run, "flaky"), *_broken(run, "inconclusive")]
    (warnings, errors) = ([], errors + warnings) if run.header["fail_on"] == "should" else (warnings, errors)
    lines = [*capped("error", errors), *capped("warning", warnings)]
    told = ", ".join(f"{count} {verdict}" for verdict, count in run.counts.items() if count) or "no case"
    lines.append(f"::notice title=handfast::{message(f'{run.title}: {run.verdict} ({told})')}")
    return "\n".join(lines) + "\n"


def summary_of(told: str) -> str:
    """What of a Markdown text goes to the file that `GITHUB_STEP_SUMMARY` names."""
    text = told.encode(errors="replace")
    if len(text) <= _MOST:
        return text.decode()
    return text[:_MOST].decode(errors="ignore").rpartition("\n")[0] + "\n\n… cut: see the other reports\n"


def _own(run: Run) -> Iterator[tuple[str, str]]:
    """What fails a run beside its cases."""
    yield from (("baseline", misfit) for misfit in run.misfits)
    if run.reason:
        yield "handfast", run.reason
    yield from ((rule, f"no case showed this rule: {why}") for rule, why in run.unreached.items())


def _broken(run: Run, verdict: str) -> Iterator[tuple[str, str]]:
    for rule, group in run.by_rule(verdict):
        title = f"{rule} {run.level(rule)}".strip()
        others = f" (and {plural(len(group) - 1, 'other case')})" if len(group) > 1 else ""
        yield f"{title} {verdict}", f"{group[0]['id']}: {group[0]['message']}{others}\n{run.rule(rule).get('text', '')}"


def capped(command: str, told: list[tuple[str, str]]) -> Iterator[str]:
    """Workflow commands of titles and messages, as many as GitHub shows."""
    shown = told if len(told) <= ERRORS else told[: ERRORS - 1]
    if len(shown) < len(told):
        shown = [*shown, ("handfast", f"{len(told) - len(shown)} more, in the other reports")]
    for title, text in shown:
        yield f"::{command} title={_name(title)}::{message(text)}"


def message(text: str) -> str:
    """A command's message: nothing in it can end the line and begin another command."""
    lines = plain("\n".join(text.rstrip().splitlines()))
    return lines.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _name(text: str) -> str:
    return message(text).replace(":", "%3A").replace(",", "%2C")
