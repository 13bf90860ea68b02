"""The sync server on npm `ws`, met with Python's `websockets`: what it does, and that each fault changes it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.foreign.kit import (
    WAIT,
    Exchange,
    catalogue,
    closing,
    each,
    each_fault,
    observed,
    request,
    running,
    switches,
    token,
)
from tests.foreign.tokens import TOKEN_FAULTS, answers, judged

SERVER = "sync_ws"
ISSUER, AUDIENCE, ORIGIN = "https://issuer.example", "urn:sync", "https://app.example"
SETTINGS = {"issuer": ISSUER, "audience": AUDIENCE, "origins": ORIGIN, "grace": "1h", "message_bytes": "32KiB"}
WHEN = "2026-01-01T01:00:00.5+01:00"

pytestmark = pytest.mark.node


# What a client says and hears


def good(sub: str = "alice", left: float = 60) -> str:
    """A token of a subject with some seconds left."""
    return token(sub=sub, iss=ISSUER, aud=AUDIENCE, exp=time.time() + left)


@contextmanager
def client(address: str, target: str = "/sync", **more: Any) -> Iterator[ClientConnection]:
    """A connection on which nothing has been said."""
    with connect(f"ws://{address}{target}", compression=None, close_timeout=1, **more) as connection:
        yield connection


@contextmanager
def member(address: str, instance: str = "i", given: str | None = None) -> Iterator[tuple[ClientConnection, Any]]:
    """An active connection, and how it was accepted."""
    with client(address) as connection:
        say(connection, "init", instanceId=instance, authToken=given or good())
        yield connection, hear(connection)


def say(connection: ClientConnection, type_: str, **members: Any) -> None:
    """Send a message; where the server has just closed, that is seen by who reads."""
    with suppress(ConnectionClosed):
        connection.send(json.dumps({"type": type_, **members}))


def hear(connection: ClientConnection) -> Any:
    return json.loads(connection.recv(timeout=WAIT))


def ask(connection: ClientConnection, type_: str, **members: Any) -> Any:
    """The next message behind one that is sent."""
    say(connection, type_, **members)
    return brief(hear(connection))


def brief(message: Any) -> Any:
    """A message without what differs from run to run."""
    match message["type"]:
        case "error":
            return [message["code"], message.get("id"), message["message"].count(".")]
        case "accepted" | "renewed":
            return [message.get("id"), message.get("warning", {}).get("code")]
        case "event":
            return [message["seq"], message["event"]["id"]]
        case "warning":
            return message["code"]
    return message


def end(connection: ClientConnection) -> list[Any]:
    """What still comes, and the close behind it."""
    return [brief(json.loads(one)) if isinstance(one, str) and one[:1] == "{" else one for one in closing(connection)]


def heard(connection: ClientConnection) -> list[Any]:
    """What came before the answer to a pull that is sent to mark the end."""
    say(connection, "pull", id="mark", since=10**6)
    came = []
    while (message := hear(connection)).get("id") != "mark":
        came.append(message)
    return came


def event(name: str, args: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": "named", "args": args, "localTimestamp": WHEN, **more}


def push(connection: ClientConnection, *events: Any) -> Any:
    return ask(connection, "push", id="p", events=list(events))


def init(address: str, given: str | None, **more: Any) -> Any:
    """How an init is answered: the code of an acceptance's warning, or a refusal and the close."""
    with client(address) as connection:
        answer = ask(connection, "init", instanceId="i", authToken=given, **more)
        return answer[1] if answer[0] is None else [answer, *end(connection)]


def said(address: str, *messages: Any) -> Any:
    """What is answered on a connection that says these first, up to its close."""
    with client(address) as connection:
        for message in messages:
            connection.send(message if isinstance(message, (str, bytes)) else json.dumps(message))
        return end(connection)


def refused(code: str, answered: str | None = None) -> list[Any]:
    return [[code, answered, 1], 1008, code]


# Exchanges


def tokens(address: str) -> Any:
    return answers(lambda text: init(address, text), {"sub": "alice", "iss": ISSUER, "aud": AUDIENCE}, "sub")


def graces(address: str) -> Any:
    with member(address, given=good(left=-1200)) as (_, accepted):
        ends = datetime.fromisoformat(accepted["warning"]["graceEndsAt"]).timestamp()
    forged = token(key="another" * 9, sub="alice", iss=ISSUER, aud=AUDIENCE, exp=time.time() - 9)
    return {
        "ends": round((ends - time.time()) / 600),
        "late": init(address, good(left=-2400)),
        "too late": init(address, good(left=-3700)),
        "forged": init(address, forged),
        "Z": accepted["serverTime"][-1],
    }


def openings(address: str) -> Any:
    with member(address, given=good("Alice")) as (connection, first):
        push(connection, event("1"))
        with member(address) as (other, second):
            again = ask(other, "init", instanceId="else", authToken=good())
            push(connection, event("2"))
            after = [brief(message) for message in heard(other)]
        with member(address) as (_, third):
            ids = len({first["connectionId"], second["connectionId"], third["connectionId"]})
    return {
        "head": [first["head"], second["head"]],
        "user": first["userId"],
        "ids": ids,
        "again": [again, after],
        "none": init(address, None),
        "empty": init(address, ""),
        "more": init(address, good(), more=1),
        "default user": init(address, good("dev-user")),
        "stranger": init(address, good("mallory")),
        "stranger in grace": init(address, good("mallory", left=-9)),
        "early": said(address, {"type": "logout", "id": "l"}),
        "bad": said(address, {"type": "init", "instanceId": ""}),
        "behind init": said(
            address, {"type": "init", "instanceId": "i", "authToken": good()}, {"type": "logout", "id": "l"}
        ),
        "ids of 128": [
            said(address, {"type": "init", "instanceId": "😀" * length, "authToken": good()}, b"")[-2]
            for length in (128, 129)
        ],
    }


def credentials(address: str) -> Any:
    notes = []
    for target, headers in (("/sync", {"Authorization": f"Bearer {good()}"}), (f"/sync?token={good()}", {})):
        with client(address, target, additional_headers=headers) as connection:
            notes.append(ask(connection, "init", instanceId="i"))
    return notes


def upgrades(address: str) -> Any:
    def upgrade(origin: str | None) -> int:
        try:
            with client(address, origin=origin):
                return 101
        except InvalidStatus as failure:
            return failure.response.status_code

    evil = {"Origin": "https://evil.example"}
    return {
        "path": [request(address, "GET", path, headers=evil) for path in ("/syncs", "/")],
        "plain": request(address, "GET", "/sync", headers=evil),
        "origins": [upgrade(origin) for origin in (None, ORIGIN, f"{ORIGIN}.evil.example")],
    }


def deadlines(address: str) -> Any:
    def wait(silent: ClientConnection, pinging: ClientConnection) -> list[Any]:
        for _ in range(10 * WAIT):
            with suppress(ConnectionClosed):
                pinging.ping()
            with suppress(TimeoutError):
                return [brief(json.loads(silent.recv(timeout=0.1))), *end(silent)]
        return ["silence"]

    with client(address) as pinging:
        with client(address) as silent:
            notes = wait(silent, pinging)
        with client(address) as silent:
            return [notes, wait(silent, pinging) and pinging.close_code]


def events(address: str) -> Any:
    with (
        member(address, "x") as (elsewhere, _),
        member(address, "I") as (capital, _),
        member(address, "i") as (pusher, accepted),
        member(address, "i") as (own, _),
        member(address, "i", good("bob")) as (other, _),
    ):
        notes: dict[str, Any] = {"elsewhere": push(elsewhere, event("far")), "capital": push(capital, event("big"))}
        notes["pushed"] = push(pusher, event("2", None, metadata={"userId": "eve"}), event("1"), event("2", 7))
        notes["again"] = push(pusher, event("1", "else"), event("far"))
        notes["heard"] = [len(heard(one)) for one in (pusher, own, elsewhere, capital)]
        came = heard(other)
        notes["came"] = [[one["seq"], one["event"]] for one in came]
        meta = came[0]["metadata"]
        notes["metadata"] = [
            meta["userId"],
            meta["connectionId"] == accepted["connectionId"],
            meta["timestamp"] > "2026-06",
        ]
        return notes


def pulls(address: str) -> Any:
    with member(address, "far") as (far, _), member(address, "p") as (connection, _):
        push(far, event("far"))
        push(connection, *(event(str(number)) for number in range(5)))
        push(connection, event("4", "else"))
        asked = ({"since": 0}, {"since": 2, "limit": 2}, {"since": 3, "limit": 1000}, {"since": 9})
        found = [ask(connection, "pull", id="q", **one) for one in asked]
        return [
            [
                [[one["seq"], one["metadata"]["userId"], one["event"]["args"]] for one in pulled["events"]],
                pulled["head"],
                pulled["more"],
            ]
            for pulled in found
        ]


def invalid(address: str) -> Any:
    with member(address, "v") as (connection, _):
        asked: list[Any] = [
            {"type": "event", "id": "e"},
            {"type": "nothing", "id": "e"},
            {"type": "push", "id": "", "events": [event("1")]},
            {"type": "push", "id": "p", "events": []},
            {"type": "push", "id": "p", "events": [event("1"), event("")]},
            {"type": "push", "id": "p", "events": [event("1"), {**event("2"), "localTimestamp": "yesterday"}]},
            {"type": "push", "id": "p", "events": [event(str(number)) for number in range(101)]},
            {"type": "pull", "id": "q", "since": -1},
            {"type": "pull", "id": "q", "since": 0, "limit": 0},
            {"type": "logout", "id": 1},
            [],
        ]
        for message in asked:
            connection.send(json.dumps(message))
        connection.send("{")
        notes = [brief(message) for message in heard(connection)]
        full = push(connection, *(event(str(number)) for number in range(100)))
        return [notes, len(full["accepted"])]


def frames(address: str) -> Any:
    start = {"type": "init", "instanceId": "f", "authToken": good()}

    def frame(data: Any, text: bool | None = None) -> Any:
        with client(address) as connection:
            connection.send(json.dumps(start))
            connection.send(data, text=text)
            connection.send('{"type":"logout","id":"l"}')
            return end(connection)[1:]

    def pull(size: int, filling: str) -> str:
        head = '{"type":"pull","id":"q","since":0,"more":"'
        return head + filling * ((size - len(head) - 2) // len(filling.encode())) + '"}'

    limit = 32 * 1024
    short = pull(limit, "x")
    return {
        "binary": frame(b'{"type":"pull","id":"q","since":0}')[-2:],
        "utf-8": frame(b'{"type":"pull","id":"\xff","since":0}', True)[-2:],
        "longest": frame(short + " " * (limit - len(short)))[-1],
        "too long": frame(short + " " * (limit + 1 - len(short)))[-2],
        "in bytes": frame(pull(limit + 100, "é"))[-2],
    }


def expiries(address: str) -> Any:
    with member(address, "t", good(left=2)) as (connection, _), member(address, "t") as (other, _):
        notes = [brief(hear(connection))]
        push(other, event("1"))
        return [*notes, *end(connection)]


def renewals(address: str) -> Any:
    with (
        member(address, "r", good(left=2)) as (connection, _),
        member(address, "else", good(left=2.1)) as (clock, _),
        member(address, "r") as (other, _),
    ):
        notes = [ask(connection, "auth", id="longer", authToken=good())]
        end(clock)
        notes += [brief(one) for one in heard(connection)]
        notes.append(ask(connection, "auth", id="shorter", authToken=good(left=-0.2)))
        push(other, event("1"))
        return [notes, end(connection)]


def refusals(address: str) -> Any:
    given = {"good": good(), "bob": good("bob"), "bad": "", "old": good(left=-3700), "gone": good("mallory")}
    notes = {}
    for name, text in given.items():
        with member(address) as (connection, _):
            answer = ask(connection, "auth", id="a", authToken=text)
            say(connection, "logout", id="l")
            notes[name] = [answer, *end(connection)]
    return notes


def logouts(address: str) -> Any:
    with (
        member(address, "i") as (sender, _),
        member(address, "i") as (near, _),
        member(address, "far") as (far, _),
        member(address, "i", good("bob")) as (bob, _),
    ):
        say(sender, "logout", id="l")
        notes = [end(sender)]
        say(near, "logout", id="n")
        say(far, "logout", id="f")
        return [*notes, end(near), end(far), heard(bob), init(address, good())]


def development(address: str) -> Any:
    with (
        client(address) as silent,
        member(address, "d", "nothing") as (first, accepted),
        member(address, "e", "nothing") as (second, _),
    ):
        say(first, "logout", id="l")
        notes = {"who": accepted["userId"], "logout": end(first)}
        say(second, "logout", id="m")
        notes["other"] = end(second)
        with member(address, "d", "nothing") as (bypassed, _):
            notes["auth"] = [ask(bypassed, "auth", id="a", authToken=good()), *end(bypassed)]
        with member(address, "d", good()) as (_, plain):
            notes["good"] = [plain["userId"], plain.get("warning")]
        given = {"none": None, "bad": "nothing", "stranger": good("mallory")}
        return {**notes, **{name: init(address, text) for name, text in given.items()}, "silence": end(silent)}


def departures(address: str) -> Any:
    with member(address, "g") as (pusher, _):
        with client(address) as leaving:
            say(leaving, "init", instanceId="g", authToken=good())
            hear(leaving)
            leaving.close()
            code = leaving.close_code
        with member(address, "g") as (staying, _):
            push(pusher, event("1"))
            return [code, len(heard(staying))]


BAD = refused("TOKEN_INVALID")
USERS = {**SETTINGS, "users": "alice,bob,Alice"}
QUICK = {**SETTINGS, "grace": "2s"}
DEVELOPMENT = {**USERS, "require_auth": "false", "init_deadline": "3s"}
EVENT = {"name": "named", "localTimestamp": WHEN}


def exchange(play: Any, expected: Any, faults: str, settings: Any = SETTINGS) -> Exchange:
    return Exchange(play, expected, frozenset(faults.split()), settings)


EXCHANGES = [
    Exchange(tokens, judged(None, BAD), TOKEN_FAULTS, SETTINGS),
    exchange(
        graces,
        {"ends": 4, "late": "TOKEN_IN_GRACE", "too late": refused("TOKEN_EXPIRED"), "forged": BAD, "Z": "Z"},
        """expired-token-accepted signature-unchecked-if-expired grace-refused grace-unwarned grace-counted-from-now
        grace-endless grace-halved expired-as-invalid expiry-closes-4401 close-without-error close-without-reason
        local-timestamps""",
    ),
    exchange(
        openings,
        {
            "head": [0, 1],
            "user": "Alice",
            "ids": 3,
            "again": [["ALREADY_INITIALIZED", None, 1], [[2, "2"]]],
            "none": refused("AUTH_REQUIRED"),
            "empty": BAD,
            "more": None,
            "default user": refused("USER_NOT_FOUND"),
            "stranger": refused("USER_NOT_FOUND"),
            "stranger in grace": refused("USER_NOT_FOUND"),
            "early": refused("NOT_INITIALIZED", "l"),
            "bad": refused("MESSAGE_INVALID"),
            "behind init": [[None, None], *refused("LOGGED_OUT", "l")],
            "ids of 128": [1003, 1008],
        },
        """head-always-zero user-id-case-folded connection-ids-reused no-token-as-invalid unknown-user-accepted
        unknown-user-in-grace-accepted default-user-exists early-message-as-invalid early-message-ignored
        bad-first-message-stays-open events-overtake-accepted
        second-init-closes second-init-switches anonymous-accepted lengths-in-utf16
        id-limit-off-by-one empty-ids-accepted order-lost-behind-init token-in-error-text unknown-members-refused
        close-left-to-client""",
        USERS,
    ),
    exchange(credentials, [["AUTH_REQUIRED", None, 1]] * 2, "header-token-used query-token-used"),
    exchange(
        upgrades,
        {
            "path": [(404, {"code": "NOT_FOUND"})] * 2,
            "plain": (426, {"code": "UPGRADE_REQUIRED"}),
            "origins": [101, 101, 403],
        },
        """path-by-prefix plain-request-as-400 refusal-as-plain-text origin-before-path origin-prefix-match
        origin-required""",
    ),
    exchange(
        deadlines,
        [refused("AUTH_REQUIRED"), 1008],
        "deadline-never deadline-restarted-by-frames",
        {**SETTINGS, "init_deadline": "1s"},
    ),
    exchange(
        events,
        {
            "elsewhere": {"type": "pushed", "id": "p", "accepted": ["far"], "head": 1},
            "capital": {"type": "pushed", "id": "p", "accepted": ["big"], "head": 1},
            "pushed": {"type": "pushed", "id": "p", "accepted": ["2", "1", "2"], "head": 2},
            "again": {"type": "pushed", "id": "p", "accepted": ["1", "far"], "head": 3},
            "heard": [0, 3, 0, 0],
            "came": [
                [1, {**EVENT, "id": "2", "args": None}],
                [2, {**EVENT, "id": "1", "args": 1}],
                [3, {**EVENT, "id": "far", "args": 1}],
            ],
            "metadata": ["alice", True, True],
        },
        """null-args-refused accepted-in-id-order pusher-gets-events events-to-first-member events-doubled
        own-user-skipped event-extra-members-kept event-time-rewritten client-metadata-kept
        receiver-as-author client-time-as-server-time metadata-without-connection seq-from-zero seq-in-tens
        seq-shared-by-instances duplicates-stored doubled-in-push-stored duplicates-resent duplicates-not-acknowledged
        ids-shared-by-instances events-to-every-instance instance-case-folded offset-times-refused""",
    ),
    exchange(
        pulls,
        [
            [[[1, "alice", 1], [2, "alice", 1], [3, "alice", 1], [4, "alice", 1], [5, "alice", 1]], 5, False],
            [[[3, "alice", 1], [4, "alice", 1]], 5, True],
            [[[4, "alice", 1], [5, "alice", 1]], 5, False],
            [[], 5, False],
        ],
        """pull-from-every-instance pull-includes-since pull-limit-ignored pull-newest-first more-always-false
        pulled-without-metadata duplicate-overwrites""",
    ),
    exchange(
        invalid,
        [[["MESSAGE_INVALID", one, 1] for one in (None, None, None, *"pppp", "q", "q", None, None, None)], 100],
        """full-push-refused invalid-event-skipped invalid-message-dropped invalid-message-closes server-types-ignored
        empty-push-accepted long-push-accepted event-time-unchecked pull-limit-zero-accepted error-unlinked""",
    ),
    exchange(
        frames,
        {
            "binary": [1003, ""],
            "utf-8": [1007, ""],
            "longest": "LOGGED_OUT",
            "too long": 1009,
            "in bytes": 1009,
        },
        "binary-read-as-text bad-utf8-replaced oversize-as-invalid size-in-characters size-limit-off-by-one",
    ),
    exchange(
        expiries,
        ["TOKEN_IN_GRACE", [1, "1"], *refused("TOKEN_EXPIRED")],
        """expiry-unwarned expiry-warned-twice expiry-closes work-stops-in-grace grace-end-ignored
        grace-end-as-auth-required""",
        QUICK,
    ),
    exchange(
        renewals,
        [[["longer", None], ["shorter", "TOKEN_IN_GRACE"]], [[1, "1"], *refused("TOKEN_EXPIRED")]],
        """renewal-unlinked graced-renewal-refused graced-renewal-unwarned renewal-not-followed old-timers-kept
        shorter-token-not-followed""",
        QUICK,
    ),
    exchange(
        refusals,
        {
            "good": [["a", None], *refused("LOGGED_OUT", "l")],
            "bob": refused("SUBJECT_MISMATCH", "a"),
            "bad": refused("TOKEN_INVALID", "a"),
            "old": refused("TOKEN_EXPIRED", "a"),
            "gone": refused("USER_NOT_FOUND", "a"),
        },
        "refused-auth-stays-open other-subject-accepted unknown-user-as-mismatch",
        USERS,
    ),
    exchange(
        logouts,
        [refused("LOGGED_OUT", "l"), refused("LOGGED_OUT"), refused("LOGGED_OUT"), [], None],
        "logout-of-connection logout-of-instance logout-of-everyone logout-spares-sender logout-id-to-all",
    ),
    exchange(
        development,
        {
            "who": "dev-user",
            "logout": refused("LOGGED_OUT", "l"),
            "other": refused("LOGGED_OUT"),
            "auth": refused("SUBJECT_MISMATCH", "a"),
            "good": ["alice", None],
            "none": "AUTH_DISABLED",
            "bad": "AUTH_DISABLED",
            "stranger": "AUTH_DISABLED",
            "silence": refused("AUTH_REQUIRED"),
        },
        """deadline-only-with-auth bypass-unwarned bypass-refuses-bad-token bypass-refuses-unknown-user bypass-always
        bypassed-renews bypassed-logout-alone""",
        DEVELOPMENT,
    ),
    exchange(departures, [1000, 1], "close-frame-unanswered gone-member-blocks"),
]

# What these exchanges do not show: what only time, a fetch or a signal to the process shows.
UNSHOWN = {"deadline-early", "deadline-late", "jku-fetched", "shutdown-abrupt"}
STORED = {"unattributed-as-default-user", "unattributed-timed-now", "acknowledged-before-stored"}


@pytest.mark.parametrize("case", each(EXCHANGES))
def test_a_client_meets_what_the_protocol_says(case: Exchange) -> None:
    """Without a fault each exchange goes as the prose says."""
    with running(SERVER, case.settings) as address:
        assert case.play(address) == case.expected


@pytest.mark.parametrize(("case", "fault"), each_fault(EXCHANGES))
def test_a_fault_changes_an_exchange(case: Exchange, fault: str) -> None:
    """Each fault shows in an exchange; without HANDFAST_MATRIX=all one of each exchange is tried."""
    with running(SERVER, case.settings, fault) as address:
        assert observed(case.play, address) != case.expected


@pytest.mark.parametrize("fault", [None, *sorted(STORED)])
def test_events_outlive_a_kill_and_those_without_attribution_are_served(fault: str | None, tmp_path: Path) -> None:
    """What was acknowledged is there after a kill, and what the store has from before attribution is anonymous."""
    store = tmp_path / "events.jsonl"
    planted = {"instanceId": "i", "records": [{"event": event("old")}]}
    store.write_text(json.dumps(planted) + '\n{"instanceId": "i", "rec')
    with running(SERVER, SETTINGS, fault, "--store", str(store)) as address, member(address) as (connection, _):
        push(connection, event("new"))
    with running(SERVER, SETTINGS, fault, "--store", str(store)) as address, member(address) as (connection, _):
        found = ask(connection, "pull", id="q", since=0)["events"]
        notes = [[one["event"]["id"], one["metadata"]["userId"]] for one in found]
        old = found[0]["metadata"]

    right = notes == [["old", "anonymous"], ["new", "alice"]] and [old["timestamp"], old["connectionId"]] == [
        WHEN,
        None,
    ]
    assert right is (fault is None)


def test_every_fault_has_a_switch_and_an_exchange_that_shows_it() -> None:
    """The catalogue names what the sources ask for, and the exchanges above leave out no more than they say."""
    named = {entry["name"] for entry in catalogue(SERVER)}
    shown = {fault for case in EXCHANGES for fault in case.faults}

    assert named - switches(SERVER) == set()
    assert shown | UNSHOWN | STORED == named
    assert all(rule.startswith(("SYNC-", "ALL-")) for entry in catalogue(SERVER) for rule in entry["rules"])
