"""Tokens: every recipe of the document's ladder, in every place where a token is presented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance.exploring import credential
from conformance.plan import Plan
from conformance.scripts import Case, Open, Settle, Step, token
from spec.machine import Refusal
from spec.model import Recipe

FAMILY = "tokens"

# These are what the other families use; a case here would say the same again.
_PLAIN = {"valid", "expired", "wrong-key", "not-yet-valid", "malformed"}


def cases(plan: Plan) -> Iterator[Case]:
    """Recipes by message in every state, and by credential where the opening looks at one."""
    recipes = [r for r in plan.document.recipes if r.name not in _PLAIN and plan.book.applicable(r) is None]
    seen: set[str] = set()
    for state, route in plan.leaves():
        for message, _ in plan.secrets():
            # The whole list where a token decides first; elsewhere one recipe for each rung and verdict.
            chosen = recipes if _first(state, seen) or plan.deep else _one_each(recipes)
            for recipe in chosen:
                send = plan.send("ana", message, recipe=_symbol(plan, recipe), rules=recipe.rules, label="tried")
                steps = plan.probed((*route.steps("ana", subject="ana"), send, Settle()), "ana")
                name = f"{message}/{state}/{recipe.name}"
                yield plan.case(FAMILY, name, steps, rules=recipe.rules, level=recipe.level)
    yield from _presented(plan, recipes)


def _first(state: str, seen: set[str]) -> bool:
    top = state.partition(".")[0]
    fresh = top not in seen
    seen.add(top)
    return fresh


def _one_each(recipes: list[Recipe]) -> list[Recipe]:
    kept: dict[tuple[str, str], Recipe] = {}
    for recipe in recipes:
        kept.setdefault((recipe.step, recipe.level), recipe)
    return list(kept.values())


def _symbol(plan: Plan, recipe: Recipe) -> dict[str, Any]:
    return {"recipe": recipe.name, **({"keyless": True} if plan.book.keyless(recipe.name) else {})}


def _presented(plan: Plan, recipes: list[Recipe]) -> Iterator[Case]:
    places = plan.document.credential_places()
    for version in plan.document.versions:
        for place in places:
            kind = "header" if "header" in place else "query"
            offer = (version.subprotocol,) if version.subprotocol else ()
            if not _looked_at(plan, offer, place):
                continue
            for recipe in recipes:
                # Longer tokens may be refused by HTTP's own limits (ALL-TOKEN-3), which is judged by nobody.
                if plan.book.only_message(recipe) or recipe.data.get("size"):
                    continue
                symbol = token(subject="ana", **_symbol(plan, recipe))
                opening = Open("ana", offer=offer, rules=recipe.rules, **credential(place, symbol))
                steps: tuple[Step, ...] = plan.probed((opening, Settle()), "ana")
                name = f"{kind}/{version.name}/{recipe.name}"
                yield plan.case(FAMILY, name, steps, rules=recipe.rules, level=recipe.level)


def _looked_at(plan: Plan, offer: tuple[str, ...], place: Mapping[str, str]) -> bool:
    """Whether a forged credential in a place is refused, so that the place is looked at at all."""
    forged = Open("ana", offer=offer, **credential(place, token("wrong-key", keyless=True)))
    bare = Open("ana", offer=offer)
    answers = [plan.rehearse([opening]).answer for opening in (forged, bare)]
    return all(isinstance(a, Refusal) for a in answers) and answers[0] != answers[1]
