"""The hub server on asyncio, met with records written by hand: what it does, and that each fault changes it.

The reference server plays the same exchanges.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from attrs import define, field
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.foreign.kit import SECRET, WAIT, Exchange, catalogue, each, each_fault, observed, request, token

SERVER = "hub_asyncio"
ROOT = Path(__file__).parents[2]
COMMANDS = {
    SERVER: (sys.executable, "-m", "tests.foreign.hub_asyncio.server"),
    "reference": (sys.executable, "-m", "spec", "serve", "hub"),
}
ORIGIN, EVIL = "https://app.example", "https://evil.example"
SETTINGS = {"origins": ORIGIN, "keepalive": "10m", "client_timeout": "30m"}
SHAKE = '{"protocol":"json","version":1}\x1e'
PING = '{"type":6}\x1e'

# What a client says and hears


@contextmanager
def running(server: str, settings: Mapping[str, str], fault: str | None = None) -> Iterator[str]:
    """A server as a process; gives where it listens, as `host:port`."""
    command = [*COMMANDS[server], "--port", "0", "--secret", "env:FOREIGN_SECRET"]
    command += [word for pair in settings.items() for word in ("--set", "=".join(pair))]
    command += ["--fault", fault] if fault else []
    environment = {**os.environ, "FOREIGN_SECRET": SECRET}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on "), f"{command} did not start: {line!r}"
            yield line.removeprefix("listening on ").removeprefix("ws://").strip()
        finally:
            process.kill()


def bearer(given: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {given}"}


def asked(address: str, headers: Mapping[str, str] | None = None, method: str = "POST", **query: str) -> Any:
    """How a negotiation is answered: the status, and the code of a refusal or the body."""
    status, body = request(address, method, f"/hub/negotiate?{urlencode(query)}", b"", headers)
    return [status, body["code"] if status != 200 else body]


def negotiated(address: str, subject: str = "ana", **query: str) -> dict[str, Any]:
    body: dict[str, Any] = asked(address, bearer(token(sub=subject)), **{"negotiateVersion": "1", **query})[1]
    return body


@define
class Peer:
    """A connection that reads records."""

    connection: ClientConnection
    _begun: str = ""
    _records: list[Any] = field(factory=list)

    def say(self, *said: Any) -> None:
        """Send frames: texts and octets as they are, anything else as a record."""
        with suppress(ConnectionClosed):
            for one in said:
                self.connection.send(one if isinstance(one, str | bytes) else json.dumps(one) + "\x1e")

    def hear(self, within: float = WAIT) -> Any:
        """The next record, in brief."""
        while not self._records:
            text = self.connection.recv(timeout=within)
            assert isinstance(text, str)
            *whole, self._begun = (self._begun + text).split("\x1e")
            self._records += [brief(json.loads(one)) for one in whole]
        return self._records.pop(0)

    def heard(self) -> list[Any]:
        """What comes before the answer to a call that marks the end."""
        self.say({"type": 1, "invocationId": "mark", "target": "GetConnection", "arguments": []})
        came = []
        while not (isinstance(found := self.hear(), list) and found[:2] == ["mark", "result"]):
            came.append(found)
        return came

    def call(self, target: str, *arguments: Any) -> list[Any]:
        """Everything that comes of a call."""
        self.say({"type": 1, "invocationId": "c", "target": target, "arguments": arguments})
        return self.heard()

    def end(self) -> list[Any]:
        """What still comes, and the close code behind it."""
        came: list[Any] = []
        try:
            while True:
                came.append(self.hear())
        except ConnectionClosed as end:
            return [*came, end.rcvd.code if end.rcvd else 1006]
        except TimeoutError:
            return [*came, "silence"]


def brief(record: dict[str, Any]) -> Any:
    """A record without what differs from run to run."""
    match record.get("type"):
        case 1:
            return [record["target"], *(shown(one) for one in record["arguments"])]
        case 3:
            name = record["invocationId"]
            return [name, "result", shown(record["result"])] if "result" in record else [name, "error"]
        case 7:
            return ["close", "error" in record, record.get("allowReconnect", False)]
        case None:
            return sorted(record)
    return record["type"]


def shown(value: Any) -> Any:
    """The connection as clients read it, in brief; a moment of expiry as what it is."""
    if isinstance(value, dict) and "connectionId" in value:
        rest = [value.get(name, "-") for name in ("activeHubs", "primaryTabId", "subscribedTabs", "reconnectAttempts")]
        extra = sorted({*value} - {"connectionId", "status", "lastConnected", *NAMED})
        return [*rest, type(value["lastConnected"]).__name__, value["status"], *extra]
    if isinstance(value, dict) and "expiresAt" in value:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", str(value["expiresAt"])))
    return value


NAMED = ("activeHubs", "primaryTabId", "subscribedTabs", "reconnectAttempts")


def record(hubs: list[str] | None = None, tabs: list[str] | None = None, attempts: int = 0) -> list[Any]:
    return [hubs or [], tabs[0] if tabs else None, tabs or [], attempts, "int", "connected"]


def changed(*of: Any) -> list[Any]:
    return ["ConnectionChanged", record(*of)]


@contextmanager
def raw(address: str, ticket: str | None, subject: str = "ana", life: float = 600, **more: Any) -> Iterator[Peer]:
    """A connection on which nothing has been said."""
    query = urlencode({"id": ticket} if ticket is not None else {})
    headers = bearer(token(sub=subject, exp=time.time() + life))
    with connect(
        f"ws://{address}/hub?{query}", additional_headers=headers, compression=None, close_timeout=1, **more
    ) as connection:
        yield Peer(connection)


@contextmanager
def member(address: str, subject: str = "ana", life: float = 600, **query: str) -> Iterator[tuple[Peer, str]]:
    """A connection that has shaken hands, and its token; what followed the handshake is still to be heard."""
    ticket = negotiated(address, subject, **query)["connectionToken"]
    with raw(address, ticket, subject, life) as peer:
        peer.say(SHAKE)
        assert peer.hear() == []
        yield peer, ticket


def refused(address: str, ticket: str | None, subject: str = "ana", **more: Any) -> Any:
    """The status of a request to connect."""
    try:
        with raw(address, ticket, subject, **more):
            return 101
    except InvalidStatus as answer:
        return answer.response.status_code


# Exchanges


def negotiations(address: str) -> Any:
    good = bearer(token(sub="ana"))
    bodies = [asked(address, good, negotiateVersion=version)[1] for version in ("1", "9")]
    bodies.append(asked(address, good)[1])
    refusals = [
        asked(address, good, negotiateVersion="x"),
        asked(address, good, "GET"),
        asked(address),
        asked(address, bearer(token(sub="ana", exp=1))),
        asked(address, bearer(token(sub="ana", exp=1, key="x" * 40))),
        asked(address, bearer(token("none", sub="ana"))),
        asked(address, {**good, "Origin": EVIL}),
        asked(address, bearer("forged"), access_token=token(sub="ana"))[0],
        asked(address, good, access_token="forged")[0],
        asked(address, access_token=token(sub="ana"))[0],
    ]
    told = [
        [sorted(body), body["negotiateVersion"], body["availableTransports"][0]["transferFormats"]] for body in bodies
    ]
    apart = [body["connectionId"] not in body.get("connectionToken", "") for body in bodies]
    return told, apart, refusals


_FIRST = ["availableTransports", "connectionId", "connectionToken", "negotiateVersion"]
_NEGOTIATED = (
    [[_FIRST, 1, ["Text"]], [_FIRST, 1, ["Text"]], [[*_FIRST[:2], _FIRST[3]], 0, ["Text"]]],
    [True] * 3,
    [
        [400, "VERSION_UNSUPPORTED"],
        [405, "METHOD_NOT_ALLOWED"],
        [401, "AUTH_REQUIRED"],
        [401, "TOKEN_EXPIRED"],
        [401, "TOKEN_INVALID"],
        [401, "TOKEN_INVALID"],
        [403, "ORIGIN_FORBIDDEN"],
        401,
        200,
        200,
    ],
)


def connecting(address: str) -> Any:
    ticket = negotiated(address)["connectionToken"]
    notes = [
        request(address, "GET", "/hub", None, {"Origin": EVIL})[0],
        refused(address, ticket, origin=EVIL),
        refused(address, None),
        refused(address, "no-such"),
        refused(address, ticket, "ben"),
    ]
    with raw(address, ticket):
        notes += [refused(address, ticket, "ben"), refused(address, ticket)]
    notes.append(refused(address, ticket))
    return notes


def growing_old(address: str) -> Any:
    ticket = negotiated(address)["connectionToken"]
    time.sleep(1.2)
    return refused(address, ticket)


def shaking(address: str) -> Any:
    notes = []
    for said in ('{"protocol":"json","version":2}\x1e', '{"protocol":"other","version":1}\x1e', '{"type":6}\x1e'):
        with raw(address, negotiated(address)["connectionToken"]) as peer:
            peer.say(said)
            notes.append(peer.hear(1.0))
            with suppress(TimeoutError):
                peer.say(SHAKE)
                notes.append(peer.end() if _closes(peer) else "open")
    return notes


def _closes(peer: Peer) -> bool:
    try:
        peer.connection.recv(timeout=1)
    except ConnectionClosed:
        return True
    except TimeoutError:
        return False
    return False


def waiting_to_shake(address: str) -> Any:
    with raw(address, negotiated(address)["connectionToken"]) as peer:
        try:
            return [peer.hear(2.0), *peer.end()]
        except TimeoutError:
            return "silence"


def framing(address: str) -> Any:
    call = '{"type":1,"invocationId":"%s","target":"JoinHub","arguments":["%s"]}\x1e'
    with raw(address, negotiated(address)["connectionToken"]) as peer:
        peer.say(SHAKE + call % ("a", "one"), call % ("b", "two") + call % ("c", "three"))
        whole = call % ("d", "four")
        peer.say(whole[:20], whole[20:])
        return peer.heard()


_FRAMED = [
    [],
    changed(),
    ["a", "result", record(["one"])],
    changed(["one"]),
    ["b", "result", record(["one", "two"])],
    changed(["one", "two"]),
    ["c", "result", record(["one", "two", "three"])],
    changed(["one", "two", "three"]),
    ["d", "result", record(["one", "two", "three", "four"])],
    changed(["one", "two", "three", "four"]),
]


def calls(address: str) -> Any:
    with member(address) as (peer, _):
        notes = [
            peer.heard(),
            peer.call("GetConnection"),
            *(peer.call("RegisterTab", tab) for tab in ("b", "a", "b")),
            *(peer.call("UnregisterTab", tab) for tab in ("c", "b")),
            *(peer.call("JoinHub", hub) for hub in ("z", "y", "y")),
            peer.call("LeaveHub", "z"),
            *(peer.call(*wrong) for wrong in WRONG),
        ]
        peer.say({"type": 4, "invocationId": "s", "target": "GetConnection", "arguments": []})
        notes.append(peer.heard())
        peer.say({"type": 1, "target": "Send", "arguments": ["nobody", 1]})
        return [*notes, peer.heard()]


WRONG = (("Nothing",), ("getconnection",), ("JoinHub", "a", "b"), ("JoinHub", "x" * 129), ("JoinHub", ""))


def _answered(*of: Any) -> list[Any]:
    return ["c", "result", record(*of)]


def _both(*of: Any) -> list[Any]:
    return [_answered(*of), changed(*of)]


_CALLED = [
    [changed()],
    [_answered()],
    _both([], ["b"]),
    _both([], ["b", "a"]),
    [_answered([], ["b", "a"])],
    [_answered([], ["b", "a"])],
    _both([], ["a"]),
    _both(["z"], ["a"]),
    _both(["z", "y"], ["a"]),
    [_answered(["z", "y"], ["a"])],
    _both(["y"], ["a"]),
    *([["c", "error"]] for _ in WRONG),
    [["s", "error"]],
    [],
]


def in_order(address: str) -> Any:
    with member(address) as (peer, _):
        peer.heard()
        peer.say(
            "".join(
                json.dumps({"type": 1, "invocationId": n, "target": "Nothing", "arguments": []}) + "\x1e" for n in "12"
            )
        )
        return peer.heard()


def sending(address: str) -> Any:
    with member(address) as (ana, _), member(address, "ben") as (ben, _), member(address, "eve") as (eve, _):
        for peer, hub in ((ana, "soup"), (ben, "soup"), (eve, "Soup")):
            peer.call("JoinHub", hub)
        eve.call("Send", "soup", {"more": [1]})
        ana.say({"type": 1, "target": "Send", "arguments": ["soup", 2]})
        notes = [ana.heard(), ben.heard(), eve.heard()]
        ben.call("LeaveHub", "soup")
        eve.call("Send", "soup", 3)
        return [*notes, ben.heard()]


_SENT = [
    [
        ["Receive", {"hub": "soup", "data": {"more": [1]}, "from": "eve"}],
        ["Receive", {"hub": "soup", "data": 2, "from": "ana"}],
    ],
    [
        ["Receive", {"hub": "soup", "data": {"more": [1]}, "from": "eve"}],
        ["Receive", {"hub": "soup", "data": 2, "from": "ana"}],
    ],
    [],
    [],
]


def expiring(address: str) -> Any:
    with member(address, life=2.5) as (peer, _):
        return peer.end()


def lead(address: str) -> Any:
    with member(address, life=2.5) as (peer, _):
        return [peer.hear(4.0), peer.hear(4.0), *peer.end()]


def renewing(address: str) -> Any:
    with member(address, life=4) as (peer, _):
        peer.heard()
        notes = [peer.call("RefreshToken", token(sub="ben")), peer.call("RefreshToken", "forged")]
        notes.append(peer.call("RefreshToken", token(sub="ana", exp=time.time() + 600)))
        time.sleep(4.2)
        return [*notes, peer.heard()]


def silence(address: str) -> Any:
    """Pings of the server, then its end of a client that says nothing whole."""
    with member(address) as (peer, _):
        peer.hear()
        begun = time.monotonic()
        came = [peer.hear(4.0)]
        peer.say('{"type":')
        came += [one for one in peer.end() if one != 6]
        return [came, time.monotonic() - begun > 1.7]


def resuming(address: str) -> Any:
    with member(address) as (peer, ticket):
        for call in (("RegisterTab", "t"), ("JoinHub", "h")):
            peer.call(*call)
        notes = [asked(address, bearer(token(sub="ben")), resume=ticket)[0]]
        with member(address, resume=ticket) as (heir, second):
            notes += [heir.heard(), peer.end(), len(heir.call("Send", "h", 1))]
    with member(address, resume=ticket) as (late, _):
        notes.append(late.heard())
    with member(address, resume=second) as (third, last):
        notes.append(third.heard())
        third.say({"type": 7})
        notes.append(third.end())
    with member(address, resume=last) as (none, _):
        notes.append(none.heard())
    return notes


_RESUMED = [
    403,
    [changed(["h"], ["t"], 1)],
    [["close", True, False], 1000],
    2,
    [changed()],
    [changed(["h"], ["t"], 2)],
    [1000],
    [changed()],
]


def padded(more: str) -> str:
    """A ping with a member that nobody names."""
    return json.dumps({"type": 6, "more": more}, separators=(",", ":"), ensure_ascii=False) + "\x1e"


def malformed(address: str) -> Any:
    notes: list[Any] = []
    for said in ("x\x1e", '{"type":"1"}\x1e', PING.encode(), padded("ü" * 600), padded("x" * 1005)):
        with member(address) as (peer, _):
            peer.heard()
            peer.say(said)
            try:
                notes.append([peer.hear(1.0), *peer.end()])
            except ConnectionClosed as end:
                notes.append(end.rcvd.code if end.rcvd else 1006)
            except TimeoutError:
                notes.append("silence")
    with member(address) as (peer, _):
        peer.heard()
        peer.say('{"type":42}\x1e', padded("x" * 1004))
        return [*notes, peer.heard()]


_FAULTY = [["close", True, False], 1000]

EXCHANGES = [
    Exchange(
        negotiations,
        _NEGOTIATED,
        frozenset(
            {
                "negotiation-from-anywhere",
                "negotiate-by-get",
                "any-version",
                "version-echoed",
                "version-0-with-token",
                "binary-offered",
                "query-wins",
                "query-unread",
                "none-accepted",
                "expiry-before-signature",
                "expired-accepted",
                "token-is-id",
                "token-contains-id",
            }
        ),
        SETTINGS,
    ),
    Exchange(
        connecting,
        [426, 403, 404, 404, 403, 403, 409, 404],
        frozenset(
            {
                "connects-from-anywhere",
                "origin-before-upgrade",
                "connect-without-id",
                "connect-as-another",
                "live-before-subject",
                "live-twice",
                "ticket-reusable",
            }
        ),
        SETTINGS,
    ),
    Exchange(growing_old, 404, frozenset({"window-forgotten"}), {**SETTINGS, "negotiate_window": "1s"}),
    Exchange(
        shaking,
        [["error"], [1000], ["error"], [1000], ["error"], [1000]],
        frozenset({"any-handshake", "refused-handshake-left-open"}),
        SETTINGS,
    ),
    Exchange(
        waiting_to_shake,
        [["error"], 1000],
        frozenset({"handshake-awaited-for-ever"}),
        {**SETTINGS, "handshake_deadline": "400ms"},
    ),
    Exchange(
        framing, _FRAMED, frozenset({"behind-handshake-lost", "one-record-per-frame", "frame-is-a-record"}), SETTINGS
    ),
    Exchange(
        calls,
        _CALLED,
        frozenset(
            {
                "completed-twice",
                "calls-without-id-completed",
                "targets-in-any-case",
                "streams-served",
                "more-arguments-accepted",
                "names-of-any-length",
                "bad-call-closes",
                "unknown-tab-refused",
                "hubs-never-left",
                "primary-is-newest",
                "primary-omitted",
                "record-with-more",
                "last-connected-seconds",
                "hubs-sorted",
                "tabs-twice",
                "first-change-missing",
                "change-untold",
                "change-told-always",
                "change-before-completion",
            }
        ),
        SETTINGS,
    ),
    Exchange(in_order, [["1", "error"], ["2", "error"]], frozenset({"completions-reordered"}), SETTINGS),
    Exchange(
        sending,
        _SENT,
        frozenset(
            {
                "senders-must-join",
                "sender-hears-nothing",
                "everybody-hears",
                "heard-twice",
                "hubs-case-folded",
                "from-connection",
                "data-as-text",
            }
        ),
        SETTINGS,
    ),
    Exchange(
        expiring,
        [changed(), ["TokenExpiring", True], ["close", True, True], 1000],
        frozenset(
            {"expiring-told-twice", "expiring-in-seconds", "short-lead-untold", "expiry-for-good", "expiry-ignored"}
        ),
        SETTINGS,
    ),
    Exchange(
        lead,
        [changed(), ["TokenExpiring", True], ["close", True, True], 1000],
        frozenset({"expiring-untold", "close-without-error", "closed-with-4000"}),
        {**SETTINGS, "token_lead": "1s"},
    ),
    Exchange(
        renewing,
        [[["c", "error"]], [["c", "error"]], [["c", "result", True]], []],
        frozenset({"refresh-as-another", "refused-refresh-closes", "timers-keep-old-token"}),
        {**SETTINGS, "token_lead": "100ms"},
    ),
    Exchange(
        silence,
        [[6, ["close", True, True], 1000], True],
        frozenset({"never-pings", "silence-borne", "silence-cut-early"}),
        {**SETTINGS, "keepalive": "200ms", "client_timeout": "2s"},
    ),
    Exchange(
        resuming,
        _RESUMED,
        frozenset(
            {
                "resume-gives-nothing",
                "attempts-uncounted",
                "resume-twice",
                "resume-after-close",
                "resume-of-another-ignored",
                "former-left-open",
            }
        ),
        SETTINGS,
    ),
    Exchange(
        malformed,
        [*[_FAULTY] * 5, []],
        frozenset(
            {
                "malformed-ignored",
                "malformed-cut-off",
                "unknown-type-closes",
                "binary-accepted",
                "oversize-accepted",
                "size-in-characters",
                "size-limit-off-by-one",
            }
        ),
        {**SETTINGS, "message_bytes": "1KiB"},
    ),
]


# A sign of life that is none is seen only by a clock that other tests of this machine disturb.
UNSHOWN = {"any-octet-is-life"}


@pytest.mark.parametrize("server", COMMANDS)
@pytest.mark.parametrize("case", each(EXCHANGES))
def test_a_client_meets_what_the_protocol_says(case: Exchange, server: str) -> None:
    """Without a fault each exchange goes as the prose says, with this server and with ours."""
    with running(server, case.settings) as address:
        assert case.play(address) == case.expected


@pytest.mark.parametrize(("case", "fault"), each_fault(EXCHANGES))
def test_a_fault_changes_an_exchange(case: Exchange, fault: str) -> None:
    """Each fault shows in an exchange; without HANDFAST_MATRIX=all one of each exchange is tried."""
    with running(SERVER, case.settings, fault) as address:
        try:
            noted = observed(case.play, address)
        except InvalidStatus as answer:
            noted = answer.response.status_code
        assert noted != case.expected


def test_every_fault_has_a_switch_and_an_exchange_that_shows_it() -> None:
    """The catalogue names what the sources ask for, and the exchanges above leave out no more than they say."""
    named = {entry["name"] for entry in catalogue(SERVER)}
    sources = (Path(__file__).parent / SERVER).glob("*.py")
    asked_for = {name for path in sources for name in re.findall(r'fault\("([a-z0-9-]+)"\)', path.read_text())}
    shown_here = {fault for case in EXCHANGES for fault in case.faults}

    assert asked_for == named
    assert shown_here | UNSHOWN == named
    assert all(rule.startswith(("HUB-", "ALL-")) for entry in catalogue(SERVER) for rule in entry["rules"])
