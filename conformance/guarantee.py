"""The guarantee: what a run whose tests pass shows of a server, under which assumptions, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.families.transitions import FAMILY
from conformance.plan import Plan
from conformance.scripts import Case
from conformance.verdicts import Result

__all__ = ["guarantee", "holds", "in_words"]

_ASSUMED = (
    "what is abstracted from (ids, names, contents, moments) decides nothing",
    "equal exchanges are answered equally",
    "clients of fresh rooms and subjects find the server as new",
)


_MOST = 4
"""How many things left out are told to people."""


def guarantee(plan: Plan, every: Iterable[Case], chosen: Iterable[Case]) -> dict[str, Any]:
    """What is guaranteed where all tests pass: alphabet, states, bound, tests, assumptions, what is left out."""
    machine = plan.layer.machine
    tests = [case.id for case in every if case.family == FAMILY]
    played = {case.id for case in chosen}
    states = len(machine.states)
    return {
        "layer": plan.layer.name,
        "method": "transition cover" if plan.level == "smoke" else "HSI",
        "inputs": len(machine.alphabet()),
        "states": states,
        "bound": None if plan.level == "smoke" else states + (1 if plan.deep else 0),
        "tests": len(tests),
        "skipped": sum(1 for test in tests if test not in played),
        "assumptions": list(_ASSUMED),
        "left_out": [*plan.layer.left_out, *plan.left_out],
    }


def holds(stated: Mapping[str, Any], results: Mapping[str, Result]) -> bool:
    """Whether every test of the guarantee was run and passed."""
    passed = sum(1 for one in results.values() if one.case.family == FAMILY and one.verdict == "pass")
    return bool(stated["tests"]) and passed == stated["tests"]


def in_words(stated: Mapping[str, Any] | None) -> list[str]:
    """The guarantee for people, in lines; none where a run states none."""
    if stated is None:
        return []
    size = f"{stated['layer']} of {stated['states']} states over {stated['inputs']} inputs, {stated['tests']} tests"
    if stated["bound"] is None:
        found = "every wrong answer of a single transition"
    else:
        found = f"every wrong answer and next state of a server of at most {stated['bound']} states"
    lines = [f"{size} ({stated['method']}): {found}"]
    if stated["skipped"]:
        lines.append(f"not given: {stated['skipped']} of its tests are not run")
    told = stated["left_out"]
    lines += [f"left out: {one}" for one in told[:_MOST]]
    return lines + ([f"left out: {len(told) - _MOST} more, in the reports"] if len(told) > _MOST else [])
