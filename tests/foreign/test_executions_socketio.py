"""The executions server on npm `socket.io`: what it does, and that each fault changes it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.foreign.kit import (
    SERVICE_TOKEN,
    Exchange,
    catalogue,
    each,
    each_fault,
    observed,
    request,
    running,
    switches,
    token,
)
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

SERVER = "executions_socketio"
ISSUER, AUDIENCE, ORIGIN = "https://issuer.example", "urn:executions", "https://app.example"
SETTINGS = {"issuer": ISSUER, "audience": AUDIENCE, "origins": ORIGIN, "message_bytes": "16KiB"}
CLAIMS: dict[str, Any] = {"userId": "alice", "organizationId": "o", "role": "viewer", "iss": ISSUER, "aud": AUDIENCE}
PROBE = '21["cancel-execution",{"taskId":"none"}]'
SERVICE = ("--with", "service_token=env:FOREIGN_SERVICE_TOKEN")

pytestmark = pytest.mark.node


def good(organization: str = "o", left: float = 60) -> str:
    """A token of a user of an organization, with some seconds left."""
    return token(**{**CLAIMS, "organizationId": organization, "exp": time.time() + left})


@contextmanager
def dashboard(address: str, organization: str = "o", left: float = 60, **auth: Any) -> Iterator[Socket]:
    """A dashboard that has been told that it is connected."""
    with opened(address) as (socket, _):
        socket.connect({"token": good(organization, left), **auth})
        socket.event()
        yield socket


def update(task: str = "t", organization: str = "o", status: str = "RUNNING", **more: Any) -> dict[str, Any]:
    return {"taskId": task, "organizationId": organization, "status": status, **more}


def log(text: Any, task: str = "t", organization: str = "o") -> dict[str, Any]:
    return {"taskId": task, "organizationId": organization, "log": text}


def cancel(socket: Socket, data: Any) -> Any:
    """What answers a cancellation, behind what comes before its acknowledgement."""
    socket.emit("cancel-execution", data, answered=True)
    return socket.heard()


# Exchanges


def admitted(address: str, auth: Any) -> Any:
    """How a connect packet is answered, and what follows up to the end or to an acknowledgement."""
    with opened(address) as (socket, _):
        notes = [socket.connect(auth), socket.event()]
        if notes[1][0] != "auth-success":
            return [*notes, *socket.end()]
        socket.send(PROBE)
        return [*notes, *socket.heard()[-1:]]


def refused(error: str = "Invalid or expired token") -> Any:
    return ["0", ["auth-error", {"error": error}], "41", "end"]


SUCCESS = {
    "message": "Connected to organization channel",
    "organizationId": "o",
    "userId": "alice",
    "role": "viewer",
}
ADMITTED = ["0", ["auth-success", SUCCESS], ["ack", {"ok": False, "error": "NOT_FOUND"}]]


def tokens(address: str) -> Any:
    notes = answers(lambda text: admitted(address, {"token": text}), CLAIMS, "userId")
    forged = token(key="another" * 9, **{**CLAIMS, "exp": time.time() - 9})
    return {**notes, "old": admitted(address, {"token": good(left=-9)}), "forged": admitted(address, {"token": forged})}


def admissions(address: str) -> Any:
    given: tuple[Any, ...] = (
        {},
        None,
        {"token": None},
        {"token": ""},
        {"token": 7},
        {"token": good(), "organizationId": "p"},
    )
    return [admitted(address, auth) for auth in given]


def expiries(address: str) -> Any:
    with dashboard(address) as staying, dashboard(address, left=2) as leaving, dashboard(address, left=3) as clock:
        notes = [leaving.event()]
        post(address, "/executions/update", update())
        return [*notes, leaving.end(), clock.end()[-3:], staying.event()[0]]


def rooms(address: str) -> Any:
    odd = update(extra={"deep": [None, 1.5, "é"]}, nothing=None, startTime=None)
    with (
        dashboard(address) as one,
        dashboard(address) as two,
        dashboard(address, "O") as capital,
        dashboard(address, "oo") as longer,
    ):
        notes = [post(address, "/executions/update", one_update) for one_update in (odd, update("u", status="PASSED"))]
        notes += [post(address, "/executions/update", update(organization="nobody"))]
        logs = ["x" * 1000 + " ", "second\n"]
        notes += [post(address, "/executions/log", log(text)) for text in logs]
        came = [cancel(socket, {"taskId": "none"}) for socket in (one, two, capital, longer)]
        return [notes, came[0] == came[1], [len(events) for events in came], came[0]]


ODD = {**update(), "extra": {"deep": [None, 1.5, "é"]}, "nothing": None, "startTime": None}
SENT = (200, {"status": "broadcasted"})
NOT_FOUND = ["ack", {"ok": False, "error": "NOT_FOUND"}]


def overtaking(address: str) -> Any:
    with dashboard(address) as ready, opened(address) as (socket, _):
        socket.connect({"token": good()})
        post(address, "/executions/update", update())
        return [socket.event()[0], socket.event()[0], ready.event()[0]]


def cancellations(address: str) -> Any:
    with dashboard(address) as one, dashboard(address) as two, dashboard(address, "p") as other:
        for given in (update(first=1), update(last=2), update("far", "p")):
            post(address, "/executions/update", given)
        post(address, "/executions/log", log("only", "logged"))
        notes = [cancel(one, {"taskId": "t"})[-1], one.event()]
        notes += [cancel(one, {"taskId": task})[-1] for task in ("far", "none", "logged")]
        notes += [cancel(one, data)[-1] for data in ({}, {"taskId": ""}, {"taskId": "x" * 129}, "t", None)]
        return [notes, cancel(two, {"taskId": "none"})[-2], len(cancel(other, {"taskId": "none"}))]


def posts(address: str) -> Any:
    def sent(path: str, body: Any, given: str | None = SERVICE_TOKEN) -> Any:
        status, answer = post(address, path, body, given)
        return [status, sorted(answer)]

    def long(size: int) -> bytes:
        text = json.dumps(update("s", "s", more="")).encode()
        return text + b" " * (size - len(text))

    with dashboard(address) as socket:
        refusals = {
            "none": sent("/executions/update", update(), None),
            "other": sent("/executions/update", update(), "other"),
            "longer": sent("/executions/log", log("x"), SERVICE_TOKEN + "x"),
            "user": sent("/executions/update", update(), good()),
            "invalid": sent("/executions/update", [], "other"),
            "not JSON": sent("/executions/update", b"{"),
            "array": sent("/executions/update", []),
            "status": sent("/executions/update", update(status="DONE")),
            "no status": sent("/executions/update", {"taskId": "t", "organizationId": "o"}),
            "empty id": sent("/executions/update", update("")),
            "long id": sent("/executions/update", update("x" * 129)),
            "log": sent("/executions/log", log(None)),
            "large": sent("/executions/update", long(16 * 1024 + 1)),
        }
        more = {
            "largest": sent("/executions/update", long(16 * 1024)),
            "characters": sent("/executions/update", update("😀" * 128, "else")),
            "get": request(address, "GET", "/executions/update")[0],
            "origin": post(address, "/executions/update", update(), Origin="https://evil.example")[0],
        }
        return [refusals, more, cancel(socket, {"taskId": "none"})]


def gate(address: str) -> Any:
    return upgrades(address, ORIGIN)


def deadlines(address: str) -> Any:
    return deadline(address, {"token": good()})


def heartbeats(address: str) -> Any:
    return pings(address, {"token": good()})


def wires(address: str) -> Any:
    return wire(address, lambda: {"token": good()}, PROBE, 16 * 1024)


def exchange(play: Any, expected: Any, faults: str, settings: Any = SETTINGS) -> Exchange:
    return Exchange(play, expected, frozenset(faults.split()), settings)


UNAUTHORIZED, REFUSED_POST = [401, ["error"]], [400, ["error"]]
EXCHANGES = [
    Exchange(
        tokens,
        {**judged(ADMITTED, refused()), "old": refused(), "forged": refused()},
        (TOKEN_FAULTS - {"expiry-before-signature"}) | {"expired-token-accepted", "reason-told", "token-in-error"},
        SETTINGS,
    ),
    exchange(
        admissions,
        [*[refused("Authentication required")] * 3, *[refused()] * 2, ADMITTED],
        """success-missing success-without-role other-words-of-success missing-as-refused refused-by-connect-error
        refused-in-silence refused-stays-connected refused-transport-stays empty-as-missing organization-from-auth""",
    ),
    exchange(
        expiries,
        [
            ["auth-error", {"error": "Invalid or expired token"}],
            ["41", "end"],
            [["auth-error", {"error": "Invalid or expired token"}], "41", "end"],
            "execution-updated",
        ],
        "expiry-ignored expiry-in-silence expired-still-told",
    ),
    exchange(
        rooms,
        [
            [SENT] * 5,
            True,
            [5, 5, 1, 1],
            [
                ["execution-updated", ODD],
                ["execution-updated", update("u", status="PASSED")],
                ["execution-log", {"taskId": "t", "log": "x" * 1000 + " "}],
                ["execution-log", {"taskId": "t", "log": "second\n"}],
                NOT_FOUND,
            ],
        ],
        """never-in-room told-twice told-to-one update-cut-to-schema null-members-dropped unknown-members-refused
        told-to-everyone rooms-by-prefix organizations-case-folded long-logs-overtaken logs-trimmed
        log-names-organization unheard-as-404 answered-202""",
    ),
    exchange(overtaking, ["auth-success", "execution-updated", "execution-updated"], "success-overtaken"),
    exchange(
        cancellations,
        [
            [
                ["ack", {"ok": True}],
                ["execution-updated", update(status="CANCELLED", last=2)],
                *[NOT_FOUND] * 3,
                *[["ack", {"ok": False, "error": "INVALID"}]] * 5,
            ],
            ["execution-updated", update(status="CANCELLED", last=2)],
            2,
        ],
        """foreign-task-cancelled foreign-task-told-apart unknown-task-cancelled cancel-told-before-answered
        cancel-untold cancel-told-to-sender first-update-cancelled cancelled-cut-short cancelled-otherwise-spelled
        invalid-cancel-unanswered invalid-cancel-as-not-found""",
    ),
    exchange(
        posts,
        [
            {
                **dict.fromkeys(("none", "other", "longer", "user", "invalid"), UNAUTHORIZED),
                **dict.fromkeys(("not JSON", "array", "status", "no status"), REFUSED_POST),
                **dict.fromkeys(("empty id", "long id", "log"), REFUSED_POST),
                "large": [413, ["error"]],
            },
            {"largest": [200, ["status"]], "characters": [200, ["status"]], "get": 405, "origin": 403},
            [NOT_FOUND],
        ],
        """service-token-unchecked service-token-by-prefix user-token-accepted unauthorized-still-sent
        unauthorized-as-403 body-before-token body-size-unchecked body-limit-off-by-one oversize-as-400
        status-unchecked empty-ids-accepted id-limit-off-by-one lengths-in-utf16 invalid-still-sent invalid-as-422
        fault-unnamed origin-of-posts-unchecked""",
    ),
    exchange(gate, UPGRADES, "plain-request-as-400 path-by-prefix origin-unchecked"),
    exchange(deadlines, [["end"], "4/other,"], "connect-deadline-never", {**SETTINGS, "connect_deadline": "1s"}),
    exchange(
        heartbeats,
        [300, 500, "end"],
        "pings-missing pings-unawaited",
        {**SETTINGS, "ping_interval": "300ms", "ping_timeout": "500ms"},
    ),
    Exchange(wires, WIRE, WIRE_FAULTS, SETTINGS),
]

# What these exchanges do not show: what only time or a fetch shows.
UNSHOWN = {"connect-deadline-early", "connect-deadline-late", "expiry-late", "jku-fetched"}


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
    """socket.io-client connects, has a cancellation answered, and hears why it is disconnected."""
    client = Path(__file__).with_name("socketio_client.mjs")
    with running(SERVER, SETTINGS, None, *SERVICE) as address:
        post(address, "/executions/update", update())
        auth = json.dumps({"token": good(left=5)})
        asked = json.dumps(["cancel-execution", {"taskId": "t"}])
        done = subprocess.run(
            [node, str(client), f"http://{address}", auth, asked],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )

    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        ["auth-success", SUCCESS],
        ["ack", {"ok": True}],
        ["execution-updated", update(status="CANCELLED")],
        ["auth-error", {"error": "Invalid or expired token"}],
        ["disconnect", "io server disconnect"],
    ]


def test_every_fault_has_a_switch_and_an_exchange_that_shows_it() -> None:
    """The catalogue names what the sources ask for, and the exchanges above leave out no more than they say."""
    named = {entry["name"] for entry in catalogue(SERVER)}
    shown = {fault for case in EXCHANGES for fault in case.faults}

    assert named - switches(SERVER) == set()
    assert shown | UNSHOWN == named
    assert all(rule.startswith(("EXEC-", "ALL-")) for entry in catalogue(SERVER) for rule in entry["rules"])
