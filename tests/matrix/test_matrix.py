"""Conformant servers pass, faulty ones are caught by the rule that they break.

Without more, one run of each conformant server and of each stage, and one fault of each kind of finding. With
`HANDFAST_MATRIX=all` (`make matrix`): 20 runs of each conformant server and stage, and every fault.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from tests.extent import ALL
from tests.matrix.deployments import DEPLOYMENTS, deployment
from tests.matrix.kit import REFERENCE, SERVERS, Fault, check, faults, serving

_RUNS = 20 if ALL else 1
_STAGES = ("message", "dual", "legacy")

# One of each group and kind of finding: refusals, order of checks, timing, silence, content, isolation, leaks.
_SAMPLE = {
    "chat_websockets": {
        "unknown-subprotocol-accepted",
        "rate-limit-fixed-window",
        "broadcast-before-auth",
        "ghost-members",
        "timers-keep-old-token",
        "keys-fetched",
        "room-waits-for-slow-reader",
    },
    "chat_ws": {
        "sender-gets-no-copy",
        "content-counted-in-utf16",
        "public-key-as-secret",
        "header-wins-over-query",
        "split-character-refused",
        "malformed-head-ignored",
    },
}


def _chosen() -> list[Fault]:
    return [fault for server in SERVERS for fault in faults(server) if ALL or fault.name in _SAMPLE[server]]


def _needs(server: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.node] if server == "chat_ws" else []


# Without more, the reference server in each stage, and each other one in a stage of its own.
_SOME_STAGES = {*((REFERENCE, stage) for stage in _STAGES), ("chat_websockets", "dual"), ("chat_ws", "message")}


@pytest.mark.parametrize("run", range(_RUNS))
@pytest.mark.parametrize(
    ("server", "rollout"),
    [
        pytest.param(*chosen, marks=_needs(chosen[0]))
        for chosen in product((*SERVERS, REFERENCE), _STAGES)
        if ALL or chosen in _SOME_STAGES
    ],
)
def test_a_conformant_server_passes(server: str, rollout: str, run: int, tmp_path: Path) -> None:
    """A conformant server passes every case in every rollout stage, and every rule is reached."""
    with serving(server, rollout) as url:
        checked = check(url, rollout, tmp_path)

    assert checked.broken == {}, checked.output
    assert checked.unclear == [], checked.output
    assert checked.report["verdict"] == "conformant"
    assert checked.report["coverage"]["rules"]["unreached"] == {}
    assert checked.code == 0


# Without more, each server with one kind of keys and each kind with one server.
_SOME_KEYS = {(REFERENCE, "RS256", "message"), ("chat_ws", "ES256", "message"), ("chat_websockets", "JWKS", "message")}


@pytest.mark.parametrize(
    ("server", "kind", "rollout"),
    [
        pytest.param(*chosen, marks=_needs(chosen[0]))
        for chosen in product((*SERVERS, REFERENCE), DEPLOYMENTS[1:], _STAGES)
        if ALL or chosen in _SOME_KEYS
    ],
)
def test_a_conformant_server_passes_whatever_its_keys(server: str, kind: str, rollout: str, tmp_path: Path) -> None:
    """The same holds where tokens are signed with RS256 or ES256, or by several keys of a set."""
    keys = deployment(kind, tmp_path)
    with serving(server, rollout, keys=keys) as url:
        checked = check(url, rollout, tmp_path, "--skip", "timers", keys=keys)

    assert checked.broken == {}, checked.output
    assert checked.unclear == [], checked.output
    assert checked.report["verdict"] == "conformant"


@pytest.mark.parametrize("fault", [pytest.param(f, marks=_needs(f.server), id=str(f)) for f in _chosen()])
def test_a_fault_is_caught_by_its_rule(fault: Fault, tmp_path: Path) -> None:
    """A server with one fault fails, and a failing case names the rule that the fault breaks."""
    keys = deployment(fault.keys, tmp_path)
    with serving(fault.server, fault.rollout, fault.name, keys) as url:
        checked = check(url, fault.rollout, tmp_path, "--fail-on", "should", keys=keys)

    named = {rule for rules in checked.broken.values() for rule in rules}
    assert checked.code == 1, checked.output
    assert named & set(fault.rules), f"{fault.text}\n{checked.output}"
    if fault.rules[0].startswith("ALL-TOKEN-"):
        assert {rules[0] for rules in checked.broken.values()} & set(fault.rules), checked.output


def test_what_should_be_refused_only_warns(tmp_path: Path) -> None:
    """A server that takes everything that only should make a token malformed is conformant, unless asked for more."""
    with serving("chat_websockets", "message", "should-be-malformed-accepted") as url:
        tolerant = check(url, "message", tmp_path, "--run", "tokens")
        strict = check(url, "message", tmp_path, "--run", "tokens", "--fail-on", "should")

    found = {case["id"]: case for case in tolerant.report["cases"]}
    should = {name for name, case in found.items() if case["level"] == "should"}
    assert (tolerant.code, tolerant.report["verdict"]) == (0, "conformant")
    assert (strict.code, strict.report["verdict"]) == (1, "nonconformant")
    assert set(tolerant.broken) == should, tolerant.output
    assert len(should) > 15
    assert {found[name]["verdict"] for name in should} == {"warn"}
    assert {rules[0] for rules in tolerant.broken.values()} == {"ALL-TOKEN-3"}


@pytest.mark.parametrize("server", [pytest.param("chat_ws", marks=_needs("chat_ws"))])
def test_a_server_that_dies_of_an_attack_is_said_to(server: str, tmp_path: Path) -> None:
    """The exit code says that the target died, and the report which attacks it died behind."""
    with serving(server, "message", "malformed-head-kills") as url:
        checked = check(url, "message", tmp_path, "--run", "hostile/**", "--run", "closing/**")

    assert checked.code == 3, checked.output
    [told] = [line for line in checked.output.splitlines() if "the target died" in line]
    assert "hostile/handshake/" in told.partition("the last attacks, the latest first: ")[2]
