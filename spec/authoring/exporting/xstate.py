"""XState 5: the states as a machine's configuration, which `createMachine` takes and Stately draws.

Guards, actions and delays are named, and guards and actions have parameters; what they do is for whoever runs the
machine (XState takes a delay that is not provided for one that is over). Events are the
inputs; an input that a list does not name is decided by `other`, so its rows stand under each message that is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spec.authoring.exporting.stamp import as_json, stamp_data
from spec.authoring.outlining import CLOSED, START, Decision, Outline, Timer
from spec.authoring.outlining.decisions import closing, verb, within

__all__ = ["machine", "text"]


def text(document: Outline) -> str:
    """The configuration as JSON."""
    return as_json(machine(document))


def machine(document: Outline) -> dict[str, Any]:
    """The configuration as data."""
    return {
        "id": document.name,
        "description": document.data["summary"],
        "meta": stamp_data(document),
        "initial": START,
        "states": {
            START: {"on": {"open": [_opening(document, row.decision, row.answer) for row in document.opening]}},
            # A state of its own, so that what holds everywhere holds of open connections only.
            "open": {
                **_events(document, "", document.receive),
                **_timers(document, "", document.everywhere),
                "initial": next((path for path in document.states if "." not in path), CLOSED),
                "states": _states(document, ""),
            },
            CLOSED: {"type": "final"},
        },
    }


def _states(document: Outline, parent: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, state in document.states.items():
        if state.parent != parent:
            continue
        found[state.name] = {
            **({"description": state.text} if state.text else {}),
            **_events(document, path, state.receive),
            **_timers(document, path, state.timers),
            **({"initial": state.initial, "states": _states(document, path)} if state.initial else {}),
        }
    return found


def _events(document: Outline, path: str, receive: Mapping[str, tuple[Decision, ...]]) -> dict[str, Any]:
    levels = [document.states[ancestor].receive for ancestor in document.states[path].chain] if path else []
    named = {name for level in [*levels, document.receive] for name in level}
    rows = dict(receive)
    if "other" in receive:
        rows |= {name: receive["other"] for name in document.messages("client") if name not in named}
    events = {name: [_step(document, row, path) for row in cases] for name, cases in rows.items()}
    return {"on": events} if events else {}


def _timers(document: Outline, path: str, timers: Iterable[Timer]) -> dict[str, Any]:
    delays = {timer.name: [_step(document, row, path) for row in timer.expire] for timer in timers}
    return {"after": delays} if delays else {}


def _opening(document: Outline, row: Decision, answer: str) -> dict[str, Any]:
    step = _step(document, row, "")
    step["actions"] = [{"type": "answer", "params": {"answer": answer}}, *step.get("actions", [])]
    return {**step, "target": step.get("target", _target(document, CLOSED))}


def _step(document: Outline, row: Decision, path: str) -> dict[str, Any]:
    """One row as a transition: without a target no state is left; with one, it and all within it begin anew."""
    guard = {**{fact: list(values) for fact, values in row.when.items()}, **({"in": row.inside} if row.inside else {})}
    begin = row.inside or path
    inner = [leaf for leaf in document.leaves if within(leaf, begin)]
    ends = any(closing(effect, leaf, document.errors) for effect in row.effects for leaf in inner)
    target = CLOSED if ends else row.to
    return {
        **({"guard": {"type": "facts", "params": guard}} if guard else {}),
        **({"target": _target(document, target), "reenter": True} if target else {}),
        **({"actions": [_action(effect) for effect in row.effects]} if row.effects else {}),
    }


def _target(document: Outline, state: str) -> str:
    """An absolute target, which no nesting can misread."""
    return f"#{document.name}.{state}" if state == CLOSED else f"#{document.name}.open.{state}"


def _action(effect: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": verb(effect), "params": dict(effect)}
