"""Rooms under strain: who does not read is dropped, and nobody waits for them."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from reference_server.outbox import Goodbye, Outbox
from reference_server.settings import Settings
from tests.unit_server.kit import ADDRESS, ROOM, UPGRADE, Journal, clients, connect, memory_server, message, request

from tests.unit_server.kit import read_answer, text_frame, token  # isort: skip

pytestmark = pytest.mark.trio


async def test_a_peer_that_does_not_read_holds_up_nobody_and_is_dropped(autojump_clock: MockClock) -> None:
    """Others get every message in order at once; the deaf one goes when its bound is reached."""
    journal, bound = Journal(), 50
    settings = Settings(outbox_messages=bound)
    async with memory_server(journal=journal, settings=settings) as server, clients(server) as nursery:
        ana, ben = await connect(server, nursery), await connect(server, nursery)
        await ana.authenticate("ana")
        await ben.authenticate("ben")
        # A stream without a buffer: what is not read is not sent.
        near, far = trio.testing.lockstep_stream_pair()
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        await near.send_all(request(ROOM, UPGRADE))
        await read_answer(near)
        await near.send_all(text_frame(message("auth", token=token("deaf"))))
        await trio.testing.wait_all_tasks_blocked()
        assert len(server) == 3
        for number in range(bound + 10):
            await ana.send("chat_message", content=str(number))
            assert (await ana.receive())["payload"]["content"] == str(number)
        heard = [(await ben.receive())["payload"]["content"] for _ in range(bound + 10)]
        await trio.testing.wait_all_tasks_blocked()
        metrics = server.metrics.text()

        assert heard == [str(number) for number in range(bound + 10)]
        assert len(server) == 2
        assert trio.current_time() < 5
    assert len(journal.events("connection.overflowed")) == 1
    assert b'handfast_closes_total{by="server",code="1006"} 1.0' in metrics


async def test_a_close_is_not_held_up_by_a_peer_that_does_not_read(autojump_clock: MockClock) -> None:
    """Messages and a close that nobody reads are given up after the patience of the server."""
    async with memory_server(auth_deadline="1s") as server, clients(server) as nursery:
        near, far = trio.testing.lockstep_stream_pair()
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        await near.send_all(request(ROOM, UPGRADE))
        await read_answer(near)
        await trio.sleep(1 + server.settings.close_within + server.settings.linger + 1)

        assert len(server) == 0


async def test_a_burst_in_a_full_room_reaches_everybody(autojump_clock: MockClock) -> None:
    """Many members who all speak at once are all heard by all, each in its own order."""
    members, each = 25, 20
    async with memory_server(auth_rate="1000/60s") as server, clients(server) as nursery:
        room = [await connect(server, nursery) for _ in range(members)]
        for number, member in enumerate(room):
            await member.authenticate(f"member-{number}")
        for turn in range(each):
            for member in room:
                await member.send("chat_message", content=str(turn))
        for member in room:
            heard: dict[str, list[int]] = {}
            for _ in range(members * each):
                payload = (await member.receive())["payload"]
                heard.setdefault(payload["user_id"], []).append(int(payload["content"]))
            assert heard == {f"member-{number}": list(range(each)) for number in range(members)}


async def test_an_outbox_gives_what_it_was_given_and_nothing_behind_the_close() -> None:
    """Messages come out together and in order, the close last, and later messages not at all."""
    outbox = Outbox(10, 1000, 3.0)
    assert outbox.put("a")
    assert outbox.put("b")
    outbox.close(1008, "WHY")
    outbox.close(1000, None)
    assert outbox.put("c")

    assert await outbox.take() == (["a", "b"], Goodbye(1008, "WHY"))


async def test_an_outbox_is_bounded_in_messages_and_in_size() -> None:
    """What is too much is refused once, and the connection's scope cancelled."""
    for outbox, fits in ((Outbox(2, 1000, 3.0), "x"), (Outbox(1000, 10, 3.0), "12345")):
        assert outbox.put(fits)
        assert outbox.put(fits)
        assert not outbox.put(fits)
        assert outbox.overflowed
        assert outbox.scope.cancel_called
        assert outbox.put(fits)


async def test_a_reason_is_cut_to_what_a_close_frame_holds() -> None:
    """At most 123 bytes, and no half character (RFC 6455 section 5.5)."""
    outbox = Outbox(2, 1000, 3.0)
    outbox.close(1008, "ä" * 100)

    assert outbox.goodbye == Goodbye(1008, "ä" * 61)
    assert len(json.dumps(outbox.goodbye.reason)) > 0
