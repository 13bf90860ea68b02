"""One side of a hub connection, without a socket: frames in, messages out, the handshake first.

`role` is the role of this side. After a breach, or after the other side's Close, nothing more is read: `phase` is
`CLOSED`, and what comes is dropped.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Literal, TypeAlias

from attrs import define, field, frozen

from spec.bindings.signalr.handshake import (
    Handshake,
    HandshakeRequest,
    HandshakeResponse,
    encode_handshake,
    read_request,
    read_response,
)
from spec.bindings.signalr.messages import Close, Malformed, Message, Unknown, decode, encode
from spec.bindings.signalr.records import Broken, Records

__all__ = ["Event", "Fault", "Hub", "Misuse", "Phase"]


class Phase(Enum):
    """What may be said: a handshake, messages, nothing."""

    SHAKING = auto()
    OPEN = auto()
    CLOSED = auto()


class Misuse(RuntimeError):
    """This side was asked to say what may not be said now."""


@frozen
class Fault:
    """What the other side sent cannot be read; the text quotes nothing of it."""

    text: str
    oversize: bool = False


Event: TypeAlias = Handshake | Message | Unknown | Fault

_BREACHES = {
    Broken.OVERSIZE: Fault("the record is too large", oversize=True),
    Broken.NOT_UTF8: Fault("the record is not UTF-8"),
}


@define
class Hub:
    """A connection as one side has it. `largest` is the size that a record may have, in bytes."""

    role: Literal["client", "server"]
    largest: int | None = None
    heard: Phase = field(default=Phase.SHAKING, init=False)
    said: Phase = field(default=Phase.SHAKING, init=False)
    _records: Records = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._records = Records(self.largest)

    def receive(self, data: str | bytes) -> list[Event]:
        """Read a text frame's payload. Gives what it completes, in order; a Fault is the last."""
        events: list[Event] = []
        for record in self._records.receive(data):
            if self.heard is Phase.CLOSED:
                return events
            events.append(self._read(record))
        if self._records.broken and self.heard is not Phase.CLOSED:
            events.append(self._fail(_BREACHES[self._records.broken]))
        return events

    def receive_binary(self) -> list[Event]:
        """A binary frame came, which the JSON protocol has no use for."""
        return [] if self.heard is Phase.CLOSED else [self._fail(Fault("the frame is binary"))]

    def send(self, event: Handshake | Message) -> str:
        """The text that says this. Raises Misuse where it may not be said: out of turn, or by this role."""
        if self.said is Phase.CLOSED:
            raise Misuse("nothing follows a Close or a refused handshake")
        if isinstance(event, HandshakeRequest | HandshakeResponse):
            return self._shake(event)
        # A client need not wait for the answer to its handshake; a server that has not answered must.
        if self.said is Phase.SHAKING:
            raise Misuse("the handshake comes first")
        if isinstance(event, Close):
            self.said = Phase.CLOSED
        return encode(event)

    def _shake(self, event: Handshake) -> str:
        ours = HandshakeRequest if self.role == "client" else HandshakeResponse
        if self.said is not Phase.SHAKING or not isinstance(event, ours):
            raise Misuse(f"a {self.role} sends one {ours.__name__}, and it comes first")
        refused = isinstance(event, HandshakeResponse) and event.error is not None
        self.said = Phase.CLOSED if refused else Phase.OPEN
        return encode_handshake(event)

    def _read(self, record: str) -> Event:
        try:
            return self._handshake(record) if self.heard is Phase.SHAKING else self._message(record)
        except Malformed as problem:
            return self._fail(Fault(str(problem)))

    def _handshake(self, record: str) -> Handshake:
        if self.role == "server":
            request = read_request(record)
            self.heard = Phase.OPEN
            return request
        response = read_response(record)
        self.heard = Phase.OPEN if response.error is None else Phase.CLOSED
        return response

    def _message(self, record: str) -> Message | Unknown:
        message = decode(record)
        if isinstance(message, Close):
            self.heard = Phase.CLOSED
        return message

    def _fail(self, fault: Fault) -> Fault:
        self.heard = Phase.CLOSED
        return fault
