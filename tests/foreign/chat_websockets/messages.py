"""The messages: reading a client's, writing the server's."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass
from typing import Any

from .faults import Faults
from .moments import is_rfc3339, write
from .strict_json import NotJsonError, is_unicode, loads

ID_CHARACTERS = 128
CONTENT_CHARACTERS = 4_000

# Code: may the client try again, and what people are told.
ERRORS: dict[str, tuple[bool, str]] = {
    "AUTH_REQUIRED": (True, "Authenticate first."),
    "AUTH_TIMEOUT": (True, "No token arrived in time."),
    "REAUTH_TIMEOUT": (True, "The token expired and was not replaced."),
    "TOKEN_EXPIRED": (True, "The token has expired."),
    "TOKEN_INVALID": (False, "The token is not valid."),
    "AUTH_REPLAYED": (False, "This message has already been used to authenticate."),
    "SUBJECT_MISMATCH": (False, "The token belongs to somebody else."),
    "RATE_LIMITED": (True, "Too many attempts; try again later."),
    "MESSAGE_INVALID": (False, "The message is not valid."),
    "MESSAGE_UNKNOWN_TYPE": (False, "The type of the message is not known here."),
}


class InvalidMessageError(Exception):
    """Not a valid envelope; ``reply_to`` is its id where it has a valid one."""

    def __init__(self, reply_to: str | None = None) -> None:
        super().__init__("invalid message")
        self.reply_to = reply_to


@dataclass(frozen=True)
class Message:
    """A client message whose envelope is valid."""

    type: str
    id: str
    payload: dict[str, Any]

    def token(self) -> str:
        """The payload of an ``auth``."""
        return self._string("token")

    def content(self, fault: Faults) -> str:
        """The payload of a ``chat_message``: a length in code points, whatever their encoding."""
        content = self._string("content")
        length = len(content.encode("utf-16-le")) // 2 if fault("content-limit-utf16") else len(content)
        if fault("content-limit-missing"):
            length = min(length, CONTENT_CHARACTERS)
        if not 1 <= length <= CONTENT_CHARACTERS:
            raise InvalidMessageError(self.id)
        return content

    def _string(self, name: str) -> str:
        value = self.payload.get(name)
        if not isinstance(value, str) or not is_unicode(value):
            raise InvalidMessageError(self.id)
        return value


_ENVELOPE = {"type", "id", "timestamp", "payload"}


def read(text: str, fault: Faults) -> Message:
    """The message in a text frame."""
    try:
        value = loads(text)
    except NotJsonError:
        raise InvalidMessageError from None
    if fault("array-unwrapped") and isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        raise InvalidMessageError
    kind, reply_to, payload = value.get("type"), _valid_id(value.get("id")), value.get("payload")
    if reply_to is None or not isinstance(kind, str) or not isinstance(payload, dict):
        raise InvalidMessageError(reply_to)
    if not is_rfc3339(value.get("timestamp")):
        raise InvalidMessageError(reply_to)
    if fault("offset-timestamps-refused") and not value["timestamp"].endswith("Z"):
        raise InvalidMessageError(reply_to)
    if fault("unknown-members-refused") and not value.keys() <= _ENVELOPE:
        raise InvalidMessageError(reply_to)
    return Message(kind, reply_to, payload)


def _valid_id(value: object) -> str | None:
    if isinstance(value, str) and 1 <= len(value) <= ID_CHARACTERS and is_unicode(value):
        return value
    return None


class Writer:
    """Writes the server's messages, each with an id that no other has."""

    def __init__(self, fault: Faults) -> None:
        self._fault = fault
        self._ids = itertools.count(1)

    def message(self, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A message that answers nobody yet."""
        now = time.time()
        identity = f"t-{now:.0f}" if self._fault("server-ids-reused") else f"s-{next(self._ids)}"
        return {"type": kind, "id": identity, "timestamp": self.moment(now), "payload": payload}

    def error(self, code: str) -> dict[str, Any]:
        """An error as the table has it."""
        retryable, text = ERRORS[code]
        return self.message("error", {"code": code, "message": text, "retryable": retryable})

    def moment(self, seconds: float) -> str:
        """A time on the wire."""
        return write(seconds, zulu=not self._fault("timestamps-with-offset"))


def encode(message: dict[str, Any], reply_to: str | None = None) -> bytes:
    """The message as it goes into a text frame."""
    if reply_to is not None:
        message = {**message, "in_reply_to": reply_to}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
