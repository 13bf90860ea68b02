"""Rooms with a life of their own: what they keep, their timers, and who holds their roles.

A group is a connection that nobody is behind: it has no client, but variables, timers and events. It lives from the
moment at which an effect first touches it until one forgets it, with or without members.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, frozen

from spec import model
from spec.expressions import Scope, compile_expression, compile_key, root_of, summed
from spec.machine.world import Connection, Due, Group, Place, Tenure, World

__all__ = ["Countdown", "GroupKind", "GroupView", "RoleKind", "RoleView"]


class Countdown:
    """A timer compiled: when it fires that is started in a scope."""

    def __init__(self, rule: model.TimerRule) -> None:
        self.rule = rule
        self._after = None if rule.after is None else compile_expression(rule.after)
        self._at, self._before = compile_expression(rule.at), compile_expression(rule.before)
        self._plus, self._times = summed(rule.plus), compile_expression(rule.times)
        self._late = compile_expression(rule.late)

    def due(self, scope: Scope, now: float, cause: int) -> Due:
        """When it fires; one whose moment has passed fires now."""
        if self._after is not None:
            return Due(now + self._after(scope), now, cause)
        moment = self._at(scope) + self._plus(scope) * self._times(scope) - (self._before(scope) or 0.0)
        return Due(max(moment, now), now, cause, self._late(scope) or 0.0)


class GroupKind:
    """One kind of group: how its groups are found and made, and how their timers start."""

    def __init__(self, entry: model.Group, key: Any) -> None:
        self.name = entry.name
        self.key = compile_key(key)
        self._variables = entry.variables
        self._parts = [root_of(part) for part in (key if isinstance(key, tuple) else (key,))]
        self._whole = not isinstance(key, tuple)
        self.countdowns = {rule.name: Countdown(rule) for rule in entry.timers}

    def place(self, scope: Scope) -> Place:
        """The group that an event is about."""
        return self.name, self.key(scope)

    def found(self, world: World, place: Place) -> Group:
        """The group at a place, made where there is none."""
        group = world.groups.get(place)
        if group is None:
            number = next(reversed(world.founded), 0) - 1
            key = (place[1],) if self._whole else place[1]
            # Its events name it as a connection's do, by the variables that its key is made of.
            names = dict(zip(self._parts, key, strict=True))
            group = Group(number, f"@{self.name}", "", names, place=place, values=dict(self._variables))
            world.groups[place], world.founded[number] = group, place
        return group

    def start(self, world: World, group: Group, timer: str, scope: Scope, now: float) -> None:
        """Start a timer of a group, if it has the members that the timer is for."""
        countdown = self.countdowns[timer]
        if len(world.rooms.get(group.place, ())) < countdown.rule.members:
            return
        view = {**scope, **group.variables, self.name: GroupView(world, lambda: group.place)}
        group.timers[group.state, timer] = countdown.due(view, now, world.causes)
        group.least[group.state, timer] = countdown.rule.members
        world.stirred.add(group.number)

    def joined(self, world: World, place: Place, scope: Scope, now: float) -> None:
        """A connection has become a member: timers start for which there were too few."""
        group, count = self.found(world, place), len(world.rooms.get(place, ()))
        for name, countdown in self.countdowns.items():
            if countdown.rule.members == count:
                self.start(world, group, name, scope, now)


@define
class GroupView:
    """A group as expressions read it: its variables by their names."""

    _world: World
    _place: Callable[[], Place]

    def __getattr__(self, name: str) -> Any:
        group = None if name.startswith("__") else self._world.groups.get(self._place())
        return None if group is None else group.values.get(name)


@frozen
class _Preference:
    of: Callable[[Scope], Any]
    order: tuple[Any, ...]


class RoleKind:
    """One kind of role: how its holder is chosen."""

    def __init__(self, entry: model.Role, key: Any) -> None:
        self.name, self.room = entry.name, entry.room
        self.key = compile_key(key)
        self._prefer = [_Preference(compile_expression(by), order) for by, order in entry.prefer]

    def elect(self, world: World, key: Any, causer: int | None = None) -> bool:
        """Choose a holder among the room's members, the one who caused it only if it is alone; False without any."""
        members = list(world.rooms.get((self.room, key), ()))
        standing = [number for number in members if number != causer] or members
        place = (self.name, key)
        term = world.tenures[place].term if place in world.tenures else 0
        if not standing:
            world.tenures[place] = Tenure(None, term)
            return False
        # Members stand in the order in which they joined, and the first of the least rank is taken.
        world.tenures[place] = Tenure(min(standing, key=lambda number: self._rank(world, number)), term + 1)
        return True

    def _rank(self, world: World, number: int) -> list[int]:
        scope = {"member": world.connections[number].variables}
        ranks = []
        for preference in self._prefer:
            value = preference.of(scope)
            ranks.append(preference.order.index(value) if value in preference.order else len(preference.order))
        return ranks


@define
class RoleView:
    """A role as expressions read it: its `term`, and the variables of its holder."""

    _world: World
    _place: Callable[[], Place]

    @property
    def term(self) -> int:
        tenure = self._world.tenures.get(self._place())
        return 0 if tenure is None else tenure.term

    @property
    def holder(self) -> Connection | None:
        """The connection that holds it."""
        tenure = self._world.tenures.get(self._place())
        return None if tenure is None else self._world.connections.get(tenure.holder or 0)

    def __getattr__(self, name: str) -> Any:
        held = None if name.startswith("__") else self.holder
        return None if held is None else held.variables.get(name)
