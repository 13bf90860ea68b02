"""The handshake: the first record of each side, JSON whatever it agrees on (HubProtocol.md, "Overview")."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from spec.bindings.json import encode as write_json
from spec.bindings.signalr.messages import Malformed, read_object
from spec.bindings.signalr.records import terminated

__all__ = [
    "PROTOCOL",
    "VERSION",
    "Handshake",
    "HandshakeRequest",
    "HandshakeResponse",
    "encode_handshake",
    "read_request",
    "read_response",
]

PROTOCOL = "json"
VERSION = 1


@frozen
class HandshakeRequest:
    """What a client asks for. Version 2 is stateful reconnect, of which the published text says nothing."""

    protocol: str = PROTOCOL
    version: int = VERSION

    @property
    def spoken(self) -> bool:
        """Whether it asks for what this binding is."""
        return (self.protocol, self.version) == (PROTOCOL, VERSION)


@frozen
class HandshakeResponse:
    """What the server says to it: nothing where it agrees."""

    error: str | None = None


Handshake: TypeAlias = HandshakeRequest | HandshakeResponse


def encode_handshake(handshake: Handshake) -> str:
    """A handshake as a record, with its separator."""
    match handshake:
        case HandshakeRequest(protocol=protocol, version=version):
            return terminated(write_json({"protocol": protocol, "version": version}))
        case HandshakeResponse(error=None):
            return terminated("{}")
        case HandshakeResponse(error=error):
            return terminated(write_json({"error": error}))


def read_request(record: str) -> HandshakeRequest:
    """Read a client's first record. Raises Malformed for what is no handshake."""
    body = read_object(record)
    protocol, version = body.get("protocol"), body.get("version")
    if not isinstance(protocol, str):
        raise Malformed("`protocol` of the handshake is not a string")
    if isinstance(version, bool) or not isinstance(version, int | float) or version != version // 1:
        raise Malformed("`version` of the handshake is not an integer")
    return HandshakeRequest(protocol, int(version))


def read_response(record: str) -> HandshakeResponse:
    """Read a server's first record. Raises Malformed for what is no answer to a handshake."""
    body = read_object(record)
    if "type" in body:
        raise Malformed("a message came before the answer to the handshake")
    error = body.get("error")
    if error is not None and not isinstance(error, str):
        raise Malformed("`error` of the handshake is not a string")
    return HandshakeResponse(error)
