"""Whole messages as JSON Schema 2020-12: the envelope with the payload in its place and the discriminator's value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spec.authoring.outlining.outline import Outline
from spec.expressions import pointer_parts

__all__ = ["definitions", "message_schema", "side_name"]

Schema = Mapping[str, Any]
Pointed = dict[str, Any]


def message_schema(document: Outline, role: str, name: str) -> Pointed:
    """The schema of a whole message as a role sends it; definitions are referred to as `#/$defs/NAME`."""
    envelope, form = document.section("wire", "envelope"), document.messages(role)[name]
    side = envelope.get(role, {})
    side = side if isinstance(side, Mapping) else {}
    schema = _strict(_copied(side.get("schema", {"type": "object"})), side)
    payload = _strict(_copied(form.get("payload", {})), form)
    wire = document.section("messages", name).get("wire", name)
    schema = _united(schema, pointer_parts(envelope.get("payload", "")), payload)
    if "discriminator" in envelope:
        schema = _united(schema, pointer_parts(envelope["discriminator"]), {"const": wire})
    text = form.get("text")
    return {**({"description": text} if text else {}), **schema}


def definitions(document: Outline) -> dict[str, Pointed]:
    """The schemas that others refer to."""
    return {name: _copied(schema) for name, schema in document.section("definitions").items()}


def side_name(role: str, name: str) -> str:
    """A type's name for a message of a role: `ClientChatMessage`."""
    words = [role, *re.split(r"[^0-9A-Za-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name))]
    return "".join(word[:1].upper() + word[1:] for word in words if word)


def _copied(schema: Any) -> Any:
    """A copy in which references to the document's definitions are those of a bundle."""
    if isinstance(schema, Mapping):
        return {
            key: re.sub(r"^#/definitions/", "#/$defs/", value) if key == "$ref" else _copied(value)
            for key, value in schema.items()
        }
    return [_copied(item) for item in schema] if isinstance(schema, list) else schema


def _strict(schema: Pointed, side: Mapping[str, Any]) -> Pointed:
    """A schema that says of unknown members what the receiver does with them."""
    refused = side.get("unknown_members", {}).get("treatment") == "refuse" and schema.get("type") == "object"
    return {**schema, "additionalProperties": False} if refused and "$ref" not in schema else schema


def _united(schema: Pointed, at: tuple[str, ...], other: Pointed) -> Pointed:
    """A schema that also demands another one of what stands at a pointer; the member must then be there."""
    if not at:
        return _both(schema, other)
    properties = dict(schema.get("properties", {}))
    properties[at[0]] = _united(properties.get(at[0], {}), at[1:], other)
    required = list(dict.fromkeys([*schema.get("required", ()), at[0]]))
    return {"type": "object", **schema, "properties": properties, "required": required}


def _both(first: Pointed, second: Pointed) -> Pointed:
    """What fits two schemas; objects are united by their members, since that is what people read."""
    if not first or first == second or (set(first) == {"type"} and _narrows(first["type"], second)):
        return second
    if not second:
        return first
    if {first.get("type"), second.get("type")} == {"object"} and not ({"allOf", "$ref"} & {*first, *second}):
        properties = dict(first.get("properties", {}))
        for name, schema in second.get("properties", {}).items():
            properties[name] = _both(properties.get(name, {}), schema)
        rest = {**first, **second, "properties": properties}
        rest["required"] = list(dict.fromkeys([*first.get("required", ()), *second.get("required", ())]))
        return rest
    return {"allOf": [first, second]}


def _narrows(kind: Any, schema: Pointed) -> bool:
    """Whether a schema says at least as much as the type alone."""
    if "const" in schema:
        return bool(kind == {str: "string", bool: "boolean", int: "integer"}.get(type(schema["const"])))
    return bool(schema.get("type") == kind)
