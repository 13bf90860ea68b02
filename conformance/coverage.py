"""Coverage: which rules, states and transitions a run reached, and why it did not reach the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.plan import Plan
from conformance.scripts import Case
from conformance.verdicts import Result
from spec.model import Rule
from spec.parameters import holds

__all__ = ["WITHHELD", "coverage", "why_unapplied"]

_NOT_RUN, _NO_TOKENS = "not run", "needs tokens that this run had not"

WITHHELD = frozenset({_NOT_RUN, _NO_TOKENS})
"""Why a run did not look at rules that apply: another run, or one with more, would have."""


def why_unapplied(rule: Rule, parameters: Mapping[str, Any]) -> str | None:
    """Why a rule does not apply to a deployment, or None."""
    for name, wanted in rule.applies.items():
        if not holds({name: wanted}, parameters):
            value = parameters.get(name)
            return f"`{name}` is {'not configured' if wanted == 'configured' else value}"
    return None


def _transitions(plan: Plan, reached: set[str]) -> dict[str, list[str]]:
    """The rows of the opening table and the cases of states and timers: those that decided, and the others."""
    document = plan.document
    tables = [*document.receive.values()]
    for state in document.states.values():
        tables += [*state.receive.values(), *(timer.expire for timer in state.timers)]
    tables += [timer.expire for timer in document.timers]
    every = [row.pointer for row in document.opening]
    every += [row.pointer for endpoint in document.http.values() for row in endpoint.rows]
    every += [case.pointer for cases in tables for case in cases]
    return {"reached": sorted(reached & set(every)), "unreached": sorted(set(every) - reached)}


def coverage(plan: Plan, cases: Iterable[Case], results: Mapping[str, Result], *, filtered: bool) -> dict[str, Any]:
    """Rules by what became of them, and states reached."""
    played = [result for result in results.values() if result.verdict != "not applicable"]
    reached = {rule for result in played for rule in (*result.covered, *result.rules, *result.case.rules)}
    barred = {rule for result in results.values() if result.verdict == "not applicable" for rule in result.case.rules}
    barred |= {rule for case in cases if case.id not in results for rule in case.rules} if filtered else set()
    rules: dict[str, dict[str, str]] = {"reached": {}, "unreached": {}, "not applicable": {}, "elsewhere": {}}
    for rule in plan.document.rules.values():
        unapplied = why_unapplied(rule, plan.parameters)
        if rule.observe != "wire":
            rules["elsewhere"][rule.id] = rule.reason or f"observable in the {rule.observe} only"
        elif unapplied is not None:
            rules["not applicable"][rule.id] = unapplied
        elif rule.id not in plan.document.cited:
            rules["not applicable"][rule.id] = "nothing in this protocol comes under it"
        elif rule.id in reached:
            rules["reached"][rule.id] = ""
        elif rule.id in plan.untried:
            rules["not applicable"][rule.id] = plan.untried[rule.id]
        elif rule.id in barred or (plan.document.ladder and plan.book.tier != "mint") or filtered:
            rules["not applicable"][rule.id] = _NOT_RUN if filtered else _NO_TOKENS
        else:
            rules["unreached"][rule.id] = "no case showed it"
    visited = {state for result in played for state in result.visited}
    return {
        "rules": {kind: dict(sorted(found.items())) for kind, found in rules.items()},
        "states": {"reached": sorted(visited), "all": [state.path for state in plan.document.leaves()]},
        "transitions": _transitions(plan, {one for result in played for one in result.transitions}),
        "families": sorted({result.case.family for result in played}),
    }
