"""The state of the interpreter: connections, rooms, memories and limits, cheap to copy."""

from __future__ import annotations

from collections import deque
from typing import Any

from attrs import define, field, frozen

from spec.machine.links import Links
from spec.machine.logs import Logs, Store

__all__ = ["CLOSED", "Connection", "Due", "World"]

CLOSED = "closed"
"""The state of a connection that has ended; nothing leaves it."""


@frozen
class Due:
    """A running timer: when it fires, when it was started, and by which event."""

    at: float
    started: float
    cause: int


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
class World:
    """Everything that a server remembers.

    Rooms keep their members in the order in which they joined, each with the event by which it did. `clock` is
    the moment of the last event.
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
        )

    def join(self, connection: Connection, room: tuple[str, Any]) -> None:
        connection.rooms.add(room)
        self.rooms.setdefault(room, {}).setdefault(connection.number, self.causes)

    def leave(self, connection: Connection, room: tuple[str, Any]) -> None:
        connection.rooms.discard(room)
        members = self.rooms.get(room, {})
        members.pop(connection.number, None)
        if not members:
            self.rooms.pop(room, None)

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

    def remember(self, memory: str, key: tuple[Any, ...], until: float, now: float) -> None:
        keys = self.memories.setdefault(memory, {})
        # Amortised: a sweep costs its length, and happens only once the memory has doubled its last power of two.
        if len(keys) >= 64 and len(keys) & (len(keys) - 1) == 0:
            for old in [old for old, end in keys.items() if end <= now]:
                del keys[old]
        keys[key] = until

    def remembers(self, memory: str, key: tuple[Any, ...], now: float) -> bool:
        return self.memories.get(memory, {}).get(key, -1.0) > now
