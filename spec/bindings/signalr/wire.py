"""The binding `signalr`: what of a hub connection documents know as messages, and back.

An invocation is a body whose type is its target and whose payload are its arguments. Every other packet is one whose
type is a name of `PACKETS`, the handshakes too, which are told from the rest by being first. `reply_to` is the
`invocationId` of what answers an invocation, `id` that of an invocation itself. A client may choose any target; one
that is called like a packet gets parentheses behind it, so that it is no packet, and nothing that a document declares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define

from spec.bindings.seam import Binary, Decoder, NotUTF8, Text, Unread, Write
from spec.bindings.signalr.handshake import HandshakeRequest, HandshakeResponse
from spec.bindings.signalr.messages import (
    ABSENT,
    Ack,
    CancelInvocation,
    Close,
    Completion,
    Invocation,
    Ping,
    StreamInvocation,
    StreamItem,
    Unknown,
)
from spec.bindings.signalr.messages import Sequence as SequenceMessage
from spec.bindings.signalr.protocol import Event, Fault, Hub
from spec.bindings.signalr.records import SEPARATOR, terminated

__all__ = ["PACKETS", "SignalR"]

HANDSHAKE, UNKNOWN = "handshake", "unknown"
_TYPES = {
    "stream_item": 2,
    "completion": 3,
    "stream": 4,
    "cancel": 5,
    "ping": 6,
    "close": 7,
    "ack": 8,
    "sequence": 9,
}
PACKETS = (HANDSHAKE, *_TYPES, UNKNOWN)
"""The types of bodies that are no invocations; `unknown` is a packet of a type that nobody knows."""

_NAMELESS = {"ping", "close", "ack", "sequence"}
"""The types of packets that belong to no invocation."""

_MALFORMED = {
    "nothing": "",
    "brace": "{",
    "words": "hello",
    "text": '"GetConnection"',
    "number": "1",
    "null": "null",
    "list": '[{"type":6}]',
    "two": '{"type":6}{"type":6}',
    "no-members": "{}",
    "type-null": '{"type":null}',
    "type-text": '{"type":"1","target":"GetConnection","arguments":[]}',
    "type-true": '{"type":true,"target":"GetConnection","arguments":[]}',
    "type-fraction": '{"type":1.5,"target":"GetConnection","arguments":[]}',
    "type-list": '{"type":[1],"target":"GetConnection","arguments":[]}',
    "target-missing": '{"type":1,"invocationId":"x","arguments":[]}',
    "target-null": '{"type":1,"invocationId":"x","target":null,"arguments":[]}',
    "target-number": '{"type":1,"invocationId":"x","target":7,"arguments":[]}',
    "arguments-missing": '{"type":1,"invocationId":"x","target":"GetConnection"}',
    "arguments-null": '{"type":1,"invocationId":"x","target":"GetConnection","arguments":null}',
    "arguments-object": '{"type":1,"invocationId":"x","target":"GetConnection","arguments":{}}',
    "arguments-text": '{"type":1,"invocationId":"x","target":"GetConnection","arguments":"[]"}',
    "invocation-id-number": '{"type":1,"invocationId":7,"target":"GetConnection","arguments":[]}',
    "invocation-id-list": '{"type":1,"invocationId":["x"],"target":"GetConnection","arguments":[]}',
    "invocation-id-object": '{"type":1,"invocationId":{},"target":"GetConnection","arguments":[]}',
}

_ESCAPE = "()"
_OF_BODIES = ("type", "id", "reply_to", "payload")


class SignalR:
    """The JSON hub protocol, version 1; it holds nothing of a connection."""

    enveloped = False
    members = True
    ends = SEPARATOR
    malformed: Mapping[str, str] = {name: terminated(record) for name, record in _MALFORMED.items()}

    def identifier(self, text: str) -> str:
        """Any text may be an invocation id."""
        return text

    def decoder(self, role: str, largest: int | None) -> Decoder:
        """A decoder of what a role sends: a handshake, then messages."""
        return _Decoder(Hub("server" if role == "client" else "client", largest))

    def encode(self, body: Mapping[str, Any], write: Write) -> str:
        """The record of a body; members that bodies do not have are the record's own."""
        return terminated(write(_record(body)))


@define
class _Decoder:
    _hub: Hub

    def feed(self, frame: Text | Binary | NotUTF8) -> Sequence[Any]:
        """The bodies that a frame completes; nothing is read behind what cannot be."""
        match frame:
            case NotUTF8():
                return [] if self._ended() else [Unread("not_utf8")]
            case Binary():
                return [Unread("binary")] if self._hub.receive_binary() else []
            case Text(text=text):
                return [_body(event) for event in self._hub.receive(text)]

    def _ended(self) -> bool:
        return not self._hub.receive_binary()


def _body(event: Event) -> Any:
    match event:
        case Fault(text=text, oversize=oversize):
            return Unread("oversize" if oversize else "malformed", text)
        case HandshakeRequest(protocol=protocol, version=version):
            return _packet(HANDSHAKE, protocol=protocol, version=version)
        case HandshakeResponse(error=error):
            return _packet(HANDSHAKE, error=ABSENT if error is None else error)
        case Invocation(target=target, arguments=arguments, invocation_id=name):
            kind = target + _ESCAPE if target in PACKETS else target
            return {"type": kind, **({} if name is ABSENT else {"id": name}), "payload": arguments}
        case StreamInvocation(target=target, arguments=arguments, invocation_id=name):
            return {"type": "stream", "id": name, "payload": {"target": target, "arguments": arguments}}
        case StreamItem(invocation_id=name, item=item):
            return {**_packet("stream_item", item=item), "reply_to": name}
        case Completion(invocation_id=name, result=result, error=error):
            return {**_packet("completion", result=result, error=error), "reply_to": name}
        case CancelInvocation(invocation_id=name):
            return {**_packet("cancel"), "reply_to": name}
        case Ping():
            return _packet("ping")
        case Close(error=error, allow_reconnect=allowed):
            return _packet("close", error=error, allowReconnect=allowed)
        case Ack(sequence_id=number):
            return _packet("ack", sequenceId=number)
        case SequenceMessage(sequence_id=number):
            return _packet("sequence", sequenceId=number)
        case Unknown(type=number):
            return _packet(UNKNOWN, type=number)


def _packet(name: str, **members: Any) -> dict[str, Any]:
    return {"type": name, "payload": {key: value for key, value in members.items() if value is not ABSENT}}


def _record(body: Mapping[str, Any]) -> dict[str, Any]:
    kind, payload = body.get("type"), body.get("payload")
    more = {name: value for name, value in body.items() if name not in _OF_BODIES}
    own = payload if isinstance(payload, dict) else {}
    if kind in (HANDSHAKE, UNKNOWN):
        return {**own, **more}
    # What belongs to an invocation must name one; an invocation itself need not have a name.
    named = "id" in body or "reply_to" in body or kind in _TYPES
    name = {"invocationId": body.get("reply_to", body.get("id", ""))} if named and kind not in _NAMELESS else {}
    if kind in _TYPES:
        return {"type": _TYPES[str(kind)], **name, **own, **more}
    target = kind.removesuffix(_ESCAPE) if isinstance(kind, str) and kind.removesuffix(_ESCAPE) in PACKETS else kind
    return {"type": 1, **name, "target": target, "arguments": payload, **more}
