"""The families: each describes cases for any document; none knows a protocol, a socket or a random number."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.families import (
    alerts,
    calls,
    closing,
    endpoints,
    expulsions,
    histories,
    hostile,
    limits,
    links,
    lists,
    logs,
    measures,
    messages,
    negotiations,
    opening,
    registers,
    roles,
    rooms,
    scenarios,
    timers,
    tokens,
    transitions,
)
from conformance.plan import Plan
from conformance.scripts import Case

__all__ = ["FAMILIES", "all_cases"]

FAMILIES = {
    family.FAMILY: family.cases
    for family in (
        timers,
        opening,
        transitions,
        histories,
        messages,
        calls,
        rooms,
        roles,
        registers,
        logs,
        links,
        lists,
        endpoints,
        negotiations,
        expulsions,
        tokens,
        limits,
        alerts,
        closing,
        hostile,
        scenarios,
        measures,
    )
}


def all_cases(plan: Plan) -> Iterator[Case]:
    """Every case of every family, each identifier once."""
    seen: set[str] = set()
    for family in FAMILIES.values():
        for case in family(plan):
            if case.id in seen:
                raise ValueError(f"two cases are named {case.id}")
            seen.add(case.id)
            yield case
