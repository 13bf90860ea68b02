"""Failures that the suite wrote down, drawn as sequences: a saved failure, or the cases of a `jsonl` report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from spec.authoring.documenting.blocks import Block, Figure, Heading, Page, Text
from spec.authoring.documenting.drawing import Step, sequence
from spec.authoring.documenting.scenarios import mermaid
from spec.authoring.documenting.words import anchor, rule_refs
from spec.authoring.outlining import Outline
from spec.exits import Exit, Stop
from spec.expressions import pointer_get

__all__ = ["Trace", "page", "read_traces"]

_MOST_LINES, _MOST, _LONGEST = 40, 30, 70


@frozen
class Trace:
    """One failure: its case, the rules that were broken, what was wrong, and lines of (client, direction, text)."""

    name: str
    rules: tuple[str, ...]
    message: str
    lines: tuple[tuple[str, str, str], ...]


def read_traces(path: Path) -> list[Trace]:
    """The failures of a file.

    Raises:
        Stop: where it cannot be read, or is neither a saved failure nor a stream with one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise Stop(Exit.USAGE, f"{path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise Stop(Exit.USAGE, f"{path} is not UTF-8") from None
    found = [trace for value in _values(text, path) if (trace := _trace(value)) is not None]
    if not found:
        text = f"{path} holds no failure with an exchange"
        raise Stop(Exit.USAGE, text, "a file that `handfast check` saved, or its `jsonl` report")
    return found[:_MOST]


def _values(text: str, path: Path) -> Iterator[Any]:
    try:
        yield json.loads(text)
        return
    except (ValueError, RecursionError):
        pass
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            raise Stop(Exit.USAGE, f"{path}, line {number} is no JSON") from None


def _trace(value: Any) -> Trace | None:
    lines = value.get("transcript") if isinstance(value, Mapping) else None
    if not isinstance(lines, list) or value.get("verdict") in ("pass", "not applicable"):
        return None
    case = value.get("case")
    name = value.get("id") or (case.get("id") if isinstance(case, Mapping) else None)
    rules, message = value.get("rules"), value.get("message")
    told = tuple(
        (str(line.get("client", "")), str(line.get("direction", ".")), str(line.get("text", "")))
        for line in lines
        if isinstance(line, Mapping)
    )
    return Trace(
        str(name or "a failure"),
        tuple(str(rule) for rule in rules) if isinstance(rules, list) else (),
        str(message or ""),
        told,
    )


def page(document: Outline, traces: Iterable[Trace]) -> Page | None:
    """Every failure, as what its clients and the server said."""
    blocks: list[Block] = []
    for number, trace in enumerate(traces, 1):
        blocks.append(Heading(1, trace.name, anchor("failure", str(number))))
        if trace.rules:
            blocks.append(Text(["Breaks ", *rule_refs(document, trace.rules[:3]), "."]))
        steps = list(_steps(document, trace))
        says = "; ".join(f"{step.source} to {step.target}: {step.text}" for step in steps)
        drawn = sequence(steps, anchor("trace", str(number)), f"The exchange of {trace.name}", says)
        blocks.append(Figure(drawn, mermaid(steps), trace.message or trace.name, says))
    return Page("failures", "Failures", blocks) if blocks else None


def _steps(document: Outline, trace: Trace) -> Iterator[Step]:
    lines = trace.lines
    if len(lines) > _MOST_LINES:
        half = _MOST_LINES // 2
        lines = (*lines[:half], (lines[half][0], ".", f"… {len(lines) - 2 * half} more …"), *lines[-half:])
    last = "client"
    for who, direction, text in lines:
        last = client = who or last
        told = _short(document, text)
        sides = {">": (client, "server"), "<": ("server", client)}.get(direction, (client, client))
        yield Step(*sides, told)
    yield Step(last, last, f"✗ {trace.message.replace('`', '') or 'this is not as it should be'}")


def _short(document: Outline, text: str) -> str:
    """A message as its type and what it says; anything else as it is."""
    envelope = document.section("wire", "envelope")
    try:
        body = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        name = pointer_get(body, str(envelope.get("discriminator", "")))
        said = pointer_get(body, str(envelope.get("payload", "")))
        if isinstance(name, str):
            text = f"{name} {json.dumps(said, ensure_ascii=False)}" if said not in (None, {}) else name
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
