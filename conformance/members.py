"""Members of what clients share: scripts in which several come into one room, each with something of its own.

Everything is read off the document: which payload a variable comes from, who of a room's members an effect is for, and
how a client is told apart in a request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from conformance.exploring import Route
from conformance.plan import Plan
from conformance.scripts import Send, Settle, Step
from spec import model
from spec.expressions import pointer_get, with_member

__all__ = ["Company", "companies", "effects_of", "sources"]

_PAYLOAD = "$message.payload#"


def effects_of(cases: tuple[model.Case, ...]) -> Iterator[tuple[model.Case, model.Effect]]:
    """What cases do, in decisions within them too."""
    for case in cases:
        for effect in case.do:
            yield case, effect
            if isinstance(effect, model.Decide):
                yield from effects_of(effect.cases)


def sources(plan: Plan, message: str) -> dict[str, str]:
    """Where a client's message has what variables are set to: variable -> pointer into its payload."""
    found: dict[str, str] = {}
    for state in plan.document.states.values():
        for _, effect in effects_of(state.receive.get(message, ())):
            for name, value in effect.values.items() if isinstance(effect, model.Set) else ():
                if str(value).startswith(_PAYLOAD):
                    found.setdefault(name, str(value).removeprefix(_PAYLOAD))
    return found


class Company:
    """The members of a room, who come by one route; all of one subject where nothing else is said."""

    def __init__(self, plan: Plan, state: str, route: Route) -> None:
        self.plan, self.state, self.route = plan, state, route
        self.entry = route.sends[-1].message
        self.sources = sources(plan, self.entry)

    def join(
        self,
        client: str,
        *,
        room: str = "a",
        subject: str = "ana",
        left: float | None = None,
        at: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> tuple[Step, ...]:
        """A client comes, with values of its own for variables of the connection."""
        steps = list(self.route.steps(client, room=room, subject=subject, left=left, **more))
        send = steps[-2]
        assert isinstance(send, Send)
        payload = send.payload
        for variable, value in (at or {}).items():
            payload = with_member(payload, self.sources[variable], value)
        steps[-2] = evolve(send, payload=payload)
        return tuple(steps)

    def given(self, client: str, variable: str) -> Any:
        """What a variable is where nothing of its own is said for it."""
        send = self.join(client)[-2]
        assert isinstance(send, Send)
        return pointer_get(send.payload, self.sources[variable])

    def say(self, client: str, message: str, at: Mapping[str, Any] | None = None, **words: Any) -> tuple[Step, ...]:
        """A client sends the first example of a message, with other values where pointers say."""
        send = self.plan.send(client, message, **{"subject": "ana", **words})
        payload = send.payload
        for pointer, value in (at or {}).items():
            payload = with_member(payload, pointer, value)
        return (evolve(send, payload=payload), Settle())

    def fence(self, client: str) -> tuple[Step, ...]:
        """Something that is answered whatever was sent before it, so that it is known to be handled."""
        return (Send(client, "handfast_unknown"), Settle())


def companies(plan: Plan, room: str) -> Iterator[Company]:
    """The states whose connections are members of rooms of a kind, by the messages that led there."""
    for state, route in plan.leaves():
        rooms = plan.stage(route.steps("ana")).members()
        if route.sends and any(kind == room for kind, _ in rooms):
            yield Company(plan, state, route)
