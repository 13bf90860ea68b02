"""Schemas: each admits something, each message can be told from every other, and examples are what they say."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import jsonschema_rs

from spec.authoring.linting.subject import Found, Subject
from spec.expressions import pointer_put
from spec.loading.nodes import join, parts

__all__ = ["ambiguous_discriminators", "invalid_examples", "unsatisfiable_schemas"]

Schema = Mapping[str, Any]
_Path = tuple[str, ...]


def unsatisfiable_schemas(subject: Subject) -> Iterator[Found]:
    """Schemas that no value fits, those of optional members too; the innermost one is told."""
    for path, schema in _schemas(subject):
        yield from _empty(schema, path, _definitions(subject))


def ambiguous_discriminators(subject: Subject) -> Iterator[Found]:
    """Envelopes in which a message need not say its type as text, and alternatives of which one value fits several."""
    envelope = subject.data["wire"]["envelope"]
    at = parts(envelope["discriminator"])
    for role in ("client", "server"):
        if envelope["discriminator"] and not _told(envelope[role]["schema"], at):
            text = f"a {role}'s message need not have `{envelope['discriminator']}`, or not as text"
            pointer = join(("wire", "envelope", role, "schema"))
            yield Found(pointer, text, "require it, and say `type: string`", at_key=True)
    for path, schema in _schemas(subject):
        yield from _overlaps(schema, path, _definitions(subject))


def invalid_examples(subject: Subject) -> Iterator[Found]:
    """Examples that do not fit the schema of their message; a token or an id in them counts as text."""
    envelope = subject.data["wire"]["envelope"]
    for path, form in subject.forms():
        validator = jsonschema_rs.validator_for({**form["payload"], **_definitions(subject)}, validate_formats=True)
        for index, example in enumerate(form.get("examples", ())):
            value = copy.deepcopy(example)
            if envelope["payload"] == "" and isinstance(value, dict):
                pointer_put(value, envelope["discriminator"], path[1])
            error = next(validator.iter_errors(_plain(value)), None)
            if error is not None:
                at = "".join(f"/{part}" for part in error.instance_path)
                text = f"example {index + 1} of `{path[1]}` does not fit its schema at `{at}` ({error.kind.name})"
                yield Found(
                    join((*path, "examples", str(index))), text, "a value that fits is what the suite begins with"
                )


def _definitions(subject: Subject) -> dict[str, Any]:
    known = subject.data.get("definitions")
    return {"definitions": known} if known else {}


def _schemas(subject: Subject) -> Iterator[tuple[_Path, Schema]]:
    """Every schema that stands by itself."""
    for role in ("client", "server"):
        yield ("wire", "envelope", role, "schema"), subject.data["wire"]["envelope"][role]["schema"]
    yield from (((*path, "payload"), form["payload"]) for path, form in subject.forms())
    yield from ((("definitions", name), schema) for name, schema in subject.data.get("definitions", {}).items())
    for name, endpoint in subject.data.get("http", {}).items():
        if isinstance(endpoint.get("body"), Mapping):
            yield ("http", name, "body"), endpoint["body"]


def _inner(schema: Schema, path: _Path) -> Iterator[tuple[_Path, Schema]]:
    """The schemas within one."""
    for key, value in schema.items():
        if key in ("properties", "definitions", "$defs") and isinstance(value, Mapping):
            yield from (((*path, key, name), one) for name, one in value.items() if isinstance(one, Mapping))
        elif key in ("items", "additionalProperties", "contains", "not") and isinstance(value, Mapping):
            yield (*path, key), value
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            yield from (((*path, key, str(n)), one) for n, one in enumerate(value) if isinstance(one, Mapping))


def _empty(schema: Schema, path: _Path, definitions: Schema) -> Iterator[Found]:
    inner = [found for at, one in _inner(schema, path) if at[-1] != "not" for found in _empty(one, at, definitions)]
    yield from inner
    if not inner and _canonical(schema, definitions, "satisfiability") == "no":
        text = f"no value fits the schema of `{path[-1] if path[-1] not in ('payload', 'schema') else path[-3]}`"
        yield Found(join(path), text, "two of its keywords exclude each other", at_key=not path[-1].isdecimal())


def _overlaps(schema: Schema, path: _Path, definitions: Schema) -> Iterator[Found]:
    for at, one in _inner(schema, path):
        yield from _overlaps(one, at, definitions)
    for key in ("oneOf", "anyOf"):
        options = [one for one in schema.get(key, ()) if isinstance(one, Mapping)]
        for (first, one), (second, other) in combinations(enumerate(options), 2):
            if _objects(one, definitions) and _objects(other, definitions) and not _apart(one, other, definitions):
                text = (
                    f"a value can fit alternatives {first + 1} and {second + 1} of `{key}`: no member tells them apart"
                )
                hint = "give each a required member with a `const` of its own"
                yield Found(join((*path, key)), text, hint, at_key=True)


def _objects(schema: Schema, definitions: Schema) -> bool:
    return _resolved(schema, definitions).get("type") == "object"


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    known: Schema = definitions.get("definitions", {}).get(name, {})
    return known if "$ref" in schema else schema


def _apart(one: Schema, other: Schema, definitions: Schema) -> bool:
    """Whether no value fits both."""
    first, second = (_resolved(schema, definitions) for schema in (one, other))
    if first.get("type") != second.get("type"):
        return True
    return _canonical({"allOf": [first, second]}, definitions, "satisfiability") == "no"


def _canonical(schema: Schema, definitions: Schema, question: str) -> str:
    try:
        whole = jsonschema_rs.canonicalize({**schema, **definitions}, validate_formats=True)
        return str(getattr(whole, question)()).rpartition(".")[2].lower()
    except Exception:
        # An experimental library that cannot canonicalize a schema leaves the question open, whatever it raises.
        return "unknown"


def _told(schema: Any, at: list[str]) -> bool:
    """Whether every value has text at a path."""
    if not at:
        return isinstance(schema, Mapping) and (
            schema.get("type") == "string" or isinstance(schema.get("const"), str) or "enum" in schema
        )
    if not isinstance(schema, Mapping) or at[0] not in schema.get("required", ()):
        return False
    return _told(schema.get("properties", {}).get(at[0]), at[1:])


def _plain(value: Any) -> Any:
    """An example with what stands for a token, an id or a name as some text."""
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value[1:] if isinstance(value, str) and value.startswith("$") else value
