"""A server of sync that is killed while clients push: what it acknowledged is there, once, and every push whole.

Without more a few kills; with `HANDFAST_MATRIX=all` hundreds. The clients share no code with the server.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from reference_server.storing import open_database
from spec.compiling import load
from tests.extent import ALL

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-the-kills-that-is-long-enough"
_KILLS = 300 if ALL else 8
_CLIENTS = 4
_BATCH = 3


@contextmanager
def _servers(store: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.durability.forking", f"sqlite:{store}"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "FORKING_SECRET": SECRET},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as servers:
        try:
            yield servers
        finally:
            # With the server that it forked last.
            os.killpg(servers.pid, signal.SIGKILL)


def _next(servers: subprocess.Popen[str]) -> tuple[int, str]:
    """Start a server; gives its process and its URL."""
    assert servers.stdin is not None
    assert servers.stdout is not None
    servers.stdin.write("\n")
    servers.stdin.flush()
    process, port = servers.stdout.readline().split()
    return int(process), f"ws://127.0.0.1:{port}/sync"


@contextmanager
def _joined(url: str) -> Iterator[ClientConnection]:
    token = jwt.encode({"sub": "ana", "exp": time.time() + 600}, SECRET, "HS256")
    with connect(url, max_size=None, open_timeout=60) as connection:
        connection.send(json.dumps({"type": "init", "instanceId": "one", "authToken": token}))
        yield connection


class _Pushing(threading.Thread):
    """A client that pushes until its server is gone; it keeps what it sent and what was acknowledged."""

    def __init__(self, url: str, name: str, enough: threading.Semaphore) -> None:
        super().__init__()
        self.sent: list[list[str]] = []
        self.acknowledged: list[str] = []
        self._url, self._prefix, self._enough = url, name, enough

    def run(self) -> None:
        try:
            with _joined(self._url) as connection:
                while True:
                    self._push(connection)
        except (WebSocketException, OSError):
            return

    def _push(self, connection: ClientConnection) -> None:
        ids = [f"{self._prefix}-{len(self.sent)}-{index}" for index in range(_BATCH)]
        self.sent.append(ids)
        events = [{"id": i, "name": "n", "args": {}, "localTimestamp": "2026-01-01T00:00:00Z"} for i in ids]
        connection.send(json.dumps({"type": "push", "id": ids[0], "events": events}))
        while (answer := json.loads(connection.recv()))["type"] != "pushed":
            pass
        self.acknowledged += answer["accepted"]
        self._enough.release()


def _stored(url: str) -> list[tuple[int, str]]:
    """The number and id of everything that the server has."""
    found: list[tuple[int, str]] = []
    with _joined(url) as connection:
        more = True
        while more:
            since = found[-1][0] if found else 0
            connection.send(json.dumps({"type": "pull", "id": "p", "since": since}))
            while (answer := json.loads(connection.recv(timeout=120)))["type"] != "pulled":
                pass
            found += [(entry["seq"], entry["event"]["id"]) for entry in answer["events"]]
            more = answer["more"]
    return found


def _whole(batches: list[list[str]], found: list[str]) -> bool:
    place = {identity: index for index, identity in enumerate(found)}
    for batch in batches:
        places = [place.get(identity) for identity in batch]
        if places != [None] * _BATCH and places != list(range(places[0] or 0, (places[0] or 0) + _BATCH)):
            return False
    return True


@pytest.mark.skipif(not hasattr(os, "fork"), reason="servers are forked")
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Nothing is lost, nothing double, no push is there in part, and the numbers have no gap (SYNC-EVT-9)."""
    chance = random.Random(20)
    sent: list[list[str]] = []
    acknowledged: list[str] = []
    with _servers(tmp_path / "events.db") as servers:
        for kill in range(_KILLS):
            process, url = _next(servers)
            enough = threading.Semaphore(0)
            clients: list[Any] = [_Pushing(url, f"{kill}-{number}", enough) for number in range(_CLIENTS)]
            for client in clients:
                client.start()
            for _ in range(chance.randint(0, 12)):
                assert enough.acquire(timeout=120)
            os.kill(process, signal.SIGKILL)
            for client in clients:
                client.join(120)
                sent += client.sent
                acknowledged += client.acknowledged
        process, url = _next(servers)
        stored = _stored(url)
        os.kill(process, signal.SIGKILL)

    found = [identity for _, identity in stored]
    assert acknowledged
    assert set(acknowledged) <= set(found)
    assert len(set(found)) == len(found)
    assert [number for number, _ in stored] == list(range(1, len(stored) + 1))
    assert set(found) <= {identity for batch in sent for identity in batch}
    assert _whole(sent, found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="servers are forked")
def test_events_older_than_attribution_are_served_with_it(tmp_path: Path) -> None:
    """As anonymous, without a connection, at the time that their client told (SYNC-EVT-8)."""
    event = {"id": "a", "name": "n", "args": [1], "localTimestamp": "2020-02-03T04:05:06+01:00"}
    with closing(open_database(f"sqlite:{tmp_path / 'events.db'}")) as database:
        database.logs(load("sync"))(1000).append(("events", "one"), [("a", {"event": event})])
    with _servers(tmp_path / "events.db") as servers:
        process, url = _next(servers)
        with _joined(url) as connection:
            connection.send(json.dumps({"type": "pull", "id": "p", "since": 0}))
            accepted, pulled = json.loads(connection.recv(120)), json.loads(connection.recv(120))
        os.kill(process, signal.SIGKILL)

    metadata = {"userId": "anonymous", "timestamp": event["localTimestamp"], "connectionId": None}
    assert accepted["head"] == 1
    assert pulled["events"] == [{"seq": 1, "event": event, "metadata": metadata}]
