"""An independent server for the protocol ``hub``, on asyncio, h11 and the frames of the library ``websockets``."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from . import faults, settings
from .faults import Faults
from .gate import Gate
from .session import Session
from .settings import Settings
from .tickets import Tickets
from .tokens import Verifier
from .transport import Connection

BACKLOG = 1_024
SHUTDOWN_SECONDS = 2.0


@dataclass(frozen=True)
class Options:
    """The command line."""

    host: str
    port: int
    secret: str
    settings: Settings
    fault: Faults


class HubServer:
    """What the connections of one server share."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.settings, self.fault = options.settings, options.fault
        self.tickets = Tickets(self.settings, self.fault)
        verifier = Verifier(options.secret, self.settings, self.fault)
        self.gate = Gate(self.settings, self.tickets, verifier, self.fault)
        self.connections: set[Connection] = set()
        # In the order of their handshakes.
        self.open = Open()

    async def run(self) -> None:
        """Serve until told to stop."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        server = await loop.create_server(
            lambda: Connection(self), self._options.host, self._options.port, backlog=BACKLOG
        )
        host, port = server.sockets[0].getsockname()[:2]
        print(f"listening on {host}:{port}", flush=True)
        await stop.wait()
        server.close()
        await self._shut_down()

    async def _shut_down(self) -> None:
        self.gate.stopping = True
        for connection in list(self.connections):
            connection.close(1001)
        deadline = asyncio.get_running_loop().time() + SHUTDOWN_SECONDS
        while self.connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()


class Open:
    """The sessions whose handshake is done, in its order; may change while it is walked."""

    def __init__(self) -> None:
        self._sessions: dict[Session, None] = {}

    def add(self, session: Session) -> None:
        """One more."""
        self._sessions[session] = None

    def discard(self, session: Session) -> None:
        """One less."""
        self._sessions.pop(session, None)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--secret", metavar="env:NAME", required=True, help="the key of HS256")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], dest="pairs")
    parser.add_argument("--fault", choices=faults.names(), metavar="NAME")
    return parser


def _secret(option: str) -> str:
    kind, _, name = option.partition(":")
    if kind != "env" or not os.environ.get(name):
        raise ValueError("--secret names no environment variable that is set")
    return os.environ[name]


def main(arguments: list[str] | None = None) -> int:
    """Run the server; 0 after a graceful end."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        secret, chosen = _secret(given.secret), settings.read(given.pairs)
    except ValueError as problem:
        parser.error(str(problem))
    options = Options(given.host, given.port, secret, chosen, Faults(given.fault))
    asyncio.run(HubServer(options).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
