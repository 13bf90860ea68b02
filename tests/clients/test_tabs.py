"""What the clients that most people have, socket.io-client and python-socketio's, make of the server of tabs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from tests.clients.test_executions import SECRET, Opened, heard, opened, post, serving

__all__ = ["opened"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the reference server listens."""
    with serving("tabs", "heartbeat_interval=1m") as url:
        yield url


def auth(tab: str, sid: str, *, device: str = "phone", secret: str = SECRET) -> dict[str, Any]:
    """The `auth` of a tab of a session."""
    claims = {"sub": "ana", "sid": sid, "exp": time.time() + 600, "iat": time.time() - 1}
    return {"token": jwt.encode(claims, secret, "HS256"), "tabId": tab, "deviceId": device}


def joined(sid: str, tab: str, leader: str, term: int, version: int) -> list[tuple[str, Any]]:
    """What a tab hears first, without the server's time."""
    rooms = ["user:ana", "device:ana:phone", f"session:{sid}", f"tab:{sid}:{tab}"]
    told = {"rooms": rooms, "leaderTabId": leader, "term": term, "version": version}
    return [("connect", None), ("ROOMS_JOINED", told)]


def brief(events: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Events without what differs from run to run."""
    return [
        (name, {key: value for key, value in data.items() if key != "serverTime"} if isinstance(data, dict) else data)
        for name, data in events
    ]


def test_tabs_are_led_and_share_state(opened: Opened, url: str, request: pytest.FixtureRequest) -> None:
    """Another leads when the first resigns; what one writes, all hear, and can catch up with; a logout ends it."""
    sid = f"s-{request.node.name}"
    a = opened(auth("a", sid))
    elected = ("LEADER_ELECTED", {"leaderTabId": "a", "term": 1})
    assert brief(heard(a, 3)) == [*joined(sid, "a", "a", 1, 0), elected]
    b = opened(auth("b", sid))
    assert brief(heard(b, 2)) == joined(sid, "b", "a", 1, 0)

    a.call("LEADER_RESIGN", {"term": 1})
    assert heard(a, 1) == heard(b, 1) == [("LEADER_ELECTED", {"leaderTabId": "b", "term": 2})]
    a.call("STATE_UPDATE", {"key": "k", "value": {"é": [1, None]}, "clock": {"a": 1}})
    update = {"key": "k", "value": {"é": [1, None]}, "clock": {"a": 1}, "version": 1, "origin": "a"}
    assert heard(a, 1) == heard(b, 1) == [("STATE_UPDATE", update)]
    b.call("SYNC", {"since": 0})
    assert heard(b, 2) == [("STATE_UPDATE", update), ("answer", {"version": 1, "full": False})]

    assert post(url, "/admin/logout", {"session": sid, "reason": "over"}) == (200, {"disconnected": 2})
    for tab in (a, b):
        assert heard(tab, 1) == [("FORCE_LOGOUT", {"reason": "over"})]
        assert heard(tab, 1)[0][0] == "disconnect"


def test_a_refused_tab_is_told_by_a_connect_error(opened: Opened) -> None:
    """With the code in its data."""
    refused = opened(auth("a", "refused", secret="another-secret-that-is-long-enough-too"))

    assert heard(refused, 1) == [("connect_error", "TOKEN_INVALID")]
