"""The document drives the server: what is edited in its text changes on the wire, and nowhere else."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.unit_server.kit import (
    ADDRESS,
    ROOM,
    UPGRADE,
    answer_of,
    clients,
    close_of,
    connect,
    edited,
    frame,
    memory_server,
    read_all,
    read_answer,
    request,
    token,
)

from wsproto.frame_protocol import Opcode  # isort: skip

pytestmark = pytest.mark.trio


async def test_a_close_code_is_the_documents(autojump_clock: MockClock) -> None:
    """Another code in the registry of errors is another code on the wire, without a reason that is due with 1008."""
    document = edited(("\n    AUTH_TIMEOUT: {close: 1008,", "\n    AUTH_TIMEOUT: {close: 4008,"))
    async with memory_server(document) as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        assert await ana.error() == "AUTH_TIMEOUT"
        assert await ana.closed() == (4008, None)


async def test_a_timers_length_is_the_documents(autojump_clock: MockClock) -> None:
    """Another default is another deadline."""
    document = edited(("default: 5s\n    min: 100ms", "default: 7s\n    min: 100ms"))
    async with memory_server(document) as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        started = trio.current_time()
        await ana.error()

        assert trio.current_time() - started == pytest.approx(7, abs=0.01)


async def test_an_effect_that_is_gone_does_not_happen(autojump_clock: MockClock) -> None:
    """Who does not join hears nothing, though welcomed."""
    joins = """              - {remember: accepted_auths}
              - {join: recipe}
"""
    document = edited((joins, "              - {remember: accepted_auths}\n"))
    async with memory_server(document) as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        await ana.authenticate()
        await ana.send("chat_message", content="anybody?")
        await ana.send("nonsense")
        assert await ana.error() == "MESSAGE_UNKNOWN_TYPE"


async def test_a_row_of_the_opening_table_decides(autojump_clock: MockClock) -> None:
    """Status and code of a refusal are the row's."""
    document = edited(
        ("refuse: {code: NOT_FOUND}", "refuse: {code: GONE_FOR_GOOD}"),
        ("\nrefusals:\n", "\nrefusals:\n  GONE_FOR_GOOD: 410\n"),
    )
    async with memory_server(document) as server, clients(server) as nursery:
        near, far = trio.testing.memory_stream_pair()
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        await near.send_all(request("/nowhere", UPGRADE))
        status, _, body = answer_of(await read_all(near))

    assert (status, json.loads(body)["code"]) == (410, "GONE_FOR_GOOD")


@pytest.mark.parametrize(
    ("old", "new", "sent", "code"),
    [
        ("oversize: [{do: [{close: 1009", "oversize: [{do: [{close: 4009", frame(Opcode.TEXT, b" " * 70_000), 4009),
        (
            "oversize: [{do: [{close: 1009",
            "oversize: [{do: [{close: 4009",
            frame(Opcode.TEXT, b" " * 3_000_000),
            4009,
        ),
        ("binary: [{do: [{close: 1003}", "binary: [{do: [{close: 4003}", frame(Opcode.BINARY, b""), 4003),
        ("not_utf8: [{do: [{close: 1007}", "not_utf8: [{do: [{close: 4007}", frame(Opcode.TEXT, b"\xff"), 4007),
        # Where a document lets broken text pass, nothing can be read behind it all the same.
        ("not_utf8: [{do: [{close: 1007}", "not_utf8: [{do: [", frame(Opcode.TEXT, b"\xff"), 1007),
    ],
)
async def test_closes_below_messages_are_the_documents_too(
    old: str, new: str, sent: bytes, code: int, autojump_clock: MockClock
) -> None:
    """Sizes and kinds of frames are inputs like others, also where the library would have its own answer."""
    async with memory_server(edited((old, new))) as server, clients(server) as nursery:
        near, far = trio.testing.memory_stream_pair()
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        await near.send_all(request(ROOM, UPGRADE))
        await read_answer(near)
        await near.send_all(sent)

        assert close_of(await read_all(near)) == code


async def test_the_code_of_a_shutdown_is_the_documents(autojump_clock: MockClock) -> None:
    """Even the last close frame is read from the document."""
    document = edited(("shutdown: {code: 1001,", "shutdown: {code: 1012,"))
    async with memory_server(document) as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        await server.shutdown(5)

        assert await ana.closed() == (1012, None)


async def test_what_a_failed_check_of_a_token_means_is_the_documents(autojump_clock: MockClock) -> None:
    """Another required claim refuses tokens without it."""
    document = edited(("required: [sub, exp, iat]", "required: [sub, exp, iat, jti]"))
    async with memory_server(document) as server, clients(server) as nursery:
        ana, ben = await connect(server, nursery), await connect(server, nursery)
        await ana.authenticate(jti="1")
        await ben.send("auth", token=token("ben"))

        assert await ben.error() == "TOKEN_INVALID"
