"""An independent server for the protocol ``chat``, on asyncio and the library ``websockets``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from dataclasses import dataclass

from websockets import http11
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from . import faults, settings, tokens
from .connection import ChatConnection
from .faults import Faults
from .memory import AcceptedAuths, AttemptLog
from .messages import Writer
from .rooms import Rooms
from .session import Session, Shared
from .settings import Settings
from .upgrade import Gate, RefusalError

BACKLOG = 1_024
SHUTDOWN_SECONDS = 2.0
OPEN_SECONDS = 10.0
# A credential in a header or a query shall be judged by its own limit, not by the line's.
HTTP_LINE_BYTES = 64 << 10

log = logging.getLogger("chat")


@dataclass(frozen=True)
class Options:
    """The command line."""

    host: str
    port: int
    metrics_port: int | None
    keys: list[tokens.Key]
    settings: Settings
    fault: Faults


class ChatServer:
    """What the library calls at each step of a connection."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._fault = fault = options.fault
        verifier = tokens.Verifier(options.keys, options.settings, fault)
        writer = Writer(fault)
        self._gate = Gate(options.settings, verifier, fault)
        self._shared = Shared(
            settings=options.settings,
            verifier=verifier,
            rooms=Rooms(writer, fault),
            writer=writer,
            attempts=AttemptLog(options.settings.auth_rate, fault),
            accepted=AcceptedAuths(),
            fault=fault,
        )
        self._connections: set[ChatConnection] = set()
        self._stopping = False
        self._version1_connections = 0

    async def run(self) -> None:
        """Serve until told to stop."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = await self._listen()
        metrics = await self._listen_for_metrics()
        host, port = server.sockets[0].getsockname()[:2]
        print(f"listening on {host}:{port}", flush=True)
        await stop.wait()
        if metrics is not None:
            metrics.close()
        await self._shut_down(server)

    async def _listen(self) -> Server:
        ChatConnection.early = self._fault
        return await serve(
            self._attend,
            self._options.host,
            self._options.port,
            select_subprotocol=self._select_subprotocol,
            compression=None,
            process_request=self._process_request,
            process_response=self._finish,
            server_header=None,
            open_timeout=OPEN_SECONDS,
            ping_interval=None,
            max_size=self._max_size(),
            create_connection=ChatConnection,
            backlog=BACKLOG,
        )

    def _max_size(self) -> int | None:
        if self._fault("oversize-as-policy"):
            return None
        return self._options.settings.message_bytes - self._fault("size-limit-off-by-one")

    # One connection.

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        assert isinstance(connection, ChatConnection)
        try:
            if self._stopping:
                raise RefusalError(503, "SHUTTING_DOWN")
            connection.admission = self._gate.admit(request)
        except RefusalError as refusal:
            return refusal.response(self._fault)
        return None

    def _select_subprotocol(self, connection: ServerConnection, _: object) -> Subprotocol | None:
        assert isinstance(connection, ChatConnection)
        chosen = connection.admission.subprotocol if connection.admission else None
        return Subprotocol(chosen) if chosen else None

    def _finish(self, connection: ServerConnection, _: object, response: Response) -> Response | None:
        assert isinstance(connection, ChatConnection)
        if connection.admission is None:
            return None
        if response.status_code != 101:
            # The library quotes what it refuses.
            return RefusalError(400, "BAD_REQUEST", ("Sec-WebSocket-Version", "13")).response(self._fault)
        response.headers.update(connection.admission.headers)
        return None

    async def _attend(self, connection: ServerConnection) -> None:
        assert isinstance(connection, ChatConnection)
        admission = connection.admission
        assert admission is not None
        if admission.version1:
            self._note_version1()
        address = connection.remote_address[0] if connection.remote_address else None
        session = Session(self._shared, connection, admission, address)
        self._connections.add(connection)
        connection.attend(session, self._options.settings.message_bytes, self._fault)
        try:
            await connection.wait_closed()
        finally:
            self._connections.discard(connection)

    def _note_version1(self) -> None:
        if self._fault("v1-unlogged"):
            return
        self._version1_connections += 1
        log.warning("version 1 is deprecated: connection %d still uses it", self._version1_connections)

    # Metrics, on a port of their own.

    async def _listen_for_metrics(self) -> asyncio.Server | None:
        if self._options.metrics_port is None:
            return None
        return await asyncio.start_server(self._write_metrics, self._options.host, self._options.metrics_port)

    async def _write_metrics(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        name = "chat_version1_connections_total"
        body = f"# TYPE {name} counter\n{name} {self._version1_connections}\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    # The end.

    async def _shut_down(self, server: Server) -> None:
        self._stopping = True
        server.close(close_connections=False)
        for connection in list(self._connections):
            if self._fault("shutdown-without-close"):
                connection.transport.abort()
            else:
                connection.send_close(1001)
        if self._connections:
            waits = [asyncio.create_task(connection.wait_closed()) for connection in self._connections]
            await asyncio.wait(waits, timeout=SHUTDOWN_SECONDS)
        for connection in list(self._connections):
            connection.transport.abort()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--metrics-port", type=int, help="serve metrics there")
    parser.add_argument("--secret", metavar="env:NAME", help="the key of HS256")
    parser.add_argument("--public-key", metavar="ALG=PATH", action="append", default=[])
    parser.add_argument("--jwks", metavar="PATH", action="append", default=[], help="a key set")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], dest="pairs")
    parser.add_argument("--fault", choices=faults.names(), metavar="NAME")
    parser.add_argument("--list-faults", action="store_true")
    return parser


def _keys(secret: str | None, public: list[str], sets: list[str]) -> list[tokens.Key]:
    keys: list[tokens.Key] = []
    if secret is not None:
        kind, _, name = secret.partition(":")
        if kind != "env" or not os.environ.get(name):
            raise ValueError("--secret names no environment variable that is set")
        keys.append(tokens.shared_secret(os.environ[name]))
    keys += [tokens.public_key(option) for option in public]
    keys += [key for path in sets for key in tokens.key_set(path)]
    if not keys:
        raise ValueError("no key: give --secret, --public-key or --jwks")
    return keys


def main(arguments: list[str] | None = None) -> int:
    """Run the server; 0 after a graceful end."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.list_faults:
        print(faults.CATALOGUE.read_text("utf-8"), end="")
        return 0
    try:
        keys, chosen = _keys(given.secret, given.public_key, given.jwks), settings.read(given.pairs)
    except (ValueError, OSError) as problem:
        parser.error(str(problem))
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    http11.MAX_LINE_LENGTH = HTTP_LINE_BYTES
    options = Options(given.host, given.port, given.metrics_port, keys, chosen, Faults(given.fault))
    asyncio.run(ChatServer(options).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
