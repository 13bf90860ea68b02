"""What is not upgraded, over real sockets: statuses, bodies, and nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from reference_server.server import Server
from reference_server.settings import Settings
from tests.unit_server.kit import (
    ADDRESS,
    ROOM,
    UPGRADE,
    Journal,
    answer_of,
    clients,
    connect,
    memory_server,
    read_all,
    read_answer,
    request,
    socket_server,
    token,
)

pytestmark = pytest.mark.trio

Answer = tuple[int, dict[str, str], bytes]


async def ask(server: Server, head: bytes) -> Answer:
    """One request over TCP, and its answer up to the server's end of the stream."""
    async with await trio.open_tcp_stream("127.0.0.1", server.ports[0]) as stream:
        await stream.send_all(head)
        with trio.fail_after(30):
            return answer_of(await read_all(stream))


def code_of(answer: Answer) -> str:
    """The code of a refusal, whose form is checked on the way."""
    _, headers, body = answer
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(body))
    assert headers["connection"] == "close"
    return str(json.loads(body)["code"])


def without(*names: str, **others: str) -> dict[str, str]:
    """The headers of an upgrade, less some, and with others."""
    return {name: value for name, value in UPGRADE.items() if name not in names} | others


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        ("/", UPGRADE, 404, "NOT_FOUND"),
        ("/v1/chat/", UPGRADE, 404, "NOT_FOUND"),
        ("/v1/chat/soup/more", {"Host": "test"}, 404, "NOT_FOUND"),
        (ROOM, {"Host": "test"}, 426, "UPGRADE_REQUIRED"),
        (ROOM, without(Upgrade="h2c"), 426, "UPGRADE_REQUIRED"),
        (ROOM, without("Connection"), 426, "UPGRADE_REQUIRED"),
        (ROOM, without(Origin="https://evil.example"), 403, "ORIGIN_FORBIDDEN"),
        (ROOM, {"Sec-WebSocket-Protocol": "chat.v9", **UPGRADE}, 400, "VERSION_UNSUPPORTED"),
        (ROOM, {"Sec-WebSocket-Protocol": "chat.v1", **UPGRADE}, 401, "AUTH_REQUIRED"),
        (f"{ROOM}?token=a&token=b", {"Sec-WebSocket-Protocol": "chat.v1", **UPGRADE}, 400, "CREDENTIAL_AMBIGUOUS"),
        (f"{ROOM}?token=a.b.c", {"Sec-WebSocket-Protocol": "chat.v1", **UPGRADE}, 401, "TOKEN_INVALID"),
        (ROOM, without("Sec-WebSocket-Key"), 400, "BAD_HANDSHAKE"),
        (ROOM, without(**{"Sec-WebSocket-Key": "short"}), 400, "BAD_HANDSHAKE"),
        (ROOM, without(**{"Sec-WebSocket-Version": "8"}), 426, "WEBSOCKET_VERSION"),
        (ROOM, without(**{"Content-Length": "5"}), 400, "BAD_HANDSHAKE"),
        # The document's table comes before what RFC 6455 refuses.
        ("/", without("Sec-WebSocket-Key"), 404, "NOT_FOUND"),
        (ROOM, without("Sec-WebSocket-Key", Origin="https://evil.example"), 403, "ORIGIN_FORBIDDEN"),
    ],
)
async def test_refusals(target: str, headers: Mapping[str, str], status: int, code: str) -> None:
    """Each refusal has its status and a JSON body that names its code, and opens no connection."""
    async with socket_server(rollout="dual", origins="https://app.example") as server:
        answer = await ask(server, request(target, headers))

        assert (answer[0], code_of(answer)) == (status, code)
        assert len(server) == 0
        assert f'handfast_refusals_total{{code="{code}"}}'.encode() in server.metrics.text()


async def test_challenges_and_announcements_are_sent() -> None:
    """A 401 has its challenge, the wrong version its right one, and version 1 its dates."""
    async with socket_server(rollout="dual") as server:
        _, refused, _ = await ask(server, request(ROOM, {"Sec-WebSocket-Protocol": "chat.v1", **UPGRADE}))
        _, outdated, _ = await ask(server, request(ROOM, without(**{"Sec-WebSocket-Version": "8"})))
        _, _, body = await ask(server, request(ROOM, {"Sec-WebSocket-Protocol": "chat.v9", **UPGRADE}))
        _, plain, _ = await ask(server, request(ROOM, {"Host": "test"}))

    assert refused["www-authenticate"] == "Bearer"
    assert plain["upgrade"] == "websocket"
    assert refused["deprecation"].startswith("@")
    assert outdated["sec-websocket-version"] == "13"
    assert sorted(json.loads(body)["supported"]) == ["chat.v1", "chat.v2"]


@pytest.mark.parametrize("target", [ROOM, "/nowhere", "/metrics"])
async def test_a_head_request_is_answered_without_a_body(target: str) -> None:
    """The length is told, the body is not sent."""
    async with socket_server() as server:
        _, headers, body = await ask(server, request(target, {"Host": "test"}, method="HEAD"))

    assert body == b""
    assert int(headers["content-length"]) > 0


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"SECRET SECRET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: SECRET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nSECRET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: SECRET\r\n\r\n", 400),
        (b"GET /v1/chat/soup HTTP/1.1\r\nX: " + b"SECRET" * 10_000, 431),
        (b"\x16\x03\x01SECRET\r\n\r\n", 400),
    ],
)
async def test_what_is_no_http_is_refused_unquoted(head: bytes, status: int) -> None:
    """A malformed head gets its 400, a long one 431, and nobody reads in the answer what was sent."""
    async with socket_server() as server:
        answer = await ask(server, head)

    assert answer[0] == status
    assert code_of(answer) in {"BAD_REQUEST", "HEAD_TOO_LARGE"}
    assert b"SECRET" not in answer[2]


async def test_a_large_body_does_not_cost_the_answer() -> None:
    """A body is not read as far as it goes, and its sender still gets to know why."""
    async with socket_server() as server, await trio.open_tcp_stream("127.0.0.1", server.ports[0]) as stream:
        head = request(ROOM, {"Host": "test", "Content-Length": "1000000"}, method="POST")
        await stream.send_all(head + b"x" * 1_000_000)
        with trio.fail_after(30):
            answer = answer_of(await read_all(stream))

    assert (answer[0], code_of(answer)) == (426, "UPGRADE_REQUIRED")


async def test_a_target_in_absolute_form_is_taken() -> None:
    """Scheme and authority are not part of the path."""
    async with socket_server() as server, await trio.open_tcp_stream("127.0.0.1", server.ports[0]) as stream:
        await stream.send_all(request(f"HTTP://test:80{ROOM}", UPGRADE))
        assert answer_of(await read_answer(stream))[0] == 101


async def test_names_of_headers_and_tokens_have_no_case() -> None:
    """Upgrade and Connection are lists whose tokens are compared without regard to case."""
    headers = without("Upgrade", "Connection", UPGRADE="foo, WebSocket", connection="keep-alive, UPGRADE")
    async with socket_server() as server, await trio.open_tcp_stream("127.0.0.1", server.ports[0]) as stream:
        await stream.send_all(request(ROOM, headers))
        assert answer_of(await read_answer(stream))[0] == 101


async def test_health_and_metrics_are_told() -> None:
    """They are beside the protocol's paths, and nothing but reading is done with them."""
    async with socket_server() as server:
        status, headers, body = await ask(server, request("/healthz", {"Host": "test"}))
        assert (status, body) == (200, b"ok\n")
        await ask(server, request("/nowhere", {"Host": "test"}))
        status, headers, body = await ask(server, request("/metrics?x=1", {"Host": "test"}))
        assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert b'handfast_refusals_total{code="NOT_FOUND"} 1.0' in body
        assert (await ask(server, request("/healthz", {"Host": "test"}, method="DELETE")))[0] == 405


async def test_without_operations_their_paths_are_nothing_special() -> None:
    """Where they are served elsewhere, the document answers."""
    async with socket_server(settings=Settings(operations=False)) as server:
        assert (await ask(server, request("/healthz", {"Host": "test"})))[0] == 404


async def test_a_full_server_refuses_but_stays_observable(autojump_clock: MockClock) -> None:
    """The one too many gets 503; when somebody leaves, the next is let in."""
    async with memory_server(settings=Settings(max_connections=1)) as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        full = await _over_memory(server, nursery, request(ROOM, UPGRADE))
        assert (full[0], code_of(full)) == (503, "TOO_MANY_CONNECTIONS")
        assert (await _over_memory(server, nursery, request("/healthz", {"Host": "test"})))[0] == 200
        await ana.connection.aclose()
        await trio.testing.wait_all_tasks_blocked()
        await (await connect(server, nursery)).authenticate()


async def test_a_head_that_trickles_is_cut_off(autojump_clock: MockClock) -> None:
    """A head has its time as a whole, however steadily it comes."""
    async with memory_server() as server, clients(server) as nursery:
        near, far = trio.testing.memory_stream_pair()
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        nursery.start_soon(_trickle, near)
        status, _, body = answer_of(await read_all(near))

        assert (status, json.loads(body)["code"]) == (408, "REQUEST_TIMEOUT")
        assert server.settings.head_within <= trio.current_time() < server.settings.head_within + 5


async def test_a_peer_that_says_nothing_is_let_go_without_a_word(autojump_clock: MockClock) -> None:
    """Whoever sends no byte gets none."""
    async with memory_server() as server, clients(server) as nursery:
        near, far = trio.testing.memory_stream_pair()
        nursery.start_soon(server.serve_stream, far, ADDRESS)

        assert await read_all(near) == b""


async def test_a_fault_of_the_engine_is_answered(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong with a request is a 500 that says nothing of it, and the next is served."""

    def broken(*arguments: object) -> None:
        raise LookupError("SENSITIVE")

    journal = Journal()
    async with memory_server(journal=journal) as server, clients(server) as nursery:
        with monkeypatch.context() as patch:
            patch.setattr(server.hubs[0]._engine, "open", broken)
            answer = await _over_memory(server, nursery, request(ROOM, UPGRADE))
        await (await connect(server, nursery)).authenticate()

    assert (answer[0], code_of(answer)) == (500, "INTERNAL")
    assert "SENSITIVE" not in journal.getvalue()
    assert len(journal.events("opening.failed")) == 1


async def test_logs_tell_of_refusals_but_not_of_what_was_asked(autojump_clock: MockClock) -> None:
    """Status and code are logged; target, query and headers are not."""
    journal, bad = Journal(), token(secret="another secret of at least 32 bytes")
    head = request(f"{ROOM}?token={bad}", {"Sec-WebSocket-Protocol": "chat.v1", **UPGRADE})
    async with memory_server(journal=journal, rollout="dual") as server, clients(server) as nursery:
        await _over_memory(server, nursery, head)

    [event] = journal.events("connection.refused")
    assert (event["status"], event["code"], event["address"]) == (401, "TOKEN_INVALID", ADDRESS)
    assert not any(bad[at : at + 16] in journal.getvalue() for at in range(len(bad) - 15))
    assert "soup" not in journal.getvalue()


async def _over_memory(server: Server, nursery: trio.Nursery, head: bytes) -> Answer:
    near, far = trio.testing.memory_stream_pair()
    nursery.start_soon(server.serve_stream, far, ADDRESS)
    await near.send_all(head)
    return answer_of(await read_all(near))


async def _trickle(stream: trio.abc.SendStream) -> None:
    try:
        while True:
            await stream.send_all(b"G")
            await trio.sleep(1)
    except trio.BrokenResourceError:
        pass
