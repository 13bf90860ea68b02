"""Mutations: the single faults that a schema knows of in a value that it accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from spec.strategies.formats import MISSES
from spec.strategies.values import Schema, item_schema, resolved, types_of

__all__ = ["Mutation", "mutate", "mutations"]

_WRONG: dict[str, tuple[Any, ...]] = {
    "null": (None,),
    "boolean": (True, False),
    "number": (0, 7, 0.5, -1),
    "string": ("", "7", "true", "null", "{}", "[]"),
    "array": ([], ["x"], [{}]),
    "object": ({}, {"x": "y"}),
}
"""Values of every type, for where another one is wanted."""


@frozen
class Mutation:
    """A fault at a place (names and indices from the top): the member goes, or a value comes in its stead."""

    path: tuple[str | int, ...]
    what: str
    value: Any = None
    drops: bool = False


def mutate(value: Any, mutation: Mutation) -> Any:
    """The value with the fault in it; what is not touched is shared."""
    if not mutation.path:
        return mutation.value
    head, *rest = mutation.path
    changed: Any = list(value) if isinstance(value, list) else dict(value)
    if rest:
        inner = Mutation(tuple(rest), mutation.what, mutation.value, mutation.drops)
        changed[head] = mutate(value[head], inner)
    elif mutation.drops:
        del changed[head]
    else:
        changed[head] = mutation.value
    return changed


def mutations(schema: Schema, value: Any, root: Schema | None = None) -> Iterator[Mutation]:
    """Every single fault that the schema's keywords suggest; behind an `anyOf`, a value may fit another one."""
    yield from _at(schema, value, schema if root is None else root, ())


def _at(schema: Schema, value: Any, root: Schema, path: tuple[str | int, ...]) -> Iterator[Mutation]:
    schema = resolved(schema, root)
    admitted = types_of(schema) if "type" in schema else ()
    for kind, wrong in _WRONG.items():
        if admitted and kind not in admitted and not (kind == "number" and "integer" in admitted):
            yield from (Mutation(path, f"a value of type {kind}", one) for one in wrong)
    if "integer" in admitted and "number" not in admitted:
        yield Mutation(path, "a fraction", 0.5)
    for keyword, others in _OTHERS.items():
        if keyword in schema:
            yield from (Mutation(path, f"misses `{keyword}`", one) for one in others(schema[keyword], value))
    if isinstance(value, dict):
        yield from _members(schema, value, root, path)
    if isinstance(value, list) and {"items", "prefixItems"} & set(schema):
        for index, item in enumerate(value):
            yield from _at(item_schema(schema, index), item, root, (*path, index))
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _at(option, value, root, path)


def _members(schema: Schema, value: dict[str, Any], root: Schema, path: tuple[str | int, ...]) -> Iterator[Mutation]:
    for name in schema.get("required", ()):
        if name in value:
            yield Mutation((*path, name), "missing", drops=True)
    named, others = schema.get("properties", {}), schema.get("additionalProperties")
    if others is False:
        yield Mutation((*path, "handfast"), "a member that must not be there", True)
    for name, member in value.items():
        inner = named.get(name, others if isinstance(others, dict) else None)
        if inner is not None:
            yield from _at(inner, member, root, (*path, name))


def _lengthened(high: int, value: Any) -> tuple[Any, ...]:
    return tuple(unit * (high + 1) for unit in ("x", "é", "🍲", " ")) if isinstance(value, str) else ()


def _shortened(low: int, value: Any) -> tuple[Any, ...]:
    # One short in characters is enough in UTF-16 units or bytes, for who counts those.
    return tuple(unit * (low - 1) for unit in ("x", "🍲")) if isinstance(value, str) and low else ()


def _other_than(known: list[Any]) -> tuple[Any, ...]:
    spelled = [form for text in known if isinstance(text, str) for form in (text.upper(), f"{text} ", f" {text}")]
    return ("handfast-none", "", None, 0, *spelled)


_OTHERS: dict[str, Any] = {
    "const": lambda wanted, value: _other_than([wanted]),
    "enum": lambda known, value: _other_than(known),
    "maxLength": _lengthened,
    "minLength": _shortened,
    "pattern": lambda pattern, value: ("", " ", "\u0000", "🍲", f"{value} ", f" {value}", "handfast"),
    "format": lambda name, value: MISSES[name] if isinstance(value, str) else (),
    "minimum": lambda low, value: (low - 1, -(2**53 - 1)),
    "maximum": lambda high, value: (high + 1, 2**53 - 1),
    "minItems": lambda low, value: (value[: low - 1], []) if isinstance(value, list) and low else (),
    "maxItems": lambda high, value: ((value or [None]) * (high + 1),) if isinstance(value, list) else (),
}
"""Keyword -> the values that miss it, given the keyword's and the valid one."""
