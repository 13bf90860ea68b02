"""Bodies: in every state, valid messages are accepted and others refused as specified, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from conformance.exploring import Route
from conformance.generation.drawing import Draw, Script, drawn_cases
from conformance.generation.inputs import Inputs, Kind
from conformance.generation.wording import Speaker
from conformance.scripts import Case, Settle

FAMILY = "bodies"

_PACKED = 10
"""How many bodies one connection is sent at most, where the state survives them."""


def cases(inputs: Inputs, seed: int, examples: int) -> Iterator[Case]:
    """Examples for each state and kind of body, an even share for each, and one at least."""
    kinds = [kind for kind in inputs.kinds.values() if kind.name.partition(":")[0] in {"valid", "proof", "mutated"}]
    strata = [(state, route, kind) for state, route in inputs.plan.leaves() for kind in kinds]
    for index, (state, route, kind) in enumerate(strata):
        # What is left over after dividing goes to the first ones.
        count = max(1, (examples + len(strata) - 1 - index) // len(strata))
        aim, _, message = kind.name.partition(":")
        name = f"{message}/{state}/{'mutated' if aim == 'mutated' else 'valid'}"
        yield from drawn_cases(partial(_script, inputs, route, kind), count, seed, FAMILY, name)


def _script(inputs: Inputs, route: Route, kind: Kind, draw: Draw) -> Script:
    """A client in a state, mostly beside one who would hear what reaches the room, and bodies while it stays there."""
    ana = Speaker("ana", "ana")
    steps = [*route.steps("ana", id=ana.fresh())]
    if route.state in {state for state, _ in inputs.plan.broadcasts()} and draw.percent(60):
        steps += route.steps("ben")
    stage = inputs.plan.stage(steps)
    for _ in range(1 + draw.below(_PACKED)):
        step = kind.drawn(draw, ana)
        steps += [step, Settle()]
        stage.step(step)
        if stage.state("ana") != route.state:
            break
    return tuple(steps), tuple(stage.touched)
