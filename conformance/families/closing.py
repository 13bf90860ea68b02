"""Closing: close frames are answered in every state, and an end of one connection touches no other."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.plan import Plan
from conformance.scripts import Case, Close, Ping, Reset, Settle

FAMILY = "closing"

_CODES = {"normal": 1000, "going-away": 1001, "no-code": None, "library": 3000, "private": 4999}


def cases(plan: Plan) -> Iterator[Case]:
    """Close frames with every kind of code, in every state; resets beside a connection that goes on."""
    answers, forget = plan.document.answer_close, plan.document.forget
    for state, route in plan.leaves():
        for name, code in _CODES.items():
            steps = (*route.steps("ana"), Close("ana", code), Settle())
            yield plan.case(FAMILY, f"{state}/close/{name}", steps, rules=answers)
        pinged = (*route.steps("ana"), Ping("ana"), Ping("ana", "x" * 125), Close("ana"), Settle())
        yield plan.case(FAMILY, f"{state}/close/behind-pings", pinged, rules=answers)
        for name, gently in {"fin": True, "reset": False}.items():
            steps = (*route.steps("ana"), *route.steps("ben"), Reset("ana", gently=gently))
            yield plan.case(FAMILY, f"{state}/{name}", plan.probed(steps, "ben", forget), rules=forget)
