"""Engine.IO packets: frames of the published text, what is refused, and python-engineio as a second opinion."""

from __future__ import annotations

import pytest
from engineio import packet as other
from hypothesis import given
from hypothesis import strategies as st

from spec.bindings.engineio import KINDS, Handshake, NotEngineIO, Packet, read_packet, write_packet

GOLDEN = [
    ("4hello", Packet("message", "hello")),
    ("4world", Packet("message", "world")),
    ("2", Packet("ping")),
    ("3", Packet("pong")),
    ("1", Packet("close")),
    ("2probe", Packet("ping", "probe")),
    ("3probe", Packet("pong", "probe")),
    ("5", Packet("upgrade")),
    ("6", Packet("noop")),
    (b"\1\2\3\4", Packet("message", b"\1\2\3\4")),
    ("40", Packet("message", "0")),
    ('42["hello"]', Packet("message", '2["hello"]')),
]
"""Frames of the README of socketio/engine.io-protocol, and of the sample session of socketio/socket.io-protocol."""

OPEN = (
    '{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],'
    '"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
)


@pytest.mark.parametrize(("frame", "packet"), GOLDEN, ids=[repr(frame) for frame, _ in GOLDEN])
def test_published_frames_are_read_and_written(frame: str | bytes, packet: Packet) -> None:
    assert read_packet(frame) == packet
    assert write_packet(packet) == frame


def test_the_published_handshake_is_read_and_written() -> None:
    packet = read_packet("0" + OPEN)

    assert packet.kind == "open"
    assert isinstance(packet.data, str)
    handshake = Handshake.read(packet.data)
    assert handshake == Handshake("lv_VI97HAXpY6yYWAAAC", 25000, 20000, 1000000, ("websocket",))
    assert handshake.write() == OPEN


@pytest.mark.parametrize(
    "frame", ["", "7", "9", "b", "b AQIDBA==", "-1", " 2", "x4", "²", "1now", "5x", "6x", "2x", "3?"]
)
def test_what_is_no_packet_is_refused(frame: str) -> None:
    with pytest.raises(NotEngineIO):
        read_packet(frame)


@pytest.mark.parametrize(
    "change",
    [
        ('"sid":"lv_VI97HAXpY6yYWAAAC"', '"sid":""'),
        ('"sid":"lv_VI97HAXpY6yYWAAAC"', '"sid":7'),
        ('"sid":"lv_VI97HAXpY6yYWAAAC",', ""),
        ('["websocket"]', "null"),
        ('["websocket"]', "[1]"),
        ("25000", '"25000"'),
        ("25000", "true"),
        ("20000", "-1"),
        ('"maxPayload"', '"maxHttpBufferSize"'),
        ("{", "[{"),
        (OPEN, "[]"),
    ],
)
def test_a_handshake_with_a_fault_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(NotEngineIO):
        Handshake.read(OPEN.replace(*change))


def test_members_of_a_handshake_that_nobody_knows_are_ignored() -> None:
    assert Handshake.read(OPEN.replace("{", '{"more":[1],')) == Handshake.read(OPEN)


def test_only_a_message_carries_bytes() -> None:
    with pytest.raises(ValueError, match="carries no bytes"):
        write_packet(Packet("ping", b"\1"))


# Digits, lone surrogates and line ends are where parsers differ.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
PACKETS = (
    st.builds(Packet, st.just("message"), TEXTS | st.binary(max_size=20))
    | st.builds(Packet, st.sampled_from(["close", "upgrade", "noop"]))
    | st.builds(Packet, st.sampled_from(["ping", "pong"]), st.sampled_from(["", "probe"]))
    | st.builds(Packet, st.just("open"), TEXTS)
)


@given(PACKETS)
def test_what_is_written_is_read(packet: Packet) -> None:
    assert read_packet(write_packet(packet)) == packet


@given(TEXTS)
def test_what_is_read_is_written(frame: str) -> None:
    try:
        packet = read_packet(frame)
    except NotEngineIO:
        return
    assert write_packet(packet) == frame


@given(PACKETS)
def test_python_engineio_reads_what_is_written(packet: Packet) -> None:
    """Where data is JSON, python-engineio gives what it says, and not its text."""
    read = other.Packet(encoded_packet=write_packet(packet))

    assert other.packet_names[read.packet_type].lower() == packet.kind
    assert read.encode() == write_packet(packet) or not isinstance(read.data, str | bytes)


def test_where_python_engineio_is_lax() -> None:
    """It takes types that there are none of, and data where none can be."""
    for frame in ("7", "9", "1now", "2x", "6x"):
        assert other.Packet(encoded_packet=frame).packet_type == int(frame[0])
        with pytest.raises(NotEngineIO):
            read_packet(frame)
    assert len(other.packet_names) == len(KINDS)
