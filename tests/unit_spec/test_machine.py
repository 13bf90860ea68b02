"""The interpreter on chat, in virtual time; every expectation is computed by hand from the protocol's prose."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spec.machine import Binary, Closing, Emission, Engine, NotUTF8, Output, Refusal, Text, Upgrade
from spec.machine.world import World
from spec.parameters import resolve
from tests.unit_spec.kit import (
    EXPIRED,
    FORGED,
    NOW,
    ROOM,
    UPGRADE,
    Server,
    Tokens,
    after_closing,
    bearer,
    chat,
    message,
    request,
    text,
)

VALID = Tokens.of("ana")
ORIGIN = "https://app.example"

# 2026-01-01T00:00:00Z and 2027-12-31T00:00:00Z, the defaults, as RFC 9745 and RFC 8594 write them.
DATES = {"Deprecation": "@1767225600", "Sunset": "Fri, 31 Dec 2027 00:00:00 GMT"}
CHALLENGE = {"WWW-Authenticate": "Bearer"}

# ---------------------------------------------------------------------------------------------------- opening

Row = tuple[str, str | None, tuple[tuple[str, str], ...], str, str, Mapping[str, str]]

NONE: tuple[tuple[str, str], ...] = ()
ONE = (bearer(VALID),)

# Rollout, what is offered, headers, query -> "status word", and the headers that are set.
# The word is the error code or, for 101, the subprotocol and the state.
ROWS: list[Row] = [
    # Version 2 only: credentials are ignored, whatever they are.
    ("message", None, NONE, "", "101 none authenticating", {}),
    ("message", "chat.v2", NONE, "", "101 chat.v2 authenticating", {}),
    ("message", "chat.v1, chat.v2", NONE, "", "101 chat.v2 authenticating", {}),
    ("message", "other, chat.v2", NONE, "", "101 chat.v2 authenticating", {}),
    ("message", "chat.v1", NONE, "", "400 VERSION_UNSUPPORTED", {}),
    ("message", "chat.v1", ONE, "", "400 VERSION_UNSUPPORTED", {}),
    ("message", "other", NONE, "", "400 VERSION_UNSUPPORTED", {}),
    ("message", "CHAT.V2", NONE, "", "400 VERSION_UNSUPPORTED", {}),
    ("message", None, ONE, "", "101 none authenticating", {}),
    ("message", None, (bearer(FORGED),), f"token={FORGED}", "101 none authenticating", {}),
    ("message", "chat.v2", ONE, "", "101 chat.v2 authenticating", {}),
    ("message", "chat.v2", NONE, "token=", "101 chat.v2 authenticating", {}),
    ("message", "chat.v2", ONE, f"token={VALID}", "101 chat.v2 authenticating", {}),
    # Both versions: what offers nothing is version 1 only with a credential.
    ("dual", None, NONE, "", "101 none authenticating", {}),
    ("dual", None, (bearer(VALID, "Basic"),), "", "101 none authenticating", {}),
    ("dual", None, NONE, "tokens=x&other=token", "101 none authenticating", {}),
    ("dual", "chat.v2", NONE, "", "101 chat.v2 authenticating", {}),
    ("dual", "chat.v1, chat.v2", NONE, "", "101 chat.v2 authenticating", {}),
    ("dual", "chat.v2", ONE, "", "101 chat.v2 authenticating", {}),
    ("dual", "chat.v2", (bearer(FORGED),), "", "101 chat.v2 authenticating", {}),
    ("dual", "chat.v1, chat.v2", ONE, f"token={VALID}", "101 chat.v2 authenticating", {}),
    ("dual", "other", NONE, "", "400 VERSION_UNSUPPORTED", {}),
    ("dual", "other", ONE, "", "400 VERSION_UNSUPPORTED", {}),
    ("dual", "chat.v1", NONE, "", "401 AUTH_REQUIRED", {**CHALLENGE, **DATES}),
    ("dual", "chat.v1, other", NONE, "", "401 AUTH_REQUIRED", {**CHALLENGE, **DATES}),
    ("dual", "chat.v1", ONE, "", "101 chat.v1 connected.v1", DATES),
    ("dual", "chat.v1", NONE, f"token={VALID}", "101 chat.v1 connected.v1", DATES),
    ("dual", None, ONE, "", "101 none connected.v1", DATES),
    ("dual", None, (bearer(VALID, "bEARER"),), "", "101 none connected.v1", DATES),
    ("dual", None, NONE, f"token={VALID}", "101 none connected.v1", DATES),
    ("dual", None, (bearer(""),), "", "401 TOKEN_INVALID", {**CHALLENGE, **DATES}),
    ("dual", None, NONE, "token=", "401 TOKEN_INVALID", {**CHALLENGE, **DATES}),
    ("dual", "chat.v1", (bearer(FORGED),), "", "401 TOKEN_INVALID", {**CHALLENGE, **DATES}),
    ("dual", "chat.v1", (bearer(EXPIRED),), "", "401 TOKEN_EXPIRED", {**CHALLENGE, **DATES}),
    ("dual", "chat.v1", ONE, f"token={VALID}", "400 CREDENTIAL_AMBIGUOUS", DATES),
    ("dual", "chat.v1", (*ONE, *ONE), "", "400 CREDENTIAL_AMBIGUOUS", DATES),
    ("dual", None, (bearer(FORGED),), f"token={EXPIRED}", "400 CREDENTIAL_AMBIGUOUS", DATES),
    ("dual", None, NONE, "token=&token=", "400 CREDENTIAL_AMBIGUOUS", DATES),
    # Version 1 only; nothing is deprecated yet, since there is nothing to go to.
    ("legacy", None, NONE, "", "401 AUTH_REQUIRED", CHALLENGE),
    ("legacy", None, ONE, "", "101 none connected.v1", {}),
    ("legacy", "chat.v1", NONE, f"token={VALID}", "101 chat.v1 connected.v1", {}),
    ("legacy", "chat.v1", (bearer(EXPIRED),), "", "401 TOKEN_EXPIRED", CHALLENGE),
    ("legacy", "chat.v1", (bearer(FORGED),), "", "401 TOKEN_INVALID", CHALLENGE),
    ("legacy", "chat.v1", ONE, "token=", "400 CREDENTIAL_AMBIGUOUS", {}),
    ("legacy", "chat.v1, chat.v2", ONE, "", "101 chat.v1 connected.v1", {}),
    ("legacy", "chat.v2, chat.v1", NONE, "", "401 AUTH_REQUIRED", CHALLENGE),
    ("legacy", "chat.v1, other", ONE, "", "101 chat.v1 connected.v1", {}),
    ("legacy", "chat.v2", NONE, "", "400 VERSION_UNSUPPORTED", {}),
    ("legacy", "chat.v2", ONE, "", "400 VERSION_UNSUPPORTED", {}),
    ("legacy", "chat.v2", ONE, f"token={VALID}", "400 VERSION_UNSUPPORTED", {}),
    ("legacy", "other", ONE, "", "400 VERSION_UNSUPPORTED", {}),
]

SERVED = {"message": {"chat.v2"}, "dual": {"chat.v1", "chat.v2"}, "legacy": {"chat.v1"}}


def summed_up(server: Server, answer: Refusal | Upgrade) -> str:
    """An answer as the tables here write it."""
    if isinstance(answer, Refusal):
        return f"{answer.status} {answer.body['code']}"
    return f"101 {answer.subprotocol or 'none'} {server.state(answer.connection)}"


@pytest.mark.parametrize(("rollout", "offer", "headers", "query", "expected", "set_headers"), ROWS)
def test_the_opening_table(
    rollout: str,
    offer: str | None,
    headers: tuple[tuple[str, str], ...],
    query: str,
    expected: str,
    set_headers: Mapping[str, str],
) -> None:
    """Every kind of request is answered as the prose says, with its headers and no others."""
    server = Server.of(rollout=rollout)
    answer = server.answer(request(offer, *headers, target=f"{ROOM}?{query}" if query else ROOM))

    assert summed_up(server, answer) == expected
    assert dict(answer.headers) == set_headers
    if isinstance(answer, Refusal):
        served = {"supported": SERVED[rollout]} if "VERSION" in expected else {}
        assert {name: set(value) for name, value in answer.body.items() if name != "code"} == served
        assert server.engine.world.connections == {}


def test_the_opening_table_is_tried_in_every_answer_of_every_stage() -> None:
    """The table above is not thinner than the prose: each stage has its acceptances and each of its refusals."""
    seen = {(rollout, expected.partition(" ")[2]) for rollout, _, _, _, expected, _ in ROWS}
    version_1 = {"CREDENTIAL_AMBIGUOUS", "AUTH_REQUIRED", "TOKEN_INVALID", "TOKEN_EXPIRED"}
    wanted = {
        "message": {"VERSION_UNSUPPORTED", "none authenticating", "chat.v2 authenticating"},
        "dual": {
            *version_1,
            "VERSION_UNSUPPORTED",
            "none authenticating",
            "chat.v2 authenticating",
            "none connected.v1",
            "chat.v1 connected.v1",
        },
        "legacy": {*version_1, "VERSION_UNSUPPORTED", "none connected.v1", "chat.v1 connected.v1"},
    }

    assert seen == {(stage, word) for stage, stage_words in wanted.items() for word in stage_words}


@pytest.mark.parametrize("rollout", ["message", "dual", "legacy"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/chat/soup/", 404),
        ("/v1/chat/soup/more", 404),
        ("/v1/chat/", 404),
        ("/v1/chat", 404),
        ("/v1//soup", 404),
        ("/V1/chat/soup", 404),
        ("/v1/Chat/soup", 404),
        ("/v2/chat/soup", 404),
        ("/", 404),
        ("/v1/chat/%FF", 404),
        ("/v1/chat/soup", None),
        ("/v1/chat/Soup%20%C3%A9", None),
        ("/v1/chat/a%2Fb", None),
        ("/v1/ch%61t/soup", None),
    ],
)
def test_the_path_is_one_segment_that_is_not_empty(rollout: str, path: str, expected: int | None) -> None:
    """Any other path is refused before everything else, in every stage."""
    server = Server.of(rollout=rollout, origins=ORIGIN)
    asked = request("nonsense", ("Origin", "https://evil.example"), target=path, upgrade=() if expected else UPGRADE)
    answer = server.answer(asked)

    assert isinstance(answer, Refusal)
    assert (answer.status, answer.body["code"]) == ((404, "NOT_FOUND") if expected else (403, "ORIGIN_FORBIDDEN"))


def test_the_room_is_the_decoded_segment() -> None:
    """Percent-encoding is undone, an encoded slash belongs to the name, and letter case is kept."""
    server = Server.of()
    names = {"Soup%20%C3%A9": "Soup é", "a%2Fb": "a/b", "SOUP?x=1": "SOUP"}
    for segment, name in names.items():
        number = server.open(target=f"/v1/chat/{segment}")

        assert server.auth(number, Tokens.of(name.encode().hex())) == [f"recipe_update {name} →m{number}"]


@pytest.mark.parametrize("rollout", ["message", "dual", "legacy"])
def test_refusals_go_path_upgrade_origin_and_then_the_protocols_own(rollout: str) -> None:
    """A request with every fault at once gets them in that order as they are mended."""
    server = Server.of(rollout=rollout, origins=ORIGIN)
    evil, good = ("Origin", "https://evil.example"), ("Origin", ORIGIN)

    assert summed_up(server, server.answer(request("x", evil, target="/x", upgrade=()))) == "404 NOT_FOUND"
    assert summed_up(server, server.answer(request("x", evil, upgrade=()))) == "426 UPGRADE_REQUIRED"
    assert summed_up(server, server.answer(request("x", evil, method="POST"))) == "426 UPGRADE_REQUIRED"
    assert summed_up(server, server.answer(request("x", evil, upgrade=UPGRADE[:1]))) == "426 UPGRADE_REQUIRED"
    assert summed_up(server, server.answer(request("x", evil))) == "403 ORIGIN_FORBIDDEN"
    assert summed_up(server, server.answer(request("x", good))) == "400 VERSION_UNSUPPORTED"
    server.engine.stop()
    assert summed_up(server, server.answer(request("x", evil, target="/x"))) == "503 SHUTTING_DOWN"


@pytest.mark.parametrize(
    ("origins", "accepted"),
    [
        ([ORIGIN], True),
        ([], True),
        ([f"{ORIGIN}.evil.example"], False),
        ([f"{ORIGIN}/"], False),
        ([ORIGIN.upper()], False),
        (["null"], False),
        ([ORIGIN, "https://evil.example"], False),
    ],
)
def test_an_origin_is_exactly_one_of_those_allowed(origins: list[str], accepted: bool) -> None:
    """And a request without one is let in."""
    server = Server.of(origins=f"https://other.example,{ORIGIN}")
    answer = server.answer(request("chat.v2", *(("Origin", origin) for origin in origins)))

    assert isinstance(answer, Upgrade) is accepted


def test_a_version_1_connection_begins_with_the_recipe() -> None:
    """Accepted before the upgrade, it is a member at once, and `recipe_update` comes first, answering nothing."""
    server = Server.of(rollout="legacy")
    answer = server.answer(request("chat.v1", bearer(VALID)))

    assert isinstance(answer, Upgrade)
    [first] = answer.outputs
    assert isinstance(first, Emission)
    assert first.body["type"] == "recipe_update"
    assert first.body["payload"]["recipe_id"] == "soup"
    assert "in_reply_to" not in first.body
    assert server.send(answer.connection, "chat_message", {"content": "salt"}, "a") == ["chat_message salt →a"]


# ---------------------------------------------------------------------------------------------- authenticating


def closing(code: str, reply: str = "") -> list[str]:
    """An error that is followed by its close."""
    return [f"error {code}{reply}", f"close 1008 {code}"]


def test_a_valid_auth_is_answered_and_connects() -> None:
    """With `in_reply_to`, and the recipe of the path; nothing else comes at first."""
    server = Server.of()
    number = server.open()

    assert server.auth(number, VALID, "first") == ["recipe_update soup →first"]
    assert server.state(number) == "connected.v2.fresh"


LONGEST, TOO_LONG = "i" * 128, "i" * 129

# A first message -> what it is answered; every one of these ends the connection.
REFUSED_FIRST: dict[str, tuple[Any, list[str]]] = {
    "not JSON": ("{", closing("MESSAGE_INVALID")),
    "nothing": ("", closing("MESSAGE_INVALID")),
    "no object": ("[]", closing("MESSAGE_INVALID")),
    "null": ("null", closing("MESSAGE_INVALID")),
    "no type": (message("auth", {"token": VALID}, type=None), closing("MESSAGE_INVALID", " →m1")),
    "no id": (message("auth", {"token": VALID}, id=None), closing("MESSAGE_INVALID")),
    "empty id": (message("auth", {"token": VALID}, id=""), closing("MESSAGE_INVALID")),
    "id too long": (message("auth", {"token": VALID}, id=TOO_LONG), closing("MESSAGE_INVALID")),
    "id no string": (message("auth", {"token": VALID}, id=7), closing("MESSAGE_INVALID")),
    "no timestamp": (message("auth", {"token": VALID}, timestamp=None), closing("MESSAGE_INVALID", " →m1")),
    "bad timestamp": (message("auth", {"token": VALID}, timestamp="now"), closing("MESSAGE_INVALID", " →m1")),
    "payload no object": (message("auth", [1]), closing("MESSAGE_INVALID", " →m1")),
    "no token": (message("auth"), closing("MESSAGE_INVALID", " →m1")),
    "token null": (message("auth", {"token": None}), closing("MESSAGE_INVALID", " →m1")),
    "token no string": (message("auth", {"token": 7}), closing("MESSAGE_INVALID", " →m1")),
    "another type": (message("chat_message", {"content": "x"}), closing("AUTH_REQUIRED", " →m1")),
    "another type, bad payload": (message("chat_message"), closing("AUTH_REQUIRED", " →m1")),
    "an unknown type": (message("dance", id=LONGEST), closing("AUTH_REQUIRED", f" →{LONGEST}")),
    "a server's type": (message("recipe_update"), closing("AUTH_REQUIRED", " →m1")),
    "an empty token": (message("auth", {"token": ""}), closing("TOKEN_INVALID", " →m1")),
    "a forged token": (message("auth", {"token": FORGED}), closing("TOKEN_INVALID", " →m1")),
    "an expired token": (message("auth", {"token": EXPIRED}), closing("TOKEN_EXPIRED", " →m1")),
}


@pytest.mark.parametrize("name", REFUSED_FIRST)
def test_a_first_message_that_is_refused(name: str) -> None:
    """The error names its code and, where it can, the message; then the close with 1008 has the code as its reason."""
    first, expected = REFUSED_FIRST[name]
    server = Server.of()
    number = server.open()

    assert server.frame(number, text(first)) == {number: expected}
    assert server.state(number) is None
    assert server.next() is None or server.at(3600.0) == {}


RETRYABLE = {
    "AUTH_REQUIRED": True,
    "AUTH_TIMEOUT": True,
    "REAUTH_TIMEOUT": True,
    "TOKEN_EXPIRED": True,
    "RATE_LIMITED": True,
    "TOKEN_INVALID": False,
    "AUTH_REPLAYED": False,
    "SUBJECT_MISMATCH": False,
    "MESSAGE_INVALID": False,
    "MESSAGE_UNKNOWN_TYPE": False,
}


def test_which_errors_may_be_tried_again() -> None:
    """As the table of error codes says, and as the messages carry it."""
    found: dict[str, bool] = {}

    def note(outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Emission) and output.message == "error":
                found[output.body["payload"]["code"]] = output.body["payload"]["retryable"]

    def engine(**parameters: str) -> tuple[Engine, int]:
        values = resolve(chat().parameters, parameters)
        made = Engine(chat(), values, Tokens())
        answer = made.open(request(), NOW)
        assert isinstance(answer, Upgrade)
        return made, answer.connection

    def auth(token: str, id: str) -> Text:  # noqa: A002
        return text(message("auth", {"token": token}, id))

    firsts = [auth(EXPIRED, "a"), auth(FORGED, "a"), text(""), text(message("dance"))]
    for frame in firsts:
        made, number = engine()
        note(made.receive(number, frame, NOW))
    for later in (
        [text(message("dance"))],
        [auth(Tokens.of("ben"), "b")],
        [auth(VALID, "a")],
    ):
        made, number = engine()
        made.receive(number, auth(VALID, "a"), NOW)
        for frame in later:
            note(made.receive(number, frame, NOW))
    made, number = engine()
    made.receive(number, auth(VALID, "a"), NOW)
    note(made.tick(NOW + 900.0))
    made, number = engine(auth_rate="1/60s")
    note(made.tick(NOW + 5.0))
    for _ in range(2):
        answer = made.open(request(), NOW + 6.0)
        assert isinstance(answer, Upgrade)
        note(made.receive(answer.connection, auth(FORGED, "a"), NOW + 6.0))

    assert found == RETRYABLE


def test_what_is_wrong_with_an_auth_is_found_in_order() -> None:
    """Payload, rate, token, replay, subject: of several faults the earliest is told."""
    server = Server.of(auth_rate="1/60s")
    member = server.member()
    assert server.auth(server.open(), Tokens.of("ben"), "late")[0].startswith("error RATE_LIMITED")

    def tried(payload: Any, id: str) -> str:  # noqa: A002
        return server.send(server.open(), "auth", payload, id)[0]

    assert tried({"token": 7}, "m1") == "error MESSAGE_INVALID →m1"
    assert tried({"token": FORGED}, "m1") == "error RATE_LIMITED →m1"
    server.now += 60.0
    assert tried({"token": FORGED}, "m1") == "error TOKEN_INVALID →m1"
    server.now += 60.0
    assert tried({"token": EXPIRED}, "m1") == "error TOKEN_EXPIRED →m1"
    server.now += 60.0
    assert tried({"token": VALID}, "m1") == "error AUTH_REPLAYED →m1"
    assert server.auth(member, Tokens.of("ben"), "b1")[0] == "error SUBJECT_MISMATCH →b1"


def test_replay_goes_before_subject() -> None:
    """An id that another subject has used, with that subject's token, is a replay and no mismatch."""
    server = Server.of()
    server.auth(server.open(), Tokens.of("ben"), "b1")
    member = server.member()

    assert server.auth(member, Tokens.of("ben"), "b1") == closing("AUTH_REPLAYED", " →b1")


# ------------------------------------------------------------------------------------------------------ timers


def test_the_deadline_of_authentication() -> None:
    """At five seconds and not before; what is no message does not put it off, and neither does another connection."""
    server = Server.of()
    number = server.open()

    assert server.next() == 5.0
    assert server.at(4.999) == {}
    server.open()
    assert server.at(5.0) == {number: closing("AUTH_TIMEOUT")}


def test_the_deadline_is_a_parameter() -> None:
    """And counts from the upgrade of each connection."""
    server = Server.of(auth_deadline="700ms")
    first = server.open()
    server.at(0.5)
    second = server.open()

    assert server.at(0.7) == {first: closing("AUTH_TIMEOUT")}
    assert server.at(1.199) == {}
    assert server.at(1.2) == {second: closing("AUTH_TIMEOUT")}


def test_authentication_ends_the_deadline() -> None:
    """Once connected nobody hears of it again; what has passed before a message decides before it."""
    server = Server.of()
    member = server.member()
    late = server.open()
    server.now = NOW + 5.0

    assert server.frame(late, text(message("auth", {"token": VALID}, "late"))) == {late: closing("AUTH_TIMEOUT")}
    assert server.state(member) == "connected.v2.fresh"


def test_a_token_of_15_minutes_is_asked_for_at_14() -> None:
    """Once, naming `exp`; and a minute later, unreplaced, it ends the connection."""
    server = Server.of()
    member = server.member(life=900.0)

    assert server.next() == 5.0, "a stopped timer may wake the server early"
    assert server.at(839.999) == {}
    assert server.at(840.0) == {member: ["auth_required 2027-01-15T08:15:00.000Z"]}
    assert server.state(member) == "connected.v2.expiring"
    assert server.at(899.999) == {}
    assert server.at(900.0) == {member: closing("REAUTH_TIMEOUT")}
    assert server.at(10_000.0) == {}


@pytest.mark.parametrize("life", [60.0, 30.0, 0.25])
def test_a_token_with_less_left_than_the_lead_is_asked_for_at_once(life: float) -> None:
    """Behind the `recipe_update` that accepted it, and only once."""
    server = Server.of()
    number = server.open()
    told = server.auth(number, Tokens.of("ana", life), "first")

    assert [told[0], told[1].partition(" ")[0]] == ["recipe_update soup →first", "auth_required"]
    assert len(told) == 2
    assert server.at(life - 0.001) == {}
    assert server.at(life) == {number: closing("REAUTH_TIMEOUT")}


def test_a_token_with_just_more_left_than_the_lead_is_not() -> None:
    """It is asked for when the lead begins."""
    server = Server.of()
    number = server.open()

    assert server.auth(number, Tokens.of("ana", 60.5), "first") == ["recipe_update soup →first"]
    assert list(server.at(0.5)) == [number]


def test_leeway_moves_the_expiry_and_not_the_lead() -> None:
    """What happens when a token expires happens at `exp` plus leeway; a lead counts back from `exp`."""
    server = Server.of(leeway="10s")
    member = server.member(life=900.0)

    assert server.at(839.999) == {}
    assert server.at(840.0) == {member: ["auth_required 2027-01-15T08:15:00.000Z"]}
    assert server.at(909.999) == {}
    assert server.at(910.0) == {member: closing("REAUTH_TIMEOUT")}


def test_leeway_lets_an_expired_token_in() -> None:
    """Within the leeway it is accepted, and asked for at once; at `exp` plus leeway it is expired."""
    server = Server.of(leeway="10s")
    server.now = NOW + 9.999
    first, second = server.open(), server.open()

    told = server.auth(first, Tokens.of("ana", 0.0), "a")
    assert told == ["recipe_update soup →a", "auth_required 2027-01-15T08:00:00.000Z"]
    server.now = NOW + 10.0
    assert server.auth(second, Tokens.of("ben", 0.0), "b") == closing("TOKEN_EXPIRED", " →b")


def test_a_lead_of_nothing_asks_when_the_token_expires() -> None:
    """With `reauth_lead` 0 nothing is left when it is asked; the expiry still ends the connection, asked or not."""
    server = Server.of(reauth_lead="0s", leeway="2s")
    member = server.member(life=10.0)

    assert server.at(9.999) == {}
    assert server.at(10.0) == {member: ["auth_required 2027-01-15T08:00:10.000Z"]}
    assert server.at(12.0) == {member: closing("REAUTH_TIMEOUT")}


def test_a_version_1_connection_is_not_asked_and_expires_by_its_own_code() -> None:
    """`TOKEN_EXPIRED` at expiry, and never `auth_required`, however little is left."""
    server = Server.of(rollout="dual", leeway="2s")
    answer = server.answer(request("chat.v1", bearer(Tokens.of("ana", 30.0))))

    assert isinstance(answer, Upgrade)
    assert server.at(31.999) == {}
    assert server.at(32.0) == {answer.connection: closing("TOKEN_EXPIRED")}


# --------------------------------------------------------------------------------------------- re-authentication


def test_a_later_token_moves_the_timers_back() -> None:
    """Asked for or not: the old token's lead and expiry are forgotten."""
    server = Server.of()
    member = server.member(life=900.0)
    server.at(100.0)

    assert server.auth(member, Tokens.of("ana", 2000.0), "again") == ["recipe_update soup →again"]
    assert server.at(1939.999) == {}
    assert server.at(1940.0) == {member: ["auth_required 2027-01-15T08:33:20.000Z"]}
    assert server.at(2000.0) == {member: closing("REAUTH_TIMEOUT")}


def test_a_sooner_token_moves_the_timers_forward() -> None:
    """Even where the new one expires before the old one would be asked for."""
    server = Server.of()
    member = server.member(life=900.0)

    assert server.auth(member, Tokens.of("ana", 100.0), "again") == ["recipe_update soup →again"]
    assert server.at(40.0) == {member: ["auth_required 2027-01-15T08:01:40.000Z"]}
    assert server.at(100.0) == {member: closing("REAUTH_TIMEOUT")}


def test_every_token_is_asked_for_once() -> None:
    """A new token that has less than the lead is asked for again at once, the state having been left and re-entered."""
    server = Server.of()
    number = server.open()
    server.auth(number, Tokens.of("ana", 30.0), "a")
    assert server.state(number) == "connected.v2.expiring"

    told = server.auth(number, Tokens.of("ana", 40.0), "b")
    assert told == ["recipe_update soup →b", "auth_required 2027-01-15T08:00:40.000Z"]
    assert server.auth(number, Tokens.of("ana", 900.0), "c") == ["recipe_update soup →c"]
    assert server.state(number) == "connected.v2.fresh"
    assert server.at(40.0) == {}
    assert server.at(840.0) == {number: ["auth_required 2027-01-15T08:15:00.000Z"]}


def test_the_chat_works_on_while_a_token_is_awaited() -> None:
    """A message is delivered as ever, and changes nothing of what is awaited."""
    server = Server.of()
    member = server.member(life=30.0)

    assert server.send(member, "chat_message", {"content": "salt"}, "c") == ["chat_message salt →c"]
    assert server.state(member) == "connected.v2.expiring"
    assert server.at(30.0) == {member: closing("REAUTH_TIMEOUT")}


@pytest.mark.parametrize("state", ["fresh", "expiring", "v1"])
@pytest.mark.parametrize(
    ("token", "code"),
    [(FORGED, "TOKEN_INVALID"), (EXPIRED, "TOKEN_EXPIRED"), (Tokens.of("ben"), "SUBJECT_MISMATCH")],
)
def test_a_refused_new_token_ends_the_connection(state: str, token: str, code: str) -> None:
    """In every connected state, with its error; the old token does not help."""
    server = Server.of(rollout="dual")
    life = 30.0 if state == "expiring" else 900.0
    number = (
        server.open("chat.v1", bearer(Tokens.of("ana", life))) if state == "v1" else server.member("ana", life=life)
    )

    assert server.auth(number, token, "again") == closing(code, " →again")


def test_a_bad_payload_of_an_auth_while_connected_is_only_told() -> None:
    """The connection stays open, its timers as they were."""
    server = Server.of()
    member = server.member()

    assert server.send(member, "auth", {"token": 7}, "bad") == ["error MESSAGE_INVALID →bad"]
    assert server.at(840.0) == {member: ["auth_required 2027-01-15T08:15:00.000Z"]}


def test_a_version_1_connection_renews_and_stays_version_1() -> None:
    """Its expiry follows the new token, both ways, and it is still never asked."""
    server = Server.of(rollout="legacy")
    number = server.open("chat.v1", bearer(Tokens.of("ana", 30.0)))

    assert server.auth(number, Tokens.of("ana", 50.0), "a") == ["recipe_update soup →a"]
    assert server.at(30.0) == {}
    assert server.auth(number, Tokens.of("ana", 40.0), "b") == ["recipe_update soup →b"]
    assert server.state(number) == "connected.v1"
    assert server.at(39.999) == {}
    assert server.at(40.0) == {number: closing("TOKEN_EXPIRED")}


# ------------------------------------------------------------------------------------------------------ replay


def test_an_id_is_accepted_once_per_subject_on_any_connection() -> None:
    """Another connection, another room and the same connection are refused; another subject is not."""
    server = Server.of()
    first = server.open()
    server.auth(first, VALID, "one")

    assert server.auth(server.open(), Tokens.of("ana", 900.0, 2), "one") == closing("AUTH_REPLAYED", " →one")
    elsewhere = server.open(target="/v1/chat/stew")
    assert server.auth(elsewhere, VALID, "one") == closing("AUTH_REPLAYED", " →one")
    assert server.auth(server.open(), Tokens.of("ben"), "one") == ["recipe_update soup →one"]
    assert server.auth(server.open(), VALID, "two") == ["recipe_update soup →two"]
    assert server.auth(first, VALID, "one") == closing("AUTH_REPLAYED", " →one")


def test_an_id_is_remembered_until_its_token_expires() -> None:
    """At `exp` plus leeway and not before, whatever token comes with it; the connection may be long gone."""
    server = Server.of(leeway="5s")
    first = server.open()
    server.auth(first, Tokens.of("ana", 100.0), "one")
    server.engine.ended(first)
    server.now = NOW + 104.999
    assert server.auth(server.open(), VALID, "one") == closing("AUTH_REPLAYED", " →one")
    server.now = NOW + 105.0

    assert server.auth(server.open(), VALID, "one") == ["recipe_update soup →one"]


def test_only_what_was_accepted_is_remembered() -> None:
    """An id that was refused may be used; one that renewed a token may not be used again."""
    server = Server.of()
    server.auth(server.open(), EXPIRED, "one")
    member = server.open()

    assert server.auth(member, VALID, "one") == ["recipe_update soup →one"]
    assert server.auth(member, VALID, "two") == ["recipe_update soup →two"]
    assert server.auth(server.open(), VALID, "two") == closing("AUTH_REPLAYED", " →two")


def test_the_ids_of_other_messages_are_not_remembered() -> None:
    """The rule is about `auth`: a `chat_message` id may come as often as it likes, and as an auth's too."""
    server = Server.of()
    member = server.member()

    for _ in range(2):
        assert server.send(member, "chat_message", {"content": "x"}, "same") == ["chat_message x →same"]
    assert server.auth(member, VALID, "same") == ["recipe_update soup →same"]


# -------------------------------------------------------------------------------------------------------- rate


def attempt(server: Server, token: str, address: str = "192.0.2.7") -> str:
    """One more attempt on a connection of its own: what it is answered first."""
    return server.auth(server.open(address=address), token)[0].partition(" →")[0]


def test_the_rate_is_counted_in_every_window() -> None:
    """Ten in any sixty seconds: the eleventh is refused until the first of the ten is sixty seconds old."""
    server = Server.of(auth_rate="3/60s")
    accepted = "recipe_update soup"
    moments = [0.0, 50.0, 59.0]
    for moment in moments:
        server.now = NOW + moment
        assert attempt(server, Tokens.of("ana")) == accepted

    server.now = NOW + 59.999
    assert attempt(server, Tokens.of("ana")) == "error RATE_LIMITED"
    server.now = NOW + 60.001
    assert attempt(server, Tokens.of("ana")) == accepted
    assert attempt(server, Tokens.of("ana")) == "error RATE_LIMITED"
    server.now = NOW + 109.999
    assert attempt(server, Tokens.of("ana")) == "error RATE_LIMITED"
    server.now = NOW + 110.001
    assert attempt(server, Tokens.of("ana")) == accepted


def test_the_default_rate_is_ten_in_a_minute() -> None:
    """Whatever their token: forged, expired and valid ones count alike, and only good payloads do."""
    server = Server.of()
    for number in range(10):
        server.send(server.open(), "auth", {"token": 7})
        server.send(server.open(), "chat_message", {"content": "x"})
        told = attempt(server, [FORGED, EXPIRED, VALID][number % 3])
        assert told != "error RATE_LIMITED", number

    for token in (FORGED, EXPIRED, VALID):
        assert attempt(server, token) == "error RATE_LIMITED"
    assert attempt(server, VALID, "192.0.2.8") == "recipe_update soup"


def test_those_answered_rate_limited_do_not_count() -> None:
    """A client that keeps on trying is let in as soon as the first of its counted attempts is old enough."""
    server = Server.of(auth_rate="1/60s")
    attempt(server, VALID)
    for second in range(1, 60):
        server.now = NOW + second
        assert attempt(server, VALID) == "error RATE_LIMITED"

    server.now = NOW + 60.001
    assert attempt(server, VALID) == "recipe_update soup"


def test_re_authentication_does_not_count() -> None:
    """Neither is it limited, nor does it use up what others may."""
    server = Server.of(auth_rate="2/60s")
    member = server.member()
    for number in range(5):
        assert server.auth(member, VALID, f"n{number}") == [f"recipe_update soup →n{number}"]

    assert attempt(server, VALID) == "recipe_update soup"
    assert attempt(server, VALID) == "error RATE_LIMITED"


# ------------------------------------------------------------------------------------------------------- rooms


def test_a_message_reaches_the_room_once_and_only_its_sender_is_answered() -> None:
    """Members of this room, in every connected state; nobody of another, nobody unauthenticated, nobody gone."""
    server = Server.of(rollout="dual")
    ana, ben, gone = server.member("ana"), server.member("ben", life=30.0), server.member("cem")
    old = server.open("chat.v1", bearer(Tokens.of("dora")))
    server.member("eva", target="/v1/chat/stew"), server.member("fay", target="/v1/chat/Soup"), server.open()
    server.engine.ended(gone)
    outputs = server.engine.receive(ben, text(message("chat_message", {"content": " Salz & 🧂 "}, "say")), server.now)
    bodies = {o.connection: dict(o.body) for o in outputs if isinstance(o, Emission)}

    assert len(outputs) == len(bodies) == 3
    assert set(bodies) == {ana, ben, old}
    assert {number: body.get("in_reply_to") for number, body in bodies.items()} == {ana: None, ben: "say", old: None}
    assert all("in_reply_to" not in body for number, body in bodies.items() if number != ben)
    assert all(body["payload"] == {"content": " Salz & 🧂 ", "user_id": "ben"} for body in bodies.values())


def test_whoever_renews_is_a_member_once() -> None:
    """A new token joins no second time."""
    server = Server.of()
    ana, ben = server.member("ana"), server.member("ben")
    server.auth(ana, VALID)
    told = server.frame(ben, text(message("chat_message", {"content": "x"}, "say")))

    assert told == {ana: ["chat_message x"], ben: ["chat_message x →say"]}


def test_who_says_something_is_the_token_and_not_the_client() -> None:
    """`user_id` is the sender's `sub`, whatever the payload claims; unknown members are ignored everywhere."""
    server = Server.of()
    ana = server.member("ana")
    body = message("chat_message", {"content": "x", "user_id": "eve", "more": [1]}, "say", in_reply_to="y", extra={})
    [only] = server.engine.receive(ana, text(body), NOW)

    assert isinstance(only, Emission)
    assert only.body["payload"] == {"content": "x", "user_id": "ana"}
    assert only.body["in_reply_to"] == "say"


def test_a_closed_connection_is_no_member() -> None:
    """However it ended: by its own error, by its timer, or by its peer."""
    server = Server.of()
    ana, wrong, late, left = (server.member(name) for name in ("ana", "ben", "cem", "dora"))
    server.auth(late, Tokens.of("cem", 10.0))
    server.auth(wrong, FORGED)
    server.at(10.0)
    server.engine.ended(left)

    assert server.frame(ana, text(message("chat_message", {"content": "x"}, "say"))) == {ana: ["chat_message x →say"]}
    assert server.frame(left, text(message("chat_message", {"content": "x"}, "say"))) == {}


# Frames to a connected client -> what it is answered; none of these ends the connection.
TOLD: dict[str, tuple[Any, list[str]]] = {
    "not JSON": ("{", ["error MESSAGE_INVALID"]),
    "no object": ("3", ["error MESSAGE_INVALID"]),
    "an object without an envelope": ({"id": "x"}, ["error MESSAGE_INVALID →x"]),
    "an id that is too long": (message("chat_message", {"content": "x"}, TOO_LONG), ["error MESSAGE_INVALID"]),
    "an id that is no string": (message("chat_message", {"content": "x"}, 1), ["error MESSAGE_INVALID"]),
    "no type": (message("x", type=None), ["error MESSAGE_INVALID →m1"]),
    "no content": (message("chat_message"), ["error MESSAGE_INVALID →m1"]),
    "empty content": (message("chat_message", {"content": ""}), ["error MESSAGE_INVALID →m1"]),
    "content too long": (message("chat_message", {"content": "é" * 4001}), ["error MESSAGE_INVALID →m1"]),
    "an unknown type": (message("dance"), ["error MESSAGE_UNKNOWN_TYPE →m1"]),
    "the type of another letter case": (message("Chat_message"), ["error MESSAGE_UNKNOWN_TYPE →m1"]),
    "a server's type": (message("recipe_update"), ["error MESSAGE_UNKNOWN_TYPE →m1"]),
    "another server's type": (message("error"), ["error MESSAGE_UNKNOWN_TYPE →m1"]),
    "the shortest content": (message("chat_message", {"content": "x"}), ["chat_message x →m1"]),
    "the longest content": (message("chat_message", {"content": "🍲" * 4000}), [f"chat_message {'🍲' * 4000} →m1"]),
    "the longest id": (message("chat_message", {"content": "x"}, LONGEST), [f"chat_message x →{LONGEST}"]),
}


@pytest.mark.parametrize("state", ["fresh", "expiring", "v1"])
@pytest.mark.parametrize("name", TOLD)
def test_messages_to_a_connected_client(state: str, name: str) -> None:
    """Answered as the prose says in every connected state; nothing invalid reaches the room."""
    frame, expected = TOLD[name]
    server = Server.of(rollout="dual")
    other = server.member("ben")
    life = 30.0 if state == "expiring" else 900.0
    ana = server.open("chat.v1", bearer(Tokens.of("ana"))) if state == "v1" else server.member("ana", life=life)
    before = server.state(ana)
    told = server.frame(ana, text(frame))

    assert told.pop(ana) == expected
    assert set(told) == ({other} if expected[0].startswith("chat_message") else set())
    assert server.state(ana) == before


@pytest.mark.parametrize("state", ["authenticating", "fresh", "expiring", "v1"])
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Text("{", 65_537), 1009),
        (Binary(65_537), 1009),
        (NotUTF8(65_537), 1009),
        (Binary(0), 1003),
        (Binary(65_536), 1003),
        (NotUTF8(1), 1007),
    ],
)
def test_frames_that_close_in_every_state(state: str, frame: Any, code: int) -> None:
    """Too large before everything else, then binary, then no UTF-8; no message comes before the close."""
    server = Server.of(rollout="dual")
    number = {
        "authenticating": lambda: server.open(),
        "fresh": lambda: server.member(),
        "expiring": lambda: server.member(life=30.0),
        "v1": lambda: server.open("chat.v1", bearer(VALID)),
    }[state]()

    assert server.frame(number, frame) == {number: [f"close {code}"]}


def test_a_message_at_the_limit_is_handled() -> None:
    """A limit is exceeded above it, not at it, and it counts bytes."""
    server = Server.of(message_bytes="20KiB")
    ana = server.member()
    body = message("chat_message", {"content": "x"}, "say", padding="")
    padded = {**body, "padding": "p" * (20 * 1024 - len(text(body).text))}

    assert text(padded).size == 20_480
    assert server.frame(ana, text(padded)) == {ana: ["chat_message x →say"]}
    assert server.frame(ana, text({**padded, "type": "chat_messages"})) == {ana: ["close 1009"]}


# ------------------------------------------------------------------------------------------------ order, shutdown


def test_messages_behind_an_auth_are_handled_behind_it() -> None:
    """Those behind a good one as a member's, those behind a refused one not at all."""
    server = Server.of()
    good, bad = server.open(), server.open()
    told = []
    for body in (
        message("auth", {"token": VALID}, "a"),
        message("chat_message", {"content": "1"}, "b"),
        message("dance", id="c"),
        message("chat_message", {"content": "2"}, "d"),
    ):
        told += server.frame(good, text(body))[good]

    assert told == ["recipe_update soup →a", "chat_message 1 →b", "error MESSAGE_UNKNOWN_TYPE →c", "chat_message 2 →d"]
    assert server.auth(bad, FORGED, "a") == closing("TOKEN_INVALID", " →a")
    assert server.frame(bad, text(message("auth", {"token": VALID}, "b"))) == {}


def test_timers_fire_in_the_order_of_their_moments() -> None:
    """However late the clock is turned."""
    server = Server.of(auth_deadline="2s", reauth_lead="1s")
    member = server.member(life=4.0)
    number = server.open()
    outputs = server.engine.tick(NOW + 100.0)

    assert [(o.connection, o.message if isinstance(o, Emission) else "close") for o in outputs] == [
        (number, "error"),
        (number, "close"),
        (member, "auth_required"),
        (member, "error"),
        (member, "close"),
    ]


def test_a_timer_that_a_message_finds_due_goes_before_it() -> None:
    """A message at the very moment of expiry comes too late."""
    server = Server.of()
    member = server.member(life=10.0)
    server.now = NOW + 10.0

    assert server.frame(member, text(message("chat_message", {"content": "x"}))) == {member: closing("REAUTH_TIMEOUT")}


def test_shutting_down_closes_all_with_1001_and_lets_nobody_in() -> None:
    """Every connection in every state; no room and no timer is left."""
    server = Server.of()
    member, waiting = server.member(), server.open()
    outputs = server.engine.stop()

    assert {(o.connection, o.code) for o in outputs if isinstance(o, Closing)} == {(member, 1001), (waiting, 1001)}
    assert len(outputs) == 2
    assert server.engine.world.rooms == {}
    assert server.at(10_000.0) == {}
    answer = server.answer(request())
    assert isinstance(answer, Refusal)
    assert (answer.status, answer.body) == (503, {"code": "SHUTTING_DOWN"})


def test_stopped_timers_do_not_gather() -> None:
    """Thousands of renewals leave a queue of the size of what runs, not of what ever ran."""
    server = Server.of()
    member = server.member()
    for number in range(2000):
        server.auth(member, Tokens.of("ana", 900.0 + number))

    assert len(server.engine._queue) <= 130
    assert server.at(900.0 + 1999 - 60.0 - 0.001) == {}
    assert list(server.at(900.0 + 1999 - 60.0)) == [member]


# -------------------------------------------------------------------------------------------- random exchanges

TOKENS = st.builds(Tokens.of, st.sampled_from(["ana", "ben"]), st.sampled_from([0.5, 2.0, 70.0, 900.0]))
BODIES = st.one_of(
    st.builds(
        lambda token, id: text(message("auth", {"token": token}, id)),  # noqa: A006
        st.one_of(TOKENS, st.sampled_from([FORGED, EXPIRED, ""])),
        st.sampled_from(["a", "b", "c"]),
    ),
    st.builds(lambda content: text(message("chat_message", {"content": content})), st.text(max_size=5)),
    st.sampled_from([text(message("dance")), text(message("recipe_update")), text(message("auth"))]),
    st.text(max_size=20).map(text),
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["type", "id", "timestamp", "payload", "token", "x"]), inner, max_size=4)
        ),
        max_leaves=8,
    ).map(text),
)
FRAMES = st.one_of(
    BODIES,
    st.builds(Binary, st.sampled_from([0, 70_000])),
    st.builds(NotUTF8, st.sampled_from([1, 70_000])),
    st.just(Text("{", 70_000)),
)
OPENINGS = st.builds(
    lambda offer, headers, target: request(offer, *headers, target=target),
    st.sampled_from([None, "chat.v2", "chat.v1", "chat.v1, chat.v2", "other"]),
    st.lists(st.builds(bearer, TOKENS | st.just(FORGED)), max_size=2),
    st.sampled_from([ROOM, "/v1/chat/stew", f"{ROOM}?token={VALID}", "/x"]),
)
EVENTS = st.one_of(
    OPENINGS.map(lambda asked: ("open", asked)),
    st.tuples(st.just("frame"), st.integers(1, 6), FRAMES),
    st.tuples(st.just("frame"), st.integers(1, 6), BODIES),
    st.tuples(st.just("ended"), st.integers(1, 6)),
    st.tuples(st.just("tick"), st.sampled_from([0.0, 0.4, 1.0, 30.0, 1000.0])),
)
SCRIPTS = st.tuples(st.sampled_from(["message", "dual", "legacy"]), st.lists(EVENTS, max_size=25))


def played(script: tuple[str, list[Any]]) -> Iterator[tuple[Engine, list[Output], Any]]:
    """Play a script; yields the engine, the outputs of each event, and the answer to a request."""
    rollout, events = script
    values = resolve(chat().parameters, {"rollout": rollout, "auth_rate": "3/10s"})
    engine, now = Engine(chat(), values, Tokens()), NOW
    for event in events:
        answer, outputs = None, []
        match event:
            case "open", asked:
                answer = engine.open(asked, now)
                outputs = list(answer.outputs) if isinstance(answer, Upgrade) else []
            case "frame", number, frame:
                outputs = engine.receive(number, frame, now)
            case "ended", number:
                engine.ended(number)
            case "tick", seconds:
                now += seconds
        yield engine, [*outputs, *engine.tick(now)], answer


@given(SCRIPTS)
@settings(deadline=None, max_examples=150)
@example(("message", [("open", request()), ("frame", 1, text(message("auth", {"token": Tokens.of("ana", 0.5)})))]))
def test_no_sequence_breaks_the_interpreter(script: tuple[str, list[Any]]) -> None:
    """Nothing raises; nothing is sent to a connection behind its close; members, timers and connections agree."""
    every: list[Output] = []
    for engine, outputs, _ in played(script):
        every += outputs
        world = engine.world
        assert {o.connection for o in every if isinstance(o, Closing)}.isdisjoint(world.connections)
        members = {number for room in world.rooms.values() for number in room}
        assert members == {number for number, one in world.connections.items() if one.state.startswith("connected")}
        assert all(one.timers for one in world.connections.values())
        assert all(o.broadcast is None or o.connection for o in outputs if isinstance(o, Emission))

    assert after_closing(every) == []


def test_what_comes_behind_a_close_is_seen() -> None:
    """The check that the property above makes can fail."""
    close = Closing(1, 1008, None, (), 1)

    assert after_closing([close, evolve(close, connection=2)]) == []
    assert after_closing([close, evolve(close, connection=2), close]) == [close]


@given(SCRIPTS)
@settings(deadline=None, max_examples=60)
def test_the_interpreter_is_deterministic(script: tuple[str, list[Any]]) -> None:
    """The same events at the same times give the same outputs, answers and worlds."""
    once = [(outputs, answer, engine.world.copy()) for engine, outputs, answer in played(script)]
    again = [(outputs, answer, engine.world.copy()) for engine, outputs, answer in played(script)]

    assert once == again


def mutable(value: Any) -> Iterator[Any]:
    """Everything that can change in a world."""
    if isinstance(value, dict | set | list | deque):
        yield value
        for member in [*value, *(value.values() if isinstance(value, dict) else ())]:
            yield from mutable(member)
    elif hasattr(value, "__slots__") and hasattr(value, "__attrs_attrs__"):
        yield value
        for attribute in value.__attrs_attrs__:
            yield from mutable(getattr(value, attribute.name))


def shared(one: World, other: World) -> list[Any]:
    """What can change in both at once; frozen values may be shared."""
    known = {id(value) for value in mutable(one)}
    return [value for value in mutable(other) if id(value) in known and type(value).__name__ != "Due"]


FULL = (
    "dual",
    [
        ("open", request()),
        ("frame", 1, text(message("auth", {"token": VALID}, "a"))),
        ("open", request("chat.v1", bearer(VALID))),
        ("open", request()),
    ],
)


@given(SCRIPTS)
@settings(deadline=None, max_examples=60)
@example(FULL)
def test_a_copy_of_a_world_shares_nothing_that_changes(script: tuple[str, list[Any]]) -> None:
    """A copy equals what it was copied from, and stays so whatever happens to that afterwards."""
    copies: list[tuple[World, World]] = []
    for engine, _, _ in played(script):
        copy = engine.world.copy()
        assert copy == engine.world
        assert shared(engine.world, copy) == []
        copies.append((copy, copy.copy()))

    assert all(copy == kept for copy, kept in copies)


def test_a_copy_that_shares_is_seen() -> None:
    """The check above can fail, for every part of a world that holds something."""
    *_, (engine, _, _) = played(FULL)
    world = engine.world

    assert shared(world, world.copy()) == []
    for name in ("connections", "rooms", "memories", "limits"):
        assert getattr(world, name), name
        careless = world.copy()
        setattr(careless, name, dict(getattr(world, name)))
        assert shared(world, careless), name
