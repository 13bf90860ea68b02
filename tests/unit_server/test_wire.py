"""What goes over the wire below messages: closes, broken frames, sizes, and ends without a word."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock
from wsproto.frame_protocol import Opcode

from reference_server.server import Server
from tests.unit_server.kit import (
    ADDRESS,
    ROOM,
    UPGRADE,
    answer_of,
    clients,
    close_of,
    connect,
    frame,
    frames_of,
    memory_server,
    message,
    read_all,
    read_answer,
    request,
    text_frame,
    token,
)

pytestmark = pytest.mark.trio

Stream = Any


async def opened(server: Server, nursery: trio.Nursery, early: bytes = b"") -> Stream:
    """A raw connection behind its 101; `early` was sent with the request."""
    near, far = trio.testing.memory_stream_pair()
    nursery.start_soon(server.serve_stream, far, ADDRESS)
    await near.send_all(request(ROOM, UPGRADE) + early)
    status, headers, _ = answer_of(await read_answer(near))
    assert status == 101
    assert "sec-websocket-extensions" not in headers
    return near


async def exchange(sent: bytes) -> bytes:
    """What a server says to some bytes behind the upgrade, up to its end of the stream."""
    async with memory_server() as server, clients(server) as nursery:
        stream = await opened(server, nursery)
        await stream.send_all(sent)
        return await read_all(stream)


def auth() -> bytes:
    return text_frame(message("auth", token=token()))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(Opcode.BINARY, b"{}"), 1003),
        (frame(Opcode.TEXT, b"\xff\xfe"), 1007),
        (frame(Opcode.TEXT, b"\xc3", final=False) + frame(Opcode.CONTINUATION, b"("), 1007),
        (frame(Opcode.CONTINUATION, b"x"), 1002),
        (frame(Opcode.PING, b"x" * 126), 1002),
        (frame(Opcode.PING, b"x", final=False), 1002),
        (b"\xf1\x80\0\0\0\0", 1002),
        (b"\x81\x02{}", 1002),
        (frame(Opcode.CLOSE, b"\x03"), 1002),
        (frame(Opcode.CLOSE, b"\x03\xee"), 1002),
        (frame(Opcode.TEXT, b" " * 65_537), 1009),
        (frame(Opcode.BINARY, b" " * 65_537), 1009),
        (frame(Opcode.TEXT, "ä".encode() * 32_769), 1009),
        (frame(Opcode.TEXT, b" " * 40_000, final=False) + frame(Opcode.CONTINUATION, b" " * 40_000), 1009),
        (frame(Opcode.TEXT, b" " * 3_000_000), 1009),
    ],
)
async def test_what_cannot_be_read_is_closed_with_its_code(sent: bytes, code: int, autojump_clock: MockClock) -> None:
    """The close frame goes out, alone, and the server ends the stream behind it."""
    data = await exchange(sent)

    assert [opcode for opcode, _ in frames_of(data)] == [Opcode.CLOSE]
    assert close_of(data) == code


@pytest.mark.parametrize("size", [65_535, 65_536])
async def test_a_message_at_the_limit_is_read(size: int, autojump_clock: MockClock) -> None:
    """The limit is exceeded above it, not at it; sizes are bytes, in as many fragments as you like."""
    body = json.dumps(message("chat_message", content="x")).encode().ljust(size)
    parts = [frame(Opcode.CONTINUATION, body[at : at + 10_000], final=False) for at in range(10_000, size, 10_000)]
    sent = frame(Opcode.TEXT, body[:10_000], final=False) + b"".join(parts) + frame(Opcode.CONTINUATION, b"")
    found = frames_of(await exchange(sent))

    assert "AUTH_REQUIRED" in found[0][1]


async def test_broken_text_behind_good_messages_waits_its_turn(autojump_clock: MockClock) -> None:
    """What was readable is handled first, in order, even when it all comes in one piece."""
    said = text_frame(message("chat_message", content="last words"))
    found = frames_of(await exchange(auth() + said + frame(Opcode.TEXT, b"\xff")))

    assert [opcode for opcode, _ in found] == [Opcode.TEXT, Opcode.TEXT, Opcode.CLOSE]
    assert "last words" in found[1][1]
    assert found[2][1][0] == 1007


async def test_what_comes_behind_broken_text_keeps_nobody_from_the_close(autojump_clock: MockClock) -> None:
    """A peer that goes on sending while the server has yet to write is told all the same."""
    near, far = trio.testing.lockstep_stream_pair()
    async with memory_server() as server, clients(server) as nursery:
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        await near.send_all(request(ROOM, UPGRADE))
        await read_answer(near)
        await near.send_all(auth() + frame(Opcode.TEXT, b"\xff"))
        await near.send_all(text_frame(message("chat_message", content="too late")))
        found = frames_of(await read_all(near))

    assert [opcode for opcode, _ in found] == [Opcode.TEXT, Opcode.CLOSE]
    assert found[1][1][0] == 1007


@pytest.mark.parametrize(
    ("payload", "answer"),
    [(b"\x03\xe8bye", 1000), (b"\x0f\xa1", 4001), (b"\x03\xf0" + b"x" * 123, 1008), (b"", 1005)],
)
async def test_a_close_is_answered_with_its_code(payload: bytes, answer: int, autojump_clock: MockClock) -> None:
    """The peer's own code comes back, and nothing else."""
    found = frames_of(await exchange(frame(Opcode.CLOSE, payload)))

    assert [(opcode, int(content[0])) for opcode, content in found] == [(Opcode.CLOSE, answer)]


async def test_messages_before_a_close_are_handled(autojump_clock: MockClock) -> None:
    """What was said before leaving still reaches the room."""
    async with memory_server() as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        await ana.authenticate("ana")
        stream = await opened(server, nursery)
        said = text_frame(message("chat_message", content="bye all"))
        joined = text_frame(message("auth", token=token("ben")))
        await stream.send_all(joined + said + frame(Opcode.CLOSE, b"\x03\xe8"))
        assert (await ana.receive())["payload"] == {"content": "bye all", "user_id": "ben"}


async def test_bytes_sent_before_the_101_are_not_lost(autojump_clock: MockClock) -> None:
    """A hasty client's first message counts."""
    async with memory_server() as server, clients(server) as nursery:
        stream = await opened(server, nursery, early=auth() + frame(Opcode.CLOSE, b""))
        found = frames_of(await read_all(stream))

    assert found[-1][0] is Opcode.CLOSE


async def test_pings_and_messages_during_a_close_do_no_harm(autojump_clock: MockClock) -> None:
    """A peer that talks on until it reads the close still reads it, and its answer is taken."""
    async with memory_server(auth_deadline="1s") as server, clients(server) as nursery:
        stream = await opened(server, nursery)
        await stream.send_all(frame(Opcode.TEXT, b"no JSON") + frame(Opcode.PING, b"1"))
        await trio.testing.wait_all_tasks_blocked()
        await stream.send_all(frame(Opcode.PING, b"2") + frame(Opcode.TEXT, b"x" * 3_000_000))
        await trio.testing.wait_all_tasks_blocked()
        before = trio.current_time()
        await stream.send_all(frame(Opcode.CLOSE, b"\x03\xf0"))
        found = frames_of(await read_all(stream))

    assert [opcode for opcode, _ in found if opcode is not Opcode.PONG] == [Opcode.TEXT, Opcode.CLOSE]
    assert trio.current_time() == before


async def test_a_peer_that_never_answers_a_close_is_dropped(autojump_clock: MockClock) -> None:
    """It keeps its transport for the few seconds that the server waits."""
    async with memory_server() as server, clients(server) as nursery:
        stream = await opened(server, nursery)
        await stream.send_all(frame(Opcode.BINARY, b""))
        started = trio.current_time()
        await read_all(stream)
        assert trio.current_time() - started == pytest.approx(server.settings.close_within, abs=0.1)
        await trio.testing.wait_all_tasks_blocked()
        assert len(server) == 0


async def test_a_half_closed_stream_has_ended(autojump_clock: MockClock) -> None:
    """A FIN without a close frame ends the membership, and the transport with it."""
    async with memory_server() as server, clients(server) as nursery:
        stream = await opened(server, nursery)
        await stream.send_all(auth())
        await trio.testing.wait_all_tasks_blocked()
        await stream.send_eof()
        data = await read_all(stream)
        await trio.testing.wait_all_tasks_blocked()

        assert [opcode for opcode, _ in frames_of(data)] == [Opcode.TEXT]
        assert len(server) == 0
        assert b'handfast_closes_total{by="client",code="1006"} 1.0' in server.metrics.text()


async def test_pings_are_answered_while_messages_wait(autojump_clock: MockClock) -> None:
    """Every ping has its pong, in order."""
    async with memory_server() as server, clients(server) as nursery:
        stream = await opened(server, nursery)
        await stream.send_all(b"".join(frame(Opcode.PING, str(number).encode()) for number in range(100)))
        await trio.testing.wait_all_tasks_blocked()
        await stream.send_all(frame(Opcode.CLOSE, b""))
        found = frames_of(await read_all(stream))

    assert [bytes(content) for opcode, content in found if opcode is Opcode.PONG] == [
        str(number).encode() for number in range(100)
    ]


async def test_empty_fragments_do_not_add_up(autojump_clock: MockClock) -> None:
    """An unfinished message of nothing is held to the deadline."""
    sent = frame(Opcode.TEXT, b"", final=False) + frame(Opcode.CONTINUATION, b"", final=False) * 5000
    found = frames_of(await exchange(sent))

    assert "AUTH_TIMEOUT" in found[0][1]
