"""The seam between a document and its wire: frames become bodies, and bodies become frames.

A *body* is a JSON object as the rest of the project knows messages: its discriminator, id, reply member and payload
stand where the document's `wire.envelope` says. For `json` a body is what is on the wire; other bindings make bodies of
their packets, those of the transport included (a ping, a connect packet), so that whatever comes is an input that the
document decides and whatever goes is an output that it declares. So timers, states and rules stand in documents, and a
binding has none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen

__all__ = ["Binary", "Binding", "Breach", "Decoder", "Frame", "NotUTF8", "Text", "Unread", "Write", "frame_fault"]


@frozen
class Text:
    """A text message after reassembly; `size` is its payload in bytes."""

    text: str
    size: int


@frozen
class Binary:
    """A binary message; `data` is empty where nobody needs it."""

    size: int
    data: bytes = b""


@frozen
class NotUTF8:
    """A text message whose bytes are not UTF-8."""

    size: int


@frozen
class Breach:
    """A frame for which RFC 6455 fails the connection; `kind` is one of the document's `framing`."""

    kind: str


Frame = Text | Binary | NotUTF8 | Breach


@frozen
class Unread:
    """What is no message: the input that it is (`oversize`, `binary`, `not_utf8`, `malformed`), and why."""

    input: str
    text: str = ""


class Decoder(Protocol):
    """Reads what one peer of one connection sends; it holds what spans frames, and can be copied deeply."""

    def feed(self, frame: Text | Binary | NotUTF8) -> Sequence[Any]:
        """The bodies, and the `Unread`, that a frame completes, in their order: none, one or several."""


Write = Callable[[Any], str]
"""Writes a JSON value as text."""


class Binding(Protocol):
    """A wire; it holds nothing of a connection.

    `enveloped` says that a client writes the envelope as JSON, and so may write it wrong in any member; `members` that
    a message may have members that no body has; `malformed` are texts that are no message of a client, by what is wrong
    with them. What `ends` a message, where frames do not, counts for no size: several may then share a frame, and one
    may span frames.
    """

    enveloped: bool
    members: bool
    ends: str
    malformed: Mapping[str, str]

    def decoder(self, role: str, largest: int | None) -> Decoder:
        """A decoder of what `role` (`client` or `server`) sends; what is over `largest` bytes is `oversize`."""

    def identifier(self, text: str) -> str:
        """An id that a client may give a message, made of a text: the same for the same."""

    def encode(self, body: Mapping[str, Any], write: Write) -> str:
        """The text message that carries a body, its JSON written by `write`."""


def frame_fault(frame: Text | Binary | NotUTF8, largest: int | None) -> Unread | None:
    """Why a frame carries no text, for bindings that have one message in each: size first, then kind."""
    if largest is not None and frame.size > largest:
        return Unread("oversize")
    match frame:
        case Binary():
            return Unread("binary")
        case NotUTF8():
            return Unread("not_utf8")
    return None
