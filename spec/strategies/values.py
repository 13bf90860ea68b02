"""Values of a schema, and values of none: what a JSON Schema of the declared subset accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs
from hypothesis import strategies as st

from spec.strategies.formats import FORMATS
from spec.strategies.texts import NOTABLE, texts

__all__ = [
    "Schema",
    "anything",
    "item_schema",
    "names",
    "numbers",
    "objects",
    "resolved",
    "types_of",
    "validator",
    "values",
]

Schema = Mapping[str, Any]

DEEPEST = 40
"""How many levels of nesting are drawn: RFC 8259 section 9 lets readers limit it, and some do at 64."""

_LARGEST = 2**53 - 1
"""The greatest integer that every reader keeps (RFC 7493 section 2.2)."""

_NUMBERS = (0, 1, -1, 7, _LARGEST, -_LARGEST, 2**31, -(2**31) - 1, 2**32, 0.5, -0.0, 1e-7, 1e300, 5e-324, 0.1, 1e21)
_PLAIN: tuple[Any, ...] = (None, True, False, *_NUMBERS, "", [], {}, [[]], [None], {"": None}, "2026-01-01T00:00:00Z")
_NAMES = (*(name for name in NOTABLE if len(name) < 12), "", "constructor", "toString", "a.b", "a/b", "~", "$ref", "#")


def validator(schema: Schema) -> jsonschema_rs.Validator:
    """A validator that checks formats, as the reader's does."""
    return jsonschema_rs.validator_for(dict(schema), validate_formats=True)


def resolved(schema: Schema, root: Schema) -> Schema:
    """A schema, or the definition of the root that it refers to."""
    definitions = root.get("definitions", {})
    for _ in definitions:
        if "$ref" not in schema:
            break
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    return schema


def types_of(schema: Schema) -> tuple[str, ...]:
    """The types that a schema admits; without `type`, those that its other keywords speak of, or every one."""
    declared = schema.get("type")
    if declared is not None:
        return (declared,) if isinstance(declared, str) else tuple(declared)
    if {"properties", "required", "additionalProperties"} & set(schema):
        return ("object",)
    if {"items", "prefixItems", "minItems", "maxItems"} & set(schema):
        return ("array",)
    if {"minLength", "maxLength", "pattern", "format"} & set(schema):
        return ("string",)
    return ("number",) if {"minimum", "maximum"} & set(schema) else tuple(_TYPES)


# ------------------------------------------------------------------------------------------------------- no schema


def _nested(kind: int) -> Any:
    """Arrays or objects in one another, as deep as is drawn at all or less."""
    value: Any = kind
    for level in range(1 + kind % DEEPEST):
        value = [value] if (kind >> level % 7) & 1 else {"a": value}
    return value


def _numbers() -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(_NUMBERS), st.integers(-_LARGEST, _LARGEST), st.floats(-1e300, 1e300))


names = st.one_of(st.sampled_from(_NAMES), texts(0, 24))
"""Names of members that no schema knows."""

_leaves = st.one_of(st.sampled_from(_PLAIN), texts(), _numbers())

anything: st.SearchStrategy[Any] = st.one_of(
    _leaves,
    st.lists(_leaves, max_size=3),
    st.dictionaries(names, _leaves, max_size=2),
    st.integers(0, 2**12).map(_nested),
)
"""Any JSON value within I-JSON."""

objects: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from([{}, {"a": {}}]),
    st.dictionaries(names, anything, max_size=3),
    st.integers(0, 2**12).map(lambda kind: {"a": _nested(kind)}),
)
"""Any JSON object."""


# ------------------------------------------------------------------------------------------------------ by a schema


def numbers(schema: Schema, *, whole: bool) -> st.SearchStrategy[Any]:
    """Numbers within a schema's bounds, often at them."""
    low, high = schema.get("minimum", -_LARGEST), schema.get("maximum", _LARGEST)
    if whole:
        low, high = -(-low // 1), high // 1
        ends = {int(n) for n in (low, low + 1, high - 1, high, 0, 1) if low <= n <= high}
        return st.one_of(st.sampled_from(sorted(ends)), st.integers(int(low), int(high)))
    fractions: set[float] = {n for n in (low, high, *_NUMBERS) if low <= n <= high}
    return st.one_of(st.sampled_from(sorted(fractions)), st.floats(low, high))


def _strings(schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if "format" in schema:
        return FORMATS[schema["format"]].filter(validator(schema).is_valid)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"]).filter(validator(schema).is_valid)
    return texts(low, high)


def item_schema(schema: Schema, index: int) -> Schema:
    """The schema of an array's item; the empty one where none is given."""
    first: list[Schema] = schema.get("prefixItems", [])
    found: Schema = first[index] if index < len(first) else schema.get("items", {})
    return found


def _arrays(schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    low = schema.get("minItems", 0)
    high = schema.get("maxItems", low + 4)
    items = values(schema["items"], root) if "items" in schema else anything
    first = [values(inner, root) for inner in schema.get("prefixItems", ())]
    rest = st.lists(items, min_size=max(low - len(first), 0), max_size=max(min(high, low + 8) - len(first), 0))
    return st.tuples(st.tuples(*first[:high]), rest).map(lambda both: [*both[0], *both[1]]) if first else rest


def _objects(schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    """The named members, those that need not be there sometimes; others where the schema says what they are."""
    named, required = schema.get("properties", {}), schema.get("required", ())
    if not named and not required and "additionalProperties" not in schema:
        return objects
    fixed = {name: values(named.get(name, {}), root) for name in required}
    optional = {name: values(inner, root) for name, inner in named.items() if name not in fixed}
    drawn: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(fixed, optional=optional)
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping):
        more = st.dictionaries(names.filter(lambda name: name not in named), values(others, root), max_size=3)
        return st.builds(lambda one, two: {**two, **one}, drawn, more)
    return drawn


_TYPES: Mapping[str, Callable[[Schema, Schema], st.SearchStrategy[Any]]] = {
    "null": lambda schema, root: st.none(),
    "boolean": lambda schema, root: st.booleans(),
    "integer": lambda schema, root: numbers(schema, whole=True),
    "number": lambda schema, root: numbers(schema, whole=False),
    "string": _strings,
    "array": _arrays,
    "object": _objects,
}


def _merged(schema: Schema, option: Schema) -> Schema:
    """A schema and one of its options as one: their members are united."""
    rest = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf"}}
    named = {**rest.get("properties", {}), **option.get("properties", {})}
    needed = [*dict.fromkeys((*rest.get("required", ()), *option.get("required", ())))]
    return {**rest, **option, **({"properties": named} if named else {}), **({"required": needed} if needed else {})}


def values(schema: Schema, root: Schema | None = None) -> st.SearchStrategy[Any]:
    """Values that a schema of the declared subset accepts; `root` holds its definitions."""
    root = schema if root is None else root
    if "$ref" in schema:
        # Definitions may refer to themselves; what is deferred is built only when it is drawn.
        return st.deferred(lambda: values(resolved(schema, root), root))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(list(schema["enum"]))
    options = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if options:
        whole = validator({**schema, "definitions": root.get("definitions", {})})
        drawn = [values(_merged(schema, resolved(option, root)), root) for option in options]
        return st.one_of(*drawn).filter(whole.is_valid)
    return st.one_of(*(_TYPES[name](schema, root) for name in types_of(schema)))
