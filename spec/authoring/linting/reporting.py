"""What lint found, told in several formats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spec.authoring.linting.catalogue import RULES
from spec.authoring.linting.judging import Judgement
from spec.authoring.linting.policy import Finding
from spec.loading import shown

__all__ = ["KINDS"]

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}
_SARIF = {"error": "error", "warning": "warning", "info": "note", "none": "none"}


def text(judgement: Judgement) -> str:
    """A line for each finding; nothing where there is none."""
    return "".join(f"{line}\n" for line in _lines(judgement))


def _lines(judgement: Judgement) -> Iterator[str]:
    for one in judgement.findings:
        yield f"{one}" if one.ignored is None else f"{one.place}: ignored {one.code}: {one.message}: {one.ignored}"
    yield from (f"stale: {stale}; take it out" for stale in judgement.stale)


def as_json(judgement: Judgement) -> str:
    """Everything, for other programs; `format` changes when a member's meaning does."""
    told = {
        "format": "handfast-lint/1",
        "counts": judgement.counted(),
        "findings": [_told(one) for one in judgement.findings],
        "stale": list(judgement.stale),
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _told(one: Finding) -> dict[str, Any]:
    told = {
        "code": one.code,
        "level": one.level,
        "file": _file(one),
        "line": one.place.line,
        "column": one.place.column,
        "pointer": one.pointer,
        "message": one.message,
        "hint": one.hint,
        "ignored": one.ignored,
        "fingerprint": _fingerprint(one),
    }
    return {name: value for name, value in told.items() if value is not None}


def github(judgement: Judgement) -> str:
    """Workflow commands, which GitHub shows beside the lines that they are about."""
    lines = []
    for one in judgement.findings:
        if one.ignored is None and one.level in _COMMANDS:
            where = f"file={_property(_file(one))},line={one.place.line},col={one.place.column}"
            said = one.message + (f" ({one.hint})" if one.hint else "")
            lines.append(f"::{_COMMANDS[one.level]} {where},title={_property(one.code)}::{_value(said)}")
    lines += [f"::error title=stale exception::{_value(stale)}" for stale in judgement.stale]
    return "".join(f"{line}\n" for line in lines)


def _value(said: str) -> str:
    return said.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(said: str) -> str:
    return _value(said).replace(":", "%3A").replace(",", "%2C")


def sarif(judgement: Judgement) -> str:
    """SARIF 2.1.0, for code scanning."""
    known = {one.code: RULES[one.code] for one in judgement.findings}
    rules = [{"id": rule.code, "shortDescription": {"text": rule.title}} for rule in known.values()]
    run = {
        "tool": {"driver": {"name": "handfast lint", "rules": rules}},
        "results": [_result(one) for one in judgement.findings],
    }
    whole = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _result(one: Finding) -> dict[str, Any]:
    region = {"startLine": one.place.line, "startColumn": one.place.column}
    result: dict[str, Any] = {
        "ruleId": one.code,
        "level": _SARIF[one.level],
        "message": {"text": one.message + (f" ({one.hint})" if one.hint else "")},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _file(one)}, "region": region}}],
        "partialFingerprints": {"handfast/v1": _fingerprint(one)},
    }
    if one.ignored is not None:
        result["suppressions"] = [{"kind": "external", "justification": one.ignored}]
    return result


def _file(one: Finding) -> str:
    """The file as a reader of a report finds it: from the working directory, or from the package."""
    path = Path(one.place.file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd()).as_posix()
    return shown(one.place.file)


def _fingerprint(one: Finding) -> str:
    """Twelve hexadecimal digits over the rule and the place in the document: lines may come and go above it."""
    said = "\n".join((one.code, Path(one.place.file).name, one.pointer))
    return hashlib.sha256(said.encode()).hexdigest()[:12]


KINDS: Mapping[str, Callable[[Judgement], str]] = {"text": text, "json": as_json, "github": github, "sarif": sarif}
"""The formats."""
