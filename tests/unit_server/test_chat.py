"""Conversations over memory streams on a mock clock: what is said, to whom, and when."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.unit_server.kit import Journal, clients, connect, memory_server, token

pytestmark = pytest.mark.trio


async def test_a_valid_auth_is_welcomed_and_heard_by_the_room(autojump_clock: MockClock) -> None:
    """Everybody in the room gets what is said once, and only the speaker's copy answers."""
    async with memory_server() as server, clients(server) as nursery:
        ana, ben = await connect(server, nursery), await connect(server, nursery)
        welcome = await ana.authenticate("ana")
        await ben.authenticate("ben")
        asked = await ana.send("chat_message", content="More salt? 🧂")
        own, other = await ana.receive(), await ben.receive()

    assert ana.connection.subprotocol == "chat.v2"
    assert welcome["payload"] == {"recipe_id": "soup", "revision": 0, "recipe": {}}
    assert own["payload"] == other["payload"] == {"content": "More salt? 🧂", "user_id": "ana"}
    assert (own.get("in_reply_to"), other.get("in_reply_to")) == (asked, None)
    assert own["timestamp"] == "2027-01-15T08:00:00.000Z"


async def test_ids_are_unique_and_hold_up_against_guessing(autojump_clock: MockClock) -> None:
    """No two messages share an id, and ids are long."""
    async with memory_server() as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        ids = [(await ana.authenticate())["id"]]
        for _ in range(50):
            await ana.send("chat_message", content="again")
            ids.append((await ana.receive())["id"])

    assert len(set(ids)) == len(ids)
    assert all(16 <= len(one) <= 128 for one in ids)


async def test_nothing_crosses_rooms(autojump_clock: MockClock) -> None:
    """A message stays in its recipe's room, and names with escapes are rooms of their own."""
    async with memory_server() as server, clients(server) as nursery:
        ana = await connect(server, nursery, "/v1/chat/soup")
        ben = await connect(server, nursery, "/v1/chat/s%2Foup")
        await ana.authenticate("ana")
        assert (await ben.authenticate("ben"))["payload"]["recipe_id"] == "s/oup"
        await ana.send("chat_message", content="here")
        await ana.receive()
        await ben.send("chat_message", content="there")
        assert (await ben.receive())["payload"]["content"] == "there"


async def test_silence_ends_at_the_deadline_and_not_before(autojump_clock: MockClock) -> None:
    """An unauthenticated connection is closed when its time is up; pings do not extend it."""
    async with memory_server(auth_deadline="5s") as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        opened = trio.current_time()
        await trio.sleep(4)
        await ana.connection.ping()
        assert await ana.error() == "AUTH_TIMEOUT"
        assert await ana.closed() == (1008, "AUTH_TIMEOUT")

        assert 5.0 <= trio.current_time() - opened < 5.1


async def test_deadlines_of_many_fire_in_their_order(autojump_clock: MockClock) -> None:
    """An earlier deadline that appears later is kept too."""
    async with memory_server(auth_deadline="5s", reauth_lead="60s") as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        await ana.authenticate(life=62)
        ben = await connect(server, nursery)
        started = trio.current_time()
        assert (await ana.receive())["type"] == "auth_required"
        assert trio.current_time() - started == pytest.approx(2, abs=0.01)
        assert await ben.error() == "AUTH_TIMEOUT"
        assert trio.current_time() - started == pytest.approx(5, abs=0.01)
        assert await ana.error() == "REAUTH_TIMEOUT"
        assert trio.current_time() - started == pytest.approx(62, abs=0.01)


async def test_a_token_with_less_than_the_lead_left_is_asked_for_behind_the_welcome(autojump_clock: MockClock) -> None:
    """The request for a new token follows the welcome at once, and only once."""
    async with memory_server(reauth_lead="60s") as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        await ana.authenticate(life=30)
        asked = await ana.receive()
        assert asked["type"] == "auth_required"
        assert asked["payload"]["expires_at"] == "2027-01-15T08:00:30.000Z"
        assert trio.current_time() < 1
        await ana.authenticate(life=900)
        await ana.send("chat_message", content="still here")
        assert (await ana.receive())["type"] == "chat_message"


async def test_refused_tokens_close_with_their_code(autojump_clock: MockClock) -> None:
    """The error comes first, the close says the same, and the token is quoted in neither."""
    async with memory_server() as server, clients(server) as nursery:
        for bad, code in [
            (token(secret="another secret of at least 32 bytes"), "TOKEN_INVALID"),
            (token(life=-1), "TOKEN_EXPIRED"),
        ]:
            eve = await connect(server, nursery)
            await eve.send("auth", token=bad)
            assert await eve.error() == code
            assert await eve.closed() == (1008, code)


async def test_who_left_is_no_member_any_more(autojump_clock: MockClock) -> None:
    """A close, and an end of the stream without one, both leave the room."""
    async with memory_server() as server, clients(server) as nursery:
        ana, ben, cem = [await connect(server, nursery) for _ in range(3)]
        for name, client in (("ana", ana), ("ben", ben), ("cem", cem)):
            await client.authenticate(name)
        await ben.connection.aclose(1000)
        await cem.leave()
        await trio.testing.wait_all_tasks_blocked()
        await ana.send("chat_message", content="alone?")
        await ana.receive()

        assert len(server) == 1
        assert b'handfast_messages_total{direction="out"} 4.0' in server.metrics.text()


async def test_version_1_is_let_in_counted_and_warned_of_once(autojump_clock: MockClock) -> None:
    """In `dual`, a version 1 request is answered with dates, welcomed first thing, and logged."""
    journal = Journal()
    async with memory_server(journal=journal, rollout="dual") as server, clients(server) as nursery:
        bearer = [(b"Authorization", b"bearer " + token("old").encode())]
        old = await connect(server, nursery, offer=["chat.v1"], headers=bearer)
        assert (await old.receive())["type"] == "recipe_update"
        answered = dict(old.connection.handshake_headers)
        await old.send("chat_message", content="hello")
        await old.receive()
        metrics = server.metrics.text()

    assert old.connection.subprotocol == "chat.v1"
    assert answered[b"deprecation"] == b"@1767225600"
    assert answered[b"sunset"] == b"Fri, 31 Dec 2027 00:00:00 GMT"
    assert len(journal.events("deprecated.version")) == 1
    assert b'handfast_deprecated_connections_total{version="v1"} 1.0' in metrics
    assert b'handfast_connections_opened_total{version="v1"} 1.0' in metrics


async def test_version_2_is_no_deprecated_version(autojump_clock: MockClock) -> None:
    """Nobody is warned of what is current."""
    journal = Journal()
    async with memory_server(journal=journal, rollout="dual") as server, clients(server) as nursery:
        await (await connect(server, nursery)).authenticate()

    assert journal.events("connection.opened")[0]["version"] == "v2"
    assert journal.events("deprecated.version") == []


async def test_no_timer_outlives_its_connection(autojump_clock: MockClock) -> None:
    """The deadline of one who left fires for nobody."""
    async with memory_server() as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        await ana.connection.aclose(1000)
        await trio.sleep(3600)

        assert len(server) == 0
        assert b"handfast_connections_open 0.0" in server.metrics.text()


async def test_timers_that_stopped_do_not_pile_up(autojump_clock: MockClock) -> None:
    """Tokens that live for years, replaced again and again, leave nothing behind."""
    async with memory_server() as server, clients(server) as nursery:
        ana = await connect(server, nursery)
        for turn in range(300):
            await ana.authenticate(life=1e9 + turn)

        assert len(server.hubs[0]._engine._queue) <= 128


async def test_a_fault_of_the_engine_ends_one_connection(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong with one message closes its connection with 1011; the log quotes nothing, others go on."""
    journal = Journal()
    async with memory_server(journal=journal) as server, clients(server) as nursery:
        ana, ben = await connect(server, nursery), await connect(server, nursery)
        await ana.authenticate("ana")

        def broken(*arguments: object) -> None:
            raise LookupError("SENSITIVE")

        with monkeypatch.context() as patch:
            patch.setattr(server.hubs[0]._engine, "receive", broken)
            await ben.send("auth", token="x")
            assert await ben.closed() == (1011, None)
        await ana.send("chat_message", content="and I?")
        assert (await ana.receive())["type"] == "chat_message"

    [event] = journal.events("connection.failed")
    assert event["error"] == "LookupError"
    assert "SENSITIVE" not in journal.getvalue()
