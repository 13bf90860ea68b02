"""Socket.IO packets: the published examples, what is refused, and python-socketio as a second opinion."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio import packet as other

from spec.bindings.socketio import RESERVED, Decoder, NotSocketIO, Packet, write_packet

Frames = list[str | bytes]

GOLDEN: list[tuple[Frames, Packet]] = [
    (["0"], Packet("connect")),
    (['0{"sid":"wZX3oN0bSVIhsaknAAAI"}'], Packet("connect", {"sid": "wZX3oN0bSVIhsaknAAAI"})),
    (['0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}'], Packet("connect", {"sid": "oSO0OpakMV_3jnilAAAA"}, "/admin")),
    (["0/admin,"], Packet("connect", None, "/admin")),
    (['4{"message":"Not authorized"}'], Packet("connect_error", {"message": "Not authorized"})),
    (['2["foo"]'], Packet("event", ["foo"])),
    (['2["hey","Jude"]'], Packet("event", ["hey", "Jude"])),
    (['2/admin,["bar"]'], Packet("event", ["bar"], "/admin")),
    (['51-["baz",{"_placeholder":true,"num":0}]', b"\1\2\3\4"], Packet("event", ["baz", b"\1\2\3\4"])),
    (
        ['52-/admin,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"\1\2", b"\3\4"],
        Packet("event", ["baz", b"\1\2", b"\3\4"], "/admin"),
    ),
    (['212["foo"]'], Packet("event", ["foo"], id=12)),
    (['2/admin,1["tellme"]'], Packet("event", ["tellme"], "/admin", 1)),
    (['3/admin,13["bar"]'], Packet("ack", ["bar"], "/admin", 13)),
    (['61-15["bar",{"_placeholder":true,"num":0}]', b"\1\2\3\4"], Packet("ack", ["bar", b"\1\2\3\4"], id=15)),
    (['61-/admin,1[{"_placeholder":true,"num":0}]', b""], Packet("ack", [b""], "/admin", 1)),
    (["1"], Packet("disconnect")),
    (["1/admin,"], Packet("disconnect", None, "/admin")),
]
"""The examples of the Readme of socketio/socket.io-protocol, "Packet encoding" and "Sample session"."""


def read(frames: Frames) -> Packet | None:
    """The packet that frames make together: none of them but the last completes it."""
    decoder = Decoder()
    for frame in frames[:-1]:
        assert decoder.feed(frame) is None
    return decoder.feed(frames[-1])


@pytest.mark.parametrize(("frames", "packet"), GOLDEN, ids=[str(frames[0]) for frames, _ in GOLDEN])
def test_published_packets_are_read_and_written(frames: Frames, packet: Packet) -> None:
    assert read(frames) == packet
    assert write_packet(packet) == frames


REFUSED = {
    "no type": ["", "7", "9", "x", "-1", '"2"'],
    "connect": ['0"token"', '0["token"]', "0null", "01", "0true", '0{"token"', "0/admin", '0/admin{"token":1}'],
    "connect error": ["4", "4{}", '4"no"', "4abc", '4{"message":7}', '41{"message":"no"}'],
    "disconnect": ["1{}", "1[]", "11", "1/admin"],
    "event": [
        "2",
        "2[]",
        "2{}",
        '2"foo"',
        "2[7]",
        "2[null]",
        '2[{"foo":1}]',
        '2[["foo"]]',
        '2["foo"',
        '2["foo"]]',
        "2abc",
    ],
    "event's id": ['2-1["foo"]', '201["foo"]', '21.5["foo"]', '29007199254740992["foo"]', '2 1["foo"]'],
    "acknowledgement": ["3", "3[]", "31", "31{}", '31"x"', '3["x"]', "31[", '3/admin["x"]'],
    "count": [
        '21-["foo"]',
        '5["foo"]',
        '50-["foo"]',
        '51["foo"]',
        '501-["foo",{"_placeholder":true,"num":0}]',
        '5-["foo"]',
    ],
    "not JSON": ['2["foo",NaN]', '2["foo",Infinity]', "2['foo']", '2["foo",]'],
}


@pytest.mark.parametrize("text", [text for texts in REFUSED.values() for text in texts])
def test_what_is_no_packet_is_refused(text: str) -> None:
    with pytest.raises(NotSocketIO):
        Decoder().feed(text)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_of_no_event(name: str) -> None:
    with pytest.raises(NotSocketIO, match="reserved"):
        Decoder().feed(f'2["{name}"]')


@pytest.mark.parametrize(
    "numbers",
    [[], [0], [0, 0], [1, 2], [0, 2], [0, -1], [0, None], [0, "1"], [0, True], [0, 1.0], [0, 1, 1]],
)
def test_each_attachment_is_named_once(numbers: list[Any]) -> None:
    named = "".join(f',{{"_placeholder":true,"num":{"null" if n is None else str(n).lower()}}}' for n in numbers)
    with pytest.raises(NotSocketIO):
        Decoder().feed(f'52-["foo"{named}]'.replace(":1}", ':"1"}') if "1" in numbers else f'52-["foo"{named}]')


def test_attachments_and_text_come_in_their_turn() -> None:
    with pytest.raises(NotSocketIO, match="no packet announced"):
        Decoder().feed(b"\1")

    waiting = Decoder()
    assert waiting.feed('51-["foo",{"_placeholder":true,"num":0}]') is None
    with pytest.raises(NotSocketIO, match="awaited"):
        waiting.feed('2["bar"]')

    done = Decoder()
    done.feed('51-["foo",{"_placeholder":true,"num":0}]')
    assert done.feed(b"\1") == Packet("event", ["foo", b"\1"])
    with pytest.raises(NotSocketIO, match="no packet announced"):
        done.feed(b"\1")


def test_a_placeholder_without_attachments_is_plain_data() -> None:
    plain = Packet("event", ["foo", {"_placeholder": True, "num": 0}])

    assert read(write_packet(plain)) == plain
    with pytest.raises(ValueError, match="would be read as one"):
        write_packet(Packet("event", ["foo", {"_placeholder": True, "num": 0}, b"\1"]))


@pytest.mark.parametrize(
    "packet",
    [
        Packet("event", []),
        Packet("event", ["connect"]),
        Packet("ack", ["x"]),
        Packet("connect", "token"),
        Packet("disconnect", id=1),
    ],
)
def test_what_is_no_packet_is_not_written(packet: Packet) -> None:
    with pytest.raises(ValueError, match=r"."):
        write_packet(packet)


# ------------------------------------------------------------------------------------------------ properties

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcé/,-0", max_size=3), inner, max_size=3),
    max_leaves=6,
)
DATA = st.recursive(
    JSON | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMESPACES = st.just("/") | st.text('abz09/-é{[" ', min_size=1, max_size=6).map("/".__add__)
NAMES = st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda name: name not in RESERVED)
IDS = st.none() | st.integers(0, 2**53 - 1)
OBJECTS = st.dictionaries(st.text("abc", max_size=3), JSON, max_size=3)


def packets(data: st.SearchStrategy[Any]) -> st.SearchStrategy[Packet]:
    events = st.tuples(NAMES, st.lists(data, max_size=3)).map(lambda drawn: [drawn[0], *drawn[1]])
    return (
        st.builds(Packet, st.just("event"), events, NAMESPACES, IDS)
        | st.builds(Packet, st.just("ack"), st.lists(data, max_size=3), NAMESPACES, st.integers(0, 2**53 - 1))
        | st.builds(Packet, st.just("connect"), st.none() | OBJECTS, NAMESPACES)
        | st.builds(Packet, st.just("connect_error"), OBJECTS.map(lambda o: {**o, "message": "no"}), NAMESPACES)
        | st.builds(Packet, st.just("disconnect"), st.none(), NAMESPACES)
    )


@given(packets(DATA))
def test_what_is_written_is_read(packet: Packet) -> None:
    assert read(write_packet(packet)) == packet


@given(st.lists(packets(DATA), max_size=4))
def test_packets_in_a_row_are_read_one_by_one(sent: list[Packet]) -> None:
    decoder = Decoder()

    found = [decoder.feed(frame) for packet in sent for frame in write_packet(packet)]

    assert [packet for packet in found if packet is not None] == sent


@given(packets(DATA), st.data())
def test_a_frame_that_is_cut_makes_no_other_packet_of_its_kind(packet: Packet, data: st.DataObject) -> None:
    """The text is read whole: cut anywhere it is refused, or says less and is written as what it then says."""
    text = write_packet(packet)[0]
    assert isinstance(text, str)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    decoder = Decoder()
    try:
        found = decoder.feed(cut)
    except NotSocketIO:
        return
    assert found is None or write_packet(found) == [cut]


@given(st.text('0123456-/,[]{}":ab_placeholdertruenum ', max_size=30))
def test_any_text_is_a_packet_or_is_refused(text: str) -> None:
    decoder = Decoder()
    try:
        packet = decoder.feed(text)
    except NotSocketIO:
        return
    assert packet is None or read(write_packet(packet)) == packet


# ---------------------------------------------------------------------------------------- python-socketio

KIND = {"connect": 0, "disconnect": 1, "event": 2, "ack": 3, "connect_error": 4}


def other_reads(frames: Frames) -> Any:
    found = other.Packet(encoded_packet=frames[0])
    for part in frames[1:]:
        found.add_attachment(part)
    return found


# Theirs takes a query off a namespace, and reads a number with a hyphen behind it in a namespace as one of attachments.
PLAIN_NAMESPACES = st.sampled_from(["/", "/admin", "/a/b", "/é"])


@given(packets(DATA), PLAIN_NAMESPACES)
def test_python_socketio_reads_what_is_written(packet: Packet, namespace: str) -> None:
    packet = Packet(packet.kind, packet.data, namespace, None if packet.id is None else packet.id % 10**9)
    frames = write_packet(packet)

    found = other_reads(frames)

    binary = len(frames) > 1
    assert found.packet_type == KIND[packet.kind] + (3 if binary else 0)
    assert (found.namespace or "/", found.id, found.data) == (packet.namespace, packet.id, packet.data)


@given(packets(DATA), PLAIN_NAMESPACES)
def test_what_python_socketio_writes_is_read(packet: Packet, namespace: str) -> None:
    theirs = other.Packet(KIND[packet.kind], packet.data, namespace, packet.id)
    written = theirs.encode()
    frames = written if isinstance(written, list) else [written]

    assert read(frames) == Packet(packet.kind, packet.data, namespace, packet.id)


@pytest.mark.parametrize(
    "text",
    [
        "2",
        "2[]",
        "2{}",
        "2[7]",
        '2["connect"]',
        '2["foo",NaN]',
        '0"token"',
        "0[1]",
        "3[]",
        '3["x"]',
        "1{}",
        "4{}",
        "4",
        "9",
        "01",
    ],
)
def test_where_python_socketio_is_lax(text: str) -> None:
    """It takes each of these, which the published text, or the published implementation, has no place for."""
    other.Packet(encoded_packet=text)

    with pytest.raises(NotSocketIO):
        Decoder().feed(text)


def test_python_socketio_takes_attachments_that_are_not_named() -> None:
    found = other_reads(['51-["foo"]', b"\1"])

    assert found.data == ["foo"]
    with pytest.raises(NotSocketIO, match="each named once"):
        Decoder().feed('51-["foo"]')
