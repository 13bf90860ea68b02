"""What a run's tests say, in the words of the report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.reporting.run import Event, Run, read_run
from conformance.reporting.terminal import render_case, render_end

__all__ = ["case_in_words", "closing_words", "run_in_words", "unrun_in_words"]


def case_in_words(run: Run, event: Event) -> str:
    """Why a case's test does not pass."""
    if event["verdict"] == "fixed":
        return f"{event['id']} passes, and the baseline has it as failing ({event['known']}): remove the entry"
    return render_case(run, event)


def run_in_words(run: Run) -> str:
    """What fails a run beside its cases, empty where nothing does."""
    told = [f"baseline: {misfit}" for misfit in run.misfits]
    told += [run.reason] if run.reason else []
    told += [f"no case showed {rule}: {why}" for rule, why in run.unreached.items()]
    return "\n".join(told)


def unrun_in_words(run: Run) -> str:
    """Why a case of a run was not played."""
    return f"not played: {run.reason or 'the run ended before it'}"


def closing_words(events: list[dict[str, Any]]) -> Iterator[str]:
    """How a run ended, for the end of pytest's own report; what passes in spite of what was seen is told here."""
    run = read_run(events)
    header = run.header
    yield f"{header['tool']} · {header['target']} · level {header['level']} · seed {header['seed']}"
    passed = ("flaky",) if header["fail_on"] == "should" else ("warn", "flaky")
    for event in run.by_verdict(*passed):
        yield from (f"{event['verdict']}: {event['id']}", *render_case(run, event).splitlines(), "")
    yield from render_end(run).splitlines()
