"""Abstract words made real: what the machine does with a script is what the abstraction says of its word."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from conformance.concretizing import Concretizer
from conformance.plan import Plan
from conformance.scripts import Expire, Idle, Open, Send, Step
from spec.abstraction import CLOSED, Input, hsi
from spec.machine import Closing, Emission, Output, Refusal, Upgrade
from tests.unit_conformance.kit import STAGES, arranged, plan


def seen(plan: Plan, steps: Iterable[Step]) -> tuple[str, ...]:
    """What a client sees of the last input of a script, by the machine, in the words of the abstraction."""
    script = list(steps)
    rehearsal = plan.rehearse(script)
    number = next(n for n, step in enumerate([s for s in script if isinstance(s, Open)], 1) if step.client == "ana")
    last = [step for step in script if not isinstance(step, Idle)][-2 if len(script) > 1 else -1]
    words = tuple(word(plan, output) for output in rehearsal.outputs if output.connection == number)
    if not isinstance(last, Open):
        return words
    if isinstance(rehearsal.answer, Refusal):
        return (f"{rehearsal.answer.status} {rehearsal.answer.body['code']}",)
    assert isinstance(rehearsal.answer, Upgrade)
    return (f"101 {rehearsal.answer.subprotocol or '(no subprotocol)'}", *words)


def word(plan: Plan, output: Output) -> str:
    if isinstance(output, Closing):
        return f"close {output.code}"
    assert isinstance(output, Emission)
    code = output.body["payload"].get("code", "") if output.message == plan.document.error_message else ""
    return f"{output.message} {code}".strip()


def prefixes(word: tuple[Input, ...]) -> Iterable[tuple[Input, ...]]:
    return (word[:end] for end in range(1, len(word) + 1))


@pytest.mark.parametrize("stage", STAGES)
def test_the_machine_does_with_every_script_what_the_abstraction_says_of_its_word(stage: str) -> None:
    tried, concretizer = plan(stage), Concretizer(plan(stage))
    words = dict.fromkeys(begun for word in hsi(tried.layer.machine, 1) for begun in prefixes(word))
    assert len(words) > 200
    for begun in words:
        # The client's close frame, and silence, leave no output of the machine to compare.
        expected = tried.layer.machine.outputs(begun)[-1]
        if begun[-1].kind == "close" or not expected:
            continue
        steps = concretizer.script(begun).steps
        found = seen(tried, steps)
        # A timer that fires at once leaves its own outputs alone to be compared.
        assert found
        assert found == expected[-len(found) :], [str(wanted) for wanted in begun]
        assert tried.rehearse(steps).states.get("ana", CLOSED) == tried.layer.machine.after(begun)


def test_a_wait_comes_soon_because_the_token_before_it_lives_shortly() -> None:
    tried, concretizer = plan("message"), Concretizer(plan("message"))
    fresh = tried.layer.machine.cover()["connected.v2.fresh"]
    steps = concretizer.script((*fresh, Input("wait"))).steps
    assert any(isinstance(step, Expire) and step.timer == "reauth_lead" for step in steps)
    assert tried.rehearse(steps).elapsed < 3


def test_an_id_that_was_seen_was_accepted_from_another_connection_of_that_subject() -> None:
    tried, concretizer = plan("legacy"), Concretizer(plan("legacy"))
    replayed = next(w for w in tried.layer.machine.alphabet() if w.classes.get("replay") == "seen")
    way = tried.layer.machine.cover()["connected.v1"]
    script = concretizer.script((*way, replayed))
    accepted = [step for step in script.setup if isinstance(step, Send)]
    last = script.moves[-1][0]
    assert isinstance(last, Send)
    assert [step.id for step in accepted] == [last.id]


def test_a_word_goes_on_where_the_document_ends() -> None:
    """What is asked of a server that should have closed has its steps, as if nothing had been asked."""
    tried, concretizer = plan("message"), Concretizer(plan("message"))
    way = tried.layer.machine.cover()["authenticating"]
    accepted = next(w for w in tried.layer.machine.inputs("authenticating") if w.classes.get("token") == "valid")
    script = concretizer.script((*way, Input("receive", "malformed"), accepted))

    assert len(script.moves) == 3
    assert script.moves[2] == concretizer.script((*way, Input("receive", "other"), accepted)).moves[2]


@pytest.mark.parametrize(("life", "least", "most"), [("long", 60.0, 62.0), ("short", 0.0, 60.0)])
def test_a_token_that_should_be_refused_is_of_its_class_and_near_its_timer(
    life: str, least: float, most: float
) -> None:
    """A server that takes it is waited for no longer, and is asked no other question than it was without the wait."""
    tried, concretizer = plan("message"), Concretizer(plan("message"))
    way = tried.layer.machine.cover()["authenticating"]
    facts = (("payload", "valid"), ("token", "valid"), ("replay", "seen"), ("subject", "same"))
    script = concretizer.script((*way, Input("receive", "auth", facts, life), Input("wait")))
    send = script.moves[1][0]
    assert isinstance(send, Send)

    assert least < send.payload["token"]["$token"]["left"] < most


def test_a_name_stands_in_a_list_where_an_input_needs_it() -> None:
    """Whatever an operation of graphql-transport-ws asks for, its id is in use where the abstraction says so."""
    tried = Plan(arranged(protocol="graphql-transport-ws", quick=True).target)
    concretizer, machine = Concretizer(tried), tried.layer.machine
    way = machine.cover()["ready"]
    listed = [w for w in machine.alphabet() if w.name == "subscribe" and ("operation", "in") in w.facts]

    assert len(listed) == 10
    for wanted in listed:
        found = seen(tried, concretizer.script((*way, wanted)).steps)
        assert found == machine.outputs((*way, wanted))[-1] == ("close 4409",), str(wanted)
