"""What came of recordings, told to people and to programs; nothing that is secret passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from attrs import asdict, evolve, frozen

from conformance.player import Entry
from conformance.reporting.exchange import line
from conformance.sieve import Sieve, without_runs
from conformance.tracing.judging import Judged
from spec.expressions import rfc3339
from spec.model import Document
from spec.tracker import Finding

__all__ = ["FORMATS", "Verdict"]

_MOST = 14
"""How many lines of an exchange are shown with a finding."""


@frozen
class Verdict:
    """What recordings of a document's exchanges came to."""

    document: Document
    file: str
    found: tuple[Judged, ...]

    def level(self, finding: Finding) -> str:
        """`warn` for what breaks nothing that must be, else `fail`."""
        known = {self.document.rules[rule].level for rule in finding.blamed[:1] if rule in self.document.rules}
        return "warn" if known and known <= {"should", "should_not", "may"} else "fail"

    @property
    def conformant(self) -> bool:
        return not any(self.level(one) == "fail" for judged in self.found for one in judged.findings)


def text(verdict: Verdict) -> str:
    """For people: what is wrong, with the lines around it."""
    return _sayable("".join(f"{told}\n" for told in _lines(verdict)))


def _lines(verdict: Verdict) -> Iterator[str]:
    document = verdict.document
    yield f"{document.name} {document.version} · {verdict.file}"
    for judged in verdict.found:
        clients = len({event.client for event in judged.recording.events})
        messages = sum(event.kind in ("sent", "received") for event in judged.recording.events)
        yield f"{judged.recording.name}: {_counted(clients, 'client')}, {_counted(messages, 'message')}"
        clean = _cleaner(judged)
        for finding in judged.findings:
            yield f"  {verdict.level(finding)} {', '.join(finding.blamed) or finding.check}: {clean(finding.text)}"
            for entry in _around(judged, finding):
                yield "    " + clean(line(asdict(entry), rfc3339(judged.recording.began)))
        yield from (f"  {note}" for note in map(clean, _notes(judged)))
    yield f"verdict: {'conformant' if verdict.conformant else 'nonconformant'}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _notes(judged: Judged) -> Iterator[str]:
    """What was not judged, and what was taken on trust."""
    if judged.trusted or judged.refused:
        forged = f", {judged.refused} for forged" if judged.refused else ""
        yield f"tokens: no key is given, so {judged.trusted} taken for good{forged}; --secret or --key judges them"
    if judged.recording.silent:
        yield "closes: this file has none, so how connections ended is not judged"
    if judged.beyond is not None:
        yield f"not judged from here on: {judged.beyond}"


def _around(judged: Judged, finding: Finding) -> list[Entry]:
    """The lines before a finding, and its own."""
    at = finding.at - judged.recording.began + 1e-3
    return [entry for entry in judged.recording.entries if entry.at <= at][-_MOST:]


def _cleaner(judged: Judged) -> Callable[[str], str]:
    """What takes secrets, and parts of them, out of a text."""
    secrets = judged.recording.secrets
    sieve = Sieve(secrets)
    return lambda told: without_runs(str(sieve.clean(told)), secrets)


def as_json(verdict: Verdict) -> str:
    """For programs; `format` changes when a member's meaning does."""
    told = {
        "format": "handfast-trace/1",
        "file": verdict.file,
        "protocol": verdict.document.name,
        "version": verdict.document.version,
        "verdict": "conformant" if verdict.conformant else "nonconformant",
        "exchanges": [_told(verdict, judged) for judged in verdict.found],
    }
    return _sayable(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def _sayable(told: str) -> str:
    """A text that every output takes: halves of surrogate pairs are written as escapes."""
    return told.encode("utf-8", "backslashreplace").decode()


def _told(verdict: Verdict, judged: Judged) -> dict[str, Any]:
    clean = _cleaner(judged)
    entries: Iterable[Entry] = (evolve(entry, text=clean(entry.text)) for entry in judged.recording.entries)
    return {
        "name": judged.recording.name,
        "findings": [
            {
                "level": verdict.level(one),
                "check": one.check,
                "rules": list(one.blamed),
                "text": clean(one.text),
                "client": one.client,
                "at_s": round(one.at - judged.recording.began, 4),
            }
            for one in judged.findings
        ],
        "covered": sorted(judged.covered),
        "notes": [clean(note) for note in _notes(judged)],
        "transcript": [{**asdict(entry), "at": round(entry.at, 4)} for entry in entries],
    }


FORMATS: Mapping[str, Callable[[Verdict], str]] = {"text": text, "json": as_json}
"""The formats."""
