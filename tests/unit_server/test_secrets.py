"""Secrets come from the environment or a file, and are shown to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec.exits import Exit, Stop
from spec.secrets import read_secret

VALUE = "correct horse battery staple"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, white space and all."""
    monkeypatch.setenv("A_SECRET", f" {VALUE}\n")

    assert read_secret("env:A_SECRET").reveal() == f" {VALUE}\n"


@pytest.mark.parametrize(("written", "meant"), [("\n", ""), ("\r\n", ""), ("\n\n", "\n"), ("", ""), (" ", " ")])
def test_a_file_is_read_less_one_newline(written: str, meant: str, tmp_path: Path) -> None:
    """Editors end files with a newline that nobody means; a second one is meant."""
    path = tmp_path / "secret"
    path.write_bytes((VALUE + written).encode())

    assert read_secret(f"file:{path}").reveal() == VALUE + meant


def test_a_secret_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not printed, not formatted, not in its attributes' listing; where it came from is told."""
    monkeypatch.setenv("A_SECRET", VALUE)
    secret = read_secret("env:A_SECRET")

    assert VALUE not in f"{secret} {secret!r} {[secret]} {secret.__reduce_ex__}"
    assert "env:A_SECRET" in repr(secret)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        (VALUE, "never an argument"),
        ("", "never an argument"),
        ("env:", "never an argument"),
        ("file:", "never an argument"),
        (f"plain:{VALUE}", "never an argument"),
        ("env:NO_SUCH_NAME", "no variable `NO_SUCH_NAME`"),
        ("env:EMPTY_NAME", "`EMPTY_NAME` of the environment is empty"),
        ("file:/no/such/file", "`/no/such/file` cannot be read: No such file"),
        ("file:/", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told_without_its_value(
    reference: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A usage error that says what to write."""
    monkeypatch.setenv("EMPTY_NAME", "")
    with pytest.raises(Stop) as stop:
        read_secret(reference)

    assert stop.value.exit is Exit.USAGE
    assert says in str(stop.value)
    assert VALUE not in str(stop.value)


@pytest.mark.parametrize(("content", "says"), [(b"\xff\xfe", "not UTF-8"), (b"\n", "is empty"), (b"", "is empty")])
def test_a_file_without_a_secret_is_told(content: bytes, says: str, tmp_path: Path) -> None:
    """The path is named, the content is not."""
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(Stop, match=says):
        read_secret(f"file:{path}")
