"""A hub's world as JSON: connections, timers, rooms, roles, and what is shared, as much of it as a page can show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from reference_server.hub import Hub
from reference_server.inspector.lights import Lights
from reference_server.inspector.masking import Mask
from spec.expressions import compile_expression
from spec.machine.world import Connection, Group, Place

__all__ = ["Snapshots"]

MOST = 100
"""How many of each kind are shown."""


class Snapshots:
    """Takes snapshots of one hub; `mine` are the connections of the page's own clients, which are shown first."""

    def __init__(self, hub: Hub, mask: Mask) -> None:
        self._hub = hub
        self._mask = mask
        self._lights = Lights(hub.document)
        self._log_keys = {name: compile_expression(log.key) for name, log in hub.document.logs.items()}

    def take(self, mine: Mapping[int, int]) -> dict[str, Any]:
        """The present; times are in seconds, those of timers what is left of them."""
        world, now = self._hub.world, self._hub.now()
        order = sorted(world.connections, key=lambda number: (number not in mine, number))
        shown = [world.connections[number] for number in order[:MOST]]
        return {
            "now": now,
            "stopping": self._hub.stopping,
            "total": len(world.connections),
            "connections": [self._connection(one, mine.get(one.number), now) for one in shown],
            "rooms": [self._room(place, now) for place in islice(world.rooms, MOST)],
            "registers": [self._register(place) for place in islice(world.registers, MOST)],
            "records": [
                {"record": name, "key": self._mask.value(key), "value": self._mask.value(value)}
                for (name, key), value in islice(world.records.items(), MOST)
            ],
            "links": [self._link(place, now) for place in islice(world.links.known, MOST)],
            "logs": self._logs(shown),
            "memories": {name: len(keys) for name, keys in world.memories.items()},
        }

    def _connection(self, connection: Connection, client: int | None, now: float) -> dict[str, Any]:
        light, why = self._lights.of(connection)
        states = self._hub.document.states
        return {
            "number": connection.number,
            "client": client,
            "state": connection.state,
            "text": states[connection.state].text if connection.state in states else "",
            "light": light,
            "why": why,
            "address": connection.address,
            "variables": self._mask.value(connection.variables),
            "rooms": [{"room": room, "key": self._mask.value(key)} for room, key in sorted(connection.rooms, key=str)],
            "timers": self._timers(connection, now),
        }

    def _timers(self, party: Connection, now: float) -> list[dict[str, Any]]:
        running = sorted(party.timers.items(), key=lambda item: item[1].at)
        return [
            {
                "name": name,
                "state": state,
                "left": due.at - now,
                "lasts": due.at - due.started,
                "ends": (state, name) in self._lights.ending,
            }
            for (state, name), due in running
        ]

    def _room(self, place: Place, now: float) -> dict[str, Any]:
        world, (room, key) = self._hub.world, place
        group: Group | None = world.groups.get(place)
        return {
            "room": room,
            "key": self._mask.value(key),
            "members": list(islice(world.rooms[place], MOST)),
            "total": len(world.rooms[place]),
            "variables": {} if group is None else self._mask.value(group.values),
            "timers": [] if group is None else self._timers(group, now),
            "roles": [
                {"role": name, "holder": tenure.holder, "term": tenure.term}
                for name, role in self._hub.document.roles.items()
                if role.room == room and (tenure := world.tenures.get((name, key))) is not None
            ],
        }

    def _register(self, place: Place) -> dict[str, Any]:
        held = self._hub.world.registers[place]
        entries = [self._mask.value(one.shown()) for one in islice(held.values(), MOST)]
        return {"register": place[0], "key": self._mask.value(place[1]), "entries": entries}

    def _link(self, place: tuple[str, Any], now: float) -> dict[str, Any]:
        link = self._hub.world.links.known[place]
        fields = self._mask.value(link.fields)
        return {
            "link": link.kind, "state": link.state, "since": now - link.since, "holder": link.holder, "fields": fields,
        }  # fmt: skip

    def _logs(self, connections: Iterable[Connection]) -> list[dict[str, Any]]:
        """The logs that the connections which are shown write to."""
        found: dict[Place, int] = {}
        for name, key_of in self._log_keys.items():
            for connection in connections:
                key = key_of(connection.variables)
                if key is not None and (name, key) not in found:
                    found[name, key] = self._hub.world.logs.head((name, key))
        return [{"log": name, "key": self._mask.value(key), "head": head} for (name, key), head in found.items()]
