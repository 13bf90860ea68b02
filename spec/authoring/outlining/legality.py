"""In which states each message is legal: what clients may send, and what they may be sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from attrs import frozen

from spec.authoring.outlining.decisions import Decision, Outcome, emitted, verb, within
from spec.authoring.outlining.outline import Outline

__all__ = ["Legality", "legality"]


@frozen
class Legality:
    """Innermost state -> the messages that some exchange has there.

    `sent` are those of a client that some row does not merely refuse or close for; `heard` those that may reach it.
    Both are bounds from above: a row may never decide under some deployment's parameters.
    """

    sent: Mapping[str, tuple[str, ...]]
    heard: Mapping[str, tuple[str, ...]]

    def where(self, role: str, message: str) -> tuple[str, ...]:
        """The states in which a role's message is legal."""
        table = self.sent if role == "client" else self.heard
        return tuple(state for state, messages in table.items() if message in messages)


def legality(document: Outline) -> Legality:
    """In which states of a document each message is legal."""
    heard = {leaf: set(_heard(document, leaf)) for leaf in document.leaves}
    for message, states in _broadcasts(document):
        for leaf in states - _silenced(document, message):
            heard[leaf].add(message)
    order = list(document.messages("server"))
    return Legality(
        {leaf: tuple(_sent(document, leaf)) for leaf in document.leaves},
        {leaf: tuple(name for name in order if name in names) for leaf, names in heard.items()},
    )


def _sent(document: Outline, leaf: str) -> Iterator[str]:
    for name in document.messages("client"):
        if any(_welcome(document, leaf, row) for row in document.deciding(leaf, name)):
            yield name


def _welcome(document: Outline, leaf: str, row: Decision) -> bool:
    """Whether a row does what a client may want: also one that ends connections, but of others too or as a leave."""
    if any(verb(e) in {"error", "close"} and ("to" in e or e.get("close") == "leave") for e in row.effects):
        return True
    return row.outcome(leaf, document.errors) in {Outcome.ACCEPTED, Outcome.SILENT} and row.effects != (
        {"close": "may"},
    )


def _rows(document: Outline, leaf: str) -> Iterator[Decision]:
    for wanted in document.inputs:
        yield from document.deciding(leaf, wanted)
    for timer in document.timers(leaf):
        yield from (row for row in timer.expire if row.inside is None or within(leaf, row.inside))


def _heard(document: Outline, leaf: str) -> Iterator[str]:
    """What is sent to the connection itself; the opening's messages are heard in the state that it leads to."""
    arriving = [row.decision for row in document.opening if row.decision.to and document.leaf(row.decision.to) == leaf]
    for row in (*_rows(document, leaf), *arriving):
        yield from (name for name, effect in emitted(row.effects) if verb(effect) != "broadcast")
        usual = document.section("errors").get("message")
        yield from (str(e.get("tells", usual)) for e in row.effects if verb(e) == "error")
    for path in document.states[leaf].chain:
        yield from document.states[path].may_send


def _broadcasts(document: Outline) -> Iterator[tuple[str, set[str]]]:
    """Every message that is broadcast, with the states of those whom it may reach."""
    members = {room: _members(document, room) for room in document.section("rooms")}
    everywhere = set(document.leaves)
    every = [row for leaf in document.leaves for row in _rows(document, leaf)]
    tables = (document.opening, *document.endpoints.values())
    for row in (*every, *(row.decision for table in tables for row in table)):
        for name, effect in emitted(row.effects):
            to = effect.get("to")
            room = to.get("room") if isinstance(to, Mapping) else to
            if verb(effect) == "broadcast" or to is not None:
                yield name, members.get(room, everywhere) if isinstance(room, str) else everywhere


def _members(document: Outline, room: str) -> set[str]:
    """The states that a member of a room may be in: those that a join leads to, and all that follow them."""
    pending: deque[str] = deque()
    for row in document.opening:
        if row.decision.to and _joins(row.decision, room):
            pending.append(document.leaf(row.decision.to))
    for leaf in document.leaves:
        pending += [document.leaf(row.to or leaf) for row in _rows(document, leaf) if _joins(row, room)]
    found: set[str] = set()
    while pending:
        leaf = pending.popleft()
        if leaf in found or leaf not in document.states:
            continue
        found.add(leaf)
        pending += [document.leaf(row.to) for row in _rows(document, leaf) if row.to]
    return found


def _joins(row: Decision, room: str) -> bool:
    return any(verb(effect) in {"join", "move"} and effect[verb(effect)] == room for effect in row.effects)


def _silenced(document: Outline, message: str) -> set[str]:
    """The states in which an invariant forbids a message."""
    return {
        leaf
        for entry in document.data.get("invariants", ())
        if message in entry.get("never", ())
        for leaf in document.leaves
        if any(within(leaf, state) for state in entry.get("in", ()))
    }
