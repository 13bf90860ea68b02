"""A long way to a server: a TCP proxy that keeps every byte for a while, and in order.

`python -m tests.matrix.proxy --to HOST:PORT` prints the URL on which it listens, as servers do. Each direction holds a
chunk for half of the latency and a share of the jitter, drawn anew for each; none overtakes another. A FIN is passed on
as one and a reset as one. Connections to the server come from the address that the client has, so that limits per
address count what they should (on 127.0.0.0/8).
"""

from __future__ import annotations

import argparse
import random
import socket
import struct
from collections.abc import Callable

import trio
from attrs import define, field

__all__ = ["Way", "serve"]

_CHUNK = 4096
_HELD = 64
"""Chunks that one direction holds; beyond these the sender waits, as it would for a window (RFC 9293 section 3.8.6)."""


@define
class Way:
    """One direction of one connection; `delay` draws how long a chunk is under way, in seconds."""

    source: trio.abc.ReceiveStream
    sink: trio.abc.HalfCloseableStream
    delay: Callable[[], float]
    _reset: bool = False
    _last: float = field(factory=trio.current_time)

    async def run(self) -> None:
        """Carry everything there is to carry, and the end."""
        sending, receiving = trio.open_memory_channel[tuple[float, bytes]](_HELD)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take, sending)
            await self._give(receiving)
            nursery.cancel_scope.cancel()

    async def _take(self, sending: trio.MemorySendChannel[tuple[float, bytes]]) -> None:
        async with sending:
            try:
                while data := await self.source.receive_some(_CHUNK):
                    await sending.send((self._due(), bytes(data)))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._reset = True
            await sending.send((self._due(), b""))

    def _due(self) -> float:
        self._last = max(self._last, trio.current_time() + self.delay())
        return self._last

    async def _give(self, receiving: trio.MemoryReceiveChannel[tuple[float, bytes]]) -> None:
        async for due, data in receiving:
            await trio.sleep_until(due)
            try:
                if data:
                    await self.sink.send_all(data)
                elif self._reset:
                    if isinstance(self.sink, trio.SocketStream):
                        self.sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    await trio.aclose_forcefully(self.sink)
                else:
                    await self.sink.send_eof()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return


async def _carry(client: trio.SocketStream, target: tuple[str, int], delay: Callable[[], float]) -> None:
    upstream = trio.socket.socket(client.socket.family, socket.SOCK_STREAM)
    try:
        await upstream.bind((client.socket.getpeername()[0], 0))
        await upstream.connect(target)
    except OSError:
        upstream.close()
        return
    server = trio.SocketStream(upstream)
    async with server, trio.open_nursery() as nursery:
        nursery.start_soon(Way(client, server, delay).run)
        nursery.start_soon(Way(server, client, delay).run)


async def serve(
    target: tuple[str, int],
    latency: float,
    jitter: float,
    seed: int,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Carry connections to a target; round trips take `latency` more, give or take `jitter`. Gives its port."""
    numbers = random.Random(seed)

    def delay() -> float:
        return max(0.0, latency / 2 + numbers.uniform(-jitter, jitter) / 2)

    async def carry(client: trio.SocketStream) -> None:
        await _carry(client, target, delay)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=1024)
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(carry, listeners)


def _main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--latency", type=float, default=0.1, metavar="SECONDS")
    parser.add_argument("--jitter", type=float, default=0.02, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    host, _, port = arguments.to.rpartition(":")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            target = (host, int(port))
            bound = await nursery.start(serve, target, arguments.latency, arguments.jitter, arguments.seed)
            print(f"listening on ws://127.0.0.1:{bound}", flush=True)

    trio.run(main)


if __name__ == "__main__":
    _main()
