"""The binding `socketio`: a body for each packet of Socket.IO and of Engine.IO below it, on the WebSocket transport.

An event's body has its name as `type`, its first argument as `payload`, its acknowledgement id, a text of digits, as
`id`. Every other packet has a type of its own (`PACKETS`); an acknowledgement has the id in `reply_to`. `namespace`
stands in all that belong to one. Which of them a client may send, and when, is the document's to say; what no client,
or no server, ever sends is malformed already here.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define, field

from spec.bindings import engineio, socketio
from spec.bindings.json import decode
from spec.bindings.seam import Binary, Decoder, NotUTF8, Text, Unread, Write

__all__ = ["PACKETS", "SocketIO"]

PACKETS = ("open", "close", "ping", "pong", "connect", "connect_error", "disconnect", "ack", "noop")
"""The types of packets that are no events. An event of such a name is told apart by what stands before it."""

_EVENT = "event "
_SENT = {
    "client": {"open", "close", "pong", "upgrade", "noop", "connect", "disconnect", "event", "ack"},
    "server": {"open", "close", "ping", "noop", "connect", "connect_error", "disconnect", "event", "ack"},
}
"""What each role sends once the WebSocket is up (Engine.IO `message` is told by the packet in it)."""


@define
class _Decoder:
    role: str
    largest: int | None
    _packets: socketio.Decoder = field(factory=socketio.Decoder)

    def feed(self, frame: Text | Binary | NotUTF8) -> list[Any]:
        if self.largest is not None and frame.size > self.largest:
            return [Unread("oversize")]
        match frame:
            case NotUTF8():
                return [Unread("not_utf8")]
            case Binary(data=data):
                return list(self._read(data, "binary"))
            case Text(text):
                return list(self._read(text, "malformed"))

    def _read(self, data: str | bytes, unread: str) -> Iterable[Any]:
        try:
            packet = engineio.read_packet(data)
            if packet.kind != "message":
                yield from self._transport(packet)
                return
            found = self._packets.feed(packet.data)
        except (engineio.NotEngineIO, socketio.NotSocketIO) as problem:
            yield Unread(unread, str(problem))
            return
        if found is None:
            return
        if found.kind not in _SENT[self.role]:
            yield Unread(unread, f"a {self.role} sends no `{found.kind}`")
            return
        yield _body(found)

    def _transport(self, packet: engineio.Packet) -> Iterable[Any]:
        if packet.kind not in _SENT[self.role] or packet.data == "probe":
            yield Unread("malformed", f"a {self.role} sends no `{packet.kind}`")
        elif packet.kind in {"open", "upgrade", "noop"} and self.role == "client":
            yield {"type": "noop", "payload": {}}
        elif packet.kind == "open":
            assert isinstance(packet.data, str)
            engineio.Handshake.read(packet.data)
            yield {"type": "open", "payload": decode(packet.data)}
        elif packet.kind != "noop":
            yield {"type": packet.kind, "payload": {}}


def _body(packet: socketio.Packet) -> dict[str, Any]:
    body: dict[str, Any] = {"type": packet.kind, "namespace": packet.namespace}
    match packet.kind:
        case "event":
            name, *arguments = packet.data
            body["type"] = f"{_EVENT}{name}" if name in PACKETS or name.startswith(_EVENT) else name
            if packet.id is not None:
                body["id"] = str(packet.id)
            body |= {"payload": _plain(arguments[0])} if arguments else {}
        case "ack":
            body["reply_to"] = str(packet.id)
            body |= {"payload": _plain(packet.data[0])} if packet.data else {}
        case _:
            body["payload"] = packet.data or {}
    return body


def _plain(value: Any) -> Any:
    """A value in which attachments are placeholders again: they are no JSON, and fit no schema but an open one."""
    if isinstance(value, bytes):
        return {"_placeholder": True}
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


class SocketIO:
    """Socket.IO v5 on Engine.IO v4."""

    enveloped = False
    members = False
    ends = ""
    malformed: Mapping[str, str] = {
        "empty": "",
        "engine-type-7": "7",
        "engine-type-9": "9x",
        "engine-type-letter": "x",
        "engine-ping": "2",
        "engine-ping-probe": "2probe",
        "packet-none": "4",
        "packet-type-7": "47",
        "packet-type-9": '49["handfast"]',
        "packet-type-letter": "4abc",
        "event-without-data": "42",
        "event-not-json": '42["handfast",',
        "event-words": "42abc",
        "event-object": '42{"handfast":1}',
        "event-text": '42"handfast"',
        "event-null": "42null",
        "event-nameless": "42[]",
        "event-name-object": '42[{"handfast":1}]',
        "event-name-null": "42[null]",
        "event-connect": '42["connect"]',
        "event-connect-error": '42["connect_error",{}]',
        "event-disconnect": '42["disconnect"]',
        "event-disconnecting": '42["disconnecting"]',
        "event-new-listener": '42["newListener"]',
        "event-remove-listener": '42["removeListener"]',
        "acknowledgement-not-json": "431[",
        "acknowledgement-object": '431{"ok":true}',
    }

    def decoder(self, role: str, largest: int | None) -> Decoder:
        """Attachments span frames, so each connection has its own."""
        return _Decoder(role, largest)

    def identifier(self, text: str) -> str:
        """Acknowledgement ids are numbers; different texts have different ones but by a rare chance."""
        return str(zlib.crc32(text.encode("utf-8", "surrogatepass")))

    def encode(self, body: Mapping[str, Any], write: Write) -> str:
        """The frame of a body; what a packet does not carry is left out."""
        kind, namespace = str(body["type"]), body.get("namespace", "/")
        arguments = [body["payload"]] if "payload" in body else []
        match kind:
            case "open":
                return f"0{write(body.get('payload', {}))}"
            case "close" | "ping" | "pong" | "noop":
                return str(engineio.KINDS.index(kind))
            case "connect" | "connect_error":
                return _packet(kind, namespace, "", write(body["payload"]) if body.get("payload") else "")
            case "disconnect":
                return _packet(kind, namespace, "", "")
            case "ack":
                return _packet(kind, namespace, body.get("reply_to", "1"), write(arguments))
        return _packet("event", namespace, body.get("id", ""), write([kind.removeprefix(_EVENT), *arguments]))


def _packet(kind: str, namespace: str, number: str, data: str) -> str:
    space = f"{namespace}," if namespace != "/" else ""
    return f"4{socketio.KINDS.index(kind)}{space}{number}{data}"
