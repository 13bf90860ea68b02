"""One TCP connection: a request by h11, then, if it upgrades, frames by the sans-IO half of `websockets`."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import h11
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from .gate import Asked, RefusalError, body
from .session import Session

if TYPE_CHECKING:
    from .server import HubServer

# A token in a header or a query shall be judged by its own limit, not by the head's.
HEAD_BYTES = 64 << 10
# Frames may hold many records; what one record may be is judged apart.
FRAME_BYTES = 16 << 20
OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class Connection(asyncio.Protocol):
    """What a client connects to."""

    def __init__(self, server: HubServer) -> None:
        self._server = server
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._raw = bytearray()
        self._frames: ServerProtocol | None = None
        self._session: Session | None = None
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._binary = False
        self._asked: Asked | None = None
        self._deadline: asyncio.TimerHandle | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)
        self._alarm(OPEN_SECONDS)

    def connection_lost(self, _: Exception | None) -> None:
        """It has gone, in whatever way."""
        self._server.connections.discard(self)
        self._cancel_alarm()
        if self._session is not None:
            self._session.ended()

    def data_received(self, data: bytes) -> None:
        """Octets, of a request or of frames."""
        if self._frames is not None:
            self._frames.receive_data(data)
            self._read_frames(self._frames.events_received())
        else:
            self._raw += data
            self._http.receive_data(data)
            self._read_request()

    def eof_received(self) -> bool:
        """The client says no more."""
        if self._frames is not None:
            self._frames.receive_eof()
            self._flush()
        return False

    # HTTP.

    def _read_request(self) -> None:
        try:
            while True:
                match event := self._http.next_event():
                    case h11.Request():
                        self._asked = Asked.of(event)
                        if self._server.gate.route(self._asked) == "hub":
                            self._connect(self._asked)
                            return
                    case h11.EndOfMessage():
                        assert self._asked is not None
                        self._answer(200, json.dumps(self._server.gate.negotiate(self._asked)).encode())
                        return
                    case h11.Data():
                        continue
                    case _:
                        assert event
                        return
        except RefusalError as refusal:
            self._answer(refusal.status, body(refusal))
        except h11.RemoteProtocolError:
            self._answer(400, body(RefusalError("BAD_REQUEST")))

    def _answer(self, status: int, said: bytes) -> None:
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(said))),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
        ]
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            head = self._http.send(h11.Response(status_code=status, headers=headers))
            method = self._asked.method if self._asked else ""
            rest = b"" if method == "HEAD" else self._http.send(h11.Data(data=said))
            self._transport.write((head or b"") + (rest or b""))
        self._transport.close()

    def _connect(self, asked: Asked) -> None:
        ticket, token = self._server.gate.connect(asked)
        frames = ServerProtocol(max_size=FRAME_BYTES)
        frames.receive_data(bytes(self._raw))
        request, *more = [*frames.events_received(), None]
        if not isinstance(request, Request) or (response := frames.accept(request)).status_code != 101:
            # The library quotes what it refuses.
            raise RefusalError("BAD_REQUEST")
        frames.send_response(response)
        self._frames = frames
        self._cancel_alarm()
        self._flush()
        self._session = Session(self._server, self, ticket, token)
        self._read_frames(more)

    # Frames.

    def _read_frames(self, events: Iterable[object]) -> None:
        assert self._frames is not None
        for event in events:
            # What came before the client's close frame is handled, though the library has read on to that already.
            if self._session is not None and isinstance(event, Frame) and event.opcode in _DATA:
                self._read_data(event)
        self._flush()

    def _read_data(self, frame: Frame) -> None:
        assert self._frames is not None
        assert self._session is not None
        if frame.opcode is not Opcode.CONT:
            self._binary = frame.opcode is Opcode.BINARY
        if self._binary:
            if frame.opcode is Opcode.BINARY:
                self._session.binary(bytes(frame.data))
            return
        try:
            text = self._utf8.decode(bytes(frame.data), final=frame.fin)
        except UnicodeDecodeError:
            self._frames.fail(1007)
            return
        self._session.received(text)

    def send(self, text: str) -> None:
        """One text frame."""
        if self._frames is not None and self._frames.state is State.OPEN:
            self._frames.send_text(text.encode("utf-8", "replace"))
            self._flush()

    def close(self, code: int) -> None:
        """A close frame; the transport ends with its answer, or without it in a while."""
        if self._frames is None:
            self._transport.abort()
        elif self._frames.state is State.OPEN:
            self._frames.send_close(code)
            self._flush()

    def abort(self) -> None:
        """The end, at once."""
        self._transport.abort()

    def _flush(self) -> None:
        assert self._frames is not None
        try:
            octets = self._frames.data_to_send()
        except ProtocolError:
            octets = []
        for piece in octets:
            if piece:
                self._transport.write(piece)
            elif not self._transport.is_closing():
                self._transport.write_eof()
        if self._frames.state is State.CLOSED:
            self._transport.close()
        elif self._frames.close_expected() and self._deadline is None:
            self._alarm(CLOSE_SECONDS)

    def _alarm(self, seconds: float) -> None:
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def _cancel_alarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
