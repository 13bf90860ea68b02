"""Engine.IO, protocol revision 4, as it stands in WebSocket frames: one packet in each.

The published text is the README of github.com/socketio/engine.io-protocol. A text frame is a digit and the packet's
data; a binary frame is the data of a `message` packet, without a digit. Long-polling is left out.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import frozen

from spec.bindings.json import NotJSON, decode, encode

__all__ = ["KINDS", "Handshake", "NotEngineIO", "Packet", "read_packet", "write_packet"]

KINDS = ("open", "close", "ping", "pong", "message", "upgrade", "noop")
"""The packet types, each at the place of its digit."""

_BARE = {"close", "upgrade", "noop"}
# `2probe` and `3probe` belong to the upgrade from long-polling, which is none here, but they are packets.
_HEARTBEAT = {"ping": ("", "probe"), "pong": ("", "probe")}
_HANDSHAKE = {"sid": str, "upgrades": list, "pingInterval": int, "pingTimeout": int, "maxPayload": int}
_SID = re.compile(r"[!-~]+")


class NotEngineIO(ValueError):
    """The frame is no packet of Engine.IO."""


@frozen
class Packet:
    """One packet; `data` is bytes for a message that came in a binary frame."""

    kind: str
    data: str | bytes = ""


@frozen
class Handshake:
    """What the `open` packet says: times in milliseconds, the largest payload in bytes."""

    sid: str
    ping_interval: int
    ping_timeout: int
    max_payload: int
    upgrades: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Handshake:
        """Read the data of an `open` packet; members that nobody knows are ignored. Raises NotEngineIO."""
        try:
            found = decode(text)
        except NotJSON as problem:
            raise NotEngineIO(f"the handshake is not JSON: {problem}") from None
        if not isinstance(found, dict):
            raise NotEngineIO("the handshake is no JSON object")
        for name, kind in _HANDSHAKE.items():
            if type(found.get(name)) is not kind:
                raise NotEngineIO(f"the handshake has no `{name}` of its type")
        if not _SID.fullmatch(found["sid"]) or min(found[n] for n, kind in _HANDSHAKE.items() if kind is int) < 0:
            raise NotEngineIO("the handshake has values out of their range")
        if not all(isinstance(name, str) for name in found["upgrades"]):
            raise NotEngineIO("the handshake's upgrades are no texts")
        times = found["pingInterval"], found["pingTimeout"], found["maxPayload"]
        return cls(found["sid"], *times, tuple(found["upgrades"]))

    def write(self) -> str:
        """The data of the `open` packet."""
        values = (self.sid, list(self.upgrades), self.ping_interval, self.ping_timeout, self.max_payload)
        members: dict[str, Any] = dict(zip(_HANDSHAKE, values, strict=True))
        return encode(members)


def read_packet(frame: str | bytes) -> Packet:
    """Read the payload of one WebSocket message: text, or bytes of a binary one. Raises NotEngineIO."""
    if isinstance(frame, bytes):
        return Packet("message", frame)
    if not frame:
        raise NotEngineIO("an empty frame")
    digit, data = frame[0], frame[1:]
    if digit not in "0123456":
        raise NotEngineIO(f"no packet has the type {digit!r}")
    kind = KINDS[int(digit)]
    if kind in _BARE and data:
        raise NotEngineIO(f"`{kind}` has no data")
    if data not in _HEARTBEAT.get(kind, (data,)):
        raise NotEngineIO(f"`{kind}` has other data than `probe`")
    return Packet(kind, data)


def write_packet(packet: Packet) -> str | bytes:
    """The payload of the WebSocket message that carries a packet: a text message for text, a binary one for bytes."""
    if isinstance(packet.data, bytes):
        if packet.kind != "message":
            raise ValueError(f"`{packet.kind}` carries no bytes")
        return packet.data
    return f"{KINDS.index(packet.kind)}{packet.data}"
