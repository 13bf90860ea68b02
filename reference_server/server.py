"""The server: listeners, one task per TCP connection, and a life that ends in order."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from attrs import evolve

from reference_server.clock import Clock
from reference_server.connection import Connection
from reference_server.http import (
    Answer,
    BadHead,
    Head,
    handshake_fault,
    json_answer,
    linger,
    read_body,
    read_head,
    send_answer,
)
from reference_server.hub import Hub
from reference_server.logs import Log, failure, silent_log
from reference_server.metrics import Metrics
from reference_server.policies import judge_by
from reference_server.settings import Settings
from reference_server.site import Mount, check_site, mounted
from spec.machine import Refusal, Request

if TYPE_CHECKING:
    from reference_server.inspector.serving import Inspection

__all__ = ["Server", "open_server", "serve"]

_SHUTTING_DOWN = json_answer(503, {"code": "SHUTTING_DOWN"})
_FULL = json_answer(503, {"code": "TOO_MANY_CONNECTIONS"}, {"Retry-After": "5"})
_NOT_ALLOWED = json_answer(405, {"code": "METHOD_NOT_ALLOWED"}, {"Allow": "GET, HEAD"})
_NOT_FOUND = json_answer(404, {"code": "NOT_FOUND"})
_INTERNAL = json_answer(500, {"code": "INTERNAL"})
_HEALTHY = Answer(200, b"ok\n", "text/plain; charset=utf-8")

# What a peer that goes away, or speaks no TLS, leaves behind.
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


class Server:
    """One or more documents served; made by `open_server` or `serve`. Its length is how many connections it has."""

    def __init__(
        self,
        mounts: Sequence[Mount],
        *,
        settings: Settings,
        clock: Clock,
        log: Log,
        inspection: Inspection | None = None,
    ) -> None:
        check_site(mounts)
        self.mounts = tuple(mounts)
        self.settings = settings
        self.log = log
        self.metrics = Metrics()
        self.hubs = tuple(
            Hub(
                mount.document,
                mount.parameters,
                judge_by(mount.document, mount.policy),
                settings=settings,
                clock=clock,
                log=log,
                metrics=self.metrics,
                deployment=mount.deployment,
                logs=mount.logs,
            )
            for mount in self.mounts
        )
        self._inspector = None
        if inspection is not None:
            from reference_server.inspector.serving import Inspector

            self._inspector = Inspector(self, inspection)
        self.ports: tuple[int, ...] = ()
        self.finished = trio.Event()
        """Set once `shutdown` is through."""

    def __len__(self) -> int:
        return sum(len(hub) for hub in self.hubs)

    @property
    def stopping(self) -> bool:
        """Whether the server is shutting down."""
        return self.hubs[0].stopping

    async def run_timers(self) -> None:
        """Wake the engines whenever a timer of theirs is due, for ever."""
        async with trio.open_nursery() as nursery:
            for hub in self.hubs:
                nursery.start_soon(hub.run_timers)

    async def shutdown(self, drain: float) -> None:
        """Close every connection, refuse every request, and wait up to `drain` seconds for the last to go."""
        self.log.info("server.stopping", connections=len(self))
        for hub in self.hubs:
            hub.stop()
        with trio.move_on_after(drain):
            for hub in self.hubs:
                await hub.empty()
        self.log.info("server.stopped", left=len(self))
        self.finished.set()

    async def serve_stream(self, stream: trio.abc.Stream, address: str | None = None) -> None:
        """Serve one transport to its end and close it; no failure of it escapes."""
        try:
            await self.serve_accepted(stream, address)
        finally:
            await trio.aclose_forcefully(stream)

    async def serve_accepted(self, stream: trio.abc.Stream, address: str | None = None) -> None:
        """`serve_stream` for one whose listener closes what it accepted."""
        await self._guarded(partial(self._serve, stream, _peer(stream) if address is None else address))

    async def serve_operations(self, stream: trio.abc.Stream) -> None:
        """Serve health and metrics alone on one accepted transport."""
        await self._guarded(partial(self._serve_operations, stream))

    # --------------------------------------------------------------------------------------------- one transport

    async def _guarded(self, run: Callable[[], Awaitable[None]]) -> None:
        try:
            await run()
        except Exception as problem:
            if not _is_gone(problem):
                self.log.error("transport.failed", **failure(problem))

    async def _serve(self, stream: trio.abc.Stream, address: str) -> None:
        head = await self._head(stream, address)
        if head is None:
            return
        if self._inspector is not None and self._inspector.serves(head.request.target):
            answer = await self._inspector.serve(stream, head)
            if answer is not None:
                await self._answer(stream, head, answer)
            return
        operation = self._operation(head.request)
        place = mounted(self.mounts, head.request.target)
        hub, rest = self.hubs[place], self.mounts[place].below(head.request.target)
        if rest is not None:
            head = evolve(head, request=evolve(head.request, target=rest))
        endpoint = hub.endpoint(head.request)
        if operation is not None:
            await self._answer(stream, head, operation)
        elif endpoint is not None:
            await self._endpoint(stream, head, hub, endpoint)
        elif len(self) >= self.settings.max_connections and not self.stopping:
            await self._refuse(stream, head, _FULL)
        else:
            await self._decide(stream, head, hub)

    async def _endpoint(self, stream: trio.abc.Stream, head: Head, hub: Hub, name: str) -> None:
        try:
            body = await read_body(stream, head, hub.largest, self.settings.head_within)
        except BadHead as problem:
            await self._refuse(stream, head, problem.answer)
            return
        if body is None:
            return
        try:
            answer = hub.request(name, evolve(head.request, body=body))
        except Exception as problem:
            self.log.error("endpoint.failed", endpoint=name, **failure(problem))
            await self._refuse(stream, head, _INTERNAL)
            return
        self.log.info("endpoint.answered", endpoint=name, status=answer.status)
        await self._answer(stream, head, json_answer(answer.status, answer.body, answer.headers))

    async def _decide(self, stream: trio.abc.Stream, head: Head, hub: Hub) -> None:
        fault = handshake_fault(head)
        # The document's table has the first word, but what RFC 6455 refuses must leave no connection behind.
        try:
            decided = hub.preview(head.request) if fault else hub.open(head.request)
        except Exception as problem:
            self.log.error("opening.failed", **failure(problem))
            await self._refuse(stream, head, _INTERNAL)
            return
        if isinstance(decided, Refusal):
            await self._refuse(stream, head, json_answer(decided.status, decided.body, decided.headers))
        elif isinstance(decided, tuple):
            upgrade, outbox = decided
            connection = Connection(hub, upgrade, outbox, self.settings, hub.largest)
            [key] = head.request.header("sec-websocket-key")
            await connection.run(stream, key, head.rest, head.request.address)
        elif fault:
            await self._refuse(stream, head, fault)

    async def _serve_operations(self, stream: trio.abc.Stream) -> None:
        head = await self._head(stream, "")
        if head is not None:
            await self._answer(stream, head, self._own(head.request) or _NOT_FOUND)

    async def _head(self, stream: trio.abc.Stream, address: str) -> Head | None:
        settings = self.settings
        try:
            return await read_head(stream, address, settings.head_bytes, settings.head_within)
        except BadHead as problem:
            self._refused(problem.answer, address)
            with trio.move_on_after(settings.answer_within):
                await send_answer(stream, problem.exchange, problem.answer)
                await linger(stream, settings.linger)
            return None

    async def _refuse(self, stream: trio.abc.Stream, head: Head, answer: Answer) -> None:
        self._refused(answer, head.request.address)
        await self._answer(stream, head, answer)

    def _refused(self, answer: Answer, address: str) -> None:
        self.metrics.refused(answer.code)
        self.log.info("connection.refused", address=address, status=answer.status, code=answer.code)

    async def _answer(self, stream: trio.abc.Stream, head: Head, answer: Answer) -> None:
        with trio.move_on_after(self.settings.answer_within):
            await send_answer(stream, head.exchange, answer, head.request.method)
            await linger(stream, self.settings.linger)

    # ------------------------------------------------------------------------------------------------ operations

    def _operation(self, request: Request) -> Answer | None:
        """The answer to a request for health or metrics, where these are served here and no path of a document."""
        if not self.settings.operations or any(mount.serves(request.target) for mount in self.mounts):
            return None
        return self._own(request)

    def _own(self, request: Request) -> Answer | None:
        path = request.target.partition("?")[0]
        if path not in {"/healthz", "/metrics"}:
            return None
        if self.stopping:
            return _SHUTTING_DOWN
        if request.method not in {"GET", "HEAD"}:
            return _NOT_ALLOWED
        return _HEALTHY if path == "/healthz" else Answer(200, self.metrics.text(), Metrics.content_type)


def _is_gone(problem: BaseException) -> bool:
    if isinstance(problem, BaseExceptionGroup):
        return all(_is_gone(inner) for inner in problem.exceptions)
    return isinstance(problem, _GONE)


def _peer(stream: trio.abc.Stream) -> str:
    """The IP address of a transport's peer; empty where it has none (any more)."""
    inner = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    if not isinstance(inner, trio.SocketStream):
        return ""
    try:
        host = str(inner.socket.getpeername()[0])
        address = ipaddress.IPv6Address(host.partition("%")[0]) if ":" in host else None
    except (OSError, ValueError):
        return ""
    return str(address.ipv4_mapped or address) if address is not None else host


@asynccontextmanager
async def open_server(
    *mounts: Mount,
    settings: Settings | None = None,
    clock: Clock | None = None,
    log: Log | None = None,
    inspection: Inspection | None = None,
) -> AsyncIterator[Server]:
    """A server without listeners: give its `serve_stream` transports, of memory if you like.

    Transports still served when the block ends are the caller's to end; the server's timers end with the block.

    Raises:
        Clash: two of the mounts serve one path.
    """
    server = Server(
        mounts, settings=settings or Settings(), clock=clock or Clock(), log=log or silent_log(), inspection=inspection
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run_timers)
        yield server
        nursery.cancel_scope.cancel()


async def serve(
    *mounts: Mount,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl_context: ssl.SSLContext | None = None,
    operations_port: int | None = None,
    settings: Settings | None = None,
    log: Log | None = None,
    inspection: Inspection | None = None,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve documents over TCP until the server's `shutdown` is through, or until cancelled.

    Start it with `nursery.start`: that gives back the server, with its `ports` bound (the protocols' first).
    """
    settings = settings or Settings()
    listeners = await trio.open_tcp_listeners(port, host=host, backlog=settings.backlog)
    own = [] if operations_port is None else await trio.open_tcp_listeners(operations_port, host=host)
    async with open_server(*mounts, settings=settings, log=log, inspection=inspection) as server:
        server.ports = tuple(listener.socket.getsockname()[1] for listener in (*listeners, *own))
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, server.serve_accepted, _wrapped(listeners, ssl_context))
            if own:
                await nursery.start(trio.serve_listeners, server.serve_operations, own)
            task_status.started(server)
            await server.finished.wait()
            nursery.cancel_scope.cancel()


def _wrapped(listeners: list[trio.SocketListener], context: ssl.SSLContext | None) -> list[Any]:
    if context is None:
        return list(listeners)
    return [trio.SSLListener(listener, context, https_compatible=True) for listener in listeners]
