"""The HTTP around an upgrade: the request's head, and the answers to what is not upgraded."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import h11
import trio
from attrs import field, frozen

from spec.machine import Request

__all__ = [
    "Answer",
    "BadHead",
    "Head",
    "handshake_fault",
    "json_answer",
    "linger",
    "read_body",
    "read_head",
    "send_answer",
]

_CHUNK = 16 * 1024


@frozen
class Answer:
    """A whole HTTP answer; the connection is closed behind it. `code` names a refusal for logs and metrics."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(factory=dict)
    code: str = ""


@frozen
class Head:
    """A request's head; `rest` is what came behind it, and `exchange` what answers it."""

    request: Request
    version: bytes
    has_body: bool
    rest: bytes
    exchange: h11.Connection
    body: bytes = b""
    """What of a body came with the head."""


class BadHead(Exception):
    """What came is no request that can be answered in earnest."""

    def __init__(self, answer: Answer, exchange: h11.Connection) -> None:
        super().__init__(answer.status)
        self.answer = answer
        self.exchange = exchange


def json_answer(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    """A refusal with a JSON body."""
    code = str(body.get("code", status))
    return Answer(status, json.dumps(body).encode(), "application/json", headers or {}, code)


async def read_head(stream: trio.abc.Stream, address: str, most: int, within: float) -> Head | None:
    """Read a request's head of at most `most` bytes; None where the peer left or said nothing in time.

    Raises:
        BadHead: it is no HTTP, too long, or still unfinished after `within` seconds, however steadily it trickles.
    """
    exchange = h11.Connection(h11.SERVER, max_incomplete_event_size=most)
    started = False
    with trio.move_on_after(within) as scope:
        while (event := _next_event(exchange)) is h11.NEED_DATA:
            data = await stream.receive_some(_CHUNK)
            started = started or bool(data)
            exchange.receive_data(bytes(data))
        return _head(event, exchange, address) if isinstance(event, h11.Request) else None
    if scope.cancelled_caught and started:
        raise BadHead(json_answer(408, {"code": "REQUEST_TIMEOUT"}), exchange)
    return None


def _next_event(exchange: h11.Connection) -> object:
    try:
        return exchange.next_event()
    except h11.RemoteProtocolError as problem:
        status, code = (431, "HEAD_TOO_LARGE") if problem.error_status_hint == 431 else (400, "BAD_REQUEST")
        raise BadHead(json_answer(status, {"code": code}), exchange) from None


def _head(event: h11.Request, exchange: h11.Connection, address: str) -> Head:
    request = Request(
        method=event.method.decode("ascii"),
        target=_origin_form(event.target.decode("latin-1")),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers),
        address=address,
    )
    behind = _next_event(exchange)
    body = bytes(behind.data) if isinstance(behind, h11.Data) else b""
    has_body = not isinstance(behind, h11.EndOfMessage)
    return Head(request, event.http_version, has_body, exchange.trailing_data[0], exchange, body)


async def read_body(stream: trio.abc.Stream, head: Head, most: int, within: float) -> bytes | None:
    """Read a request's body, of one over `most` bytes only a little more than that; None where it never ended."""
    exchange, body = head.exchange, bytearray(head.body)
    if not head.has_body:
        return b""
    with trio.move_on_after(within):
        if exchange.they_are_waiting_for_100_continue:
            await stream.send_all(exchange.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        while len(body) <= most:
            match _next_event(exchange):
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage():
                    return bytes(body)
                case h11.ConnectionClosed():
                    return None
                case _:
                    exchange.receive_data(bytes(await stream.receive_some(_CHUNK)))
        return bytes(body)
    raise BadHead(json_answer(408, {"code": "REQUEST_TIMEOUT"}), exchange)


def _origin_form(target: str) -> str:
    """The path and query, also of a target that has scheme and authority (RFC 9112 section 3.2.2)."""
    found = re.match(r"https?://[^/?]*", target, re.I)
    if not found:
        return target
    rest = target[found.end() :]
    return rest if rest.startswith("/") else "/" + rest


def handshake_fault(head: Head) -> Answer | None:
    """What RFC 6455 section 4.2.1 refuses in a request that asks for a WebSocket, or None."""
    request = head.request
    if head.version < b"1.1" or head.has_body:
        return json_answer(400, {"code": "BAD_HANDSHAKE"})
    if not _asks(request, "connection", "upgrade"):
        return json_answer(426, {"code": "UPGRADE_REQUIRED"})
    if request.header("sec-websocket-version") != ["13"]:
        return json_answer(426, {"code": "WEBSOCKET_VERSION"}, {"Sec-WebSocket-Version": "13"})
    keys = request.header("sec-websocket-key")
    if len(keys) != 1 or not _is_nonce(keys[0]):
        return json_answer(400, {"code": "BAD_HANDSHAKE"})
    return None


def _asks(request: Request, header: str, token: str) -> bool:
    return any(part.strip().lower() == token for value in request.header(header) for part in value.split(","))


def _is_nonce(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


async def send_answer(stream: trio.abc.Stream, exchange: h11.Connection, answer: Answer, method: str = "GET") -> None:
    """Write an answer; to a HEAD without its body."""
    headers = [
        ("Date", formatdate(usegmt=True)),
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Connection", "close"),
        *answer.headers.items(),
    ]
    if answer.status == 426 and not any(name.lower() == "upgrade" for name in answer.headers):
        # RFC 9110 section 15.5.22: an answer with 426 must say what to upgrade to.
        headers.append(("Upgrade", "websocket"))
    response = h11.Response(status_code=answer.status, headers=headers, reason=_phrase(answer.status))
    data = exchange.send(response) or b""
    if method != "HEAD":
        data += exchange.send(h11.Data(data=answer.body)) or b""
    data += exchange.send(h11.EndOfMessage()) or b""
    await stream.send_all(data)


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


async def linger(stream: trio.abc.Stream, within: float) -> None:
    """Say that nothing more comes, and read what the peer still sends, so that it reads our last words.

    Closing TCP over unread bytes resets the connection, and a reset takes back what the peer has not read yet
    (RFC 9112 section 9.6).
    """
    with trio.move_on_after(within), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        if isinstance(stream, trio.SSLStream):
            with suppress(trio.BrokenResourceError):
                # Says goodbye in TLS first (RFC 8446 section 6.1); what the peer still sends breaks this, and may.
                await stream.unwrap()
            stream = stream.transport_stream
        if isinstance(stream, trio.abc.HalfCloseableStream):
            await stream.send_eof()
        while await stream.receive_some(_CHUNK):
            pass
