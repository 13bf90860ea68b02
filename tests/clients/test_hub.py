"""What @microsoft/signalr, the client that most people have, makes of hub servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import jwt
import pytest

pytestmark = pytest.mark.node

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-the-clients-that-is-long-enough"
PARAMETERS = {"token_lead": "60s", "keepalive": "100ms", "client_timeout": "30s"}
SERVERS: Mapping[str, tuple[str, ...]] = {
    "hub_asyncio": (sys.executable, "-m", "tests.foreign.hub_asyncio.server"),
    "reference": (sys.executable, "-m", "spec", "serve", "hub"),
}
Client = Callable[..., Any]


@contextmanager
def _serving(name: str) -> Iterator[str]:
    settings = [word for pair in PARAMETERS.items() for word in ("--set", "=".join(pair))]
    command = [*SERVERS[name], "--port", "0", "--secret", "env:CLIENTS_SECRET", *settings]
    environment = {**os.environ, "CLIENTS_SECRET": SECRET}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on "), line
            yield "http://" + line.removeprefix("listening on ").removeprefix("ws://").strip()
        finally:
            process.kill()


@pytest.fixture(scope="module", params=list(SERVERS))
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a server listens."""
    with _serving(request.param) as url:
        yield url


@pytest.fixture
def client(node: str, url: str) -> Client:
    """Runs a scenario of the real client with tokens by name."""

    def run(scenario: str, **tokens: Any) -> Any:
        command = [node, str(ROOT / "tests/clients/hub.mjs"), scenario, url]
        done = subprocess.run(
            command, input=json.dumps(tokens), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def _token(subject: str, life: float = 900.0, secret: str = SECRET) -> str:
    return jwt.encode({"sub": subject, "exp": time.time() + life}, secret, "HS256")


def _record(of: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    """The record of a connection that nothing has happened to."""
    return {
        "connectionId": of["connectionId"],
        "activeHubs": [],
        "lastConnected": of["lastConnected"],
        "reconnectAttempts": 0,
        "status": "connected",
        "primaryTabId": None,
        "subscribedTabs": [],
        **changed,
    }


def test_calls_are_completed_and_changes_told(client: Client) -> None:
    """Every method by its result, what cannot be served by an error, and the record behind what changed it."""
    said = client("calls", ann=_token("ann"))
    results = [result for _, result in said["results"]]
    fresh = results[0]

    assert fresh["connectionId"] == said["id"]
    assert abs(fresh["lastConnected"] - time.time() * 1000) < 60_000
    expected = [
        _record(fresh),
        _record(fresh, primaryTabId="one", subscribedTabs=["one"]),
        _record(fresh, primaryTabId="one", subscribedTabs=["one", "two"]),
        _record(fresh, primaryTabId="one", subscribedTabs=["one", "two"]),
        _record(fresh, primaryTabId="two", subscribedTabs=["two"]),
        _record(fresh, primaryTabId="two", subscribedTabs=["two"], activeHubs=["soup"]),
        None,
        None,
        _record(fresh, primaryTabId="two", subscribedTabs=["two"]),
    ]
    assert results == expected
    assert said["refused"] == [True, True, True]
    changes = [given for target, given in said["heard"] if target == "ConnectionChanged"]
    assert changes == [expected[number] for number in (0, 1, 2, 4, 5, 8)]
    received = [given for target, given in said["heard"] if target == "Receive"]
    assert received == [{"hub": "soup", "data": {"pot": ["🍲", None]}, "from": "ann"}]
    assert said["closed"] is None


def test_what_is_sent_reaches_who_joined(client: Client) -> None:
    """A sender need not have joined, and neither it nor a member of another hub hears."""
    said = client("others", ann=_token("ann"), bob=_token("bob"), eve=_token("eve"))

    assert said["received"] == ["Receive", {"hub": "soup", "data": "hot", "from": "bob"}]
    assert said["astray"] == []


def test_refused_tokens(client: Client) -> None:
    """The client tells of the 401."""
    forged, expired = client("refused", forged=_token("ann", secret="x" * 40), expired=_token("ann", -1))

    assert "401" in forged["error"]
    assert "401" in expired["error"]


def test_a_token_is_refreshed_in_place(client: Client) -> None:
    """The connection is told of the end, outlives the first token, and ends with the second."""
    # A busy machine takes its time to start a client.
    short, medium = _token("ann", 5), _token("ann", 8)
    said = client("refresh", short=short, medium=medium, bob=_token("bob"))

    assert _moment(said["expiring"]) == pytest.approx(_expiry(short), abs=0.01)
    assert said["wrong"]
    assert _moment(said["renewed"]) == pytest.approx(_expiry(medium), abs=0.01)
    assert said["closed"] is not None
    assert said["at"] >= _expiry(medium)


def test_expiry_lets_a_client_reconnect(client: Client) -> None:
    """The client asks for a new token and is another connection; it named nothing to resume."""
    said = client("reconnect", short=_token("ann", 4), ann=_token("ann"))

    assert said["again"] != said["first"]
    assert said["record"] == _record(said["record"], connectionId=said["again"])


def test_a_former_connection_is_resumed_once(client: Client) -> None:
    """Tabs and hubs come back to a new connection, once, whether the former was lost or stands; to nobody else."""
    said = client("resume", ann=_token("ann"), bob=_token("bob"))
    kept = {"primaryTabId": "one", "subscribedTabs": ["one"], "activeHubs": ["soup"]}

    assert said["resumed"] == _record(said["resumed"], reconnectAttempts=1, **kept)
    assert said["resumed"]["connectionId"] != said["former"]
    assert said["fresh"] == _record(said["fresh"])
    assert said["moved"] == _record(said["moved"], reconnectAttempts=2, **kept)
    assert said["ended"] is not None
    assert "403" in said["another"]["error"]


def test_silence_is_filled_with_pings(client: Client) -> None:
    """Both sides ping, and the connection stays."""
    assert client("silence", ann=_token("ann"), keepalive=100) == {"state": "Connected", "closed": None}


def _moment(given: Mapping[str, str]) -> float:
    assert given["expiresAt"].endswith("Z")
    return datetime.fromisoformat(given["expiresAt"]).timestamp()


def _expiry(token: str) -> float:
    return float(jwt.decode(token, options={"verify_signature": False})["exp"])
