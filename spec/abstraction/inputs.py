"""The abstract inputs of a connection: classes of requests and messages, time, and what other members do."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

__all__ = ["LONG", "SHORT", "Input"]

LONG, SHORT = "long", "short"
"""How long a token lives that an input brings: past every timer's lead, or less than it."""


@frozen
class Input:
    """One abstract input.

    `kind` is `open` (a request for an upgrade), `receive` (a frame or message: `name` says which input of the machine),
    `wait` (nothing until the next timer fires, or for a quiet period where none runs), `close` (the client's close
    frame) or `hear` (another member broadcasts the message `name`, in the same room or `elsewhere`). `facts` are the
    classes of the facts that are asked of it; `life` is that of the token that it brings.
    """

    kind: str
    name: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    life: str = LONG
    elsewhere: bool = False

    def __str__(self) -> str:
        shown = [f"{fact}={value}" for fact, value in self.facts]
        if self.life == SHORT:
            shown.append("short-lived")
        if self.elsewhere:
            shown.append("elsewhere")
        word = self.name if self.kind == "receive" else " ".join(part for part in (self.kind, self.name) if part)
        return f"{word}({', '.join(shown)})" if shown else word

    @property
    def classes(self) -> Mapping[str, str]:
        """The facts by name."""
        return dict(self.facts)
