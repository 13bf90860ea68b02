"""Strategies: what is aimed at is hit, as the document's own reader judges, and the whole field is covered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeVar

import jsonschema_rs
import pytest
from hypothesis import strategies as st

from conformance.generation.drawing import drawn
from spec.bindings.json import encode
from spec.machine import Text
from spec.messages import Ear, Read, reader_of
from spec.strategies import Bodies, broken, texts
from spec.strategies.formats import FORMATS, MISSES
from spec.strategies.mutations import mutate, mutations
from spec.strategies.values import anything, objects, values
from tests.unit_spec.kit import chat

T = TypeVar("T")
READER = Ear(chat(), "client")


def read(text: str) -> Read:
    """A text as chat understands it."""
    [only] = READER.hear(Text(text, len(text)))
    return only


BODIES = Bodies(chat())
NAMES = ("auth", "chat_message")
PLAIN = {"/id": "an-id", "/timestamp": "2026-01-01T00:00:00Z"}


def examples(strategy: st.SearchStrategy[T], count: int = 300) -> list[T]:
    """So many values as generation draws them, doubles left out, the same each time."""
    return drawn(lambda draw: draw(strategy), count, 1, "tests")


@cache
def valid(name: str) -> list[dict[str, Any]]:
    """Valid messages of a type, with everything drawn."""
    return examples(BODIES.valid(name, {}))


def all_texts(value: Any) -> Iterator[str]:
    """Every text in a value, names of members too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from all_texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from all_texts(member)


def depth(value: Any) -> int:
    """How many arrays and objects are in one another."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


# ------------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize("name", NAMES)
def test_valid_messages_are_valid(name: str) -> None:
    """Whatever is drawn into them."""
    judged = [read(encode(body)) for body in valid(name)]

    assert [read.faults for read in judged if not read.valid or read.input != name] == []


@pytest.mark.parametrize("name", NAMES)
def test_plain_members_stand_as_they_are(name: str) -> None:
    """What only a run knows is put there by it."""
    [body, *_] = examples(BODIES.valid(name, PLAIN), 5)

    assert body["id"] == "an-id"
    assert body["timestamp"] == PLAIN["/timestamp"]
    assert reader_of(chat(), "client").read_value(body).valid


@pytest.mark.parametrize("name", NAMES)
def test_members_that_nobody_knows_leave_a_message_valid(name: str) -> None:
    """They stand in the envelope and in the payload, some are called nearly like known ones, and all are new."""
    body = examples(BODIES.valid(name, PLAIN), 3)[-1]
    sprinkled = examples(BODIES.sprinkled(name, body), 800)
    around = {member for more in sprinkled for member in more if member not in body}
    within = {member for more in sprinkled for member in more["payload"] if member not in body["payload"]}

    assert all(read(encode(more)).valid for more in sprinkled)
    assert all(more[member] == value for more in sprinkled for member, value in body.items() if member != "payload")
    assert {"in_reply_to", "CONTENT", "Token", "__proto__"} <= around
    assert {"user_id", "Type", "constructor"} <= within


@pytest.mark.parametrize("name", NAMES)
def test_mutated_messages_are_invalid(name: str) -> None:
    """By one fault; each kind of fault that the schemas know comes up."""
    both = [found for body in valid(name)[:3] for found in examples(BODIES.mutated(name, body), 400)]
    told = {(*fault.path, fault.what) for _, fault in both}
    member = "content" if name == "chat_message" else "token"

    assert [fault for body, fault in both if read(encode(body)).valid] == []
    assert {("id", "missing"), ("id", "misses `minLength`"), ("id", "misses `maxLength`"), ("type", "missing")} <= told
    assert {("timestamp", "misses `format`"), ("payload", "a value of type array"), ("payload", "missing")} <= told
    assert {("payload", member, "missing"), ("payload", member, "a value of type null")} <= told
    assert (("payload", "content", "misses `maxLength`") in told) == (member == "content")


def test_broken_texts_are_no_messages() -> None:
    """Neither what is no JSON nor what is no object."""
    judged = {text: read(text).input for text in examples(broken(encode(valid("auth")[0])), 500)}

    assert len(judged) > 60
    assert set(judged.values()) == {"malformed"}


def test_a_reader_that_is_too_kind_is_noticed() -> None:
    """The checks above can fail: without its formats, the reader takes mutated times."""
    kind = jsonschema_rs.validator_for(dict(chat().envelope.client.schema), validate_formats=False)
    mutated = [body for one in valid("auth")[:1] for body, _ in examples(BODIES.mutated("auth", one))]

    assert any(kind.is_valid(body) for body in mutated)


# ---------------------------------------------------------------------------------------------------------- texts


def test_texts_come_from_every_plane() -> None:
    """From all seventeen, controls and non-characters included, but never half a pair (RFC 7493 section 2.1)."""
    found = examples(texts(0, 40), 2000)
    points = {ord(character) for text in found for character in text}

    assert {point >> 16 for point in points} == set(range(17))
    assert {0, 0x1F, 0x7F, 0x2028, 0xFEFF, 0xFFFF, 0x10FFFF} <= points
    assert not points & set(range(0xD800, 0xE000))


@pytest.mark.parametrize(("low", "high"), [(1, 128), (1, 4000), (0, 1), (5, 5), (3, 10)])
def test_texts_keep_their_bounds_and_reach_them(low: int, high: int) -> None:
    """Counted in characters, and with characters of one to four bytes at both."""
    found = examples(texts(low, high), 1500)
    widths = {len(text[0].encode()) for text in found if len(text) == high}

    assert {len(text) for text in found} <= set(range(low, high + 1))
    assert {low, high} <= {len(text) for text in found}
    assert widths == {1, 2, 3, 4}


def test_anything_stays_within_what_every_reader_reads() -> None:
    """Integers of 53 bits, doubles, and no deeper than the strictest reader goes (RFC 7493, RFC 8259 section 9)."""
    found = examples(st.one_of(anything, objects), 2000)

    assert all(json.loads(encode(value)) == value for value in found)
    assert max(map(depth, found)) in range(30, 60)
    assert not any(0xD800 <= ord(sign) < 0xE000 for value in found for text in all_texts(value) for sign in text)
    assert {type(value) for value in found} == {type(None), bool, int, float, str, list, dict}
    assert max(abs(value) for value in found if type(value) is int) == 2**53 - 1


# -------------------------------------------------------------------------------------------------------- schemas

TREE = {
    "type": "object",
    "required": ["kind"],
    "properties": {
        "kind": {"enum": ["leaf", "branch"]},
        "inner": {"type": "array", "items": {"$ref": "#/definitions/t"}},
    },
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "const": {"const": "x"},
    "enum": {"enum": ["a", "b", 3]},
    "integer": {"type": "integer", "minimum": -2, "maximum": 70000},
    "fractional bounds": {"type": "integer", "minimum": 0.5, "maximum": 3.5},
    "number": {"type": "number", "minimum": 0.5},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "string": {"type": "string", "minLength": 2, "maxLength": 5},
    "pattern": {"type": "string", "pattern": "^[a-z]{2,8}$", "maxLength": 6},
    "types": {"type": ["string", "null"], "maxLength": 3},
    "array": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "integer", "minimum": 0}},
    "first items": {
        "type": "array",
        "minItems": 1,
        "maxItems": 3,
        "prefixItems": [{"type": "string", "minLength": 1}, {"type": "boolean"}],
        "items": {"type": "null"},
    },
    "open": {"type": "object"},
    "closed": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
    "map": {"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": {"type": "integer"}},
    "nested": {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "object", "required": ["b"], "properties": {"b": {"type": "boolean"}}}},
    },
    "anyOf": {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 2}]},
    "oneOf": {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
    },
    "definitions": {"$ref": "#/definitions/t", "definitions": {"t": TREE}},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_values_fit_their_schema(schema: dict[str, Any]) -> None:
    """For every keyword that documents may use."""
    fits = jsonschema_rs.validator_for(schema, validate_formats=True).is_valid
    found = examples(values(schema), 120)

    assert [value for value in found if not fits(value)] == []


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_mutations_miss_their_schema(schema: dict[str, Any]) -> None:
    """Every one does where there is but one way to fit, and some do where there are several."""
    fits = jsonschema_rs.validator_for(schema, validate_formats=True).is_valid
    found = [mutate(value, fault) for value in examples(values(schema), 20) for fault in mutations(schema, value)]
    missing = [value for value in found if not fits(value)]

    assert missing
    assert len(missing) == len(found) or {"anyOf", "oneOf", "pattern"} & set(schema)


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_hit_and_missed(name: str) -> None:
    """By the validator that the reader uses."""
    schema = {"type": "string", "format": name}
    fits: Callable[[str], bool] = jsonschema_rs.validator_for(schema, validate_formats=True).is_valid

    assert [text for text in examples(FORMATS[name], 300) if not fits(text)] == []
    assert [text for text in MISSES[name] if fits(text)] == []


def test_mutating_leaves_the_value_as_it_was() -> None:
    """A mutation is another value."""
    value = {"a": {"b": True}, "c": [1, 2]}
    before = json.dumps(value)
    for fault in mutations(SCHEMAS["nested"], value):
        mutate(value, fault)

    assert json.dumps(value) == before
