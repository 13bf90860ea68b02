"""Servers of tabs: conformant ones pass, faulty ones are caught by the rule that they break.

Without more, what tabs share is played on each conformant server, and one fault of each kind; with
`HANDFAST_MATRIX=all` every family and every fault.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.extent import ALL
from tests.matrix.kit import ROOT, Trials

_ISSUER, _AUDIENCE = "https://issuer.example", "urn:tabs"
_SERVICE = ("--with", "service_token=env:MATRIX_SERVICE")
_DEMANDS = ("--issuer", _ISSUER, "--audience", _AUDIENCE)
TRIALS = Trials(
    "tabs",
    {
        "reference": (sys.executable, "-m", "spec", "serve", "tabs", *_DEMANDS),
        "tabs_socketio": (
            *("node", str(ROOT / "tests/foreign/tabs_socketio/server.mjs")),
            *("--set", f"issuer={_ISSUER}", "--set", f"audience={_AUDIENCE}"),
        ),
    },
    settings=(
        *("heartbeat_interval=1s", "token_lead=2s", "history=3"),
        *("connect_deadline=3s", "ping_interval=1500ms", "ping_timeout=1s"),
    ),
    shared=_SERVICE,
    told=_DEMANDS,
    secrets={"MATRIX_SERVICE": "a-service-token"},
)
_SHARED = ("roles/*", "registers/*", "expulsions/*", "alerts/*")
_FAULTS: list[dict[str, Any]] = json.loads((ROOT / "tests/foreign/tabs_socketio/faults.json").read_text())
_SAMPLE = {
    "youngest-elected": "roles/*",
    "sum-of-merged-clock": "registers/*",
    "rooms-named-alike": "expulsions/*",
    "failures-told-early": "alerts/*",
}
"""Faults of the normal run, with the family that each is for."""


_EVERY = [
    pytest.param(server, marks=[pytest.mark.node] if "node" in command else [])
    for server, command in TRIALS.servers.items()
]


@pytest.mark.parametrize("server", _EVERY)
def test_a_conformant_server_passes(server: str, tmp_path: Path) -> None:
    """Every case passes; of the whole suite every rule that the wire can show is reached."""
    families = () if ALL else [word for family in _SHARED for word in ("--run", family)]
    with TRIALS.serving(server) as url:
        checked = TRIALS.check(url, tmp_path, *families)

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
    with TRIALS.serving("tabs_socketio", "--fault", fault["name"]) as url:
        checked = TRIALS.check(url, tmp_path, "--fail-on", "should", "--shrink", "0", *families)

    named = {rule for rules in checked.broken.values() for rule in rules}
    assert checked.code == 1, checked.output
    assert named & set(fault["rules"]), f"{fault['text']}\n{checked.output}"
