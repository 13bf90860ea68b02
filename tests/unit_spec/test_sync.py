"""What the document of sync makes of logs, grace, chosen values and races, in virtual time."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from spec.compiling import load
from spec.machine import Closing, Emission, Engine, Upgrade
from spec.machine.logs import Logs
from spec.machine.machine import Machine
from spec.parameters import resolve
from spec.tracker import Tracker
from spec.tracker.answers import Answer
from tests.unit_spec.kit import NOW, Judged, request, text

_PARAMETERS = resolve(load("sync").parameters, {"grace": "10s"})


def judged(token: str | None, now: float) -> Judged:
    """A token says its subject and the end of its life; ten seconds more are grace."""
    if token is None:
        return Judged("absent", {})
    subject, left = token.split(":")
    expires = NOW + float(left)
    verdict = "valid" if now < expires else "in_grace" if now < expires + 10 else "expired"
    return Judged(verdict, {"sub": subject, "exp": expires})


def opening() -> Any:
    """The request for an upgrade."""
    return request(None, target="/sync")


def push(number: str, *items: str) -> Any:
    """A push of events, by their ids."""
    events = [{"id": i, "name": "n", "args": i, "localTimestamp": "2026-01-01T00:00:00Z"} for i in items]
    return {"type": "push", "id": number, "events": events}


class Peer:
    """An engine that clients talk to, and a tracker that hears all of it; its ids are distinct, or all the same."""

    def __init__(self, *, distinct: bool = True) -> None:
        ids = itertools.count() if distinct else itertools.repeat(0)
        self.engine = Engine(
            load("sync"),
            _PARAMETERS,
            judged,
            choose=lambda what, now: "2027-01-15T08:00:00Z" if what.kind == "time" else f"c{next(ids)}",
        )
        self.tracker = Tracker(Machine(load("sync"), _PARAMETERS, judged))
        self.numbers: dict[str, int] = {}

    def join(self, client: str, instance: str = "a", left: float = 900.0) -> list[Any]:
        """A client opens a connection and initializes it."""
        answer = self.engine.open(opening(), NOW)
        assert isinstance(answer, Upgrade)
        self.numbers[client] = answer.connection
        self.tracker.opened(client, opening(), NOW)
        self.tracker.answered(client, Answer(101, ()), NOW)
        return self.say(client, {"type": "init", "instanceId": instance, "authToken": f"{client}:{left}"})

    def send(self, client: str, body: Any) -> None:
        """A client sends a message; nothing has come of it yet."""
        self.tracker.sent(client, text(body), NOW)

    def handle(self, client: str, body: Any) -> list[Any]:
        """The peer handles a message, and what comes of it is heard."""
        outputs = self.engine.receive(self.numbers[client], text(body), NOW)
        names = {number: name for name, number in self.numbers.items()}
        for output in outputs:
            if isinstance(output, Emission):
                self.tracker.received(names[output.connection], json.dumps(filled(output.body)), NOW)
            else:
                self.tracker.closed(names[output.connection], output.code, output.reason or "", NOW)
        return outputs

    def say(self, client: str, body: Any) -> list[Any]:
        """A client sends a message that the peer handles at once."""
        self.send(client, body)
        return self.handle(client, body)

    @property
    def told(self) -> list[str]:
        return [finding.text for finding in self.tracker.findings]


def filled(value: Any) -> Any:
    """A body as it goes out."""
    if isinstance(value, dict):
        kept = {name: filled(member) for name, member in value.items()}
        return {name: member for name, member in kept.items() if member is not None}
    if isinstance(value, list):
        return [filled(member) for member in value]
    if type(value).__name__ == "Chosen":
        return "2027-01-15T08:00:00Z" if value.kind == "time" else value.sample
    return None if type(value).__name__ == "Absent" else value


@pytest.fixture
def peer() -> Peer:
    """A peer with two members of one instance."""
    found = Peer()
    found.join("ana")
    found.join("ben")
    return found


def test_events_are_numbered_and_kept_once(peer: Peer) -> None:
    """An id that is stored is acknowledged again, and told nobody; the first content stands."""
    peer.say("ana", push("p1", "one", "two"))
    again = peer.say("ben", push("p2", "two", "three", "three"))

    assert [output.message for output in again] == ["pushed", "event"]
    assert again[0].body["accepted"] == ["two", "three", "three"]
    assert (again[0].body["head"], again[1].body["seq"]) == (3, 3)
    assert peer.told == []


def test_any_order_of_a_race_is_one_that_the_peer_may_take(peer: Peer) -> None:
    """Two push at once, and the peer handles the later one first."""
    peer.send("ana", push("p1", "one"))
    peer.send("ben", push("p2", "two"))
    peer.handle("ben", push("p2", "two"))
    peer.handle("ana", push("p1", "one"))

    assert peer.told == []


def test_one_number_for_two_events_is_found(peer: Peer) -> None:
    """No order gives the second of two pushes the number of the first."""
    peer.send("ana", push("p1", "one"))
    peer.send("ben", push("p2", "two"))
    for client, number, item in (("ana", "p1", "one"), ("ben", "p2", "two")):
        said = {"type": "pushed", "id": number, "accepted": [item], "head": 1}
        peer.tracker.received(client, json.dumps(said), NOW)

    assert any("head is 1, expected 2" in told for told in peer.told)


def test_a_token_in_grace_is_told_so_and_ends() -> None:
    """The warning says when, and at that moment the connection is closed."""
    peer = Peer()
    [accepted] = peer.join("ana", left=-3.0)
    assert accepted.body["warning"]["code"] == "TOKEN_IN_GRACE"
    assert accepted.body["warning"]["graceEndsAt"].seconds == NOW + 7
    error, closing = peer.engine.tick(NOW + 7)

    assert isinstance(error, Emission)
    assert error.body["code"] == "TOKEN_EXPIRED"
    assert isinstance(closing, Closing)
    assert closing.code == 1008
    assert peer.told == []


def test_an_id_that_another_connection_had_is_found() -> None:
    """`unique: forever` is of all connections of a peer."""
    peer = Peer(distinct=False)
    peer.join("ana")
    peer.join("ben")

    assert any("was used before" in told for told in peer.told)


def test_logout_puts_out_all_of_a_user_and_nobody_else(peer: Peer) -> None:
    """On other instances too; its id stands in the sender's copy alone."""
    peer.numbers["ann"] = 0
    second = peer.engine.open(opening(), NOW)
    assert isinstance(second, Upgrade)
    init = {"type": "init", "instanceId": "b", "authToken": "ana:900"}
    peer.engine.receive(second.connection, text(init), NOW)
    outputs = peer.engine.receive(peer.numbers["ana"], text({"type": "logout", "id": "x"}), NOW)
    errors = {o.connection: o.body.get("id") for o in outputs if isinstance(o, Emission)}

    assert errors == {peer.numbers["ana"]: "x", second.connection: None}


def test_a_page_holds_what_fits() -> None:
    """One entry at least, and more is said to follow."""
    logs = Logs(page_bytes=30)
    logs.append(("events", "a"), [(str(n), {"text": "x" * 20}) for n in range(3)])
    page = logs.read(("events", "a"), 0, 10)

    assert ([entry.number for entry in page.entries], page.more) == ([1], True)
    assert not logs.read(("events", "a"), 2, 10).more


def test_copies_of_logs_go_their_own_ways() -> None:
    """The first to append goes on with the list that they share."""
    logs = Logs()
    logs.append(("events", "a"), [("one", {})])
    copy = logs.copy()
    logs.append(("events", "a"), [("two", {})])
    copy.append(("events", "a"), [("three", {}), ("two", {})])

    assert [entry.identity for entry in logs.read(("events", "a"), 0, 9).entries] == ["one", "two"]
    assert [entry.identity for entry in copy.read(("events", "a"), 0, 9).entries] == ["one", "three", "two"]
