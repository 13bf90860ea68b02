"""Values of a schema, made by hand of its bounds: the plainest one, and those at and around every edge.

They only aim: whether a value is valid is for a validator to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

__all__ = ["completed", "edges", "sample"]

_MOST = 400
"""How many values are tried of one schema."""

_DEEPEST = 6

_FORMATS = {
    "date-time": "2027-01-15T08:00:00Z",
    "date": "2027-01-15",
    "time": "08:00:00Z",
    "duration": "PT1S",
    "email": "ana@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.org/",
    "uri-reference": "/a",
    "uuid": "0b8b7b1e-7a3c-4d86-8c5a-2f1a4d0b9c1e",
    "json-pointer": "/a",
    "regex": "a",
}
_TEXTS = ("a", "abc", "A1", "0", "x-1", "ana@example.org", "https://example.org/", "", "Grüße", "a b", "2027-01-15")
_PLAIN: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "integer": 1,
    "number": 1.5,
    "string": "a",
    "array": [],
    "object": {},
}


def sample(schema: Mapping[str, Any]) -> Any:
    """The plainest value of a schema."""
    return next(iter(_values(schema, schema, 0)), None)


def completed(body: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """An envelope with the members that its schema requires and that say nothing of their own."""
    for name in schema.get("required", ()):
        if name not in body:
            body[name] = sample(schema.get("properties", {}).get(name, {}))
    return body


def edges(schema: Mapping[str, Any]) -> list[Any]:
    """Values of a schema at its edges, the plainest first; some may not fit it."""
    return list(islice(_values(schema, schema, 0), _MOST))


def _values(schema: Any, root: Mapping[str, Any], depth: int) -> Iterator[Any]:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        yield from _PLAIN.values()
        return
    if "$ref" in schema:
        yield from _values(root.get("definitions", {}).get(schema["$ref"].rpartition("/")[2], {}), root, depth + 1)
        return
    if "const" in schema:
        yield schema["const"]
        return
    if "enum" in schema:
        yield from schema["enum"]
        return
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _values(
            {**{k: v for k, v in schema.items() if k not in ("anyOf", "oneOf")}, **option}, root, depth + 1
        )
    if "anyOf" in schema or "oneOf" in schema:
        return
    types = schema.get("type", "object" if "properties" in schema else list(_PLAIN))
    for kind in types if isinstance(types, list) else [types]:
        yield from _OF[kind](schema, root, depth)


def _strings(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Iterator[Any]:
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if "format" in schema:
        yield _FORMATS.get(schema["format"], "a")
    yield from (text for text in _TEXTS if low <= len(text) and (high is None or len(text) <= high))
    yield "x" * max(low, 1)
    # An edge that lies far out is still one text; beyond this nobody would send it.
    for length in {low, low + 1, (high if high is not None else low + 5000), 1001, 100, 65}:
        if low <= length <= 20000 and (high is None or length <= high):
            yield "x" * length


def _numbers(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Iterator[Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    whole = schema.get("type") == "integer"
    found = [1, 0, -1, 7, 10**6, -(10**6)] + ([] if whole else [1.5, -0.5])
    found += [edge + step for edge in (low, high) if edge is not None for step in (0, 1, -1)]
    yield from (n for n in found if (low is None or n >= low) and (high is None or n <= high))


def _arrays(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Iterator[Any]:
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    inner = list(islice(_values(schema.get("items", {"type": "string"}), root, depth + 1), 8))
    lengths = {low, low + 1, high if high is not None else low + 40}
    for length in sorted(n for n in lengths if n <= 1000 and (high is None or n <= high)):
        if inner or not length:
            yield [inner[0]] * length if inner else []
    yield from ([item] * max(1, low) for item in inner)


def _objects(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Iterator[Any]:
    properties = schema.get("properties", {})
    required = set(schema.get("required", ()))
    inner = {name: list(islice(_values(value, root, depth + 1), 40)) for name, value in properties.items()}
    plain = {name: values[0] for name, values in inner.items() if values}
    least = {
        name: plain.get(name, "a") for name in (*properties, *sorted(required - set(properties))) if name in required
    }
    yield plain | least
    yield least
    for name, values in inner.items():
        yield from ({**least, name: value} for value in values)
    extra = schema.get("additionalProperties", {})
    if extra is not False:
        more = islice(_values(extra, root, depth + 1), 3) if isinstance(extra, Mapping) and extra else ("a", 1)
        yield from ({**least, "urn:handfast:extra": value} for value in more)


_OF = {
    "null": lambda schema, root, depth: iter((None,)),
    "boolean": lambda schema, root, depth: iter((True, False)),
    "integer": _numbers,
    "number": _numbers,
    "string": _strings,
    "array": _arrays,
    "object": _objects,
}
