"""What the clients that most people have, socket.io-client and python-socketio's, make of the server of executions."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest

ROOT = Path(__file__).parents[2]
SECRET, SERVICE = "a-secret-of-the-clients-that-is-long-enough", "a-service-token-of-the-clients"
CONNECTED = "Connected to organization channel"


@contextmanager
def serving(protocol: str, setting: str) -> Iterator[str]:
    """The reference server of a protocol that has a service token; gives where it listens."""
    command = [sys.executable, "-m", "spec", "serve", protocol, "--port", "0", "--secret", "env:CLIENTS_SECRET"]
    command += ["--with", "service_token=env:CLIENTS_SERVICE", "--set", setting]
    environment = {**os.environ, "CLIENTS_SECRET": SECRET, "CLIENTS_SERVICE": SERVICE}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield "http://" + process.stdout.readline().removeprefix("listening on ws://").strip()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the reference server listens, with a heartbeat that a test can wait for."""
    with serving("executions", "ping_interval=300ms") as url:
        yield url


class Dashboard:
    """A client in a process of its own that has been told to connect: what happens to it, and calls."""

    def __init__(self, command: tuple[str, ...], url: str, auth: Any) -> None:
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._process = subprocess.Popen([*command, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()
        self._write(auth)

    def _write(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            name, data = json.loads(line)
            self.events.put((name, data))

    def call(self, name: str, data: Any) -> None:
        """Emit an event that asks for an acknowledgement, which comes as the event `answer`."""
        self._write([name, data])

    def close(self) -> None:
        """Let the client disconnect, and its process end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._listening.join(30)
        self._process.stdout.close()


CLIENTS = {
    "socket.io-client": ("node", str(ROOT / "tests/clients/executions.mjs")),
    "python-socketio": (sys.executable, str(ROOT / "tests/clients/executions.py")),
}
MARKS: dict[str, Any] = {"socket.io-client": pytest.mark.node, "python-socketio": ()}


@pytest.fixture(params=[pytest.param(name, marks=MARKS[name]) for name in CLIENTS])
def opened(request: pytest.FixtureRequest, url: str) -> Iterator[Callable[[Any], Dashboard]]:
    """Makes dashboards that connect with an `auth`."""
    made: list[Dashboard] = []

    def make(auth: Any) -> Dashboard:
        made.append(Dashboard(CLIENTS[request.param], url, auth))
        return made[-1]

    yield make
    for dashboard in made:
        dashboard.close()


def heard(dashboard: Dashboard, count: int) -> list[tuple[str, Any]]:
    """The next events but pings."""
    found: list[tuple[str, Any]] = []
    while len(found) < count:
        event = dashboard.events.get(timeout=30)
        found += [event] if event[0] != "ping" else []
    return found


def token(organization: str, life: float = 600.0, secret: str = SECRET) -> dict[str, str]:
    """The `auth` of a user of an organization."""
    claims = {"userId": "ana", "organizationId": organization, "role": "viewer", "exp": time.time() + life}
    return {"token": jwt.encode(claims, secret, "HS256")}


def post(url: str, path: str, body: Any, service: str = SERVICE) -> tuple[int, Any]:
    """A worker's report: the answer's status and body."""
    headers = {"Authorization": f"Bearer {service}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def welcome(organization: str) -> list[tuple[str, Any]]:
    """What a dashboard hears first."""
    said = {"message": CONNECTED, "organizationId": organization, "userId": "ana", "role": "viewer"}
    return [("connect", None), ("auth-success", said)]


Opened = Callable[[Any], Dashboard]


def test_updates_reach_the_organization_and_nobody_else(opened: Opened, url: str) -> None:
    """As posted, in order, and with logs between them."""
    ann, ben, eve = (opened(token(name)) for name in ("acme", "acme", "other"))
    assert heard(ann, 2) == heard(ben, 2) == welcome("acme")
    assert heard(eve, 2) == welcome("other")
    update = {"taskId": "t-1", "organizationId": "acme", "status": "RUNNING", "shards": [1, {"a": None}], "é": "🧪"}

    assert post(url, "/executions/update", update) == (200, {"status": "broadcasted"})
    for number in range(3):
        log = {"taskId": "t-1", "organizationId": "acme", "log": f"line {number}"}
        assert post(url, "/executions/log", log) == (200, {"status": "broadcasted"})
    other = {"taskId": "t-1", "organizationId": "other", "status": "PASSED"}
    assert post(url, "/executions/update", other)[0] == 200

    logs = [("execution-log", {"taskId": "t-1", "log": f"line {number}"}) for number in range(3)]
    assert heard(ann, 4) == heard(ben, 4) == [("execution-updated", update), *logs]
    assert heard(eve, 1) == [("execution-updated", other)]


def test_a_cancellation_is_acknowledged_and_told(opened: Opened, url: str) -> None:
    """For a task of the own organization; any other is not there."""
    ann, eve = opened(token("cancelling")), opened(token("others"))
    heard(ann, 2), heard(eve, 2)
    update = {"taskId": "t-2", "organizationId": "cancelling", "status": "RUNNING", "name": "smoke"}
    post(url, "/executions/update", update)
    heard(ann, 1)

    eve.call("cancel-execution", {"taskId": "t-2"})
    assert heard(eve, 1) == [("answer", {"ok": False, "error": "NOT_FOUND"})]
    ann.call("cancel-execution", {"taskId": ""})
    assert heard(ann, 1) == [("answer", {"ok": False, "error": "INVALID"})]
    ann.call("cancel-execution", {"taskId": "t-2"})
    assert heard(ann, 2) == [("answer", {"ok": True}), ("execution-updated", {**update, "status": "CANCELLED"})]


def told_why(opened: Opened, auth: Any) -> list[Any]:
    """What a refused client hears; one that lost some of it tries again.

    Where the writer of python-socketio meets the end of the transport first, its reader drops what it has yet to read.
    """
    for _ in range(3):
        try:
            return heard(opened(auth), 3)
        except queue.Empty:
            pass
    return heard(opened(auth), 3)


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        ({}, "Authentication required"),
        ({"token": None}, "Authentication required"),
        ({"token": ""}, "Invalid or expired token"),
        (token("acme", secret="another-secret-that-is-long-enough-too"), "Invalid or expired token"),
        (token("acme", life=-5.0), "Invalid or expired token"),
    ],
    ids=["nothing", "null", "empty", "forged", "expired"],
)
def test_a_refused_client_is_told_and_put_out(opened: Opened, auth: Any, says: str) -> None:
    """The connect packet is acknowledged, the error told, and the client disconnected by the server."""
    events = told_why(opened, auth)

    assert ("auth-error", {"error": says}) in events
    assert {name for name, _ in events} == {"connect", "auth-error", "disconnect"}


def test_a_client_outlives_heartbeats_and_not_its_token(opened: Opened) -> None:
    """Pings are answered; then the token ends, is told of, and the client is put out."""
    ann = opened(token("acme", life=8.0))

    events = heard(ann, 4)

    assert events[:3] == [*welcome("acme"), ("auth-error", {"error": "Invalid or expired token"})]
    assert events[3][0] == "disconnect"


def test_workers_without_the_service_token_are_refused(url: str) -> None:
    """Before anything else is looked at."""
    assert post(url, "/executions/update", {}, "another") == (401, {"error": "SERVICE_TOKEN_INVALID"})
    status, body = post(url, "/executions/update", {"taskId": "t", "organizationId": "acme", "status": "LOST"})
    assert (status, "status" in body["error"]) == (400, True)
