"""Opening: paths, upgrades, origins, offers and credentials, and which of them decides where several could."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

from attrs import evolve

from conformance.exploring import Route, credential, opened
from conformance.plan import Plan
from conformance.scripts import Case, Expire, Idle, Open, Post, Settle, Step, token
from spec.machine.world import CLOSED

FAMILY = "opening"

_OTHER = "handfast.unknown"

_USUAL = ({"header": "Authorization", "scheme": "Bearer"}, {"query": "token"})
"""Where servers look for credentials unless told not to."""

_SOON = 1.2
"""The life, in seconds, of a token whose end is to be seen: it must outlast the steps before it."""


def cases(plan: Plan) -> Iterator[Case]:
    """Every class of every part of a request, and the combinations that show the order of refusals."""
    yield from _combinations(plan)
    yield from _unread(plan)
    yield from _doors(plan)
    yield from _paths(plan)
    yield from _origins(plan)
    yield from _spellings(plan)


def offers(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Offers of subprotocols, one for each class and each order in which a class can be written."""
    names = tuple(version.subprotocol for version in plan.document.versions if version.subprotocol)
    found: dict[str, tuple[str, ...]] = {"none": (), "unknown": (_OTHER,)}
    for name in names:
        found[name] = (name,)
        found[f"unknown+{name}"] = (_OTHER, name)
        found[f"{name}-in-capitals"] = (name.upper(),)
    if len(names) > 1:
        found["+".join(names)] = names
        found["+".join(reversed(names))] = tuple(reversed(names))
    return found


def credentials(plan: Plan) -> dict[str, dict[str, Any]]:
    """Ways to bring, or not to bring, a credential."""
    found: dict[str, dict[str, Any]] = {"none": {}}
    places = plan.document.credential_places()
    for place in places:
        kind = "header" if "header" in place else "query"
        found[f"{kind}-valid"] = credential(place, token())
        found[f"{kind}-expired"] = credential(place, token("expired"))
        found[f"{kind}-forged"] = credential(place, token("wrong-key", keyless=True))
        found[f"{kind}-empty"] = credential(place, "")
        if "header" in place:
            found["header-lower-case"] = {"headers": ((place["header"].lower(), _bearer(place, str.lower)),)}
            found["header-upper-case"] = {"headers": ((place["header"].upper(), _bearer(place, str.upper)),)}
            found["header-other-scheme"] = {"headers": ((place["header"], "Basic aGFuZDpmYXN0"),)}
            found["header-no-space"] = {"headers": ((place["header"], place["scheme"]),)}
    return {**found, **_several(plan, places)}


def _bearer(place: Mapping[str, str], spell: Any) -> dict[str, Any]:
    return {"$join": [f"{spell(place['scheme'])} ", token()]}


def _several(plan: Plan, places: list[Mapping[str, str]]) -> dict[str, dict[str, Any]]:
    """Two credentials: in two places, and in one where the document says what comes of that."""
    facts = plan.document.facts
    tables = [guard for fact in facts.values() if fact.kind == "table" for guard, _ in fact.options["rows"]]
    guards = [*tables, *(row.when for row in plan.document.opening)]
    asked = any(facts[name].kind == "credentials" for guard in guards for name in guard)
    found: dict[str, dict[str, Any]] = {}
    for first, second in product(places, repeat=2):
        if places.index(first) > places.index(second) or (first is second and not asked):
            continue
        one, two = credential(first, token()), credential(second, token("valid", "ben"))
        merged = {key: (*one.get(key, ()), *two.get(key, ())) for key in {*one, *two}}
        kinds = ["header" if "header" in place else "query" for place in (first, second)]
        found[f"several-{kinds[0]}-{kinds[1]}"] = merged
    return found


def _combinations(plan: Plan) -> Iterator[Case]:
    for (offer, names), (how, parts) in product(offers(plan).items(), credentials(plan).items()):
        if offer.endswith("-in-capitals") and how != "none":
            continue
        # What comes unasked is to come before the probe, or it could be taken for something the probe allows.
        entered = plan.entry(Open("ana", offer=names, **parts))
        steps = plan.probed((*entered, Settle(), Idle(None)), "ana")
        yield plan.case(FAMILY, f"offer/{offer}/credential/{how}", steps, rules=plan.rehearse(entered).rules)


def _unread(plan: Plan) -> Iterator[Case]:
    """A credential of a request that the document does not read takes no place of one that a message lacks."""
    read = {plan.document.facts[name].kind for row in plan.document.opening for name in row.when}
    if read & {"credentials", "token"}:
        return
    route = next(iter(plan.routes.values()))
    for place in _USUAL:
        plain, brought = plan.opens(route), Open("ana", **credential(place, token()))
        opening = evolve(plain, headers=(*plain.headers, *brought.headers), query=(*plain.query, *brought.query))
        for name in plan.document.states[route.state].receive:
            message = plan.document.messages.get(name)
            form = message.client if message is not None else None
            if form is None or not form.secret:
                continue
            send = plan.send("ana", name)
            bare = evolve(send, drop=tuple(plan.document.envelope.payload + pointer for pointer in form.secret))
            steps = (*plan.entry(opening), bare, Settle(), Idle(None))
            yield plan.case(FAMILY, f"unread/{next(iter(place))}/{name}", steps, rules=plan.rehearse(steps[:-2]).rules)


def _doors(plan: Plan) -> Iterator[Case]:
    """Each row that lets in leads where it says, whoever came by another: by its timers, and by what is not heard."""
    seen = {_row(plan, route.before, route.opening) for route in plan.routes.values()}
    for (offer, names), (how, parts) in product(offers(plan).items(), credentials(plan).items()):
        *before, opening = plan.entry(Open("x", offer=names, **parts), "ana")
        assert isinstance(opening, Open)
        row, state = _row(plan, before, opening), plan.rehearse([*before, opening]).states.get("x")
        if row in seen or state is None or state == CLOSED:
            continue
        seen.add(row)
        posts = tuple(step for step in before if isinstance(step, Post))
        door, name = Route(state, opening, before=posts), f"door/{offer}/credential/{how}"
        bearing = any(
            timer.at is not None for path in _chain(plan, state) for timer in plan.document.states[path].timers
        )
        waited = (*door.steps("ana", subject="ana", left=_SOON if bearing else None), Expire("ana"))
        yield plan.case(FAMILY, f"{name}/timers", waited, rules=plan.rehearse([*before, opening]).rules)
        for speaking, message in plan.broadcasts()[:1]:
            if all(state != other for other, _ in plan.broadcasts()):
                clients = (*door.steps("eve"), *plan.members[speaking].steps("ana"))
                said = (*clients, plan.send("ana", message), Settle(), Idle(None))
                never = tuple(r for i in plan.document.invariants if state in i.states for r in i.rules)
                yield plan.case(FAMILY, f"{name}/unheard", said, rules=never)


def _row(plan: Plan, before: Sequence[Step], opening: Open) -> str:
    """The row of the document that answers a request."""
    answer = plan.rehearse([*before, opening]).answer
    return answer.pointer if answer is not None else ""


def _chain(plan: Plan, state: str) -> tuple[str, ...]:
    return plan.document.states[state].chain


def _paths(plan: Plan) -> Iterator[Case]:
    plain = plan.opens(next(iter(plan.routes.values())))
    for index, path in enumerate(plan.document.other_paths):
        joined: Any = {"$join": [{"$room": "a"} if part.startswith("{") else part for part in _split(path)]}
        yield plan.case(FAMILY, f"path/other/{index + 1}", (evolve(plain, path=joined), Settle()))
        if index == 0:
            bare = evolve(plain, path=joined, websocket=False)
            yield plan.case(FAMILY, "path/other/without-upgrade", (bare, Settle()))
            unserved = evolve(plain, path=joined, offer=(_OTHER,), headers=(("Origin", "https://evil.example"),))
            yield plan.case(FAMILY, "path/other/before-origin-and-version", (unserved, Settle()))
    if not _asked(plan, "upgrade"):
        return
    yield plan.case(FAMILY, "upgrade/none", (evolve(plain, websocket=False), Settle()))
    unserved = evolve(plain, websocket=False, offer=(_OTHER,), headers=(("Origin", "https://evil.example"),))
    yield plan.case(FAMILY, "upgrade/none/before-origin-and-version", (unserved, Settle()))


def _asked(plan: Plan, kind: str) -> bool:
    """Whether the document says what comes of a part of a request; of another it leaves that to servers."""
    return any(plan.document.facts[name].kind == kind for row in plan.document.opening for name in row.when)


def _split(path: str) -> list[str]:
    before, brace, rest = path.partition("{")
    if not brace:
        return [path]
    name, _, after = rest.partition("}")
    return [before, f"{{{name}}}", after]


def _origins(plan: Plan) -> Iterator[Case]:
    plain = plan.opens(next(iter(plan.routes.values())))
    allowed = tuple(plan.parameters.get("origins", ()))
    entered = partial(_entered, next(iter(plan.routes.values())))
    if not _asked(plan, "origin"):
        return
    if not allowed:
        steps = (*entered(headers=(*plain.headers, ("Origin", "https://anywhere.example"))), Settle())
        yield plan.case(FAMILY, "origin/any", plan.probed(steps, "ana"))
        return
    cited = tuple(r for row in plan.document.opening if "origin" in row.when for r in row.rules)
    yield plan.case(FAMILY, "origin/none", plan.probed((*entered(), Settle()), "ana"), rules=cited)
    for index, origin in enumerate(allowed):
        steps = (*entered(headers=(*plain.headers, ("Origin", origin))), Settle())
        yield plan.case(FAMILY, f"origin/allowed/{index + 1}", plan.probed(steps, "ana"), rules=cited)
    for name, origin in _look_alikes(allowed).items():
        headers = (*plain.headers, ("Origin", origin))
        yield plan.case(FAMILY, f"origin/forbidden/{name}", (*entered(headers=headers), Settle()))
    unserved = evolve(plain, offer=(_OTHER,), headers=(("Origin", "https://evil.example"),))
    yield plan.case(FAMILY, "origin/forbidden/before-version", (unserved, Settle()))


def _entered(route: Route, **changed: Any) -> tuple[Step, ...]:
    """The steps to a route's opening, with another one."""
    return tuple(step for step in opened(route.steps("ana"), **changed) if isinstance(step, Post | Open))


def _look_alikes(allowed: tuple[str, ...]) -> dict[str, str]:
    """Origins that a careless comparison lets in (RFC 6454 section 4: scheme, host and port are compared whole)."""
    scheme, _, host = allowed[0].partition("://")
    found = {
        "other": "https://evil.example",
        "null": "null",
        "suffix": f"{allowed[0]}.evil.example",
        "prefix": f"{scheme}://evil{host}",
        "subdomain": f"{scheme}://evil.{host}",
        "port": f"{allowed[0]}:4443",
        "port-of-scheme": f"{allowed[0]}:{443 if scheme == 'https' else 80}",
        "scheme": f"{'http' if scheme == 'https' else 'https'}://{host}",
        "path": f"{allowed[0]}/",
        "capitals": f"{scheme}://{host.upper()}",
        "trailing-dot": f"{allowed[0]}.",
        "userinfo": f"{allowed[0]}@evil.example",
        "host-as-userinfo": f"{scheme}://evil.example@{host}",
        "no-scheme": host,
        "two": f"{allowed[0]} https://evil.example",
    }
    return {name: origin for name, origin in found.items() if origin not in allowed}


def _spellings(plan: Plan) -> Iterator[Case]:
    """A path's parameter is percent-decoded and keeps its case: two spellings of one name are one room."""
    spoken = plan.broadcasts()
    if not spoken or "{" not in plan.document.path:
        return
    state, message = spoken[0]
    route = plan.routes[state]
    before = plan.document.path.partition("{")[0]
    spelled: dict[str, tuple[Any, Any]] = {
        "encoded-letter": ({"$join": [{"$room": "s"}, "x"]}, {"$join": [before, {"$room": "s"}, "%78"]}),
        "encoded-slash": ({"$join": [{"$room": "s"}, "/x"]}, {"$join": [before, {"$room": "s"}, "%2fx"]}),
        "space": ({"$join": [{"$room": "s"}, " x"]}, {"$join": [before, {"$room": "s"}, "%20x"]}),
        "umlaut": ({"$join": [{"$room": "s"}, "ü"]}, {"$join": [before, {"$room": "s"}, "%C3%BC"]}),
        "percent": ({"$join": [{"$room": "s"}, "%41"]}, {"$join": [before, {"$room": "s"}, "%2541"]}),
        "plus": ({"$join": [{"$room": "s"}, "+x"]}, {"$join": [before, {"$room": "s"}, "%2Bx"]}),
        "dots": ({"$join": [{"$room": "s"}, "..x"]}, {"$join": [before, {"$room": "s"}, "..x"]}),
    }
    isolation = tuple(r for i in plan.document.invariants if i.kind == "always" for r in i.rules)
    for name, (room, path) in spelled.items():
        other = [evolve(step, path=path) if isinstance(step, Open) else step for step in route.steps("ben", room=room)]
        steps = (*route.steps("ana", room=room), *other, plan.send("ana", message), Settle())
        yield plan.case(FAMILY, f"path/spelling/{name}", steps, rules=isolation)
