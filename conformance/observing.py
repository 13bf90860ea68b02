"""What clients observed as data, and its normal form: what is left when everything that differs from run to run is out.

Left out are the moments at which things came, values that a server chooses, names and ids of the run, and messages that
may come at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen

from spec.bindings.json import NotJSON, decode
from spec.expressions import pointer_get, pointer_put, read_moment
from spec.model import Broadcast, Document, Emit, Fail

__all__ = ["Form", "Observed", "Observer", "differing_members"]

_CHOSEN, _TIME = "(chosen)", "(a time)"
_MISSING = object()


@frozen
class Observed:
    """One event of an exchange as a client saw it, or what the script did: seconds since the start, and what.

    `kind` is `sent` or `wait` (the script's own, `value` a text), `http` (status, body, subprotocol), `text` (the
    message), `binary` (its size), `close` (code, reason) or `end` (why, where no close frame came). `step` numbers the
    script's step in which it came. Tokens and the run's names are replaced.
    """

    client: str
    kind: str
    value: Any
    at: float
    step: int

    @property
    def heard(self) -> bool:
        """Whether the other side did it."""
        return self.kind not in {"sent", "wait"}

    def rewritten(self, rewrite: Callable[[str], str]) -> Observed:
        """The event with its texts rewritten."""
        if isinstance(self.value, tuple):
            return evolve(self, value=tuple(rewrite(v) if isinstance(v, str) else v for v in self.value))
        return evolve(self, value=rewrite(self.value)) if isinstance(self.value, str) else self


@frozen
class Form:
    """The normal form of an event: what it is in a few words, and everything about it that can be compared.

    `clocked` says that a timer may have sent it.
    """

    label: str
    content: str
    clocked: bool = False


class Observer:
    """Puts events of a document's protocol into normal form."""

    def __init__(self, document: Document) -> None:
        self._envelope = document.envelope
        self._document = document
        expired = [e for state in document.states.values() for t in state.timers for c in t.expire for e in c.do]
        self._clocked = {f"{document.error_message} {e.code}" for e in expired if isinstance(e, Fail)}
        self._clocked |= {e.message for e in expired if isinstance(e, Emit | Broadcast)}
        self._unsolicited = {emit.message for state in document.states.values() for emit in state.may_send}

    def form(self, event: Observed) -> Form | None:
        """The normal form of what a client heard; None for what may come at any time."""
        match event.kind, event.value:
            case "http", (status, body, subprotocol):
                found = _json(body)
                code = found.get("code") if isinstance(found, dict) else None
                label = " ".join(str(part) for part in (status, code, subprotocol) if part is not None)
                return Form(label, label)
            case "text", str(text):
                return self._message(text)
            case "binary", size:
                return Form("a binary message", f"binary {size}")
            case "close", (code, reason):
                said = reason if code in self._document.close_reasons else ""
                label = f"close {code if code != 1005 else '(no code)'} {said}".rstrip()
                return Form(label, label)
            case _, text:
                label = "broken framing" if str(text).startswith("framing") else "end without a close frame"
                return Form(label, label)

    def texts(self, event: Observed) -> dict[str, str]:
        """The texts of an event that the server words as it likes, by what they are."""
        if event.kind == "close" and event.value[0] not in self._document.close_reasons:
            return {f"close {event.value[0]}'s reason": event.value[1]}
        body = _json(event.value) if event.kind == "text" else None
        name = pointer_get(body, self._envelope.discriminator) if isinstance(body, dict) else None
        if not isinstance(name, str):
            return {}
        found = {}
        for pointer, entry in self._chosen(name).items():
            text = pointer_get(body, pointer)
            if entry["kind"] == "text" and isinstance(text, str):
                found[f"{name}{_code(body, self._envelope.payload)} {pointer.rpartition('/')[2]}"] = text
        return found

    def _message(self, text: str) -> Form | None:
        body = _json(text)
        if not isinstance(body, dict):
            return Form("a text that is no message", f"text {text}")
        name = pointer_get(body, self._envelope.discriminator)
        reply = pointer_get(body, self._envelope.reply_to, _MISSING)
        if reply is _MISSING and name in self._unsolicited:
            return None
        for pointer in self._chosen(name if isinstance(name, str) else ""):
            if pointer_get(body, pointer, _MISSING) is not _MISSING:
                pointer_put(body, pointer, _CHOSEN)
        if reply is not _MISSING:
            pointer_put(body, self._envelope.reply_to, "(a message)")
        label = f"{name}{_code(body, self._envelope.payload)}"
        content = json.dumps(_settled(body), sort_keys=True, ensure_ascii=False)
        return Form(label, content, reply is _MISSING and label in self._clocked)

    def _chosen(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        message = self._document.messages.get(name)
        own = message.server.chosen if message is not None and message.server is not None else {}
        return {**self._envelope.server.chosen, **own}


def differing_members(one: Form, other: Form) -> list[str]:
    """Where the contents of two messages differ: JSON Pointers, none where one of them is no message."""
    first, second = _json(one.content), _json(other.content)
    return sorted(_differing(first, second, "")) if isinstance(first, dict) and isinstance(second, dict) else []


def _differing(one: Any, other: Any, pointer: str) -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        names = {*one, *other}
        return [
            found
            for name in names
            for found in _differing(one.get(name, _MISSING), other.get(name, _MISSING), f"{pointer}/{name}")
        ]
    return [] if one == other else [pointer]


def _code(body: Any, payload: str) -> str:
    inner = pointer_get(body, payload)
    code = inner.get("code") if isinstance(inner, dict) else None
    return f" {code}" if isinstance(code, str) else ""


def _json(text: str) -> Any:
    try:
        return decode(text)
    except NotJSON:
        return None


def _settled(value: Any) -> Any:
    """A value whose times are as every other time: when they fall is judged by the rules."""
    if isinstance(value, str):
        return _TIME if read_moment("time", value) is not None else value
    if isinstance(value, dict):
        return {name: _settled(member) for name, member in value.items()}
    return [_settled(member) for member in value] if isinstance(value, list) else value
