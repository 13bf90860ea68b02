"""Repeats: what is said over and over is told once, and nothing that matters is left out."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.repeats import folded


def line(client: str, direction: str, text: str, at: float = 0.0) -> dict[str, Any]:
    return {"at": at, "client": client, "direction": direction, "text": text}


def attempt(number: int, answer: str = "recipe_update") -> list[dict[str, Any]]:
    """A client comes in."""
    client = f"c{number}"
    told = f'{{"type":"auth","id":"0da2-10-{client}","payload":{{"token":"<token valid of {client}>"}}}}'
    said = f'{{"type":"{answer}","id":"15c8ddec-f820-41d7-91fe-93d8e1c6d76{number % 10}"}}'
    return [line(client, ">", told, number), line(client, "<", said, number + 0.1)]


def test_the_middle_of_what_repeats_is_one_line() -> None:
    """The first and the last time stay, whoever said it and with whichever ids."""
    lines = [entry for number in range(11) for entry in attempt(number)]
    shown = folded(lines)

    assert shown[:2] == attempt(0)
    assert shown[2] == line("", ".", "the same 9 times more (c1 to c9)", 1)
    assert shown[3:] == attempt(10)


def test_what_differs_is_shown() -> None:
    """Another answer, in the middle or at the end, is none of the repeats."""
    lines = [entry for number in range(6) for entry in attempt(number)]
    other = attempt(6, "error")
    shown = folded([*lines, *other, *lines])

    assert shown[5:7] == other
    assert [entry["text"] for entry in shown if entry["direction"] == "."] == ["the same 4 times more (c1 to c4)"] * 2


def test_one_client_that_repeats_itself_is_not_named() -> None:
    """Whose line it is stands before it."""
    shown = folded([line("ana", ">", "ping") for _ in range(5)])

    assert [entry["text"] for entry in shown] == ["ping", "the same 3 times more", "ping"]


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_few_repeats_are_shown_as_they_are(times: int) -> None:
    """A line instead of one or two others would only hide them."""
    lines = [entry for number in range(times) for entry in attempt(number)]

    assert folded(lines) == lines


@pytest.mark.parametrize(
    ("one", "other"), [("ping", "close 1000"), ('{"type":"auth"}', '{"type":"chat_message"}'), ("a", "b")]
)
def test_different_texts_are_no_repeats(one: str, other: str) -> None:
    """Only ids, moments and names of clients are looked past."""
    lines = [line("ana", ">", text) for text in (one, other, other, one, one, other, one, other, other)]

    assert folded(lines) == lines
