"""Servers of sync: conformant ones pass, faulty ones are caught by the rule that they break.

Without more, a smoke test of each conformant server and one fault of each group; with `HANDFAST_MATRIX=all` the whole
suite and every fault.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.extent import ALL
from tests.matrix.kit import ROOT, Trials

TRIALS = Trials(
    "sync",
    {
        "reference": (sys.executable, "-m", "spec", "serve", "sync"),
        "sync_ws": ("node", str(ROOT / "tests/foreign/sync_ws/server.mjs")),
    },
    settings=("init_deadline=700ms", "grace=3s", "message_bytes=64KiB"),
)
_FAULTS: list[dict[str, Any]] = json.loads((ROOT / "tests/foreign/sync_ws/faults.json").read_text())

# A fault of each kind, and the cases that are enough to catch it.
_SAMPLE = {
    "expiry-before-signature": "tokens/**",
    "header-token-used": "opening/**",
    "user-id-case-folded": "opening/**",
    "grace-refused": "transitions/**",
}


@pytest.mark.parametrize(
    "server",
    [pytest.param(name, marks=[pytest.mark.node] * ("node" in words)) for name, words in TRIALS.servers.items()],
)
def test_a_conformant_server_passes(server: str, tmp_path: Path) -> None:
    """Every case passes, and every rule that the wire can show is reached."""
    with TRIALS.serving(server) as url:
        checked = TRIALS.check(url, tmp_path, *(() if ALL else ("--level", "smoke")))

    assert checked.broken == {}, checked.output
    assert checked.unclear == [], checked.output
    assert checked.report["coverage"]["rules"]["unreached"] == {}
    assert checked.code == 0


@pytest.mark.node
@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=fault["name"]) for fault in _FAULTS if ALL or fault["name"] in _SAMPLE]
)
def test_a_fault_is_caught_by_its_rule(fault: dict[str, Any], tmp_path: Path) -> None:
    """A server with one fault fails, and a failing case names a rule that the fault breaks."""
    chosen = () if ALL else ("--run", _SAMPLE[fault["name"]])
    deployed = [word for pair in fault.get("set", {}).items() for word in ("--set", "=".join(pair))]
    with TRIALS.serving("sync_ws", *deployed, "--fault", fault["name"]) as url:
        checked = TRIALS.check(url, tmp_path, *deployed, *chosen, "--fail-on", "should", "--shrink", "0")

    named = {rule for rules in checked.broken.values() for rule in rules}
    assert checked.code == 1, checked.output
    assert named & set(fault["rules"]), f"{fault['text']}\n{checked.output}"
