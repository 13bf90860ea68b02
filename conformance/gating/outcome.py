"""A gate's outcome as plain data: the json report of it, and what the other reports are made of.

Its schema is `conformance/schemas/gate.schema.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attrs import field, frozen

from conformance.gating.changes import Changes, Stage
from conformance.gating.file import COVERAGE, Gate
from conformance.gating.verdict import Reason, Result, exit_of, reached
from conformance.reporting.run import SHOWN, Run
from conformance.trends import Moved
from conformance.verdicts import VERDICTS
from spec.authoring.diffing.policy import Finding
from spec.authoring.diffing.reporting.words import headline
from spec.exits import Exit

__all__ = ["FORMAT", "SCHEMA", "Outcome", "as_data"]

FORMAT = "handfast-gate/1"
SCHEMA = Path(__file__).parent.parent / "schemas" / "gate.schema.json"


@frozen
class Outcome:
    """Everything that a gate found; `problems` are those of the documents, `versions` of the new and the old one."""

    gate: Gate
    started: str
    duration: float
    protocol: str = ""
    versions: Mapping[str, tuple[int, str]] = field(factory=dict)
    problems: Sequence[str] = ()
    stages: Sequence[Stage] = ()
    changes: Changes | None = None
    results: Sequence[Result] = ()
    reasons: Sequence[Reason] = ()
    reports: Mapping[str, Path] = field(factory=dict)

    @property
    def exit(self) -> Exit:
        return exit_of(self.reasons)


def as_data(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON holds it."""
    gate = outcome.gate
    return {
        "format": FORMAT,
        "tool": f"handfast {version('handfast')}",
        "file": str(gate.toml.path),
        "name": gate.name,
        "started": outcome.started,
        "duration_s": round(outcome.duration, 3),
        "verdict": "stop" if outcome.reasons else "go",
        "exit": int(outcome.exit),
        "reasons": [
            {"kind": one.kind, "target": one.target, "text": one.text, "detail": one.detail, "exit": int(one.exit)}
            for one in outcome.reasons
        ],
        "protocol": outcome.protocol,
        "documents": {side: _document(outcome, side) for side in ("old", "new")},
        "policy": {
            "fail_on": gate.demands.fail_on,
            "order": gate.demands.order,
            "tier": gate.demands.tier,
            "coverage": dict(gate.demands.coverage),
        },
        "problems": list(outcome.problems),
        "changes": _changes(outcome.changes) if outcome.changes else None,
        "counts": _counts(outcome),
        "targets": [_target(outcome, result) for result in outcome.results],
        "reports": {name: _shown(path) for name, path in outcome.reports.items()},
    }


def _counts(outcome: Outcome) -> dict[str, int]:
    """The cases of all targets, by verdict."""
    runs = [result.run for result in outcome.results if result.run is not None]
    return {verdict: sum(run.counts[verdict] for run in runs) for verdict in VERDICTS}


def _document(outcome: Outcome, side: str) -> dict[str, Any] | None:
    name = outcome.gate.new if side == "new" else outcome.gate.old
    known, digest = outcome.versions.get(side, (None, None))
    return None if name is None else {"name": name, "version": known, "digest": digest}


def _changes(changes: Changes) -> dict[str, Any]:
    return {
        "counts": changes.judgement.counted(),
        "breaking": [_change(one) for one in changes.breaking],
        "allowed": [_allowed(changes, one) for one in changes.let_through],
        "stale": list(changes.stale),
    }


def _change(one: Finding) -> dict[str, Any]:
    found = one.change
    return {
        "id": found.id,
        "fingerprint": found.fingerprint,
        "text": headline(found),
        "stages": list(found.stages),
        "instead": found.rule.fix or None,
    }


def _allowed(changes: Changes, one: Finding) -> dict[str, Any]:
    entry = changes.allowed.get(one.change.fingerprint)
    expires = entry.expires.isoformat() if entry else None
    return {**_change(one), "reason": one.ignored, "expires": expires}


def _target(outcome: Outcome, result: Result) -> dict[str, Any]:
    site, run = result.site, result.run
    stage = next((one.values for one in outcome.stages if site.name in one.sites), {})
    return {
        "name": site.name,
        "url": site.endpoint.url,
        "stage": dict(stage),
        "verdict": run.verdict if run else "error",
        "exit": int(result.checked.exit),
        "complete": bool(run and run.complete),
        "reason": run.reason if run else result.checked.said,
        "level": run.header["level"] if run else None,
        "seed": run.header["seed"] if run else None,
        "tier": run.header["tier"] if run else None,
        "cases": len(run.cases) if run else 0,
        "counts": dict(run.counts) if run else {},
        "duration_s": run.duration if run else None,
        "coverage": {kind: _share(run, kind) for kind in COVERAGE},
        "findings": _findings(run) if run else [],
        "misfits": list(run.misfits) if run else [],
        "flaky": list((run.baseline or {}).get("flaky", ())) if run else [],
        "since": _since(site.last, result) if site.last else None,
        "reports": {kind: _shown(path) for kind, path in result.checked.reports.items() if path.exists()},
    }


def _share(run: Run | None, kind: str) -> dict[str, int] | None:
    if run is None or not run.coverage:
        return None
    done, every = reached(run, kind)
    return {"reached": done, "of": every}


def _findings(run: Run) -> list[dict[str, Any]]:
    """What people are to know of a run, by verdict and rule; what is known or flaky is never passed over."""
    return [
        {
            "rule": rule,
            "level": run.rule(rule).get("level"),
            "text": run.rule(rule).get("text", ""),
            "verdict": verdict,
            "cases": len(cases),
            "case": cases[0]["id"],
            "message": cases[0]["message"],
        }
        for verdict in (*SHOWN, "known")
        for rule, cases in run.by_rule(verdict)
    ]


def _since(last: Path, result: Result) -> dict[str, Any]:
    trend = result.trend

    def told(moved: Sequence[Moved]) -> list[dict[str, str]]:
        return [{"rule": one.rule, "was": one.was, "now": one.now} for one in moved]

    return {
        "file": str(last),
        "compared": trend is not None,
        "complete": result.last_complete,
        "worse": told(trend.worse) if trend else [],
        "better": told(trend.better) if trend else [],
    }


def _shown(path: Path) -> str:
    """A path from where we are, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
