"""Operators on the ladder of token checks: rungs that are missing, misplaced, or come to another verdict."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import add, remove, replace
from spec.authoring.mutants.reading import Draft, Row, Rules, joined, values_of

__all__ = ["drop_claim", "drop_rung", "drop_string_claim", "other_verdict", "raise_rung", "swap_rungs"]

_LADDER = "/tokens/ladder"


def _rules(draft: Draft, *steps: str) -> Rules:
    """The rules of rungs, of the recipes whose tokens end on them, and of what is done with who does."""
    tokens = draft.data["tokens"]
    rungs = [rung for rung in tokens["ladder"] if rung["step"] in steps]
    recipes = [recipe.get("rules", ()) for recipe in tokens["recipes"] if recipe["step"] in steps]
    asking = [row.rules for verdict in {rung["verdict"]: None for rung in rungs} for row in _only_for(draft, verdict)]
    return joined(*(rung["rules"] for rung in rungs), *recipes, *asking)


def drop_rung(draft: Draft) -> Iterator[Edit]:
    """A check is not made."""
    for index, rung in enumerate(draft.data["tokens"]["ladder"]):
        at, text = f"{_LADDER}/{index}", f"the check `{rung['step']}` is not made"
        others = {other["verdict"] for other in draft.data["tokens"]["ladder"] if other is not rung}
        asking = [] if rung["verdict"] in others else list(_only_for(draft, rung["verdict"]))
        rules = joined(_rules(draft, rung["step"]), *(row.rules for row in asking))
        # Nothing comes to this verdict any more, so no guard may ask for it; the last row first.
        yield Edit(at, rules, text, (remove(at), *(remove(row.at) for row in reversed(asking))))


def _only_for(draft: Draft, verdict: str) -> Iterator[Row]:
    facts = {name for name, fact in draft.data["facts"].items() if fact["kind"] == "token"}
    for row in draft.rows:
        if any(fact in facts and verdict in values_of(wanted) for fact, wanted in row.when.items()):
            yield row


def swap_rungs(draft: Draft) -> Iterator[Edit]:
    """Two neighbouring checks change places."""
    ladder = draft.data["tokens"]["ladder"]
    for index, (rung, other) in enumerate(pairwise(ladder)):
        patch = (replace(f"{_LADDER}/{index}", other), replace(f"{_LADDER}/{index + 1}", rung))
        text = f"`{other['step']}` is checked before `{rung['step']}`"
        yield Edit(f"{_LADDER}/{index}", _rules(draft, rung["step"], other["step"]), text, patch)


def raise_rung(draft: Draft) -> Iterator[Edit]:
    """A check is made before all others."""
    for index, rung in enumerate(draft.data["tokens"]["ladder"]):
        if index > 1:
            at = f"{_LADDER}/{index}"
            steps = [other["step"] for other in draft.data["tokens"]["ladder"][: index + 1]]
            patch = (remove(at), add(f"{_LADDER}/0", rung))
            yield Edit(at, _rules(draft, *steps), f"`{rung['step']}` is checked first", patch)


def other_verdict(draft: Draft) -> Iterator[Edit]:
    """A token that fails a check is taken for one of another class."""
    ladder = draft.data["tokens"]["ladder"]
    verdicts = dict.fromkeys(rung["verdict"] for rung in ladder)
    for index, rung in enumerate(ladder):
        for verdict in verdicts:
            if verdict != rung["verdict"]:
                at = f"{_LADDER}/{index}/verdict"
                text = f"who fails `{rung['step']}` is {verdict}, and not {rung['verdict']}"
                yield Edit(at, _rules(draft, rung["step"]), text, (replace(at, verdict),), verdict)


def drop_claim(draft: Draft) -> Iterator[Edit]:
    """A claim may be absent."""
    for index, name in enumerate(draft.data["tokens"]["claims"]["required"]):
        at = f"/tokens/claims/required/{index}"
        yield Edit(at, _rules(draft, "claims"), f"`{name}` may be absent", (remove(at),), name)


def drop_string_claim(draft: Draft) -> Iterator[Edit]:
    """A claim may be empty, or of another type."""
    for index, name in enumerate(draft.data["tokens"]["claims"].get("strings", ())):
        at = f"/tokens/claims/strings/{index}"
        yield Edit(at, _rules(draft, "claims"), f"`{name}` may be anything", (remove(at),), name)
