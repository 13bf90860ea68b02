"""Servers of executions: conformant ones pass, faulty ones are caught by the rule that they break.

Without more, one run of each conformant server and one fault of each group; with `HANDFAST_MATRIX=all` every fault.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.extent import ALL
from tests.matrix.kit import ROOT, Trials

_ISSUER, _AUDIENCE = "https://issuer.example", "urn:executions"
_SERVICE = ("--with", "service_token=env:MATRIX_SERVICE")
_NAMED = ("--issuer", _ISSUER, "--audience", _AUDIENCE)
TRIALS = Trials(
    "executions",
    {
        "reference": (sys.executable, "-m", "spec", "serve", "executions", *_SERVICE, *_NAMED),
        "executions_socketio": (
            *("node", str(ROOT / "tests/foreign/executions_socketio/server.mjs")),
            *(*_SERVICE, "--set", f"issuer={_ISSUER}", "--set", f"audience={_AUDIENCE}"),
        ),
    },
    settings=("connect_deadline=3s", "ping_interval=1500ms", "ping_timeout=1s"),
    told=_NAMED,
    secrets={"MATRIX_SERVICE": "a-service-token"},
)
_FAULTS: list[dict[str, Any]] = json.loads((ROOT / "tests/foreign/executions_socketio/faults.json").read_text())
_SAMPLE = {
    "other-namespace-refused-in-default",
    "alg-none-accepted",
    "organization-from-auth",
    "null-members-dropped",
    "early-event-ignored",
}
_EVERY = [
    pytest.param(server, marks=[pytest.mark.node] if "node" in command else [])
    for server, command in TRIALS.servers.items()
]


@pytest.mark.parametrize("server", _EVERY)
def test_a_conformant_server_passes(server: str, tmp_path: Path) -> None:
    """Every case passes, and every rule that the wire can show is reached."""
    with TRIALS.serving(server) as url:
        checked = TRIALS.check(url, tmp_path, *_SERVICE)

    assert checked.broken == {}, checked.output
    assert checked.unclear == [], checked.output
    assert checked.report["coverage"]["rules"]["unreached"] == {}
    assert checked.code == 0


def test_without_the_service_token_the_rest_is_checked(tmp_path: Path) -> None:
    """What only posts can show is said not to have been run, and why."""
    with TRIALS.serving("reference") as url:
        checked = TRIALS.check(url, tmp_path)

    assert checked.code == 0, checked.output
    assert "service_token" in checked.report["coverage"]["rules"]["not applicable"]["EXEC-HTTP-2"]


@pytest.mark.node
@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=fault["name"]) for fault in _FAULTS if ALL or fault["name"] in _SAMPLE]
)
def test_a_fault_is_caught_by_its_rule(fault: dict[str, Any], tmp_path: Path) -> None:
    """A server with one fault fails, and a failing case names a rule that the fault breaks."""
    with TRIALS.serving("executions_socketio", "--fault", fault["name"]) as url:
        checked = TRIALS.check(url, tmp_path, *_SERVICE, "--fail-on", "should", "--shrink", "0")

    named = {rule for rules in checked.broken.values() for rule in rules}
    assert checked.code == 1, checked.output
    assert named & set(fault["rules"]), f"{fault['text']}\n{checked.output}"
