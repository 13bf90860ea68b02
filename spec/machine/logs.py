"""Logs: append-only lists, numbered from 1, each entry once; what a world keeps of them, and what a store must do.

This one is in memory. A durable store has the same methods; `append` may return only once what it was given is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import define, field, frozen

from spec.bindings.json import encode
from spec.expressions import compile_template

__all__ = ["Entry", "Logs", "Page", "Place", "Store", "filler"]

Place = tuple[str, Any]
"""Which log: the name of its kind and its key."""


@frozen
class Entry:
    """One entry: `value` is what was kept of an item, without its number."""

    number: int
    identity: str | None
    value: Mapping[str, Any]


@frozen
class Page:
    """Entries in order; `more` says whether later ones exist."""

    entries: tuple[Entry, ...]
    more: bool


class Store(Protocol):
    """Where logs are kept."""

    def head(self, place: Place) -> int:
        """The number of the last entry, 0 where there is none."""

    def append(
        self, place: Place, items: Sequence[tuple[str | None, Mapping[str, Any]]], keep: int | None = None
    ) -> tuple[Entry, ...]:
        """Store items by their identities, all or none; gives the entries of those that were not there yet.

        One without an identity is none that is there. With `keep`, only so many entries need be kept, the last ones.
        """

    def forget(self, place: Place) -> None:
        """Let go of a log, and begin it anew."""

    def read(self, place: Place, after: int, most: int) -> Page:
        """Up to `most` entries behind a number; it may be fewer, but one where there is any."""

    def copy(self) -> Store:
        """A store that may change without this one."""


@define(eq=False)
class _Log:
    """A log that shares its list with copies of it: the first to append goes on with it, others with their own."""

    entries: list[Entry] = field(factory=list)
    numbers: dict[str, int] = field(factory=dict)
    length: int = 0
    dropped: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Log) and self.behind(0, self.length) == other.behind(0, other.length)

    __hash__ = None  # type: ignore[assignment]  # It grows.

    def copy(self) -> _Log:
        return _Log(self.entries, self.numbers, self.length, self.dropped)

    def has(self, identity: str | None) -> bool:
        return identity is not None and self.numbers.get(identity, self.length + 1) <= self.length

    def behind(self, after: int, most: int) -> list[Entry]:
        first = max(after - self.dropped, 0)
        return self.entries[first : min(first + most, self.length - self.dropped)]

    def add(self, identity: str | None, value: Mapping[str, Any]) -> Entry:
        if len(self.entries) != self.length - self.dropped:
            self.take(self.behind(0, self.length))
        self.length += 1
        entry = Entry(self.length, identity, value)
        self.entries.append(entry)
        if identity is not None:
            self.numbers[identity] = self.length
        return entry

    def trim(self, keep: int) -> None:
        # Amortised: a copy costs what is kept, and happens only once as many were added to it.
        if self.length - self.dropped >= 2 * keep:
            self.take(self.entries[len(self.entries) - keep :])
            self.dropped = self.length - keep

    def take(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.numbers = {entry.identity: entry.number for entry in entries if entry.identity is not None}


@define
class Logs:
    """Logs in memory; a page holds about `page_bytes` of JSON at most, where that is given."""

    _page_bytes: int | None = None
    _logs: dict[Place, _Log] = field(factory=dict)

    def copy(self) -> Logs:
        return Logs(self._page_bytes, {place: log.copy() for place, log in self._logs.items()})

    def head(self, place: Place) -> int:
        log = self._logs.get(place)
        return log.length if log is not None else 0

    def append(
        self, place: Place, items: Sequence[tuple[str | None, Mapping[str, Any]]], keep: int | None = None
    ) -> tuple[Entry, ...]:
        log = self._logs.setdefault(place, _Log())
        stored = tuple([log.add(identity, value) for identity, value in items if not log.has(identity)])
        if keep is not None:
            log.trim(keep)
        return stored

    def forget(self, place: Place) -> None:
        self._logs.pop(place, None)

    def read(self, place: Place, after: int, most: int) -> Page:
        log = self._logs.get(place, _Log())
        entries = log.behind(after, most)
        if self._page_bytes is not None:
            entries = _fitting(entries, self._page_bytes)
        return Page(tuple(entries), after + len(entries) < log.length)


def _fitting(entries: Sequence[Entry], size: int) -> list[Entry]:
    """The first entries that fit into so many bytes of JSON, but one at least."""
    kept: list[Entry] = []
    for entry in entries:
        size -= len(encode(entry.value).encode("utf-8", "surrogatepass"))
        if kept and size < 0:
            break
        kept.append(entry)
    return kept


def filler(lacking: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """Compile what older entries of a log lack: what comes of it gives an entry the members that it has not."""
    build = compile_template(dict(lacking))

    def fill(value: Mapping[str, Any]) -> Mapping[str, Any]:
        if all(name in value for name in lacking):
            return value
        return {**build({"item": value}), **value}

    return fill
