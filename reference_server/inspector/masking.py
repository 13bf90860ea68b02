"""What the inspector shows of messages and state: everything but secrets.

A member that the document calls secret is never shown, nor is anything that looks like a token, a value that the
deployment was given, or the key by which somebody takes up a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from math import isfinite
from typing import Any

from attrs import define

from reference_server.logs import redact
from spec.expressions import pointer_get, pointer_put
from spec.machine.world import World
from spec.model import Document

__all__ = ["HIDDEN", "Mask"]

HIDDEN = "[redacted]"
_CUT = "…"
# Whoever looks on must cost little, whatever is sent: a message may be a megabyte, or nested a thousand deep.
_DEEPEST, _LONGEST, _MOST, _ALL = 16, 2000, 100, 20_000


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

    def value(self, value: Any) -> Any:
        """Any value, as JSON; what is long or deep is cut."""
        return self._shown(value, _Budget(_ALL), 0)

    def _shown(self, value: Any, budget: _Budget, depth: int) -> Any:
        budget.left -= 4
        if budget.left < 0:
            return _CUT
        match value:
            case None | bool() | int():
                return value
            case float():
                # A number of JSON may be past every double.
                return value if isfinite(value) else str(value)
            case Mapping() | list() | tuple() | set() | frozenset() if depth >= _DEEPEST:
                return _CUT
            case Mapping():
                few = islice(value.items(), _MOST)
                shown = {self._text(str(n), budget): self._shown(member, budget, depth + 1) for n, member in few}
                return shown if len(value) <= _MOST else {**shown, _CUT: f"{len(value)} members"}
            case list() | tuple() | set() | frozenset():
                items = [self._shown(item, budget, depth + 1) for item in islice(value, _MOST)]
                return items if len(value) <= _MOST else [*items, f"{_CUT} {len(value)} items"]
        return self._text(str(value), budget)

    def _text(self, text: str, budget: _Budget) -> str:
        links = self._world.links.known
        if any((kind, text) in links for kind in self._document.links):
            return HIDDEN
        # A secret that is cut in two would not be found: more is searched than is shown.
        shown = text[: 2 * _LONGEST]
        for secret in self._given:
            shown = shown.replace(secret, HIDDEN)
        shown = str(redact(None, "", {"text": shown})["text"])
        budget.left -= min(len(shown), _LONGEST)
        return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}{_CUT}"


@define
class _Budget:
    """How many characters may still be shown of one value."""

    left: int
