"""How large a script is: what a reader counts, and a measure in which every accepted candidate is smaller.

The measure compares, in this order: steps, clients, rooms, waiting, and how far contents are from the plain examples.
All are bounded from below and waiting counts in whole milliseconds, so that shrinking ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from conformance.scripts import Case, Close, Idle, Open, Ping, Raw, Send, Step, extent

__all__ = ["Plain", "measure", "same_as", "step_weight", "value_weight"]

Plain = Callable[[Send], Mapping[str, Any]]
"""Gives the plain payload of a message: its example."""


def measure(case: Case, plain: Plain) -> tuple[int, int, int, int, int]:
    """The size of a case; tuples compare."""
    size = extent(case.steps)
    rooms = {same_as(step.room) for step in case.steps if isinstance(step, Open)}
    weight = sum(step_weight(step, plain) for step in case.steps) + case.quiet
    return size.steps, size.clients, len(rooms), round(case.wait * 1000), weight


def same_as(value: Any) -> str:
    """A text that equal values have in common, and others have not."""
    return json.dumps(value, sort_keys=True, default=str)


def step_weight(step: Step, plain: Plain) -> int:
    """How far a step is from the plainest of its kind; 0 for that one."""
    match step:
        case Open():
            extras = sum(1 + value_weight(value, None, step.client) for _, value in (*step.headers, *step.query))
            room = 0 if isinstance(step.room, str) else 1 + value_weight(step.room)
            path = 0 if step.path is None else 1 + value_weight(step.path)
            return len(step.offer) + extras + room + path + (step.address is not None) + (not step.websocket)
        case Send():
            changed = sum(1 + value_weight(value, None, step.client) for value in step.change.values()) + len(step.drop)
            padded = 0 if step.pad_to is None else 1 + step.pad_to + (step.pad_with != "x")
            padded += sum(map(len, step.around))
            named = 0 if step.id is None else value_weight(step.id)
            written = sum(map(len, step.around)) + step.fragments - 1
            return value_weight(step.payload, plain(step), step.client) + changed + padded + named + written
        case Raw():
            return value_weight(step.text) + len(step.binary or "") + len(step.not_utf8 or "")
        case Idle(seconds=seconds):
            return 0 if seconds is None else 1
        case Ping(data=data):
            return len(data)
        case Close(code=code):
            return int(code != 1000)
    return 0


def value_weight(value: Any, plain: Any = None, client: str = "ana") -> int:
    """How far a value is from the plain one (None: there is none)."""
    if value == plain:
        return 0
    match value:
        case {"$token": token}:
            unusual: int = 3 * (token.get("recipe") != "valid") + (token.get("subject", "ana") != client)
            return unusual + sum(name in token for name in ("left", "fraction"))
        case {"$fill": {"text": text, "times": times}}:
            return 1 + len(text) * int(times)
        case Mapping():
            known = plain if isinstance(plain, Mapping) else {}
            missing = len(known.keys() - value.keys())
            return missing + sum(
                (name not in known) + value_weight(member, known.get(name), client) for name, member in value.items()
            )
        case str():
            return 1 + len(value)
        case list() | tuple():
            return 1 + sum(value_weight(member, None, client) for member in value)
        case bool() | None:
            return 1
    return 1 + len(repr(value)) if value else 1
