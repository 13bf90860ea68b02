"""Whole messages of one role: valid ones, the same with members that nobody knows, and ones with a single fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any

from hypothesis import strategies as st

from spec.expressions import pointer_get, pointer_parts, pointer_put
from spec.messages import Reader
from spec.model import Document, Form
from spec.strategies.mutations import Mutation, mutate, mutations
from spec.strategies.values import Schema, anything, names, resolved, values

__all__ = ["Bodies"]

Body = dict[str, Any]
Place = tuple[tuple[str, ...], Schema]
"""An object of a message: where it is, and what names its members."""


class Bodies:
    """Strategies for the messages that one role sends."""

    def __init__(self, document: Document, role: str = "client") -> None:
        self._envelope = document.envelope
        self._form: Form = document.envelope.client if role == "client" else document.envelope.server
        self._messages = {
            message.name: form
            for message in document.messages.values()
            if (form := message.client if role == "client" else message.server) is not None
        }
        self._reader = Reader(document, role)
        self._schemas = list(_schemas(document))
        # A strategy is checked when it is first drawn from, which costs more than a draw.
        self._valid: dict[tuple[Any, ...], st.SearchStrategy[Body]] = {}
        self._added: dict[tuple[Any, ...], st.SearchStrategy[Any]] = {}
        self.member = cache(self._member)

    def valid(self, name: str, plain: Mapping[str, Any]) -> st.SearchStrategy[Body]:
        """Valid messages of a type; what `plain` has for a pointer stands there as it is, and is not drawn."""
        key = (name, *plain.items())
        if key not in self._valid:
            payload, around = self._messages[name].schema, self._around(plain)
            drawn = st.tuples(values(around) if around["properties"] else st.just({}), values(payload))
            self._valid[key] = drawn.map(lambda both: _with(self._assembled(name, *both), plain))
        return self._valid[key]

    def _around(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        """The envelope's schema without what is known: the type, the payload, and what is plain."""
        given = {pointer_parts(p)[0] for p in (self._envelope.discriminator, *plain) if len(pointer_parts(p)) == 1}
        given |= {*pointer_parts(self._envelope.payload)[:1]}
        schema = dict(self._form.schema)
        properties = {key: inner for key, inner in schema.get("properties", {}).items() if key not in given}
        return {
            **schema,
            "properties": properties,
            "required": [n for n in schema.get("required", ()) if n in properties],
        }

    def _assembled(self, name: str, around: Body, payload: Body) -> Body:
        body: Body = dict(around)
        pointer_put(body, self._envelope.payload, payload)
        pointer_put(body, self._envelope.discriminator, name)
        return body

    def _member(self, name: str, pointer: str) -> st.SearchStrategy[Any] | None:
        """Values for one member of a message of a type, or None where no schema names it."""
        within, form = self._envelope.payload, self._messages[name]
        inner = pointer.removeprefix(within) if pointer.startswith(f"{within}/") else pointer
        for schema, path in ((self._form.schema, pointer), (form.schema, inner)):
            found: Any = schema
            for part in pointer_parts(path):
                found = resolved(found, schema).get("properties", {}).get(part, {})
            if found:
                return values(found, schema)
        return None

    # -------------------------------------------------------------------------------------------- unknown members

    def sprinkled(self, name: str, body: Body) -> st.SearchStrategy[Body]:
        """The message with one to three members that no schema names, where such are ignored; else as it is."""
        places = list(self._open(name, body))
        key = (name, *(path for path, _ in places))
        if not places:
            return st.just(body)
        if key not in self._added:
            member = st.tuples(st.sampled_from(places), self._strange, anything)
            self._added[key] = st.lists(member, min_size=1, max_size=3)
        return self._added[key].map(lambda added: _sprinkled(body, added))

    @cached_property
    def _strange(self) -> st.SearchStrategy[str]:
        """Names that a careless reader may take for known ones, and any others."""
        known = sorted({name for schema in self._schemas for name in schema.get("properties", {})})
        alike = [form for name in known for form in (name, name.upper(), name.capitalize(), f"{name} ", f"_{name}")]
        return st.one_of(st.sampled_from(alike), names)

    def _open(self, name: str, body: Body) -> Iterator[Place]:
        """The objects of a message to which members may be added."""
        form, at = self._messages[name], pointer_parts(self._envelope.payload)
        if form.ignores_unknown:
            yield from _objects(form.schema, pointer_get(body, self._envelope.payload), form.schema, at)
        if self._form.ignores_unknown and at:
            yield from _objects(self._form.schema, body, self._form.schema, ())

    # ----------------------------------------------------------------------------------------------------- faults

    def mutated(self, name: str, body: Body) -> st.SearchStrategy[tuple[Body, Mutation]]:
        """A valid message with one fault, by which its envelope or its payload is invalid; each kind as often."""
        kinds: dict[tuple[tuple[str | int, ...], str], list[Mutation]] = {}
        for fault in self._faults(name, body):
            if fault.path:
                kinds.setdefault((fault.path, fault.what), []).append(fault)
        return (
            st.sampled_from(list(kinds.values()))
            .flatmap(st.sampled_from)
            .map(lambda fault: (mutate(body, fault), fault))
            .filter(lambda both: not self._accepted(name, both[0]))
        )

    def _accepted(self, name: str, body: Body) -> bool:
        read = self._reader.read_value(body)
        return read.valid and read.input in {name, "other"}

    def _faults(self, name: str, body: Body) -> Iterator[Mutation]:
        at = pointer_parts(self._envelope.payload)
        yield from mutations(self._form.schema, body)
        for fault in mutations(self._messages[name].schema, pointer_get(body, self._envelope.payload)):
            yield Mutation((*at, *fault.path), fault.what, fault.value, fault.drops)


def _schemas(document: Document) -> Iterator[Schema]:
    """Every schema that a message of either role is held to."""
    for side in (document.envelope.client, document.envelope.server):
        yield side.schema
    for message in document.messages.values():
        yield from (form.schema for form in (message.client, message.server) if form is not None)


def _with(body: Body, plain: Mapping[str, Any]) -> Body:
    for pointer, value in plain.items():
        pointer_put(body, pointer, value)
    return body


def _objects(schema: Schema, value: Any, root: Schema, path: tuple[str, ...]) -> Iterator[Place]:
    """The objects within a value whose schema names members and leaves others open."""
    schema = resolved(schema, root)
    if not isinstance(value, dict) or "properties" not in schema:
        return
    if schema.get("additionalProperties", True) is True:
        yield path, schema
    for name, inner in schema["properties"].items():
        if name in value:
            yield from _objects(inner, value[name], root, (*path, name))


def _sprinkled(body: Body, added: list[tuple[Place, str, Any]]) -> Body:
    for (path, schema), name, value in added:
        if name not in schema["properties"]:
            body = _added(body, path, name, value)
    return body


def _added(body: Body, path: tuple[str, ...], name: str, value: Any) -> Body:
    """A copy with a member added; one that is there already stays."""
    if path:
        return {**body, path[0]: _added(body[path[0]], path[1:], name, value)}
    return {name: value, **body}
