"""States: only of a minimal machine whose states are all reached, and from which a way leads out, can be shown much."""

from __future__ import annotations

from collections.abc import Iterator

from spec.authoring.linting.subject import Found, Subject
from spec.authoring.outlining import CLOSED, Outline
from spec.authoring.outlining.decisions import closing, within
from spec.loading.nodes import join

__all__ = ["equivalent_states", "sinks", "unreachable_states"]


def unreachable_states(subject: Subject) -> Iterator[Found]:
    """States to which no exchange leads, in no deployment."""
    if subject.endless:
        return
    reached = {state for layer in subject.layers for state in layer.machine.states}
    for state in subject.document.leaves():
        if state.path not in reached:
            yield Found(_pointer(state.path), f"no exchange leads to `{state.path}`", "delete it, or lead there")


def equivalent_states(subject: Subject) -> Iterator[Found]:
    """States that behave alike in every deployment that has both."""
    machines = [layer.machine for layer in subject.layers]
    twins = [machine.twins() for machine in machines]
    for first, second in dict.fromkeys(pair for pairs in twins for pair in pairs):
        if _leaf(first) == _leaf(second):
            continue  # One state of the document, behind a timer that does nothing or in a room that nobody hears.
        having = [index for index, machine in enumerate(machines) if {first, second} <= set(machine.states)]
        if all((first, second) in twins[index] for index in having):
            text = f"`{second}` behaves as `{first}` does under every input: no client can tell which of them it is in"
            yield Found(_pointer(second), text, "make one state of them, or say where they differ")


def sinks(subject: Subject) -> Iterator[Found]:
    """States from which no input, no frame and no timer ever leads to a close."""
    document = subject.outline
    ways = {leaf: set(_targets(document, leaf)) for leaf in document.leaves}
    ending = {CLOSED}
    while more := {leaf for leaf, targets in ways.items() if leaf not in ending and targets & ending}:
        ending |= more
    for leaf in document.leaves:
        if leaf not in ending:
            text = f"no input, no frame and no timer ends a connection in `{leaf}`, nor in any state behind it"
            yield Found(_pointer(leaf), text, "close for something: a timer, or what nobody may send")


def _targets(document: Outline, leaf: str) -> Iterator[str]:
    """Where rows that can decide in a state lead: other states, and the end."""
    rows = [row for wanted in document.inputs for row in document.deciding(leaf, wanted)]
    timed = (row for timer in document.timers(leaf) for row in timer.expire)
    rows += [row for row in timed if row.inside is None or within(leaf, row.inside)]
    for row in rows:
        if any(closing(effect, leaf, document.errors) for effect in row.effects):
            yield CLOSED
        elif row.to is not None:
            yield document.leaf(row.to)


def _leaf(place: str) -> str:
    return place.partition(" ")[0]


def _pointer(state: str) -> str:
    inner = (part for name in _leaf(state).split(".") for part in ("states", name))
    return join(("connection", *inner))
