"""Endpoints: what is posted reaches a room and nobody else, what is refused reaches nobody, and records are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve

from conformance.edges import invalid_payloads, valid_payloads
from conformance.exploring import Route
from conformance.plan import Plan
from conformance.scripts import Case, Idle, Post, Send, Settle, Step
from spec.expressions import compile_expression, pointer_get, pointer_put
from spec.model import Broadcast, Effect, Endpoint, Expel, Fact, Form, Put

FAMILY = "endpoints"

_WORKER = "worker"
_FAR = "handfast-nobody-has-this"


def cases(plan: Plan) -> Iterator[Case]:
    """For every endpoint: who hears, every refusal in its order, and the order of what was posted."""
    secrets = {name for fact in _facts(plan, "secret") if (name := _secret(fact)) not in plan.target.deployment}
    if secrets:
        reason = f"needs {', '.join(sorted(secrets))} of the deployment: --with NAME=env:VARIABLE"
        rules = [rule for endpoint in plan.document.http.values() for row in endpoint.rows for rule in row.rules]
        plan.untried |= dict.fromkeys(rules, reason)
        return
    members = [route for state, route in plan.leaves() if _is_member(plan, route)]
    for endpoint in plan.document.http.values():
        if not any(isinstance(effect, Broadcast | Put | Expel) for effect in _effects(endpoint)):
            continue
        yield from _heard(plan, endpoint, members)
        yield from _bodies(plan, endpoint, members)
        yield from _refused(plan, endpoint, members)
        yield from _ordered(plan, endpoint, members)
    yield from _records(plan, members)


def _facts(plan: Plan, kind: str) -> list[Fact]:
    return [fact for fact in plan.document.facts.values() if fact.kind == kind]


def _secret(fact: Fact) -> str:
    return str(fact.options["equals"]).partition(".")[2]


def _is_member(plan: Plan, route: Route) -> bool:
    return any("ana" in names for names in plan.stage(route.steps("ana")).members().values())


def _effects(endpoint: Endpoint) -> list[Effect]:
    return [effect for row in endpoint.rows for effect in row.do]


def _of_body(expression: Any) -> str | None:
    """The JSON Pointer into a request's body that an expression is, or None."""
    text = str(expression)
    return text.removeprefix("$request.body#") if text.startswith("$request.body#/") else None


def _rooms(endpoint: Endpoint) -> list[str]:
    """The places in a body that name the room that hears of it."""
    keys = [_of_body(e.key) for e in _effects(endpoint) if isinstance(e, Broadcast)]
    return [key for key in keys if key is not None]


def post(plan: Plan, endpoint: Endpoint, room: Any = "a", *, at: Mapping[str, Any] | None = None, **more: Any) -> Post:
    """A post that is taken, for a room, with values of its own where pointers say."""
    body = _copied(endpoint.examples[0])
    for pointer in _rooms(endpoint):
        pointer_put(body, pointer, {"$room": room} if isinstance(room, str) else room)
    for pointer, value in (at or {}).items():
        pointer_put(body, pointer, value)
    given = {"body": body, **more}
    facts = _facts(plan, "secret")
    if facts and "credential" not in given:
        given["credential"] = {"$deployed": _secret(facts[0])}
    return Post(_WORKER, endpoint.name, **given)


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(member) for name, member in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _audience(plan: Plan, route: Route) -> tuple[Step, ...]:
    """Two members of the room, one of another, and whoever is of none."""
    steps = (*route.steps("ana"), *route.steps("ben"), *route.steps("cat", room="b"))
    for number, (_, lurker) in enumerate(plan.leaves()):
        if not _is_member(plan, lurker):
            steps += lurker.steps(f"eve{number}")
    return steps


def _heard(plan: Plan, endpoint: Endpoint, members: list[Route]) -> Iterator[Case]:
    one = post(plan, endpoint)
    yield plan.case(FAMILY, f"{endpoint.name}/no-listeners", (one, Settle()))
    for route in members:
        where = f"{endpoint.name}/{route.state}"
        audience = _audience(plan, route)
        yield plan.case(FAMILY, f"{where}/heard", (*audience, one, Settle()))
        other = post(plan, endpoint, "b")
        yield plan.case(FAMILY, f"{where}/two-rooms", (*audience, one, Settle(), other, Settle(), one, Settle()))
        nobody = post(plan, endpoint, _FAR)
        yield plan.case(FAMILY, f"{where}/no-listeners", (*audience, nobody, Settle()))
        late = (*route.steps("ana"), one, Settle(), *route.steps("dan"), one, Settle())
        yield plan.case(FAMILY, f"{where}/late-comer", late)


def _form(endpoint: Endpoint) -> Form:
    return Form(endpoint.schema, (), {}, (), (), True, (), endpoint.examples, "")


def _bodies(plan: Plan, endpoint: Endpoint, members: list[Route]) -> Iterator[Case]:
    """Bodies at the edges of the schema arrive unchanged, with members that it does not name."""
    plain, rooms = post(plan, endpoint), {pointer.lstrip("/") for pointer in _rooms(endpoint)}
    taken = {
        name: body
        for name, body in valid_payloads(_form(endpoint), plain.body).items()
        if all(body[room] == plain.body[room] for room in rooms)
    }
    taken["unknown-members"] = {**plain.body, "handfast": {"a": [1, None, {"b": 0.5}], "": "é🧪"}, "nothing": None}
    for route in members[:1]:
        for name, body in taken.items():
            steps = (*route.steps("ana"), evolve(plain, body=body), Settle())
            yield plan.case(FAMILY, f"{endpoint.name}/{route.state}/valid/{name}", steps)


def _refused(plan: Plan, endpoint: Endpoint, members: list[Route]) -> Iterator[Case]:
    """Every refusal, alone and before a later one; nobody hears of it, and others are served."""
    plain = post(plan, endpoint)
    tried: dict[str, Post] = {
        f"body-{name}": evolve(plain, body=body) for name, body in invalid_payloads(_form(endpoint), plain.body).items()
    }
    texts = {"empty": "", "brace": "{", "array": "[]", "text": '"x"', "null": "null", "two": "{}{}", "words": "hello"}
    tried |= {f"text-{name}": evolve(plain, text=text) for name, text in texts.items()}
    limits = [_limit(plan, fact) for fact in _facts(plan, "size")]
    wrong: dict[str, Any] = {}
    if _facts(plan, "secret"):
        wrong = {"absent": None, "other": "handfast-no-such-secret", "empty": ""}
        wrong["longer"] = {"$join": [plain.credential, "x"]}
    for name, credential in wrong.items():
        tried[f"credential-{name}"] = evolve(plain, credential=credential)
        tried[f"credential-{name}-before-body"] = evolve(plain, credential=credential, text="{")
    for limit in limits:
        tried["over-the-limit"] = evolve(plain, pad_to=limit + 1)
        tried["over-the-limit-before-body"] = evolve(plain, text={"$fill": {"text": "x", "times": limit + 1}})
        for name, credential in list(wrong.items())[:2]:
            tried[f"credential-{name}-before-limit"] = evolve(plain, credential=credential, pad_to=limit + 1)
    route = members[0] if members else None
    for name, step in tried.items():
        before = _audience(plan, route) if route is not None else ()
        steps = (*before, step, Settle(), Idle(None), plain, Settle())
        rules = plan.rehearse((*before, step)).rules
        yield plan.case(FAMILY, f"{endpoint.name}/refused/{name}", steps, rules=rules)
    for limit in limits:
        steps = (evolve(plain, pad_to=limit), Settle())
        yield plan.case(FAMILY, f"{endpoint.name}/at-the-limit", steps)


def _limit(plan: Plan, fact: Fact) -> int:
    return int(compile_expression(fact.options["limit"])({"parameters": plan.parameters}))


def _ordered(plan: Plan, endpoint: Endpoint, members: list[Route]) -> Iterator[Case]:
    """Posts one after the other arrive in their order."""
    said = [effect for effect in _effects(endpoint) if isinstance(effect, Broadcast)]
    echoed = sorted(_plain_texts(endpoint) - {key for effect in _effects(endpoint) for key in _keys(effect)})
    if not echoed or not any(effect.order for effect in said):
        return
    rules = tuple(rule for effect in said for rule in effect.order)
    for route in members:
        steps = [*route.steps("ana"), *route.steps("ben")]
        steps += [post(plan, endpoint, at={echoed[0]: f"chunk {number}"}) for number in range(20)]
        yield plan.case(FAMILY, f"{endpoint.name}/{route.state}/in-order", (*steps, Settle()), rules=rules)


def _plain_texts(endpoint: Endpoint) -> set[str]:
    found = endpoint.schema.get("properties", {}).items()
    return {f"/{name}" for name, schema in found if schema.get("type") == "string" and "enum" not in schema}


def _keys(effect: Effect) -> list[str]:
    """The places in a body that an effect takes for a key."""
    match effect:
        case Broadcast(key=key):
            return [pointer for pointer in [_of_body(key)] if pointer is not None]
        case Put(key=key):
            return [pointer for part in key or () if (pointer := _of_body(part)) is not None]
    return []


# ------------------------------------------------------------------------------------------------------- records


def _records(plan: Plan, members: list[Route]) -> Iterator[Case]:
    """What a message says of a record that was posted: by its own room, by another, and of none."""
    for fact in _facts(plan, "record"):
        writers = [
            (endpoint, effect)
            for endpoint in plan.document.http.values()
            for effect in _effects(endpoint)
            if isinstance(effect, Put) and effect.record == fact.options["record"] and effect.key is not None
        ]
        for endpoint, effect in writers:
            for route in members:
                for message in _askers(plan, route, fact):
                    yield from _asked(plan, endpoint, effect, route, message)


def _askers(plan: Plan, route: Route, fact: Fact) -> list[str]:
    """The messages whose cases in a state ask for a record."""
    chain = plan.document.states[route.state].chain
    found = [(name, case) for path in chain for name, cs in plan.document.states[path].receive.items() for case in cs]
    return list(dict.fromkeys(name for name, case in found if fact.name in case.when))


def _asked(plan: Plan, endpoint: Endpoint, effect: Put, route: Route, message: str) -> Iterator[Case]:
    parts = plan.document.records[effect.record]
    pairs = [
        (str(own).partition("#")[2], pointer)
        for own, part in zip(parts, effect.key or (), strict=False)
        if str(own).startswith("$message.payload#") and (pointer := _of_body(part)) is not None
    ]

    def ask(client: str, label: str = "task") -> Send:
        send = plan.send(client, message)
        payload = _copied(send.payload)
        for own, _ in pairs:
            pointer_put(payload, own, {"$id": label})
        return evolve(send, payload=payload)

    def kept(room: str = "a", label: str = "task", **more: Any) -> Post:
        return post(plan, endpoint, room, at={**{pointer: {"$id": label} for _, pointer in pairs}, **more})

    where, audience = f"{endpoint.name}/{route.state}/{message}", _audience(plan, route)
    told = (kept(), Settle())
    tried: dict[str, tuple[Step, ...]] = {
        "present": (*audience, *told, ask("ana"), Settle()),
        "present-by-another-member": (*audience, *told, ask("ben"), Settle()),
        "of-another-room": (*audience, *told, ask("cat"), Settle(), ask("ana"), Settle()),
        "of-both-rooms": (*audience, *told, kept("b"), Settle(), ask("cat"), Settle(), ask("ana"), Settle()),
        "absent": (*audience, *told, ask("ana", "another"), Settle()),
        "twice": (*audience, *told, ask("ana"), Settle(), ask("ben"), Settle()),
        "posted-again": (*audience, *told, ask("ana"), Settle(), *told, ask("ana"), Settle()),
        "before-anybody-came": (*told, *route.steps("ana"), ask("ana"), Settle()),
    }
    for pointer, value in _others(endpoint).items():
        changed = kept(**{pointer: value})
        tried["the-last-one-counts"] = (*audience, *told, changed, Settle(), ask("ana"), Settle())
    refused = evolve(kept(), credential="handfast-no-such-secret")
    tried["refused-posts-keep-nothing"] = (*audience, refused, Settle(), ask("ana"), Settle())
    without = evolve(ask("ana"), id=None)
    tried["in-a-row"] = (*audience, *told, without, without, ask("ben"), Settle())
    for name, steps in tried.items():
        yield plan.case(FAMILY, f"{where}/{name}", steps)


def _others(endpoint: Endpoint) -> dict[str, Any]:
    """Another value for a member that has a choice."""
    found = {}
    for name, schema in endpoint.schema.get("properties", {}).items():
        pointer = f"/{name}"
        given = pointer_get(endpoint.examples[0], pointer)
        others = [value for value in schema.get("enum", ()) if value != given]
        if others:
            found[pointer] = others[0]
    return found
