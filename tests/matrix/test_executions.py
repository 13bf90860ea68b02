"""Servers of executions: conformant ones pass, faulty ones are caught by the rule that they break.

Without more, one run of each conformant server and one fault of each group; with `HANDFAST_MATRIX=all` every fault.
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
_PARAMETERS = ("connect_deadline=3s", "ping_interval=1500ms", "ping_timeout=1s")
_ISSUER, _AUDIENCE = "https://issuer.example", "urn:executions"
_SERVICE = ("--with", "service_token=env:MATRIX_SERVICE")
SERVERS: dict[str, tuple[str, ...]] = {
    "reference": (
        sys.executable,
        "-m",
        "spec",
        "serve",
        "executions",
        *_SERVICE,
        "--issuer",
        _ISSUER,
        "--audience",
        _AUDIENCE,
    ),
    "executions_socketio": (
        *("node", str(ROOT / "tests/foreign/executions_socketio/server.mjs")),
        *(*_SERVICE, "--set", f"issuer={_ISSUER}", "--set", f"audience={_AUDIENCE}"),
    ),
}
_FAULTS: list[dict[str, Any]] = json.loads((ROOT / "tests/foreign/executions_socketio/faults.json").read_text())
_SAMPLE = {
    "other-namespace-refused-in-default",
    "alg-none-accepted",
    "organization-from-auth",
    "null-members-dropped",
    "early-event-ignored",
}


def _settings() -> list[str]:
    return [word for setting in _PARAMETERS for word in ("--set", setting)]


@contextmanager
def _serving(server: str, *more: str) -> Iterator[str]:
    command = [*SERVERS[server], "--port", "0", "--secret", "env:MATRIX_SECRET", *_settings(), *more]
    with listening(command, {**os.environ, **_SECRETS}) as url:
        yield url


def _check(url: str, folder: Path, *more: str) -> Checked:
    report = folder / "report.json"
    command = [sys.executable, "-m", "spec", "check", url, "--protocol", "executions", "--secret", "env:MATRIX_SECRET"]
    command += [
        "--issuer",
        _ISSUER,
        "--audience",
        _AUDIENCE,
        *_settings(),
        "--report",
        f"json:{report}",
        "--failures",
        str(folder / "failures"),
        *more,
    ]
    environment = {**os.environ, **_SECRETS}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    return Checked(done.returncode, json.loads(report.read_text()), done.stdout + done.stderr)


_EVERY = [pytest.param(server, marks=[pytest.mark.node] if "node" in SERVERS[server] else []) for server in SERVERS]


@pytest.mark.parametrize("server", _EVERY)
def test_a_conformant_server_passes(server: str, tmp_path: Path) -> None:
    """Every case passes, and every rule that the wire can show is reached."""
    with _serving(server) as url:
        checked = _check(url, tmp_path, *_SERVICE)

    assert checked.broken == {}, checked.output
    assert checked.unclear == [], checked.output
    assert checked.report["coverage"]["rules"]["unreached"] == {}
    assert checked.code == 0


def test_without_the_service_token_the_rest_is_checked(tmp_path: Path) -> None:
    """What only posts can show is said not to have been run, and why."""
    with _serving("reference") as url:
        checked = _check(url, tmp_path)

    assert checked.code == 0, checked.output
    assert "service_token" in checked.report["coverage"]["rules"]["not applicable"]["EXEC-HTTP-2"]


@pytest.mark.node
@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=fault["name"]) for fault in _FAULTS if ALL or fault["name"] in _SAMPLE]
)
def test_a_fault_is_caught_by_its_rule(fault: dict[str, Any], tmp_path: Path) -> None:
    """A server with one fault fails, and a failing case names a rule that the fault breaks."""
    with _serving("executions_socketio", "--fault", fault["name"]) as url:
        checked = _check(url, tmp_path, *_SERVICE, "--fail-on", "should", "--shrink", "0")

    named = {rule for rules in checked.broken.values() for rule in rules}
    assert checked.code == 1, checked.output
    assert named & set(fault["rules"]), f"{fault['text']}\n{checked.output}"
