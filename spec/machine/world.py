"""The state of the interpreter: connections, rooms, memories and limits, cheap to copy."""

from __future__ import annotations

from collections import deque
from typing import Any

from attrs import define, field, frozen

from spec.machine.links import Links
from spec.machine.logs import Logs, Place, Store

__all__ = ["CLOSED", "Connection", "Due", "Group", "Place", "Tenure", "World"]

CLOSED = "closed"
"""The state of a connection that has ended; nothing leaves it."""


@frozen
class Due:
    """A running timer: when it fires, when it was started, by which event, and how late it may be beyond its share."""

    at: float
    started: float
    cause: int
    late: float = 0.0


@define
class Connection:
    """One connection; `state` is the dotted path of its innermost state."""

    number: int
    state: str
    address: str
    variables: dict[str, Any]
    timers: dict[tuple[str, str], Due] = field(factory=dict)
    rooms: set[tuple[str, Any]] = field(factory=set)

    def copy(self) -> Connection:
        return Connection(
            self.number, self.state, self.address, dict(self.variables), dict(self.timers), set(self.rooms)
        )


@define
class Group(Connection):
    """A room with a life of its own; its number is none of a connection's.

    `values` are its variables, `least` how many members each running timer needs; `variables` those that name it.
    """

    place: Place = ("", None)
    values: dict[str, Any] = field(factory=dict)
    least: dict[tuple[str, str], int] = field(factory=dict)

    def copy(self) -> Group:
        return Group(
            self.number,
            self.state,
            self.address,
            self.variables,
            dict(self.timers),
            place=self.place,
            values=dict(self.values),
            least=dict(self.least),
        )


@frozen
class Tenure:
    """Who holds a role, and how many have been chosen for it."""

    holder: int | None
    term: int


@define
class World:
    """Everything that a server remembers.

    Rooms keep their members in the order in which they joined, each with the event by which it did. `clock` is
    the moment of the last event. `left` are the rooms that somebody has left in it, `founded` the places of groups by
    their numbers, `stirred` the numbers of those whose timers were touched, `decided` the rules of the last case that
    decided, `waived` what the last event let go of that was due `per` it.
    """

    connections: dict[int, Connection] = field(factory=dict)
    rooms: dict[tuple[str, Any], dict[int, int]] = field(factory=dict)
    memories: dict[str, dict[tuple[Any, ...], float]] = field(factory=dict)
    limits: dict[tuple[str, Any], deque[float]] = field(factory=dict)
    logs: Store = field(factory=Logs)
    stopping: bool = False
    numbers: int = 0
    causes: int = 0
    records: dict[tuple[str, tuple[Any, ...]], Any] = field(factory=dict)
    choices: int = 0
    links: Links = field(factory=Links)
    clock: float = 0.0
    groups: dict[Place, Group] = field(factory=dict)
    tenures: dict[Place, Tenure] = field(factory=dict)
    registers: dict[Place, dict[str, Any]] = field(factory=dict)
    spared: dict[tuple[str, Any], dict[Any, float]] = field(factory=dict)
    founded: dict[int, Place] = field(factory=dict)
    left: list[Place] = field(factory=list)
    stirred: set[int] = field(factory=set)
    decided: tuple[str, ...] = ()
    waived: list[Any] = field(factory=list)

    def copy(self) -> World:
        """A copy that shares nothing that changes."""
        return World(
            {number: connection.copy() for number, connection in self.connections.items()},
            {key: dict(members) for key, members in self.rooms.items()},
            {name: dict(keys) for name, keys in self.memories.items()},
            {key: deque(times) for key, times in self.limits.items()},
            self.logs.copy(),
            self.stopping,
            self.numbers,
            self.causes,
            dict(self.records),
            self.choices,
            self.links.copy(),
            self.clock,
            {place: group.copy() for place, group in self.groups.items()},
            dict(self.tenures),
            {place: dict(held) for place, held in self.registers.items()},
            {key: dict(spares) for key, spares in self.spared.items()},
            dict(self.founded),
            list(self.left),
            set(self.stirred),
            decided=self.decided,
        )

    def party(self, number: int) -> Connection | None:
        """The connection or the group that has a number."""
        if number >= 0:
            return self.connections.get(number)
        return self.groups.get(self.founded.get(number, ("", None)))

    def groups_of(self, connection: Connection) -> list[Group]:
        """The groups that a connection is a member of."""
        return [self.groups[room] for room in connection.rooms if room in self.groups] if self.groups else []

    def join(self, connection: Connection, room: tuple[str, Any]) -> None:
        connection.rooms.add(room)
        self.rooms.setdefault(room, {}).setdefault(connection.number, self.causes)

    def leave(self, connection: Connection, room: tuple[str, Any]) -> None:
        connection.rooms.discard(room)
        members = self.rooms.get(room, {})
        members.pop(connection.number, None)
        if not members:
            self.rooms.pop(room, None)
        group = self.groups.get(room)
        for key, least in group.least.items() if group is not None else ():
            if len(members) < least and group is not None:
                group.timers.pop(key, None)
        self.left.append(room)

    def forget(self, connection: Connection) -> None:
        """End a connection: it keeps no membership and no timer."""
        for room in tuple(connection.rooms):
            self.leave(connection, room)
        connection.timers.clear()
        connection.state = CLOSED
        self.connections.pop(connection.number, None)
        self.links.release(connection.number, self.clock)

    def take(self, key: tuple[str, Any], count: int, window: float, now: float) -> bool:
        """Take a place in a sliding window; False where `count` were taken within the last `window` seconds."""
        if key not in self.limits and len(self.limits) >= 64 and len(self.limits) & (len(self.limits) - 1) == 0:
            for old in [old for old, times in self.limits.items() if not times or times[-1] <= now - window]:
                del self.limits[old]
        times = self.limits.setdefault(key, deque())
        while times and times[0] <= now - window:
            times.popleft()
        if len(times) >= count:
            return False
        times.append(now)
        return True

    def remember(self, memory: str, key: tuple[Any, ...], until: float, now: float, spare: Any = None) -> None:
        """Keep a key until a moment; for whom it does not count is kept beside it, each with a moment of its own.

        What is over at `now` may be let go of.
        """
        if spare is not None:
            self.spared.setdefault((memory, key), {})[spare] = until
            return
        keys = self.memories.setdefault(memory, {})
        # Amortised: a sweep costs its length, and happens only once the memory has doubled its last power of two.
        if len(keys) >= 64 and len(keys) & (len(keys) - 1) == 0:
            for old in [old for old, end in keys.items() if end <= now]:
                del keys[old]
        keys[key] = until

    def remembers(self, memory: str, key: tuple[Any, ...], now: float, asker: Any = None) -> bool:
        """Whether a key is remembered at a moment, by whom it does not spare."""
        if self.memories.get(memory, {}).get(key, -1.0) > now:
            return True
        return any(end > now for spare, end in self.spared.get((memory, key), {}).items() if spare != asker)
