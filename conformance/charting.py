"""The chart of a document: its states, and every row and case that leads from one to another, as plain data.

It stands in the header of a run, so that reports can show on it what was reached without the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spec.model import Case, Close, Document, Effect, Fail, State

__all__ = ["ANY", "END", "START", "chart"]

START, END, ANY = "(start)", "(end)", "(any)"
"""Where a connection comes from, where it goes, and the source of what holds in every state."""


def chart(document: Document) -> dict[str, Any]:
    """States by their dotted paths, outer before inner, and moves by the JSON Pointers that coverage names."""
    states = [{"path": state.path, "text": state.text, "initial": state.initial} for state in document.states.values()]
    return {"states": states, "moves": [*_openings(document), *_moves(document)]}


def _openings(document: Document) -> Iterator[dict[str, Any]]:
    for row in document.opening:
        to = document.leaf(row.to) if row.to is not None else END
        input_ = f"GET ({_guard(row.when)})" if row.when else "GET"
        yield _move(row.pointer, START, f"{input_}: {row.status}", to, row.rules)


def _moves(document: Document) -> Iterator[dict[str, Any]]:
    yield from _received(document, ANY, document.receive)
    for state in document.states.values():
        yield from _received(document, state.path, state.receive)
        yield from _expired(document, state)


def _received(document: Document, source: str, receive: Mapping[str, tuple[Case, ...]]) -> Iterator[dict[str, Any]]:
    for name, cases in receive.items():
        for case in cases:
            yield _case(document, source, name, case)


def _expired(document: Document, state: State) -> Iterator[dict[str, Any]]:
    for timer in state.timers:
        for case in timer.expire:
            yield _case(document, state.path, f"timer {timer.name}", case)


def _case(document: Document, source: str, name: str, case: Case) -> dict[str, Any]:
    guard = f" ({_guard(case.when)})" if case.when else ""
    ends = any(_closes(document, source, effect) for effect in case.do)
    # What stays where it is leads nowhere: None.
    to = END if ends else document.leaf(case.to) if case.to is not None else None
    return _move(case.pointer, case.inside or source, f"{name}{guard}", to, case.rules)


def _closes(document: Document, source: str, effect: Effect) -> bool:
    if isinstance(effect, Fail):
        return document.errors[effect.code].closes(source) is not None
    return isinstance(effect, Close)


def _guard(when: Mapping[str, Iterable[str]]) -> str:
    return ", ".join(f"{fact}={'|'.join(values)}" for fact, values in when.items())


def _move(pointer: str, source: str, input_: str, to: str | None, rules: Iterable[str]) -> dict[str, Any]:
    return {"pointer": pointer, "from": source, "on": input_, "to": to, "rules": list(rules)}
