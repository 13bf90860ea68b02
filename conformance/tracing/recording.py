"""Recordings: what clients of one server sent and saw, whoever wrote it down, in the order of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from conformance.player import Entry
from spec.machine import Request
from spec.tracker import Answer

__all__ = ["Event", "Recording", "Token", "answer_of", "request_of"]


@frozen
class Event:
    """One thing that happened, in epoch seconds.

    `kind` and `value` are `request` and `post` (a Request), `answer` (an Answer), `sent` (a frame), `received` (a
    text), `binary` (its size), `left` (the client's close), `dropped`, `closed` (code and reason; code None where the
    transport ended without a close frame), or `beyond` (what it was, which no recording holds whole).
    """

    at: float
    client: str
    kind: str
    value: Any = None


@frozen
class Token:
    """A token as somebody who minted it tells of it: the check that it ends on, and its claims."""

    step: str
    claims: Mapping[str, Any]


@frozen
class Recording:
    """One exchange; `entries` are the same for people, `until` is when its recorder stopped listening.

    `tokens` are those of which is known what they are; `secrets` all texts that nobody may read. Where `silent` is
    said, close frames and the ends of connections were not recorded. `given` are parameters, `flight` is how long a
    message may have been under way, if that was measured. `unrecorded` are checks whose subject was not written down.
    """

    name: str
    events: tuple[Event, ...]
    entries: tuple[Entry, ...]
    until: float
    tokens: Mapping[str, Token] = field(factory=dict)
    secrets: frozenset[str] = frozenset()
    silent: bool = False
    flight: float | None = None
    unrecorded: frozenset[str] = frozenset()

    @property
    def began(self) -> float:
        return self.events[0].at if self.events else 0.0


def request_of(target: str, headers: tuple[tuple[str, str], ...], address: str, *, upgrade: bool = True) -> Request:
    """A request for an upgrade, with the headers that every such request has and some recorders leave out."""
    asked = {name.lower() for name, _ in headers}
    more = [("Upgrade", "websocket"), ("Connection", "Upgrade")] if upgrade else []
    return Request("GET", target, (*headers, *(pair for pair in more if pair[0].lower() not in asked)), address)


def answer_of(status: int, headers: tuple[tuple[str, str], ...], body: str = "") -> Answer:
    """An answer as received."""
    return Answer(status, headers, "" if status == 101 else body)
