"""What belongs to one of many, in graphql-transport-ws: exchanges written by hand, of correct servers and of others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spec.compiling import load
from spec.machine import Request, Text
from spec.machine.machine import Machine
from spec.parameters import resolve
from spec.tracker import Answer, Slack, Tracker
from tests.unit_spec.kit import ADDRESS, NOW, UPGRADE, Tokens

PROTOCOL = "graphql-transport-ws"
ONE, TWO = "query { hello }", "subscription { ticks }"
Said = tuple[str, dict[str, Any]]


def sent(kind: str, **members: Any) -> Said:
    return ">", {"type": kind, **members}


def came(kind: str, **members: Any) -> Said:
    return "<", {"type": kind, **members}


def closed(code: int) -> Said:
    return "x", {"code": code}


def ask(name: str, query: str = TWO) -> Said:
    return sent("subscribe", id=name, payload={"query": query})


def result(name: str) -> Said:
    return came("next", id=name, payload={"data": {}})


END, PING, PONG = sent("complete", id="a"), sent("ping"), came("pong")


def rules(*exchange: Said) -> list[str]:
    """The first rules of what is found in an exchange of an initialised client, a millisecond from one to the next."""
    document = load(PROTOCOL)
    values = resolve(document.parameters, {})
    tracker = Tracker(Machine(document, values, Tokens(0.0)), Slack())
    offer = ("Sec-WebSocket-Protocol", PROTOCOL)
    tracker.opened("ana", Request("GET", "/graphql", (*UPGRADE, offer), ADDRESS), NOW)
    tracker.answered("ana", Answer(101, (offer,)), NOW)
    at = NOW
    for way, body in (sent("connection_init"), came("connection_ack"), *exchange):
        at += 0.001
        written = json.dumps(body)
        if way == ">":
            tracker.sent("ana", Text(written, len(written)), at)
        elif way == "<":
            tracker.received("ana", written, at)
        else:
            tracker.closed("ana", body["code"], "", at)
    tracker.advance(at + 10)
    return [finding.rules[0] for finding in tracker.findings]


@pytest.mark.parametrize(
    "exchange",
    [
        pytest.param((ask("a"), result("a"), result("a"), result("a")), id="as-many-as-there-are"),
        pytest.param(
            (ask("a"), result("a"), came("complete", id="a"), ask("a"), result("a")), id="ended-and-used-again"
        ),
        pytest.param(
            (
                ask("a", ONE),
                ask("b", ONE),
                result("b"),
                result("a"),
                came("complete", id="a"),
                came("complete", id="b"),
            ),
            id="in-any-order-with-others",
        ),
        pytest.param((ask("a"), result("a"), END, result("a"), PING, PONG), id="under-way-when-it-ended"),
        pytest.param((ask("a"), END, PING, PONG), id="called-off-before-the-first"),
        pytest.param((ask("a", ONE), END, PING, PONG), id="called-off"),
        pytest.param((ask("a", ONE), END, result("a"), came("complete", id="a"), PING, PONG), id="called-off-too-late"),
        pytest.param((ask("a"), result("a"), ask("a"), result("a"), closed(4409)), id="under-way-at-the-close"),
        pytest.param((ask("a", "{ other }"), came("error", id="a", payload=[{"message": "no"}])), id="unknown-refused"),
        pytest.param((ask("a", "{ other }"), sent("connection_init"), closed(4400)), id="unknown-closed"),
        pytest.param((ask("a", "{ other }"), sent("connection_init"), closed(4429)), id="unknown-and-then-closed"),
    ],
)
def test_what_a_server_may_do(exchange: tuple[Said, ...]) -> None:
    """Nothing is found."""
    assert rules(*exchange) == []


@pytest.mark.parametrize(
    ("exchange", "rule"),
    [
        pytest.param((ask("a"),), "GTWS-OP-2", id="no-first-result"),
        pytest.param((ask("a", ONE), came("complete", id="a")), "GTWS-OP-1", id="out-of-its-own-order"),
        pytest.param((ask("a"), result("a"), result("b")), "GTWS-OP-6", id="of-what-never-was"),
        pytest.param((ask("a"), result("a"), END, PING, PONG, result("a")), "GTWS-OP-6", id="behind-the-end"),
        pytest.param((ask("a", ONE), END, PING, PONG, result("a")), "GTWS-OP-6", id="behind-what-was-called-off"),
        pytest.param(
            (ask("a"), result("a"), came("complete", id="a"), result("a")), "GTWS-OP-6", id="behind-its-own-end"
        ),
        pytest.param((ask("a"), result("a"), ask("a"), PING, PONG), "GTWS-OP-4", id="name-twice"),
        pytest.param((ask("a"), result("a"), sent("connection_init"), closed(4400)), "GTWS-INIT-3", id="another-code"),
    ],
)
def test_what_a_server_may_not_do(exchange: tuple[Said, ...], rule: str) -> None:
    """It is found, and blamed on its rule first."""
    assert rules(*exchange)[:1] == [rule]
