"""Servers of hub: conformant ones pass, faulty ones are caught by the rule that they break.

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
from tests.matrix.kit import ORIGIN, ROOT, Trials

TRIALS = Trials(
    "hub",
    {
        "reference": (sys.executable, "-m", "spec", "serve", "hub"),
        "hub_asyncio": (sys.executable, "-m", "tests.foreign.hub_asyncio.server"),
    },
    settings=(
        "negotiate_window=5s",
        "handshake_deadline=2s",
        "keepalive=1500ms",
        "client_timeout=4s",
        "resume_window=3s",
        f"origins={ORIGIN}",
    ),
)
_FAULTS: list[dict[str, Any]] = json.loads((ROOT / "tests/foreign/hub_asyncio/faults.json").read_text())

# A fault of each kind, and the cases that are enough to catch it.
_SAMPLE = {
    "token-contains-id": "negotiations/*",
    "connect-as-another": "links/taken/*",
    "completions-reordered": "calls/*",
    "attempts-uncounted": "links/resume/lost-by-close",
}


@pytest.mark.parametrize("server", list(TRIALS.servers))
def test_a_conformant_server_passes(server: str, tmp_path: Path) -> None:
    """Every case passes, and every rule that the wire can show is reached."""
    with TRIALS.serving(server) as url:
        checked = TRIALS.check(url, tmp_path, *(() if ALL else ("--level", "smoke")))

    assert checked.broken == {}, checked.output
    assert checked.unclear == [], checked.output
    assert checked.report["coverage"]["rules"]["unreached"] == {}
    assert checked.code == 0


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=fault["name"]) for fault in _FAULTS if ALL or fault["name"] in _SAMPLE]
)
def test_a_fault_is_caught_by_its_rule(fault: dict[str, Any], tmp_path: Path) -> None:
    """A server with one fault fails, and a failing case names a rule that the fault breaks."""
    chosen = () if ALL else ("--run", _SAMPLE[fault["name"]])
    with TRIALS.serving("hub_asyncio", "--fault", fault["name"]) as url:
        checked = TRIALS.check(url, tmp_path, *chosen, "--fail-on", "should", "--shrink", "0")

    named = {rule for rules in checked.broken.values() for rule in rules}
    assert checked.code == 1, checked.output
    assert named & set(fault["rules"]), f"{fault['text']}\n{checked.output}"
