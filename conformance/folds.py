"""Folds: reports made from the stream of a run, while it is fresh or from a file."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from conformance.verdicts import VERDICTS
from spec.exits import Exit, Stop

__all__ = ["KINDS", "json_report", "summary", "unknown_kind"]

Events = list[dict[str, Any]]


def summary(events: Events) -> dict[str, Any]:
    """The report as one value: what `--report json` writes."""
    header = events[0]
    cases = sorted((e for e in events if e["event"] == "case"), key=lambda event: str(event["id"]))
    footer = next((e for e in events if e["event"] == "footer"), None)
    counts = Counter(case["verdict"] for case in cases)
    return {
        "format": header["format"],
        "tool": header["tool"],
        "protocol": header["protocol"],
        "version": header["version"],
        "document": header["document"],
        "level": header["level"],
        "seed": header["seed"],
        "target": header["target"],
        "tier": header["tier"],
        "parameters": header["parameters"],
        "verdict": footer["verdict"] if footer else "error",
        "complete": bool(footer and footer["complete"]),
        "reason": footer["reason"] if footer else "the run was cut off: its stream has no footer",
        "counts": {verdict: counts[verdict] for verdict in VERDICTS},
        "duration_s": footer["duration_s"] if footer else None,
        "baseline": footer.get("baseline") if footer else None,
        "saved": header.get("saved"),
        "coverage": footer["coverage"] if footer else {},
        "guarantee": {**header.get("guarantee", {}), "holds": bool(footer and footer.get("guaranteed"))},
        "cases": [_case(case) for case in cases],
    }


_KEPT = ("id", "family", "rules", "level", "verdict", "message", "duration_s", "attempts")
_OPTIONAL = ("findings", "transcript", "known", "failure_file", "shrunk", "measured")


def _case(event: Mapping[str, Any]) -> dict[str, Any]:
    return {key: event[key] for key in _KEPT} | {key: event[key] for key in _OPTIONAL if key in event}


def json_report(events: Events) -> str:
    """The `json` report."""
    return json.dumps(summary(events), indent=1, ensure_ascii=True, default=str) + "\n"


def _jsonl(events: Events) -> str:
    return "".join(json.dumps(event, ensure_ascii=True, default=str) + "\n" for event in events)


def _terminal(events: Events) -> str:
    from conformance.terminal import render

    return render(events, color=False)


KINDS: dict[str, Callable[[Events], str]] = {"json": json_report, "jsonl": _jsonl, "terminal": _terminal}


def unknown_kind(kind: str, known: Iterable[str] = tuple(KINDS)) -> Stop:
    """What is said of a kind of report that there is not."""
    near = difflib.get_close_matches(kind, known, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
    return Stop(Exit.USAGE, f"there is no report of kind `{kind}`", hint)
