"""The codes of a document: errors, refusals, and every close code that it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spec.authoring.outlining import Decision, Outline
from spec.authoring.outlining.decisions import listed, verb

__all__ = ["close_codes", "retryable"]


def close_codes(document: Outline) -> tuple[int, ...]:
    """Every close code that a document names, in order; words for closes that are no code are left out."""
    found = set(_numbers(document.section("connection", "ending", "shutdown").get("code")))
    for error in document.errors.values():
        close = error.get("close")
        found |= set(_numbers(list(close.values()) if isinstance(close, dict) else close))
    for form in document.section("errors", "forms").values():
        found |= set(_numbers(form.get("close")))
    for row in _rows(document):
        for effect in row.effects:
            if verb(effect) == "close":
                found |= set(_numbers(effect["close"]))
    return tuple(sorted(found))


def _rows(document: Outline) -> Iterator[Decision]:
    for level in (document.receive, *(state.receive for state in document.states.values())):
        for rows in level.values():
            yield from rows
    for timer in document.every_timer:
        yield from timer.expire


def _numbers(value: Any) -> Iterator[int]:
    for item in listed(value):
        if isinstance(item, list):
            yield from _numbers(item)
        elif isinstance(item, int) and not isinstance(item, bool):
            yield item


def retryable(document: Outline, code: str) -> bool:
    """Whether a client may try again after an error."""
    return bool(document.errors[code].get("retryable", False))
