"""A WebSocket over any stream, in either role, message by message: what pages and their clients speak on."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import cast

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

__all__ = ["Channel", "accept"]

_CHUNK = 64 * 1024
_TOO_BIG = 1009


class Channel:
    """One WebSocket; `next` gives what comes, `send` may be called by any task."""

    def __init__(self, stream: trio.abc.Stream, role: ConnectionType, most: int) -> None:
        self._stream = stream
        self._wire = WSConnection(role)
        self._most = most
        self._lock = trio.Lock()
        self._events: deque[Event] = deque()
        self._parts: list[str] | list[bytes] = []
        self._bytes = 0
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take what was read already."""
        self._wire.receive_data(data)
        self._events += self._wire.events()

    def initiate(self, headers: Sequence[tuple[bytes, bytes]], target: str) -> None:
        """As a server: take a request whose head was read already."""
        self._wire.initiate_upgrade_connection(list(headers), target)
        self._events += [event for event in self._wire.events() if not isinstance(event, Request)]

    async def send(self, event: Event) -> bool:
        """Send something; False where the WebSocket is past that, or the peer has gone."""
        async with self._lock:
            try:
                data = self._wire.send(event)
                await self._stream.send_all(data)
            except (LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
                return False
        return True

    async def next(self) -> Event | None:
        """The next whole message, refusal, acceptance or close; None once nothing more comes."""
        while True:
            while not self._events:
                if self._ended:
                    return None
                await self._receive()
            event = self._whole(self._events.popleft())
            match event:
                case None | Pong():
                    continue
                case Ping():
                    await self.send(event.response())
                    continue
                case CloseConnection():
                    self._ended = True
                    if self._wire.state is ConnectionState.REMOTE_CLOSING:
                        await self.send(event.response())
            return event

    async def close(self, code: int, reason: str | None = None) -> None:
        """Send a close frame; the peer's comes from `next`."""
        await self.send(CloseConnection(code, reason))

    async def _receive(self) -> None:
        try:
            data = bytes(await self._stream.receive_some(_CHUNK))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        self._ended = not data
        try:
            self.feed(data) if data else self._wire.receive_data(None)
        except (RemoteProtocolError, LocalProtocolError):
            self._ended = True

    def _whole(self, event: Event) -> Event | None:
        """Messages once their last part is there; everything else as it is."""
        if not isinstance(event, TextMessage | BytesMessage):
            return event
        self._bytes += len(event.data)
        if self._bytes > self._most:
            self._ended = True
            return CloseConnection(_TOO_BIG)
        self._parts.append(event.data)  # type: ignore[arg-type]  # A message's parts are all of one type.
        if not event.message_finished:
            return None
        parts, self._parts, self._bytes = self._parts, [], 0
        if isinstance(event, TextMessage):
            return TextMessage(data="".join(cast("list[str]", parts)))
        return BytesMessage(data=b"".join(cast("list[bytes]", parts)))


async def accept(
    stream: trio.abc.Stream, headers: Sequence[tuple[bytes, bytes]], target: str, early: bytes, most: int
) -> Channel:
    """Answer a request for a WebSocket, of which RFC 6455 has nothing to refuse; `early` came behind its head."""
    channel = Channel(stream, ConnectionType.SERVER, most)
    channel.initiate(headers, target)
    await channel.send(AcceptConnection())
    if early:
        channel.feed(early)
    return channel
