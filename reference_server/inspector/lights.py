"""The light of a connection, read off the document: green where nothing is asked of the client, else yellow.

It is yellow where a timer runs out that ends the connection and that only the client's doing stops (a deadline that
began with the state, or with a question), and in a state into which a timer has moved the connection (a new token is
asked for). A connection that there is not is red.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spec.machine.world import Connection
from spec.model import Case, Close, Decide, Document, Effect, Fail

__all__ = ["Lights"]


class Lights:
    """The lights of one protocol's connections."""

    def __init__(self, document: Document) -> None:
        self._document = document
        timers = {
            (timer.state, timer.name): timer
            for some in (document.timers, *(state.timers for state in document.states.values()))
            for timer in some
        }
        self.ending = {key for key, timer in timers.items() if self._ends(timer.expire, timer.state)}
        """The timers, by state and name, that end a connection."""
        self._deadlines = {key for key in self.ending if timers[key].at is None and not timers[key].restarts}
        moved = {case.to for timer in timers.values() for case in timer.expire if case.to is not None}
        self._moved = {document.leaf(state) for state in moved}

    def of(self, connection: Connection) -> tuple[str, str]:
        """A colour and why, in words."""
        running = [key for key in connection.timers if key in self._deadlines]
        if running:
            _, name = min(running, key=lambda key: connection.timers[key].at)
            return "yellow", f"open; `{name}` ends the connection if the client does nothing"
        if connection.state in self._moved:
            return "yellow", f"open; {self._document.states[connection.state].text.rstrip('.').lower()}"
        return "green", "open"

    def _ends(self, cases: Iterable[Case], state: str) -> bool:
        return any(
            (isinstance(effect, Close) and effect.code != "may")
            or (isinstance(effect, Fail) and self._closes(effect, state))
            for effect in _effects(cases)
        )

    def _closes(self, fail: Fail, state: str) -> bool:
        form = self._document.error_forms.get(fail.form or "")
        return (form.close if form is not None else self._document.errors[fail.code].closes(state)) is not None


def _effects(cases: Iterable[Case]) -> Iterator[Effect]:
    for case in cases:
        for effect in case.do:
            if isinstance(effect, Decide):
                yield from _effects(effect.cases)
            else:
                yield effect
