"""Generation: cases that Hypothesis draws, beside those that the families describe.

Each property is a module with a `FAMILY` and a `cases`. What is drawn is complete before anything is played: a frozen
case of plain steps, the same for the same seed, document and parameters. The oracle is the tracker; drawing only aims,
by rehearsing on the machine, and keeps to races whose outcome the tracker can judge.

Importing this imports Hypothesis, which costs a quarter of a second and makes Trio's scheduler deterministic for the
process: import it where examples are wanted and not before.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from conformance.generation import bodies, interleavings, sequences, timing
from conformance.generation.inputs import Inputs
from conformance.plan import Plan
from conformance.scripts import Case

__all__ = ["PROPERTIES", "generated"]

PROPERTIES = {module.FAMILY: module.cases for module in (timing, bodies, sequences, interleavings)}


def generated(plan: Plan, seed: int, examples: int) -> Iterator[Case]:
    """About so many cases of each property."""
    inputs = Inputs(plan)
    for cases in PROPERTIES.values():
        for case in cases(inputs, seed, examples):
            yield evolve(case, alone=case.alone or plan.explorer.rehearse_once(case.steps).shared)
