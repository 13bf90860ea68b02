"""Operators on what clients may send: schemas that let more through, or less. Servers' own schemas do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import add, remove, replace
from spec.authoring.mutants.reading import Draft, Rules, joined, literal

__all__ = [
    "close_schema",
    "drop_bound",
    "drop_format",
    "drop_required",
    "drop_type",
    "frame_size",
    "loosen_bound",
    "narrow_time",
    "tighten_bound",
]

_LOW, _HIGH = ("minLength", "minimum", "minItems"), ("maxLength", "maximum", "maxItems")


@frozen
class _Schema:
    """A schema of what clients send: `refusing` are the rules by which misfits are refused, `accepting` the others."""

    at: str
    value: dict[str, Any]
    noun: str
    refusing: Rules
    accepting: Rules
    unknown: Rules
    times: tuple[str, ...] = ()
    times_rules: Rules = ()


def _schemas(draft: Draft) -> Iterator[_Schema]:
    envelope = draft.data["wire"]["envelope"]["client"]
    malformed = joined(*(row.rules for row in draft.cases if row.name == "malformed" and row.kind == "case"))
    every = joined(*(row.rules for row in draft.cases if row.kind == "case"))
    unknown = tuple(envelope.get("unknown_members", {}).get("rules", ()))
    times = envelope.get("times", {})
    yield _Schema(
        "/wire/envelope/client/schema",
        envelope["schema"],
        "messages",
        malformed,
        every,
        unknown,
        tuple(pointer.removeprefix("/") for pointer in times.get("at", ())),
        tuple(times.get("rules", ())),
    )
    for name, forms in draft.data["messages"].items():
        if "client" in forms:
            form, cases = forms["client"], [row for row in draft.cases if row.name == name]
            bad = [row.rules for row in cases if row.when.get("payload") == "invalid"]
            good = [row.rules for row in cases if row.when.get("payload") != "invalid"]
            unknown = tuple(form.get("unknown_members", {}).get("rules", ()))
            at = f"/messages/{name}/client/payload"
            yield _Schema(at, form["payload"], f"`{name}`", joined(*bad), joined(*good), unknown)


def _members(schema: _Schema) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, value in schema.value.get("properties", {}).items():
        yield f"{schema.at}/properties/{name}", name, value


def drop_required(draft: Draft) -> Iterator[Edit]:
    """A member may be absent."""
    for schema in _schemas(draft):
        for index, name in enumerate(schema.value.get("required", ())):
            at = f"{schema.at}/required/{index}"
            yield Edit(at, schema.refusing, f"{schema.noun} may lack `{name}`", (remove(at),), name)


def drop_type(draft: Draft) -> Iterator[Edit]:
    """A member may be of any type."""
    for schema in _schemas(draft):
        for at, name, value in _members(schema):
            if "type" in value:
                text = f"`{name}` of {schema.noun} may be of any type"
                yield Edit(f"{at}/type", schema.refusing, text, (remove(f"{at}/type"),))


def drop_format(draft: Draft) -> Iterator[Edit]:
    """A member may be any text."""
    for schema in _schemas(draft):
        for at, name, value in _members(schema):
            if "format" in value:
                rules = joined(schema.refusing, schema.times_rules if name in schema.times else ())
                text = f"`{name}` of {schema.noun} may be any text"
                yield Edit(f"{at}/format", rules, text, (remove(f"{at}/format"),))


def _bounds(draft: Draft) -> Iterator[tuple[_Schema, str, str, int]]:
    for schema in _schemas(draft):
        for at, _, value in _members(schema):
            for key in (*_LOW, *_HIGH):
                if key in value:
                    yield schema, at, key, value[key]


def drop_bound(draft: Draft) -> Iterator[Edit]:
    """A member's size is not bounded."""
    for schema, at, key, _ in _bounds(draft):
        yield Edit(f"{at}/{key}", schema.refusing, f"there is no `{key}`", (remove(f"{at}/{key}"),))


def loosen_bound(draft: Draft) -> Iterator[Edit]:
    """A bound lets one more through."""
    for schema, at, key, value in _bounds(draft):
        other = value - 1 if key in _LOW else value + 1
        text = f"`{key}` is {other}, and not {value}"
        yield Edit(f"{at}/{key}", schema.refusing, text, (replace(f"{at}/{key}", other),))


def tighten_bound(draft: Draft) -> Iterator[Edit]:
    """A bound lets one less through."""
    for schema, at, key, value in _bounds(draft):
        other = value + 1 if key in _LOW else value - 1
        text = f"`{key}` is {other}, and not {value}"
        yield Edit(f"{at}/{key}", schema.accepting, text, (replace(f"{at}/{key}", other),))


def close_schema(draft: Draft) -> Iterator[Edit]:
    """Members that the schema does not name are refused."""
    for schema in _schemas(draft):
        if schema.unknown and "additionalProperties" not in schema.value:
            at = f"{schema.at}/additionalProperties"
            text = f"{schema.noun} with unknown members are refused"
            yield Edit(schema.at, schema.unknown, text, (add(at, False),))


def narrow_time(draft: Draft) -> Iterator[Edit]:
    """Of RFC 3339 times, only some forms are taken."""
    forms = {"utc": "Z$", "fraction": r"\.[0-9]+", "short-fraction": r"^[^.]*(\.[0-9]{1,6}[^0-9].*)?$"}
    for schema in _schemas(draft):
        for at, name, _ in _members(schema):
            for form, pattern in forms.items() if name in schema.times else ():
                text = f"`{name}` must match `{pattern}`"
                yield Edit(at, schema.times_rules, text, (add(f"{at}/pattern", pattern),), form)


def frame_size(draft: Draft) -> Iterator[Edit]:
    """The largest message is twice or half as large, or larger or smaller by one byte."""
    at, largest = "/wire/frames/largest", draft.parameter(draft.data["wire"]["frames"]["largest"])
    rows = [row for row in draft.cases if row.name == "oversize"]
    for size in (largest * 2, largest + 1, largest - 1, largest // 2) if isinstance(largest, int) else ():
        declared, reads = literal("size", size)
        rules = joined(*(row.rules for row in rows))
        text = f"the largest message has {size} bytes, and not {largest}"
        yield Edit(at, rules, text, (declared, replace(at, reads)), str(size))
