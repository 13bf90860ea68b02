"""Conformant servers pass, faulty ones are caught by the rule that they break.

Without more, one run of each conformant server and stage, and one fault of each group of rules. With
`HANDFAST_MATRIX=all` (`make matrix`): 20 runs of each conformant server and stage, and every fault.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.matrix.kit import ALGORITHMS, REFERENCE, SERVERS, Fault, check, faults, serving

_ALL = os.environ.get("HANDFAST_MATRIX") == "all"
_RUNS = 20 if _ALL else 1
_STAGES = ("message", "dual", "legacy")

# One of each group and kind of finding: refusals, order of checks, timing, silence, content, isolation, leaks.
_SAMPLE = {
    "chat_websockets": {
        "unknown-subprotocol-accepted",
        "deadline-reset-by-ping",
        "expiry-before-signature",
        "rate-limit-fixed-window",
        "broadcast-before-auth",
        "ghost-members",
        "timers-keep-old-token",
        "token-echoed",
    },
    "chat_ws": {
        "sender-gets-no-copy",
        "content-counted-in-utf16",
        "auth-required-twice",
        "public-key-as-secret",
        "deprecation-only-on-101",
        "header-wins-over-query",
        "size-in-characters",
    },
}


def _chosen() -> list[Fault]:
    return [fault for server in SERVERS for fault in faults(server) if _ALL or fault.name in _SAMPLE[server]]


def _needs(server: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.node] if server == "chat_ws" else []


def _keys(algorithm: str, folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A fresh key pair; gives the flags of a server and those of the suite."""
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if algorithm == "RS256":
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        private = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    secret = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "private.pem").write_bytes(secret)
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "public.pem").write_bytes(public)
    served = ("--public-key", f"{algorithm}={folder / 'public.pem'}")
    return served, ("--signing-key", f"{algorithm}=file:{folder / 'private.pem'}")


_EVERY = [pytest.param(server, marks=_needs(server)) for server in (*SERVERS, REFERENCE)]


@pytest.mark.parametrize("run", range(_RUNS))
@pytest.mark.parametrize("rollout", _STAGES)
@pytest.mark.parametrize("server", _EVERY)
def test_a_conformant_server_passes(server: str, rollout: str, run: int, tmp_path: Path) -> None:
    """A conformant server passes every case in every rollout stage, and every rule is reached."""
    with serving(server, rollout) as url:
        checked = check(url, rollout, tmp_path)

    assert checked.broken == {}, checked.output
    assert checked.unclear == [], checked.output
    assert checked.report["verdict"] == "conformant"
    assert checked.report["coverage"]["rules"]["unreached"] == {}
    assert checked.code == 0


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize("server", _EVERY)
def test_a_conformant_server_passes_with_asymmetric_keys(server: str, algorithm: str, tmp_path: Path) -> None:
    """The same holds where tokens are signed with RS256 or ES256."""
    served, signed = _keys(algorithm, tmp_path)
    with serving(server, "message", keys=served) as url:
        checked = check(url, "message", tmp_path, "--skip", "timers", keys=signed)

    assert checked.broken == {}, checked.output
    assert checked.report["verdict"] == "conformant"


@pytest.mark.parametrize("fault", [pytest.param(f, marks=_needs(f.server), id=str(f)) for f in _chosen()])
def test_a_fault_is_caught_by_its_rule(fault: Fault, tmp_path: Path) -> None:
    """A server with one fault fails, and a failing case names the rule that the fault breaks."""
    served, signed = _keys(ALGORITHMS[fault.name], tmp_path) if fault.name in ALGORITHMS else ((), ())
    with serving(fault.server, fault.rollout, fault.name, served) as url:
        checked = check(url, fault.rollout, tmp_path, "--fail-on", "should", keys=signed)

    named = {rule for rules in checked.broken.values() for rule in rules}
    assert checked.code == 1, checked.output
    assert named & set(fault.rules), f"{fault.text}\n{checked.output}"
