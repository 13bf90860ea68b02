"""One WebSocket client on h11 and wsproto over a Trio stream: it sees every byte that comes, and may send any.

trio-websocket would hide what this needs to show or send: frames that are never finished, text that is not UTF-8,
resets, and the time at which a frame's bytes arrived.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import h11
import trio
from attrs import define, field, frozen
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from conformance import tcp
from conformance.framing import CLOSE, CONTINUATION, TEXT, encode_frame
from spec.machine import Request
from spec.tracker import Answer

__all__ = ["Endpoint", "NotWebSocket", "Unanswered", "Unreachable", "Wire", "post"]

_PATIENCE = 10.0
"""How many seconds are waited for a connection, and for the answer to a request."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Unreachable(Exception):
    """No connection to the target could be made, or it was lost before an answer came."""


class Unanswered(Unreachable):
    """A connection was made, and the request on it got no answer."""


class NotWebSocket(Exception):
    """What answered does not speak HTTP or WebSocket."""


@frozen
class Endpoint:
    """A base URL taken apart; a path prefix is kept, without a slash at its end.

    `address` is where connections go, where that is not what the host's name says.
    """

    secure: bool
    host: str
    port: int
    prefix: str
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    address: str | None = None

    @classmethod
    def parse(cls, url: str, tls: ssl.SSLContext | None = None) -> Endpoint:
        """Take a `ws://` or `wss://` URL apart; raises ValueError with a readable text."""
        parts = urlsplit(url)
        # What stands before an @ may be a password, which is not said again.
        shown = "the URL" if "@" in url else f"`{url}`"
        if parts.scheme not in {"ws", "wss"}:
            raise ValueError(f"{shown} is no ws:// or wss:// URL")
        if not parts.hostname:
            raise ValueError(f"{shown} names no host")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("the URL is a base: it has no query, no fragment and no user")
        secure = parts.scheme == "wss"
        return cls(secure, parts.hostname, parts.port or (443 if secure else 80), parts.path.rstrip("/"), tls)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.secure else 'ws'}://{host}:{self.port}{self.prefix}"

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    async def connect(self, source: str | None, *, narrow: bool = False) -> trio.abc.Stream:
        """Open a TCP (and TLS) connection, from a source address where one is named; raises Unreachable.

        A `narrow` one holds little that is not read yet, on either side.
        """
        with trio.move_on_after(_PATIENCE):
            return await self._connect(source, narrow)
        raise Unreachable(f"no connection within {_PATIENCE:.0f} s")

    async def _connect(self, source: str | None, narrow: bool) -> trio.abc.Stream:
        host = self.address or self.host
        try:
            if not self.secure or narrow:
                stream = await tcp.connect(host, self.port, source, narrow=narrow)
            else:
                stream = await trio.open_tcp_stream(host, self.port, local_address=source)
        except OSError as problem:
            raise Unreachable(_reason(problem)) from None
        if not self.secure:
            return stream
        secured = trio.SSLStream(stream, self.tls or ssl.create_default_context(), server_hostname=self.host)
        try:
            await secured.do_handshake()
        except (trio.BrokenResourceError, ssl.SSLError) as problem:
            await trio.aclose_forcefully(stream)
            raise Unreachable(f"TLS failed: {_reason(problem.__cause__ or problem)}") from None
        return secured


def _reason(problem: BaseException) -> str:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted ({problem.verify_message}); name its authority with --ca"
    if isinstance(problem, ssl.SSLError):
        return str(problem.reason or problem)
    if isinstance(problem, OSError) and problem.errno and problem.errno > 0:
        return os.strerror(problem.errno)
    inner = getattr(problem, "exceptions", None) or ([problem.__cause__] if problem.__cause__ else [])
    texts = {_reason(one) for one in inner if isinstance(one, BaseException)}
    return ", ".join(sorted(texts)) or str(problem) or type(problem).__name__


_SWITCHING = re.compile(rb"HTTP/1\.1 101 [\t -~]*\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)\r\n")


def _plain_upgrade(data: bytes) -> tuple[tuple[tuple[str, str], ...], bytes] | None:
    """The headers of a 101 that came in one piece and in the plainest form (RFC 9112), and what came behind it."""
    found = _SWITCHING.match(data)
    if found is None:
        return None
    lines = found[1].decode("ascii").split("\r\n")[:-1]
    pairs = tuple((name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines))
    return pairs, data[found.end() :]


@define
class Wire:
    """One client connection.

    `heard` is called with (kind, value, moment) for what arrives: `text`, `binary`, `close` (code, reason), `pong` with
    its data, and `end` with a text where the transport or the framing failed. It is called from `listen`.
    """

    endpoint: Endpoint
    clock: Callable[[], float]
    heard: Callable[[str, Any, float], None]
    source: str | None = None
    _stream: trio.abc.Stream | None = None
    _frames: Connection | None = None
    _closing: bool = False
    _ended: bool = False
    _parts: list[str] = field(factory=list)
    _sizes: int = 0
    _sending: trio.Lock = field(factory=trio.Lock)
    _reading: trio.CancelScope = field(factory=trio.CancelScope)

    async def connect(self, *, narrow: bool = False) -> None:
        """Open the transport; raises Unreachable."""
        self._stream = await self.endpoint.connect(self.source, narrow=narrow)

    async def upgrade(
        self, target: str, headers: list[tuple[str, str]], *, websocket: bool, each: int | None = None
    ) -> tuple[Answer, float]:
        """Send a request, `each` so many bytes at a time, and read its answer; gives it and when it was complete.

        Raises Unreachable where the transport ended before an answer, NotWebSocket where the answer is none.
        """
        key = base64.b64encode(os.urandom(16)).decode()
        every = [("Host", self.endpoint.authority), *headers]
        if websocket:
            every += [("Upgrade", "websocket"), ("Connection", "Upgrade")]
            every += [("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", "13")]
        lines = "".join(f"{name}: {value}\r\n" for name, value in every)
        await self.send_bytes(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode("utf-8", "surrogateescape"), each)
        with trio.move_on_after(_PATIENCE) as scope:
            answer, moment, rest = await self._answer(every, target)
        if scope.cancelled_caught:
            raise Unanswered(f"no answer within {_PATIENCE:.0f} s")
        if answer.status == 101:
            accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
            if answer.header("sec-websocket-accept") != accept:
                raise NotWebSocket("the 101 has no Sec-WebSocket-Accept that fits the key")
            self._frames = Connection(ConnectionType.CLIENT, trailing_data=rest)
        return answer, moment

    async def _answer(self, headers: list[tuple[str, str]], target: str) -> tuple[Answer, float, bytes]:
        first = await self._receive_some()
        if not first:
            raise Unanswered("the connection was closed without an answer")
        plain = _plain_upgrade(first)
        if plain is not None:
            return Answer(101, plain[0]), self.clock(), plain[1]
        return await self._any_answer(headers, target, first)

    async def _any_answer(
        self, headers: list[tuple[str, str]], target: str, first: bytes
    ) -> tuple[Answer, float, bytes]:
        """Whatever HTTP allows as an answer, of which `first` came already."""
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=256 * 1024)
        plain = [(name, value) for name, value in headers if value.isascii() and name.lower() != "authorization"]
        http.send(h11.Request(method="GET", target=target.encode(), headers=plain))
        http.send(h11.EndOfMessage())
        http.receive_data(first)
        body = bytearray()
        head: h11.Response | h11.InformationalResponse | None = None
        while True:
            try:
                event = http.next_event()
            except h11.RemoteProtocolError as problem:
                raise NotWebSocket(f"the answer is not HTTP: {problem}") from None
            if event is h11.NEED_DATA:
                data = await self._receive_some()
                if not data and head is None:
                    raise Unanswered("the connection was closed without an answer")
                http.receive_data(data)
            elif isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                head = event
                break
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > 1024 * 1024:
                    raise NotWebSocket("the answer's body is over 1 MiB")
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
        assert head is not None
        moment = self.clock()
        pairs = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in head.headers.raw_items())
        rest, _ = http.trailing_data
        return Answer(head.status_code, pairs, body.decode("utf-8", "replace")), moment, bytes(rest)

    async def answer(self) -> Answer | None:
        """The HTTP answer to bytes that were no valid request, None where the transport ends without one."""
        try:
            answer, _, _ = await self._answer([("Host", "handfast")], "/")
        except (Unanswered, NotWebSocket):
            return None
        return answer

    async def _receive_some(self) -> bytes:
        assert self._stream is not None
        try:
            return bytes(await self._stream.receive_some(65536))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _send(self, data: bytes) -> None:
        assert self._stream is not None
        try:
            taken = 0
            if isinstance(self._stream, tcp.TCP) and not self._sending.locked():
                taken = self._stream.send_now(data)
            if taken < len(data):
                # A peer that does not read any more must not keep the suite waiting for ever.
                with trio.move_on_after(_PATIENCE):
                    async with self._sending:
                        await self._stream.send_all(data[taken:])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The peer may have closed while we wrote; what it said before is still to be read.
            return

    async def listen(self) -> None:
        """Read until the connection ends or stalls, telling `heard` of all that comes."""
        with self._reading:
            await self._listen()

    async def _listen(self) -> None:
        frames = self._frames
        assert frames is not None
        first = True
        while not self._ended:
            data = b"" if first else await self._receive_some()
            moment = self.clock()
            try:
                if not first or data:
                    frames.receive_data(data or None)
                for event in frames.events():
                    await self._handle(event, moment)
            except RemoteProtocolError as problem:
                self._end(f"framing: {problem}", moment)
            except LocalProtocolError as problem:
                self._end(f"after the close: {problem}", moment)
            if not first and not data:
                self._end("the transport ended", moment)
            first = False

    def _end(self, text: str, moment: float) -> None:
        if not self._ended:
            self._ended = True
            self.heard("end", text, moment)

    async def _handle(self, event: Any, moment: float) -> None:
        match event:
            case TextMessage():
                self._parts.append(event.data)
                if event.message_finished:
                    text, self._parts = "".join(self._parts), []
                    self.heard("text", text, moment)
            case BytesMessage():
                self._sizes += len(event.data)
                if event.message_finished:
                    size, self._sizes = self._sizes, 0
                    self.heard("binary", size, moment)
            case Ping():
                if self._frames is not None and not self._closing:
                    await self._send(self._frames.send(event.response()))
            case Pong():
                self.heard("pong", bytes(event.payload), moment)
            case CloseConnection():
                await self._answer_close(event, moment)

    async def _answer_close(self, event: CloseConnection, moment: float) -> None:
        # wsproto reports a transport that ended without a close frame as 1006, which no frame can carry.
        if event.code == 1006:
            self._end("the transport ended", moment)
            return
        self._ended = True
        self.heard("close", (int(event.code), event.reason or ""), moment)
        if self._closing:
            # Both have said their last, and some peers wait for the end of the transport (RFC 6455 section 7.1.1).
            await self.finish()
            return
        payload = b"" if event.code == 1005 else struct.pack("!H", int(event.code))
        self._closing = True
        await self._send(encode_frame(CLOSE, payload))

    async def send_text(self, payload: bytes, fragments: int = 1) -> None:
        """Send one text message, in so many fragments."""
        size = max(1, -(-len(payload) // fragments))
        parts = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
        data = b"".join(
            encode_frame(TEXT if index == 0 else CONTINUATION, part, final=index == len(parts) - 1)
            for index, part in enumerate(parts)
        )
        await self._send(data)

    async def send_frame(self, opcode: int, payload: bytes, *, final: bool = True) -> None:
        """Send one frame, whatever it is."""
        await self._send(encode_frame(opcode, payload, final=final))

    async def send_bytes(self, data: bytes, each: int | None = None) -> None:
        """Send bytes, all at once or so many at a time."""
        step = each or max(1, len(data))
        for start in range(0, len(data), step):
            await self._send(data[start : start + step])

    def closes(self) -> None:
        """What was sent held a close frame: none is sent again."""
        self._closing = True

    def stall(self) -> None:
        """Read no more."""
        self._reading.cancel()

    async def finish(self) -> None:
        """End the sending side of the transport, below TLS where there is any."""
        self._closing = True
        stream: Any = self._stream
        while isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await stream.send_eof()

    async def send_close(self, code: int | None) -> None:
        """Send a close frame; the answer comes through `heard`."""
        self._closing = True
        await self._send(encode_frame(CLOSE, b"" if code is None else struct.pack("!H", code)))

    async def drop(self, *, gently: bool) -> None:
        """End the transport: with FIN, or with RST."""
        self._ended = True
        stream: Any = self._stream
        while isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        if stream is None:
            return
        if not gently:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(stream)

    @property
    def open(self) -> bool:
        """Whether a WebSocket is up and neither side has begun to close it."""
        return self._frames is not None and not self._closing and not self._ended

    async def aclose(self) -> None:
        """Let go of the transport."""
        self._ended = True
        if isinstance(self._stream, tcp.TCP):
            self._stream.close()
        elif self._stream is not None:
            await trio.aclose_forcefully(self._stream)


async def post(
    endpoint: Endpoint, source: str | None, request: Request, clock: Callable[[], float]
) -> tuple[Answer, float]:
    """Send a request with a body over a transport of its own; gives its answer and when that was complete.

    Raises Unreachable where the transport ended before an answer, NotWebSocket where the answer is no HTTP.
    """
    stream = await endpoint.connect(source)
    try:
        with trio.move_on_after(_PATIENCE):
            return await _exchange(stream, endpoint, request), clock()
        raise Unanswered(f"no answer within {_PATIENCE:.0f} s")
    except h11.RemoteProtocolError as problem:
        raise NotWebSocket(f"the answer is not HTTP: {problem}") from None
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        raise Unanswered("the connection was closed without an answer") from None
    finally:
        await trio.aclose_forcefully(stream)


async def _exchange(stream: trio.abc.Stream, endpoint: Endpoint, request: Request) -> Answer:
    http, body = h11.Connection(h11.CLIENT, max_incomplete_event_size=256 * 1024), bytearray()
    headers = [("Host", endpoint.authority), ("Connection", "close"), *request.headers]
    headers.append(("Content-Length", str(len(request.body))))
    head = http.send(h11.Request(method=request.method, target=endpoint.prefix + request.target, headers=headers))
    data = (head or b"") + (http.send(h11.Data(data=request.body)) or b"") + (http.send(h11.EndOfMessage()) or b"")
    with suppress(trio.BrokenResourceError):
        # A body that is not wanted may be answered before it is read.
        await stream.send_all(data)
    found: h11.Response | None = None
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(65536)))
        elif isinstance(event, h11.Response):
            found = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            break
    if found is None:
        raise Unanswered("the connection was closed without an answer")
    pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in found.headers.raw_items())
    return Answer(found.status_code, pairs, body.decode("utf-8", "replace"))
