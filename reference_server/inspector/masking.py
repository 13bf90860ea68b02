"""What the inspector shows of messages and state: everything but secrets.

A member that the document calls secret is never shown, nor is anything that looks like a token, a value that the
deployment was given, or the key by which somebody takes up a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from reference_server.logs import redact
from spec.expressions import pointer_get, pointer_put
from spec.machine.world import World
from spec.model import Document

__all__ = ["HIDDEN", "Mask"]

HIDDEN = "[redacted]"
_CUT = "…"
# Whoever looks on must cost little, whatever is sent: a message may be a megabyte, or nested a thousand deep.
_DEEPEST, _LONGEST, _MOST = 16, 2000, 100


class Mask:
    """Hides the secrets of one protocol as deployed."""

    def __init__(self, document: Document, deployment: Mapping[str, str], world: World) -> None:
        self._document = document
        self._world = world
        self._given = [value for value in deployment.values() if value]
        self._payload = document.envelope.payload

    def message(self, role: str, name: str, body: Any) -> Any:
        """A whole message of a role."""
        message = self._document.messages.get(name)
        form = None if message is None else message.client if role == "client" else message.server
        shown = self.value(body)
        for pointer in form.secret if form is not None and isinstance(shown, dict) else ():
            if pointer_get(shown, self._payload + pointer):
                pointer_put(shown, self._payload + pointer, HIDDEN)
        return shown

    def value(self, value: Any, depth: int = 0) -> Any:
        """Any value, as JSON; what is long or deep is cut."""
        match value:
            case None | bool() | int() | float():
                return value
            case Mapping() | list() | tuple() | set() | frozenset() if depth >= _DEEPEST:
                return _CUT
            case Mapping():
                few = islice(value.items(), _MOST)
                shown = {self._text(str(name)): self.value(member, depth + 1) for name, member in few}
                return shown if len(value) <= _MOST else {**shown, _CUT: f"{len(value)} members"}
            case list() | tuple() | set() | frozenset():
                items = [self.value(item, depth + 1) for item in islice(value, _MOST)]
                return items if len(value) <= _MOST else [*items, f"{_CUT} {len(value)} items"]
        return self._text(str(value))

    def _text(self, text: str) -> str:
        links = self._world.links.known
        if any((kind, text) in links for kind in self._document.links):
            return HIDDEN
        for secret in self._given:
            text = text.replace(secret, HIDDEN)
        shown = str(redact(None, "", {"text": text})["text"])
        return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}{_CUT}"
