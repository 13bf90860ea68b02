"""WebSocket frames as bytes (RFC 6455 section 5): written whatever they are, and read as a strict server reads them.

The receiver says what a client's bytes amount to, so that a script need not: a message, a ping, a close, or a frame for
which the connection is failed. Where the RFC leaves it to a server when it fails, or whether, it names every way.
"""

from __future__ import annotations

import codecs
import os
import struct

from attrs import define, field, frozen

from conformance.scripts import Frame as Shape
from spec.machine import Binary, Breach, NotUTF8, Text
from spec.machine.values import Frame

__all__ = ["BINARY", "CLOSE", "CONTINUATION", "PING", "PONG", "TEXT", "Closed", "Pinged", "Receiver", "Took"]
__all__ += ["describe", "encode_frame", "encode_shape"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_NAMES = {CONTINUATION: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}


def encode_frame(
    opcode: int,
    payload: bytes,
    *,
    final: bool = True,
    reserved: int = 0,
    mask: bytes | None = None,
    bits: int | None = None,
    length: int | None = None,
) -> bytes:
    """A frame as a client sends it (RFC 6455 section 5.2), whatever its payload.

    `mask` is the key, fresh where None, and `b""` for none; `bits` (7, 16 or 64) says how the length is written, and
    `length` what is written of it.
    """
    size = len(payload) if length is None else length
    bits = bits or (7 if size < 126 else 16 if size < 65536 else 64)
    key = os.urandom(4) if mask is None else mask
    masked = 0x80 if key else 0
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    match bits:
        case 7:
            head += bytes([masked | size])
        case 16:
            head += bytes([masked | 126]) + struct.pack("!H", size)
        case _:
            head += bytes([masked | 127]) + struct.pack("!Q", size)
    return head + key + _xor(payload, key)


def _xor(payload: bytes, key: bytes) -> bytes:
    if not payload or not any(key):
        return payload
    size = len(payload)
    repeated = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


def encode_shape(shape: Shape, payload: bytes) -> bytes:
    """The bytes of a frame that a script describes."""
    mask = None if shape.mask is None else bytes.fromhex(shape.mask)
    return encode_frame(
        shape.opcode,
        payload,
        final=shape.final,
        reserved=shape.reserved,
        mask=mask,
        bits=shape.bits,
        length=shape.length,
    )


def describe(shape: Shape, size: int) -> str:
    """A frame in words, as a transcript tells it."""
    marks = [f"{size} bytes"]
    if shape.length is not None:
        marks.append(f"said to be {shape.length}")
    if shape.bits is not None:
        marks.append(f"length in {shape.bits} bits")
    if shape.reserved:
        marks.append(f"reserved bits {shape.reserved:03b}")
    if shape.mask is not None:
        marks.append(f"mask {shape.mask}" if shape.mask else "unmasked")
    if not shape.final:
        marks.append("unfinished")
    return f"{_NAMES.get(shape.opcode, f'opcode {shape.opcode:#x}')} ({', '.join(marks)})"


# ----------------------------------------------------------------------------------------------------- receiving


@frozen
class Took:
    """What a receiver may take bytes for, None for nothing yet; `texts` is what they would say to a careless one."""

    ways: tuple[Frame | None, ...]
    texts: tuple[str, ...] = ()


@frozen
class Pinged:
    """A ping with its data."""

    data: bytes


@frozen
class Closed:
    """A close frame that every receiver answers."""


@frozen
class _Head:
    opcode: int
    final: bool
    reserved: int
    size: int
    key: bytes
    length: int
    lax: bool

    @property
    def control(self) -> bool:
        return self.opcode >= CLOSE


@define
class Receiver:
    """Reads what one client sends; `largest` is the size over which a message is refused.

    Where messages have ends of their own (`ended`), frames have no bound but that of who reads them.

    Call `feed` with bytes as they are sent. Behind a close or a breach nothing is told but texts.
    """

    largest: int
    ended: bool = False
    _buffer: bytearray = field(factory=bytearray)
    _told_head: bool = False
    _over: bool = False
    _opcode: int | None = None
    _payload: bytearray = field(factory=bytearray)
    _lax: bool = False

    def feed(self, data: bytes) -> list[Took | Pinged | Closed]:
        """What the bytes amount to, together with those before them.

        Of pings in a row it is the last; of pieces in a row that add nothing to a message, the first.
        """
        self._buffer += data
        found: list[Took | Pinged | Closed] = []
        while (head := self._head()) is not None and len(self._buffer) >= head.size + head.length:
            payload = _xor(bytes(self._buffer[head.size : head.size + head.length]), head.key)
            del self._buffer[: head.size + head.length]
            self._told_head = False
            event = self._frame(head, payload)
            if isinstance(event, Pinged) and found and isinstance(found[-1], Pinged):
                found.pop()
            adds = not isinstance(event, Took) or event.ways != (None,) or found[-1:] != [event]
            if event is not None and adds:
                found.append(event)
        return found + self._early(head) if self._buffer else found

    def _head(self) -> _Head | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        short = buffer[1] & 0x7F
        wide = {126: 2, 127: 8}.get(short, 0)
        size = 2 + wide + (4 if buffer[1] & 0x80 else 0)
        if len(buffer) < size:
            return None
        length = int.from_bytes(buffer[2 : 2 + wide], "big") if wide else short
        lax = wide > (0 if length < 126 else 2 if length < 65536 else 8)
        key = bytes(buffer[2 + wide : size])
        return _Head(buffer[0] & 0x0F, bool(buffer[0] & 0x80), buffer[0] >> 4 & 7, size, key, length, lax)

    def _problem(self, head: _Head) -> str | None:
        """Why a frame with this head fails the connection, as a kind of the document's `framing`."""
        if head.reserved:
            return "reserved_bits"
        if head.opcode not in _NAMES:
            return "reserved_opcode"
        if not head.key:
            return "unmasked"
        if head.length >= 2**63:
            return "length"
        if head.control:
            return "control" if head.length > 125 or not head.final else None
        return "interleaved" if (head.opcode == CONTINUATION) == (self._opcode is None) else None

    def _early(self, head: _Head | None) -> list[Took | Pinged | Closed]:
        """What may be made of a frame whose end has not come: told once, with its head or without."""
        if self._told_head or self._over:
            return []
        if head is None:
            return [Took((None,))]
        self._told_head = True
        problem = self._problem(head)
        if problem == "length":  # Its end will never come.
            self._over = True
            return [Took((Breach(problem),))]
        if problem is not None:
            return [Took((None, Breach(problem)))]
        if not head.control and len(self._payload) + head.length > self.largest:
            announced = Breach("length") if self.ended else Binary(len(self._payload) + head.length)
            return [Took((None, announced))]
        return [Took((None,))]

    def _frame(self, head: _Head, payload: bytes) -> Took | Pinged | Closed | None:
        problem = self._problem(head)
        if self._over or problem is not None:
            ways: tuple[Frame | None, ...] = () if self._over or problem is None else (Breach(problem),)
            self._over = True
            whole = bytes(self._payload) + payload
            return Took(ways, (payload.decode("utf-8", "replace"), whole.decode("utf-8", "replace")))
        match head.opcode:
            case _ if not head.control:
                return self._data(head, payload)
            case 0x9:
                return Pinged(payload)
            case 0x8:
                self._over = True
                return Closed() if _good_close(payload) else Took((Breach("close"),))
        return None

    def _data(self, head: _Head, payload: bytes) -> Took:
        self._opcode = head.opcode if self._opcode is None else self._opcode
        self._payload += payload
        self._lax |= head.lax
        ways = self._message(final=head.final)
        text = self._payload.decode("utf-8", "replace")
        if head.final:
            self._opcode, self._lax = None, False
            self._payload.clear()
        return Took(ways, (text, payload.decode("utf-8", "replace")))

    def _message(self, *, final: bool) -> tuple[Frame | None, ...]:
        """What the message so far may be taken for; an early end of a bad one is lawful (section 8.1)."""
        size, frame = len(self._payload), self._read(final=final)
        if final:
            assert frame is not None
            return (frame, Breach("length")) if self._lax else (frame,)
        return (None, frame) if frame is not None or self._exceeds(size) else (None,)

    def _exceeds(self, size: int) -> bool:
        return size > self.largest and not self.ended

    def _read(self, *, final: bool) -> Text | Binary | NotUTF8 | None:
        size = len(self._payload)
        if self._opcode == BINARY or self._exceeds(size):
            return Binary(size, bytes(self._payload) if final else b"")
        try:
            text = codecs.getincrementaldecoder("utf-8")().decode(bytes(self._payload), final)
        except UnicodeDecodeError:
            return NotUTF8(size)
        return Text(text, size) if final else None


def _good_close(payload: bytes) -> bool:
    """Whether the body of a close frame is one that a client may send (sections 5.5.1 and 7.4)."""
    if not payload:
        return True
    if len(payload) < 2:
        return False
    code = int.from_bytes(payload[:2], "big")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return False
    return code in _CODES or 3000 <= code <= 4999


_CODES = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011}
"""The codes that RFC 6455 section 7.4.1 lets an endpoint send."""
