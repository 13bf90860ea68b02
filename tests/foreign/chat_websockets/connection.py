"""The wire: frames in their order, and answers that wait for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import OPEN, Event

from .careless import CarelessReader
from .faults import Faults
from .session import Session
from .upgrade import Admission

CLOSE_SECONDS = 5.0
# A receiver that is this far behind is given up: it must cost neither the room nor the process.
BACKLOG_BYTES = 64 << 20
BEHIND_BYTES = 64 << 10


class FrameCutter:
    """Cuts a stream of bytes behind every frame, looking at lengths only."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = 0

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Pieces that hold the end of at most one frame, and that at their own end."""
        start = place = 0
        while place < len(data):
            place = self._step(data, place)
            if not self._left and not self._head:
                yield data[start:place]
                start = place
        if start < place:
            yield data[start:]

    def _step(self, data: bytes, place: int) -> int:
        if self._left:
            step = min(self._left, len(data) - place)
            self._left -= step
            return place + step
        self._head.append(data[place])
        length = _payload_length(self._head)
        if length is not None:
            self._left = length
            self._head.clear()
        return place + 1


def _payload_length(head: bytearray) -> int | None:
    """What follows a frame's head, or None while the head is incomplete."""
    if len(head) < 2:
        return None
    short = head[1] & 0x7F
    extended = {126: 2, 127: 8}.get(short, 0)
    masked = 4 if head[1] & 0x80 else 0
    if len(head) < 2 + extended + masked:
        return None
    return int.from_bytes(head[2 : 2 + extended]) if extended else short


class ChatConnection(ServerConnection):
    """Handles each frame before the next one is parsed, so that what one frame causes
    (an answer, a close) never overtakes what an earlier one is still owed."""

    # What shows before the upgrade.
    early = Faults(None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.admission: Admission | None = None
        self._session: Session | None = None
        self._fault = self.early
        self._limit = 0
        self._cutter = FrameCutter()
        self._parts: list[bytes] = []
        self._text = True
        self._abort: asyncio.TimerHandle | None = None
        self._careless = CarelessReader(self._fault)
        self._ignored = False
        self._fragments = 0
        self.request_bytes = 0

    @property
    def behind(self) -> bool:
        """Whether the peer leaves unread what the system cannot keep for it."""
        return self.transport.get_write_buffer_size() > BEHIND_BYTES

    def attend(self, session: Session, limit: int, fault: Faults) -> None:
        """The upgrade is done: from here on events go to the session."""
        self._session, self._limit, self._fault = session, limit, fault
        self._careless = CarelessReader(fault)
        session.begin()

    # Sending. Nothing here waits: the transport keeps what the peer does not take.

    def send_message(self, text: bytes) -> None:
        """Send one text message, unless a close frame has been sent."""
        if self.protocol.state is not OPEN:
            return
        self.protocol.send_text(text)
        self.send_data()
        if self.transport.get_write_buffer_size() > BACKLOG_BYTES:
            self.transport.abort()

    def send_close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake; the peer has its time to answer."""
        if self.protocol.state is OPEN:
            self.protocol.send_close(code, reason)
            self.send_data()
            self._wind_up(by_close_frame=True)

    def _fail(self, code: int) -> None:
        if self.protocol.state is OPEN:
            self.protocol.fail(code)
            self.send_data()
            self._wind_up(by_close_frame=True)

    # Receiving.

    def data_received(self, data: bytes) -> None:
        """Feed the parser frame by frame."""
        if self._session is None:
            self._head_received(data)
            return
        for piece in self._cutter.cut(self._careless.read(data)):
            if self._fault("close-frame-unanswered") and piece[0] & 0x0F == Opcode.CLOSE:
                self.transport.close()
                return
            super().data_received(piece)
            if self.protocol.state is not OPEN:
                self._wind_up(by_close_frame=True)

    def _head_received(self, data: bytes) -> None:
        if self._fault("garbage-head-unanswered"):
            self._ignored = self._ignored or not (self.request_bytes or b"GET /".startswith(data[:5]))
        self.request_bytes += len(data)
        if self._fault("version-unchecked"):
            data = data.replace(b"Sec-WebSocket-Version: 12", b"Sec-WebSocket-Version: 13")
        if not self._ignored:
            super().data_received(data)

    def process_event(self, event: Event) -> None:
        """One frame, or the request."""
        if not isinstance(event, Frame):
            super().process_event(event)
        elif self._session is None or self.protocol.state is not OPEN:
            return
        elif event.opcode in DATA_OPCODES:
            self._collect(event)
        elif event.opcode is Opcode.PING:
            self._session.pinged()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The peer sends no more: it is no member any more, whatever it still reads."""
        if self._fault("half-open-kept"):
            return True
        super().eof_received()
        self._wind_up(by_close_frame=False)
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        self._wind_up(by_close_frame=False)
        if self._abort is not None:
            self._abort.cancel()

    def _collect(self, frame: Frame) -> None:
        if not self._parts:
            self._text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        data = b"".join(self._parts)
        self._fragments = len(self._parts)
        self._parts.clear()
        self._complete(data)

    def _complete(self, data: bytes) -> None:
        assert self._session is not None
        if self._fault("oversize-as-policy") and len(data) > self._limit:
            self.send_close(CloseCode.POLICY_VIOLATION, "MESSAGE_TOO_BIG")
        elif not self._text and not self._fault("binary-taken-as-text"):
            self._fail(1002 if self._fault("binary-as-1002") else CloseCode.UNSUPPORTED_DATA)
        else:
            self._decode(data, self._session)

    def _decode(self, data: bytes, session: Session) -> None:
        lax = self._fault("utf8-replaced") or (self._fault("utf8-unchecked-across-frames") and self._fragments > 1)
        try:
            session.received(data.decode(errors="replace" if lax else "strict"))
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA)

    def _wind_up(self, *, by_close_frame: bool) -> None:
        """The connection has ended, whichever way; the socket does not outlive that for long."""
        if self._session is not None:
            self._session.ended(by_close_frame=by_close_frame)
        if self._abort is None:
            self._abort = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)
