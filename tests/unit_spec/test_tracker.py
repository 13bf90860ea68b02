"""The tracker on chat: traces written by hand, of a correct server and of broken ones, and traces of the engine.

Times are seconds after the tests' beginning. With the slack of an observer as it is by default, what must come at once
is due within 2.05 s, and a timer of five seconds may fire from 4.995 s to 5.6 s behind the first sight of its start.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Iterator
from copy import copy
from functools import cache, partial
from typing import Any

import pytest
from attrs import define, field, frozen
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from spec.expressions import rfc3339
from spec.machine import Binary, Breach, Closing, Emission, Engine, NotUTF8, Output, Request, Text, Upgrade
from spec.machine.world import World
from spec.parameters import resolve
from spec.tracker import Answer, Finding, Slack, Tracker
from tests.unit_spec.kit import (
    EXPIRED,
    FORGED,
    NOW,
    ROOM,
    Tokens,
    bearer,
    chat,
    machine,
    message,
    realised,
    request,
    text,
)

VALID = Tokens.of("ana")
RETRYABLE = {"AUTH_REQUIRED", "AUTH_TIMEOUT", "REAUTH_TIMEOUT", "TOKEN_EXPIRED", "RATE_LIMITED"}
DATES = (("Deprecation", "@1767225600"), ("Sunset", "Fri, 31 Dec 2027 00:00:00 GMT"))


class Watch:
    """A tracker and the words in which traces are written here."""

    def __init__(self, **parameters: str) -> None:
        self.tracker = Tracker(machine(**parameters), Slack())
        self._ids = itertools.count(1)

    def opens(self, client: str, at: float, asked: Request | None = None, focus: tuple[str, ...] = ()) -> None:
        self.tracker.opened(client, asked or request(), NOW + at, focus)

    def answered(self, client: str, at: float, status: int = 101, *headers: tuple[str, str], body: Any = "") -> None:
        plain = body if isinstance(body, str) else json.dumps(body)
        if status == 101 and not any(name == "Sec-WebSocket-Protocol" for name, _ in headers):
            headers = (*headers, ("Sec-WebSocket-Protocol", "chat.v2"))
        self.tracker.answered(client, Answer(status, headers, plain), NOW + at)

    def upgraded(self, client: str, at: float, target: str = ROOM) -> None:
        """A connection as a correct server lets it in."""
        self.opens(client, at, request(target=target))
        self.answered(client, at + 0.01)

    def sends(self, client: str, at: float, body: Any, focus: tuple[str, ...] = ()) -> None:
        self.tracker.sent(client, body if isinstance(body, Binary | NotUTF8) else text(body), NOW + at, focus)

    def auths(self, client: str, at: float, token: str, id: str = "a1") -> None:  # noqa: A002
        self.tracker.secret(token)
        self.sends(client, at, message("auth", {"token": token}, id))

    def says(self, client: str, at: float, content: str, id: str = "c1") -> None:  # noqa: A002
        self.sends(client, at, message("chat_message", {"content": content}, id))

    def hears(self, client: str, at: float, kind: str, payload: Any, reply: str | None = None, **more: Any) -> None:
        body = {"type": kind, "id": f"s{next(self._ids)}", "timestamp": rfc3339(NOW + at), "payload": payload}
        body |= {"in_reply_to": reply} if reply is not None else {}
        self.tracker.received(client, json.dumps({**body, **more}), NOW + at)

    def update(self, client: str, at: float, reply: str | None = "a1", recipe: str = "soup", **more: Any) -> None:
        payload = more.pop("payload", {"recipe_id": recipe, "revision": 3, "recipe": {"title": "Soup"}})
        self.hears(client, at, "recipe_update", payload, reply, **more)

    def said(self, client: str, at: float, content: str, reply: str | None = None, by: str = "ana") -> None:
        self.hears(client, at, "chat_message", {"content": content, "user_id": by}, reply)

    def error(self, client: str, at: float, code: str, reply: str | None = None, told: str = "No.") -> None:
        payload = {"code": code, "message": told, "retryable": code in RETRYABLE}
        self.hears(client, at, "error", payload, reply)

    def asked(self, client: str, at: float, expires: float) -> None:
        """`auth_required` comes."""
        payload = {"reason": "token_expiring", "expires_at": rfc3339(NOW + expires)}
        self.hears(client, at, "auth_required", payload)

    def closed(self, client: str, at: float, code: int | None = 1008, reason: str = "") -> None:
        self.tracker.closed(client, code, reason, NOW + at)

    def member(
        self, client: str, at: float = 0.0, life: float = 900.0, target: str = ROOM, recipe: str = "soup"
    ) -> None:
        """A client that a correct server lets in and accepts, 50 ms later."""
        self.upgraded(client, at, target)
        self.auths(client, at + 0.02, Tokens.of(client, life), "a1")
        self.update(client, at + 0.05, recipe=recipe)

    def idles(self, at: float) -> None:
        self.tracker.advance(NOW + at)

    @property
    def found(self) -> list[Finding]:
        return self.tracker.findings

    @property
    def blamed(self) -> list[tuple[str, str]]:
        """Every finding as its check and the rule that it blames first."""
        return [(finding.check, finding.blamed[0]) for finding in self.found]


Trace = Callable[[Watch], None]


# ------------------------------------------------------------------------------------------- a correct server


def test_a_whole_conversation_of_a_correct_server() -> None:
    """Two members and a stranger, errors that are only told, a renewal, an expiry: nothing is found."""
    w = Watch()
    w.member("ana", 0.0)
    w.member("ben", 0.1, life=30.0)
    w.asked("ben", 0.16, 30.0)
    w.member("eva", 0.2, target="/v1/chat/stew", recipe="stew")
    w.says("ana", 0.5, "salt", "c1")
    w.said("ben", 0.51, "salt")
    w.said("ana", 0.52, "salt", "c1")
    w.sends("ana", 0.6, message("dance", id="d1"))
    w.error("ana", 0.61, "MESSAGE_UNKNOWN_TYPE", "d1")
    w.sends("ana", 0.7, "no JSON")
    w.error("ana", 0.71, "MESSAGE_INVALID")
    w.says("ben", 1.0, "<b>more</b>", "c2")
    w.said("ben", 1.01, "<b>more</b>", "c2", by="ben")
    w.said("ana", 1.01, "<b>more</b>", by="ben")
    w.update("ana", 2.0, reply=None)
    w.auths("ana", 10.0, Tokens.of("ana", 100.0, 2), "a2")
    w.update("ana", 10.02, "a2")
    w.error("ben", 30.1, "REAUTH_TIMEOUT")
    w.closed("ben", 30.11, 1008, "REAUTH_TIMEOUT")
    w.says("ana", 31.0, "anybody?", "c3")
    w.said("ana", 31.01, "anybody?", "c3")
    w.asked("ana", 40.2, 100.0)
    w.tracker.we_closed("ana", NOW + 50.0)
    w.closed("ana", 50.01, 1000)
    w.tracker.dropped("eva")
    w.idles(1000.0)

    assert w.found == []
    assert w.tracker.settled(NOW + 1000.0)
    assert {
        "CHAT-AUTH-1",
        "CHAT-MSG-2",
        "CHAT-MSG-9",
        "CHAT-REAUTH-1",
        "CHAT-REAUTH-3",
        "CHAT-REAUTH-5",
        "ALL-CLOSE-2",
    } <= w.tracker.covered
    assert w.tracker.visited == {"authenticating", "connected.v2.fresh", "connected.v2.expiring"}


def refused(token: str, code: str) -> Trace:
    def trace(w: Watch) -> None:
        w.upgraded("ana", 0.0)
        w.auths("ana", 0.1, token)
        w.error("ana", 0.15, code, "a1")
        w.closed("ana", 0.16, 1008, code)

    return trace


def deadline(at: float) -> Trace:
    def trace(w: Watch) -> None:
        w.upgraded("ana", 0.0)
        w.idles(at)
        w.error("ana", at, "AUTH_TIMEOUT")
        w.closed("ana", at + 0.01, 1008, "AUTH_TIMEOUT")

    return trace


def closes(frame: Any, code: int) -> Trace:
    def trace(w: Watch) -> None:
        w.member("ana")
        w.sends("ana", 0.1, frame)
        w.closed("ana", 0.12, code, "any reason")

    return trace


def version_1(w: Watch) -> None:
    w.opens("ana", 0.0, request("chat.v1", bearer(Tokens.of("ana", 30.0))))
    w.answered("ana", 0.01, 101, ("Sec-WebSocket-Protocol", "chat.v1"), *DATES)
    w.update("ana", 0.02, None)
    w.says("ana", 1.0, "x")
    w.said("ana", 1.02, "x", "c1")
    w.error("ana", 30.05, "TOKEN_EXPIRED")
    w.closed("ana", 30.06, 1008, "TOKEN_EXPIRED")


def answered_in_the_free_parts(w: Watch) -> None:
    """`in_reply_to` is demanded of an answer to a message that could be read; here it is left open."""
    w.upgraded("ana", 0.0)
    w.sends("ana", 0.1, {"id": "x"})
    w.error("ana", 0.11, "MESSAGE_INVALID", "x")
    w.closed("ana", 0.12, 1008, "MESSAGE_INVALID")
    w.upgraded("ben", 0.2)
    w.sends("ben", 0.3, {"id": "x"})
    w.error("ben", 0.31, "MESSAGE_INVALID")
    w.closed("ben", 0.32, 1008, "MESSAGE_INVALID")


def unknown_members(w: Watch) -> None:
    w.member("ana")
    w.update("ana", 0.2, None, extra=1, payload={"recipe_id": "soup", "revision": 0, "recipe": {}, "extra": [1]})


GOOD: dict[str, tuple[Trace, dict[str, str]]] = {
    "a forged token": (refused(FORGED, "TOKEN_INVALID"), {}),
    "an expired token": (refused(EXPIRED, "TOKEN_EXPIRED"), {}),
    "the deadline, as early as clocks may err": (deadline(4.996), {}),
    "the deadline, on time": (deadline(5.05), {}),
    "the deadline, as late as is allowed": (deadline(5.6), {}),
    "a short deadline, 250 ms late": (deadline(1.3), {"auth_deadline": "1s"}),
    "binary": (closes(Binary(3), 1003), {}),
    "not UTF-8": (closes(NotUTF8(3), 1007), {}),
    "too large": (closes(Binary(70_000), 1009), {}),
    "version 1": (version_1, {"rollout": "dual"}),
    "what is left open": (answered_in_the_free_parts, {}),
    "members that no schema names": (unknown_members, {}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_correct_server_is_not_blamed(name: str) -> None:
    """Short exchanges, each at the edge of something; afterwards nothing is due, however long one waits."""
    trace, parameters = GOOD[name]
    w = Watch(**parameters)
    trace(w)
    w.tracker.dropped("ana")
    w.idles(2000.0)

    assert w.found == []


# ------------------------------------------------------------------------------------------- broken servers


def accepted_instead(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.update("ana", 0.15)


def wrong_code(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.error("ana", 0.15, "TOKEN_EXPIRED", "a1")
    w.closed("ana", 0.16, 1008, "TOKEN_INVALID")


def wrong_close_code(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.error("ana", 0.15, "TOKEN_INVALID", "a1")
    w.closed("ana", 0.16, 1000, "TOKEN_INVALID")


def no_close(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.error("ana", 0.15, "TOKEN_INVALID", "a1")
    w.idles(4.0)


def close_before_error(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.closed("ana", 0.16, 1008, "TOKEN_INVALID")


def wrong_reason(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.error("ana", 0.15, "TOKEN_INVALID", "a1")
    w.closed("ana", 0.16, 1008, "policy violation")


def abnormal_end(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.error("ana", 0.15, "TOKEN_INVALID", "a1")
    w.closed("ana", 0.16, None)


def silence(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, VALID)
    w.idles(3.3)


def answer_late(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, VALID)
    w.idles(2.2)
    w.update("ana", 2.5)


def close_late(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.error("ana", 0.15, "TOKEN_INVALID", "a1")
    w.idles(2.2)
    w.closed("ana", 2.5, 1008, "TOKEN_INVALID")


def swallowed_by_another_close(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.closed("ana", 0.15, 1011)


def deadline_of_a_member(w: Watch) -> None:
    w.member("ana")
    w.error("ana", 5.1, "AUTH_TIMEOUT")


def limited_without_a_reason(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, VALID)
    w.error("ana", 0.15, "RATE_LIMITED", "a1")


def wrong_retryable(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    payload = {"code": "TOKEN_INVALID", "message": "No.", "retryable": True}
    w.hears("ana", 0.15, "error", payload, "a1")
    w.closed("ana", 0.16, 1008, "TOKEN_INVALID")


def answer_without_reply(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, VALID)
    w.update("ana", 0.12, None)
    w.idles(4.0)


def deadline_never(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.idles(7.7)


def deadline_without_error(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.closed("ana", 5.1, 1008, "AUTH_TIMEOUT")


def expiry_by_another_code(w: Watch) -> None:
    w.member("ana", life=100.0)
    w.asked("ana", 40.0, 100.0)
    w.error("ana", 100.05, "TOKEN_EXPIRED")
    w.closed("ana", 100.06, 1008, "TOKEN_EXPIRED")


def expiry_never(w: Watch) -> None:
    w.member("ana", life=70.0)
    w.asked("ana", 10.0, 70.0)
    w.idles(79.2)


def asked_twice(w: Watch) -> None:
    w.member("ana", life=100.0)
    w.asked("ana", 40.0, 100.0)
    w.asked("ana", 41.0, 100.0)


def asked_early(w: Watch) -> None:
    w.member("ana", life=100.0)
    w.asked("ana", 39.9, 100.0)


def asked_late(w: Watch) -> None:
    w.member("ana", life=62.0)
    w.asked("ana", 2.5, 62.0)


def asked_never(w: Watch) -> None:
    w.member("ana", life=30.0)
    w.idles(4.0)


def asked_with_a_wrong_time(w: Watch) -> None:
    w.member("ana", life=100.0)
    w.asked("ana", 40.0, 99.0)


def asked_by_version_1(w: Watch) -> None:
    w.opens("ana", 0.0, request("chat.v1", bearer(Tokens.of("ana", 30.0))))
    w.answered("ana", 0.01, 101, ("Sec-WebSocket-Protocol", "chat.v1"), *DATES)
    w.update("ana", 0.02, None)
    w.asked("ana", 0.03, 30.0)


def no_own_copy(w: Watch) -> None:
    w.member("ana")
    w.member("ben", 0.1)
    w.says("ana", 0.5, "salt")
    w.said("ben", 0.52, "salt")
    w.idles(4.0)


def no_copy_for_others(w: Watch) -> None:
    w.member("ana")
    w.member("ben", 0.1)
    w.says("ana", 0.5, "salt")
    w.said("ana", 0.52, "salt", "c1")
    w.idles(4.0)


def accepted_a_second_time(w: Watch) -> None:
    w.member("ana")
    w.auths("ana", 0.5, Tokens.of("ana", 900.0, 2), "a1")
    w.update("ana", 0.52, "a1")


def own_copy_without_reply(w: Watch) -> None:
    w.member("ana")
    w.says("ana", 0.5, "salt")
    w.said("ana", 0.52, "salt")


def reply_leaked(w: Watch) -> None:
    w.member("ana")
    w.member("ben", 0.1)
    w.says("ana", 0.5, "salt")
    w.said("ana", 0.52, "salt", "c1")
    w.said("ben", 0.52, "salt", "c1")


def content_changed(w: Watch) -> None:
    w.member("ana")
    w.says("ana", 0.5, "<b>")
    w.said("ana", 0.52, "&lt;b&gt;", "c1")


def sender_forged(w: Watch) -> None:
    w.member("ana")
    w.says("ana", 0.5, "salt")
    w.said("ana", 0.52, "salt", "c1", by="eve")


def into_another_room(w: Watch) -> None:
    w.member("ana")
    w.member("eva", 0.1, target="/v1/chat/stew", recipe="stew")
    w.says("ana", 0.5, "salt")
    w.said("ana", 0.52, "salt", "c1")
    w.said("eva", 0.52, "salt")


def into_another_room_first(w: Watch) -> None:
    w.member("ana")
    w.member("eva", 0.1, target="/v1/chat/stew", recipe="stew")
    w.says("ana", 0.5, "salt")
    w.said("eva", 0.52, "salt")


def from_nowhere(w: Watch) -> None:
    w.member("ana")
    w.said("ana", 0.52, "nobody said this", by="zoe")


def to_the_unauthenticated(w: Watch) -> None:
    w.member("ana")
    w.upgraded("eve", 0.1)
    w.says("ana", 0.5, "salt")
    w.said("ana", 0.52, "salt", "c1")
    w.said("eve", 0.52, "salt")


def update_to_the_unauthenticated(w: Watch) -> None:
    w.upgraded("eve", 0.1)
    w.update("eve", 0.5, None)


def delivered_twice(w: Watch) -> None:
    w.member("ana")
    w.member("ben", 0.1)
    w.says("ana", 0.5, "salt")
    w.said("ana", 0.52, "salt", "c1")
    w.said("ben", 0.52, "salt")
    w.said("ben", 0.53, "salt")


def reordered(w: Watch) -> None:
    w.member("ana")
    w.member("ben", 0.1)
    w.says("ana", 0.5, "one", "c1")
    w.says("ana", 0.51, "two", "c2")
    w.said("ben", 0.55, "two")


def own_answers_reordered(w: Watch) -> None:
    w.member("ana")
    w.says("ana", 0.5, "one", "c1")
    w.sends("ana", 0.51, message("dance", id="d1"))
    w.error("ana", 0.55, "MESSAGE_UNKNOWN_TYPE", "d1")


def token_quoted(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.error("ana", 0.15, "TOKEN_INVALID", "a1", told=f"bad token {FORGED[20:36]}")
    w.closed("ana", 0.16, 1008, "TOKEN_INVALID")


def token_quoted_in_the_reason(w: Watch) -> None:
    w.member("ana")
    w.tracker.we_closed("ana", NOW + 1.0)
    w.closed("ana", 1.01, 1000, Tokens.of("ana")[-16:])


def token_quoted_in_http(w: Watch) -> None:
    asked = request("chat.v1", bearer(FORGED))
    w.tracker.secret(FORGED)
    w.opens("ana", 0.0, asked)
    body = {"code": "TOKEN_INVALID", "token": FORGED}
    w.answered("ana", 0.1, 401, ("WWW-Authenticate", "Bearer"), *DATES, body=body)


def time_with_an_offset(w: Watch) -> None:
    w.member("ana")
    w.update("ana", 0.2, None, timestamp="2027-01-15T08:00:00+00:00")


def time_that_is_none(w: Watch) -> None:
    w.member("ana")
    w.update("ana", 0.2, None, timestamp=1_800_000_000)


def id_again(w: Watch) -> None:
    w.member("ana")
    w.update("ana", 0.2, None, id="same")
    w.update("ana", 0.3, None, id="same")


def no_id(w: Watch) -> None:
    w.member("ana")
    w.update("ana", 0.2, None, id="")


def another_recipe(w: Watch) -> None:
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, VALID)
    w.update("ana", 0.12, recipe="stew")


def another_recipe_unasked(w: Watch) -> None:
    w.member("ana")
    w.update("ana", 0.2, None, recipe="stew")


def not_in_the_schema(w: Watch) -> None:
    w.member("ana")
    payload = {"recipe_id": "soup", "revision": -1, "recipe": {}}
    w.update("ana", 0.2, None, payload=payload)


def unknown_type(w: Watch) -> None:
    w.member("ana")
    w.hears("ana", 0.2, "surprise", {})


def binary(w: Watch) -> None:
    w.member("ana")
    w.tracker.received_binary("ana", 3, NOW + 0.2)


def closed_while_connected(w: Watch) -> None:
    w.member("ana")
    w.closed("ana", 1.0, 1000)


def invalid_message_closes(w: Watch) -> None:
    w.member("ana")
    w.sends("ana", 0.1, "{")
    w.error("ana", 0.12, "MESSAGE_INVALID")
    w.closed("ana", 0.13, 1008, "MESSAGE_INVALID")


def invalid_message_closes_at_once(w: Watch) -> None:
    w.member("ana")
    w.sends("ana", 0.1, "{")
    w.closed("ana", 0.13, 1007)


def close_unanswered(w: Watch) -> None:
    w.member("ana")
    w.tracker.we_closed("ana", NOW + 1.0)
    w.idles(4.2)


def close_answered_by_the_end(w: Watch) -> None:
    w.member("ana")
    w.tracker.we_closed("ana", NOW + 1.0)
    w.closed("ana", 1.1, None)


DUAL = {"rollout": "dual"}

BAD: dict[str, tuple[Trace, tuple[str, str], dict[str, str]]] = {
    "a forged token is accepted": (accepted_instead, ("accepted", "CHAT-AUTH-5"), {}),
    "another code": (wrong_code, ("code", "CHAT-AUTH-5"), {}),
    "another close code": (wrong_close_code, ("close", "CHAT-AUTH-5"), {}),
    "no close behind the error": (no_close, ("missing", "CHAT-AUTH-5"), {}),
    "a close without its error": (close_before_error, ("missing", "ALL-CLOSE-1"), {}),
    "another reason": (wrong_reason, ("reason", "ALL-CLOSE-1"), {}),
    "an end without a close frame": (abnormal_end, ("close", "CHAT-AUTH-5"), {}),
    "no answer": (silence, ("missing", "CHAT-AUTH-1"), {}),
    "an answer too late": (answer_late, ("late", "ALL-REPLY-1"), {}),
    "a close too late": (close_late, ("late", "ALL-REPLY-1"), {}),
    "another close in place of an answer": (swallowed_by_another_close, ("missing", "CHAT-AUTH-5"), {}),
    "the deadline of who is a member": (deadline_of_a_member, ("stray", "CHAT-AUTH-4"), {}),
    "a limit that is not reached": (limited_without_a_reason, ("accepted", "CHAT-AUTH-8"), {}),
    "the wrong retryable": (wrong_retryable, ("message", "CHAT-AUTH-5"), {}),
    "an update that is no answer": (answer_without_reply, ("missing", "CHAT-AUTH-1"), {}),
    "the deadline, early": (deadline(4.9), ("early", "ALL-TIME-2"), {}),
    "the deadline, late": (deadline(5.7), ("late", "ALL-TIME-2"), {}),
    "a short deadline, late": (deadline(1.4), ("late", "ALL-TIME-2"), {"auth_deadline": "1s"}),
    "the deadline, never": (deadline_never, ("missing", "CHAT-AUTH-4"), {}),
    "the deadline, without its error": (deadline_without_error, ("missing", "ALL-CLOSE-1"), {}),
    "expiry by another code": (expiry_by_another_code, ("code", "CHAT-REAUTH-5"), {}),
    "expiry, never": (expiry_never, ("missing", "CHAT-REAUTH-5"), {}),
    "auth_required twice": (asked_twice, ("double", "CHAT-REAUTH-1"), {}),
    "auth_required, early": (asked_early, ("early", "ALL-TIME-2"), {}),
    "auth_required, late": (asked_late, ("late", "ALL-TIME-2"), {}),
    "auth_required, never": (asked_never, ("missing", "CHAT-REAUTH-1"), {}),
    "auth_required of another moment": (asked_with_a_wrong_time, ("message", "CHAT-REAUTH-1"), {}),
    "auth_required to version 1": (asked_by_version_1, ("isolation", "CHAT-LEG-3"), DUAL),
    "an id accepted a second time": (accepted_a_second_time, ("accepted", "CHAT-AUTH-7"), {}),
    "no copy for the sender": (no_own_copy, ("missing", "CHAT-MSG-2"), {}),
    "no copy for another member": (no_copy_for_others, ("missing", "CHAT-MSG-2"), {}),
    "the sender's copy names nothing": (own_copy_without_reply, ("message", "CHAT-MSG-2"), {}),
    "another's copy names the message": (reply_leaked, ("message", "CHAT-MSG-2"), {}),
    "content is changed": (content_changed, ("message", "CHAT-MSG-2"), {}),
    "another's name": (sender_forged, ("message", "CHAT-MSG-2"), {}),
    "another room hears it": (into_another_room, ("isolation", "CHAT-MSG-3"), {}),
    "another room hears it first": (into_another_room_first, ("isolation", "CHAT-MSG-3"), {}),
    "what nobody said": (from_nowhere, ("isolation", "CHAT-MSG-3"), {}),
    "the unauthenticated hear it": (to_the_unauthenticated, ("isolation", "CHAT-AUTH-9"), {}),
    "the unauthenticated see the recipe": (update_to_the_unauthenticated, ("isolation", "CHAT-AUTH-9"), {}),
    "delivered twice": (delivered_twice, ("double", "CHAT-MSG-2"), {}),
    "reordered": (reordered, ("order", "CHAT-MSG-9"), {}),
    "answers reordered": (own_answers_reordered, ("order", "ALL-ORDER-1"), {}),
    "a token in an error's text": (token_quoted, ("leak", "ALL-LEAK-1"), {}),
    "a token in a close reason": (token_quoted_in_the_reason, ("leak", "ALL-LEAK-1"), {}),
    "a token in a refusal": (token_quoted_in_http, ("leak", "ALL-LEAK-1"), DUAL),
    "a time with an offset": (time_with_an_offset, ("message", "ALL-TIME-1"), {}),
    "a time that is a number": (time_that_is_none, ("message", "ALL-TIME-1"), {}),
    "an id used twice": (id_again, ("message", "CHAT-MSG-1"), {}),
    "an empty id": (no_id, ("message", "CHAT-MSG-1"), {}),
    "an answer with another recipe": (another_recipe, ("isolation", "CHAT-MSG-3"), {}),
    "an unasked other recipe": (another_recipe_unasked, ("isolation", "CHAT-MSG-3"), {}),
    "a payload outside its schema": (not_in_the_schema, ("message", "CHAT-MSG-1"), {}),
    "a type that nobody knows": (unknown_type, ("message", "CHAT-MSG-1"), {}),
    "a binary message": (binary, ("message", "CHAT-MSG-1"), {}),
    "a close out of the blue": (closed_while_connected, ("stray", "CHAT-AUTH-1"), {}),
    "a close behind an error that is only told": (invalid_message_closes, ("close", "CHAT-MSG-4"), {}),
    "a close for an error that is only told": (invalid_message_closes_at_once, ("close", "CHAT-MSG-4"), {}),
    "binary, by another code": (closes(Binary(3), 1002), ("close", "CHAT-MSG-7"), {}),
    "too large, by another code": (closes(Binary(70_000), 1008), ("close", "CHAT-MSG-6"), {}),
    "a close frame that is not answered": (close_unanswered, ("missing", "ALL-CLOSE-2"), {}),
    "a close frame that is answered by the end": (close_answered_by_the_end, ("close", "ALL-CLOSE-2"), {}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_server_is_blamed_by_its_rule(name: str) -> None:
    """One finding, with its check, and the broken rule first."""
    trace, expected, parameters = BAD[name]
    w = Watch(**parameters)
    trace(w)

    assert w.blamed[:1] == [expected], [finding.text for finding in w.found]
    assert all(finding.text and finding.client in finding.client for finding in w.found)


def test_findings_that_rest_on_silence_or_timing_say_so() -> None:
    """These are the ones that a runner must see again before it believes them; what a message says is none of them."""
    timed = {name for name, (trace, _, parameters) in BAD.items() if _first(trace, parameters).timed}

    assert timed >= {
        "no close behind the error",
        "no answer",
        "an update that is no answer",
        "the deadline, early",
        "the deadline, late",
        "a short deadline, late",
        "the deadline, never",
        "expiry, never",
        "auth_required, early",
        "auth_required, late",
        "auth_required, never",
        "no copy for the sender",
        "no copy for another member",
        "a close frame that is not answered",
    }
    assert timed.isdisjoint(
        {
            "a forged token is accepted",
            "another close code",
            "another reason",
            "the wrong retryable",
            "auth_required to version 1",
            "the sender's copy names nothing",
            "another's copy names the message",
            "content is changed",
            "another room hears it",
            "the unauthenticated hear it",
            "reordered",
            "a token in an error's text",
            "an id used twice",
            "an answer with another recipe",
            "binary, by another code",
        }
    )


def _first(trace: Trace, parameters: dict[str, str]) -> Finding:
    w = Watch(**parameters)
    trace(w)
    return w.found[0]


def test_a_soft_finding_lets_the_exchange_go_on() -> None:
    """A wrong code hides neither the close that follows nor what comes of it."""
    w = Watch()
    wrong_code(w)
    assert not w.tracker.failed
    assert [finding.check for finding in w.found] == ["code"]
    w.member("ben", 1.0)
    w.says("ben", 2.0, "x")
    w.said("ben", 2.1, "x", "c1", by="eve")

    assert [finding.check for finding in w.found] == ["code", "message"]


def test_what_a_step_was_there_for_is_blamed_first() -> None:
    """The focus of the step whose answer is wrong goes before the rule by which the answer was due."""
    w = Watch()
    w.member("ana")
    w.sends("ana", 0.5, message("chat_message", {"content": "x"}, "c1", extra=1), focus=("CHAT-MSG-8",))
    w.error("ana", 0.52, "MESSAGE_INVALID", "c1")

    assert w.found[0].blamed[:2] == ("CHAT-MSG-8", "CHAT-MSG-2")
    assert w.found[0].check == "accepted"


def test_sixteen_characters_of_a_token_are_a_leak_and_fifteen_are_none() -> None:
    """And what a client chose itself may be echoed, a token included."""
    w = Watch()
    w.upgraded("ana", 0.0)
    w.auths("ana", 0.1, FORGED)
    w.error("ana", 0.15, "TOKEN_INVALID", "a1", told=f"bad token {FORGED[20:35]}")
    w.closed("ana", 0.16, 1008, "TOKEN_INVALID")
    w.member("ben", 1.0)
    w.says("ben", 2.0, FORGED, FORGED)
    w.said("ben", 2.1, FORGED, FORGED, by="ben")

    assert w.found == []


@pytest.mark.parametrize(
    ("told", "leaks"), [("a-subject-of-a-run-ana", False), ("a-subject-of-a-r", False), ("c2lnbmF0dXJlIG9m", True)]
)
def test_what_a_token_says_in_plain_text_by_right_is_no_leak(told: str, leaks: bool) -> None:
    """Claims may stand in a token unencoded; the subject may be named, the rest of the token may not."""
    w = Watch()
    w.member("ana")
    w.tracker.secret(
        'abc.{"sub":"a-subject-of-a-run-ana"}.c2lnbmF0dXJlIG9mIGEg', public=["a-subject-of-a-run-ana", "a"]
    )
    w.sends("ana", 1.0, message("unknown", {}, "u1"))
    w.error("ana", 1.1, "MESSAGE_UNKNOWN_TYPE", "u1", told=f"no {told}.")

    assert [finding.check for finding in w.found] == (["leak"] if leaks else [])


# ------------------------------------------------------------------------------------------------ HTTP answers

OTHER = request("other")
OLD = request("chat.v1", bearer(VALID))
NAKED = request("chat.v1")
TWICE = request("chat.v1", bearer(VALID), target=f"{ROOM}?token={VALID}")
UNSUPPORTED = {"code": "VERSION_UNSUPPORTED", "supported": ["chat.v2"]}
BOTH = {"code": "VERSION_UNSUPPORTED", "supported": ["chat.v2", "chat.v1"]}
DATES_AS_HTTP = (("Deprecation", DATES[1][1]), DATES[1])
DATES_TURNED = (("Deprecation", "@1900000000"), ("Sunset", "Fri, 15 Jan 2027 08:00:00 GMT"))
BASIC = ("WWW-Authenticate", "Basic")
CHALLENGE = ("WWW-Authenticate", 'Bearer realm="chat"')
V1, V2 = ("Sec-WebSocket-Protocol", "chat.v1"), ("Sec-WebSocket-Protocol", "chat.v2")

Http = tuple[Request, int, tuple[tuple[str, str], ...], Any, dict[str, str]]

GOOD_ANSWERS: dict[str, Http] = {
    "an upgrade": (request(), 101, (V2,), "", {}),
    "a refusal with more than is asked": (OTHER, 400, (("X", "y"),), {**UNSUPPORTED, "message": "No."}, {}),
    "the supported ones in any order": (OTHER, 400, (), BOTH, DUAL),
    "the supported ones in the other order": (OTHER, 400, (), {**BOTH, "supported": ["chat.v1", "chat.v2"]}, DUAL),
    "a challenge with more in it": (NAKED, 401, (CHALLENGE, *DATES), {"code": "AUTH_REQUIRED"}, DUAL),
    "other dates": (OLD, 101, (V1, ("Deprecation", "@1"), ("Sunset", "Thu, 01 Jan 1970 00:00:01 GMT")), "", DUAL),
    "a path that is not served": (request(target="/x"), 404, (), {"code": "NOT_FOUND"}, {}),
}

BAD_ANSWERS: dict[str, tuple[Http, tuple[str, str]]] = {
    "accepted": ((OTHER, 101, (V2,), "", {}), ("accepted", "CHAT-OPEN-4")),
    "accepted without a token": ((NAKED, 101, (V1, *DATES), "", DUAL), ("accepted", "CHAT-LEG-1")),
    "refused": ((request(), 400, (), UNSUPPORTED, {}), ("refused", "CHAT-OPEN-1")),
    "refused for a header that is to be ignored": (
        (request("chat.v2", bearer(FORGED)), 401, (CHALLENGE,), {"code": "TOKEN_INVALID"}, {}),
        ("refused", "CHAT-LEG-5"),
    ),
    "another status": ((OTHER, 426, (), UNSUPPORTED, {}), ("status", "CHAT-OPEN-4")),
    "another status for a path": (
        (request(target="/x"), 400, (), {"code": "NOT_FOUND"}, {}),
        ("status", "CHAT-OPEN-5"),
    ),
    "another code": ((OTHER, 400, (), {**UNSUPPORTED, "code": "BAD"}, {}), ("code", "CHAT-OPEN-4")),
    "no JSON": ((request(target="/x"), 404, (), "Not Found", {}), ("code", "CHAT-OPEN-5")),
    "no list of those served": ((OTHER, 400, (), {"code": "VERSION_UNSUPPORTED"}, {}), ("body", "CHAT-OPEN-4")),
    "another list": ((OTHER, 400, (), {**UNSUPPORTED, "supported": ["chat.v1"]}, {}), ("body", "CHAT-OPEN-4")),
    "a doubled list": ((OTHER, 400, (), {**UNSUPPORTED, "supported": ["chat.v2"] * 2}, {}), ("body", "CHAT-OPEN-4")),
    "no challenge": ((NAKED, 401, DATES, {"code": "AUTH_REQUIRED"}, DUAL), ("header", "CHAT-LEG-1")),
    "another challenge": ((NAKED, 401, (BASIC, *DATES), {"code": "AUTH_REQUIRED"}, DUAL), ("header", "CHAT-LEG-1")),
    "another subprotocol": ((request("chat.v1, chat.v2"), 101, (V1,), "", {}), ("header", "CHAT-OPEN-2")),
    "a subprotocol nobody asked for": ((request(None), 101, (V2,), "", {}), ("header", "CHAT-OPEN-3")),
    "no Deprecation": ((OLD, 101, (V1, DATES[1]), "", DUAL), ("header", "CHAT-LEG-2")),
    "no Sunset on the 400": ((TWICE, 400, DATES[:1], {"code": "CREDENTIAL_AMBIGUOUS"}, DUAL), ("header", "CHAT-LEG-2")),
    "Deprecation as an HTTP date": ((OLD, 101, (V1, *DATES_AS_HTTP), "", DUAL), ("header", "CHAT-LEG-2")),
    "Sunset before Deprecation": ((OLD, 101, (V1, *DATES_TURNED), "", DUAL), ("header", "CHAT-LEG-2")),
}


def judged(answer: Http) -> list[Finding]:
    """What is found of one HTTP answer."""
    asked, status, headers, body, parameters = answer
    tracker = Tracker(machine(**parameters))
    tracker.opened("ana", asked, NOW)
    tracker.answered("ana", Answer(status, headers, body if isinstance(body, str) else json.dumps(body)), NOW + 0.01)
    return tracker.findings


@pytest.mark.parametrize("name", GOOD_ANSWERS)
def test_a_right_answer_to_a_request(name: str) -> None:
    """Nothing is found, whatever the rules leave open."""
    assert judged(GOOD_ANSWERS[name]) == []


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_wrong_answer_to_a_request(name: str) -> None:
    """One finding, with its check and its rule."""
    answer, expected = BAD_ANSWERS[name]
    found = judged(answer)

    assert [(finding.check, finding.blamed[0]) for finding in found] == [expected], [f.text for f in found]


# -------------------------------------------------------------------------------------------------- hypotheses

LEAD, EXPIRY = 40.0, 100.0


def about_to_be_asked() -> Watch:
    w = Watch()
    w.member("ana", life=EXPIRY)
    w.says("ana", LEAD - 0.02, "salt")
    return w


def test_an_input_beside_a_timer_may_be_handled_before_it_or_behind_it() -> None:
    """Both orders are accepted, and neither excuses that one of the two does not come at all."""
    before, behind = about_to_be_asked(), about_to_be_asked()
    before.said("ana", LEAD, "salt", "c1")
    before.asked("ana", LEAD + 0.02, EXPIRY)
    behind.asked("ana", LEAD + 0.01, EXPIRY)
    behind.said("ana", LEAD + 0.02, "salt", "c1")
    for w in (before, behind):
        w.idles(LEAD + 9.0)
        assert w.found == []

    unsaid, unasked = about_to_be_asked(), about_to_be_asked()
    unsaid.asked("ana", LEAD + 0.01, EXPIRY)
    unasked.said("ana", LEAD + 0.01, "salt", "c1")
    for w, rule in ((unsaid, "CHAT-REAUTH-2"), (unasked, "CHAT-REAUTH-1")):
        w.idles(LEAD + 9.0)
        assert w.blamed == [("missing", rule)]


def at_the_deadline(at: float) -> Watch:
    w = Watch()
    w.upgraded("ana", 0.0)
    w.auths("ana", at, VALID)
    return w


def test_an_auth_at_the_deadline_may_be_in_time_or_not() -> None:
    """Where it may have crossed with the timer, acceptance and timeout are both right; well before it, only one is."""
    for at, may_time_out in ((4.98, True), (4.9, False)):
        accepted, late = at_the_deadline(at), at_the_deadline(at)
        accepted.update("ana", at + 0.03)
        late.error("ana", 5.01, "AUTH_TIMEOUT")
        late.closed("ana", 5.02, 1008, "AUTH_TIMEOUT")
        for w in (accepted, late):
            w.idles(9.0)

        assert accepted.found == []
        assert (late.found == []) is may_time_out


def test_an_auth_well_behind_the_deadline_is_too_late() -> None:
    """A server that accepts it has not kept the deadline."""
    w = at_the_deadline(5.7)
    w.update("ana", 5.72)

    assert "CHAT-AUTH-4" in {finding.blamed[0] for finding in w.found}


def in_flight(left: float, *, told: bool = True) -> tuple[Watch, str]:
    w = Watch()
    w.upgraded("ana", 0.0)
    token = Tokens.of("ana", 1.0 + left)
    if told:
        w.tracker.secret(token, [NOW + 1.0 + left])
    w.sends("ana", 1.0, message("auth", {"token": token}, "a1"))
    return w, token


def test_a_token_that_expires_in_flight_may_be_valid_or_expired() -> None:
    """Both verdicts are accepted where it may have expired under way, and only one where it cannot have."""
    for left, both in ((0.02, True), (0.2, False)):
        accepted, _ = in_flight(left)
        accepted.update("ana", 1.04)
        accepted.asked("ana", 1.05, 1.0 + left)
        accepted.error("ana", 1.06 + left, "REAUTH_TIMEOUT")
        accepted.closed("ana", 1.07 + left, 1008, "REAUTH_TIMEOUT")
        expired, _ = in_flight(left)
        expired.error("ana", 1.04, "TOKEN_EXPIRED", "a1")
        expired.closed("ana", 1.05, 1008, "TOKEN_EXPIRED")
        for w in (accepted, expired):
            w.idles(9.0)

        assert accepted.found == []
        assert (expired.found == []) is both

    unknown, _ = in_flight(0.02, told=False)
    unknown.error("ana", 1.04, "TOKEN_EXPIRED", "a1")
    assert unknown.found, "the moment of a verdict's change must be told"


def test_what_others_say_may_be_cut_off_by_a_close() -> None:
    """A member whose token expires owes nobody what was under way to it, but what is its own comes before the close."""
    w = Watch()
    w.member("ana")
    w.member("ben", 0.1, life=EXPIRY)
    w.asked("ben", LEAD, EXPIRY)
    w.says("ana", EXPIRY - 0.01, "salt")
    w.said("ana", EXPIRY, "salt", "c1")
    w.error("ben", EXPIRY + 0.02, "REAUTH_TIMEOUT")
    w.closed("ben", EXPIRY + 0.03, 1008, "REAUTH_TIMEOUT")
    w.idles(EXPIRY + 9.0)

    assert w.found == []


def test_unsolicited_updates_are_free_while_connected_only() -> None:
    """As many as the server likes once connected, in every connected state; not one before."""
    w = Watch()
    w.member("ana", life=EXPIRY)
    w.update("ana", 1.0, None)
    w.update("ana", 1.0, None)
    w.asked("ana", LEAD, EXPIRY)
    w.update("ana", LEAD + 1.0, None)
    assert w.found == []

    before = Watch()
    before.upgraded("ana", 0.0)
    before.update("ana", 1.0, None)
    assert before.blamed == [("isolation", "CHAT-AUTH-9")]


def test_what_may_happen_next_is_told() -> None:
    """The deadline of an answer, of a timer, and none where nothing is awaited."""
    w = Watch()
    assert w.tracker.deadline() is None
    w.upgraded("ana", 0.0)
    assert w.tracker.deadline() == pytest.approx(NOW + 5.0 + 0.01 + 0.5 + 0.1 + 2.0)
    assert w.tracker.due_at("ana") == w.tracker.due_at("ana", "auth_deadline") == NOW + 5.0
    assert w.tracker.running("ana", "auth_deadline")
    assert not w.tracker.running("ana", "token_expiry")
    assert w.tracker.settled(NOW + 1.0)
    w.auths("ana", 1.0, VALID)
    assert w.tracker.deadline() == pytest.approx(NOW + 1.0 + 2.0 + 0.05)
    assert not w.tracker.settled(NOW + 1.0)


# ------------------------------------------------------------------------------- agreement of engine and tracker

CLIENTS = ("ana", "ben", "cem")


@cache
def compiled(rollout: str) -> Engine:
    return Engine(chat(), resolve(chat().parameters, {"rollout": rollout, "auth_rate": "3/10s"}), Tokens())


def engine_of(rollout: str) -> Engine:
    """A fresh engine; the document is compiled once, which takes longer than a whole exchange."""
    engine = copy(compiled(rollout))
    engine.world, engine._queue, engine._queued = World(), [], {}
    return engine


@frozen
class Step:
    """What a client does, and how long after the step before."""

    pause: float
    client: str
    kind: str
    value: Any = None


@frozen
class Link:
    """How a trace comes about: the delays of both ways, how late timers run, and whether a frame overtakes them."""

    up: float
    down: float
    late: float
    lazy: bool


@define
class Simulation:
    """An engine behind a network, watched: every output is realised with a fresh id and the time of its sending."""

    rollout: str
    link: Link
    drop: int | None = None
    double: int | None = None
    tracker: Tracker = field(init=False)
    seen: list[tuple[float, str, Output]] = field(factory=list)
    ends: dict[str, float] = field(factory=dict)
    left: dict[str, float] = field(factory=dict)
    _heap: list[tuple[float, int, Callable[[float], None]]] = field(factory=list)
    _order: Iterator[int] = field(factory=itertools.count)
    _ids: Iterator[int] = field(factory=itertools.count)
    _numbers: dict[str, int] = field(factory=dict)
    _names: dict[int, str] = field(factory=dict)
    _engine: Engine = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._engine = engine_of(self.rollout)
        self.tracker = Tracker(self._engine.machine, Slack())

    def run(self, steps: list[Step]) -> list[Finding]:
        """Play steps to the end of the last timer; gives what the tracker found."""
        now = NOW
        for step in steps:
            now += step.pause
            self._at(now, partial(self._act, step))
        while self._heap or self._engine.next_deadline() is not None:
            due = self._engine.next_deadline()
            wakes = None if due is None else max(due + self.link.late, now)
            if wakes is not None and (not self._heap or wakes <= self._heap[0][0]):
                now = wakes
                self._emit(self._engine.tick(now), now)
            else:
                now, _, act = heapq.heappop(self._heap)
                self.tracker.advance(now)
                act(now)
        self.tracker.advance(now + 60.0)
        return self.tracker.findings

    def _at(self, moment: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._heap, (moment, next(self._order), act))

    def _act(self, step: Step, at: float) -> None:
        client = step.client
        number = self._numbers.get(client)
        if step.kind == "open":
            if number is None and client not in self.ends:
                self._open(client, step.value, at)
            return
        if number is None or number < 0 or client in self.ends:
            return
        if step.kind in {"close", "reset"}:
            self.ends[client] = self.left[client] = at
            self.tracker.we_closed(client, at) if step.kind == "close" else self.tracker.dropped(client)
            self._at(at + self.link.up, lambda then: self._leave(client, number, then, step.kind))
            return
        if step.kind == "auth":
            token, name = step.value
            self.tracker.secret(token, [float(".".join(token.split(".")[2:4]))] if token.startswith("token.") else ())
            frame: Any = text(message("auth", {"token": token}, name))
        else:
            frame = step.value
        self.tracker.sent(client, frame, at)
        self._at(at + self.link.up, lambda then: self._arrive(number, frame, then))

    def _open(self, client: str, asked: Request, at: float) -> None:
        self.tracker.opened(client, asked, at)
        self._numbers[client] = -1

        def arrive(now: float) -> None:
            answer = self._engine.open(asked, now)
            if isinstance(answer, Upgrade):
                self._names[answer.connection] = client
                chosen = (("Sec-WebSocket-Protocol", answer.subprotocol),) if answer.subprotocol else ()
                told = Answer(101, (*answer.headers.items(), *chosen))
            else:
                told = Answer(answer.status, tuple(answer.headers.items()), json.dumps(answer.body))
            self._at(now + self.link.down, lambda then: self._answered(client, answer, told, then))
            if isinstance(answer, Upgrade):
                self._emit(answer.outputs, now)

        self._at(at + self.link.up, arrive)

    def _answered(self, client: str, answer: Any, told: Answer, at: float) -> None:
        self.tracker.answered(client, told, at)
        self._numbers[client] = answer.connection if isinstance(answer, Upgrade) else -1
        if not isinstance(answer, Upgrade):
            self.ends[client] = at

    def _arrive(self, number: int, frame: Any, now: float) -> None:
        if number < 0:
            return
        machine, world = self._engine.machine, self._engine.world
        if self.link.lazy:
            heard = [frame] if isinstance(frame, Breach) else self._engine._ears[number].hear(frame)
            lazy = [output for one in heard for output in machine.receive(world, number, one, now)]
            self._engine._schedule(number)
            self._emit(lazy, now)
        else:
            self._emit(self._engine.receive(number, frame, now), now)

    def _leave(self, client: str, number: int, now: float, kind: str) -> None:
        alive = number in self._engine.world.connections
        self._engine.ended(number)
        if kind == "close" and alive:
            self._at(now + self.link.down, lambda then: self.tracker.closed(client, 1000, "", then))

    def _emit(self, outputs: Any, now: float) -> None:
        for output in outputs:
            client = self._names[output.connection]
            sent = self._text(output, now)
            self._at(now + self.link.down, partial(self._see, client, output, sent))

    def _text(self, output: Output, now: float) -> str:
        return json.dumps(realised(output, next(self._ids), now)) if isinstance(output, Emission) else ""

    def _see(self, client: str, output: Output, sent: str, at: float) -> None:
        index = len(self.seen)
        self.seen.append((at, client, output))
        if index == self.drop:
            return
        for _ in range(2 if index == self.double else 1):
            if isinstance(output, Emission):
                self.tracker.received(client, sent, at)
                sent = json.dumps({**json.loads(sent), "id": "again"})
            elif client not in self.ends or self.tracker.hypotheses[0].views[client].status == "closing":
                self.tracker.closed(client, output.code, output.reason or "", at)
                self.ends[client] = at


LIFE = st.sampled_from([0.03, 1.0, 5.0, 60.5, 70.0])
TOKENS = st.one_of(st.builds(Tokens.of, st.sampled_from(CLIENTS), LIFE), st.sampled_from([FORGED, EXPIRED]))
FRAMES = st.one_of(
    st.builds(
        lambda content, name: text(message("chat_message", {"content": content}, name)),
        st.sampled_from(["", "salt", "pepper", "x" * 4001]),
        st.sampled_from(["c1", "c2"]),
    ),
    st.sampled_from([text("{"), text({"id": "x"}), text(message("dance")), text(message("error"))]),
    st.sampled_from([Binary(1), NotUTF8(1), Text("{", 70_000)]),
)
PAUSES = st.sampled_from([0.0, 0.01, 0.3, 0.98, 4.97, 5.0, 9.99])
OPENINGS = st.one_of(
    st.builds(lambda target: request(target=target), st.sampled_from([ROOM, ROOM, "/v1/chat/stew"])),
    st.builds(lambda token: request("chat.v1", bearer(token)), TOKENS),
    st.sampled_from([request(None), request("other"), request("chat.v1")]),
)
STEPS = st.one_of(
    st.builds(Step, PAUSES, st.sampled_from(CLIENTS), st.just("open"), OPENINGS),
    st.builds(
        Step, PAUSES, st.sampled_from(CLIENTS), st.just("auth"), st.tuples(TOKENS, st.sampled_from(["a", "b", "c"]))
    ),
    st.builds(Step, PAUSES, st.sampled_from(CLIENTS), st.just("frame"), FRAMES),
    st.builds(Step, PAUSES, st.sampled_from(CLIENTS), st.sampled_from(["close", "reset"])),
)
LINKS = st.builds(
    Link,
    st.sampled_from([0.0, 0.01, 0.04]),
    st.sampled_from([0.0, 0.01, 0.04]),
    st.sampled_from([0.0, 0.1, 0.2]),
    st.booleans(),
)


@st.composite
def scripts(draw: st.DrawFn) -> list[Step]:
    """Clients that come, mostly prove who they are, and then do anything."""
    steps = []
    for client in draw(st.lists(st.sampled_from(CLIENTS), unique=True, min_size=1)):
        steps.append(Step(0.1, client, "open", draw(OPENINGS)))
        if draw(st.booleans()):
            steps.append(Step(0.1, client, "auth", (Tokens.of(client, draw(LIFE)), f"first-{client}")))
    return steps + draw(st.lists(STEPS, max_size=14))


TALK = [
    Step(0.1, "ana", "open", request()),
    Step(0.1, "ana", "auth", (Tokens.of("ana", 70.0), "a")),
    Step(0.1, "ben", "open", request()),
    Step(0.1, "ben", "auth", (Tokens.of("ben", 70.0), "b")),
    Step(0.3, "ana", "frame", text(message("chat_message", {"content": "salt"}, "c1"))),
]
PLAIN = Link(0.01, 0.01, 0.0, lazy=False)


@given(st.sampled_from(["message", "dual", "legacy"]), LINKS, scripts())
@settings(deadline=None, max_examples=200)
@example("message", PLAIN, TALK)
def test_the_engine_is_never_blamed(rollout: str, link: Link, steps: list[Step]) -> None:
    """A server that runs on the engine, behind a network within the slack and with timers within their tolerance."""
    simulation = Simulation(rollout, link)
    found = simulation.run(steps)

    assert [(finding.check, finding.text, finding.client, finding.at - NOW) for finding in found] == []
    assert simulation.tracker.settled(NOW + 10_000.0)


def judged_outputs(simulation: Simulation) -> list[int]:
    """The outputs that no close may cut off, of clients that stay long enough to miss them."""
    found = []
    for index, (at, client, output) in enumerate(simulation.seen):
        asking = isinstance(output, Emission) and output.message == "auth_required"
        own = isinstance(output, Closing) or output.source in {None, output.connection}
        stays = simulation.ends if asking else simulation.left
        if own and stays.get(client, at + 99.0) > at + 12.0:
            found.append(index)
    return found


@given(st.sampled_from(["message", "dual"]), LINKS, scripts(), st.integers(0, 99))
@settings(deadline=None, max_examples=100)
@example("message", PLAIN, TALK, 1)
def test_an_engine_that_swallows_one_output_is_blamed(rollout: str, link: Link, steps: list[Step], which: int) -> None:
    """Whatever the exchange, and whatever the output: something is found once one that was due does not come."""
    whole = Simulation(rollout, link)
    whole.run(steps)
    candidates = judged_outputs(whole)
    assume(candidates)
    lost = candidates[which % len(candidates)]
    broken = Simulation(rollout, link, drop=lost)
    found = broken.run(steps)
    at, client, output = whole.seen[lost]
    # A client whose close was swallowed may go on, and leave by itself before the close is missed.
    assume(broken.left.get(client, at + 99.0) > at + 12.0)

    assert found, output


def test_a_simulation_sees_something() -> None:
    """The examples above are about something: every output of a plain talk is judged, and doubling one is found."""
    whole = Simulation("message", PLAIN)
    assert whole.run(TALK) == []
    kinds = [o.message if isinstance(o, Emission) else "close" for _, _, o in whole.seen]
    assert sorted(kinds) == sorted(["recipe_update", "chat_message", "auth_required", "error", "close"] * 2)
    for index, (_, _, output) in enumerate(whole.seen):
        if isinstance(output, Emission) and output.message != "recipe_update":
            broken = Simulation("message", PLAIN, double=index)
            assert [finding.check for finding in broken.run(TALK)][:1] == ["double"], output


# ----------------------------------------------------------------------------------------------- below the messages


def breaks(w: Watch, client: str, at: float, kind: str = "unmasked") -> None:
    w.tracker.sent(client, Breach(kind), NOW + at)


@pytest.mark.parametrize(("code", "reason"), [(1002, "no mask"), (1007, ""), (1005, ""), (None, "")])
def test_a_breach_of_framing_ends_the_connection_in_any_way(code: int | None, reason: str) -> None:
    """With a close of any code, or with the transport alone; others are not concerned."""
    w = Watch()
    w.member("ana", 0.0)
    w.member("ben", 0.1)
    breaks(w, "ana", 1.0)
    w.closed("ana", 1.1, code, reason)
    w.says("ben", 1.2, "salt")
    w.said("ben", 1.3, "salt", "c1", by="ben")
    w.idles(20.0)

    assert w.found == []
    assert w.tracker.covered >= {"RFC6455-5.1", "CHAT-MSG-2"}


def test_a_breach_that_is_let_pass_is_found() -> None:
    """In silence, by an answer to it, and by what others hear of it: by the rule that it breaks."""
    w = Watch()
    w.member("ana", 0.0)
    breaks(w, "ana", 1.0, "reserved_bits")
    w.idles(5.0)
    assert w.blamed == [("missing", "RFC6455-5.2")]

    w = Watch()
    w.upgraded("ana", 0.0)
    breaks(w, "ana", 1.0, "control")
    w.error("ana", 1.1, "MESSAGE_INVALID")
    assert w.blamed == [("accepted", "RFC6455-5.5")]

    w = Watch()
    w.member("ana", 0.0)
    w.member("ben", 0.1)
    w.tracker.mentioned("ana", json.dumps(message("chat_message", {"content": "salt"}, "c1")))
    breaks(w, "ana", 1.0, "interleaved")
    w.said("ben", 1.1, "salt")
    assert w.blamed == [("accepted", "RFC6455-5.4")]


def test_what_may_be_taken_in_two_ways_is_not_blamed_for_either() -> None:
    """But for a third it is."""
    outcomes: list[tuple[Trace, list[str]]] = [
        (lambda w: w.said("ana", 1.1, "salt", "c1"), []),
        (lambda w: w.closed("ana", 1.1, 1002), []),
        (lambda w: w.said("ana", 1.1, "pepper", "c1"), ["message"]),
    ]
    for outcome, expected in outcomes:
        w = Watch()
        w.member("ana", 0.0)
        said = text(message("chat_message", {"content": "salt"}, "c1"))
        w.tracker.sent("ana", said, NOW + 1.0, otherwise=(Breach("length"),))
        outcome(w)
        w.idles(4.0)

        assert [finding.check for finding in w.found] == expected


def test_what_may_be_nothing_yet_leaves_timers_running() -> None:
    """A frame that is announced too large: closed with 1009 at once, or the deadline comes as ever."""
    for early in (True, False):
        w = Watch()
        w.upgraded("ana", 0.0)
        w.tracker.sent("ana", None, NOW + 0.1, otherwise=(Binary(10**9),))
        if early:
            w.closed("ana", 0.2, 1009)
        else:
            w.error("ana", 5.02, "AUTH_TIMEOUT")
            w.closed("ana", 5.03, 1008, "AUTH_TIMEOUT")
        w.idles(20.0)

        assert w.found == []


def test_the_last_ping_is_answered_with_its_data() -> None:
    """Pongs to earlier ones, and such as nobody asked for, are neither here nor there."""
    w = Watch()
    w.upgraded("ana", 0.0)
    w.tracker.pinged("ana", b"one", NOW + 0.1)
    w.tracker.pinged("ana", b"two", NOW + 0.2)
    w.tracker.ponged("ana", b"unasked")
    w.tracker.ponged("ana", b"two")
    w.idles(4.0)
    assert w.found == []
    assert "RFC6455-5.5.2" in w.tracker.covered

    w.tracker.pinged("ana", b"three", NOW + 3.1)
    w.tracker.ponged("ana", b"")
    w.tracker.ponged("ana", b"two")
    w.idles(5.4)
    assert w.blamed == [("missing", "RFC6455-5.5.2")]


def test_a_ping_need_not_be_answered_behind_a_close() -> None:
    """Neither behind one that is due, nor behind one that was sent."""
    w = Watch()
    w.member("ana", 0.0)
    w.tracker.pinged("ana", b"one", NOW + 1.0)
    breaks(w, "ana", 1.1)
    w.tracker.pinged("ana", b"two", NOW + 1.2)
    w.closed("ana", 1.3, 1002)
    w.idles(20.0)

    assert w.found == []


def test_who_has_said_its_last_is_no_member_any_more() -> None:
    """A connection that its client half closed may stay as it is, but nothing of the room comes to it."""
    w = Watch()
    w.member("ana", 0.0)
    w.member("ben", 0.1)
    w.tracker.finished("ana", NOW + 1.0)
    w.idles(5.0)
    w.says("ben", 4.1, "salt")
    w.said("ben", 4.2, "salt", "c1", by="ben")
    assert w.tracker.settled(NOW + 4.3)
    assert w.found == []

    w.said("ana", 4.3, "salt", by="ben")
    assert w.blamed == [("stray", "ALL-CLOSE-4")]


def test_a_half_closed_connection_may_be_ended_in_any_way() -> None:
    """Also one whose close frame has not been answered yet."""
    for closes in (True, False):
        w = Watch()
        w.member("ana", 0.0)
        if closes:
            w.tracker.we_closed("ana", NOW + 1.0)
        w.tracker.finished("ana", NOW + 1.1)
        w.closed("ana", 1.2, None)
        w.idles(20.0)

        assert w.found == []


def test_who_asks_for_too_much_may_be_let_go_but_not_kept_beyond_its_time() -> None:
    """Timers go on as if nothing was."""
    w = Watch()
    w.upgraded("ana", 0.0)
    w.tracker.strained("ana")
    assert w.tracker.settled(NOW + 0.1)
    w.closed("ana", 1.0, 1008, "enough")
    w.idles(20.0)
    assert w.found == []

    w = Watch()
    w.upgraded("ana", 0.0)
    w.tracker.strained("ana")
    w.idles(20.0)
    assert w.blamed == [("missing", "CHAT-AUTH-4")]


def test_who_does_not_read_is_not_judged_by_and_others_are() -> None:
    """A member that reads no more is owed nothing that could be seen; the others' copies are due as ever."""
    w = Watch()
    w.member("ana", 0.0)
    w.member("ben", 0.1)
    w.tracker.deafened("ben")
    w.says("ana", 1.0, "salt")
    w.said("ana", 1.1, "salt", "c1")
    w.idles(2000.0)
    assert [finding for finding in w.found if finding.client == "ben"] == []

    w = Watch()
    w.member("ana", 0.0)
    w.member("ben", 0.1)
    w.tracker.deafened("ben")
    w.says("ana", 1.0, "salt")
    w.idles(5.0)
    assert w.blamed == [("missing", "CHAT-MSG-2")]


def test_no_handshake_is_refused_or_dropped() -> None:
    """By any status and any end; an upgrade of it, and silence, are found."""
    w = Watch()
    w.tracker.knocked("ana", Answer(400, ()), NOW + 0.1)
    w.tracker.knocked("ben", None, NOW + 0.1)
    w.tracker.knocked("cat", None, NOW + 0.1, ended=False, due=False)
    assert w.found == []
    assert "RFC6455-4.2.1" in w.tracker.covered

    w.tracker.knocked("dan", Answer(101, ()), NOW + 0.2)
    w.tracker.knocked("eve", None, NOW + 3.0, ended=False)
    assert w.blamed == [("accepted", "RFC6455-4.2.1"), ("missing", "RFC6455-4.2.1")]


def test_a_timer_is_late_whatever_its_client_sends_when_it_is_due() -> None:
    """An input that may have come behind the timer does not give its output the time that an answer has."""
    for moment, expected in ((5.3, []), (6.5, [("late", "ALL-TIME-2")])):
        w = Watch()
        w.upgraded("ana", 0.0)
        w.tracker.pinged("ana", b"now", NOW + 4.99)
        w.tracker.ponged("ana", b"now")
        w.idles(moment)
        w.error("ana", moment, "AUTH_TIMEOUT")
        w.closed("ana", moment + 0.01, 1008, "AUTH_TIMEOUT")

        assert w.blamed == expected
