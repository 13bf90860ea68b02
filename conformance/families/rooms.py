"""Rooms: who hears, who must not, in which order, and how often; with an actor, members, outsiders and lurkers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from conformance.exploring import Route
from conformance.families.names import ALIKE, BEFORE
from conformance.plan import Plan
from conformance.scripts import Case, Close, Idle, Reset, Send, Settle, Step
from spec.expressions import pointer_parts, with_member
from spec.model import Form

FAMILY = "rooms"


def cases(plan: Plan) -> Iterator[Case]:
    """For every state in which a member speaks: hearing, isolation, order, and the end of memberships."""
    for state, message in plan.broadcasts():
        route = plan.members[state]
        yield from _hearing(plan, state, route, message)
        yield from _isolation(plan, state, route, message)
        yield from _order(plan, state, route, message)
        yield from _leaving(plan, state, route, message)
    yield from _mixed(plan)
    yield from _expelled(plan)


def _expelled(plan: Plan) -> Iterator[Case]:
    """Messages that put all of a room out: whoever is in it and wherever, nobody else, and not for ever."""
    for state, route in plan.leaves():
        for message in plan.client_messages():
            said = plan.said(route, message.name)
            if not any(emission.expelled for emission in said):
                continue
            rules = tuple(dict.fromkeys(rule for emission in said if emission.expelled for rule in emission.rules))
            name = f"{state}/{message.name}"
            alike: dict[str, Any] = {"subject": "ana", "label": "second"}
            here = (*route.steps("ana"), *route.steps("ben"), *route.steps("cat", room="b"))
            out = (plan.send("ana", message.name), Settle())
            mine = (*route.steps("ann", **alike), *route.steps("amy", room="b", **alike))
            yield plan.case(FAMILY, f"{name}/of-one-subject", plan.probed((*here, *mine, *out), "ben"), rules=rules)
            yield plan.case(FAMILY, f"{name}/elsewhere", plan.probed((*here, *mine, *out), "cat"), rules=rules)
            back = (*route.steps("ana"), *out, *route.steps("ann", subject="ana"))
            yield plan.case(FAMILY, f"{name}/come-back", plan.probed(back, "ann"), rules=rules)
            for other, way in plan.leaves():
                if other == state:
                    continue
                mixed = (*here, *way.steps("ann", **alike), *out)
                yield plan.case(FAMILY, f"{name}/other-in-{other}", plan.probed(mixed, "ann"), rules=rules)
            others = (plan.send("ann", message.name), Settle())
            yield plan.case(FAMILY, f"{name}/by-another", (*here, *mine, *others), rules=rules)


def say(plan: Plan, client: str, message: str, text: Any, **more: Any) -> Send:
    """A broadcast whose echoed member says something of its own, so that each message can be told apart."""
    send = plan.send(client, message, **more)
    form = plan.message(message).client
    assert form is not None
    for pointer in form.echoed:
        send = evolve(send, payload=with_member(send.payload, pointer, text))
    return send


def longest_text(form: Form, otherwise: int = 1000) -> int:
    """The most characters that what is echoed of a message may have, or so many where there is no bound."""
    schema: Any = form.schema
    for part in pointer_parts(next(iter(form.echoed), "")):
        schema = schema.get("properties", {}).get(part, {})
    return int(schema.get("maxLength", otherwise))


def _rules(plan: Plan, route: Route, message: str) -> tuple[str, ...]:
    return plan.rehearse([*route.steps("ana"), plan.send("ana", message)]).rules


def _hearing(plan: Plan, state: str, route: Route, message: str) -> Iterator[Case]:
    three = (*route.steps("ana"), *route.steps("ben"), *route.steps("cat"))
    talk = (say(plan, "ana", message, "one"), Settle(), say(plan, "ben", message, "two"), Settle())
    rules = _rules(plan, route, message)
    yield plan.case(FAMILY, f"{state}/{message}/three-members", (*three, *talk), rules=rules)
    twice = (*route.steps("ana"), *route.steps("ben", subject="ana", id={"$id": "ben"}))
    yield plan.case(FAMILY, f"{state}/{message}/one-subject-twice", (*twice, *talk), rules=rules)
    late = (*route.steps("ana"), say(plan, "ana", message, "before"), Settle(), *route.steps("ben"))
    steps = (*late, say(plan, "ana", message, "after"), Settle())
    yield plan.case(FAMILY, f"{state}/{message}/late-comer", steps, rules=rules)
    same = (say(plan, "ana", message, "same"), Settle(), say(plan, "ana", message, "same"), Settle())
    yield plan.case(FAMILY, f"{state}/{message}/same-words-twice", (*route.steps("ana"), *same), rules=rules)
    own_id = {"$id": "mine"}
    again = (say(plan, "ana", message, "one", id=own_id), Settle(), say(plan, "ana", message, "two", id=own_id))
    members = (*route.steps("ana"), *route.steps("ben"))
    yield plan.case(FAMILY, f"{state}/{message}/same-id-twice", (*members, *again, Settle()), rules=rules)
    yield from _renewed(plan, state, route, message, rules)


def _renewed(plan: Plan, state: str, route: Route, message: str, rules: tuple[str, ...]) -> Iterator[Case]:
    """A member that proves itself again is still one member."""
    for secret, _ in plan.secrets():
        renew = plan.send("ana", secret, label="renewed", id={"$id": "renewed"})
        here = (*route.steps("ana"), *route.steps("ben"), renew, Settle())
        if plan.rehearse(here).states.get("ana") == "closed":
            continue
        talk = (say(plan, "ben", message, "one"), Settle(), say(plan, "ana", message, "two"), Settle())
        yield plan.case(FAMILY, f"{state}/{message}/renewed-by-{secret}", (*here, *talk), rules=rules)


def _isolation(plan: Plan, state: str, route: Route, message: str) -> Iterator[Case]:
    rules = _rules(plan, route, message)
    for name, (room, other) in _pairs(whole=plan.deep or state == plan.broadcasts()[0][0]).items():
        clients = (*route.steps("ana", room=room), *route.steps("ben", room=room), *route.steps("cat", room=other))
        here = say(plan, "ana", message, "here", room=room)
        talk = (here, Settle(), say(plan, "cat", message, "there", room=other), Settle())
        yield plan.case(FAMILY, f"{state}/{message}/outsider/{name}", (*clients, *talk), rules=rules)
    for lurking, lurker in _lurkers(plan):
        never = tuple(r for i in plan.document.invariants if lurker.state in i.states for r in i.rules)
        clients = (*lurker.steps("eve"), *route.steps("ana"), *route.steps("ben"))
        secret = (say(plan, "ana", message, "secret"), Settle(), Idle(None))
        steps = plan.probed((*clients, *secret), "eve")
        yield plan.case(FAMILY, f"{state}/{message}/lurker/{lurking}", steps, rules=(*never, *rules))
        said = (say(plan, "eve", message, "intruding"), Settle())
        # Where no membership is needed to speak, who has none is heard.
        outside = rules if lurker.state == state else ()
        intruding = (*route.steps("ana"), *lurker.steps("eve"), *said)
        yield plan.case(FAMILY, f"{state}/{message}/intruder/{lurking}", intruding, rules=(*never, *outside))


def _lurkers(plan: Plan) -> Iterator[tuple[str, Route]]:
    """The ways to be connected and no member."""
    speaking = {state for state, _ in plan.broadcasts()}
    for state, route in plan.leaves():
        if state not in speaking:
            yield state, route
        elif plan.members[state] is not route:
            yield f"{state}-outside", route


def _pairs(*, whole: bool) -> dict[str, tuple[Any, Any]]:
    """Two rooms each, quite different ones first; not whole, only those that are the likeliest to be mixed up."""
    here = {"$room": "a"}
    alike = ALIKE if whole else {name: ALIKE[name] for name in ("capitals", "longer", "slash")}
    found: dict[str, tuple[Any, Any]] = {"other-room": ("a", "b")}
    found |= {name: ({"$join": [here, one]}, {"$join": [here, two]}) for name, (one, two) in alike.items()}
    found |= {name: (here, {"$join": [head, here]}) for name, head in BEFORE.items() if whole}
    return found


def _order(plan: Plan, state: str, route: Route, message: str) -> Iterator[Case]:
    rules = _rules(plan, route, message)
    members = (*route.steps("ana"), *route.steps("ben"), *route.steps("cat"))
    burst = tuple(say(plan, "ana", message, f"word {n}") for n in range(20))
    yield plan.case(FAMILY, f"{state}/{message}/burst", (*members, *burst, Settle()), rules=rules)
    both = tuple(say(plan, who, message, f"{who} {n}") for n in range(10) for who in ("ana", "ben"))
    yield plan.case(FAMILY, f"{state}/{message}/two-senders", (*members, *both, Settle()), rules=rules)
    form = plan.message(message).client
    assert form is not None
    longest = longest_text(form)
    lengths = (1, longest, 10, longest // 2, 1, longest, 2)
    sized = tuple(say(plan, "ana", message, chr(97 + n) * size) for n, size in enumerate(lengths))
    yield plan.case(FAMILY, f"{state}/{message}/long-and-short", (*members, *sized, Settle()), rules=rules)


def _leaving(plan: Plan, state: str, route: Route, message: str) -> Iterator[Case]:
    forget = plan.document.forget
    members = (*route.steps("ana"), *route.steps("ben"), *route.steps("cat"))
    ends: dict[str, tuple[Step, ...]] = {
        "close": (Close("ben"), Settle()),
        "fin": (Reset("ben", gently=True),),
        "reset": (Reset("ben"),),
        **{name: (plan.send("ben", name), Settle()) for name in _parting(plan, route)},
    }
    for name, end in ends.items():
        talk = tuple(say(plan, "ana", message, f"word {n}", rules=forget) for n in range(3))
        back = (*route.steps("dan", subject="ben", id={"$id": "dan"}), say(plan, "dan", message, "back", rules=forget))
        steps = (*members, *end, *talk, Settle(), *back, Settle())
        yield plan.case(FAMILY, f"{state}/{message}/left-by-{name}", steps, rules=forget)
    speaking = (say(plan, "ben", message, "last words", rules=forget), Close("ben"), Settle())
    after = (say(plan, "ana", message, "after", rules=forget), Settle())
    yield plan.case(FAMILY, f"{state}/{message}/left-speaking", (*members, *speaking, *after), rules=forget)


def _parting(plan: Plan, route: Route) -> Iterator[str]:
    """The messages by which a member stays connected and is none any more."""
    for message in plan.client_messages():
        stage = plan.stage((*route.steps("ben"), plan.send("ben", message.name)))
        if stage.state("ben") == route.state and not stage.members():
            yield message.name


def _mixed(plan: Plan) -> Iterator[Case]:
    """Members in different states of the same room hear each other."""
    speaking = plan.broadcasts()
    several = len({message for _, message in speaking}) > 1
    for index, (one, message) in enumerate(speaking):
        for other, answer in speaking[index + 1 :]:
            clients = (*plan.members[one].steps("ana"), *plan.members[other].steps("ben"))
            talk = (say(plan, "ana", message, "one"), Settle(), say(plan, "ben", answer, "two"), Settle())
            name = f"mixed/{one}+{message}/{other}+{answer}" if several else f"mixed/{one}/{other}"
            yield plan.case(FAMILY, name, (*clients, *talk))
