"""What a strict receiver makes of a client's bytes: by RFC 6455, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.framing import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Closed,
    Pinged,
    Receiver,
    Took,
    describe,
    encode_frame,
    encode_shape,
)
from conformance.scripts import Frame
from spec.machine import Binary, Breach, NotUTF8, Text

HELLO = Text("Hello", 5)
LARGEST = 1000


def ways(data: bytes, pieces: int | None = None) -> list[object]:
    """What bytes amount to: of messages the ways to take them, `ping` and `close` by name, texts left out."""
    receiver, found = Receiver(LARGEST), []
    step = pieces or max(1, len(data))
    for start in range(0, len(data), step):
        found += receiver.feed(data[start : start + step])
    return [event.ways if isinstance(event, Took) else event for event in found if event != Took((), ())]


def frame(opcode: int, payload: bytes, **more: object) -> bytes:
    return encode_frame(opcode, payload, **more)  # type: ignore[arg-type]


WHOLE = [
    ("a text", frame(TEXT, b"Hello"), [(HELLO,)]),
    ("a mask of zeros", frame(TEXT, b"Hello", mask=bytes(4)), [(HELLO,)]),
    ("a binary message", frame(BINARY, b"\x00" * 126), [(Binary(126, b"\x00" * 126),)]),
    ("an empty text", frame(TEXT, b""), [(Text("", 0),)]),
    ("what is not UTF-8", frame(TEXT, b"\xff"), [(NotUTF8(1),)]),
    ("a length in more bits than it needs", frame(TEXT, b"Hello", bits=64), [(HELLO, Breach("length"))]),
    ("two in one piece", frame(TEXT, b"Hello") * 2, [(HELLO,), (HELLO,)]),
    (
        "fragments with a ping between them",
        frame(TEXT, b"Hel", final=False) + frame(PING, b"x") + frame(CONTINUATION, b"lo"),
        [(None,), Pinged(b"x"), (HELLO,)],
    ),
    (
        "a character in two fragments",
        frame(TEXT, b"\xf0\x9f", final=False) + frame(CONTINUATION, b"\x8d\xb2"),
        [(None,), (Text("🍲", 4),)],
    ),
    (
        "a character that its second fragment spoils",
        frame(TEXT, b"\xf0\x9f", final=False) + frame(CONTINUATION, b"x", final=False) + frame(CONTINUATION, b"x"),
        [(None,), (None, NotUTF8(3)), (NotUTF8(4),)],
    ),
    ("a pong", frame(PONG, b"x"), []),
    ("a close", frame(CLOSE, b""), [Closed()]),
    ("a close with a reason", frame(CLOSE, b"\x03\xe8bye"), [Closed()]),
    ("a message behind a close", frame(CLOSE, b"") + frame(TEXT, b"Hello"), [Closed(), ()]),
    ("no mask", frame(TEXT, b"Hello", mask=b""), [(Breach("unmasked"),)]),
    ("a reserved bit", frame(TEXT, b"Hello", reserved=1), [(Breach("reserved_bits"),)]),
    ("a reserved opcode", frame(0xB, b"x"), [(Breach("reserved_opcode"),)]),
    ("a fragment of nothing", frame(CONTINUATION, b"x"), [(Breach("interleaved"),)]),
    (
        "a message within a message",
        frame(TEXT, b"{", final=False) + frame(TEXT, b"Hello"),
        [(None,), (Breach("interleaved"),)],
    ),
    ("a message behind a breach", frame(TEXT, b"", reserved=4) + frame(TEXT, b"x"), [(Breach("reserved_bits"),), ()]),
    ("a fragmented ping", frame(PING, b"x", final=False), [(Breach("control"),)]),
    ("a ping that is too long", frame(PING, b"x" * 126), [(Breach("control"),)]),
    ("a close of one byte", frame(CLOSE, b"\x03"), [(Breach("close"),)]),
    ("a close code that none may send", frame(CLOSE, b"\x03\xed"), [(Breach("close"),)]),
    ("a close reason that is not UTF-8", frame(CLOSE, b"\x03\xe8\xff"), [(Breach("close"),)]),
    ("a length that none may be", frame(TEXT, b"", bits=64, length=2**63), [(Breach("length"),)]),
]


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE])
def test_frames_are_read_as_a_strict_server_reads_them(data: bytes, expected: list[object]) -> None:
    """Each kind of frame, and each breach by the part of the RFC that forbids it."""
    assert ways(data) == expected


@given(row=st.sampled_from(WHOLE), pieces=st.integers(1, 9))
def test_how_bytes_are_cut_changes_nothing_but_what_may_come_early(
    row: tuple[str, bytes, list[object]], pieces: int
) -> None:
    """In pieces of any size the same things come in the same order; before a breach is whole it may be told."""
    _, data, expected = row
    certain = [found for found in ways(data, pieces) if not isinstance(found, tuple) or found[:1] != (None,)]
    early = [found for found in ways(data, pieces) if found not in certain]

    assert certain == [found for found in expected if not isinstance(found, tuple) or found[:1] != (None,)]
    assert all(isinstance(found, tuple) and len(found) <= 2 for found in early)


def test_a_peer_may_fail_what_is_too_large_or_wrong_before_its_end() -> None:
    """Once a head has come: nothing is due yet, and the end of the connection is as good."""
    assert ways(frame(TEXT, b"Hello", length=LARGEST + 1)[:9]) == [(None, Binary(LARGEST + 1))]
    assert ways(frame(TEXT, b"Hello", reserved=2)[:-1]) == [(None, Breach("reserved_bits"))]
    assert ways(frame(TEXT, b"Hello")[:-1]) == ways(frame(TEXT, b"Hello")[:1]) == [(None,)]
    assert ways(frame(TEXT, b"x" * LARGEST, final=False) + frame(0, b"x", final=False)) == [
        (None,),
        (None, Binary(LARGEST + 1)),
    ]


def test_of_pings_in_one_piece_the_last_is_told() -> None:
    """It is the one that must be answered (section 5.5.3)."""
    assert ways(frame(PING, b"1") + frame(PING, b"2") + frame(TEXT, b"Hello") + frame(PING, b"3")) == [
        Pinged(b"2"),
        (HELLO,),
        Pinged(b"3"),
    ]


def test_texts_that_a_careless_peer_would_read_are_known() -> None:
    """Of unfinished messages, of breaches and behind a close: if something comes of them, it is known of what."""
    data = frame(TEXT, b"one", final=False) + frame(TEXT, b"two") + frame(TEXT, b"three")
    texts = [text for event in Receiver(LARGEST).feed(data) if isinstance(event, Took) for text in event.texts]

    assert {"one", "two", "three"} <= set(texts)


def test_a_shape_says_every_bit_of_a_frame() -> None:
    """As RFC 6455 section 5.2 draws it; and in words, for transcripts."""
    shape = Frame(0x2, final=False, reserved=0b101, mask="00000000", bits=16, length=300)

    assert encode_shape(shape, b"xy") == bytes.fromhex("52 fe 012c 00000000 7879")
    assert encode_shape(Frame(mask=""), b"Hello") == bytes.fromhex("81 05 48656c6c6f")
    assert describe(shape, 2) == (
        "binary (2 bytes, said to be 300, length in 16 bits, reserved bits 101, mask 00000000, unfinished)"
    )
    assert describe(Frame(0xC, mask=""), 0) == "opcode 0xc (0 bytes, unmasked)"
