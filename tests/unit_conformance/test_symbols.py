"""Symbols: what a transcript may show of a token."""

from __future__ import annotations

import pytest

from conformance.scripts import Send, token
from conformance.symbols import Symbols
from tests.unit_conformance.kit import plan


def _symbols() -> tuple[Symbols, str]:
    target = plan("message").target
    symbols = Symbols(target, lambda: target.epoch, 1, target.book.get)
    return symbols, str(symbols.value(token()))


def test_a_whole_token_becomes_a_name() -> None:
    """A token that stands whole in a text is named, not shown."""
    symbols, text = _symbols()

    assert symbols.hide(f'{{"token":"{text}"}}') == '{"token":"<token valid of ana>"}'


@pytest.mark.parametrize(("start", "end"), [(0, 16), (5, 40), (40, 57)])
def test_a_part_of_a_token_is_hidden(start: int, end: int) -> None:
    """A run of 16 characters or more is hidden, wherever it stands, and the text around it is kept."""
    symbols, text = _symbols()

    assert symbols.hide_parts(f"bad token «{text[start:end]}», try again") == "bad token «<part of a token>», try again"


def test_what_is_no_part_of_a_token_is_kept() -> None:
    """Fifteen characters of a token, and every other text, stand as they are."""
    symbols, text = _symbols()
    kept = f"{text[:15]} and a longer text that no token has"

    assert symbols.hide_parts(kept) == kept


def test_a_token_is_hidden_in_every_spelling_of_a_message() -> None:
    """All else is escaped, member names included; the token stands as it is, so that it is found."""
    symbols, text = _symbols()
    step = Send("ana", "auth", {"token": token()}, written={"escapes": "all", "order": "sorted", "space": " "})
    written = symbols.message(step)

    assert "auth" not in written
    assert '"<token valid of ana>"' in symbols.hide(written)
    assert text not in symbols.hide(written)
