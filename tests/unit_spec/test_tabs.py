"""What the document of tabs makes of rooms with a life, roles, registers and memories, in virtual time.

Each exchange is followed by the oracle, which must find nothing in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit_spec.kit import text
from tests.unit_spec.tabs_kit import Site, token


@pytest.fixture
def site() -> Iterator[Site]:
    """A server with short times; whatever it did, the tracker explains it."""
    made = Site(heartbeat_interval="1s", token_lead="3s", history="2")
    yield made
    assert made.tracker.findings == []


def test_the_first_tab_leads_and_is_told_so_behind_its_rooms(site: Site) -> None:
    """A tab that comes later changes nothing of that."""
    assert site.connect("a") == {"a": ["connect", ["ROOMS_JOINED", "a", 1, 0], ["LEADER_ELECTED", "a", 1]]}
    assert site.connect("b", visibility="focused") == {"b": ["connect", ["ROOMS_JOINED", "a", 1, 0]]}


def test_an_election_prefers_who_is_seen_then_who_came_first(site: Site) -> None:
    """Not the one that resigned, and no visibility by itself makes one."""
    for name in "abcd":
        site.connect(name)
    assert site.say("c", "TAB_VISIBILITY", {"visibility": "focused"}) == {}

    elected = [["LEADER_ELECTED", "c", 2]]
    assert site.say("a", "LEADER_RESIGN", {"term": 1}) == dict.fromkeys("abcd", elected)
    assert site.say("c", "LEADER_RESIGN", {"term": 2})["a"] == [["LEADER_ELECTED", "a", 3]]
    assert site.say("a", "LEADER_RESIGN", {"term": 2}) == {"a": [["ERROR", "NOT_LEADER", "LEADER_RESIGN"]]}
    site.say("c", "TAB_VISIBILITY", {"visibility": "hidden"})
    assert site.leave("a")["b"] == [["LEADER_ELECTED", "b", 4]]


def test_a_tab_that_is_alone_is_elected_again(site: Site) -> None:
    """Who resigned stands where nobody else does."""
    site.connect("a")

    assert site.say("a", "LEADER_RESIGN", {"term": 1}) == {"a": [["LEADER_ELECTED", "a", 2]]}
    assert site.wait(10) == {}


def test_a_leader_that_falls_silent_is_replaced(site: Site) -> None:
    """Heartbeats put that off; whoever else sends them is told off."""
    site.connect("a")
    assert site.wait(5) == {}
    # It has been silent for long; with another there, that counts.
    assert site.connect("b")["b"][2:] == [["LEADER_ELECTED", "b", 2]]

    assert site.wait(2.5) == {}
    assert site.say("b", "LEADER_HEARTBEAT", {"tabId": "b", "term": 2})["a"] == [["LEADER_HEARTBEAT", "b", 2]]
    assert site.say("a", "LEADER_HEARTBEAT", {"tabId": "a", "term": 2})["a"][0][1] == "NOT_LEADER"
    assert site.wait(2.5) == {}
    assert site.wait(1.0)["b"] == [["LEADER_ELECTED", "a", 3]]


def test_a_tab_replaces_its_older_connection(site: Site) -> None:
    """Its seniority starts anew, and there is one election where it led."""
    site.connect("a"), site.connect("b")

    said = site.connect("a2", tabId="a")

    assert said["a"] == ["out"]
    assert said["a2"] == ["connect", ["ROOMS_JOINED", "b", 2, 0], ["LEADER_ELECTED", "b", 2]]
    assert site.connect("a3", tabId="a") == {"a2": ["out"], "a3": ["connect", ["ROOMS_JOINED", "b", 2, 0]]}


def test_concurrent_updates_end_alike_in_every_order() -> None:
    """The greater sum wins, then the greater tab; what is stored keeps the sum it came with, and clocks are merged."""
    writes = {"a": {"a": 1}, "b": {"b": 2}, "c": {"c": 2}}
    ends = []
    for order in ("abc", "cab", "bca"):
        site = Site()
        for name in "abc":
            site.connect(name)
        last = [site.say(name, "STATE_UPDATE", {"key": "k", "value": name, "clock": writes[name]}) for name in order]
        ends.append(last[-1]["a"][-1])
        assert site.tracker.findings == []

    assert ends == [["STATE_UPDATE", "k", "c", {"a": 1, "b": 2, "c": 2}, 3, "c"]] * 3


def test_an_update_that_is_behind_is_a_conflict(site: Site) -> None:
    """Only its sender hears of that; clocks are compared entry by entry, and one that is missing is 0."""
    site.connect("a"), site.connect("b")
    site.say("a", "STATE_UPDATE", {"key": "k", "value": 1, "clock": {"a": 2, "b": 0}})

    for clock in ({"a": 2}, {"a": 1}, {}):
        said = site.say("b", "STATE_UPDATE", {"key": "k", "value": 2, "clock": clock})
        assert said == {"b": [["STATE_CONFLICT", "k", 1, {"a": 2, "b": 0}, 1, None]]}
    assert site.say("b", "STATE_UPDATE", {"key": "k", "value": 2, "clock": {"a": 3}})["a"][0][4] == 2


def test_what_was_missed_is_caught_up_with_or_told_whole(site: Site) -> None:
    """History holds two updates; from beyond the head, all is told."""
    site.connect("a")
    for number in range(1, 4):
        site.say("a", "STATE_UPDATE", {"key": f"k{number % 2}", "value": number, "clock": {"a": number}})

    def synced(since: int) -> list[object]:
        *updates, answer = site.say("a", "SYNC", {"since": since}, "7")["a"]
        return [*(update[4] for update in updates), answer[1]["full"]]

    assert [synced(since) for since in range(5)] == [[2, 3, True], [2, 3, False], [3, False], [False], [2, 3, True]]
    assert site.say("a", "SYNC", {"since": 3}) == {}


def test_state_and_term_outlive_the_last_tab_but_not_the_token(site: Site) -> None:
    """Once the session's token has expired, it is another session."""
    site.connect("a", token(left=20))
    site.say("a", "STATE_UPDATE", {"key": "k", "value": 1, "clock": {}})
    site.leave("a")
    assert site.connect("b", token(left=5))["b"][1] == ["ROOMS_JOINED", "b", 2, 1]
    site.leave("b")

    assert site.wait(21) == {}
    assert site.connect("c", token(left=90))["c"][1] == ["ROOMS_JOINED", "c", 1, 0]


def test_the_leader_refreshes_the_token_of_all(site: Site) -> None:
    """It is told in time, at its election too; at the end all are out, without an election."""
    site.connect("a", token(left=5)), site.connect("b", token(left=4))
    assert site.wait(2.5) == {"a": ["TOKEN_EXPIRING"]}
    assert site.say("a", "LEADER_RESIGN", {"term": 1})["b"] == [["LEADER_ELECTED", "b", 2], "TOKEN_EXPIRING"]
    for given, code in ((token("eve"), "INVALID"), (token(sid="t"), "INVALID"), (token(left=-1), "EXPIRED")):
        said = site.say("b", "TOKEN_REFRESHED", {"token": given})
        assert said == {"b": [["ERROR", f"TOKEN_{code}", "TOKEN_REFRESHED"]]}
    assert site.say("a", "TOKEN_REFRESHED", {"token": token()}) == {"a": [["ERROR", "NOT_LEADER", "TOKEN_REFRESHED"]]}

    assert site.say("b", "TOKEN_REFRESHED", {"token": token(left=8)}) == {key: [["TOKEN_UPDATED", "b"]] for key in "ab"}
    site.connect("c", token(left=60))
    site.say("b", "LEADER_HEARTBEAT", {"tabId": "b", "term": 2})
    assert site.wait(2.9) == {"b": ["TOKEN_EXPIRING"]}
    site.say("b", "LEADER_HEARTBEAT", {"tabId": "b", "term": 2})
    assert site.wait(3) == {key: [["TOKEN_INVALIDATED", {"reason": "expired"}], "out"] for key in "abc"}


def test_a_user_hears_of_another_device_and_of_repeated_failures(site: Site) -> None:
    """Once per device, the newcomer too; of failures once in their window, and only of well-signed ones."""
    site.connect("a")
    shared = [["session_shared", "desk"]]
    said = site.connect("b", deviceId="desk")
    assert (said["a"], said["b"][2:]) == (shared, shared)
    assert "a" not in site.connect("c", deviceId="desk")
    assert site.connect("d", token(sid="t"))["d"][1:] == [["ROOMS_JOINED", "d", 1, 0], ["LEADER_ELECTED", "d", 1]]

    for number in range(9):
        site.connect(f"forged{number}", "forged")
    heard = [site.connect(f"late{number}", token(left=-5)).get("d") for number in range(8)]
    assert heard == [None] * 5 + [[["repeated_failures", "phone"]]] + [None] * 2


@pytest.mark.parametrize(
    ("body", "out", "refused"),
    [
        ({"user": "ana", "reason": "x"}, "abc", [token(), token(sid="t"), token(sid="new")]),
        ({"user": "ana", "device": "phone", "reason": "x"}, "ac", [token(), token(sid="t")]),
        ({"session": "s", "reason": "x"}, "ab", [token(), token(since=-5)]),
    ],
    ids=["user", "device", "session"],
)
def test_a_forced_logout_puts_out_whom_it_names(site: Site, body: dict[str, str], out: str, refused: list[str]) -> None:
    """And refuses their tokens from then on; others hear of an election at most."""
    site.connect("a"), site.connect("b", deviceId="desk"), site.connect("c", token(sid="t"))
    site.connect("eve", token("eve", "e"))

    status, answer, said = site.post("/admin/logout", body)

    assert (status, answer) == (200, {"disconnected": len(out)})
    put_out = {name for name, heard in said.items() if heard[-1] == "out"}
    assert put_out == set(out)
    assert all(said[name][0] == ["FORCE_LOGOUT", {"reason": "x"}] for name in out)
    for number, given in enumerate(refused):
        assert site.connect(f"r{number}", given)[f"r{number}"] == [["connect_error", "TOKEN_INVALID"]]
    assert site.connect("other", token("eve", "e"))["other"][0] == "connect"


def test_a_changed_password_spares_one_session(site: Site) -> None:
    """Now and later; each change counts by itself, and tokens that are issued later are good."""
    site.connect("a"), site.connect("b", token(sid="t"))

    assert site.post("/admin/password-changed", {"user": "ana", "except": "s"})[1] == {"disconnected": 1}
    assert site.connect("c", token(left=800))["c"][0] == "connect"
    assert site.connect("d", token(sid="u"))["d"] == [["connect_error", "TOKEN_INVALID"]]
    assert site.post("/admin/password-changed", {"user": "ana", "except": "t"})[1] == {"disconnected": 2}
    for number, sid in enumerate("stu"):
        said = site.connect(f"e{number}", token(sid=sid, left=700))
        assert said == {f"e{number}": [["connect_error", "TOKEN_INVALID"]]}
    site.wait(5)
    assert site.connect("f", token(since=-2))["f"][0] == "connect"


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({"token": None}, "AUTH_REQUIRED"),
        ({"token": ""}, "TOKEN_INVALID"),
        ({"token": 7}, "MESSAGE_INVALID"),
        ({"token": token(left=-1)}, "TOKEN_EXPIRED"),
        ({"tabId": ""}, "MESSAGE_INVALID"),
        ({"visibility": "gone"}, "MESSAGE_INVALID"),
    ],
)
def test_a_refused_connect_is_told_why(site: Site, auth: dict[str, Any], code: str) -> None:
    """By a connect error; another connect packet on the same transport counts."""
    assert site.connect("a", **auth) == {"a": [["connect_error", code]]}
    good = {"token": token(), "tabId": "a", "deviceId": "phone", "visibility": None}
    assert site.send("a", {"type": "connect", "namespace": "/", "payload": good})["a"][0] == "connect"


def test_an_event_that_is_none_changes_nothing(site: Site) -> None:
    """Invalid data, and names that nobody knows."""
    site.connect("a")

    assert site.say("a", "SYNC", {}) == {"a": [["ERROR", "MESSAGE_INVALID", "SYNC"]]}
    assert site.say("a", "ROOMS_JOINED", {}) == {"a": [["ERROR", "EVENT_UNKNOWN", "ROOMS_JOINED"]]}


def test_the_tracker_misses_what_a_role_makes_due() -> None:
    """A server that elects the wrong tab, or tells nobody of it, is found out."""
    site = Site()
    for name in "abc":
        site.connect(name)
    site.tracker.sent("a", text('42["LEADER_RESIGN",{"term":1}]'), site.now)
    site.tracker.received("a", '42["LEADER_ELECTED",{"leaderTabId":"c","term":2}]', site.now)

    assert [finding.rules[0] for finding in site.tracker.findings] == ["TABS-LEAD-2"]
    site.wait(9)
    assert {finding.check for finding in site.tracker.findings} == {"message", "missing"}
