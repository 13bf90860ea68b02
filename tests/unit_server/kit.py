"""What the tests of the server share: a deployment of chat, tokens for it, and clients on memory and on sockets."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

import spec
from reference_server.clock import Clock
from reference_server.logs import make_log
from reference_server.server import Server, open_server, serve
from reference_server.settings import Settings
from reference_server.site import Mount
from spec.compiling import compile_source, load
from spec.loading import read_text
from spec.model import Document
from spec.parameters import resolve
from spec.policies import policy_for
from spec.tokens import Policy, hmac_key

SECRET = "a secret of the tests, long enough for HS256"
NOW = 1_800_000_000.0
"""The wall time at which servers on a mock clock begin."""

ADDRESS = "192.0.2.7"
ROOM = "/v1/chat/soup"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = {
    "Host": "test",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}

_ids = itertools.count(1)
_CHAT = Path(spec.__file__).parent / "protocols" / "chat" / "v2.yaml"


@cache
def chat() -> Document:
    """The packaged document of chat."""
    return load("chat")


def edited(*changes: tuple[str, str]) -> Document:
    """Chat with parts of its text replaced; each part must stand in it exactly once."""
    text = _CHAT.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return compile_source(read_text(text, base=_CHAT.parent))


def policy(document: Document, values: Mapping[str, Any]) -> Policy:
    """A policy with the tests' shared secret."""
    return policy_for(document, values, [hmac_key(SECRET).verifier()])


def token(subject: str = "ana", *, now: float = NOW, life: float = 900.0, secret: str = SECRET, **claims: Any) -> str:
    """A token issued at `now`."""
    return jwt.encode({"sub": subject, "iat": now, "exp": now + life, **claims}, secret, "HS256")


def message(kind: str, **payload: Any) -> dict[str, Any]:
    """A message of a client with a fresh id."""
    return {"type": kind, "id": f"m{next(_ids)}", "timestamp": "2027-01-15T08:00:00Z", "payload": payload}


class Journal(io.StringIO):
    """A log in memory."""

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.getvalue().splitlines()]
        return [event for event in found if name is None or event["event"] == name]


@asynccontextmanager
async def memory_server(
    document: Document | None = None,
    settings: Settings | None = None,
    journal: Journal | None = None,
    **parameters: str,
) -> AsyncIterator[Server]:
    """A server without sockets, on the test's clock; its transports end with the block."""
    document = document or chat()
    values = resolve(document.parameters, parameters)
    async with open_server(
        Mount(document, values, policy(document, values)),
        settings=settings,
        clock=Clock(NOW),
        log=make_log("json", journal) if journal is not None else None,
    ) as server:
        yield server


@asynccontextmanager
async def socket_server(
    document: Document | None = None, settings: Settings | None = None, ssl_context: Any = None, **parameters: str
) -> AsyncIterator[Server]:
    """A server on a free port of the loopback."""
    document = document or chat()
    values = resolve(document.parameters, parameters)
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[Server]) -> None:
            await serve(
                Mount(document, values, policy(document, values)),
                ssl_context=ssl_context,
                settings=settings,
                task_status=task_status,
            )

        yield await nursery.start(run)
        nursery.cancel_scope.cancel()


# ------------------------------------------------------------------------------------------------ whole clients


class Client:
    """A client of trio-websocket that speaks JSON."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection

    async def send(self, kind: str, **payload: Any) -> str:
        """Send a message; gives back its id."""
        body = message(kind, **payload)
        await self.connection.send_message(json.dumps(body))
        return str(body["id"])

    async def receive(self) -> dict[str, Any]:
        body = json.loads(await self.connection.get_message())
        assert isinstance(body, dict)
        return body

    async def error(self) -> str:
        """The code of the error that comes next."""
        body = await self.receive()
        assert body["type"] == "error", body
        return str(body["payload"]["code"])

    async def closed(self) -> tuple[int, str | None]:
        """Wait for the close, before which nothing more comes."""
        with pytest.raises(ConnectionClosed) as closed:
            await self.connection.get_message()
        reason = closed.value.reason
        assert reason is not None
        return reason.code, reason.reason

    async def leave(self) -> None:
        """End the transport without a word; trio-websocket's client leaves it open even behind a close."""
        await self.connection._stream.aclose()

    async def authenticate(self, subject: str = "ana", **options: Any) -> dict[str, Any]:
        """Prove to be somebody; gives back the welcome."""
        asked = await self.send("auth", token=token(subject, **options))
        welcome = await self.receive()
        assert welcome["type"] == "recipe_update", welcome
        assert welcome["in_reply_to"] == asked
        return welcome


async def connect(
    server: Server,
    nursery: trio.Nursery,
    path: str = ROOM,
    offer: Iterable[str] = ("chat.v2",),
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> Client:
    """Connect over memory streams, which hold whatever is not read."""
    pair: tuple[Any, Any] = trio.testing.memory_stream_pair()
    near, far = pair
    nursery.start_soon(server.serve_stream, far, ADDRESS)
    connection = await wrap_client_stream(
        nursery, near, "test", path, subprotocols=list(offer), extra_headers=list(headers), message_queue_size=10_000
    )
    return Client(connection)


@asynccontextmanager
async def clients(server: Server) -> AsyncIterator[trio.Nursery]:
    """A nursery for clients and their transports, all of which end with the block."""
    async with trio.open_nursery() as nursery:
        yield nursery
        nursery.cancel_scope.cancel()


# -------------------------------------------------------------------------------------------------- raw clients


def request(target: str, headers: Mapping[str, str], method: str = "GET") -> bytes:
    """The bytes of a request's head."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    """Everything up to the end."""
    return b"".join([bytes(chunk) async for chunk in stream])


async def read_answer(stream: trio.abc.ReceiveStream) -> bytes:
    """An answer's head."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        byte = await stream.receive_some(1)
        assert byte, f"ended after {data!r}"
        data += byte
    return data


def answer_of(data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body of an answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(status.split()[1]), {name.lower(): value for name, value in headers.items()}, body


def frame(opcode: Opcode, payload: bytes, *, final: bool = True) -> bytes:
    """A client's frame, masked with zeros, whatever it holds."""
    size = len(payload)
    first = bytes([(0x80 if final else 0) | int(opcode)])
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return first + length + bytes(4) + payload


def text_frame(body: Mapping[str, Any]) -> bytes:
    return frame(Opcode.TEXT, json.dumps(body).encode())


def frames_of(data: bytes) -> list[tuple[Opcode, Any]]:
    """What a server's bytes say: opcode and payload; of a close its code and reason."""
    protocol = FrameProtocol(client=True, extensions=[])
    protocol.receive_bytes(data)
    return [(found.opcode, found.payload) for found in protocol.received_frames()]


def close_of(data: bytes) -> int:
    """The code of the close frame that ends a server's bytes."""
    opcode, payload = frames_of(data)[-1]
    assert opcode is Opcode.CLOSE
    return int(CloseReason(payload[0])) if payload[0] < 2000 else int(payload[0])
