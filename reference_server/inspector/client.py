"""A client that a page drives: a WebSocket, or one request over HTTP, to the whole server over streams in memory.

What a client that is there answers at once, a ping say, it answers by itself; everything else is the page's to send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import h11
import trio
import trio.testing
from attrs import define, field
from wsproto import ConnectionType
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

from reference_server.inspector.channel import Channel
from spec.bindings.json import NotJSON, decode, encode
from spec.bindings.registry import BINDINGS
from spec.machine import Binary, Text
from spec.messages import Ear
from spec.model import Document

__all__ = ["Client", "Serve", "ask"]

_MOST = 16 * 1024 * 1024
_LEFT = 1000

Headers = Iterable[tuple[str, str]]

Serve = Callable[[trio.abc.Stream], Any]
"""Serves one end of a pair of streams, as a coroutine function."""


@define
class Client:
    """One client; `connection` is its number in the hub once it has one, `mark` the header by which that is found."""

    number: int
    place: int
    target: str = field(repr=False)
    mark: str = field(repr=False)
    document: Document = field(repr=False)
    changed: Callable[[], None] = field(repr=False)
    status: str = "connecting"
    connection: int | None = None
    subprotocol: str | None = None
    code: int | None = None
    reason: str = ""
    received: int = 0
    _channel: Channel | None = field(default=None, init=False, repr=False)

    @property
    def own(self) -> str:
        """An id of its own, the same throughout."""
        return f"client-{self.number}-{self.mark[:8]}"

    def shown(self) -> dict[str, Any]:
        """What a page shows of it; the path without its query, which may hold a token."""
        return {
            "number": self.number, "place": self.place, "path": self.target.partition("?")[0], "status": self.status,
            "connection": self.connection, "subprotocol": self.subprotocol, "code": self.code, "reason": self.reason,
            "received": self.received,
        }  # fmt: skip

    async def run(self, serve: Serve, host: str, headers: Headers, offer: Iterable[str]) -> None:
        """Live from the request to the end of the transport."""
        pair: tuple[Any, Any] = trio.testing.memory_stream_pair()
        near, far = pair
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, far)
            channel = self._channel = Channel(near, ConnectionType.CLIENT, _MOST)
            extra = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            await channel.send(Request(host=host, target=self.target, subprotocols=list(offer), extra_headers=extra))
            await self._live(channel)
            await near.aclose()
        if self.status in {"connecting", "open"}:
            self._is("closed", 1006)

    async def send(self, text: str) -> bool:
        """Send a text message; False where there is no connection."""
        return self.status == "open" and self._channel is not None and await self._channel.send(TextMessage(data=text))

    async def leave(self) -> None:
        """Close the connection in order."""
        if self._channel is not None:
            await self._channel.close(_LEFT)

    async def _live(self, channel: Channel) -> None:
        ear = Ear(self.document, "server")
        body = b""
        while (event := await channel.next()) is not None:
            match event:
                case AcceptConnection():
                    self.subprotocol = event.subprotocol
                    self._is("open")
                case RejectConnection():
                    self._is("refused", event.status_code)
                case RejectData():
                    body += bytes(event.data)
                    self.reason = _code_in(body)
                    if event.body_finished:
                        self.changed()
                        return
                case CloseConnection():
                    self._is("closed", int(event.code), event.reason or "")
                case TextMessage():
                    await self._heard(ear, Text(event.data, len(event.data.encode())))
                case BytesMessage():
                    await self._heard(ear, Binary(len(event.data), bytes(event.data)))

    async def _heard(self, ear: Ear, frame: Text | Binary) -> None:
        self.received += 1
        self.changed()
        for read in ear.hear(frame):
            message = self.document.messages.get(read.input)
            form = None if message is None else message.server
            if form is not None and form.answered_by is not None:
                name = self.document.envelope.discriminator.lstrip("/")
                await self.send(BINDINGS[self.document.binding].encode({name: form.answered_by, "payload": {}}, encode))

    def _is(self, status: str, code: int | None = None, reason: str = "") -> None:
        self.status, self.code, self.reason = status, code, reason
        self.changed()


def _code_in(body: bytes) -> str:
    """The code of a refusal, where its body has one."""
    try:
        value = decode(body.decode())
    except (UnicodeDecodeError, NotJSON):
        return ""
    return str(value.get("code", value.get("error", ""))) if isinstance(value, dict) else ""


async def ask(serve: Serve, host: str, method: str, target: str, headers: Headers, body: bytes) -> tuple[int, Any]:
    """Make one request over HTTP; gives the status and the body, JSON where it is that. Status 0: no answer came."""
    pair: tuple[Any, Any] = trio.testing.memory_stream_pair()
    near, far = pair
    found: tuple[int, Any] = (0, None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, far)
        wire = h11.Connection(h11.CLIENT)
        every = [("Host", host), ("Content-Length", str(len(body))), ("Content-Type", "application/json"), *headers]
        data = wire.send(h11.Request(method=method, target=target, headers=every)) or b""
        data += (wire.send(h11.Data(data=body)) or b"") + (wire.send(h11.EndOfMessage()) or b"")
        with suppress(trio.BrokenResourceError, h11.RemoteProtocolError):
            await near.send_all(data)
            found = await _answer(near, wire)
        await near.aclose()
    return found


async def _answer(stream: trio.abc.ReceiveStream, wire: h11.Connection) -> tuple[int, Any]:
    status, body = 0, b""
    while True:
        match wire.next_event():
            case h11.Response(status_code=status):
                pass
            case h11.Data(data=data):
                body += bytes(data)
            case h11.EndOfMessage() | h11.ConnectionClosed():
                break
            case _:
                wire.receive_data(bytes(await stream.receive_some(65536)))
    try:
        return status, decode(body.decode())
    except (UnicodeDecodeError, NotJSON):
        return status, body.decode(errors="replace")
