"""The page of tokens: complete, and as the documents have it today."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.vectors import page
from spec.cli import main
from spec.compiling import load

PAGE = Path(__file__).parents[2] / "docs" / "tokens.md"


def test_the_published_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    """What `make docs` would write is what is there."""
    assert main(["list", "chat", "--tokens"]) == 0

    assert capsys.readouterr().out == PAGE.read_text(encoding="utf-8"), "run `make docs`"


def test_every_vector_has_its_row() -> None:
    """With seven cells: its verdict is that of its step, its level and rules are the document's."""
    document = load("chat")
    rows = {
        cells[0].strip("`"): cells
        for line in page(document).splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split(" | ")]) == 7 and cells[0].startswith("`")
    }

    assert set(rows) == {recipe.name for recipe in document.recipes}
    for recipe in document.recipes:
        verdict = {**document.verdicts, "valid": "valid"}[recipe.step]
        cells = rows[recipe.name]
        assert (cells[2], cells[3], cells[6]) == (verdict, recipe.level.upper(), ", ".join(recipe.rules))
