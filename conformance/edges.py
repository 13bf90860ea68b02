"""Bodies at the edges of a schema: what it still accepts, and what it just refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from spec.expressions import pointer_get, with_member
from spec.model import Form

__all__ = ["invalid_payloads", "sprinkled_payloads", "valid_payloads"]

# What servers are known to trim, escape, normalise or count wrongly.
_TEXTS = {
    "spaces-around": "  salt  ",
    "line-breaks": "one\r\ntwo\n\tthree",
    "html": "<b>salt</b> & \"pepper\" 'n' <script>alert(1)</script>",
    "combining": "e\u0301 A\u030a \ufb01",
    "right-to-left": "\u202eabc\u202c שלום",
    "emoji": "👩\u200d🍳🍲",
    "control": "a\u0001b\u007fc",
    "nul": "a\u0000b",
    "escapes": '\\ \\u0041 \\" /',
    "json": '{"type":"auth"}',
    "percent": "%41 %s {0} ${x}",
    "line-separators": "a\u2028b\u2029c",
    "no-characters": "\ufeffx\ufffe",
    "number-like": "0123.0e5",
}


_ANYTHING = {
    "null": None,
    "false": False,
    "number": -1.5e-7,
    "text": "42",
    "list": [1, [2, {}], None],
    "object": {"a": {"b": [None, {"": 0}]}, "id": "x", "__proto__": {"x": 1}},
}
"""Values where a schema asks for none in particular."""


@frozen
class _Place:
    """A member of a payload, there or not: what it is called in names of cases, where it is, and its schema."""

    name: str
    pointer: str
    schema: Mapping[str, Any]


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in root.get("definitions", {}):
        if "$ref" not in schema:
            break
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    return schema


def _objects(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any], at: str = "") -> Iterator[_Place]:
    """The objects within a value, the outermost first; of a list the first item."""
    schema = _resolved(schema, root)
    if isinstance(value, dict) and "properties" in schema:
        yield _Place(at.strip("/").replace("/", "-"), at, schema)
        for name, inner in schema["properties"].items():
            if name in value:
                yield from _objects(inner, value[name], root, f"{at}/{name}")
    elif isinstance(value, list) and value and isinstance(schema.get("items"), Mapping):
        yield from _objects(schema["items"], value[0], root, f"{at}/0")


def _items(schema: Mapping[str, Any], payload: list[Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas of the items of a list."""
    first = schema.get("prefixItems", [])
    for index in range(len(payload)):
        yield first[index] if index < len(first) else schema.get("items", {})


def _members(form: Form, payload: Mapping[str, Any]) -> Iterator[_Place]:
    """The members that the objects of a payload may have, and the items that a list has which is the payload."""
    if isinstance(payload, list):
        yield _Place("list", "", form.schema)
        for index, schema in enumerate(_items(form.schema, payload)):
            yield _Place(f"item-{index}", f"/{index}", _resolved(schema, form.schema))
    for place in _objects(form.schema, payload, form.schema):
        for name, schema in place.schema.get("properties", {}).items():
            label = f"{place.name}-{name}" if place.name else name
            yield _Place(label, f"{place.pointer}/{name}", _resolved(schema, form.schema))


def _types(schema: Mapping[str, Any]) -> list[str]:
    known = schema.get("type", [])
    return [known] if isinstance(known, str) else list(known)


def _strings(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if low:
        found["shortest"] = "x" * low
        found["shortest-wide"] = "🍲" * low
    if high is not None:
        found["longest"] = {"$fill": {"text": "x", "times": high}}
        found["longest-wide"] = {"$fill": {"text": "🍲", "times": high}}
    return found


def _fitting(schema: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Other values that a schema accepts in place of one."""
    plain = not {"pattern", "enum", "format"} & set(schema)
    if isinstance(value, dict) and set(value) == {"$room"}:
        # The name of a room stays one of the run's own.
        return {kind: {"$join": [value, text]} for kind, text in _TEXTS.items()} if plain else {}
    found: dict[str, Any] = {}
    types = _types(schema)
    if "string" in types:
        found |= _strings(schema) | (_TEXTS if plain else {})
    if {"integer", "number"} & set(types):
        found |= {kind: schema[bound] for kind, bound in (("least", "minimum"), ("most", "maximum")) if bound in schema}
    if isinstance(value, list) and value:
        found["several"] = value[:1] * max(schema.get("minItems", 1), min(3, schema.get("maxItems", 3)))
        if "maxItems" in schema:
            found["most"] = value[:1] * schema["maxItems"]
    if "null" in types:
        found["null"] = None
    return found if set(schema) & {"type", "enum", "const", "anyOf", "oneOf"} else dict(_ANYTHING)


def valid_payloads(form: Form, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Payloads that a form accepts, made of a valid one: bounds and unusual content of its plain members."""
    found: dict[str, Any] = {}
    for place in _members(form, payload):
        if place.pointer in form.secret:
            continue
        for kind, value in _fitting(place.schema, pointer_get(payload, place.pointer)).items():
            found[f"{place.name}-{kind}"] = with_member(payload, place.pointer, value)
    return found


def sprinkled_payloads(form: Form, payload: Mapping[str, Any], strangers: Mapping[str, Any]) -> dict[str, Any]:
    """Payloads with members in one of their inner objects that its schema does not name."""
    found: dict[str, Any] = {}
    for place in _objects(form.schema, payload, form.schema):
        named = place.schema["properties"]
        if place.pointer and place.schema.get("additionalProperties", True) is True:
            inner = pointer_get(payload, place.pointer)
            added = {name: value for name, value in strangers.items() if name not in named}
            found[f"{place.name}-unknown-members"] = with_member(payload, place.pointer, {**inner, **added})
    return found


_WRONG: dict[str, dict[str, Any]] = {
    "string": {"number": 7, "true": True, "null": None, "array": ["x"], "object": {"x": "y"}},
    "integer": {"string": "7", "fraction": 0.5, "true": True, "null": None},
    "number": {"string": "7", "true": True, "null": None},
    "boolean": {"string": "true", "number": 1, "null": None},
    "object": {"array": [], "string": "{}", "null": None},
    "array": {"object": {}, "string": "[]", "null": None},
}


def _without(payload: Any, pointer: str) -> Any:
    """A copy of a payload that lacks a member."""
    outer, _, name = pointer.rpartition("/")
    holder = {key: value for key, value in pointer_get(payload, outer).items() if key != name}
    return with_member(payload, outer, holder)


def _unfitting(schema: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Values that a schema refuses, each by one fault."""
    types = _types(schema)
    known = next((_WRONG[kind] for kind in types if kind in _WRONG), {})
    found = {kind: wrong for kind, wrong in known.items() if kind not in types}
    if schema.get("minLength"):
        found["too-short"] = "x" * (schema["minLength"] - 1)
    if "maxLength" in schema:
        over = schema["maxLength"] + 1
        found["too-long"] = {"$fill": {"text": "x", "times": over}}
        found["too-long-wide"] = {"$fill": {"text": "é", "times": over}}
    if "minimum" in schema:
        found["too-small"] = schema["minimum"] - 1
    if "maximum" in schema:
        found["too-large"] = schema["maximum"] + 1
    if "enum" in schema:
        found["no-member"] = "handfast-none"
    if schema.get("format") == "date-time":
        found |= {"empty": "", "words": "now", "no-zone": "2026-01-01T00:00:00", "month-13": "2026-13-01T00:00:00Z"}
    if isinstance(value, list) and (value or "maxItems" in schema):
        found |= {"empty": []} if schema.get("minItems") else {}
        found |= {"too-many": (value[:1] or ["x"]) * (schema["maxItems"] + 1)} if "maxItems" in schema else {}
        # What comes first would be accepted without the last.
        found |= {"last-wrong": [*value[:1], *value[:1], None]} if value and schema.get("items") else {}
    return found


def invalid_payloads(form: Form, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Payloads that a form refuses, each by one fault in a valid one."""
    found: dict[str, Any] = {}
    for place in _objects(form.schema, payload, form.schema):
        for name in place.schema.get("required", ()):
            label = f"{place.name}-{name}" if place.name else name
            found[f"{label}-missing"] = _without(payload, f"{place.pointer}/{name}")
    for place in _members(form, payload):
        for kind, value in _unfitting(place.schema, pointer_get(payload, place.pointer)).items():
            found[f"{place.name}-{kind}"] = with_member(payload, place.pointer, value)
    return found
