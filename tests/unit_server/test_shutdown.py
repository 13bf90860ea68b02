"""Shutdown: every peer is told, new ones are refused, and it ends in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.unit_server.kit import (
    ADDRESS,
    ROOM,
    SECRET,
    UPGRADE,
    Client,
    Journal,
    answer_of,
    clients,
    connect,
    memory_server,
    read_all,
    read_answer,
    request,
    socket_server,
)

pytestmark = pytest.mark.trio


async def test_everybody_is_closed_with_1001_and_the_server_waits_for_them(autojump_clock: MockClock) -> None:
    """Authenticated or not, each gets the close; with everybody gone the server is through at once."""
    journal = Journal()
    async with memory_server(journal=journal) as server, clients(server) as nursery:
        ana, ben = await connect(server, nursery), await connect(server, nursery)
        await ana.authenticate()
        await server.shutdown(5)
        assert [await ana.closed(), await ben.closed()] == [(1001, None), (1001, None)]
        assert trio.current_time() < 1
        assert server.finished.is_set()

    assert journal.events("server.stopped")[0]["left"] == 0


async def test_what_was_said_before_is_sent_before_the_close(autojump_clock: MockClock) -> None:
    """A shutdown takes no message back."""
    async with memory_server() as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        await ana.authenticate()
        await ana.send("chat_message", content="in time")
        await trio.testing.wait_all_tasks_blocked()
        await server.shutdown(5)
        assert (await ana.receive())["payload"]["content"] == "in time"
        assert await ana.closed() == (1001, None)


async def test_a_peer_that_ignores_the_close_delays_it_to_the_deadline(autojump_clock: MockClock) -> None:
    """The drain has an end."""
    async with memory_server() as server, clients(server) as nursery:
        near, far = trio.testing.memory_stream_pair()
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        await near.send_all(request(ROOM, UPGRADE))
        await read_answer(near)
        await server.shutdown(1.5)

        assert trio.current_time() == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize("target", [ROOM, "/nowhere", "/healthz", "/metrics"])
async def test_requests_during_a_shutdown_are_refused_before_all_else(target: str, autojump_clock: MockClock) -> None:
    """While others are drained, whoever asks gets 503 `SHUTTING_DOWN`, whatever they ask for."""
    async with memory_server() as server, clients(server) as nursery:
        near, far = trio.testing.memory_stream_pair()
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        await near.send_all(request(ROOM, UPGRADE))
        await read_answer(near)
        nursery.start_soon(server.shutdown, 5)
        await trio.testing.wait_all_tasks_blocked()
        late, far = trio.testing.memory_stream_pair()
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        await late.send_all(request(target, UPGRADE))
        status, _, body = answer_of(await read_all(late))

    assert (status, json.loads(body)) == (503, {"code": "SHUTTING_DOWN"})


async def test_listeners_close_when_the_server_is_through() -> None:
    """Behind a shutdown nobody listens any more."""
    async with socket_server() as server:
        [port] = server.ports
        await server.shutdown(1)
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream("127.0.0.1", port)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_ends_in_order_on_a_signal(sent: signal.Signals) -> None:
    """`handfast serve` tells where it listens, and on a signal closes with 1001 and exits with 0."""
    command = [sys.executable, "-c", "import sys; from spec.cli import main; sys.exit(main())"]
    process = await trio.lowlevel.open_process(
        [*command, "serve", "chat", "--port", "0", "--secret", "env:CHAT_SECRET", "--log", "json"],
        env={**os.environ, "CHAT_SECRET": SECRET},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with trio.fail_after(60):
        line = bytes(await process.stdout.receive_some()).decode()
        assert line.startswith("listening on ws://127.0.0.1:")
        async with trio.open_nursery() as nursery:
            ana = await _over_tcp(nursery, int(line.rpartition(":")[2]))
            process.send_signal(sent)
            assert await ana.closed() == (1001, None)
            await ana.leave()
            assert await process.wait() == 0
        log = (await read_all(process.stderr)).decode()
        await process.stdout.aclose()

    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events[0] == "server.listening"
    assert events[-1] == "server.stopped"


async def _over_tcp(nursery: trio.Nursery, port: int) -> Client:
    from trio_websocket import connect_websocket

    connection = await connect_websocket(nursery, "127.0.0.1", port, ROOM, use_ssl=False, subprotocols=["chat.v2"])
    return Client(connection)
