"""The stream of a run: a header, an event for each case, a footer; every report is a fold over it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from attrs import asdict

from conformance.arranging import Arranged
from conformance.preflight import Calibration
from conformance.scripts import extent
from conformance.verdicts import Result
from spec.exits import Exit, Stop
from spec.parameters import format_value

__all__ = ["FORMAT", "Stream", "case_event", "header_event", "read_stream"]

FORMAT = 1


def header_event(
    arranged: Arranged, cases: int, guarantee: Mapping[str, Any], saved: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What a run is: the first event."""
    target = arranged.target
    return {
        "event": "header",
        "format": FORMAT,
        "tool": f"handfast {version('handfast')}",
        "protocol": target.document.name,
        "version": target.document.version,
        "title": target.document.title,
        "document": target.document.digest,
        "level": arranged.level,
        "seed": arranged.seed,
        "examples": arranged.examples,
        "fail_on": arranged.fail_on,
        "target": target.endpoint.url,
        "tier": target.book.tier,
        "keys": [{"alg": key.alg, "kid": key.kid} for key in target.book.keys],
        "addresses": target.addresses is not None,
        "owned": target.owned,
        "parameters": {name: format_value(value) for name, value in target.parameters.items()},
        "given": sorted(target.given),
        "run": list(arranged.run),
        "skip": list(arranged.skip),
        "rules": {
            rule.id: {"level": rule.level, "observe": rule.observe, "text": rule.text, "reason": rule.reason}
            for rule in target.document.rules.values()
        },
        "cases": cases,
        "saved": saved,
        "guarantee": dict(guarantee),
    }


def calibration_event(calibration: Calibration) -> dict[str, Any]:
    """What was measured before the first case."""
    return {"event": "calibration", "round_trip_s": calibration.round_trip, "quiet_s": calibration.quiet}


def case_event(result: Result) -> dict[str, Any]:
    """What a case came to; its exchange is kept where it did not pass."""
    event: dict[str, Any] = {
        "event": "case",
        "id": result.case.id,
        "family": result.case.family,
        "rules": list(result.rules),
        "level": result.case.level,
        "verdict": result.verdict,
        "message": result.message,
        "duration_s": round(result.duration, 4),
        "attempts": result.attempts,
        "covered": sorted(result.covered),
        "visited": sorted(result.visited),
        "transitions": sorted(result.transitions),
    }
    if result.findings:
        event["findings"] = [
            {"check": f.check, "rules": list(f.blamed), "text": f.text, "client": f.client} for f in result.findings
        ]
    if result.verdict not in {"pass", "not applicable"}:
        event["transcript"] = [{**asdict(entry), "at": round(entry.at, 4)} for entry in result.transcript]
    if result.known is not None:
        event["known"] = result.known
    if result.failure_file is not None:
        event["failure_file"] = result.failure_file
    if result.shrunk is not None:
        event["shrunk"] = {"from": asdict(result.shrunk), "to": asdict(extent(result.case.steps))}
    if result.measured:
        event["measured"] = dict(result.measured)
    return event


class Stream:
    """Collects events, and writes each to files as it comes."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.events: list[dict[str, Any]] = []
        self._files: list[TextIO] = []
        for path in paths:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._files.append(path.open("w", encoding="utf-8"))
            except OSError as problem:
                raise Stop(Exit.USAGE, f"the report {path} cannot be written: {problem.strerror}") from None

    def tell(self, event: dict[str, Any]) -> None:
        """Take an event."""
        self.events.append(event)
        for file in self._files:
            file.write(json.dumps(event, ensure_ascii=True, allow_nan=False, default=str) + "\n")
            file.flush()

    def close(self) -> None:
        for file in self._files:
            file.close()


def read_stream(path: Path) -> list[dict[str, Any]]:
    """Read a jsonl report; raises Stop with the line that does not fit."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise Stop(Exit.USAGE, f"{path}: {problem}") from None
    events = []
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
            events.append({**event, "event": event["event"]})
        except (ValueError, KeyError, TypeError):
            if number == len(lines):
                # The run was killed while it wrote this line; what came before it stands.
                break
            raise Stop(Exit.USAGE, f"{path}:{number}: not an event of a run") from None
    if not events or events[0]["event"] != "header" or events[0].get("format") != FORMAT:
        raise Stop(Exit.USAGE, f"{path} is no jsonl report of format {FORMAT}")
    return events
