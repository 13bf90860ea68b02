"""Links: what outlives a connection and can be taken up by another (a ticket, a session), with states of its own.

A link has named fields and is found by one of them, its key. At most one connection holds it. Its states change by
effects, when its holder ends (`unheld`), and by time (`lasts`, `then`); since nothing is said when time changes one, it
is only looked at when somebody asks, and no timer runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from spec import model
from spec.expressions import Evaluate, Scope, compile_expression, compile_template
from spec.machine.values import Choice, Exact

__all__ = ["UNKNOWN", "Bind", "Link", "LinkKind", "Links"]

Bind = Callable[[Mapping[str, Any], int], Any]
"""Makes a value of what a document says of how it is chosen, for the owner with a number."""

UNKNOWN = "unknown"
"""The state of a link that there is not, or no more."""


@define
class Link:
    """One link; its fields are read as `$name.field`."""

    kind: str
    number: int
    state: str
    since: float
    fields: dict[str, Any]
    form: Evaluate
    unheld: str | None = None
    holder: int | None = None

    @property
    def shape(self) -> Any:
        """The link as clients read it."""
        return Exact(self.form({self.kind: self}))

    def __getattr__(self, name: str) -> Any:
        # What expressions read; a name that is no field reads as absent.
        if name.startswith("__"):
            raise AttributeError(name)
        return self.fields.get(name)

    def copy(self) -> Link:
        # Lists are never changed in place.
        return evolve(self, fields=dict(self.fields))


@define
class Links:
    """The links of a world, by kind and key; `held` are those of connections, by their numbers."""

    known: dict[tuple[str, Any], Link] = field(factory=dict)
    held: dict[int, dict[str, tuple[str, Any]]] = field(factory=dict)
    made: int = 0

    def copy(self) -> Links:
        known = {place: link.copy() for place, link in self.known.items()}
        return Links(known, {number: dict(places) for number, places in self.held.items()}, self.made)

    def numbered(self, number: int) -> Link | None:
        """The link that was made as the so-manieth, unless it is forgotten."""
        return next((link for link in self.known.values() if link.number == number), None)

    def learn(self, bound: Mapping[int, Any]) -> None:
        """Put what was seen in place of what the server chose."""
        for place, link in list(self.known.items()):
            link.fields.update({name: _seen(value, bound) for name, value in link.fields.items()})
            key = _seen(place[1], bound)
            if key is not place[1]:
                self.known[place[0], key] = self.known.pop(place)

    def of(self, connection: int) -> dict[str, Link]:
        """The links that a connection holds, by kind."""
        places = self.held.get(connection, {})
        return {kind: self.known[place] for kind, place in places.items() if place in self.known}

    def release(self, connection: int, now: float) -> None:
        """A connection has ended: what it held is nobody's."""
        links = self.of(connection)
        self.held.pop(connection, None)
        for link in links.values():
            link.holder = None
            if link.unheld is not None:
                link.state, link.since, link.unheld = link.unheld, now, None


def _seen(value: Any, bound: Mapping[int, Any]) -> Any:
    return bound.get(value.number, value) if isinstance(value, Choice) and value.number is not None else value


@frozen
class _State:
    lasts: tuple[Evaluate, ...]
    then: str | None
    unheld: str | None


class LinkKind:
    """One kind of link, compiled: how its links are made, found, held and forgotten."""

    def __init__(self, entry: model.Link, roots: Scope) -> None:
        self.name = entry.name
        self._entry = entry
        self._roots = roots
        self._shape = compile_template(entry.shape)
        self._states = {
            name: _State(tuple(map(compile_expression, state.lasts)), state.then, state.unheld)
            for name, state in entry.states.items()
        }

    def make(self, links: Links, scope: dict[str, Any], fields: Evaluate, now: float, bind: Bind) -> Link:
        """A new link, in the scope from here on: with chosen fields, first values of others, then those given."""
        entry = self._entry
        values: dict[str, Any] = {
            name: [] if declared.is_list else declared.first for name, declared in entry.fields.items()
        }
        links.made += 1
        for name, declared in entry.fields.items():
            if declared.chosen is not None:
                values[name] = bind(declared.chosen, -links.made)
                other = values.get(declared.chosen.get("unlike", ""))
                if isinstance(values[name], Choice) and isinstance(other, Choice):
                    values[name] = evolve(values[name], unlike=other)
        self._sweep(links, now)
        link = scope[self.name] = Link(self.name, links.made, entry.initial, now, values, self._shape)
        values.update(fields(scope))
        links.known[self.name, values[entry.key]] = link
        return link

    def find(self, links: Links, key: Any, now: float) -> Link | None:
        """The link with a key, in its present state; None where there is none (any more)."""
        place = (self.name, key)
        link = links.known.get(place)
        if link is not None and not self._ages(link, now):
            self.drop(links, link)
            return None
        return link

    def hold(self, links: Links, link: Link, connection: int, state: str, now: float) -> None:
        """Give a link to a connection."""
        link.state, link.since, link.unheld = state, now, self._states[state].unheld
        link.holder = connection
        links.held.setdefault(connection, {})[self.name] = (self.name, link.fields[self._entry.key])

    def drop(self, links: Links, link: Link) -> None:
        """Forget a link; nothing finds it any more."""
        links.known.pop((self.name, link.fields[self._entry.key]), None)

    def _ages(self, link: Link, now: float) -> bool:
        """Let time change a link's state; False where it has ended."""
        while (state := self._states[link.state]).lasts:
            end = link.since + sum(lasts(self._roots) for lasts in state.lasts)
            if now < end:
                return True
            if state.then is None:
                return False
            link.state, link.since = state.then, end
        return True

    def _sweep(self, links: Links, now: float) -> None:
        # Amortised: it costs their number, and happens only once that has doubled its last power of two.
        count = len(links.known)
        if count >= 64 and count & (count - 1) == 0:
            for link in [link for link in links.known.values() if link.kind == self.name]:
                if not self._ages(link, now):
                    self.drop(links, link)
