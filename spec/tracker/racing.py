"""Races: what several clients do in an order that the peer decides, since it reaches what the clients share.

The tracker knows the order of one client's inputs and nothing of that between clients. Mostly that decides nothing; but
which number an entry of a log gets, what a page of it holds, and who is put out of a room hang on it. Such inputs wait:
they are handled when something is seen that they explain, in the order that explains it, and at the latest when what
comes of them is overdue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

from attrs import asdict

from spec.machine.values import Breach
from spec.messages import Read
from spec.model import Append, Case, Document, Expel, Fail, Set, Vacate, Write
from spec.model import Read as Reading
from spec.tracker.hypothesis import Hypothesis, Waiting

__all__ = ["Races"]

_MOST = 96
"""How many orders are tried for one observation, about; longer ones are not, beyond these."""

_SHARED = Append | Reading | Write | Vacate | Expel

Handle = Callable[[Hypothesis, Waiting], list[Hypothesis]]
"""Lets the peer handle an input that waited: by every hypothesis that is open then."""

Ends = Callable[[Hypothesis, str, Sequence[Read | Breach]], bool]
"""Whether a connection ends with what its client sent: what others say before reaches it, what they say later not."""


class Races:
    """Which inputs wait, and in which orders they can have been handled."""

    def __init__(self, document: Document, handle: Handle, ends: Ends) -> None:
        self._document, self._handle, self._ends = document, handle, ends
        self._shared = _shared(document)

    def waits(self, h: Hypothesis, client: str, inputs: Sequence[Read | Breach]) -> bool:
        """Whether inputs of a client are to wait: for another client's, or behind what waits of its own."""
        if not self._shared:
            return False
        if any(waiting.client == client for waiting in h.waiting):
            return True
        others = bool(h.waiting) or any(view.status == "open" for name, view in h.views.items() if name != client)
        if not others:
            return False
        return any(self._is_shared(h, client, one) for one in inputs) or self._ends(h, client, inputs)

    def departs(self, h: Hypothesis, client: str) -> bool:
        """Whether the end of a client's connection waits: behind what it sent, or where others may hear of it.

        Those who come later are others too: the peer may see to them first.
        """
        if any(waiting.client == client for waiting in h.waiting):
            return True
        return bool(self._document.roles) and h.views[client].number in h.world.connections

    def _is_shared(self, h: Hypothesis, client: str, one: Read | Breach) -> bool:
        connection = h.world.connections.get(h.views[client].number or 0)
        if connection is None or not isinstance(one, Read) or not one.valid:
            return False
        chain = self._document.states[connection.state].chain
        level = next((path for path in chain if one.input in self._document.states[path].receive), None)
        return (level, one.input) in self._shared

    def explaining(self, h: Hypothesis, explained: Callable[[Hypothesis], Hypothesis | None]) -> list[Hypothesis]:
        """What explains an observation: the hypothesis as it is, or behind inputs handled in some order.

        Of each order as little as explains it; the last input of it is then one that had to be handled. Others may
        have been handled before, though what came of them is yet to be seen: each of these orders is one to keep.
        """
        found: list[Hypothesis] = []
        frontier, tried = [h], 0
        while frontier and tried < _MOST:
            following: list[Hypothesis] = []
            for one in frontier:
                known = explained(one)
                if known is not None:
                    found.append(known)
                    continue
                for client in dict.fromkeys(waiting.client for waiting in one.waiting):
                    following += self.released(one.copy(), client)
            tried += len(following)
            frontier = following
        return found

    def released(self, h: Hypothesis, client: str) -> list[Hypothesis]:
        """The next input of a client is handled."""
        first = next(waiting for waiting in h.waiting if waiting.client == client)
        h.waiting.remove(first)
        return self._handle(h, first)

    def flushed(self, h: Hypothesis, client: str | None = None, before: float | None = None) -> list[Hypothesis]:
        """What waits (of a client, or that should have been seen to before a moment) is handled in its order."""
        done, pending = [], [h]
        while pending:
            one = pending.pop()
            due = (w for w in one.waiting if client in {None, w.client} and (before is None or w.latest < before))
            first = next(due, None)
            if first is None:
                done.append(one)
            else:
                # What the same client sent before it goes first.
                pending += self.released(one, first.client)
        return done


@lru_cache(16)
def _shared(document: Document) -> frozenset[tuple[str, str]]:
    """The states and client messages by which clients read or write what they share, or put others out."""
    shared = (document.logs, document.groups, document.roles, document.registers)
    names = [f"${name}." for kind in shared for name in kind]
    # What decides who is chosen for a role, and what a role, a register or a room decides, is shared too.
    preferred = {str(by).removeprefix("$member.") for role in document.roles.values() for by, _ in role.prefer}
    facts = {fact.name for fact in document.facts.values() if fact.kind in _KINDS}
    return frozenset(
        (state.path, name)
        for state in document.states.values()
        for name, cases in state.receive.items()
        if any(_reaches(case, names, preferred) or facts & set(case.when) for case in cases)
    )


_KINDS = frozenset({"role", "register", "history", "room"})


def _reaches(case: Case, names: Sequence[str], preferred: Collection[str]) -> bool:
    for effect in case.do:
        if isinstance(effect, _SHARED) or (isinstance(effect, Fail) and effect.room is not None):
            return True
        if isinstance(effect, Set) and any(name in preferred or "." in name for name in effect.values):
            return True
        text = json.dumps(asdict(effect), default=str)
        if any(name in text for name in names):
            return True
    return False
