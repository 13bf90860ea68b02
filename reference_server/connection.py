"""One connection from its 101 to its end: a reader, a writer, and the engine between them."""

from __future__ import annotations

import trio
from attrs import frozen

from reference_server.http import linger
from reference_server.hub import Hub
from reference_server.logs import failure
from reference_server.outbox import Outbox
from reference_server.settings import Settings
from reference_server.websocket import ConnectionClosed, Opening, Socket, Wire
from spec.machine import Upgrade
from spec.machine.values import Frame

__all__ = ["Connection"]

# The engine decides what is too large; nobody needs more than this of it.
_MARGIN = 1024 * 1024

_INTERNAL = 1011


@frozen
class Connection:
    """A connection that the engine has opened; `run` lives it."""

    hub: Hub
    upgrade: Upgrade
    outbox: Outbox
    settings: Settings
    largest: int

    async def run(self, stream: trio.abc.Stream, key: str, early: bytes, address: str) -> None:
        """Answer the request that brought the connection, and talk until it is over; then part from the peer."""
        wire = Wire(stream)
        try:
            # The engine's timers run since it decided: nothing may wait between that and the 101.
            opening = Opening(key, self.upgrade, early)
            with self.outbox.scope:
                await stream.send_all(opening.answer)
                socket = Socket(wire, opening, 4 * self.largest + _MARGIN, self._heard, self._left)
                await self._live(socket, wire, address)
            await self._part(stream, settled=_settled(socket, wire))
        finally:
            self.hub.forget(self.upgrade.connection)

    async def _live(self, socket: Socket, wire: Wire, address: str) -> None:
        self._opened(address)
        try:
            await self._talk(socket, wire)
        finally:
            self.hub.ended(self.upgrade.connection)
            self._closed(socket)

    async def _talk(self, socket: Socket, wire: Wire) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, socket)
            await socket.read()
            self._left()
            # Behind what cannot be read nothing is read, but a peer that is still there is told why.
            if self.outbox.goodbye is None or _settled(socket, wire):
                nursery.cancel_scope.cancel()

    def _heard(self, frame: Frame, failed: int | None) -> None:
        if self.outbox.goodbye is None:
            self._handle(frame)
        if failed is not None and self.outbox.goodbye is None:
            self.hub.ended(self.upgrade.connection)
            self.outbox.close(failed, None)

    def _left(self) -> None:
        self.hub.ended(self.upgrade.connection)
        self.outbox.hurry()

    def _handle(self, frame: Frame) -> None:
        try:
            self.hub.receive(self.upgrade.connection, frame)
        except Exception as problem:
            self.hub.log.error("connection.failed", connection=self.upgrade.connection, **failure(problem))
            self.hub.ended(self.upgrade.connection)
            self.outbox.close(_INTERNAL, None)

    async def _write(self, socket: Socket) -> None:
        try:
            while True:
                texts, goodbye = await self.outbox.take()
                if texts:
                    await socket.send_texts(texts)
                if goodbye is not None:
                    await socket.aclose(goodbye.code, goodbye.reason)
                    return
        except ConnectionClosed:
            pass

    async def _part(self, stream: trio.abc.Stream, *, settled: bool) -> None:
        """End the transport: at once where the peer has said its last, else so that it can read ours."""
        if self.outbox.scope.cancelled_caught:
            await trio.aclose_forcefully(stream)
            return
        if not settled:
            await linger(stream, self.settings.linger)
        if isinstance(stream, trio.SSLStream):
            # Says goodbye in TLS (RFC 8446 section 6.1); any other transport is closed by whoever gave it to us.
            with trio.move_on_after(self.settings.linger):
                await stream.aclose()

    def _version(self) -> tuple[str, bool]:
        name = self.upgrade.facts.get("version", "none")
        return name, any(version.name == name and version.deprecated for version in self.hub.document.versions)

    def _opened(self, address: str) -> None:
        number = self.upgrade.connection
        version, deprecated = self._version()
        self.hub.metrics.opened(version, deprecated=deprecated)
        self.hub.log.info("connection.opened", connection=number, version=version, address=address)
        if deprecated:
            self.hub.log.warning("deprecated.version", connection=number, version=version, address=address)

    def _closed(self, socket: Socket) -> None:
        goodbye = self.outbox.goodbye
        if goodbye is not None:
            code, by = goodbye.code, "server"
        elif socket.peer_code is not None:
            code, by = socket.peer_code, "client"
        else:
            code, by = 1006, "server" if self.outbox.overflowed else "client"
        self.hub.metrics.closed(code, by)
        self.hub.log.info("connection.closed", connection=self.upgrade.connection, code=code, by=by)


def _settled(socket: Socket, wire: Wire) -> bool:
    """Whether the peer has said its last."""
    return wire.ended or socket.peer_code is not None
