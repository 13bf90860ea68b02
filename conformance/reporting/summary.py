"""The `json` report: the run as one value; its schema is `conformance/schemas/json.schema.json`."""

from __future__ import annotations

import json
from typing import Any

from conformance.reporting.run import Event, read_run

__all__ = ["render", "summary"]

_HEADER = ("format", "tool", "protocol", "version", "document", "level", "seed", "fail_on", "target", "tier")
_KEPT = ("id", "family", "rules", "level", "verdict", "message", "duration_s", "attempts")
_OPTIONAL = (
    "findings",
    "transcript",
    "known",
    "excused",
    "tried",
    "failure_file",
    "origin",
    "shrunk",
    "measured",
    "timers",
)


def summary(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The report as a value."""
    run = read_run(events)
    footer = run.footer or {}
    return {
        **{name: run.header.get(name) for name in _HEADER},
        "parameters": run.header["parameters"],
        "verdict": run.verdict,
        "exit": footer.get("exit"),
        "complete": run.complete,
        "reason": run.reason,
        "counts": dict(run.counts),
        "duration_s": run.duration,
        "baseline": run.baseline,
        "saved": run.header.get("saved"),
        "coverage": dict(run.coverage),
        "guarantee": run.guarantee,
        "cases": [_case(case) for case in run.cases],
    }


def _case(event: Event) -> dict[str, Any]:
    return {key: event[key] for key in _KEPT} | {key: event[key] for key in _OPTIONAL if key in event}


def render(events: list[dict[str, Any]]) -> str:
    """The report."""
    return json.dumps(summary(events), indent=1, ensure_ascii=True, allow_nan=False, default=str) + "\n"
