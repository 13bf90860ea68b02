"""The JSON binding: one JSON value per text frame, I-JSON (RFC 7493) as far as a double and UTF-8 go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from spec.bindings.seam import Binary, Decoder, NotUTF8, Text, Unread, Write, frame_fault

__all__ = ["JSON", "NotJSON", "decode", "encode"]


class NotJSON(ValueError):
    """The text is not JSON (RFC 8259)."""


def _refuse_constant(name: str) -> Any:
    # Python reads NaN and Infinity, which RFC 8259 section 6 does not permit.
    raise NotJSON(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_PLAIN = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_ESCAPED = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def decode(text: str) -> Any:
    """Parse one JSON text.

    Raises NotJSON for what is not JSON, and for nesting deeper than the parser goes (RFC 8259 section 9 allows the
    limit). Doubled members are kept as their last; RFC 7493 leaves them to nobody's blame.
    """
    try:
        return _DECODER.decode(text)
    except NotJSON:
        raise
    except (ValueError, RecursionError) as problem:
        raise NotJSON(str(problem)) from None


def encode(value: Any) -> str:
    """Write a JSON text; non-ASCII characters stand for themselves unless they cannot (unpaired surrogates)."""
    text = _PLAIN.encode(value)
    return text if text.isascii() or _encodable(text) else _ESCAPED.encode(value)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@frozen
class _Decoder:
    largest: int | None

    def feed(self, frame: Text | Binary | NotUTF8) -> list[Any]:
        fault = frame_fault(frame, self.largest)
        if fault is not None:
            return [fault]
        assert isinstance(frame, Text)
        try:
            return [decode(frame.text)]
        except NotJSON as problem:
            return [Unread("malformed", f"not JSON: {problem}")]


class JSON:
    """The binding `json`: a body is the JSON value of a text message."""

    enveloped = True
    members = True
    ends = ""
    malformed: Mapping[str, str] = {
        "empty": "",
        "space": " ",
        "brace": "{",
        "null": "null",
        "true": "true",
        "number": "1",
        "string": '"auth"',
        "array": "[]",
        "array-of-object": "[{}]",
        "no-members": "{}",
        "words": "hello",
        "single-quotes": "{'type':'auth'}",
        "trailing-comma": '{"type":"x",}',
        "two-objects": "{}{}",
        "deep": "[" * 5000,
        "comment": "{} // no",
    }

    def decoder(self, role: str, largest: int | None) -> Decoder:
        """Both roles send alike."""
        return _Decoder(largest)

    def identifier(self, text: str) -> str:
        """Any text may be an id."""
        return text

    def encode(self, body: Mapping[str, Any], write: Write) -> str:
        """The body as it stands."""
        return write(body)
