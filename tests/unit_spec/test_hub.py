"""Hub in virtual time: negotiated connections, calls, renewal, silence and resumption, as the prose has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from attrs import define, field

from spec.bindings.json import encode
from spec.bindings.registry import BINDINGS
from spec.compiling import load
from spec.expressions import ABSENT, Chosen
from spec.machine import Binary, Closing, Engine, Output, Refusal, Request, Upgrade
from spec.parameters import resolve
from tests.unit_spec.kit import NOW, UPGRADE, Tokens, bearer, text

SHAKE = '{"protocol":"json","version":1}\x1e'


def _choose(value: Any, now: float) -> Any:
    """What a server chooses: ids in their order, and the samples of everything else."""
    match value:
        case Chosen(kind="id"):
            _choose.__dict__["count"] = count = _choose.__dict__.get("count", 0) + 1
            return f"chosen-{count}"
        case Chosen():
            return value.sample
        case Mapping():
            return {name: _choose(member, now) for name, member in value.items()}
        case list():
            return [_choose(item, now) for item in value]
    return value


def _record(link: str, **changed: Any) -> dict[str, Any]:
    first = {"connectionId": link, "activeHubs": [], "lastConnected": round(NOW * 1000), "reconnectAttempts": 0}
    return {**first, "status": "connected", "primaryTabId": None, "subscribedTabs": [], **changed}


@define
class Site:
    """A server of hub with a clock that tests turn; messages are told as records."""

    engine: Engine
    now: float = NOW
    calls: int = 0
    told: dict[int, list[Any]] = field(factory=dict)

    @classmethod
    def of(cls, **parameters: str) -> Site:
        document = load("hub")
        values = resolve(document.parameters, parameters)
        return cls(Engine(document, values, Tokens(values["leeway"]), choose=_choose))

    def token(self, subject: str, life: float = 900.0) -> str:
        return Tokens.of(subject, life, since=self.now - NOW)

    def ask(self, token: str | None = None, method: str = "POST", **query: str) -> Refusal:
        headers = () if token is None else (bearer(token),)
        request = Request(method, f"/hub/negotiate?{urlencode(query)}", headers, "192.0.2.7")
        name = self.engine.machine.endpoint(request)
        assert name is not None
        return self.engine.request(name, request, self.now)

    def negotiate(self, subject: str = "ana", **query: str) -> dict[str, Any]:
        """The body of an answer, or the code that refuses."""
        answer = self.ask(self.token(subject), **{"negotiateVersion": "1", **query})
        body: dict[str, Any] = _choose(answer.body, self.now)
        assert (answer.status == 200) == ("connectionId" in body)
        return body

    def connect(self, ticket: str | None, subject: str = "ana", life: float = 900.0) -> int | str:
        """The number of a connection, or the code that refuses it."""
        query = {} if ticket is None else {"id": ticket}
        request = Request("GET", f"/hub?{urlencode(query)}", (*UPGRADE, bearer(self.token(subject, life))), "192.0.2.7")
        answer = self.engine.open(request, self.now)
        if isinstance(answer, Upgrade):
            return answer.connection
        return str(answer.body["code"])

    def opened(self, subject: str = "ana", life: float = 900.0, **query: str) -> tuple[int, dict[str, Any]]:
        """A connection that has shaken hands, and its negotiation."""
        body = self.negotiate(subject, **query)
        number = self.connect(body["connectionToken"], subject, life)
        assert isinstance(number, int), number
        assert self.say(number, SHAKE)[0] == {}
        return number, body

    def say(self, connection: int, frame: Any) -> list[Any]:
        """Send a frame; gives what its sender is told."""
        frame = text(frame) if isinstance(frame, str) else frame
        self._tell([*self.engine.receive(connection, frame, self.now), *self.engine.tick(self.now)])
        return self.heard(connection)

    def call(self, connection: int, target: str, *arguments: Any) -> list[Any]:
        """Invoke a method; gives what the caller is told."""
        self.calls += 1
        body = {"type": 1, "invocationId": f"c{self.calls}", "target": target, "arguments": arguments}
        return self.say(connection, json.dumps(body) + "\x1e")

    def heard(self, connection: int) -> list[Any]:
        """What a connection was told since it was asked last."""
        return self.told.pop(connection, [])

    def at(self, seconds: float) -> None:
        """Turn the clock to so many seconds after the beginning, timer by timer."""
        while (due := self.engine.next_deadline()) is not None and due <= NOW + seconds:
            self.now = due
            self._tell(self.engine.tick(due))
        self.now = NOW + seconds

    def _tell(self, outputs: list[Output]) -> None:
        for output in outputs:
            said = self.told.setdefault(output.connection, [])
            if isinstance(output, Closing):
                said.append(output.code)
            else:
                record = BINDINGS["signalr"].encode(_choose(output.body, self.now), encode)
                said.append(json.loads(record.removesuffix("\x1e")))


def _changed(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": 1, "target": "ConnectionChanged", "arguments": [record]}


# ---------------------------------------------------------------------------------------------------- negotiation


def test_a_negotiation_gives_what_its_version_has() -> None:
    """Version 1 has a token of its own, version 0 has none; above is answered 1."""
    site = Site.of()
    body = site.negotiate()
    assert set(body) == {"connectionId", "connectionToken", "negotiateVersion", "availableTransports"}
    assert body["connectionId"] != body["connectionToken"]
    assert body["availableTransports"] == [{"transport": "WebSockets", "transferFormats": ["Text"]}]
    assert site.negotiate(negotiateVersion="9")["negotiateVersion"] == 1
    old = site.ask(site.token("ana"))
    assert old.body["connectionToken"] is ABSENT
    assert set(old.body) == {"connectionId", "connectionToken", "negotiateVersion", "availableTransports"}
    assert isinstance(site.connect(_choose(old.body["connectionId"], NOW)), int)


@pytest.mark.parametrize(
    ("method", "subject", "query", "status", "code"),
    [
        ("GET", None, {"negotiateVersion": "x"}, 405, "METHOD_NOT_ALLOWED"),
        ("POST", None, {"negotiateVersion": "x"}, 401, "AUTH_REQUIRED"),
        ("POST", "ana", {"negotiateVersion": "x"}, 400, "VERSION_UNSUPPORTED"),
        ("POST", "ana", {"negotiateVersion": ""}, 400, "VERSION_UNSUPPORTED"),
    ],
)
def test_negotiations_are_refused_in_their_order(
    method: str, subject: str | None, query: dict[str, str], status: int, code: str
) -> None:
    """Method, then token, then version."""
    site = Site.of()
    answer = site.ask(None if subject is None else site.token(subject), method, **query)

    assert (answer.status, answer.body) == (status, {"code": code})


def test_who_may_connect_with_what() -> None:
    """One's own negotiation, while it is fresh, once, and by its token alone."""
    site = Site.of()
    body = site.negotiate()
    assert site.connect(None) == "NOT_FOUND"
    assert site.connect("no-such") == "NOT_FOUND"
    assert site.connect(body["connectionId"]) == "NOT_FOUND"
    assert site.connect(body["connectionToken"], "ben") == "SUBJECT_MISMATCH"
    number = site.connect(body["connectionToken"])
    assert isinstance(number, int)
    assert site.connect(body["connectionToken"], "ben") == "SUBJECT_MISMATCH"
    assert site.connect(body["connectionToken"]) == "CONNECTION_LIVE"
    site.engine.ended(number, site.now)
    assert site.connect(body["connectionToken"]) == "NOT_FOUND"


@pytest.mark.parametrize(("seconds", "accepted"), [(119.9, True), (120.0, False)])
def test_a_negotiation_grows_too_old(seconds: float, accepted: bool) -> None:
    """At the end of the window it is unknown."""
    site = Site.of()
    body = site.negotiate()
    site.at(seconds)

    assert isinstance(site.connect(body["connectionToken"]), int) is accepted


def test_negotiations_that_nobody_takes_up_are_forgotten() -> None:
    """Old ones do not add up."""
    site = Site.of()
    for number in range(1000):
        site.at(10.0 * number)
        site.negotiate()

    assert len(site.engine.world.links.known) <= 128


# ----------------------------------------------------------------------------------------------------- handshake


@pytest.mark.parametrize(
    "said",
    ['{"protocol":"json","version":2}\x1e', '{"protocol":"messagepack","version":1}\x1e', '{"type":6}\x1e', "x\x1e"],
)
def test_other_handshakes_are_refused(said: str) -> None:
    """By an answer with an error, and a close."""
    site = Site.of()
    number = site.connect(site.negotiate()["connectionToken"])
    assert isinstance(number, int)
    answer, code = site.say(number, said)

    assert (set(answer), code) == ({"error"}, 1000)


def test_no_handshake_comes() -> None:
    """The deadline is answered as a refused handshake."""
    site = Site.of()
    number = site.connect(site.negotiate()["connectionToken"])
    assert isinstance(number, int)
    site.at(14.9)
    assert site.heard(number) == []
    site.at(15.0)
    answer, code = site.heard(number)

    assert (set(answer), code) == ({"error"}, 1000)


# ---------------------------------------------------------------------------------------------------------- calls


def test_calls_are_completed_and_changes_told() -> None:
    """The completion first, the change behind it, and none where nothing changed."""
    site = Site.of()
    number, body = site.opened()
    name = body["connectionId"]
    one = _record(name, primaryTabId="one", subscribedTabs=["one"])
    assert site.call(number, "RegisterTab", "one") == [{"type": 3, "invocationId": "c1", "result": one}, _changed(one)]
    assert site.call(number, "RegisterTab", "one") == [{"type": 3, "invocationId": "c2", "result": one}]
    two = {**one, "subscribedTabs": ["one", "two"]}
    assert site.call(number, "RegisterTab", "two")[1] == _changed(two)
    left = {**two, "primaryTabId": "two", "subscribedTabs": ["two"]}
    assert site.call(number, "UnregisterTab", "one")[1] == _changed(left)
    assert site.call(number, "UnregisterTab", "one") == [{"type": 3, "invocationId": "c5", "result": left}]
    assert site.call(number, "JoinHub", "soup")[1] == _changed({**left, "activeHubs": ["soup"]})
    assert site.call(number, "LeaveHub", "soup")[1] == _changed(left)
    assert site.call(number, "GetConnection") == [{"type": 3, "invocationId": "c8", "result": left}]


@pytest.mark.parametrize(
    "call",
    [
        {"type": 1, "target": "Nothing", "arguments": []},
        {"type": 1, "target": "joinhub", "arguments": ["soup"]},
        {"type": 1, "target": "ping", "arguments": []},
        {"type": 1, "target": "JoinHub", "arguments": []},
        {"type": 1, "target": "JoinHub", "arguments": ["soup", "salad"]},
        {"type": 1, "target": "JoinHub", "arguments": [""]},
        {"type": 1, "target": "JoinHub", "arguments": ["x" * 129]},
        {"type": 1, "target": "JoinHub", "arguments": [1]},
        {"type": 1, "target": "Send", "arguments": [1, 1]},
        {"type": 1, "target": "RefreshToken", "arguments": ["forged"]},
        {"type": 4, "target": "Send", "arguments": ["soup", 1]},
    ],
)
def test_what_cannot_be_served_completes_with_an_error(call: dict[str, Any]) -> None:
    """With the id of the call, and where it has none with nothing; the connection stays open, and nothing changes."""
    site = Site.of()
    number, body = site.opened()
    [completion] = site.say(number, json.dumps({**call, "invocationId": "7"}) + "\x1e")
    assert set(completion) == {"type", "invocationId", "error"}
    assert (completion["type"], completion["invocationId"]) == (3, "7")
    if call["type"] == 1:
        assert site.say(number, json.dumps(call) + "\x1e") == []
    assert site.call(number, "GetConnection")[0]["result"] == _record(body["connectionId"])


def test_a_call_without_an_id_gets_no_completion() -> None:
    """It is served all the same."""
    site = Site.of()
    number, body = site.opened()

    told = site.say(number, '{"type":1,"target":"JoinHub","arguments":["soup"]}\x1e')
    assert told == [_changed(_record(body["connectionId"], activeHubs=["soup"]))]


def test_what_is_sent_reaches_who_joined() -> None:
    """Once each, the sender's own connection too if it joined, and nobody else."""
    site = Site.of()
    (ana, _), (ben, _), (eve, _) = site.opened("ana"), site.opened("ben"), site.opened("eve")
    site.call(ben, "JoinHub", "soup")
    site.call(eve, "JoinHub", "salad")
    [completion] = site.call(ana, "Send", "soup", {"more": "salt"})

    assert completion["result"] is None
    said = {"type": 1, "target": "Receive", "arguments": [{"hub": "soup", "data": {"more": "salt"}, "from": "ana"}]}
    assert (site.heard(ben), site.heard(eve)) == ([said], [])
    assert len(site.call(ben, "Send", "soup", 1)) == 2
    site.call(ben, "LeaveHub", "soup")
    assert len(site.call(ben, "Send", "soup", 1)) == 1


@pytest.mark.parametrize(
    "frame",
    ["x\x1e", "[]\x1e", '{"type":"1"}\x1e', '{"type":1}\x1e', "x" * 32_769, Binary(1, b"a")],
    ids=["no JSON", "no object", "no integer", "no target", "too large", "binary"],
)
def test_what_cannot_be_read_ends_the_connection(frame: Any) -> None:
    """By a Close that says why; what comes behind it is not read, and nobody else hears of it."""
    site = Site.of()
    (number, _), (other, _) = site.opened(), site.opened("ben")
    site.heard(other)
    close, code = site.say(number, frame)

    assert (close["type"], "allowReconnect" in close, code) == (7, False, 1000)
    assert close["error"]
    assert site.call(number, "GetConnection") == []
    assert site.heard(other) == []


def test_packets_that_ask_for_nothing() -> None:
    """Unknown types, and those that only a callee or a stateful reconnect has use for."""
    site = Site.of()
    number, _ = site.opened()
    packets = ['{"type":42}', '{"type":6}', '{"type":8,"sequenceId":1}', '{"type":3,"invocationId":"1"}']

    assert [site.say(number, packet + "\x1e") for packet in packets] == [[]] * 4


# ---------------------------------------------------------------------------------------------------------- token


def test_a_token_is_told_of_and_ends_the_connection() -> None:
    """Once with the lead left, at expiry by a Close that lets the client come back."""
    site = Site.of(keepalive="10m", client_timeout="30m")
    number, _ = site.opened(life=100)
    site.at(39.9)
    assert site.heard(number) == []
    site.at(40)
    [expiring] = site.heard(number)
    assert expiring["arguments"] == [{"expiresAt": "2027-01-15T08:01:40.000Z"}]
    site.at(99.9)
    assert site.heard(number) == []
    site.at(100)
    close, code = site.heard(number)
    assert (close["type"], close["allowReconnect"], code) == (7, True, 1000)


def test_a_token_is_renewed_in_place() -> None:
    """The timers follow the new token; another user's changes nothing, and neither does one that is refused."""
    site = Site.of(keepalive="10m", client_timeout="30m")
    number, _ = site.opened(life=100)
    assert "error" in site.call(number, "RefreshToken", site.token("ben", 900))[0]
    assert "error" in site.call(number, "RefreshToken", "forged")[0]
    [completion] = site.call(number, "RefreshToken", site.token("ana", 200))
    assert completion["result"] == {"expiresAt": "2027-01-15T08:03:20.000Z"}
    site.at(139)
    assert site.heard(number) == []
    site.at(199)
    assert [told["target"] for told in site.heard(number)] == ["TokenExpiring"]
    site.at(200)
    assert site.heard(number)[-1] == 1000


def test_a_short_token_is_told_of_at_once() -> None:
    """Behind the change that follows the handshake, and behind the completion of the call that renewed it."""
    site = Site.of()
    number = site.connect(site.negotiate()["connectionToken"], life=30)
    assert isinstance(number, int)
    assert [told.get("target") for told in site.say(number, SHAKE)] == [None, "ConnectionChanged", "TokenExpiring"]
    completion, expiring = site.call(number, "RefreshToken", site.token("ana", 20))
    assert (completion["type"], expiring["target"]) == (3, "TokenExpiring")


# -------------------------------------------------------------------------------------------------------- silence


def test_the_server_pings_into_its_silence() -> None:
    """Whatever it sends puts the next ping off, and what others say does not."""
    site = Site.of(client_timeout="30m")
    number, _ = site.opened()
    site.at(15)
    assert site.heard(number) == [{"type": 6}]
    site.at(20)
    site.call(number, "GetConnection")
    site.at(34.9)
    assert site.heard(number) == []
    site.say(number, '{"type":6}\x1e')
    site.at(35)
    assert site.heard(number) == [{"type": 6}]


def test_a_silent_client_is_ended() -> None:
    """Every record counts as a sign of life, a beginning of one does not."""
    site = Site.of(keepalive="10m")
    number, _ = site.opened()
    site.at(20)
    site.say(number, '{"type":6}\x1e')
    site.at(40)
    site.say(number, '{"type":')
    site.at(49.9)
    assert site.heard(number) == []
    site.at(50)
    close, code = site.heard(number)
    assert (close["type"], close["allowReconnect"], code) == (7, True, 1000)


# ----------------------------------------------------------------------------------------------------- resumption


def _kept(site: Site) -> tuple[int, str]:
    """A connection with a tab and a hub, and its token."""
    number, body = site.opened()
    site.call(number, "RegisterTab", "one")
    site.call(number, "JoinHub", "soup")
    return number, body["connectionToken"]


def _resumed(site: Site, ticket: str) -> tuple[int, dict[str, Any]]:
    """A connection that asked to resume another, and the record that it was told."""
    body = site.negotiate(resume=ticket)
    number = site.connect(body["connectionToken"])
    assert isinstance(number, int), number
    _, changed = site.say(number, SHAKE)
    record = changed["arguments"][0]
    assert record["connectionId"] == body["connectionId"]
    return number, record


@pytest.mark.parametrize(("seconds", "back"), [(0.0, True), (29.9, True), (30.0, False)])
def test_a_lost_connection_is_resumed_in_time(seconds: float, back: bool) -> None:
    """Tabs and hubs come back, what is sent to them too, and one attempt is counted."""
    site = Site.of(client_timeout="30m")
    number, ticket = _kept(site)
    site.engine.ended(number, site.now)
    site.at(seconds)
    new, record = _resumed(site, ticket)

    kept = {"primaryTabId": "one", "subscribedTabs": ["one"], "activeHubs": ["soup"], "reconnectAttempts": 1}
    moment = round((NOW + seconds) * 1000)
    assert record == _record(record["connectionId"], lastConnected=moment, **(kept if back else {}))
    assert len(site.call(new, "Send", "soup", 1)) == (2 if back else 1)


def test_a_former_connection_is_resumed_once() -> None:
    """Who comes second starts anew, even where both asked in time; the third resumes the first who came back."""
    site = Site.of()
    number, ticket = _kept(site)
    site.engine.ended(number, site.now)
    second = site.negotiate(resume=ticket)
    new, record = _resumed(site, ticket)
    late = site.connect(second["connectionToken"])
    assert isinstance(late, int)
    assert site.say(late, SHAKE)[1]["arguments"][0]["activeHubs"] == []
    assert _resumed(site, ticket)[1]["activeHubs"] == []
    site.engine.ended(new, site.now)
    assert record["reconnectAttempts"] == 1


def test_who_asked_in_time_may_come_late() -> None:
    """The window is for asking; the negotiation has its own."""
    site = Site.of(keepalive="10m", client_timeout="30m")
    number, ticket = _kept(site)
    site.engine.ended(number, site.now)
    site.at(29)
    body = site.negotiate(resume=ticket)
    site.at(140)
    new = site.connect(body["connectionToken"])
    assert isinstance(new, int)
    site.at(150)
    assert site.say(new, SHAKE)[1]["arguments"][0]["activeHubs"] == ["soup"]


def test_a_connection_that_stands_is_closed_when_its_heir_shakes_hands() -> None:
    """Not before, and by a Close; its hubs hear through the new one alone."""
    site = Site.of()
    number, ticket = _kept(site)
    site.heard(number)
    body = site.negotiate(resume=ticket)
    new = site.connect(body["connectionToken"])
    assert isinstance(new, int)
    assert site.heard(number) == []
    assert site.say(new, SHAKE)[1]["arguments"][0]["activeHubs"] == ["soup"]
    close, code = site.heard(number)
    assert (close["type"], code) == (7, 1000)
    assert site.connect(ticket) == "NOT_FOUND"
    assert len(site.call(new, "Send", "soup", 1)) == 2


def test_a_client_that_closed_is_not_resumed() -> None:
    """Its own Close is the end, even behind the negotiation of its heir."""
    site = Site.of()
    number, ticket = _kept(site)
    before = site.negotiate(resume=ticket)
    assert site.say(number, '{"type":7}\x1e')[-1] == 1000
    new = site.connect(before["connectionToken"])
    assert isinstance(new, int)
    assert site.say(new, SHAKE)[1]["arguments"][0]["activeHubs"] == []
    assert _resumed(site, ticket)[1]["activeHubs"] == []


def test_another_users_connection_is_not_resumed() -> None:
    """While it stands, and after it was lost."""
    site = Site.of()
    number, ticket = _kept(site)
    assert site.negotiate("ben", resume=ticket) == {"code": "SUBJECT_MISMATCH"}
    site.engine.ended(number, site.now)
    assert site.negotiate("ben", resume=ticket) == {"code": "SUBJECT_MISMATCH"}
    site.at(30)
    assert "connectionToken" in site.negotiate("ben", resume=ticket)
