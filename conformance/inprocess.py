"""A server in this process as a target: each connection is a pair of streams in memory, and no socket is opened.

A stream holds what a socket would: some 64 KiB that nobody has read. Then who sends waits, so that what a server does
about slow readers can be seen here too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio
from attrs import define, evolve, field, frozen

from conformance.session import Session, prepare
from conformance.target import Addresses, Target
from conformance.wire import Endpoint, Unreachable
from spec.exits import Exit, Stop

__all__ = ["Handler", "Opened", "play_in_process"]

Handler = Callable[[trio.abc.Stream, str], Awaitable[None]]
"""Serves one connection to its end: a stream, and the address that the client comes from."""

Opened = Callable[[], AbstractAsyncContextManager[Handler]]
"""Starts a server, and stops it when the block ends."""

_HOLDS, _HOLDS_LITTLE = 65536, 4096
"""How many bytes a stream holds that are not read yet, and a narrow one."""


@define
class _Pipe:
    """Bytes on their way in one direction."""

    holds: int
    _data: bytearray = field(factory=bytearray)
    _ended: bool = False
    _deaf: bool = False
    _moved: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        await trio.lowlevel.checkpoint()
        while rest:
            if self._deaf:
                raise trio.BrokenResourceError("the other side has gone")
            if self._ended:
                raise trio.ClosedResourceError
            room = self.holds - len(self._data)
            if room <= 0:
                await self._moved.park()
                continue
            self._data += rest[:room]
            rest = rest[room:]
            self._moved.unpark_all()

    async def receive(self, most: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while not self._data and not self._ended:
            if self._deaf:
                raise trio.ClosedResourceError
            await self._moved.park()
        found = bytes(self._data[:most])
        del self._data[: len(found)]
        self._moved.unpark_all()
        return found

    def end(self) -> None:
        """Nothing more is sent."""
        self._ended = True
        self._moved.unpark_all()

    def deafen(self) -> None:
        """Nothing more is read."""
        self._deaf = True
        self._data.clear()
        self._moved.unpark_all()

    @property
    def taken(self) -> bool:
        return self._deaf or len(self._data) < self.holds

    async def wait_taken(self) -> None:
        await trio.lowlevel.checkpoint()
        while not self.taken:
            await self._moved.park()


@define(eq=False)
class _Side(trio.abc.HalfCloseableStream):
    """One end of a connection in memory."""

    _there: _Pipe
    _back: _Pipe
    _closed: bool = False
    _sending: bool = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        if self._sending:
            raise trio.BusyResourceError("another task is sending")
        self._sending = True
        try:
            await self._there.send(data)
        finally:
            self._sending = False

    async def wait_send_all_might_not_block(self) -> None:
        await self._there.wait_taken()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._closed:
            raise trio.ClosedResourceError
        return await self._back.receive(max_bytes or _HOLDS)

    async def send_eof(self) -> None:
        self._there.end()
        await trio.lowlevel.checkpoint()

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """There is no reset in memory: the other side sees an end, and cannot send any more."""

    async def aclose(self) -> None:
        self._closed = True
        self._there.end()
        self._back.deafen()
        await trio.lowlevel.checkpoint()


def _pair(holds: int) -> tuple[_Side, _Side]:
    there, back = _Pipe(holds), _Pipe(holds)
    return _Side(there, back), _Side(back, there)


@frozen
class _Within(Endpoint):
    """A server in this process; it is met from many addresses, as one on loopback is."""

    handler: Handler = field(kw_only=True, repr=False)
    nursery: trio.Nursery = field(kw_only=True, repr=False)

    @property
    def url(self) -> str:
        return f"memory://{self.host}{self.prefix}"

    async def connect(self, source: str | None, *, narrow: bool = False) -> trio.abc.Stream:
        if self.nursery.cancel_scope.cancel_called:
            raise Unreachable("the server has stopped")
        near, far = _pair(_HOLDS_LITTLE if narrow else _HOLDS)
        self.nursery.start_soon(self._serve, far, source or "127.0.0.1")
        await trio.lowlevel.checkpoint()
        return near

    async def _serve(self, stream: _Side, address: str) -> None:
        try:
            await self.handler(stream, address)
        except Exception:
            # As in any server, what goes wrong with one connection ends that one; the suite sees it end.
            pass
        finally:
            with trio.CancelScope(shield=True):
                await stream.aclose()


async def play_in_process(session: Session, opened: Opened, prefix: str = "") -> Exit:
    """Run a session against a server that lives as long as the run does; raises Stop where nothing could be run."""
    target: Target = session.arranged.target
    code, stopped = Exit.INTERNAL, None
    target.endpoint = evolve(target.endpoint, prefix=prefix)
    # Planning takes real time, but no virtual time: the clock of a server that was started before it would stay behind
    # ours.
    if session.prepared is None:
        session.prepared = prepare(session.arranged, session.failures, remember=session.remember)
    async with opened() as handler, trio.open_nursery() as nursery:
        target.endpoint = _Within(False, "localhost", 80, prefix, handler=handler, nursery=nursery)
        target.addresses = target.addresses or Addresses(seed=session.arranged.seed)
        try:
            code = await session.play()
        except Stop as stop:
            # Through a nursery, ours or one of the server's, it would come in a group.
            stopped = stop
        nursery.cancel_scope.cancel()
    if stopped is not None:
        raise stopped
    return code
