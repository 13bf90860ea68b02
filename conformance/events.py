"""The stream of a run: a header, an event for each case, a footer; every report is a fold over it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from attrs import asdict

from conformance.arranging import Arranged
from conformance.charting import chart
from conformance.preflight import Calibration
from conformance.reporting.jsonl import encode_event
from conformance.scripts import extent
from conformance.sieve import Sieve
from conformance.verdicts import Result
from spec.exits import Exit, Stop
from spec.expressions import rfc3339
from spec.parameters import format_value
from spec.tracker import Firing

__all__ = ["FORMAT", "Stream", "case_event", "header_event", "judgeable", "read_stream"]

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
        "started": rfc3339(target.epoch),
        "document": target.document.digest,
        "level": arranged.level,
        "seed": arranged.seed,
        "examples": arranged.examples,
        "fail_on": arranged.fail_on,
        "target": target.endpoint.url,
        "tier": target.book.tier,
        "tokens": source.name if (source := target.book.source) is not None else None,
        "keys": [{"alg": key.alg, "kid": key.kid} for key in target.book.keys],
        "addresses": target.addresses is not None,
        "owned": target.owned,
        "parameters": {name: format_value(value) for name, value in target.parameters.items()},
        "given": sorted(target.given),
        "run": list(arranged.run),
        "skip": list(arranged.skip),
        "rules": {
            rule.id: {
                "level": rule.level,
                "observe": rule.observe,
                "text": rule.text,
                "reason": rule.reason,
                "file": rule.file,
                "line": rule.line,
            }
            for rule in target.document.rules.values()
        },
        "machine": chart(target.document),
        "cases": cases,
        "saved": saved,
        "guarantee": dict(guarantee),
    }


def calibration_event(calibration: Calibration) -> dict[str, Any]:
    """What was measured before the first case."""
    event = {"event": "calibration", "round_trip_s": calibration.round_trip, "quiet_s": calibration.quiet}
    if (skew := calibration.skew) is not None:
        told = {"skew_s": round(skew.seconds, 3), "within_s": round(skew.within, 3), "source": skew.source}
        event["clock"] = told
    return event


def case_event(result: Result, origin: str | None = None) -> dict[str, Any]:
    """What a case came to; its exchange is kept where it did not pass. `origin` is the case of a saved failure."""
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
        event |= judgeable(result)
    if origin is not None:
        event["origin"] = origin
    if result.known is not None:
        event["known"] = result.known
    if result.excused is not None:
        event["excused"] = result.excused
    if result.tried is not None:
        event["tried"] = asdict(result.tried)
    if result.failure_file is not None:
        event["failure_file"] = result.failure_file
    if result.shrunk is not None:
        event["shrunk"] = {"from": asdict(result.shrunk), "to": asdict(extent(result.case.steps))}
    if result.measured:
        event["measured"] = dict(result.measured)
    if result.firings:
        event["timers"] = [_firing(firing) for firing in result.firings]
    return event


def judgeable(result: Result) -> dict[str, Any]:
    """What `handfast trace check` needs beside a transcript: when it began, and what its tokens are."""
    if not result.began:
        return {}
    tokens = {name: {"step": one.step, "claims": dict(one.claims)} for name, one in result.tokens.items()}
    return {"began_s": round(result.began, 4), "tokens": tokens}


def _firing(firing: Firing) -> dict[str, Any]:
    """A timer's measurement, in seconds since it started."""
    times = {f"{name}_s": getattr(firing, name) for name in ("due", "earliest", "latest", "seen")}
    rounded = {name: None if value is None else round(value, 4) for name, value in times.items()}
    return {"client": firing.client, "state": firing.state, "timer": firing.timer, **rounded}


class Stream:
    """Collects events, and writes each to files as it comes."""

    def __init__(self, paths: Iterable[Path], sieve: Sieve | None = None) -> None:
        self._sieve = sieve or Sieve()
        self.events: list[dict[str, Any]] = []
        self._files: list[TextIO] = []
        for path in paths:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._files.append(path.open("w", encoding="utf-8"))
            except OSError as problem:
                raise Stop(Exit.USAGE, f"the report {path} cannot be written: {problem.strerror}") from None

    def tell(self, event: dict[str, Any]) -> None:
        """Take an event, without what is secret of it."""
        event = self._sieve.clean(event)
        self.events.append(event)
        for file in self._files:
            file.write(encode_event(event))
            file.flush()

    def close(self) -> None:
        for file in self._files:
            file.close()


_BEGINNING = f'{{"event": "header", "format": {FORMAT}, '
"""How every stream begins, as `encode_event` writes it."""

_LOST: Mapping[str, Any] = {
    **dict.fromkeys(("protocol", "version", "document", "level", "fail_on", "target", "tier", "title"), "?"),
    **dict.fromkeys(("seed", "guarantee", "saved", "started"), None),
    "parameters": {},
    "rules": {},
    **dict.fromkeys(("keys", "given", "run", "skip"), ()),
    "machine": {"states": (), "moves": ()},
    "event": "header",
    "format": FORMAT,
    "tool": "handfast",
    "addresses": False,
    "owned": True,
    "examples": 0,
    "cases": "?",
}
"""What stands for the header of a run that was killed while it wrote it."""


def read_stream(path: Path) -> list[dict[str, Any]]:
    """Read a jsonl report, wherever the run that wrote it was killed; raises Stop with the line that does not fit."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise Stop(Exit.USAGE, f"{path}: {problem}") from None
    lines = text.splitlines()
    events = []
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
            events.append({**event, "event": event["event"]})
        except (ValueError, KeyError, TypeError):
            if number == 1 or (number == len(lines) and not text.endswith("\n")):
                # The run was killed while it wrote this line, and what came before it stands; or this is another file.
                break
            raise Stop(Exit.USAGE, f"{path}:{number}: not an event of a run") from None
    if "\n" not in text and not events and (text.startswith(_BEGINNING) or _BEGINNING.startswith(text)):
        return [dict(_LOST)]
    if not events or events[0]["event"] != "header" or events[0].get("format") != FORMAT:
        raise Stop(Exit.USAGE, f"{path} is no jsonl report of format {FORMAT}")
    return events
