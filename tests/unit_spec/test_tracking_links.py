"""The tracker on links: what a server chose is open until the answer that tells of it, and known from then on."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from spec.compiling import load
from spec.machine import Closing, Request, Text
from spec.machine.machine import Machine
from spec.machine.values import Choice, Exact
from spec.parameters import resolve
from spec.tracker import Answer, Finding, Tracker
from spec.tracker.matching import differences, tells_of
from tests.unit_spec.kit import NOW, Tokens, bearer

RS = "\x1e"
UPGRADE = (("Upgrade", "websocket"), ("Connection", "Upgrade"))


class Watch:
    """One client's exchange with a server of hub, as it was seen."""

    def __init__(self) -> None:
        document = load("hub")
        values = resolve(document.parameters, {})
        self.tracker = Tracker(Machine(document, values, Tokens(values["leeway"])))
        self.headers = (bearer(Tokens.of("ana")),)

    def negotiates(self, client: str, at: float, body: dict[str, Any], **query: str) -> None:
        target = f"/hub/negotiate?{urlencode({'negotiateVersion': '1', **query})}"
        self.tracker.requested(client, Request("POST", target, self.headers, "192.0.2.7"), NOW + at)
        plain = {
            "negotiateVersion": 1,
            "availableTransports": [{"transport": "WebSockets", "transferFormats": ["Text"]}],
        }
        self.tracker.answered(client, Answer(200, (), json.dumps({**plain, **body})), NOW + at + 0.01)

    def connects(self, client: str, at: float, token: str, status: int = 101, body: str = "") -> None:
        request = Request("GET", f"/hub?{urlencode({'id': token})}", (*self.headers, *UPGRADE), "192.0.2.7")
        self.tracker.opened(client, request, NOW + at)
        self.tracker.answered(client, Answer(status, (), body), NOW + at + 0.01)

    def sends(self, client: str, at: float, record: dict[str, Any]) -> None:
        text = json.dumps(record) + RS
        self.tracker.sent(client, Text(text, len(text)), NOW + at)

    def hears(self, client: str, at: float, *records: dict[str, Any]) -> None:
        self.tracker.received(client, "".join(json.dumps(record) + RS for record in records), NOW + at)

    def shakes(self, client: str, at: float, **changed: Any) -> None:
        self.sends(client, at, {"protocol": "json", "version": 1})
        self.hears(client, at + 0.01, {}, changes(**changed))

    @property
    def findings(self) -> list[Finding]:
        return self.tracker.findings


def record(**changed: Any) -> dict[str, Any]:
    return {
        "connectionId": "one",
        "activeHubs": [],
        "lastConnected": round((NOW + 0.1) * 1000),
        "reconnectAttempts": 0,
        "status": "connected",
        "primaryTabId": None,
        "subscribedTabs": [],
        **changed,
    }


def changes(**changed: Any) -> dict[str, Any]:
    return {"type": 1, "target": "ConnectionChanged", "arguments": [record(**changed)]}


def connected(**changed: Any) -> Watch:
    watch = Watch()
    watch.negotiates("ana", 0.0, {"connectionId": "one", "connectionToken": "secret-of-ana"})
    watch.connects("ana", 0.05, "secret-of-ana")
    watch.shakes("ana", 0.1, **changed)
    return watch


def test_a_connection_is_followed_by_what_its_negotiation_gave() -> None:
    """The id of the answer is the one that the record has, and its token opens the connection."""
    watch = connected()

    assert watch.findings == []
    assert watch.tracker.link("ana")["token"] == "secret-of-ana"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"connectionId": "two"}, "connectionId is 'two', expected 'one'"),
        ({"lastConnected": round(NOW)}, "lastConnected is"),
        ({"reconnectAttempts": 1}, "reconnectAttempts is 1, expected 0"),
    ],
)
def test_a_record_that_tells_something_else_is_a_finding(changed: dict[str, Any], said: str) -> None:
    """Whatever of it differs is named, and the rule on the record is blamed."""
    [finding] = connected(**changed).findings

    assert said in finding.text
    assert "HUB-CALL-4" in finding.blamed


def test_what_was_told_once_stays_so() -> None:
    """The moment of the handshake is the server's to choose, and the same wherever it is told."""
    watch = connected()
    watch.sends("ana", 1.0, {"type": 1, "invocationId": "x", "target": "GetConnection", "arguments": []})
    later = record(lastConnected=record()["lastConnected"] + 1)
    watch.hears("ana", 1.01, {"type": 3, "invocationId": "x", "result": later})

    assert ["lastConnected" in finding.text for finding in watch.findings] == [True]


def test_another_token_opens_nothing() -> None:
    """A connection by what no answer told of is to be refused, and one by what was told is not."""
    watch = Watch()
    watch.negotiates("ana", 0.0, {"connectionId": "one", "connectionToken": "secret-of-ana"})
    watch.connects("amy", 0.1, "one", 404, '{"code": "NOT_FOUND"}')
    assert watch.findings == []
    watch.connects("ana", 0.2, "secret-of-ana", 404, '{"code": "NOT_FOUND"}')

    assert [finding.check for finding in watch.findings] == ["refused"]


@pytest.mark.parametrize("token", ["one", "ONE-and-more", "b25l", "f97c5d29941bfb1b2fdab0874906ab82"])
def test_a_token_that_tells_of_its_id_is_a_finding(token: str) -> None:
    """Equal, within, or made of it in one of the usual ways."""
    watch = Watch()
    watch.negotiates("ana", 0.0, {"connectionId": "one", "connectionToken": token})

    assert [finding.blamed for finding in watch.findings] == [("HUB-NEG-4",)]


def test_what_is_resumed_is_known_by_its_own_token() -> None:
    """Behind the loss of a connection, its successor has one attempt more, and its former is gone."""
    watch = connected()
    watch.tracker.dropped("ana", NOW + 1.0)
    watch.negotiates("amy", 1.5, {"connectionId": "two", "connectionToken": "secret-of-amy"}, resume="secret-of-ana")
    watch.connects("amy", 1.6, "secret-of-amy")
    moment = round((NOW + 1.7) * 1000)
    watch.shakes("amy", 1.7, connectionId="two", reconnectAttempts=1, lastConnected=moment)

    assert watch.findings == []


@pytest.mark.parametrize("first", ["completion", "Receive"])
def test_ones_own_copy_comes_before_or_behind_the_completion(first: str) -> None:
    """Which of them comes first is nobody's to say."""
    watch = connected()
    watch.sends("ana", 1.0, {"type": 1, "invocationId": "j", "target": "JoinHub", "arguments": ["soup"]})
    joined = {"activeHubs": ["soup"]}
    watch.hears("ana", 1.01, {"type": 3, "invocationId": "j", "result": record(**joined)}, changes(**joined))
    watch.sends("ana", 1.1, {"type": 1, "invocationId": "s", "target": "Send", "arguments": ["soup", 1]})
    both = [
        {"type": 3, "invocationId": "s", "result": None},
        {"type": 1, "target": "Receive", "arguments": [{"hub": "soup", "data": 1, "from": "ana"}]},
    ]
    watch.hears("ana", 1.2, *(both if first == "completion" else reversed(both)))
    watch.tracker.advance(NOW + 5.0)

    assert watch.findings == []


def test_objects_that_are_exact_have_no_other_members() -> None:
    """Elsewhere, what nobody named is judged by nobody."""
    assert differences({"a": 1}, {"a": 1, "b": 2}) == []
    assert [d.pointer for d in differences(Exact(a=1), {"a": 1, "b": 2})] == ["/b"]


@pytest.mark.parametrize(
    ("value", "fits"), [(1000.0, True), (999999, False), (True, False), ("1000", False), (1.5, False)]
)
def test_moments_are_told_by_numbers(value: Any, fits: bool) -> None:
    """Milliseconds are whole, and near the moment at which they were chosen."""
    expected = Choice(1, "moment", 1.0, now=True).written("milliseconds")

    assert (differences(expected, value) == []) is fits


def test_a_close_may_have_one_of_several_codes() -> None:
    """Any of them is right, and no other; without a code it is none of them."""
    closing = Closing(1, 1000, None, (), 0, also=(1008,))

    assert [closing.fits(code) for code in (1000, 1008, 1001, 1005, None)] == [True, True, False, False, False]


def test_values_that_have_nothing_in_common_tell_nothing() -> None:
    """Chance is no derivation."""
    assert not tells_of("kWq3-7f", "Zx81_p0")
