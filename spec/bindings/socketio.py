"""Socket.IO, protocol revision 5, with its default parser: packets as the data of Engine.IO messages.

The published text is the Readme of github.com/socketio/socket.io-protocol:

    <packet type>[<# of binary attachments>-][<namespace>,][<acknowledgment id>][JSON-stringified payload without
    binary]

Attachments follow, each a message of bytes. What that text leaves open is read strictly here: a namespace other than
`/` ends with a comma, numbers have no leading zeros, a packet of a binary kind has attachments, and its payload names
each of them once. The names that are reserved are those of the published implementation (socket.io-parser).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from spec.bindings.json import NotJSON, decode, encode

__all__ = ["KINDS", "RESERVED", "Decoder", "NotSocketIO", "Packet", "write_packet"]

KINDS = ("connect", "disconnect", "event", "ack", "connect_error", "binary_event", "binary_ack")
"""The packet types, each at the place of its digit; the binary ones are written and read as `event` and `ack`."""

RESERVED = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"})
"""Names that no event has."""

_LARGEST_ID = 2**53 - 1
"""Acknowledgement ids are numbers of JavaScript."""

_HEAD = re.compile(
    r"(?P<count>(?:0|[1-9][0-9]*)-)?(?:(?P<namespace>/[^,]*),)?(?P<id>0|[1-9][0-9]*)?(?P<data>[^0-9].*)?", re.S
)
_PLAIN = {"binary_event": "event", "binary_ack": "ack"}


class NotSocketIO(ValueError):
    """What came is no packet of Socket.IO, or not in its turn."""


@frozen
class Packet:
    """One packet, whole: `data` is JSON, in which bytes stand where attachments did; None where there is none.

    `event` has a list that begins with the event's name, `ack` a list, `connect` nothing or an object, `connect_error`
    an object with a `message`, `disconnect` nothing.
    """

    kind: str
    data: Any = None
    namespace: str = "/"
    id: int | None = None


@define
class Decoder:
    """Reads the packets that one peer sends; feed it the data of each Engine.IO message, in order.

    After NotSocketIO the connection is to be closed; nothing can be read any more.
    """

    _waiting: Packet | None = None
    _count: int = 0
    _parts: list[bytes] = field(factory=list)

    def feed(self, data: str | bytes) -> Packet | None:
        """Read one message: gives the packet that it completes, or None while attachments are awaited."""
        if isinstance(data, bytes):
            return self._attach(data)
        if self._waiting is not None:
            raise NotSocketIO("text where an attachment is awaited")
        packet, count = _read_text(data)
        if count == 0:
            return packet
        self._waiting, self._count = packet, count
        return None

    def _attach(self, data: bytes) -> Packet | None:
        if self._waiting is None:
            raise NotSocketIO("bytes that no packet announced")
        self._parts.append(data)
        if len(self._parts) < self._count:
            return None
        parts, self._parts = self._parts, []
        packet, self._waiting = self._waiting, None
        return evolve(packet, data=_filled(packet.data, parts))


def _read_text(text: str) -> tuple[Packet, int]:
    """A packet without its attachments, and how many these are."""
    digit = text[:1]
    if digit not in {"0", "1", "2", "3", "4", "5", "6"}:
        raise NotSocketIO(f"no packet has the type {digit!r}")
    kind = KINDS[int(digit)]
    head = _HEAD.fullmatch(text, 1)
    if head is None:
        raise NotSocketIO("a head that cannot be read")
    binary = kind in _PLAIN
    if binary != (head["count"] is not None):
        raise NotSocketIO(f"`{kind}` {'without' if binary else 'with'} a number of attachments")
    count = int(head["count"][:-1]) if binary else 0
    number = None if head["id"] is None else int(head["id"])
    packet = Packet(_PLAIN.get(kind, kind), _data(head["data"]), head["namespace"] or "/", number)
    _check(packet)
    if binary and (count == 0 or sorted(_placeholders(packet.data)) != list(range(count))):
        raise NotSocketIO("the attachments are not each named once")
    return packet, count


def _data(text: str | None) -> Any:
    if text is None:
        return None
    try:
        found = decode(text)
    except NotJSON as problem:
        raise NotSocketIO(f"the payload is not JSON: {problem}") from None
    if found is None:
        raise NotSocketIO("the payload is null")
    return found


def _check(packet: Packet) -> None:
    """Whether a packet has what its kind has, and nothing else."""
    kind, data = packet.kind, packet.data
    if packet.id is not None and (kind not in {"event", "ack"} or packet.id > _LARGEST_ID):
        raise NotSocketIO(f"`{kind}` with the acknowledgement id {packet.id}")
    match kind:
        case "event":
            if not (isinstance(data, list) and data and isinstance(data[0], str)):
                raise NotSocketIO("an event without a name")
            if data[0] in RESERVED:
                raise NotSocketIO(f"an event with the reserved name `{data[0]}`")
        case "ack":
            if packet.id is None or not isinstance(data, list):
                raise NotSocketIO("an acknowledgement without an id or a list")
        case "connect":
            if not (data is None or isinstance(data, dict)):
                raise NotSocketIO("a connect packet whose payload is no object")
        case "connect_error":
            if not (isinstance(data, dict) and isinstance(data.get("message"), str)):
                raise NotSocketIO("a connect error without a message")
        case "disconnect":
            if data is not None:
                raise NotSocketIO("a disconnect packet with a payload")


def _is_placeholder(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("_placeholder") is True


def _placeholders(value: Any) -> list[int]:
    """The numbers of the attachments that a payload names; -1 for what is no number of one."""
    if _is_placeholder(value):
        number = value.get("num")
        return [number if type(number) is int else -1]
    if isinstance(value, dict):
        value = list(value.values())
    return [number for item in value for number in _placeholders(item)] if isinstance(value, list) else []


def _filled(value: Any, parts: list[bytes]) -> Any:
    if _is_placeholder(value):
        return parts[value["num"]]
    if isinstance(value, dict):
        return {name: _filled(member, parts) for name, member in value.items()}
    return [_filled(item, parts) for item in value] if isinstance(value, list) else value


def write_packet(packet: Packet) -> list[str | bytes]:
    """The data of the Engine.IO messages that carry a packet; ValueError for what is none."""
    try:
        _check(packet)
    except NotSocketIO as problem:
        raise ValueError(str(problem)) from None
    parts: list[str | bytes] = []
    data = _emptied(packet.data, parts)
    if parts and _placeholders(packet.data):
        raise ValueError("beside attachments, an object with `_placeholder` would be read as one")
    kind = f"binary_{packet.kind}" if parts else packet.kind
    head = f"{KINDS.index(kind)}{f'{len(parts)}-' if parts else ''}"
    head += f"{packet.namespace}," if packet.namespace != "/" else ""
    head += "" if packet.id is None else str(packet.id)
    return [head if data is None else head + encode(data), *parts]


def _emptied(value: Any, parts: list[str | bytes]) -> Any:
    """A payload with a placeholder for every run of bytes, which is put to the others."""
    if isinstance(value, bytes):
        parts.append(value)
        return {"_placeholder": True, "num": len(parts) - 1}
    if isinstance(value, dict):
        return {name: _emptied(member, parts) for name, member in value.items()}
    return [_emptied(item, parts) for item in value] if isinstance(value, list) else value
