"""TCP for hundreds of clients at once: a Trio stream that asks the scheduler only where it must wait.

Trio's own streams pass through its scheduler at least once for every call, which is fair to other tasks and costs more
than the system call does. A client here says little and then waits for the answer, and waiting is fair enough.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import suppress
from typing import Any

import trio

__all__ = ["TCP", "connect"]


class TCP(trio.abc.HalfCloseableStream):
    """A connected socket; one task may receive while another sends."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; waits only where the system takes no more."""
        rest = memoryview(data)[self.send_now(data) :]
        while rest:
            await self.wait_send_all_might_not_block()
            rest = rest[self.send_now(rest) :]

    def send_now(self, data: bytes | bytearray | memoryview) -> int:
        """Send what the system takes without waiting; says how many bytes that were."""
        self._check()
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as problem:
            raise trio.BrokenResourceError(problem) from problem

    async def wait_send_all_might_not_block(self) -> None:
        self._check()
        await trio.lowlevel.wait_writable(self._socket)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for bytes; empty once the peer has said its last."""
        while True:
            # What is waited for has rarely come already.
            self._check()
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(max_bytes or 65536)
            except BlockingIOError:
                continue
            except OSError as problem:
                raise trio.BrokenResourceError(problem) from problem

    async def send_eof(self) -> None:
        """Say that nothing more comes."""
        self._check()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        self._socket.setsockopt(level, option, value)

    def _check(self) -> None:
        if self._socket.fileno() < 0:
            raise trio.ClosedResourceError

    def close(self) -> None:
        """Let go of the socket; who still waits on it is told."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    async def aclose(self) -> None:
        self.close()


_NARROW, _SEGMENT = 4096, 536
"""The receive buffer of a narrow connection, in bytes, and the longest segment that it asks for."""


async def connect(host: str, port: int, source: str | None, *, narrow: bool = False) -> trio.abc.Stream:
    """Connect to a host, from a source address where one is named; raises OSError.

    A `narrow` connection to an address holds little that is not read yet, on either side: systems size what they keep
    for a peer by its window and its segments.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A name may stand for several addresses, of which Trio tries one after the other (RFC 8305).
        return await trio.open_tcp_stream(host, port, local_address=source)
    sock = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
    try:
        sock.setblocking(False)
        if narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW)
            with suppress(OSError, AttributeError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
        if source is not None:
            sock.bind((source, 0))
        problem = sock.connect_ex((host, port))
        if problem == errno.EINPROGRESS:
            # On this machine the connection is made by the time we can ask again.
            problem = sock.connect_ex((host, port))
        if problem in {errno.EALREADY, errno.EINPROGRESS}:
            await trio.lowlevel.wait_writable(sock)
            problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem not in {0, errno.EISCONN}:
            raise OSError(problem, os.strerror(problem))
        return TCP(sock)
    except BaseException:
        sock.close()
        raise
