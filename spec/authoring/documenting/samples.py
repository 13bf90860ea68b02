"""Examples of messages: those that the document gives in an envelope that is drawn, or drawn whole; and broken ones.

Drawing is derandomized, so that a document's pages are always the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from spec.authoring.outlining import Outline, definitions, message_schema
from spec.expressions import pointer_parts, pointer_put

__all__ = ["Broken", "Sample", "samples"]

_MOMENT = "2026-01-01T00:00:00Z"
_MOST_BROKEN, _LONGEST = 8, 40


@frozen
class Broken:
    """A fault by which a message is not valid: where it is, what it is, and what stands there as JSON (or nothing)."""

    pointer: str
    what: str
    value: str | None


@frozen
class Sample:
    """Valid messages of one type, and some with a fault each."""

    valid: tuple[Any, ...]
    broken: tuple[Broken, ...]


def samples(document: Outline, role: str, name: str) -> Sample:
    """Examples of a role's messages of a type; of a schema that nothing is drawn for, only those of the document."""
    known = definitions(document)
    # Validators follow the references as they are written; strategies look among `definitions`.
    schema = {**message_schema(document, role, name), "$defs": known, "definitions": known}
    smallest = _smallest(schema)
    given = [_given(document, smallest, example) for example in document.messages(role)[name].get("examples", ())]
    valid = tuple(given or ([smallest] if smallest is not None else []))
    return Sample(valid, tuple(_broken(document, schema, valid[0])) if valid else ())


def _smallest(schema: Mapping[str, Any]) -> Any:
    """The smallest value of a schema, with readable ids and times in it."""
    from spec.strategies.values import validator

    found = _first_drawn(schema)
    readable = _readable(schema, schema, found, "")
    return readable if validator(schema).is_valid(readable) else found


def _first_drawn(schema: Mapping[str, Any]) -> Any:
    """What Hypothesis draws first, which is the simplest; None of a schema that it draws nothing for."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import HypothesisException

    from spec.strategies.values import values

    drawn: list[Any] = []
    options = settings(
        max_examples=1,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @options
    @given(values(schema))
    def draw(value: Any) -> None:
        drawn.append(value)

    try:
        draw()
    except (HypothesisException, LookupError):
        return None
    return drawn[0] if drawn else None


def _readable(schema: Any, root: Mapping[str, Any], value: Any, name: str) -> Any:
    """The value with texts that say what they are, where their schema leaves them open."""
    from spec.strategies.values import item_schema, resolved

    schema = resolved(schema, root) if isinstance(schema, Mapping) else {}
    if isinstance(value, dict):
        named = schema.get("properties", {})
        return {key: _readable(named.get(key, {}), root, member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [_readable(item_schema(schema, index), root, item, name) for index, item in enumerate(value)]
    if not isinstance(value, str) or {"const", "enum", "pattern"} & set(schema):
        return value
    if "format" in schema:
        return _MOMENT if schema["format"] == "date-time" else value
    return f"{name}-1" if re.fullmatch(r".*[iI]d", name) else name or value


def _given(document: Outline, smallest: Any, example: Any) -> Any:
    """An example of the document as a payload in its envelope; expressions are shown for what they are."""
    body = json.loads(json.dumps(smallest)) if isinstance(smallest, dict) else {}
    shown = _shown(example)
    pointer = document.section("wire", "envelope").get("payload", "")
    if pointer_parts(pointer) or isinstance(shown, dict):
        pointer_put(body, pointer, shown)
    return body


def _shown(example: Any) -> Any:
    if isinstance(example, Mapping):
        return {key: _shown(member) for key, member in example.items()}
    if isinstance(example, list):
        return [_shown(item) for item in example]
    if isinstance(example, str) and example.startswith("$token."):
        return f"<a token: {example.removeprefix('$token.')}>"
    return f"<{example[1:]}>" if isinstance(example, str) and example.startswith("$") else example


def _broken(document: Outline, schema: Mapping[str, Any], body: Any) -> Iterator[Broken]:
    """Faults in a message, one for each kind of fault at a member; those of the payload first."""
    from spec.strategies.mutations import mutate, mutations
    from spec.strategies.values import validator

    within = pointer_parts(document.section("wire", "envelope").get("payload", ""))
    check = validator(schema)
    seen: set[tuple[tuple[str | int, ...], str]] = set()
    faults = sorted((fault for fault in mutations(schema, body)), key=lambda fault: fault.path[: len(within)] != within)
    for fault in faults:
        kind = (fault.path, re.sub(r" of type \w+", "", fault.what))
        if len(seen) == _MOST_BROKEN:
            return
        wrong = mutate(body, fault)
        if fault.path and kind not in seen and wrong != body and not check.is_valid(wrong):
            seen.add(kind)
            told = None if fault.drops else _short(fault.value)
            yield Broken("".join(f"/{part}" for part in fault.path), fault.what, told)


def _short(value: Any) -> str:
    told = json.dumps(value, ensure_ascii=False)
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}…"
