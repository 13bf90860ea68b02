"""Tokens: every recipe of the document's ladder, in every place where a token is presented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from conformance.exploring import Route, credential
from conformance.plan import Plan
from conformance.scripts import Case, Open, Settle, Step, token
from spec.machine import Refusal
from spec.model import Guard, Recipe

FAMILY = "tokens"

# These are what the other families use; a case here would say the same again.
_PLAIN = {"valid", "expired", "wrong-key", "not-yet-valid", "malformed"}

# What shows that one more key of a known algorithm is a key.
_OF_THE_KEY = {"valid", "expired", "wrong-key"}
_OF_KEYS = {"sibling", "cousin"}


def cases(plan: Plan) -> Iterator[Case]:
    """Recipes by message in every state, and by credential where the opening looks at one."""
    recipes = [r for r in _applicable(plan) if r.name not in _PLAIN]
    seen: set[str] = set()
    for state, route in plan.leaves():
        # The whole list where a token decides first; elsewhere one recipe for each rung and verdict.
        yield from _by_message(plan, route, recipes if _first(state, seen) or plan.deep else _one_each(recipes))
    yield from _by_credential(plan, recipes)
    yield from _by_request(plan, recipes)
    for number in range(1, len(plan.book.keys)):
        yield from _by_other_key(plan, number)


def _by_message(plan: Plan, route: Route, recipes: list[Recipe], number: int = 0) -> Iterator[Case]:
    for message, _ in plan.secrets():
        if not any(_asks_tokens(plan, case.when) for case in plan.cases_of(route.state, message)):
            continue
        for recipe in recipes:
            word = _symbol(plan, recipe, number)
            send = plan.send("ana", message, recipe=word, rules=recipe.rules, label="tried")
            steps = plan.probed((*route.steps("ana", subject="ana"), send, Settle()), "ana")
            name = f"{message}/{route.state}/{_of_key(number)}{recipe.name}"
            yield plan.case(FAMILY, name, steps, rules=recipe.rules, level=recipe.level)


def _by_other_key(plan: Plan, number: int) -> Iterator[Case]:
    """With one of the deployment's further keys: the whole list where its algorithm is new, else what is of keys."""
    recipes = _applicable(plan, number)
    if number not in plan.book.one_of_each():
        recipes = [r for r in recipes if r.name in _OF_THE_KEY or _OF_KEYS & {*r.data.get("needs", ())}]
    if plan.secrets():
        yield from _by_message(plan, next(iter(plan.routes.values())), recipes, number)
    else:
        yield from _by_credential(plan, recipes, number)


def _applicable(plan: Plan, number: int = 0) -> list[Recipe]:
    return [recipe for recipe in plan.document.recipes if plan.book.applicable(recipe, number) is None]


def _of_key(number: int) -> str:
    return f"key-{number + 1}/" if number else ""


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


def _symbol(plan: Plan, recipe: Recipe, number: int) -> dict[str, Any]:
    keyless = {"keyless": True} if plan.book.keyless(recipe.name) else {}
    return {"recipe": recipe.name, **keyless, **({"key": number} if number else {})}


def _by_credential(plan: Plan, recipes: list[Recipe], number: int = 0) -> Iterator[Case]:
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
                symbol = token(subject="ana", **_symbol(plan, recipe, number))
                opening = Open("ana", offer=offer, rules=recipe.rules, **credential(place, symbol))
                steps: tuple[Step, ...] = plan.probed((*plan.entry(opening), Settle()), "ana")
                name = f"{kind}/{version.name}/{_of_key(number)}{recipe.name}"
                yield plan.case(FAMILY, name, steps, rules=recipe.rules, level=recipe.level)


def _by_request(plan: Plan, recipes: list[Recipe]) -> Iterator[Case]:
    """Credentials of requests for endpoints that look at tokens."""
    for way in plan.explorer.ways[:1]:
        endpoint = plan.document.http[way.endpoint]
        if not any(_asks_tokens(plan, row.when) for row in endpoint.rows):
            continue
        for place in plan.document.credential_places():
            kind = "header" if "header" in place else "query"
            for recipe in recipes:
                if plan.book.only_message(recipe) or recipe.data.get("size"):
                    continue
                parts = credential(place, token(subject="ana", **_symbol(plan, recipe, 0)))
                bare = evolve(way, client="ana", headers=(), rules=recipe.rules)
                asked = evolve(bare, headers=parts.get("headers", ()), query=(*bare.query, *parts.get("query", ())))
                name = f"{endpoint.name}/{kind}/{recipe.name}"
                yield plan.case(FAMILY, name, (asked, Settle()), rules=recipe.rules, level=recipe.level)


def _asks_tokens(plan: Plan, when: Guard) -> bool:
    return any(plan.document.facts[name].kind == "token" for name in when)


def _looked_at(plan: Plan, offer: tuple[str, ...], place: Mapping[str, str]) -> bool:
    """Whether a forged credential in a place is refused, so that the place is looked at at all."""
    forged = Open("ana", offer=offer, **credential(place, token("wrong-key", keyless=True)))
    bare = Open("ana", offer=offer)
    answers = [plan.rehearse(plan.entry(opening)).answer for opening in (forged, bare)]
    return all(isinstance(a, Refusal) for a in answers) and answers[0] != answers[1]
