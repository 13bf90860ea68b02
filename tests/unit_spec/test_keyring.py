"""Keys as flags name them, for the server and the suite alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spec.exits import Exit, Stop
from spec.keyring import keyring
from spec.tokens import SigningKey, foreign_keys
from spec.tokens.foreign import jwk

SECRET = "a-secret-of-the-tests-that-is-long-enough"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", SECRET)
    rsa, curve = foreign_keys("RS256").other, foreign_keys("ES256").other
    Path("private.pem").write_bytes(rsa.material)
    Path("public.pem").write_bytes(rsa.verifier().material)
    Path("one.json").write_text(json.dumps(jwk(curve) | {"kid": "one"}))
    Path("set.json").write_text(json.dumps({"keys": [jwk(curve) | {"kid": "one"}, jwk(rsa) | {"kid": "two"}]}))
    monkeypatch.setenv("PEM", curve.material.decode())


def told(secret: str | None, references: list[str], kid: str | None = None) -> str:
    """What is said of keys that are refused."""
    with pytest.raises(Stop) as stopped:
        keyring(secret, references, kid)
    assert stopped.value.exit is Exit.USAGE
    return str(stopped.value)


def test_every_form_from_every_place() -> None:
    """The secret first, then what the references name, in their order."""
    keys = keyring("env:SECRET", ["file:public.pem", "env:PEM", "file:set.json"], None)

    assert [(key.alg, key.kid) for key in keys] == [
        ("HS256", None),
        ("RS256", None),
        ("ES256", None),
        ("ES256", "one"),
        ("RS256", "two"),
    ]
    assert [isinstance(key, SigningKey) for key in keys] == [True, False, True, False, False]
    assert keyring(None, [], "name") == ()


@pytest.mark.parametrize(("secret", "references"), [("env:SECRET", []), (None, ["file:private.pem"])])
def test_one_key_can_be_named(secret: str | None, references: list[str]) -> None:
    """A secret or a PEM file has no name of its own."""
    assert [key.kid for key in keyring(secret, references, "main")] == ["main"]
    assert [key.kid for key in keyring(None, ["file:one.json"], "one")] == ["one"], "its own name"


@pytest.mark.parametrize(
    ("secret", "references"),
    [("env:SECRET", ["file:private.pem"]), (None, ["file:one.json"]), (None, ["file:set.json"])],
)
def test_a_name_must_say_which_key_it_is_for(secret: str | None, references: list[str]) -> None:
    """Not one of several, nor one that is named already."""
    assert "names a single key that has no name of its own" in told(secret, references, "main")


@pytest.mark.parametrize("content", ["[]", "{}", "hunter2", '{"keys": []}', '{"keys": [{"kty": "OKP"}]}', "\n"])
def test_a_file_that_holds_no_key_is_told(content: str) -> None:
    """By its name, and without a word of what it holds."""
    Path("odd").write_text(content)
    said = told(None, ["file:odd"])

    assert "odd" in said
    assert "hunter2" not in said


def test_a_key_is_never_an_argument() -> None:
    """What was typed may be one, and is not said again."""
    said = told(None, ["hunter2"])

    assert "never an argument" in said
    assert "hunter2" not in said
