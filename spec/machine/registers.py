"""Registers: values under names, each with a vector clock; what concurrent writes come to is declared.

A clock maps who writes to how often; an entry that is missing counts 0. One clock descends from another that it is
nowhere behind and somewhere ahead of; two of which neither descends from the other are concurrent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, evolve, frozen

from spec import model
from spec.bindings.json import encode
from spec.expressions import Counts, Scope, compile_expression, compile_key
from spec.machine.world import Place, World

__all__ = ["Held", "RegisterKind", "RegisterView"]

Clock = Mapping[str, Any]


@frozen
class Held:
    """What is stored under a name: `weight` is the sum of the clock that the value came with."""

    name: str
    value: Any
    clock: Clock
    origin: str
    weight: float
    version: int = 0

    def shown(self) -> dict[str, Any]:
        """An entry as clients read it."""
        clock = Counts(self.clock)
        return {"key": self.name, "value": self.value, "clock": clock, "origin": self.origin, "version": self.version}


class RegisterKind:
    """One kind of register: what a write is to what is stored, and what becomes of both."""

    def __init__(self, entry: model.Register) -> None:
        self.name = entry.name
        self.key = compile_key(entry.key)
        parts = (entry.entry, entry.value, entry.clock, entry.origin)
        self._entry, self._value, self._clock, self._origin = map(compile_expression, parts)
        self._resolve = [_CRITERIA[name] for name in entry.resolve]

    def place(self, scope: Scope) -> Place:
        """The register that an event is about."""
        return self.name, self.key(scope)

    def stored(self, world: World, scope: Scope) -> Held | None:
        """What is stored under the name of the event's write."""
        found = world.registers.get(self.place(scope), {}).get(self._entry(scope))
        return found if isinstance(found, Held) else None

    def verdict(self, world: World, scope: Scope) -> str:
        """What the event's write is to what is stored."""
        stored = self.stored(world, scope)
        if stored is None:
            return "new"
        coming = self._coming(scope)
        ahead, behind = covers(coming.clock, stored.clock), covers(stored.clock, coming.clock)
        if ahead or behind:
            return "equal" if ahead and behind else "descends" if ahead else "stale"
        return "wins" if self._wins(coming, stored) else "loses"

    def settled(self, world: World, scope: Scope) -> Held:
        """What the event's write and what is stored come to."""
        stored, coming = self.stored(world, scope), self._coming(scope)
        if stored is None or covers(coming.clock, stored.clock):
            return coming
        merged = {name: max(count(stored.clock, name), count(coming.clock, name)) for name in stored.clock}
        merged = {**coming.clock, **merged}
        winner = coming if self._wins(coming, stored) else stored
        return evolve(winner, clock=merged)

    def keep(self, world: World, scope: Scope, held: Held) -> None:
        """Store what a write came to."""
        world.registers.setdefault(self.place(scope), {})[held.name] = held

    def _coming(self, scope: Scope) -> Held:
        clock = self._clock(scope)
        return Held(self._entry(scope), self._value(scope), clock, self._origin(scope), sum(clock.values()))

    def _wins(self, coming: Held, stored: Held) -> bool:
        ranks = ((criterion(coming), criterion(stored)) for criterion in self._resolve)
        return next((ours > theirs for ours, theirs in ranks if ours != theirs), False)


def count(clock: Clock, name: str) -> Any:
    """An entry of a clock."""
    return clock.get(name, 0)


def covers(one: Clock, other: Clock) -> bool:
    """Whether a clock is nowhere behind another."""
    return all(count(one, name) >= value for name, value in other.items())


_CRITERIA: dict[str, Callable[[Held], Any]] = {
    "clock_sum": lambda held: held.weight,
    "origin": lambda held: held.origin,
    "json_text": lambda held: encode(held.value),
}


@define
class RegisterView:
    """A register as expressions read it: what is stored under the name of the event's write, and `all` of it."""

    _world: World
    _kind: RegisterKind
    _scope: Scope

    @property
    def all(self) -> list[dict[str, Any]]:
        held = self._world.registers.get(self._kind.place(self._scope), {}).values()
        return [one.shown() for one in sorted(held, key=lambda one: one.version)]

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("__") else self._kind.stored(self._world, self._scope)
        return None if found is None else found.shown().get(name)
