"""trio-websocket as this server needs it: the opening decided elsewhere, whole frames for the engine, honest closes.

trio-websocket 0.12.2 leaves five things to do better (its handlers are overridden here, nothing else of it):

- What its parser cannot read it reports as if the peer had closed, so that no close frame goes out.
- A ping or a message that arrives while a close waits for its answer raises LocalProtocolError in its reader.
- Bytes that a hasty client sends before it has read the 101 are lost in the handshake's own parser.
- It sends one message per write; a busy room then outruns the writer.
- It queues messages for a task that awaits them; the engine never waits, and takes each as it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import trio
from trio_websocket import CloseReason, ConnectionClosed
from trio_websocket._impl import WebSocketConnection
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection, ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import generate_accept_token

from spec.machine import Binary, NotUTF8, Text
from spec.machine.values import Frame, Upgrade

__all__ = ["ConnectionClosed", "Opening", "Socket", "Wire"]

_CHUNK = 64 * 1024
_NOT_UTF8 = 1007
_TOO_BIG = 1009


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

    The request was read and checked already, and the library's own handshake would read it once more.
    """

    def __init__(self, key: str, upgrade: Upgrade, early: bytes) -> None:
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": generate_accept_token(key.encode("ascii")).decode("ascii"),
            **({"Sec-WebSocket-Protocol": upgrade.subprotocol} if upgrade.subprotocol else {}),
            **upgrade.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.answer = f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n".encode("latin-1")
        self.connection = WSConnection(ConnectionType.SERVER)
        self.connection.connection = Connection(ConnectionType.SERVER, trailing_data=early)


class Socket(WebSocketConnection):
    """One open WebSocket.

    While `read` runs it calls `heard` for every frame, with the close code that is due (if the engine has no other)
    where the frame could not be read to its end and nothing can be read behind it; and `left` once the peer has closed.
    """

    def __init__(
        self,
        wire: Wire,
        opening: Opening,
        most: int,
        heard: Callable[[Frame, int | None], None],
        left: Callable[[], None],
    ) -> None:
        super().__init__(wire, opening.connection, max_message_size=most, receive_buffer_size=_CHUNK)
        self._heard = heard
        self._left = left
        self.peer_code: int | None = None
        """The code of the peer's close frame, once that came."""
        self._deaf = False
        self._bytes = 0
        self._parts: list[str] | list[bytes] = []

    async def read(self) -> None:
        """Read until the connection is over."""
        await self._reader_task()

    async def send_texts(self, texts: Sequence[str]) -> None:
        """Send messages in one write."""
        if self._close_reason is not None:
            raise ConnectionClosed(self._close_reason)
        data = b"".join([self._wsproto.send(TextMessage(data=text)) for text in texts])
        if self._stream_lock.locked():
            await self._stream_lock.acquire()
        else:
            self._stream_lock.acquire_nowait()
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await self._abort_web_socket()
            raise ConnectionClosed(self._close_reason) from None
        finally:
            self._stream_lock.release()

    async def _handle_message_event(self, event: TextMessage | BytesMessage) -> None:
        if self._deaf or self._close_reason is not None:
            return
        data = event.data
        self._bytes += len(data.encode()) if isinstance(data, str) else len(data)
        if self._bytes > self._max_message_size:
            # Nobody waits for the rest: the engine is told of the size so far, which is past its limit already.
            self._fail(_TOO_BIG, Binary(self._bytes))
            return
        if data:  # Empty fragments must not add up.
            self._parts.append(data)  # type: ignore[arg-type]  # A message's parts are all of one type.
        if event.message_finished:
            parts, size = self._parts, self._bytes
            self._parts, self._bytes = [], 0
            if isinstance(data, str):
                self._heard(Text("".join(cast("list[str]", parts)), size), None)
            else:
                self._heard(Binary(size, b"".join(cast("list[bytes]", parts))), None)

    async def _handle_ping_event(self, event: Ping) -> None:
        if self._close_reason is None:
            await super()._handle_ping_event(event)

    async def _handle_close_connection_event(self, event: CloseConnection) -> None:
        if self._wsproto.state is not ConnectionState.OPEN:
            self.peer_code = int(event.code)
            self._close_reason = self._close_reason or CloseReason(event.code, None)
            # Told before it is answered, which may have to wait for a peer that reads slowly.
            self._left()
            await super()._handle_close_connection_event(event)
            return
        # Still open: the parser failed, and the peer closed nothing. It reads no more, not even a close.
        self._reader_running = False
        self._close_handshake.set()
        if event.code == _NOT_UTF8:
            self._fail(event.code, NotUTF8(self._bytes))
        else:
            self._close_reason = CloseReason(event.code, None)
            self._left()
            await self._send(CloseConnection(code=event.code))
            await self._close_stream()

    def _fail(self, code: int, frame: Frame) -> None:
        self._deaf = True
        self._parts, self._bytes = [], 0
        self._heard(frame, int(code))
