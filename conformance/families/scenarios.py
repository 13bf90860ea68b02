"""Scenarios: the document's own examples, played as they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from conformance.exploring import credential, symbolic
from conformance.plan import Plan
from conformance.scripts import Case, Open, Settle, Step, token
from spec.parameters import holds, parse_value

FAMILY = "scenarios"


def cases(plan: Plan) -> Iterator[Case]:
    """Every scenario that this deployment's parameters let happen."""
    for name, scenario in plan.document.scenarios.items():
        if not holds(scenario.get("applies", {}), plan.parameters):
            continue
        steps: list[Step] = []
        for number, entry in enumerate(scenario["steps"], 1):
            steps += list(_step(plan, entry, number))
        yield plan.case(FAMILY, name.replace("_", "-"), steps, text=scenario.get("text", ""))


def _step(plan: Plan, entry: Mapping[str, Any], number: int) -> Iterator[Step]:
    client = entry["client"]
    if "open" in entry:
        opening = entry["open"]
        parts: dict[str, Any] = {}
        for place in plan.document.credential_places():
            kind = "header" if "header" in place else "query"
            if kind in opening.get("credential", {}):
                parts = credential(place, token("valid", client))
        yield from plan.entry(Open(client, offer=tuple(opening.get("offer", ())), **parts))
        yield Settle()
    elif "send" in entry:
        words: dict[str, Any] = {}
        if "left" in entry:
            words["left"] = parse_value("duration", entry["left"])
        if entry.get("token") == "invalid":
            words["recipe"] = {"recipe": "wrong-key", "keyless": True}
        send = plan.send(client, entry["send"], label=f"step {number}" if "token" in entry else "", **words)
        if "payload" in entry:
            send = evolve(send, payload=symbolic(entry["payload"], {}))
        yield send
        yield Settle()
