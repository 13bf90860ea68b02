"""Calls: what is asked with an id is answered once and in order, however frames carry it."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from conformance.exploring import Route
from conformance.plan import Plan
from conformance.scripts import Case, Idle, Send, Settle, Step, Stream
from spec.machine.world import CLOSED

FAMILY = "calls"

_SIZES = (1, 7, 64)
"""Into frames of how many characters messages are cut."""


def cases(plan: Plan) -> Iterator[Case]:
    """Calls in quick succession, with and without ids; and messages that share frames or span them."""
    answers = any(message.server is not None and message.server.replies for message in plan.document.messages.values())
    for state, route in plan.leaves():
        words = _words(plan, route)
        if answers:
            yield from _bursts(plan, state, route, words)
        if plan.binding.ends:
            yield from _streams(plan, state, route, words)


def _words(plan: Plan, route: Route) -> list[Send]:
    """One of each message that a state takes and stays as it is by, those that carry a token last."""
    secret = {name for name, _ in plan.secrets()}
    found = []
    for message in sorted(plan.client_messages(), key=lambda one: one.name in secret):
        send = plan.send("ana", message.name, label="tried")
        stage = plan.stage((*route.steps("ana"), send))
        if stage.state("ana").partition(".")[0] == route.state.partition(".")[0]:
            found.append(send)
    return found


def _bursts(plan: Plan, state: str, route: Route, words: list[Send]) -> Iterator[Case]:
    probe = plan.probe(route.steps("ana"), "ana")
    if not words or not probe or not isinstance(probe[0], Send):
        return
    word, here, own = probe[0], route.steps("ana"), plan.document.envelope.id
    rules = plan.rehearse((*here, word)).rules
    ordered = (*plan.document.ordered, *rules)
    yield plan.case(FAMILY, f"{state}/same", (*here, *(word for _ in range(10)), Settle()), rules=ordered)
    yield plan.case(FAMILY, f"{state}/each", (*here, *words, word, Settle(), *probe), rules=ordered)
    nameless = evolve(word, drop=(own,))
    mixed: tuple[Step, ...] = (nameless, word, nameless, nameless, word, Settle(), Idle(None))
    yield plan.case(FAMILY, f"{state}/without-ids", (*here, *mixed), rules=rules)
    two = (*here, *route.steps("ben"))
    turns = tuple(evolve(word, client=who) for _ in range(5) for who in ("ana", "ben"))
    yield plan.case(FAMILY, f"{state}/two-clients", (*two, *turns, Settle()), rules=ordered)


def _streams(plan: Plan, state: str, route: Route, words: list[Send]) -> Iterator[Case]:
    rules, here = plan.document.frame_rules, route.steps("ana")
    first = plan.probe(here, "ana")
    if not first or not isinstance(first[0], Send):
        return
    # Behind a message by which a state is left comes one that is accepted there.
    second = plan.probe((*here, *first), "ana")
    said = [first[0], *(step for step in second if isinstance(step, Send)), *words]
    said += [step for step in second if isinstance(step, Send)]
    if plan.rehearse((*here, Stream("ana", tuple(said)))).states.get("ana") == CLOSED:
        return
    together = Stream("ana", tuple(said), rules=rules)
    yield plan.case(FAMILY, f"{state}/in-one-frame", plan.probed((*here, together, Settle()), "ana"), rules=rules)
    two = Stream("ana", tuple(said[:2]), rules=rules)
    yield plan.case(FAMILY, f"{state}/two-in-one-frame", plan.probed((*here, two, Settle()), "ana"), rules=rules)
    for size in _SIZES:
        wide = [evolve(one, pad_to=200, pad_with="🍲") for one in said[:3]]
        cut = Stream("ana", tuple(wide), each=size, rules=rules)
        yield plan.case(FAMILY, f"{state}/frames-of-{size}", plan.probed((*here, cut, Settle()), "ana"), rules=rules)
