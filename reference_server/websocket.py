"""trio-websocket as this server needs it: the opening decided elsewhere, whole frames for the engine, honest closes.

trio-websocket 0.12.2 leaves four things to do better (its handlers are overridden here, nothing else of it):

- What its parser cannot read it reports as if the peer had closed, so that no close frame goes out.
- A ping or a message that arrives while a close waits for its answer raises LocalProtocolError in its reader.
- Bytes that a hasty client sends before it has read the 101 are lost in the handshake's own parser.
- It sends one message per write; a busy room then outruns the writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import trio
from attrs import frozen
from trio_websocket import CloseReason, ConnectionClosed
from trio_websocket._impl import WebSocketConnection
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, TextMessage

from spec.machine import Binary, NotUTF8, Text
from spec.machine.values import Frame, Upgrade

__all__ = ["ConnectionClosed", "Opening", "Socket", "Wire"]

_QUEUE = 1000
"""Frames read ahead: with trio-websocket's default of 1, pings wait for the application."""

_CHUNK = 64 * 1024
_NOT_UTF8 = 1007
_TOO_BIG = 1009


@frozen
class _Last:
    """The frame that could not be read to its end, behind which nothing can be read."""

    frame: Frame
    code: int


class Wire(trio.abc.Stream):
    """The transport as lent to trio-websocket, which may stop using it but not close it.

    How TCP ends is the shell's to say: the peer must be able to read our last words. `ended` tells that it has left.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.ended = False
        self._stream = stream
        self._returned = False
        self._reading = trio.CancelScope()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._returned:
            raise trio.ClosedResourceError
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._returned:
            raise trio.ClosedResourceError
        with trio.CancelScope() as self._reading:
            try:
                data = await self._stream.receive_some(max_bytes)
            except trio.BrokenResourceError:
                self.ended = True
                raise
            self.ended = self.ended or not data
            return bytes(data)
        raise trio.ClosedResourceError

    async def aclose(self) -> None:
        self._returned = True
        self._reading.cancel()
        await trio.lowlevel.checkpoint()


class Opening:
    """The opening handshake, done at once: the bytes of the 101, and the connection behind it.

    The request that the library sees is written here, from what was checked; so it can refuse nothing.
    """

    def __init__(self, key: str, upgrade: Upgrade, early: bytes) -> None:
        offer = f"Sec-WebSocket-Protocol: {upgrade.subprotocol}\r\n" if upgrade.subprotocol else ""
        head = (
            "GET / HTTP/1.1\r\nHost: handfast\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{offer}\r\n"
        )
        self.connection = WSConnection(ConnectionType.SERVER)
        self.connection.receive_data(head.encode("ascii"))
        list(self.connection.events())
        headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in upgrade.headers.items()]
        accept = AcceptConnection(subprotocol=upgrade.subprotocol, extra_headers=headers)
        self.answer = self.connection.send(accept)
        if early:
            self.connection.receive_data(early)


class Socket(WebSocketConnection):
    """One open WebSocket; run `read` beside whatever awaits `next_frame`."""

    def __init__(self, wire: Wire, opening: Opening, most: int) -> None:
        super().__init__(
            wire,
            opening.connection,
            message_queue_size=_QUEUE,
            max_message_size=most,
            receive_buffer_size=_CHUNK,
        )
        self.failed: int | None = None
        """Once `next_frame` gave a frame that was cut short: the close code that is due, if the engine has no other."""
        self.peer_code: int | None = None
        """The code of the peer's close frame, once that came."""
        self._deaf = False
        self._bytes = 0
        self._parts: list[str] | list[bytes] = []

    async def read(self) -> None:
        """Read until the connection is over."""
        await self._reader_task()

    async def next_frame(self) -> Frame:
        """The next frame; raises ConnectionClosed behind the last."""
        item = cast("Frame | _Last", await self.get_message())
        if isinstance(item, _Last):
            self.failed = item.code
            return item.frame
        return item

    async def send_texts(self, texts: Sequence[str]) -> None:
        """Send messages in one write."""
        if self._close_reason is not None:
            raise ConnectionClosed(self._close_reason)
        data = b"".join([self._wsproto.send(TextMessage(data=text)) for text in texts])
        async with self._stream_lock:
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self._abort_web_socket()
                raise ConnectionClosed(self._close_reason) from None

    async def _handle_message_event(self, event: TextMessage | BytesMessage) -> None:
        if self._deaf or self._close_reason is not None:
            return
        data = event.data
        self._bytes += len(data.encode()) if isinstance(data, str) else len(data)
        if self._bytes > self._max_message_size:
            # Nobody waits for the rest: the engine is told of the size so far, which is past its limit already.
            await self._fail(_TOO_BIG, Binary(self._bytes))
            return
        if data:  # Empty fragments must not add up.
            self._parts.append(data)  # type: ignore[arg-type]  # A message's parts are all of one type.
        if event.message_finished:
            parts, size = self._parts, self._bytes
            self._parts, self._bytes = [], 0
            is_text = isinstance(data, str)
            await self._deliver(Text("".join(cast("list[str]", parts)), size) if is_text else Binary(size))

    async def _handle_ping_event(self, event: Ping) -> None:
        if self._close_reason is None:
            await super()._handle_ping_event(event)

    async def _handle_close_connection_event(self, event: CloseConnection) -> None:
        if self._wsproto.state is not ConnectionState.OPEN:
            self.peer_code = int(event.code)
            # Whoever awaits frames learns it now: the answer may wait for a peer that reads slowly.
            self._close_reason = self._close_reason or CloseReason(event.code, None)
            self._send_channel.close()
            await super()._handle_close_connection_event(event)
            return
        # Still open: the parser failed, and the peer closed nothing. It reads no more, not even a close.
        self._reader_running = False
        self._close_handshake.set()
        if event.code == _NOT_UTF8:
            await self._fail(event.code, NotUTF8(self._bytes))
        else:
            self._close_reason = CloseReason(event.code, None)
            self._send_channel.close()
            await self._send(CloseConnection(code=event.code))
            await self._close_stream()

    async def _fail(self, code: int, frame: Frame) -> None:
        self._deaf = True
        self._parts, self._bytes = [], 0
        await self._deliver(_Last(frame, int(code)))

    async def _deliver(self, item: Frame | _Last) -> None:
        # Where the connection is being closed, what still comes on it concerns nobody.
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
            await self._send_channel.send(cast(str, item))
