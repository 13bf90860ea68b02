"""Reading messages: which inputs of the machine frames are, and what is wrong with them, for either role as sender."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

import jsonschema_rs
from attrs import frozen

from spec.bindings.registry import BINDINGS
from spec.bindings.seam import Binary, Decoder, NotUTF8, Text, Unread
from spec.expressions import pointer_get, pointer_parts, pointer_put
from spec.model import Document, Form

__all__ = ["Ear", "Fault", "Read", "Reader", "Validator", "reader_of"]


@frozen
class Fault:
    """One way in which a message misses its schema: where (a JSON Pointer into the message), and what."""

    pointer: str
    text: str


@frozen
class Read:
    """A message as it was understood.

    `input` is `oversize`, `binary`, `not_utf8`, `malformed` (nothing with a valid envelope), `other` (a type that this
    role does not send), or the type's name; `body` is the JSON value, None where there is none; `faults` are those of
    the envelope or, where that is valid, of the payload.
    """

    input: str
    body: Any
    faults: tuple[Fault, ...]

    @property
    def valid(self) -> bool:
        return not self.faults


class Reader:
    """Reads the messages of one role; validators are compiled once."""

    def __init__(self, document: Document, role: str) -> None:
        envelope = document.envelope
        form: Form = envelope.client if role == "client" else envelope.server
        self._envelope = _validator(form.schema)
        self._type = envelope.discriminator
        self._payload = envelope.payload
        self._id = envelope.id
        self._ids = _id_validator(form, envelope.id)
        self._own_ids: dict[str, jsonschema_rs.Validator | None] = {}
        self._payloads: dict[str, jsonschema_rs.Validator] = {}
        self._defaults: dict[str, dict[str, Any]] = {}
        for message in document.messages.values():
            sent = message.client if role == "client" else message.server
            if sent is not None:
                self._payloads[message.name] = _validator(sent.schema)
                self._defaults[message.name] = {
                    f"{envelope.payload}/{name}": schema["default"]
                    for name, schema in sent.schema.get("properties", {}).items()
                    if "default" in schema
                }
                if self._ids is None and envelope.id.startswith(f"{envelope.payload}/"):
                    self._own_ids[message.name] = _id_validator(sent, envelope.id.removeprefix(envelope.payload))

    def read_value(self, body: Any) -> Read:
        """Understand one body, or what its binding could not read."""
        if isinstance(body, Unread):
            return Read(body.input, None, (Fault("", body.text),) if body.text else ())
        if not isinstance(body, dict):
            return Read("malformed", body, (Fault("", "not a JSON object"),))
        faults = _faults(self._envelope, body, "")
        if faults:
            return Read("malformed", body, faults)
        name = pointer_get(body, self._type)
        if not isinstance(name, str) or name not in self._payloads:
            return Read("other", body, ())
        return Read(name, body, _faults(self._payloads[name], pointer_get(body, self._payload), self._payload))

    def completed(self, read: Read) -> Any:
        """The message with the defaults of its schema in place of members that are absent, or null."""
        defaults = self._defaults.get(read.input)
        if not defaults:
            return read.body
        body = deepcopy(read.body)
        for pointer, value in defaults.items():
            if pointer_get(body, pointer) is None:
                pointer_put(body, pointer, value)
        return body

    def readable_id(self, body: Any) -> str | None:
        """The message's `id` where the message is an object that has a valid one, else None.

        The envelope's schema says what is valid; where it does not name the member, as in flat messages, that of the
        message's own type does, and a message of another type has no id.
        """
        value = pointer_get(body, self._id) if isinstance(body, dict) else None
        if not isinstance(value, str):
            return None
        schema = self._ids
        if schema is None:
            name = pointer_get(body, self._type)
            schema = self._own_ids.get(name) if isinstance(name, str) else None
        return value if schema is not None and _is_valid(schema, value) else None


class Validator:
    """Judges values by one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._validator = _validator(schema)

    def faults(self, value: Any) -> tuple[Fault, ...]:
        """How a value misses the schema."""
        return _faults(self._validator, value, "")


class Ear:
    """What one role says on one connection, heard frame by frame as inputs."""

    def __init__(self, document: Document, role: str, largest: int | None = None) -> None:
        self._reader = reader_of(document, role)
        self._decoder: Decoder = BINDINGS[document.binding].decoder(role, largest)

    def hear(self, frame: Text | Binary | NotUTF8) -> list[Read]:
        """The inputs that a frame completes."""
        return [self._reader.read_value(body) for body in self._decoder.feed(frame)]

    def copy(self) -> Ear:
        """An ear that goes on from here on its own."""
        other = Ear.__new__(Ear)
        other._reader, other._decoder = self._reader, deepcopy(self._decoder)
        return other


@lru_cache(16)
def reader_of(document: Document, role: str) -> Reader:
    """The reader of a role's messages, one for each document: every exchange that is followed needs one."""
    return Reader(document, role)


def _validator(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(dict(schema), validate_formats=True)


def _id_validator(form: Form, pointer: str) -> jsonschema_rs.Validator | None:
    """A validator of the member that a form's schema names at a pointer, or None where it names none."""
    definitions = form.schema.get("definitions", {})
    found: Any = _referred(form.schema, definitions)
    for part in pointer_parts(pointer):
        found = _referred(found.get("properties", {}).get(part), definitions)
        if found is None:
            return None
    return _validator({**found, "definitions": definitions} if definitions else found)


def _referred(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema, or the one that it refers to."""
    for _ in definitions:
        if not (isinstance(schema, Mapping) and "$ref" in schema):
            break
        schema = definitions.get(schema["$ref"].rpartition("/")[2])
    return schema


def _is_valid(validator: jsonschema_rs.Validator, value: Any) -> bool:
    try:
        return bool(validator.is_valid(value))
    except (ValueError, UnicodeError):
        # Unpaired surrogates and numbers past a double lie outside I-JSON: they may be refused as invalid.
        return False


def _faults(validator: jsonschema_rs.Validator, value: Any, base: str) -> tuple[Fault, ...]:
    if _is_valid(validator, value):
        return ()
    try:
        return tuple(
            Fault(base + "".join(f"/{part}" for part in error.instance_path), error.message)
            for error in validator.iter_errors(value)
        )
    except (ValueError, UnicodeError):
        return (Fault(base, "outside I-JSON (RFC 7493)"),)
