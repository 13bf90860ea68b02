"""How large a script is: what a reader counts, and a measure in which every accepted candidate is smaller.

The measure compares, in this order: steps, clients, rooms, waiting, and how far contents are from the plain examples.
All are bounded from below and waiting counts in whole milliseconds, so that shrinking ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import NOTHING, Attribute, Factory, fields

from conformance.scripts import Case, Close, Idle, Open, Ping, Raw, Send, Step, extent

__all__ = ["Plain", "measure", "plain_members", "same_as", "step_weight", "value_weight"]

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
    unusual = len(plain_members(step))
    match step:
        case Open(room=room):
            values = [value for _, value in (*step.headers, *step.query)]
            values += [step.path, "" if isinstance(room, str) else room]
            return unusual + len(step.offer) + sum(1 + value_weight(value, "", step.client) for value in values)
        case Send():
            size = len(step.drop) + (step.pad_to or 0) + sum(map(len, step.around)) + step.fragments
            size += sum(1 + value_weight(value, None, step.client) for value in step.change.values())
            size += value_weight(step.payload, plain(step), step.client) + value_weight(step.id, None)
            return unusual + size - 1
        case Raw():
            return value_weight(step.text) + len(step.binary or "") + len(step.not_utf8 or "")
        case Idle(seconds=seconds):
            return int(seconds is not None)
        case _:
            return unusual


def plain_members(step: Step) -> dict[str, Any]:
    """The members of a step by which it differs from the plainest of its kind, with what they are there."""
    if not isinstance(step, Open | Send | Ping | Close):
        return {}
    return {
        a.name: plain
        for a in fields(type(step))
        if a.name not in _ITS_OWN and a.default is not NOTHING and getattr(step, a.name) != (plain := _default(a))
    }


_ITS_OWN = {"rules", "room", "payload"}
"""Members without a plain value, or with one that depends on others."""


def _default(attribute: Attribute[Any]) -> Any:
    return attribute.default.factory() if isinstance(attribute.default, Factory) else attribute.default  # type: ignore


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
