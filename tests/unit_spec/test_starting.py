"""A new protocol has nothing wrong with it, whatever it is called; `test_authoring.py` serves and checks one."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec.authoring.exporting.kinds import KINDS, export
from spec.authoring.formatting.layout import laid_out
from spec.authoring.linting.judging import findings_of
from spec.authoring.outlining import outline
from spec.authoring.starting.command import started
from spec.cli import main
from spec.loading import read_text

NAMES = ("lamp", "x", "my_protocol", "a-b-c", "z9", "a_name_that_is_much_longer_than_anybody_would_like_it_to_be")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_started_has_nothing_wrong(name: str) -> None:
    """It loads, lints, is in the one layout, and can be exported."""
    text = started(name, f"{name}.yaml")
    source = read_text(text)

    assert findings_of(source) == []
    assert laid_out(text) == text
    assert "@" not in text
    assert source.data["protocol"] == name
    assert all(export(outline(source), kind) for kind in KINDS)


def test_rules_are_named_after_the_protocol() -> None:
    """In capitals, without what an identifier cannot have."""
    rules = read_text(started("my_protocol-2", "x.yaml")).data["rules"]

    assert "MYPROTOCOL2-AUTH-1" in rules


def test_a_file_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named after the protocol, and never over another."""
    monkeypatch.chdir(tmp_path)

    assert main(["new", "lamp"]) == 0
    assert Path("lamp.yaml").read_text() == started("lamp", "lamp.yaml")
    assert "handfast lint lamp.yaml" in capsys.readouterr().out
    Path("lamp.yaml").write_text("mine")
    assert main(["new", "lamp"]) == 2
    assert "lamp.yaml is there already" in capsys.readouterr().err
    assert Path("lamp.yaml").read_text() == "mine"
    assert main(["new", "lamp", "--output", "other.yaml"]) == 0
    assert main(["lint", "other.yaml"]) == 0


@pytest.mark.parametrize("words", [("Lamp",), ("2x",), ("",), ("a b",), ("lamp", "--output", "none/lamp.yaml")])
def test_what_cannot_be_started_is_told(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the exit code of a usage error, and nothing is written."""
    monkeypatch.chdir(tmp_path)

    assert main(["new", *words]) == 2
    assert capsys.readouterr().err.startswith("handfast: ")
    assert list(tmp_path.iterdir()) == []
