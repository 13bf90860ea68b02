"""Normal forms of what clients saw, and who is wrong where two servers answer one script differently."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from conformance.contrasting import ALIKE, Difference, comparable, contrast, grouped, texts_apart
from conformance.observing import Form, Observed, Observer
from conformance.scripts import Case, Close, Idle, Open, Send, Settle
from conformance.verdicts import Result
from tests.unit_conformance.kit import finding, plan

OBSERVER = Observer(plan("message").document)
CASE = Case("a/one", "a", (), (Open("ana"), Settle(), Send("ana", "auth"), Settle(), Send("ana", "chat_message")))


def text(name: str, payload: Any = None, step: int = 2, client: str = "ana", **envelope: Any) -> Observed:
    """A message of a server's, with an id and a time of its own."""
    body = {"type": name, "id": "made-up", "timestamp": "2026-01-01T00:00:00Z", "payload": payload or {}, **envelope}
    return Observed(client, "text", json.dumps(body), 0.01, step)


def error(code: str, message: str = "No.", **more: Any) -> Observed:
    return text("error", {"code": code, "message": message, "retryable": False}, in_reply_to="*-1", **more)


def close(code: int, reason: str = "", step: int = 2) -> Observed:
    return Observed("ana", "close", (code, reason), 0.02, step)


SENT = Observed("ana", "sent", "auth", 0.0, 2)


def result(*events: Observed, verdict: str = "pass", **more: Any) -> Result:
    return Result(CASE, verdict, ("CHAT-AUTH-1",), observed=(SENT, *events), **more)


def failed(*events: Observed, check: str = "code", rule: str = "CHAT-AUTH-5", verdict: str = "fail") -> Result:
    found = finding(check, rule)
    return evolve(result(*events, verdict=verdict), rules=(rule,), findings=(found,), message=found.text)


def form(event: Observed) -> Form:
    found = OBSERVER.form(event)
    assert found is not None
    return found


# ------------------------------------------------------------------------------------------------- normal forms


def test_what_servers_choose_is_left_out() -> None:
    """Ids, times and free texts may be anything; that they are there at all is compared."""
    one = error("TOKEN_INVALID", "No.")
    other = evolve(one, value=one.value.replace("made-up", "7").replace("2026", "2027").replace("No.", "Never."))

    assert form(one) == form(other)
    assert form(one).label == "error TOKEN_INVALID"
    assert form(one) != form(evolve(one, value=one.value.replace('"id": "made-up", ', "")))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (error("TOKEN_INVALID"), error("TOKEN_EXPIRED")),
        (text("chat_message", {"content": "a"}), text("chat_message", {"content": "b"})),
        (text("chat_message", {"content": "a"}), text("chat_message", {"content": "a", "more": 1})),
        (text("chat_message", {"content": "a"}), text("chat_message", {"content": "a"}, in_reply_to="*-1")),
        (close(1008, "TOKEN_INVALID"), close(1008, "TOKEN_EXPIRED")),
        (close(1008, "TOKEN_INVALID"), close(1002)),
        (close(1002), Observed("ana", "end", "the transport ended", 0.0, 2)),
        (Observed("ana", "http", (101, "", None), 0.0, 0), Observed("ana", "http", (101, "", "chat.v2"), 0.0, 0)),
        (
            Observed("ana", "http", (401, '{"code": "A"}', None), 0.0, 0),
            Observed("ana", "http", (401, "", None), 0.0, 0),
        ),
        (Observed("ana", "binary", 3, 0.0, 0), Observed("ana", "binary", 4, 0.0, 0)),
        (Observed("ana", "text", "no message", 0.0, 0), Observed("ana", "text", "another", 0.0, 0)),
    ],
)
def test_what_is_compared(one: Observed, other: Observed) -> None:
    """Types, codes, members, replies, closes, statuses and subprotocols."""
    assert form(one) != form(other)


def test_times_and_open_reasons_are_as_every_other() -> None:
    """When a time falls is judged by the rules; a close's reason is compared where the document gives one."""
    assert form(text("x", {"at": "2026-01-01T00:00:00Z"})) == form(text("x", {"at": "2026-01-01T00:00:09.5Z"}))
    assert form(close(1009)) == form(close(1009, "too big"))


def test_what_may_come_at_any_time_is_no_event() -> None:
    """`recipe_update` is allowed unasked; as an answer it is compared."""
    assert OBSERVER.form(text("recipe_update")) is None
    assert OBSERVER.form(text("recipe_update", in_reply_to="*-1")) is not None


def test_free_texts_are_told_apart_by_what_they_are() -> None:
    """An example of each text that the two word differently, and no others."""
    one = result(error("TOKEN_INVALID", "No."), error("TOKEN_EXPIRED", "Old."), close(1009, "big"))
    other = result(error("TOKEN_INVALID", "Never."), error("TOKEN_EXPIRED", "Old."), close(1009))

    assert texts_apart(OBSERVER, [(one, other)]) == {
        "close 1009's reason": ("big", ""),
        "error TOKEN_INVALID message": ("No.", "Never."),
    }


# -------------------------------------------------------------------------------------------------- differences


def difference(one: Result, other: Result) -> Difference:
    found = contrast(OBSERVER, one, other)
    assert isinstance(found, Difference)
    return found


def test_alike() -> None:
    """The same behaviour; the same breach of a rule on both sides, whomever each is blamed for."""
    assert contrast(OBSERVER, result(error("A")), result(error("A", "Otherwise."))) == ALIKE[0]
    both = failed(error("A")), failed(error("A"), rule="CHAT-AUTH-6")
    assert contrast(OBSERVER, *both) == ALIKE[1]


def test_one_side_breaks_a_rule() -> None:
    """The side with the finding is the culprit, by the rule of the finding, from whichever side one looks."""
    wrong, right = failed(error("TOKEN_EXPIRED"), close(1008, "TOKEN_EXPIRED")), result(error("TOKEN_INVALID"))

    found, swapped = difference(wrong, right), difference(right, wrong)

    assert (found.culprits, found.rules) == ("a", ("CHAT-AUTH-5", ""))
    assert found.events == ("error TOKEN_EXPIRED", "error TOKEN_INVALID")
    assert found.text == "A: a code that is wrong"
    assert (swapped.culprits, swapped.rules) == ("b", ("", "CHAT-AUTH-5"))
    assert swapped.events == found.events[::-1]


def test_a_breach_that_no_event_shows() -> None:
    """A timer that fired late came all the same; a SHOULD that only one keeps counts too."""
    late = difference(failed(close(1008), check="late"), result(close(1008)))
    slow = difference(result(), result(verdict="warn"))

    assert (late.culprits, late.events) == ("a", ("", ""))
    assert slow.culprits == "b"


def test_both_break_rules_in_different_ways() -> None:
    """Two breaches of which neither is the other, and one breach with two faces."""
    assert difference(failed(error("A")), failed(error("A"), check="missing")).culprits == "ab"
    assert difference(failed(close(1011)), failed(close(4000))).events == ("close 1011", "close 4000")


def test_open_where_no_rule_decides() -> None:
    """No culprit, and the member that differs where the message is the same."""
    found = difference(
        result(text("chat_message", {"content": "a", "seen": 1})), result(text("chat_message", {"content": "a"}))
    )

    assert (found.culprits, found.rules) == ("", ("", ""))
    assert found.events == ("chat_message (payload.seen)", "chat_message (payload.seen)")
    assert difference(result(close(1002)), result()).events == ("close 1002", "nothing")


def test_order_is_a_race_unless_a_rule_demands_it() -> None:
    """Clients are kept apart; within one, no finding means that any order was right."""
    one, other = error("A"), error("B")

    assert contrast(OBSERVER, result(one, other), result(other, one)) == ALIKE[0]
    assert isinstance(contrast(OBSERVER, result(one), result(evolve(one, client="ben"))), Difference)


def test_how_often_is_no_matter_where_the_script_waits() -> None:
    """Between which of its steps a timer fires is chance; elsewhere, a second copy is a difference."""
    one, other = result(error("A"), error("A")), result(error("A"))
    waiting = evolve(CASE, steps=(*CASE.steps, Idle(0.2)))

    assert isinstance(contrast(OBSERVER, one, other), Difference)
    assert contrast(OBSERVER, evolve(one, case=waiting), evolve(other, case=waiting)) == ALIKE[0]
    assert isinstance(contrast(OBSERVER, evolve(one, case=waiting), evolve(result(), case=waiting)), Difference)


def test_a_timer_that_fires_by_the_rules_is_no_difference() -> None:
    """Nor what then does not come any more; whether it was due is a finding."""
    timeout = text("error", {"code": "AUTH_TIMEOUT", "message": "Late.", "retryable": True})

    assert contrast(OBSERVER, result(timeout, close(1008, "AUTH_TIMEOUT")), result()) == ALIKE[0]
    assert contrast(OBSERVER, result(timeout), result(error("A"))) == ALIKE[0]
    assert isinstance(contrast(OBSERVER, result(error("AUTH_TIMEOUT")), result()), Difference)
    assert isinstance(contrast(OBSERVER, failed(timeout, check="early"), result()), Difference)


def test_what_a_client_still_hears_that_leaves_is_a_race() -> None:
    """What it heard before it left, with a wait between, is compared; and what others hear."""
    leaving = evolve(CASE, steps=(*CASE.steps[:4], Send("ana", "auth"), Close("ana"), Settle()))
    early, late = error("A", step=3), error("A", step=4)
    without = evolve(result(), case=leaving)

    assert contrast(OBSERVER, evolve(result(late), case=leaving), without) == ALIKE[0]
    assert contrast(OBSERVER, evolve(result(early), case=leaving), evolve(result(late), case=leaving)) == ALIKE[0]
    assert isinstance(contrast(OBSERVER, evolve(result(early), case=leaving), without), Difference)
    other = evolve(late, client="ben")
    assert isinstance(contrast(OBSERVER, evolve(result(other), case=leaving), without), Difference)


def test_behind_a_breach_nothing_is_compared() -> None:
    """A side that broke a rule was played no further: what the other did later is no difference."""
    later = error("LATER", step=4)

    assert difference(failed(error("A")), result(error("B"), later)).events == ("error A", "error B")
    assert difference(failed(check="missing"), result(error("B", step=3), later)).events == ("nothing", "error B")
    assert contrast(OBSERVER, failed(error("A")), failed(error("A"), error("B"))) == ALIKE[1]


def test_what_cannot_be_compared() -> None:
    """A verdict that says nothing of the server, with whose it is."""
    assert comparable(result(), failed()) == ""
    assert comparable(result(), result(verdict="flaky")) == ""
    assert comparable(result(), result(verdict="inconclusive")) == "B: inconclusive"
    assert comparable(result(verdict="not applicable", message="no token"), result()) == "A: not applicable (no token)"


def test_differences_of_one_cause_are_one_group() -> None:
    """By culprit, rule and first event; the shortest script first, and what a rule decides before what none does."""
    unruled = difference(result(close(1002)), result())
    long = difference(failed(error("A")), result(error("B")))
    short = evolve(long, case=evolve(CASE, id="a/two", steps=CASE.steps[:3]))
    other = difference(failed(error("A"), rule="CHAT-AUTH-6"), result(error("B")))

    groups = grouped([unruled, long, other, short])

    assert [[d.case.id for d in group] for group in groups] == [["a/two", "a/one"], ["a/one"], ["a/one"]]
    assert [group[0].rules[0] for group in groups] == ["CHAT-AUTH-5", "CHAT-AUTH-6", ""]
