"""Starting foreign servers for the tests of themselves, which use nothing of the suite."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import jwt
import pytest
from attrs import frozen
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.extent import ALL

__all__ = [
    "SECRET",
    "SERVICE_TOKEN",
    "Exchange",
    "catalogue",
    "closing",
    "each",
    "each_fault",
    "observed",
    "request",
    "running",
    "switches",
    "token",
]

_HERE = Path(__file__).parent
SECRET = "a-secret-of-these-tests-that-is-long-enough-for-the-longest-of-hashes"
SERVICE_TOKEN = "a-service-token-of-these-tests"
WAIT = 10
"""How long anything may take on a busy machine (seconds); what fails to come is never waited for otherwise."""


@frozen
class Exchange:
    """What a client does with a server and notes of it, what a conformant server lets it note, and faults that show.

    `play` takes the server's URL and gives values that are the same in every run; `settings` are parameters.
    """

    play: Callable[[str], Any]
    expected: Any
    faults: frozenset[str]
    settings: Mapping[str, str] = {}


def each(exchanges: Iterable[Exchange]) -> list[Any]:
    """The exchanges as the parameters of a test."""
    return [pytest.param(exchange, id=str(exchange.play.__name__)) for exchange in exchanges]


def each_fault(exchanges: Iterable[Exchange]) -> list[Any]:
    """Exchanges with the faults that show in them; without HANDFAST_MATRIX=all one fault of each exchange."""
    most = None if ALL else 1
    return [pytest.param(one, fault, id=fault) for one in exchanges for fault in sorted(one.faults)[:most]]


def catalogue(server: str) -> list[dict[str, Any]]:
    """The faults of a server, as its `faults.json` tells them."""
    entries: list[dict[str, Any]] = json.loads((_HERE / server / "faults.json").read_text(encoding="utf-8"))
    return entries


def switches(server: str) -> set[str]:
    """The names in quotes in the sources of a server written for Node.js, whatever else they are."""
    sources = [*(_HERE / server).glob("*.mjs"), *(_HERE / "node").glob("*.mjs")]
    return {name for path in sources for name in re.findall(r"'([a-z0-9-]+)'", path.read_text(encoding="utf-8"))}


def token(algorithm: str = "HS256", key: str = SECRET, headers: Mapping[str, Any] | None = None, **claims: Any) -> str:
    """A token that lives for a minute, unless its claims say otherwise; a claim that is None is left out."""
    lasting = {"exp": time.time() + 60, **claims}
    held = {name: value for name, value in lasting.items() if value is not None}
    return jwt.encode(held, key if algorithm != "none" else "", algorithm, headers=dict(headers or {}))


@contextmanager
def running(server: str, settings: Mapping[str, str], fault: str | None = None, *more: str) -> Iterator[str]:
    """A server as a process; gives where it listens, as `host:port`."""
    command = ["node", str(_HERE / server / "server.mjs"), "--port", "0", "--secret", "env:FOREIGN_SECRET", *more]
    command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    command += ["--fault", fault] if fault else []
    environment = {**os.environ, "FOREIGN_SECRET": SECRET, "FOREIGN_SERVICE_TOKEN": SERVICE_TOKEN}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on "), f"{command} did not start: {line!r}"
            yield line.removeprefix("listening on ").strip()
        finally:
            process.kill()


def closing(connection: ClientConnection) -> list[Any]:
    """What still comes, and the code and reason of the close behind it; `silence` where neither comes in time."""
    came: list[Any] = []
    try:
        while True:
            came.append(connection.recv(timeout=WAIT))
    except ConnectionClosed as end:
        return [*came, end.rcvd.code if end.rcvd else 1006, end.rcvd.reason if end.rcvd else ""]
    except TimeoutError:
        return [*came, "silence"]


def observed(play: Callable[[str], Any], address: str) -> Any:
    """What a client notes, or how it failed to: a faulty server may well break off an exchange."""
    try:
        return play(address)
    except (ConnectionClosed, TimeoutError, OSError, LookupError, TypeError) as failure:
        return type(failure).__name__


def request(
    address: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """The status and the JSON body that answer a request; a body that is no JSON as text."""
    connection = HTTPConnection(address, timeout=WAIT)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text
