"""Lists that a connection keeps: what stands in one lives beside the others, and is over once it was taken out.

A client shows that by several names at once: what it takes out it hears no more of, once anything else was answered;
what it leaves goes on; and the name may be used again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from conformance.exploring import Route
from conformance.plan import Plan
from conformance.scripts import Case, Idle, Settle, Step
from spec.expressions import with_member
from spec.model import Add, Remove

FAMILY = "lists"

Named = tuple[str, str]
"""A client's message, and the pointer to the name in it."""


def cases(plan: Plan) -> Iterator[Case]:
    """For each list in each state, and each way into it and out of it."""
    for state, route in plan.routes.items():
        for name in plan.document.variables:
            for adding in _changing(plan, state, name, Add):
                for removing in _changing(plan, state, name, Remove):
                    yield from _cases(plan, route, f"{state}/{name}/{adding[0]}/{removing[0]}", adding, removing)


def _changing(plan: Plan, state: str, name: str, kind: type[Add | Remove]) -> list[Named]:
    """The messages that change a list in a state."""
    found: dict[Named, None] = {}
    for message in plan.client_messages():
        for case in plan.cases_of(state, message.name):
            changes: list[Mapping[str, Any]] = [effect.values for effect in case.do if isinstance(effect, kind)]
            pointers = [str(values[name]).partition("#")[2] for values in changes if name in values]
            found.update({(message.name, pointer): None for pointer in pointers if pointer})
    return list(found)


def _cases(plan: Plan, route: Route, name: str, adding: Named, removing: Named) -> Iterator[Case]:
    def said(named: Named, label: str) -> tuple[Step, ...]:
        send = plan.send("ana", named[0])
        return (evolve(send, payload=with_member(send.payload, named[1], {"$id": label})), Settle())

    def stands(*steps: Step) -> tuple[Step, ...]:
        return (*plan.probed(steps, "ana"), Idle(None))

    entered = route.steps("ana")
    gone = stands(*entered, *said(adding, "one"), *said(removing, "one"))
    yield plan.case(FAMILY, f"{name}/over", gone, text="what was taken out is over")
    kept = stands(*entered, *said(adding, "one"), *said(adding, "two"), *said(removing, "one"))
    yield plan.case(FAMILY, f"{name}/beside", (*kept, *said(removing, "two")), text="what stands beside it goes on")
    yield plan.case(FAMILY, f"{name}/again", (*gone, *said(adding, "one")), text="a name is used again")
