"""Records of the JSON hub protocol as they come, and what each asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .faults import Faults

END = "\x1e"


class FaultyRecordError(Exception):
    """The record cannot be read; the text says why, in words for the Close."""


@dataclass
class Reader:
    """Puts records together from pieces of text."""

    largest: int
    fault: Faults
    _begun: str = ""
    _bytes: int = 0

    def feed(self, piece: str) -> list[str]:
        """The records that a piece ends. Raises TooLargeError, which has those before a record over the limit."""
        ended: list[str] = []
        *whole, rest = piece.split(END)
        for text in whole:
            self._add(text, ended)
            ended.append(self._begun)
            self._begun, self._bytes = "", 0
        self._add(rest, ended)
        if self.fault("frame-is-a-record"):
            self._begun, self._bytes = "", 0
        return ended

    def _add(self, text: str, ended: list[str]) -> None:
        self._begun += text
        self._bytes += len(text) if self.fault("size-in-characters") else len(text.encode())
        over = self._bytes + self.fault("size-limit-off-by-one") > self.largest
        if over and not self.fault("oversize-accepted"):
            raise TooLargeError(ended)


class TooLargeError(FaultyRecordError):
    """A record is over the limit; those before it are whole."""

    def __init__(self, before: list[str]) -> None:
        super().__init__("the record is too large")
        self.before = before


@dataclass(frozen=True)
class Call:
    """An invocation, of a method or of a stream."""

    target: str
    arguments: list[Any] = field(repr=False)
    identity: str | None
    stream: bool


def read_object(text: str) -> dict[str, Any]:
    """A record's JSON object."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise FaultyRecordError("the record is not JSON") from None
    if not isinstance(value, dict):
        raise FaultyRecordError("the record is not an object")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def kind(message: dict[str, Any]) -> int:
    """The type of a message."""
    value = message.get("type")
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise FaultyRecordError("the record has no integer type")
    return int(value)


def call(message: dict[str, Any], *, stream: bool) -> Call:
    """What an invocation asks for."""
    target, arguments, identity = message.get("target"), message.get("arguments"), message.get("invocationId")
    if not isinstance(target, str):
        raise FaultyRecordError("the target of an invocation is a string")
    if not isinstance(arguments, list):
        raise FaultyRecordError("the arguments of an invocation are an array")
    if identity is not None and not isinstance(identity, str):
        raise FaultyRecordError("the invocationId of an invocation is a string")
    return Call(target, arguments, identity, stream)


def write(message: dict[str, Any]) -> str:
    """A record with its end."""
    return json.dumps(message, separators=(",", ":")) + END
