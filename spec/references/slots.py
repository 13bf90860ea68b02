"""Where names stand in a document: the schema says it, with `x-` annotations on the places that hold them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from spec.loading.nodes import join

__all__ = ["Slot", "slots"]

_ROLES = ("x-refers", "x-guard", "x-applies", "x-template", "x-expression", "x-parses")

_TYPES = {"string": str, "object": dict, "array": list}


@frozen
class Slot:
    """A value with a part to play: `role` is the annotation, `what` its value; `is_key` where it is a mapping's key."""

    role: str
    what: Any
    path: tuple[str | int, ...]
    value: Any
    is_key: bool = False

    @property
    def pointer(self) -> str:
        return join(self.path)


def slots(data: Any, schema: dict[str, Any]) -> Iterator[Slot]:
    """Every annotated place of the data, as the schema's applicable parts annotate it."""
    pending: list[tuple[Any, dict[str, Any], tuple[str | int, ...]]] = [(data, schema, ())]
    while pending:
        value, part, path = pending.pop()
        for applied in _applicable(part, value, schema):
            yield from _own(applied, value, path)
            pending.extend(_inner(applied, value, path))


def _applicable(part: dict[str, Any], value: Any, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A subschema and those that it applies to the same value."""
    pending: list[Any] = [part]
    while pending:
        applied = pending.pop()
        if not isinstance(applied, dict):
            continue
        yield applied
        if "$ref" in applied:
            pending.append(schema["$defs"][applied["$ref"].rpartition("/")[2]])
        pending.extend(applied.get("allOf", ()))
        if "if" in applied:
            pending.append(applied.get("then" if _holds(applied["if"], value) else "else"))


def _holds(condition: dict[str, Any], value: Any) -> bool:
    """Whether a condition holds, of the three forms that the schema uses: keys, constants and a type."""
    if "type" in condition:
        return isinstance(value, _TYPES[condition["type"]])
    if not isinstance(value, dict) or any(key not in value for key in condition.get("required", ())):
        return False
    return all(value.get(key) == inner["const"] for key, inner in condition.get("properties", {}).items())


def _own(applied: dict[str, Any], value: Any, path: tuple[str | int, ...]) -> Iterator[Slot]:
    for role in _ROLES:
        if role in applied:
            yield Slot(role, applied[role], path, value)
    names = applied.get("propertyNames", {})
    if "x-refers" in names and isinstance(value, dict):
        for key in value:
            yield Slot("x-refers", names["x-refers"], (*path, key), key, is_key=True)


def _inner(
    applied: dict[str, Any], value: Any, path: tuple[str | int, ...]
) -> Iterator[tuple[Any, dict[str, Any], tuple[str | int, ...]]]:
    if isinstance(value, dict):
        properties, others = applied.get("properties", {}), applied.get("additionalProperties")
        for key, member in value.items():
            inner = properties.get(key, others)
            if isinstance(inner, dict):
                yield member, inner, (*path, key)
    elif isinstance(value, list) and isinstance(applied.get("items"), dict):
        for index, item in enumerate(value):
            yield item, applied["items"], (*path, index)
