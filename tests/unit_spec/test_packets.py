"""The binding `socketio`: which bodies packets are, and what no client or server sends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spec.bindings.json import encode
from spec.bindings.packets import PACKETS, SocketIO
from spec.bindings.seam import Binary, NotUTF8, Text, Unread
from spec.bindings.socketio import RESERVED

CLIENT: dict[str, dict[str, Any]] = {
    "3": {"type": "pong", "payload": {}},
    "1": {"type": "close", "payload": {}},
    "40": {"type": "connect", "namespace": "/", "payload": {}},
    '40{"token":"x"}': {"type": "connect", "namespace": "/", "payload": {"token": "x"}},
    '40/admin,{"token":"x"}': {"type": "connect", "namespace": "/admin", "payload": {"token": "x"}},
    "6": {"type": "noop", "payload": {}},
    "41": {"type": "disconnect", "namespace": "/", "payload": {}},
    '42["cancel",{"a":1}]': {"type": "cancel", "namespace": "/", "payload": {"a": 1}},
    '427["cancel"]': {"type": "cancel", "namespace": "/", "id": "7"},
    '42["ping",1]': {"type": "event ping", "namespace": "/", "payload": 1},
    '437[{"ok":true}]': {"type": "ack", "namespace": "/", "reply_to": "7", "payload": {"ok": True}},
}
SERVER: dict[str, dict[str, Any]] = {
    "2": {"type": "ping", "payload": {}},
    '40{"sid":"s"}': {"type": "connect", "namespace": "/", "payload": {"sid": "s"}},
    '44/nope,{"message":"no"}': {"type": "connect_error", "namespace": "/nope", "payload": {"message": "no"}},
}
OPEN = '0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


def read(role: str, *texts: str) -> list[Any]:
    decoder = SocketIO().decoder(role, 1000)
    return [body for text in texts for body in decoder.feed(Text(text, len(text)))]


@pytest.mark.parametrize(("role", "text"), [("client", t) for t in CLIENT] + [("server", t) for t in SERVER])
def test_packets_are_bodies_and_bodies_packets(role: str, text: str) -> None:
    body = {"client": CLIENT, "server": SERVER}[role][text]

    assert read(role, text) == [body]
    assert SocketIO().encode(body, encode) == text


def test_the_open_packet_is_the_servers() -> None:
    [body] = read("server", OPEN)

    assert body["payload"]["pingInterval"] == 25000
    assert SocketIO().encode(body, encode) == OPEN
    assert read("client", OPEN) == read("client", "5") == [{"type": "noop", "payload": {}}]


@pytest.mark.parametrize("text", ["", "2", "2probe", "7", "9", "4", "49", '44{"message":"x"}', "42[]", "4abc"])
def test_what_no_client_sends_is_malformed(text: str) -> None:
    [unread] = read("client", text)

    assert (type(unread), unread.input) == (Unread, "malformed")


def test_what_comes_before_it_is_read() -> None:
    decoder = SocketIO().decoder("client", 10)

    assert [one.input for one in decoder.feed(Text("4" + "x" * 10, 11))] == ["oversize"]
    assert [one.input for one in decoder.feed(NotUTF8(3))] == ["not_utf8"]
    assert [one.input for one in decoder.feed(Binary(3, b"abc"))] == ["binary"]


def test_attachments_complete_an_event_and_are_no_json() -> None:
    decoder = SocketIO().decoder("client", 1000)
    text = '451-1["cancel",{"taskId":{"_placeholder":true,"num":0}}]'

    assert decoder.feed(Text(text, len(text))) == []
    [body] = decoder.feed(Binary(1, b"x"))
    assert body == {"type": "cancel", "namespace": "/", "id": "1", "payload": {"taskId": {"_placeholder": True}}}


JSON = st.recursive(st.none() | st.booleans() | st.text("ab"), lambda inner: st.lists(inner, max_size=2), max_leaves=4)
NAMES = st.text(max_size=6).filter(lambda name: name not in RESERVED) | st.sampled_from(
    [p for p in PACKETS if p not in RESERVED]
)


@given(NAMES, JSON, st.none() | st.integers(0, 2**50))
def test_an_event_of_any_name_is_told_from_every_packet(name: str, payload: Any, number: int | None) -> None:
    text = f"42{'' if number is None else number}{encode([name, payload])}"

    [body] = SocketIO().decoder("client", None).feed(Text(text, len(text)))

    assert body["type"] not in PACKETS
    assert SocketIO().encode(body, encode) == text
