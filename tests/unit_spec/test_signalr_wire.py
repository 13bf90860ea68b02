"""What of a hub connection documents know as messages: bodies of records, and records of bodies."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from spec.bindings.json import encode
from spec.bindings.registry import BINDINGS
from spec.bindings.seam import Binary, Decoder, NotUTF8, Text, Unread
from spec.bindings.signalr.wire import PACKETS

SIGNALR = BINDINGS["signalr"]
SHAKE = '{"protocol":"json","version":1}\x1e'


def _text(text: str) -> Text:
    return Text(text, len(text.encode()))


def _decoder(role: str, largest: int | None = None) -> Decoder:
    """A decoder behind the handshake."""
    decoder = SIGNALR.decoder(role, largest)
    decoder.feed(_text(SHAKE if role == "client" else "{}\x1e"))
    return decoder


BODIES: list[tuple[str, dict[str, Any], str]] = [
    (
        "client",
        {"type": "JoinHub", "id": "1", "payload": ["soup"]},
        '{"type":1,"invocationId":"1","target":"JoinHub","arguments":["soup"]}',
    ),
    ("server", {"type": "Receive", "payload": [{"a": None}]}, '{"type":1,"target":"Receive","arguments":[{"a":null}]}'),
    (
        "client",
        {"type": "stream", "id": "1", "payload": {"target": "a", "arguments": []}},
        '{"type":4,"invocationId":"1","target":"a","arguments":[]}',
    ),
    (
        "server",
        {"type": "completion", "payload": {"result": None}, "reply_to": "1"},
        '{"type":3,"invocationId":"1","result":null}',
    ),
    ("server", {"type": "completion", "payload": {}, "reply_to": "1"}, '{"type":3,"invocationId":"1"}'),
    (
        "server",
        {"type": "completion", "payload": {"error": "no"}, "reply_to": "1"},
        '{"type":3,"invocationId":"1","error":"no"}',
    ),
    (
        "client",
        {"type": "stream_item", "payload": {"item": 1}, "reply_to": "1"},
        '{"type":2,"invocationId":"1","item":1}',
    ),
    ("client", {"type": "cancel", "payload": {}, "reply_to": "1"}, '{"type":5,"invocationId":"1"}'),
    ("client", {"type": "ping", "payload": {}}, '{"type":6}'),
    (
        "server",
        {"type": "close", "payload": {"error": "bye", "allowReconnect": True}},
        '{"type":7,"error":"bye","allowReconnect":true}',
    ),
    ("client", {"type": "ack", "payload": {"sequenceId": 3}}, '{"type":8,"sequenceId":3}'),
    ("client", {"type": "sequence", "payload": {"sequenceId": 3}}, '{"type":9,"sequenceId":3}'),
    ("client", {"type": "unknown", "payload": {"type": 42}}, '{"type":42}'),
    ("client", {"type": "ping()", "payload": []}, '{"type":1,"target":"ping","arguments":[]}'),
]


@pytest.mark.parametrize(("role", "body", "record"), BODIES)
def test_bodies_are_records_and_back(role: str, body: dict[str, Any], record: str) -> None:
    """Each kind of packet is a body of its own name, an invocation one of its target's."""
    assert _decoder(role).feed(_text(record + "\x1e")) == [body]
    assert SIGNALR.encode(body, encode) == record + "\x1e"


def test_every_packet_is_shown() -> None:
    """The table above leaves out none but the handshakes."""
    assert {body["type"] for _, body, _ in BODIES} >= {*PACKETS} - {"handshake"}


@pytest.mark.parametrize(
    ("role", "body", "record"),
    [
        ("client", {"type": "handshake", "payload": {"protocol": "json", "version": 1}}, SHAKE),
        ("server", {"type": "handshake", "payload": {}}, "{}\x1e"),
        ("server", {"type": "handshake", "payload": {"error": "no"}}, '{"error":"no"}\x1e'),
    ],
)
def test_the_first_record_is_a_handshake(role: str, body: dict[str, Any], record: str) -> None:
    """Of either side, and what follows in the same frame is read too."""
    decoder = SIGNALR.decoder(role, None)
    # Nothing follows a refusal.
    behind = [] if "error" in body["payload"] else [{"type": "ping", "payload": {}}]

    assert decoder.feed(_text(record + '{"type":6}\x1e')) == [body, *behind]
    assert SIGNALR.encode(body, encode) == record


@pytest.mark.parametrize("target", PACKETS)
def test_no_target_is_taken_for_a_packet(target: str) -> None:
    """A client that calls a method by the name of a packet calls what no document declares."""
    record = f'{{"type":1,"target":"{target}","arguments":[]}}\x1e'
    [body] = _decoder("client").feed(_text(record))

    assert body["type"] not in PACKETS
    assert SIGNALR.encode(body, encode) == record


def test_members_of_their_own_are_kept_in_records() -> None:
    """What a body has beside its parts stands in its record, so that unnamed members can be sent."""
    assert SIGNALR.encode({"type": "ping", "payload": {}, "more": 1}, encode) == '{"type":6,"more":1}\x1e'


def test_what_cannot_be_read_is_an_input_and_the_last() -> None:
    """Too large, malformed, binary or not UTF-8: told once, and nothing behind it."""
    ping = _text('{"type":6}\x1e')
    frames: list[tuple[Any, str]] = [
        (_text("x" * 33), "oversize"),
        (_text("[]\x1e"), "malformed"),
        (Binary(1, b"a"), "binary"),
        (NotUTF8(1), "not_utf8"),
    ]
    for frame, expected in frames:
        decoder = _decoder("client", 32)
        [unread] = decoder.feed(frame)
        assert isinstance(unread, Unread)
        assert unread.input == expected
        assert [*decoder.feed(ping), *decoder.feed(frame)] == []


def test_a_copy_reads_on_by_itself() -> None:
    """A record that has begun is finished in both."""
    decoder = _decoder("client")
    decoder.feed(_text('{"type":'))
    copy = deepcopy(decoder)

    assert copy.feed(_text("6}\x1e")) == [{"type": "ping", "payload": {}}]
    assert decoder.feed(_text("7}\x1e")) == [{"type": "close", "payload": {}}]
