"""Operators on the table of errors: what they say, how they close, and what is quoted."""

from __future__ import annotations

from collections.abc import Iterator

from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import add, remove, replace
from spec.authoring.mutants.reading import Draft, Rules, joined

__all__ = [
    "close_reason",
    "error_close_code",
    "error_closes",
    "error_member",
    "error_stays_open",
    "quote_in_error",
    "retryable",
]


def _rules(draft: Draft, code: str) -> Rules:
    return joined(*(row.rules for row in draft.raising(code)))


def _closing(draft: Draft) -> Rules:
    return tuple(draft.data["errors"].get("close_rules", ()))


def _codes(draft: Draft) -> Iterator[tuple[str, str, object]]:
    for code, entry in draft.data["errors"]["codes"].items():
        if draft.raising(code):
            yield code, f"/errors/codes/{code}/close", entry["close"]


def error_stays_open(draft: Draft) -> Iterator[Edit]:
    """An error does not close."""
    for code, at, close in _codes(draft):
        if close != "none":
            rules = joined(_rules(draft, code), _closing(draft))
            yield Edit(at, rules, f"`{code}` leaves the connection open", (replace(at, "none"),))


def error_close_code(draft: Draft) -> Iterator[Edit]:
    """An error closes with another code."""
    for code, at, close in _codes(draft):
        rules = joined(_rules(draft, code), _closing(draft))
        for place, number in (
            ((f"{at}/{state}", n) for state, n in close.items()) if isinstance(close, dict) else [(at, close)]
        ):
            if isinstance(number, int):
                other = 1011 if number != 1011 else 1008
                yield Edit(place, rules, f"`{code}` closes with {other}", (replace(place, other),))


def error_closes(draft: Draft) -> Iterator[Edit]:
    """An error closes where the connection should stay open."""
    for code, at, close in _codes(draft):
        if not isinstance(close, int):
            yield Edit(at, _rules(draft, code), f"`{code}` closes everywhere", (replace(at, 1008),))


def retryable(draft: Draft) -> Iterator[Edit]:
    """An error says wrongly whether to try again."""
    for code, entry in draft.data["errors"]["codes"].items():
        if "retryable" in entry and draft.raising(code):
            at, wrong = f"/errors/codes/{code}/retryable", not entry["retryable"]
            yield Edit(at, _rules(draft, code), f"`{code}` is retryable: {str(wrong).lower()}", (replace(at, wrong),))


def _every(draft: Draft) -> Rules:
    rows = [row.rules for row in draft.rows if any("error" in effect for effect in row.do)]
    return joined(*rows, draft.form_rules(draft.data["errors"]["message"]))


def error_member(draft: Draft) -> Iterator[Edit]:
    """A member of error messages is left out, or of another type."""
    for name in draft.data["errors"]["payload"]:
        at = f"/errors/payload/{name}"
        if draft.data["errors"]["payload"][name] != "$chosen":
            yield Edit(at, _every(draft), f"errors have no `{name}`", (remove(at),), "none")
        yield Edit(at, _every(draft), f"`{name}` of errors is a number", (replace(at, 7),), "number")


def close_reason(draft: Draft) -> Iterator[Edit]:
    """A close has no reason, or another."""
    for code in draft.data["errors"].get("close_reasons", {}):
        at = f"/errors/close_reasons/{code}"
        yield Edit(at, _closing(draft), f"closes with {code} have no reason", (replace(at, ""),), "none")
        yield Edit(
            at, _closing(draft), f"closes with {code} have another reason", (replace(at, "$error.text"),), "text"
        )


def quote_in_error(draft: Draft) -> Iterator[Edit]:
    """Error messages quote what they refuse."""
    payload = draft.data["wire"]["envelope"]["payload"].removeprefix("/")
    if payload:
        patch = add("/errors/payload/quoted", f"$message.{payload}")
        yield Edit("/errors/payload", draft.leaking(), "errors quote the payload that they refuse", (patch,))
