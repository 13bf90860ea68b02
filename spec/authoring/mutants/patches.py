"""Edits of plain data as JSON Patch (RFC 6902): what a mutant changes is data too, and can be shown."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from spec.expressions import pointer_parts

__all__ = ["Patch", "add", "patched", "remove", "replace"]

Patch = Mapping[str, Any]
"""One operation: `op` is add, remove or replace, `path` a JSON Pointer, `value` what add and replace put there."""


def add(path: str, value: Any) -> Patch:
    """Add a member to a mapping, or insert an item into a list before the index (`-`: behind the last)."""
    return {"op": "add", "path": path, "value": value}


def remove(path: str) -> Patch:
    """Remove a member or an item."""
    return {"op": "remove", "path": path}


def replace(path: str, value: Any) -> Patch:
    """Put another value in the place of one that is there."""
    return {"op": "replace", "path": path, "value": value}


def patched(data: dict[str, Any], patch: Iterable[Patch]) -> dict[str, Any]:
    """A copy of the data with the operations applied in their order.

    Raises:
        LookupError: where an operation names a place that is not there.
    """
    result = copy.deepcopy(data)
    for operation in patch:
        *outer, last = pointer_parts(operation["path"])
        inner: Any = result
        for part in outer:
            inner = inner[_key(inner, part)]
        _apply(inner, last, operation)
    return result


def _key(inner: Any, part: str) -> Any:
    return int(part) if isinstance(inner, list) else part


def _apply(inner: Any, last: str, operation: Patch) -> None:
    value = copy.deepcopy(operation.get("value"))
    if operation["op"] == "add" and isinstance(inner, list):
        inner.insert(len(inner) if last == "-" else int(last), value)
        return
    key = _key(inner, last)
    if operation["op"] != "add":
        inner[key]  # What is not there can be neither replaced nor removed.
    if operation["op"] == "remove":
        del inner[key]
    else:
        inner[key] = value
