"""Rows of decisions and their effects, in words."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

__all__ = ["Decision", "Outcome", "closing", "decisions", "emitted", "listed", "plainly", "verb", "within"]

Effect = Mapping[str, Any]

# The member that says what an effect does; in one that has none of them it is the first.
_VERBS = ("error", "close", "broadcast", "send", "reply", "answer", "set", "join", "leave", "remember")
_WORDS = {"broadcast": "tells", "send": "sends", "reply": "answers", "set": "keeps", "join": "joins", "leave": "leaves"}
_UNSHOWN = {"tells", "ends", "payload", "isolation", "order", "rules", "in_reply"}


class Outcome(enum.Enum):
    """What a row comes to for who sent the input."""

    ACCEPTED = "accepted"
    SILENT = "ignored"
    REFUSED = "refused"
    CLOSED = "closes"


@frozen
class Decision:
    """One row: the first whose guard passes decides."""

    when: Mapping[str, tuple[str, ...]]
    inside: str | None
    effects: tuple[Effect, ...]
    to: str | None
    rules: tuple[str, ...]

    @property
    def guard(self) -> str:
        """The guard in words; empty where the row always passes."""
        parts = [f"{fact} is {' or '.join(values)}" for fact, values in self.when.items()]
        return " and ".join([*parts, *([f"in {self.inside}"] if self.inside else [])])

    def outcome(self, state: str, errors: Mapping[str, Any]) -> Outcome:
        """What the row comes to in a state."""
        if any(closing(effect, state, errors) for effect in self.effects):
            return Outcome.CLOSED
        if any(verb(effect) == "error" for effect in self.effects):
            return Outcome.REFUSED
        done = [effect for effect in self.effects if effect.get("close") != "may"]
        return Outcome.ACCEPTED if done or self.to else Outcome.SILENT

    def says(self, state: str, errors: Mapping[str, Any]) -> str:
        """What is done, in words; nothing being done is said too."""
        told = [_told(effect, state, errors) for effect in self.effects]
        told += [f"→ {self.to}"] if self.to else []
        return ", ".join(filter(None, told)) or "nothing"


def decisions(entries: Any, forms: Mapping[str, Any]) -> tuple[Decision, ...]:
    """The rows of a list of cases; `forms` are those of errors that are told in another way than usual."""
    return tuple(_decision(entry, forms) for entry in listed(entries) if isinstance(entry, Mapping))


def _decision(entry: Mapping[str, Any], forms: Mapping[str, Any]) -> Decision:
    when = {fact: tuple(plainly(value) for value in listed(wanted)) for fact, wanted in entry.get("when", {}).items()}
    inside, to = entry.get("in"), entry.get("to")
    return Decision(
        when,
        inside if isinstance(inside, str) else None,
        tuple(
            _formed(effect, forms) for effect in listed(entry.get("do", ())) if isinstance(effect, Mapping) and effect
        ),
        to if isinstance(to, str) else None,
        tuple(entry.get("rules", ())),
    )


def _formed(effect: Effect, forms: Mapping[str, Any]) -> Effect:
    """An error in a form of its own, with what that form is told by (`tells`) and how it closes (`ends`)."""
    form = forms.get(effect["as"]) if isinstance(effect.get("as"), str) else None
    if not isinstance(form, Mapping):
        return effect
    named = {"message": "tells", "close": "ends"}
    return {**effect, **{name: form[key] for key, name in named.items() if key in form}}


def verb(effect: Effect) -> str:
    """The member that says what an effect does."""
    return next((name for name in _VERBS if name in effect), next(iter(effect)))


def closing(effect: Effect, state: str, errors: Mapping[str, Any]) -> str | None:
    """How an effect ends the connection in a state: the close code (or codes, or word) as text, or None.

    What a server may close with or not (`close: may`) does not end it.
    """
    if verb(effect) == "close":
        return None if effect["close"] == "may" else plainly(effect["close"])
    if verb(effect) != "error":
        return None
    close = effect.get("ends", errors.get(plainly(effect["error"]), {}).get("close", "none"))
    if isinstance(close, Mapping):
        close = next((code for prefix, code in close.items() if within(state, prefix)), "none")
    return None if close == "none" else plainly(close)


def _told(effect: Effect, state: str, errors: Mapping[str, Any]) -> str:
    what, others = verb(effect), [name for name in effect if name not in _UNSHOWN]
    value, ends = effect[what], closing(effect, state, errors)
    if what == "close":
        return f"closes with {ends}" if ends else "may close"
    if what == "error":
        return f"error {plainly(value)}" + (f", closes with {ends}" if ends else "")
    shown = ", ".join(value) if isinstance(value, Mapping) else plainly(value)
    aside = [f"{name} {plainly(effect[name])}" for name in others if name != what]
    return f"{_WORDS.get(what, what)} {shown}" + (f" ({', '.join(aside)})" if aside else "")


def plainly(value: Any) -> str:
    """A value of a document as people read it in a line: text as it is, lists with commas, all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(plainly(item) for item in value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def listed(value: Any) -> Iterable[Any]:
    """A list as it is, and anything else as a list of itself."""
    return value if isinstance(value, list | tuple) else (value,)


def within(state: str, ancestor: str) -> bool:
    """Whether a state is another or lies in it; every state lies in the empty one."""
    return not ancestor or state == ancestor or state.startswith(f"{ancestor}.")


def emitted(effects: Iterable[Effect]) -> Iterator[tuple[str, Effect]]:
    """The messages that effects send, with the effects."""
    for effect in effects:
        if verb(effect) in {"send", "reply", "broadcast"} and isinstance(effect[verb(effect)], str):
            yield effect[verb(effect)], effect
