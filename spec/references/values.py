"""Parameters: their text forms, and whether they keep their own bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spec.loading.nodes import join
from spec.loading.problems import Problem, did_you_mean
from spec.loading.source import Source
from spec.parameters import parse_value
from spec.references.names import section, strings

__all__ = ["check_parameters"]

_TYPES = ("duration", "size", "rate", "choice", "list", "date", "switch", "integer", "text", "tolerance")
_ORDERED = ("duration", "size", "integer")
_KEYS = ("min", "max", "default", "quick")


def check_parameters(source: Source, problems: list[Problem]) -> None:
    """Check that the values of every parameter parse and fit; what is wrong is added to `problems`."""
    for name in section(source.data, "parameters"):
        entry = section(source.data, "parameters", name)

        def tell(key: str, message: str, hint: str | None = None, name: str = name) -> None:
            pointer = join(("parameters", name, key))
            problems.append(Problem(source.place(pointer), pointer, message, hint))

        if entry.get("type") in _TYPES:
            _check(name, entry, tell)


def _check(name: str, entry: dict[str, Any], tell: Callable[..., None]) -> None:
    parsed: dict[str, Any] = {}
    for key in _KEYS:
        if entry.get(key) is not None:
            try:
                parsed[key] = parse_value(entry["type"], entry[key])
            except ValueError as error:
                tell(key, f"`{key}` of `{name}`: {error}")
    for key in ("default", "quick"):
        if key in parsed:
            _fits(name, key, entry, parsed, tell)
    if entry["type"] in _ORDERED and "min" in parsed and "max" in parsed and parsed["min"] > parsed["max"]:
        tell("min", f"`min` of `{name}` is {entry['min']}, and its `max` only {entry['max']}")


def _fits(name: str, key: str, entry: dict[str, Any], parsed: dict[str, Any], tell: Callable[..., None]) -> None:
    value, values = parsed[key], strings(entry.get("values"))
    if entry["type"] == "choice" and values and value not in values:
        hint = did_you_mean(value, values)
        tell(key, f"`{key}` of `{name}` is `{value}`, which is none of its values", hint)
    if entry["type"] not in _ORDERED:
        return
    if "min" in parsed and value < parsed["min"]:
        tell(key, f"`{key}` of `{name}` is {entry[key]}, below its `min` {entry['min']}")
    if "max" in parsed and value > parsed["max"]:
        tell(key, f"`{key}` of `{name}` is {entry[key]}, above its `max` {entry['max']}")
