"""Matching what was observed against what the rules make due."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from spec.expressions import ABSENT, Chosen, Counts, Moment, OneOf, Unordered, pointer_get, read_moment, rfc3339
from spec.machine import Emission
from spec.machine.values import Choice, Exact, Fewer, Left
from spec.model import Document

__all__ = ["Bound", "Difference", "choices", "differences", "quotes", "reply_differences", "short", "tells_of"]


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


Bound = Mapping[int, Any]
"""What was seen of values that the server chose and keeps, by their numbers."""

_UNBOUND: Bound = {}

_CLOCKS = 3.0
"""How far, in seconds, the clocks of two machines may be apart where a moment is told."""


def differences(expected: Any, observed: Any, pointer: str = "", bound: Bound = _UNBOUND) -> list[Difference]:
    """Where `observed` does not carry what is expected; members that are not expected are not judged."""
    if isinstance(expected, Chosen):
        return [] if observed is not MISSING else [Difference(pointer, "a value", MISSING)]
    if isinstance(expected, Choice):
        return _chosen(expected, observed, pointer, bound)
    if expected is ABSENT:
        return [] if observed is MISSING or observed is None else [Difference(pointer, "nothing", observed)]
    if isinstance(expected, Fewer):
        return _prefix(expected, observed, pointer, bound)
    if isinstance(expected, Moment):
        return [] if _same_moment(expected, observed) else [Difference(pointer, expected, observed)]
    if isinstance(expected, OneOf):
        return [] if observed in expected.options else [Difference(pointer, " or ".join(expected.options), observed)]
    if isinstance(expected, Counts):
        return _counts(expected, observed, pointer)
    if isinstance(expected, dict):
        if not isinstance(observed, dict):
            return [Difference(pointer, expected, observed)]
        more = [name for name in observed if name not in expected] if isinstance(expected, Exact) else []
        return [Difference(f"{pointer}/{name}", "no such member", observed[name]) for name in more] + [
            found
            for name, value in expected.items()
            for found in differences(
                _left(value, expected, observed) if isinstance(value, Left) else value,
                observed.get(name, MISSING),
                f"{pointer}/{name}",
                bound,
            )
        ]
    if isinstance(expected, list):
        if not isinstance(observed, list) or len(observed) != len(expected):
            return [Difference(pointer, expected, observed)]
        if isinstance(expected, Unordered):
            observed, expected = sorted(observed, key=repr), sorted(expected, key=repr)
        pairs = zip(expected, observed, strict=True)
        return [d for i, (want, got) in enumerate(pairs) for d in differences(want, got, f"{pointer}/{i}", bound)]
    return [] if _equal(expected, observed) else [Difference(pointer, expected, observed)]


def _counts(expected: Counts, observed: Any, pointer: str) -> list[Difference]:
    """An object of numbers: one that is missing counts 0, in what was due and in what came."""
    if not isinstance(observed, dict):
        return [Difference(pointer, expected, observed)]
    names = dict.fromkeys((*expected, *observed))
    pairs = ((name, expected.get(name, 0), observed.get(name, 0)) for name in names)
    return [Difference(f"{pointer}/{name}", want, got) for name, want, got in pairs if not _equal(want, got)]


def _chosen(expected: Choice, observed: Any, pointer: str, bound: Bound) -> list[Difference]:
    """A value that the server chose: the one that was seen before, or any of its kind."""
    if expected.number is not None and expected.number in bound:
        return differences(bound[expected.number], observed, pointer)
    if observed is MISSING:
        return [Difference(pointer, "a value", MISSING)]
    if expected.kind in _NUMBERS:
        return _moment(expected, observed, pointer)
    if expected.kind != "time":
        return []
    seconds = read_moment("time", observed) if isinstance(observed, str) and observed.endswith("Z") else None
    if seconds is None:
        return [Difference(pointer, "a time in UTC that ends in Z", observed)]
    near = not expected.now or abs(seconds - expected.at) <= _CLOCKS
    return [] if near else [Difference(pointer, f"about {rfc3339(expected.at)}", observed)]


_NUMBERS = {"moment": 1.0, "milliseconds": 1000.0}
"""Moments that are told by numbers, and by how many for a second."""


def _moment(expected: Choice, observed: Any, pointer: str) -> list[Difference]:
    """A moment in epoch seconds, or in a whole number of milliseconds."""
    told = expected.at * _NUMBERS[expected.kind]
    about = f"about {round(told)}"
    if isinstance(observed, bool) or not isinstance(observed, int | float):
        return [Difference(pointer, about, observed)]
    whole = expected.kind == "moment" or float(observed).is_integer()
    near = abs(observed / _NUMBERS[expected.kind] - expected.at) <= _CLOCKS
    return [] if whole and near else [Difference(pointer, about, observed)]


def _prefix(expected: Fewer, observed: Any, pointer: str, bound: Bound) -> list[Difference]:
    wanted = list(expected.entries)
    if not isinstance(observed, list) or len(observed) > len(wanted) or (wanted and not observed):
        return [Difference(pointer, f"{len(wanted)} entries", observed)]
    return differences(wanted[: len(observed)], observed, pointer, bound)


def _left(expected: Left, body: Mapping[str, Any], observed: Mapping[str, Any]) -> bool:
    """Whether anything is left behind what came of the list that stands beside it."""
    came = next((observed.get(name) for name, value in body.items() if value is expected.of), None)
    return expected.of.more or (isinstance(came, list) and len(came) < len(expected.of.entries))


def choices(expected: Any, observed: Any) -> Iterator[tuple[int, Choice, Any]]:
    """The values in a matching message that the server chose and keeps, each with its number and what was seen."""
    if isinstance(expected, Choice) and expected.number is not None:
        yield expected.number, expected, observed
    elif isinstance(expected, Mapping) and isinstance(observed, Mapping):
        for name, value in expected.items():
            yield from choices(value, observed.get(name))
    elif isinstance(expected, list | Fewer) and isinstance(observed, list):
        entries = expected.entries if isinstance(expected, Fewer) else expected
        for want, got in zip(entries, observed, strict=False):
            yield from choices(want, got)


def _equal(expected: Any, observed: Any) -> bool:
    # JSON tells true from 1; Python does not. And its numbers are doubles (RFC 7493 section 2.2), however written.
    if isinstance(expected, bool) or isinstance(observed, bool):
        return expected is observed
    if isinstance(expected, int | float) and isinstance(observed, int | float):
        return float(expected) == float(observed)
    return bool(expected == observed)


def _same_moment(expected: Moment, observed: Any) -> bool:
    """Whether a text says the same moment; fractions of a second may be cut."""
    if not isinstance(observed, str) or (expected.form == "time" and not observed.endswith("Z")):
        return False
    seconds = read_moment(expected.form, observed)
    tolerance = 0.0015 if expected.seconds == int(expected.seconds) else 1.0
    return seconds is not None and abs(seconds - expected.seconds) < tolerance


def reply_differences(document: Document, emission: Emission, body: Mapping[str, Any]) -> list[Difference]:
    """Whether the reply member names the message that it must, and no other."""
    name = document.envelope.reply_to
    observed = pointer_get(body, name, MISSING)
    if emission.reply == "must" and observed != emission.reply_to:
        return [Difference(name, emission.reply_to, observed)]
    if emission.reply == "never" and observed is not MISSING and observed is not None:
        return [Difference(name, "nothing", observed)]
    return []


def tells_of(value: str, other: str) -> bool:
    """Whether a value contains another, is contained in it, or is what one of the usual ways makes of it."""
    plain, inner = _letters(value), _letters(other)
    if not plain or not inner or plain in inner or inner in plain or inner[::-1] in plain:
        return True
    octets = other.encode("utf-8", "surrogatepass")
    made = [base64.b64encode(octets), base64.urlsafe_b64encode(octets), octets.hex().encode()]
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, octets).digest()
        made += [digest.hex().encode(), base64.b64encode(digest), base64.urlsafe_b64encode(digest)]
    return any(_letters(form.decode("ascii")) in plain for form in made)


def _letters(text: str) -> str:
    """A text without case and without what is put between letters and digits."""
    return "".join(filter(str.isalnum, text)).lower()


def quotes(text: str, token: str, characters: int) -> bool:
    """Whether a run of so many characters of a token stands in a text."""
    return any(text[start : start + characters] in token for start in range(len(text) - characters + 1))
