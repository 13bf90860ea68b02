"""The tabs server on npm `socket.io`: what it does, and that each fault changes it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.foreign.kit import Exchange, catalogue, each, each_fault, observed, running, switches, token
from tests.foreign.socketio import (
    UPGRADES,
    WIRE,
    WIRE_FAULTS,
    Socket,
    deadline,
    opened,
    pings,
    post,
    upgrades,
    wire,
)
from tests.foreign.tokens import TOKEN_FAULTS, answers, judged

SERVER = "tabs_socketio"
ISSUER, AUDIENCE, ORIGIN = "https://issuer.example", "urn:tabs", "https://app.example"
SETTINGS = {"issuer": ISSUER, "audience": AUDIENCE, "origins": ORIGIN, "message_bytes": "16KiB"}
CLAIMS: dict[str, Any] = {"sub": "u", "sid": "s", "iss": ISSUER, "aud": AUDIENCE}
PROBE = '21["SYNC",{"since":0}]'
SERVICE = ("--with", "service_token=env:FOREIGN_SERVICE_TOKEN")

pytestmark = pytest.mark.node


# What tabs say and hear


def good(sub: str = "u", sid: str = "s", left: float = 600, since: float = 9) -> str:
    """A token of a session with some seconds left, issued some seconds ago."""
    now = time.time()
    return token(**{**CLAIMS, "sub": sub, "sid": sid, "exp": now + left, "iat": now - since})


def auth(given: str | None = None, name: str = "a", device: str = "d", **more: Any) -> dict[str, Any]:
    """What a connect packet holds; without a token it has a good one."""
    return {"token": given or good(), "tabId": name, "deviceId": device, **more}


@contextmanager
def tab(address: str, name: str = "a", given: str | None = None, **more: Any) -> Iterator[Socket]:
    """A tab that is connected."""
    with opened(address) as (socket, _):
        socket.connect(auth(given, name, **more))
        yield socket


def brief(event: list[Any]) -> list[Any]:
    """An event without what differs from run to run."""
    name, data = event[0], event[1] if len(event) > 1 else {}
    match name:
        case "ROOMS_JOINED":
            return [name, data["leaderTabId"], data["term"], data["version"]]
        case "LEADER_ELECTED":
            return [name, data["leaderTabId"], data["term"]]
        case "TOKEN_EXPIRING":
            return [name]
        case "TOKEN_UPDATED":
            return [name, data["updatedBy"], sorted(data)]
        case "SECURITY_SUSPICIOUS_ACTIVITY":
            return [data["kind"], data["deviceId"]]
        case "ERROR":
            return [data["code"], data.get("event")]
        case "STATE_UPDATE" | "STATE_CONFLICT":
            return [name, *(data.get(one) for one in ("key", "value", "clock", "version", "origin"))]
    return event


def heard(socket: Socket) -> list[Any]:
    """What came before the answer to an event that marks the end."""
    socket.emit("MARK", {})
    came = []
    while (event := brief(socket.event()))[0] != "EVENT_UNKNOWN":
        came.append(event)
    return came


def said(socket: Socket, name: str, data: Any) -> list[Any]:
    """What a tab hears up to the answer to an event of its own."""
    socket.emit(name, data)
    return heard(socket)


def ends(socket: Socket) -> list[Any]:
    """What a tab still hears, and how it ends."""
    return [brief(one) if isinstance(one, list) else one for one in socket.end()]


def admitted(address: str, given: Any) -> Any:
    """How a connect packet is answered: `joined`, or the code of the error and whether it quotes the token."""
    with opened(address) as (socket, _):
        socket.send("0" + ("" if given is None else json.dumps(given)))
        packet = socket.hear()
        if packet[0] == "0":
            return "joined" if socket.event()[0] == "ROOMS_JOINED" else "overtaken"
        error = json.loads(packet[1:])
        return [packet[0], error["data"]["code"], "(" in error["message"]]


def refused(code: str) -> list[Any]:
    return ["4", code, False]


# Exchanges


def tokens(address: str) -> Any:
    claims = {**CLAIMS, "iat": time.time() - 9}
    notes = answers(lambda text: admitted(address, auth(text)), claims, "sid")
    return {**notes, "old": admitted(address, auth(good(left=-1)))}


def admissions(address: str) -> Any:
    missing: tuple[Any, ...] = (None, {}, {**auth(), "token": None})
    bad: tuple[Any, ...] = (
        {"token": good()},
        auth(name=""),
        auth(device="x" * 129),
        auth(visibility="seen"),
        {**auth(), "token": 7},
    )
    notes = {
        "missing": [admitted(address, given) for given in missing],
        "empty": admitted(address, {**auth(), "token": ""}),
        "bad": [admitted(address, given) for given in bad],
    }
    with opened(address) as (socket, _):
        notes["again"] = [socket.connect({}), socket.connect(auth(good(sid="new")))]
        name, joined = socket.event()
        notes["joined"] = [name, joined["rooms"], joined["leaderTabId"], joined["term"], joined["version"]]
        notes["Z"] = joined["serverTime"][-1]
        notes["elected"] = heard(socket)
    return notes


def replacements(address: str) -> Any:
    with tab(address, "a") as a, tab(address, "b") as b, tab(address, "c") as c:
        heard(b)
        with tab(address, "b") as newer:
            notes = [ends(b), heard(newer), said(a, "LEADER_RESIGN", {"term": 1})[2:], heard(c)[1:], heard(newer)]
            with tab(address, "c") as leader:
                return [*notes, ends(c), heard(leader), heard(a), heard(newer)]


def invalid(address: str) -> Any:
    given = [
        ("TAB_VISIBILITY", {"visibility": "seen"}),
        ("LEADER_HEARTBEAT", {"tabId": "a", "term": "1"}),
        ("LEADER_RESIGN", {}),
        ("TOKEN_REFRESHED", {"token": 1}),
        ("STATE_UPDATE", {"key": "", "value": 1, "clock": {}}),
        ("STATE_UPDATE", {"key": "k", "clock": {}}),
        ("STATE_UPDATE", {"key": "k", "value": 1, "clock": {"a": -1}}),
        ("SYNC", {"since": 0.5}),
        ("SYNC", None),
    ]
    with tab(address) as socket:
        notes = [said(socket, name, data) for name, data in given]
        socket.emit("ROOMS_JOINED", {})
        return [*notes, brief(socket.event())]


def leading(address: str) -> Any:
    with (
        tab(address, "x", good(sid="other")) as other,
        tab(address, "a") as a,
        tab(address, "b", visibility="hidden") as b,
        tab(address, "c") as c,
        tab(address, "d") as d,
    ):
        notes = [heard(socket) for socket in (other, a, b, c, d)]
        notes += [said(d, "TAB_VISIBILITY", {"visibility": "focused"}), heard(a)]
        notes += [
            said(a, "LEADER_HEARTBEAT", {"tabId": name, "term": term}) for name, term in (("a", 1), ("a", 2), ("b", 1))
        ]
        notes += [said(c, "LEADER_HEARTBEAT", {"tabId": "c", "term": 1}), heard(b), heard(c)]
        notes += [said(a, "LEADER_RESIGN", {"term": 2}), said(c, "LEADER_RESIGN", {"term": 1})]
        notes += [said(a, "LEADER_RESIGN", {"term": 1}), said(d, "LEADER_RESIGN", {"term": 2}), heard(c)]
        a.send("1")
        with tab(address, "e") as e:
            return [*notes, heard(e), heard(b), heard(c), heard(other)]


def silence(address: str) -> Any:
    with (
        tab(address, "lone", good(sid="lone")) as lone,
        tab(address, "a", good(sid="silent")) as silent,
        tab(address, "b", good(sid="silent")) as listening,
        tab(address, "a", good(sid="lively")) as lively,
        tab(address, "b", good(sid="lively")) as beside,
    ):
        elections: list[Any] = []
        for _ in range(40):
            lively.emit("LEADER_HEARTBEAT", {"tabId": "a", "term": 1})
            try:
                frame = listening.connection.recv(timeout=1)
            except TimeoutError:
                continue
            elections += [brief(json.loads(str(frame)[2:]))] if str(frame).startswith("42") else []
            if len(elections) == 3:
                break
        lively_heard = [one for one in heard(beside) if one[0] != "LEADER_HEARTBEAT"]
        return [elections, heard(silent)[-2:], lively_heard, heard(lone)]


def expiring(address: str) -> Any:
    soon = good(left=30)
    with tab(address, "a", soon) as a, tab(address, "b", soon) as b:
        notes = [heard(a), heard(b), said(a, "LEADER_RESIGN", {"term": 1}), heard(b)]
        with tab(address, "c", good()) as c:
            return [*notes, said(b, "LEADER_RESIGN", {"term": 2}), heard(a), heard(c)]


def refreshing(address: str) -> Any:
    soon = good(left=30)
    given = (7, "", good(left=-1), good("other"), good(sid="other"))
    with tab(address, "a", soon) as a, tab(address, "b", soon) as b:
        notes = [heard(a)[2:], heard(b), said(b, "TOKEN_REFRESHED", {"token": good()}), heard(a)]
        notes += [said(a, "TOKEN_REFRESHED", {"token": one}) for one in given]
        notes += [
            said(a, "TOKEN_REFRESHED", {"token": good()}),
            heard(b),
            said(a, "LEADER_RESIGN", {"term": 1}),
            heard(b),
        ]
        return [*notes, said(b, "TOKEN_REFRESHED", {"token": good(left=20)}), heard(a)]


def expiries(address: str) -> Any:
    given = good(left=2)
    with tab(address, "a", given) as a, tab(address, "b", given) as b:
        return [ends(a), ends(b)]


def states(address: str) -> Any:
    with tab(address, "a") as a, tab(address, "b") as b, tab(address, "c", good(sid="other")) as other:

        def update(socket: Socket, value: Any, clock: Any, key: str = "k") -> Any:
            return said(socket, "STATE_UPDATE", {"key": key, "value": value, "clock": clock})

        heard(a), heard(b), heard(other)
        notes = [
            update(a, 1, {"a": 1}),
            update(b, 2, {"b": 1}),
            update(a, 3, {"a": 2}),
            update(b, 4, {"b": 2}),
            update(a, 5, {"a": 3}),
            update(b, 6, {"c": 1}),
            update(b, 7, {"a": 3, "b": 2, "c": 1, "d": 0}),
            update(b, 8, {"a": 1}),
            update(a, {"deep": [None]}, {"a": 4, "b": 2, "c": 1}),
            update(a, None, {}, "l"),
            heard(b),
            heard(other),
        ]
        for since in (5, 8, 4, 3, 99):
            b.emit("SYNC", {"since": since}, answered=True)
            notes.append([brief(one) if one[0] != "ack" else one for one in b.heard()])
        notes += [heard(a), heard(b)]
        b.send("1")
        b.send("0/other,")
        b.hear()
        a.send("1")
        a.send("0" + json.dumps(auth()))
        while not (packet := a.hear()).startswith("0"):
            pass
        return [*notes, packet[:1], heard(a)]


def failures(address: str) -> Any:
    with tab(address, "a", good("f", "f")) as a:
        heard(a)
        forged = token(key="another" * 9, **{**CLAIMS, "sub": "f", "iat": 1, "exp": time.time() + 60})
        for _ in range(3):
            admitted(address, auth(forged))
        for _ in range(2):
            admitted(address, auth(good("f", left=-1), device="y"))
        notes = [heard(a)]
        admitted(address, auth(good("f", left=-1), device="z"))
        notes.append(heard(a))
        admitted(address, {"token": good("f", left=-1)})
        return [*notes, heard(a)]


def sharing(address: str) -> Any:
    with (
        tab(address, "a") as a,
        tab(address, "b") as b,
        tab(address, "c", device="e") as c,
        tab(address, "d", device="e") as d,
        tab(address, "o", good("other", "o")) as other,
    ):
        return [heard(socket) for socket in (a, b, c, d, other)]


def logouts(address: str) -> Any:
    def out(body: Any, path: str = "/admin/logout", given: str | None = None) -> Any:
        return post(address, path, body, given) if given else post(address, path, body)

    used, spare = good(sid="two"), good(sid="two", since=8)
    with (
        tab(address, "a", good(sid="one"), device="d") as a,
        tab(address, "b", used, device="e") as b,
        tab(address, "c", good("v", "three"), device="e") as c,
        tab(address, "d", good("u:1", "four"), device="x") as d,
    ):
        notes = [
            [
                out(body)
                for body in (
                    {"user": "u", "device": "e", "reason": "lost"},
                    {"user": "u", "device": "1:x", "reason": ""},
                )
            ],
            ends(b)[2:],
            heard(a)[2:],
            [admitted(address, auth(one, "b2", "f")) for one in (used, spare)],
            out({"session": "one", "reason": "stolen"}),
            ends(a),
            admitted(address, auth(good(sid="one"))),
            heard(c)[2:],
            heard(d)[2:],
        ]
        with tab(address, "u1", good(sid="five")) as first, tab(address, "u2", good(sid="six")) as second:
            notes += [
                out({"user": "u", "except": "six"}, "/admin/password-changed"),
                ends(first)[2:],
                heard(second)[2:],
                [admitted(address, auth(good(sid=sid), "u3")) for sid in ("five", "six")],
                out({"user": "u", "reason": "bye"})[0],
                ends(second)[-3:],
                admitted(address, auth(good(sid="seven"))),
            ]
        # Tokens that are issued later are good again; none can be issued later before the next second.
        time.sleep(1.05 - time.time() % 1)
        notes.append(admitted(address, auth(good(sid="seven", since=0))))
        bad: list[Any] = [
            {},
            {"device": "e", "reason": ""},
            {"user": "u", "session": "s", "reason": ""},
            {"user": "u"},
            [],
        ]
        notes.append([out(body)[0] for body in bad])
        notes.append([out({"except": "x"}, "/admin/password-changed")[0]])
        notes.append([out({"user": "v", "reason": ""}, given="other")[0]])
        evil = {"Origin": "https://evil.example"}
        return [*notes, post(address, "/admin/logout", {"user": "v", "reason": ""}, **evil)[0], heard(c)]


def fresh() -> Any:
    return auth(good(sid=str(uuid4())))


def gate(address: str) -> Any:
    return upgrades(address, ORIGIN)


def deadlines(address: str) -> Any:
    return deadline(address, fresh())


def heartbeats(address: str) -> Any:
    return pings(address, fresh())


def wires(address: str) -> Any:
    return wire(address, fresh, PROBE, 16 * 1024)


def exchange(play: Any, expected: Any, faults: str, more: Any = None) -> Exchange:
    return Exchange(play, expected, frozenset(faults.split()), {**SETTINGS, **(more or {})})


def joined(leader: str, term: int = 1, version: int = 0) -> list[Any]:
    return ["ROOMS_JOINED", leader, term, version]


def elected(leader: str, term: int = 1) -> list[Any]:
    return ["LEADER_ELECTED", leader, term]


def stored(value: Any, clock: Any, version: int, origin: str | None, key: str = "k") -> list[Any]:
    return ["STATE_UPDATE", key, value, clock, version, origin]


def conflict(value: Any, clock: Any, version: int) -> list[Any]:
    return ["STATE_CONFLICT", "k", value, clock, version, None]


def out(reason: str) -> list[Any]:
    return [["FORCE_LOGOUT", {"reason": reason}], "41", "end"]


INVALID = refused("TOKEN_INVALID")
BEAT = ["LEADER_HEARTBEAT", {"tabId": "a", "term": 1}]
UPDATED = ["TOKEN_UPDATED", "a", ["expiresAt", "updatedBy"]]
UPDATES = [
    stored(1, {"a": 1}, 1, "a"),
    stored(2, {"a": 1, "b": 1}, 2, "b"),
    stored(3, {"a": 2, "b": 1}, 3, "a"),
    stored(4, {"a": 2, "b": 2}, 4, "b"),
    stored(5, {"a": 3, "b": 2}, 5, "a"),
    stored(5, {"a": 3, "b": 2, "c": 1}, 6, "a"),
    stored({"deep": [None]}, {"a": 4, "b": 2, "c": 1}, 7, "a"),
    stored(None, {}, 8, "a", "l"),
]
EXPIRED = [["TOKEN_INVALIDATED", {"reason": "expired"}], "41", "end"]

EXCHANGES = [
    Exchange(
        tokens,
        {**judged("joined", INVALID), "old": refused("TOKEN_EXPIRED")},
        TOKEN_FAULTS | {"signature-unchecked-if-expired", "expired-token-accepted", "expired-as-invalid"},
        SETTINGS,
    ),
    exchange(
        admissions,
        {
            "missing": [refused("AUTH_REQUIRED")] * 3,
            "empty": INVALID,
            "bad": [refused("MESSAGE_INVALID")] * 5,
            "again": ["4", "0"],
            "joined": ["ROOMS_JOINED", ["user:u", "device:u:d", "session:new", "tab:new:a"], "a", 1, 0],
            "Z": "Z",
            "elected": [elected("a")],
        },
        """leader-unnamed device-room-missing election-told-before-joining missing-as-invalid bad-auth-data-accepted
        connect-error-without-code token-in-error local-timestamps""",
    ),
    exchange(
        replacements,
        [
            ["41", "end"],
            [joined("a")],
            [elected("c", 2)],
            [elected("c", 2)],
            [elected("c", 2)],
            ["41", "end"],
            [joined("a", 3), elected("a", 3)],
            [elected("a", 3)],
            [elected("a", 3)],
        ],
        "tab-not-replaced replaced-keeps-seniority replaced-leader-inherited replaced-elected-twice",
    ),
    exchange(
        invalid,
        [
            [joined("a"), elected("a"), ["MESSAGE_INVALID", "TAB_VISIBILITY"]],
            *[
                [["MESSAGE_INVALID", name]]
                for name in (
                    "LEADER_HEARTBEAT",
                    "LEADER_RESIGN",
                    "TOKEN_REFRESHED",
                    *["STATE_UPDATE"] * 3,
                    "SYNC",
                    "SYNC",
                )
            ],
            ["EVENT_UNKNOWN", "ROOMS_JOINED"],
        ],
        """invalid-events-ignored invalid-event-disconnects unknown-events-ignored unknown-event-as-invalid
        error-without-event""",
    ),
    exchange(
        leading,
        [
            [joined("x"), elected("x")],
            [joined("a"), elected("a")],
            *[[joined("a")]] * 3,
            *[[]] * 3,
            *[[["NOT_LEADER", "LEADER_HEARTBEAT"]]] * 2,
            [BEAT, ["NOT_LEADER", "LEADER_HEARTBEAT"]],
            [BEAT],
            [],
            *[[["NOT_LEADER", "LEADER_RESIGN"]]] * 2,
            [elected("d", 2)],
            [BEAT, elected("d", 2), elected("a", 3)],
            [elected("d", 2), elected("a", 3)],
            [joined("d", 4)],
            [elected("d", 2), elected("a", 3), elected("d", 4)],
            [elected("d", 4)],
            [],
        ],
        """newcomer-leads gone-leader-kept visibility-ignored youngest-elected cause-stands term-kept
        election-told-to-winner visibility-elects heartbeat-echoed heartbeat-not-relayed any-heartbeat-relayed
        stale-heartbeat-relayed any-resignation-taken stale-resignation-taken sessions-shared-by-user""",
    ),
    exchange(
        silence,
        [
            [joined("a"), elected("b", 2), elected("a", 3)],
            [elected("b", 2), elected("a", 3)],
            [joined("a")],
            [joined("lone"), elected("lone")],
        ],
        "silence-tolerated silence-cut-short lone-leader-deposed heartbeats-not-counted",
        {"heartbeat_interval": "500ms"},
    ),
    exchange(
        expiring,
        [
            [joined("a"), elected("a"), ["TOKEN_EXPIRING"]],
            [joined("a")],
            [elected("b", 2)],
            [elected("b", 2), ["TOKEN_EXPIRING"]],
            *[[elected("a", 3)]] * 2,
            [joined("b", 2), elected("a", 3)],
        ],
        """expiring-untold expiring-told-to-all expiring-told-twice expiring-told-to-first-leader
        first-token-counts""",
    ),
    exchange(
        refreshing,
        [
            [["TOKEN_EXPIRING"]],
            [joined("a")],
            [["NOT_LEADER", "TOKEN_REFRESHED"]],
            [],
            *[
                [[f"{code}", "TOKEN_REFRESHED"]]
                for code in ("MESSAGE_INVALID", "TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_INVALID")
            ],
            *[[UPDATED]] * 2,
            *[[elected("b", 2)]] * 2,
            [["TOKEN_UPDATED", "b", ["expiresAt", "updatedBy"]], ["TOKEN_EXPIRING"]],
            [["TOKEN_UPDATED", "b", ["expiresAt", "updatedBy"]]],
        ],
        """refresh-not-followed sooner-refresh-not-followed refresh-told-to-leader token-sent-to-tabs any-refresh-taken
        refresh-of-other-user-taken refresh-of-other-session-taken refused-refresh-as-message""",
    ),
    exchange(
        expiries,
        [[joined("a"), elected("a"), ["TOKEN_EXPIRING"], *EXPIRED], [joined("a"), *EXPIRED]],
        "expiry-ignored expiry-in-silence expiry-otherwise-named expired-stay-connected expiry-elects",
    ),
    exchange(
        states,
        [
            UPDATES[:1],
            UPDATES[:2],
            UPDATES[1:3],
            UPDATES[2:4],
            UPDATES[3:5],
            UPDATES[4:6],
            [conflict(5, {"a": 3, "b": 2, "c": 1}, 6)],
            [conflict(5, {"a": 3, "b": 2, "c": 1}, 6)],
            UPDATES[5:7],
            UPDATES[7:],
            UPDATES[6:],
            [],
            [*UPDATES[5:], ["ack", {"version": 8, "full": False}]],
            [["ack", {"version": 8, "full": False}]],
            [*UPDATES[4:], ["ack", {"version": 8, "full": False}]],
            *[[*UPDATES[6:], ["ack", {"version": 8, "full": True}]]] * 2,
            [],
            [],
            "0",
            [joined("a", 2, 8), elected("a", 2)],
        ],
        """sender-gets-no-copy origin-missing version-per-key equal-clock-stored last-write-wins conflict-told-to-all
        conflict-without-version concurrent-refused concurrent-last-wins clocks-unmerged clock-sums-ignored
        sum-of-merged-clock smaller-tab-wins concurrent-origin-is-sender sync-always-whole full-never-said
        beyond-head-as-nothing sync-newest-first sync-last-only sync-answered-first sync-told-to-all history-short
        state-told-to-user state-lost-with-last-tab term-lost-with-last-tab""",
        {"history": "4"},
    ),
    exchange(
        failures,
        [[], [["repeated_failures", "z"]], []],
        "failures-untold failures-told-early failures-told-each-time forged-failures-counted",
        {"failed_auths": "2/60s"},
    ),
    exchange(
        sharing,
        [
            [joined("a"), elected("a"), ["session_shared", "e"]],
            *[[joined("a"), ["session_shared", "e"]]] * 2,
            [joined("a")],
            [joined("o"), elected("o")],
        ],
        "sharing-untold sharing-told-each-time sharing-spares-newcomer",
    ),
    exchange(
        logouts,
        [
            [(200, {"disconnected": 1}), (200, {"disconnected": 0})],
            out("lost"),
            [],
            [INVALID, "joined"],
            (200, {"disconnected": 1}),
            [["session_shared", "f"], *out("stolen")],
            INVALID,
            [],
            [],
            (200, {"disconnected": 1}),
            out("password_changed"),
            [],
            [INVALID, "joined"],
            200,
            out("bye"),
            INVALID,
            "joined",
            [400] * 5,
            [400],
            [401],
            403,
            [],
        ],
        """logout-in-silence reason-otherwise-named logged-out-stay-connected logged-out-tokens-accepted
        unused-tokens-accepted later-tokens-refused device-as-user device-of-any-user rooms-named-alike nobody-counted
        service-token-unchecked invalid-post-as-done exception-ignored origin-of-posts-unchecked""",
    ),
    exchange(gate, UPGRADES, "plain-request-as-400 path-by-prefix origin-unchecked"),
    exchange(deadlines, [["end"], "4/other,"], "connect-deadline-never", {"connect_deadline": "1s"}),
    exchange(
        heartbeats,
        [300, 500, "end"],
        "pings-missing pings-unawaited",
        {"ping_interval": "300ms", "ping_timeout": "500ms"},
    ),
    Exchange(wires, WIRE, WIRE_FAULTS, SETTINGS),
]

# What these exchanges do not show: what only time or a fetch shows.
UNSHOWN = {"connect-deadline-early", "connect-deadline-late", "jku-fetched"}


@pytest.mark.parametrize("case", each(EXCHANGES))
def test_a_client_meets_what_the_protocol_says(case: Exchange) -> None:
    """Without a fault each exchange goes as the prose says."""
    with running(SERVER, case.settings, None, *SERVICE) as address:
        assert case.play(address) == case.expected


@pytest.mark.parametrize(("case", "fault"), each_fault(EXCHANGES))
def test_a_fault_changes_an_exchange(case: Exchange, fault: str) -> None:
    """Each fault shows in an exchange; without HANDFAST_MATRIX=all one of each exchange is tried."""
    with running(SERVER, case.settings, fault, *SERVICE) as address:
        assert observed(case.play, address) != case.expected


def test_the_client_that_socketio_ships_is_served(node: str) -> None:
    """socket.io-client connects, updates the state, asks for it, and hears why it is disconnected."""
    client = Path(__file__).with_name("socketio_client.mjs")
    asked = (["STATE_UPDATE", {"key": "k", "value": [1], "clock": {"a": 1}}], ["SYNC", {"since": 0}])
    with running(SERVER, SETTINGS, None, *SERVICE) as address:
        done = subprocess.run(
            [node, str(client), f"http://{address}", json.dumps(auth(good(left=5))), *map(json.dumps, asked)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    update = stored([1], {"a": 1}, 1, "a")
    assert [brief(line) for line in lines if line[0] != "ack"] == [
        joined("a"),
        elected("a"),
        ["TOKEN_EXPIRING"],
        update,
        update,
        EXPIRED[0],
        ["disconnect", "io server disconnect"],
    ]
    assert [line for line in lines if line[0] == "ack"] == [["ack", {"version": 1, "full": False}]]


def test_every_fault_has_a_switch_and_an_exchange_that_shows_it() -> None:
    """The catalogue names what the sources ask for, and the exchanges above leave out no more than they say."""
    named = {entry["name"] for entry in catalogue(SERVER)}
    shown = {fault for case in EXCHANGES for fault in case.faults}

    assert named - switches(SERVER) == set()
    assert shown | UNSHOWN == named
    assert all(rule.startswith(("TABS-", "ALL-")) for entry in catalogue(SERVER) for rule in entry["rules"])
