"""The messages of the JSON hub protocol, version 1, and how each stands in a record (HubProtocol.md, "JSON Encoding").

What a message must have is required; members that nobody names are ignored, as every real peer does, though the text
calls them an error ("It is a protocol error for any message … to have an unrecognized field").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeAlias

from attrs import frozen

from spec.bindings.json import NotJSON
from spec.bindings.json import decode as read_json
from spec.bindings.json import encode as write_json
from spec.bindings.signalr.records import terminated

__all__ = [
    "ABSENT",
    "Ack",
    "CancelInvocation",
    "Close",
    "Completion",
    "Invocation",
    "Malformed",
    "Message",
    "Ping",
    "Sequence",
    "StreamInvocation",
    "StreamItem",
    "Unknown",
    "decode",
    "encode",
    "read_object",
]


class Malformed(ValueError):
    """A record that is no message of the protocol; its text says what is wrong and quotes nothing of it."""


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent.ABSENT
"""No such member, where null would be a value."""

Text: TypeAlias = str | _Absent
Headers: TypeAlias = Mapping[str, str] | _Absent
"""Nobody defines any headers; whoever receives them disregards them."""


# ------------------------------------------------------------------------------------------------------ messages


@frozen
class Invocation:
    """Calls a method of the other side; without an id it is answered by nothing."""

    target: str
    arguments: list[Any]
    invocation_id: Text = ABSENT
    stream_ids: list[str] | _Absent = ABSENT
    headers: Headers = ABSENT


@frozen
class StreamItem:
    """One item of a stream."""

    invocation_id: str
    item: Any
    headers: Headers = ABSENT


@frozen
class Completion:
    """Ends an invocation: with a result, with an error, or with neither where the method gives nothing."""

    invocation_id: str
    result: Any = ABSENT
    error: Text = ABSENT
    headers: Headers = ABSENT

    def __attrs_post_init__(self) -> None:
        if self.result is not ABSENT and self.error is not ABSENT:
            raise Malformed("a completion has a result or an error, not both")


@frozen
class StreamInvocation:
    """Calls a method that answers by a stream."""

    target: str
    arguments: list[Any]
    invocation_id: str
    stream_ids: list[str] | _Absent = ABSENT
    headers: Headers = ABSENT


@frozen
class CancelInvocation:
    """Asks that an invocation be given up; a completion is due all the same."""

    invocation_id: str
    headers: Headers = ABSENT


@frozen
class Ping:
    """Says that its sender is there; nothing answers it."""


@frozen
class Close:
    """The last message of its sender. A client that reconnects by itself does so only where it is allowed."""

    error: Text = ABSENT
    allow_reconnect: bool | _Absent = ABSENT


@frozen
class Ack:
    """The highest message received, in a connection with stateful reconnect."""

    sequence_id: int


@frozen
class Sequence:
    """The number of the next message, first on a connection that was resumed with stateful reconnect."""

    sequence_id: int


@frozen
class Unknown:
    """A type that this version does not name; who receives it ignores it."""

    type: int


Message: TypeAlias = (
    Invocation | StreamItem | Completion | StreamInvocation | CancelInvocation | Ping | Close | Ack | Sequence
)

# ------------------------------------------------------------------------------------------------------- members


def _integer(value: Any) -> int | None:
    """The integer that a JSON number is, `1.0` and `1e0` included; a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


@frozen
class _Kind:
    """What a member's value must be, in words and as a test; whether null is a value of it."""

    text: str
    fits: Callable[[Any], bool]
    nullable: bool = False


_STRING = _Kind("a string", lambda value: isinstance(value, str))
_STRINGS = _Kind("an array of strings", _is_strings)
_ARRAY = _Kind("an array", lambda value: isinstance(value, list))
_BOOLEAN = _Kind("true or false", lambda value: isinstance(value, bool))
_COUNT = _Kind("an integer from 0 on", lambda value: (number := _integer(value)) is not None and number >= 0)
_VALUE = _Kind("there", lambda value: True, nullable=True)
_HEADERS = _Kind("an object of strings", _is_headers)


@frozen
class _Member:
    attribute: str
    name: str
    kind: _Kind
    optional: bool = False


_ID = _Member("invocation_id", "invocationId", _STRING)
_CALL = (_Member("target", "target", _STRING), _Member("arguments", "arguments", _ARRAY))
_STREAMS = _Member("stream_ids", "streamIds", _STRINGS, optional=True)
_HEADED = _Member("headers", "headers", _HEADERS, optional=True)
_ERROR = _Member("error", "error", _STRING, optional=True)
_NUMBER = _Member("sequence_id", "sequenceId", _COUNT)

_TYPES: Mapping[int, tuple[type[Any], tuple[_Member, ...]]] = {
    1: (Invocation, (_Member("invocation_id", "invocationId", _STRING, optional=True), *_CALL, _STREAMS, _HEADED)),
    2: (StreamItem, (_ID, _Member("item", "item", _VALUE), _HEADED)),
    3: (Completion, (_ID, _Member("result", "result", _VALUE, optional=True), _ERROR, _HEADED)),
    4: (StreamInvocation, (_ID, *_CALL, _STREAMS, _HEADED)),
    5: (CancelInvocation, (_ID, _HEADED)),
    6: (Ping, ()),
    7: (Close, (_ERROR, _Member("allow_reconnect", "allowReconnect", _BOOLEAN, optional=True))),
    8: (Ack, (_NUMBER,)),
    9: (Sequence, (_NUMBER,)),
}
_NUMBERS = {kind: number for number, (kind, _) in _TYPES.items()}

# --------------------------------------------------------------------------------------------------------- codec


def encode(message: Message) -> str:
    """A message as a record, with its separator; members that are absent are left out."""
    number = _NUMBERS[type(message)]
    members = ((member.name, getattr(message, member.attribute)) for member in _TYPES[number][1])
    return terminated(write_json({"type": number} | {name: value for name, value in members if value is not ABSENT}))


def decode(record: str) -> Message | Unknown:
    """Read a record, without its separator. Raises Malformed."""
    body = read_object(record)
    number = _integer(body.get("type"))
    if number is None:
        raise Malformed("the record has no integer `type`")
    if number not in _TYPES:
        return Unknown(number)
    kind, members = _TYPES[number]
    message: Message = kind(**{member.attribute: _read(kind.__name__, member, body) for member in members})
    return message


def read_object(record: str) -> dict[str, Any]:
    """Read a record that must be a JSON object. Raises Malformed."""
    try:
        body = read_json(record)
    except NotJSON:
        raise Malformed("the record is not JSON") from None
    if not isinstance(body, dict):
        raise Malformed("the record is no JSON object")
    return body


def _read(kind: str, member: _Member, body: Mapping[str, Any]) -> Any:
    """One member's value. Null counts as absent where the member is optional and null is no value of it."""
    value = body.get(member.name, ABSENT)
    if member.optional and (value is ABSENT or (value is None and not member.kind.nullable)):
        return ABSENT
    if value is ABSENT or not member.kind.fits(value):
        raise Malformed(f"`{member.name}` of {kind} is not {member.kind.text}")
    return _integer(value) if member.kind is _COUNT else value
