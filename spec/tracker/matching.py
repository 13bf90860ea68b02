"""Matching what was observed against what the rules make due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from spec.expressions import Chosen, Moment, read_moment
from spec.machine import Emission
from spec.model import Document

__all__ = ["Difference", "differences", "quotes", "reply_differences"]


@frozen
class Difference:
    """A place (JSON Pointer) where an observed value is not the expected one."""

    pointer: str
    expected: Any
    observed: Any

    def __str__(self) -> str:
        place = self.pointer.lstrip("/").replace("/", ".") or "the message"
        if self.observed is MISSING:
            return f"{place} is missing, expected {short(self.expected)}"
        return f"{place} is {short(self.observed)}, expected {short(self.expected)}"


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING: Any = _Missing()


def short(value: Any, limit: int = 80) -> str:
    """A value as people read it, cut to a line."""
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def differences(expected: Any, observed: Any, pointer: str = "") -> list[Difference]:
    """Where `observed` does not carry what is expected; members that are not expected are not judged."""
    if isinstance(expected, Chosen):
        return [] if observed is not MISSING else [Difference(pointer, "a value", MISSING)]
    if isinstance(expected, Moment):
        return [] if _same_moment(expected, observed) else [Difference(pointer, expected, observed)]
    if isinstance(expected, dict):
        if not isinstance(observed, dict):
            return [Difference(pointer, expected, observed)]
        return [
            found
            for name, value in expected.items()
            for found in differences(value, observed.get(name, MISSING), f"{pointer}/{name}")
        ]
    if isinstance(expected, list):
        if not isinstance(observed, list) or len(observed) != len(expected):
            return [Difference(pointer, expected, observed)]
        pairs = zip(expected, observed, strict=True)
        return [d for i, (want, got) in enumerate(pairs) for d in differences(want, got, f"{pointer}/{i}")]
    return [] if _equal(expected, observed) else [Difference(pointer, expected, observed)]


def _equal(expected: Any, observed: Any) -> bool:
    # JSON tells true from 1; Python does not.
    return expected == observed and isinstance(expected, bool) == isinstance(observed, bool)


def _same_moment(expected: Moment, observed: Any) -> bool:
    """Whether a text says the same moment; fractions of a second may be cut."""
    if not isinstance(observed, str) or (expected.form == "time" and not observed.endswith("Z")):
        return False
    seconds = read_moment(expected.form, observed)
    tolerance = 0.0015 if expected.seconds == int(expected.seconds) else 1.0
    return seconds is not None and abs(seconds - expected.seconds) < tolerance


def reply_differences(document: Document, emission: Emission, body: Mapping[str, Any]) -> list[Difference]:
    """Whether the reply member names the message that it must, and no other."""
    name = document.envelope.reply_to.lstrip("/")
    observed = body.get(name, MISSING)
    if emission.reply == "must" and observed != emission.reply_to:
        return [Difference(f"/{name}", emission.reply_to, observed)]
    if emission.reply == "never" and observed is not MISSING:
        return [Difference(f"/{name}", "nothing", observed)]
    return []


def quotes(text: str, token: str, characters: int) -> bool:
    """Whether a run of so many characters of a token stands in a text."""
    return any(text[start : start + characters] in token for start in range(len(text) - characters + 1))
