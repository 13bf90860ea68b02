"""Faults in the reading of frames: the library is careful, so bytes are changed before it sees them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .faults import Faults

CONTINUATION, TEXT, CLOSE, PING = 0x0, 0x1, 0x8, 0x9
FIN, MASKED, RESERVED = 0x80, 0x80, 0x70


@dataclass(frozen=True)
class RawFrame:
    """One frame: its first byte, whether it was masked, and its payload in the clear."""

    first: int
    masked: bool
    payload: bytes

    @property
    def opcode(self) -> int:
        return self.first & 0x0F

    @property
    def finished(self) -> bool:
        return bool(self.first & FIN)

    def written(self) -> bytes:
        """The frame again, masked with zeros if it was masked."""
        size, mark = len(self.payload), MASKED if self.masked else 0
        if size < 126:
            length = bytes([mark | size])
        elif size < 1 << 16:
            length = bytes([mark | 126]) + size.to_bytes(2)
        else:
            length = bytes([mark | 127]) + size.to_bytes(8)
        return bytes([self.first]) + length + (bytes(4) if self.masked else b"") + self.payload


class CarelessReader:
    """Stands before the library; without one of its faults it changes nothing."""

    FAULTS = (
        "unmasked-accepted",
        "reserved-bits-ignored",
        "fragment-taken-as-message",
        "new-message-replaces-unfinished",
        "second-of-segment-dropped",
        "handled-behind-close",
        "handled-behind-breach",
        "long-ping-ignored",
        "pong-empty",
        "empty-fragment-finishes",
    )

    def __init__(self, fault: Faults) -> None:
        self._fault = fault
        self._active = any(fault(name) for name in self.FAULTS)
        self._data = bytearray()
        self._begun: RawFrame | None = None

    def read(self, data: bytes) -> bytes:
        """What the library is to see of one segment."""
        if not self._active:
            return data
        self._data += data
        frames = list(self._frames())
        if self._fault("second-of-segment-dropped"):
            frames = list(_first_message(frames))
        late = RESERVED if self._fault("handled-behind-breach") else 0
        if late or self._fault("handled-behind-close"):
            frames.sort(key=lambda frame: bool(frame.first & late) if late else frame.opcode == CLOSE)
        data = b"".join(changed.written() for frame in frames for changed in self._changed(frame))
        if self._hopeless():
            data, self._data = data + bytes(self._data), bytearray()
        return data

    def _hopeless(self) -> bool:
        """Whether a frame is announced that is too large to wait for."""
        return len(self._data) >= 10 and self._data[1] & 0x7F == 127 and int.from_bytes(self._data[2:10]) > 1 << 24

    def _frames(self) -> Iterator[RawFrame]:
        while len(self._data) >= 2:
            short, masked = self._data[1] & 0x7F, bool(self._data[1] & MASKED)
            wide = {126: 2, 127: 8}.get(short, 0)
            start = 2 + wide + 4 * masked
            size = int.from_bytes(self._data[2 : 2 + wide]) if wide else short
            if len(self._data) < start + size:
                return
            key = self._data[start - 4 : start] if masked else bytes(4)
            payload = bytes(octet ^ key[at % 4] for at, octet in enumerate(self._data[start : start + size]))
            yield RawFrame(self._data[0], masked, payload)
            del self._data[: start + size]

    def _changed(self, frame: RawFrame) -> Iterator[RawFrame]:
        if self._fault("unmasked-accepted"):
            frame = replace(frame, masked=True)
        if self._fault("reserved-bits-ignored"):
            frame = replace(frame, first=frame.first & ~RESERVED)
        if self._fault("pong-empty") and frame.opcode == PING:
            frame = replace(frame, payload=b"")
        if self._fault("fragment-taken-as-message") and frame.opcode == TEXT:
            frame = replace(frame, first=FIN | TEXT)
        if self._fault("empty-fragment-finishes") and frame.opcode == CONTINUATION and not frame.payload:
            frame = replace(frame, first=FIN)
        if self._fault("long-ping-ignored") and frame.opcode == PING and len(frame.payload) > 125:
            return
        if self._fault("new-message-replaces-unfinished") and frame.opcode in {TEXT, CONTINUATION}:
            yield from self._held_back(frame)
            return
        yield frame

    def _held_back(self, frame: RawFrame) -> Iterator[RawFrame]:
        """The beginning of a message waits for its next fragment, and is forgotten if another message begins."""
        begun, self._begun = self._begun, None
        if frame.opcode == TEXT and not frame.finished:
            self._begun = frame
        elif frame.opcode == CONTINUATION and begun is not None:
            yield from (begun, frame)
        else:
            yield frame


def _first_message(frames: Iterable[RawFrame]) -> Iterator[RawFrame]:
    seen = False
    for frame in frames:
        if frame.opcode >= CLOSE or not seen:
            yield frame
        seen = seen or (frame.opcode < CLOSE and frame.finished)
