"""Measures: exchanges that must not be told apart by their duration, played in turn while nothing else runs."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from conformance.plan import Plan
from conformance.scripts import Case, Settle
from spec.model import Indistinguishable

FAMILY = "measures"


def cases(plan: Plan) -> Iterator[Case]:
    """One case for each pair that the document declares, each holding one exchange of both kinds."""
    for index, pair in enumerate(plan.document.indistinguishable):
        route = plan.routes.get(pair.state)
        if route is None:
            continue
        steps = []
        for side, client in ((pair.first, "first"), (pair.second, "second")):
            group = side["facts"]["token"]
            recipe = plan.words_for(group)
            send = plan.send(client, side["send"], recipe=recipe)
            steps += [*route.steps(client), send, Settle()]
        case = plan.case(FAMILY, f"{pair.state}/{index + 1}", steps, rules=pair.rules, level="should", alone=True)
        yield _measured(case, pair)


def _measured(case: Case, pair: Indistinguishable) -> Case:
    measure = {
        "samples": pair.samples,
        "within": pair.within,
        "first": f"first:{pair.first['until']}",
        "second": f"second:{pair.second['until']}",
        "rules": list(pair.rules),
        "text": pair.text,
    }
    return evolve(case, measure=measure, rules=pair.rules, text=pair.text)
