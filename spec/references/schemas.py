"""What embedded payload schemas say about JSON Pointers."""

from __future__ import annotations

from typing import Any

from spec.loading.nodes import parts
from spec.references.names import section

__all__ = ["members_at", "reaches"]

_MOST_STEPS = 50


def reaches(schema: Any, pointer: str, data: dict[str, Any]) -> bool:
    """Whether a value that fits the schema can have something at the pointer that the schema names.

    Below an object whose members the schema leaves open, anything can be.
    """
    return _reaches(schema, parts(pointer), data, _MOST_STEPS)


def _reaches(schema: Any, path: list[str], data: dict[str, Any], steps: int) -> bool:
    if not isinstance(schema, dict) or not path or steps < 0:
        return True
    if isinstance(schema.get("$ref"), str):
        target = section(data, "definitions", schema["$ref"].rpartition("/")[2])
        return _reaches(target, path, data, steps - 1)
    inner: list[Any] = [*_list(schema.get("anyOf")), *_list(schema.get("oneOf"))]
    if any(_reaches(option, path, data, steps - 1) for option in inner):
        return True
    properties, items, first = schema.get("properties"), schema.get("items"), _list(schema.get("prefixItems"))
    if isinstance(properties, dict) and path[0] in properties:
        return _reaches(properties[path[0]], path[1:], data, steps - 1)
    if path[0].isdecimal() and int(path[0]) < len(first):
        return _reaches(first[int(path[0])], path[1:], data, steps - 1)
    if path[0].isdecimal() and items is not None:
        return _reaches(items, path[1:], data, steps - 1)
    if isinstance(schema.get("additionalProperties"), dict):
        return _reaches(schema["additionalProperties"], path[1:], data, steps - 1)
    return properties is None and items is None and not inner and schema.get("type", "object") in ("object", "array")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def members_at(schema: Any, pointer: str) -> list[str]:
    """The members named beside the one that a pointer names, as pointers: what it may be a slip of."""
    *path, _ = parts(pointer) or [""]
    for part in path:
        schema = section(schema, "properties", part)
    prefix = "".join(f"/{part}" for part in path)
    return [f"{prefix}/{name}" for name in section(schema, "properties")]
