"""`handfast serve` from its arguments: what it takes, and what it says to what it does not."""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from reference_server import command
from reference_server.arranging import mounts_of
from reference_server.command import SERVE
from reference_server.site import Mount
from spec.cli import main
from spec.exits import Exit, Stop
from spec.parameters import Rate
from tests.unit_server.kit import SECRET


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says when it refuses its arguments."""
    assert main(["serve", *arguments]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    return err


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_SECRET", SECRET)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--secret env:NAME"),
        (["--secret", "hunter2"], "a secret is never an argument: write env:NAME or file:PATH"),
        (["--secret", "env:NO_SUCH_NAME"], "`NO_SUCH_NAME`"),
        (["--secret", "env:CHAT_SECRET", "nope"], "`nope`"),
        (["--secret", "env:CHAT_SECRET", "--document", "/no/such.yaml"], "/no/such.yaml"),
        (["--secret", "env:CHAT_SECRET", "chat", "--document", "x.yaml"], "leave one of them out"),
        (["--secret", "env:CHAT_SECRET", "--set", "auth_deadlin=2s"], "did you mean `auth_deadline`?"),
        (["--secret", "env:CHAT_SECRET", "--set", "auth_deadline"], "--set NAME=VALUE"),
        (["--secret", "env:CHAT_SECRET", "--set", "auth_deadline=soon"], "is no duration"),
        (["--secret", "env:CHAT_SECRET", "--port", "70000"], "is no port"),
        (["--secret", "env:CHAT_SECRET", "--max-connections", "0"], "is no count"),
        (["--secret", "env:CHAT_SECRET", "--drain", "soon"], "--drain"),
        (["--secret", "env:CHAT_SECRET", "--tls-cert", "x.pem"], "--tls-key"),
        (["--secret", "env:CHAT_SECRET", "chat", "chat"], "both serve /v1/chat/{recipe_id}"),
        (["--secret", "env:CHAT_SECRET", "chat=below"], "write `chat=/chat`"),
        (["--secret", "env:CHAT_SECRET", "--set", "chat.auth_deadlin=2s"], "did you mean `auth_deadline`?"),
        (["--key", "key.pem"], "write env:NAME or file:PATH"),
        (["--key", "file:/no/such.pem"], "/no/such.pem"),
        (["--key", "file:/etc/hostname"], "no PEM file, JWK or JWKS"),
    ],
)
def test_what_cannot_be_served_is_told_with_what_to_write(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A usage error names the flag or the value, and quotes no secret."""
    told = refusal(capsys, *arguments)

    assert says in told
    assert "hunter2" not in told
    assert SECRET not in told


def test_a_broken_document_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """File, line and column of what is wrong."""
    path = tmp_path / "odd.yaml"
    path.write_text("handfast: 1\nprotocol: [\n")

    assert f"{path}:" in refusal(capsys, "--document", str(path), "--secret", "env:CHAT_SECRET")


def test_a_port_in_use_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The address and the reason, with the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refusal(capsys, "--secret", "env:CHAT_SECRET", "--port", str(port))

    assert f"127.0.0.1:{port}" in told
    assert "--port 0" in told


def test_keys_of_every_kind_are_taken(tmp_path: Path) -> None:
    """A secret from a file, public keys by algorithm, and key sets; private keys serve as their public half."""
    (tmp_path / "secret").write_text(SECRET + "\n")
    rsa_key, ec_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    public = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = ec_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "rsa.pem").write_bytes(public)
    (tmp_path / "ec.pem").write_bytes(private)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0" * 6, "kid": "one"}]}))
    parser = argparse.ArgumentParser()
    SERVE.arguments(parser)
    arguments = parser.parse_args(
        [
            *("--secret", f"file:{tmp_path / 'secret'}"),
            *("--key", f"file:{tmp_path / 'rsa.pem'}"),
            *("--key", f"file:{tmp_path / 'ec.pem'}"),
            *("--key", f"file:{tmp_path / 'jwks.json'}"),
            *("--issuer", "https://issuer.example"),
            *("--set", "leeway=2s"),
        ]
    )
    [mount] = mounts_of(arguments)
    policy = mount.policy

    assert [(key.alg, key.kid) for key in policy.keys] == [
        ("HS256", None),
        ("RS256", None),
        ("ES256", None),
        ("HS256", "one"),
    ]
    assert policy.keys[0].material == SECRET.encode()
    assert b"PRIVATE" not in policy.keys[2].material
    assert (policy.issuer, policy.audience, policy.leeway) == ("https://issuer.example", None, 2.0)
    assert policy.required == ("sub", "exp", "iat")


def test_its_module_imports_little() -> None:
    """`handfast --help` loads every command; a server's libraries must wait until one is run."""
    heavy = (
        "trio",
        "trio_websocket",
        "h11",
        "structlog",
        "prometheus_client",
        "jwt",
        "cryptography",
        "ruamel.yaml",
        "ssl",
    )
    code = f"import sys, reference_server.command; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_a_certificate_and_its_key_are_taken(tmp_path: Path) -> None:
    """Both halves make a context; a key that does not belong, or is locked, is told and nobody is asked for more."""
    authority = trustme.CA()
    one, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    one.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "one.pem"))
    other.private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    key = ec.generate_private_key(ec.SECP256R1())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    (tmp_path / "locked.pem").write_bytes(locked)

    assert command._tls(None, None) is None
    assert command._tls(str(tmp_path / "one.pem"), str(tmp_path / "one.pem")) is not None
    for wrong in ("other.pem", "locked.pem", "missing.pem"):
        with pytest.raises(Stop, match="the certificate or its key cannot be used"):
            command._tls(str(tmp_path / "one.pem"), str(tmp_path / wrong))


def asked(*flags: str) -> list[Mount]:
    """What `handfast serve` would mount."""
    parser = argparse.ArgumentParser()
    SERVE.arguments(parser)
    return mounts_of(parser.parse_args([*flags, "--secret", "env:CHAT_SECRET"]))


def test_quick_values_are_taken_and_given_ones_before_them() -> None:
    """`--quick` runs with the document's values for quick tests; what is set stands."""
    [quick] = asked("--set", "auth_rate=3/1s", "--quick")
    [slow] = asked()

    assert quick.parameters["auth_deadline"] == pytest.approx(0.7)
    assert quick.parameters["auth_rate"] == Rate(3, 1.0)
    assert slow.parameters["auth_deadline"] == 5.0


def test_several_protocols_stand_on_one_port(tmp_path: Path) -> None:
    """A parameter is set for all that have it, or for one by its name; two of one path stand below prefixes."""
    mounts = asked("chat", "chat=/other", "--set", "auth_deadline=2s")

    assert [(mount.document.name, mount.prefix) for mount in mounts] == [("chat", ""), ("chat", "/other")]
    assert [mount.parameters["auth_deadline"] for mount in mounts] == [2.0, 2.0]
    assert asked("--set", "auth_deadline=2s", "--set", "chat.auth_deadline=3s")[0].parameters["auth_deadline"] == 3.0
