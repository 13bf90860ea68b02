"""Servers of tabs: conformant ones pass, faulty ones are caught by the rule that they break.

Without more, what tabs share is played on each conformant server, and one fault of each kind; with
`HANDFAST_MATRIX=all` every family and every fault.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.extent import ALL
from tests.matrix.kit import ROOT, Checked, listening

_SECRETS = {"MATRIX_SECRET": "a-secret-of-the-matrix-that-is-long-enough", "MATRIX_SERVICE": "a-service-token"}
_PARAMETERS = (
    *("heartbeat_interval=1s", "token_lead=2s", "history=3"),
    *("connect_deadline=3s", "ping_interval=1500ms", "ping_timeout=1s"),
)
_ISSUER, _AUDIENCE = "https://issuer.example", "urn:tabs"
_SERVICE = ("--with", "service_token=env:MATRIX_SERVICE")
_DEMANDS = ("--issuer", _ISSUER, "--audience", _AUDIENCE)
SERVERS: dict[str, tuple[str, ...]] = {
    "reference": (sys.executable, "-m", "spec", "serve", "tabs", *_SERVICE, *_DEMANDS),
    "tabs_socketio": (
        *("node", str(ROOT / "tests/foreign/tabs_socketio/server.mjs")),
        *(*_SERVICE, "--set", f"issuer={_ISSUER}", "--set", f"audience={_AUDIENCE}"),
    ),
}
_SHARED = ("roles/*", "registers/*", "expulsions/*", "alerts/*")
_FAULTS: list[dict[str, Any]] = json.loads((ROOT / "tests/foreign/tabs_socketio/faults.json").read_text())
_SAMPLE = {
    "youngest-elected": "roles/*",
    "sum-of-merged-clock": "registers/*",
    "rooms-named-alike": "expulsions/*",
    "failures-told-early": "alerts/*",
}
"""Faults of the normal run, with the family that each is for."""


def _settings() -> list[str]:
    return [word for setting in _PARAMETERS for word in ("--set", setting)]


@contextmanager
def _serving(server: str, *more: str) -> Iterator[str]:
    command = [*SERVERS[server], "--port", "0", "--secret", "env:MATRIX_SECRET", *_settings(), *more]
    with listening(command, {**os.environ, **_SECRETS}) as url:
        yield url


def _check(url: str, folder: Path, *more: str) -> Checked:
    report = folder / "report.json"
    command = [sys.executable, "-m", "spec", "check", url, "--protocol", "tabs", "--secret", "env:MATRIX_SECRET"]
    command += [*_SERVICE, *_DEMANDS, *_settings(), "--report", f"json:{report}"]
    command += ["--failures", str(folder / "failures"), *more]
    environment = {**os.environ, **_SECRETS}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    return Checked(done.returncode, json.loads(report.read_text()), done.stdout + done.stderr)


_EVERY = [pytest.param(server, marks=[pytest.mark.node] if "node" in SERVERS[server] else []) for server in SERVERS]


@pytest.mark.parametrize("server", _EVERY)
def test_a_conformant_server_passes(server: str, tmp_path: Path) -> None:
    """Every case passes; of the whole suite every rule that the wire can show is reached."""
    families = () if ALL else [word for family in _SHARED for word in ("--run", family)]
    with _serving(server) as url:
        checked = _check(url, tmp_path, *families)

    assert checked.broken == {}, checked.output
    assert checked.unclear == [], checked.output
    if ALL:
        assert checked.report["coverage"]["rules"]["unreached"] == {}
    assert checked.code == 0


@pytest.mark.node
@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=fault["name"]) for fault in _FAULTS if ALL or fault["name"] in _SAMPLE]
)
def test_a_fault_is_caught_by_its_rule(fault: dict[str, Any], tmp_path: Path) -> None:
    """A server with one fault fails, and a failing case names a rule that the fault breaks."""
    families = () if ALL else ("--run", _SAMPLE[fault["name"]])
    with _serving("tabs_socketio", "--fault", fault["name"]) as url:
        checked = _check(url, tmp_path, "--fail-on", "should", "--shrink", "0", *families)

    named = {rule for rules in checked.broken.values() for rule in rules}
    assert checked.code == 1, checked.output
    assert named & set(fault["rules"]), f"{fault['text']}\n{checked.output}"
