"""What the document's schema refuses, in words of our own: short, by name, with a hint, and no dump of the value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import jsonschema_rs
from attrs import frozen

from spec.loading.nodes import Node, entry_at, join, locate
from spec.loading.problems import Problem, did_you_mean, nearest

__all__ = ["Refusal", "complain", "known_keys"]

_Path = Sequence[str | int]

_NOUNS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "object": "a mapping",
    "array": "a list",
    "null": "empty",
}


@frozen
class Refusal:
    """An error of the schema: where in the data, which keyword of which subschema, and what the keyword says."""

    path: tuple[str | int, ...]
    keyword: str
    schema: dict[str, Any]
    detail: Any
    value: Any

    @classmethod
    def of(cls, error: jsonschema_rs.ValidationError, schema: dict[str, Any], data: Any) -> Refusal:
        """The refusal that an error of the validator stands for."""
        kind, path = error.kind, tuple(error.instance_path)
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.PropertyNames):
            owner = _subschema(schema, kind.error.schema_path[:-1])
            return cls(path, "propertyNames", owner, str(kind.error.instance), _at(data, path))
        where = error.schema_path if kind.name == "falseSchema" else error.schema_path[:-1]
        owner = _subschema(schema, where) if kind.name != "falseSchema" else _owner(schema, where)
        detail = kind.value if kind.name in _DETAILED else None
        if kind.name == "required":
            detail = (kind.value,)
        return cls(path, kind.name, owner, detail, _at(data, path))


# Of the others the value may be large, or is in the subschema anyway.
_DETAILED = ("additionalProperties", "required", "minLength", "maxLength", "minItems", "maxItems", "minProperties")


def _subschema(schema: Any, path: _Path) -> dict[str, Any]:
    """The part of a schema at a path, following what the path leaves unsaid of references."""
    for part in path:
        schema = schema[part]
    return schema if isinstance(schema, dict) else {}


def _owner(schema: dict[str, Any], path: _Path) -> dict[str, Any]:
    """The schema around the `properties` that hold a `false`."""
    return _subschema(schema, path[: max(0, len(path) - 1 - list(reversed(path)).index("properties"))])


def _at(data: Any, path: _Path) -> Any:
    for part in path:
        data = data[part]
    return data


def known_keys(schema: dict[str, Any]) -> list[str]:
    """The keys that a mapping may have."""
    return [key for key, value in schema.get("properties", {}).items() if value is not False]


def _subject(path: _Path) -> str:
    names = [part for part in path if isinstance(part, str)]
    if not path:
        return "the document"
    if isinstance(path[-1], str):
        return f"`{path[-1]}`"
    return f"item {path[-1] + 1} of `{names[-1]}`" if names else f"item {path[-1] + 1}"


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return _nature(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text if len(text) <= 40 else text[:37] + '…'}`"


def _nature(value: Any) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
    return "a mapping"


def _example(schema: dict[str, Any]) -> str:
    examples = schema.get("examples")
    return f" such as {_shown(examples[0])}" if examples else ""


def _title(schema: dict[str, Any]) -> str:
    return str(schema.get("title", "this mapping"))


def complain(refusal: Refusal, root: Node) -> Iterator[Problem]:
    """The problems that a refusal means; they stand at the value, or at the key where it is the key that is wrong."""
    path, schema = refusal.path, refusal.schema
    match refusal.keyword:
        case "additionalProperties":
            for key in refusal.detail:
                message = f"`{key}` is not a key of {_title(schema)}"
                yield _key_problem(root, (*path, key), message, did_you_mean(key, known_keys(schema)))
        case "falseSchema":
            yield _key_problem(root, path, f"{_subject(path)} is not a key of {_title(schema)}", None)
        case "propertyNames":
            message = f"`{refusal.detail}` is not {schema.get('title', 'a name')}{_example(schema)}"
            yield _key_problem(root, (*path, refusal.detail), message, None)
        case "required":
            missing = ", ".join(f"`{key}`" for key in refusal.detail)
            yield Problem(locate(root, path), join(path), f"{_title(schema)} lacks {missing}")
        case _:
            message, hint = _said(refusal)
            yield Problem(locate(root, path), join(path), message, hint)


def _key_problem(root: Node, path: _Path, message: str, hint: str | None) -> Problem:
    entry = entry_at(root, path)
    place = entry.key.place if entry else locate(root, path)
    return Problem(place, join(path), message, hint)


def _said(refusal: Refusal) -> tuple[str, str | None]:
    subject, schema, value = _subject(refusal.path), refusal.schema, refusal.value
    match refusal.keyword:
        case "type":
            return _type(subject, schema, value), None
        case "enum":
            options = [str(option) for option in schema["enum"]]
            near = nearest(value, options)
            return f"{subject} cannot be {_shown(value)}", (
                f"did you mean `{near}`?" if near else f"one of {', '.join(options)}"
            )
        case "const":
            return f"{subject} must be {schema.get('title') or _shown(schema['const'])}", None
        case "pattern" | "format":
            noun = schema.get("title") or {"regex": "a regular expression"}.get(schema.get("format", ""), "of the form")
            return f"{subject} is {_shown(value)}, which is not {noun}{_example(schema)}", None
        case "uniqueItems":
            return f"{subject} has an item twice", None
        case "minItems" | "minProperties" | "minLength":
            return f"{subject} must not be empty" if refusal.detail == 1 else f"{subject} has too few items", None
        case "maxItems" | "maxProperties" | "maxLength":
            return f"{subject} has too many items", None
        case "minimum" | "maximum":
            side = "at least" if refusal.keyword == "minimum" else "at most"
            return f"{subject} must be {side} {schema[refusal.keyword]}", None
    return f"{subject} does not fit the format ({refusal.keyword})", None


def _type(subject: str, schema: dict[str, Any], value: Any) -> str:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    nouns = " or ".join(_NOUNS[name] for name in types)
    wanted = schema.get("title", nouns) if len(types) > 1 else nouns
    return f"{subject} must be {wanted}{_example(schema)}, and is {_nature(value)}"
