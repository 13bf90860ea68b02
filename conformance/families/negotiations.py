"""Negotiations: requests that make what a connection takes up, each class of each of their parts, and their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from conformance.exploring import credential, queried_by
from conformance.families.opening import credentials
from conformance.plan import Plan
from conformance.scripts import Case, Post, Settle, Step, token
from spec.model import Create, Endpoint, Fact

FAMILY = "negotiations"

_METHODS = ("GET", "PUT", "PATCH", "DELETE")

_NO_NUMBERS = {"empty": "", "letter": "x", "word": "one", "digits-and-letters": "1x", "null": "null", "list": "1,2"}
"""What is no number; signs, fractions, exponents, spaces and other digits than ASCII's are judged by nobody."""


def cases(plan: Plan) -> Iterator[Case]:
    """For every endpoint that makes links."""
    for endpoint in plan.document.http.values():
        if any(isinstance(effect, Create) for row in endpoint.rows for effect in row.do):
            yield from _accepted(plan, endpoint)
            yield from _credentials(plan, endpoint)
            yield from _methods(plan, endpoint)
            yield from _origins(plan, endpoint)


def facts(plan: Plan, endpoint: Endpoint, kind: str) -> list[Fact]:
    """The facts of a kind that an endpoint asks."""
    names = dict.fromkeys(name for row in endpoint.rows for name in row.when)
    return [fact for name in names if (fact := plan.document.facts[name]).kind == kind]


def _ways(plan: Plan, endpoint: Endpoint) -> list[Post]:
    return [evolve(way, client="ana") for way in plan.explorer.ways if way.endpoint == endpoint.name]


def numbers(plan: Plan, endpoint: Endpoint) -> dict[str, tuple[tuple[str, Any], ...]]:
    """Queries with every class of every number that an endpoint asks for, by what they are called in cases."""
    found: dict[str, tuple[tuple[str, Any], ...]] = {}
    for fact in facts(plan, endpoint, "number"):
        name, limit = queried_by(fact.options["of"]), int(fact.options["limit"])
        if name is None:
            continue
        texts = {"absent": None, "least": "0", "zeros": "000", "limit": str(limit)}
        texts |= {"above": str(limit + 1), "far-above": str(limit + 9), "above-with-zero": f"0{limit + 1}"}
        texts |= {"above-32-bits": str(2**31), **_NO_NUMBERS}
        found |= {f"{name}/{kind}": ((name, text),) if text is not None else () for kind, text in texts.items()}
    return found or {"plain": ()}


def _connecting(plan: Plan) -> tuple[Step, ...]:
    """What an accepted negotiation is good for: the connection that takes it up."""
    route = next(route for route in plan.routes.values() if route.sends)
    return tuple(step for step in route.steps("ana") if not isinstance(step, Post))


def _accepted(plan: Plan, endpoint: Endpoint) -> Iterator[Case]:
    for number, way in enumerate(_ways(plan, endpoint)):
        steps = (way, Settle(), *_connecting(plan))
        yield plan.case(FAMILY, f"{endpoint.name}/way/{number + 1}", plan.probed(steps, "ana"), rules=_rules(plan, way))
    plain = _ways(plan, endpoint)[0]
    named = {query[0][0] for query in numbers(plan, endpoint).values() if query}
    others = tuple(pair for pair in plain.query if pair[0] not in named)
    for kind, query in numbers(plan, endpoint).items():
        asked = evolve(plain, query=(*query, *others))
        steps = (asked, Settle())
        if plan.rehearse((asked,)).made:
            steps = plan.probed((*steps, *_connecting(plan)), "ana")
        yield plan.case(FAMILY, f"{endpoint.name}/{kind}", steps, rules=_rules(plan, asked))
        forged = evolve(asked, headers=credential_headers(plan, token("wrong-key", keyless=True)))
        yield plan.case(FAMILY, f"{endpoint.name}/{kind}/forged", (forged, Settle()), rules=_rules(plan, forged))
    for name, text in {"empty": "", "words": "hello", "object": "{}"}.items():
        steps = (evolve(plain, text=text), Settle(), *_connecting(plan))
        yield plan.case(FAMILY, f"{endpoint.name}/body/{name}", plan.probed(steps, "ana"), rules=_rules(plan, plain))
    again = (plain, Settle(), evolve(plain, client="ben"), Settle(), *_connecting(plan))
    yield plan.case(FAMILY, f"{endpoint.name}/twice", plan.probed(again, "ana"), rules=_rules(plan, plain))


def _rules(plan: Plan, post: Post) -> tuple[str, ...]:
    return plan.rehearse((post,)).rules


def credential_headers(plan: Plan, symbol: Any) -> tuple[tuple[str, Any], ...]:
    """Headers that carry a credential, in the first place that is one."""
    place = next(place for place in plan.document.credential_places() if "header" in place)
    headers: tuple[tuple[str, Any], ...] = credential(place, symbol)["headers"]
    return headers


def _bare(plan: Plan, endpoint: Endpoint) -> Post:
    """A negotiation without any credential."""
    named = {place["query"] for place in plan.document.credential_places() if "query" in place}
    plain = _ways(plan, endpoint)[0]
    return evolve(plain, headers=(), query=tuple(pair for pair in plain.query if pair[0] not in named))


def _credentials(plan: Plan, endpoint: Endpoint) -> Iterator[Case]:
    bare = _bare(plan, endpoint)
    for how, parts in credentials(plan).items():
        asked = evolve(bare, headers=parts.get("headers", ()), query=(*bare.query, *parts.get("query", ())))
        steps: tuple[Step, ...] = (asked, Settle())
        if plan.rehearse((asked,)).made:
            steps = plan.probed((*steps, *_connecting(plan)), "ana")
        yield plan.case(FAMILY, f"{endpoint.name}/credential/{how}", steps, rules=_rules(plan, asked))


def _methods(plan: Plan, endpoint: Endpoint) -> Iterator[Case]:
    allowed = [name for fact in facts(plan, endpoint, "method") for name in fact.options["allowed"]]
    plain, bare = _ways(plan, endpoint)[0], _bare(plan, endpoint)
    for method in _METHODS if allowed else ():
        if method not in allowed:
            for name, post in {"": plain, "/without-credential": bare}.items():
                asked = evolve(post, method=method)
                case = f"{endpoint.name}/method/{method}{name}"
                yield plan.case(FAMILY, case, (asked, Settle()), rules=_rules(plan, asked))


def _origins(plan: Plan, endpoint: Endpoint) -> Iterator[Case]:
    allowed = tuple(plan.parameters.get("origins", ()))
    tried = {"anywhere": "https://anywhere.example", **{f"allowed-{n}": origin for n, origin in enumerate(allowed)}}
    tried |= {"null": "null", "longer": f"{allowed[0]}.evil.example"} if allowed else {}
    plain, bare = _ways(plan, endpoint)[0], _bare(plan, endpoint)
    names = {fact.name for fact in facts(plan, endpoint, "origin")}
    cited = tuple(rule for row in endpoint.rows if names & {*row.when} for rule in row.rules)
    for name, origin in tried.items():
        asked = evolve(plain, headers=(*plain.headers, ("Origin", origin)))
        yield plan.case(FAMILY, f"{endpoint.name}/origin/{name}", (asked, Settle()), rules=cited if allowed else ())
    if allowed:
        other = evolve(bare, headers=(("Origin", "https://evil.example"),))
        yield plan.case(FAMILY, f"{endpoint.name}/origin/before-credential", (other, Settle()), rules=cited)
        asked = evolve(other, method="GET")
        yield plan.case(FAMILY, f"{endpoint.name}/origin/before-method", (asked, Settle()), rules=cited)
