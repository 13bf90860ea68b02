"""The connection layer as a finite machine: what its states, inputs and answers are, and documents that it refuses."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from spec.abstraction import CLOSED, Input, Layer, NotMinimal, abstract, difference, hsi, merged
from spec.authoring.linting.judging import findings_of
from spec.authoring.linting.policy import Finding
from spec.compiling import compile_source
from spec.loading import Source, find, read, read_text
from spec.parameters import resolve

PATH = find("chat")


@cache
def chat(stage: str, *settings: tuple[str, str]) -> Layer:
    document = compile_source(read(PATH))
    return abstract(document, resolve(document.parameters, {"rollout": stage, **dict(settings)}))


def edited(*edits: tuple[str, str]) -> str:
    """The text of chat with parts replaced."""
    text = PATH.read_text(encoding="utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def layer(text: str, stage: str = "message") -> Layer:
    document = compile_source(read_text(text, base=PATH.parent))
    return abstract(document, resolve(document.parameters, {"rollout": stage}))


def step(found: Layer, state: str, wanted: Input) -> tuple[str, tuple[str, ...]]:
    return found.machine.table[state, wanted]


@pytest.mark.parametrize(
    ("stage", "states"),
    [
        ("message", {"start", "authenticating", "connected.v2.fresh", "connected.v2.expiring", CLOSED}),
        ("dual", {"start", "authenticating", "connected.v1", "connected.v2.fresh", "connected.v2.expiring", CLOSED}),
        ("legacy", {"start", "connected.v1", CLOSED}),
    ],
)
def test_the_states_are_those_that_a_stage_reaches(stage: str, states: set[str]) -> None:
    machine = chat(stage).machine
    assert set(machine.states) == states
    assert not machine.twins()
    assert not machine.unreached()


def test_every_open_state_is_asked_every_input() -> None:
    machine = chat("dual").machine
    alphabets = {machine.inputs(state) for state in machine.states if state not in {"start", CLOSED}}
    assert len(alphabets) == 1
    assert len(alphabets.pop()) > 20


@pytest.mark.parametrize(
    ("state", "wanted", "target", "seen"),
    [
        ("authenticating", Input("wait"), CLOSED, ("error AUTH_TIMEOUT", "close 1008")),
        ("connected.v2.fresh", Input("wait"), "connected.v2.expiring", ("auth_required",)),
        ("connected.v2.expiring", Input("wait"), CLOSED, ("error REAUTH_TIMEOUT", "close 1008")),
        ("connected.v1", Input("wait"), CLOSED, ("error TOKEN_EXPIRED", "close 1008")),
        ("authenticating", Input("receive", "malformed"), CLOSED, ("error MESSAGE_INVALID", "close 1008")),
        ("connected.v1", Input("receive", "malformed"), "connected.v1", ("error MESSAGE_INVALID",)),
        ("connected.v1", Input("receive", "oversize"), CLOSED, ("close 1009",)),
        ("connected.v1", Input("hear", "chat_message"), "connected.v1", ("chat_message",)),
        ("connected.v1", Input("hear", "chat_message", elsewhere=True), "connected.v1", ()),
        ("authenticating", Input("hear", "chat_message"), "authenticating", ()),
        ("authenticating", Input("close"), CLOSED, ("close answered",)),
    ],
)
def test_answers_are_what_a_client_sees(state: str, wanted: Input, target: str, seen: tuple[str, ...]) -> None:
    assert step(chat("dual"), state, wanted) == (target, seen)


def test_a_short_lived_token_leads_to_where_a_lead_has_passed_at_once() -> None:
    facts = (("payload", "valid"), ("token", "valid"), ("replay", "fresh"), ("subject", "same"))
    short = Input("receive", "auth", facts, "short")
    assert step(chat("message"), "authenticating", short) == (
        "connected.v2.expiring",
        ("recipe_update", "auth_required"),
    )
    assert not any(wanted.life == "short" for wanted in chat("legacy").machine.alphabet())


def test_facts_are_combined_so_that_their_order_is_asked_for_too() -> None:
    combined = [dict(wanted.facts) for wanted in chat("message").machine.alphabet() if wanted.name == "auth"]
    assert {"payload": "valid", "token": "expired", "replay": "seen", "subject": "other"} in combined
    # Of a payload that is refused nothing else can be asked.
    assert {"payload": "invalid"} in combined


def test_what_one_client_cannot_bring_about_is_left_out_and_told() -> None:
    assert any(text.startswith("attempts=exceeded") for text in chat("message").left_out)
    assert any(text.startswith("running=stopping") for text in chat("message").left_out)


def test_origins_are_asked_for_where_they_are_configured() -> None:
    def asked(found: Layer) -> bool:
        return any("origin" in wanted.classes for wanted in found.machine.alphabet())

    assert asked(chat("message", ("origins", "https://app.example")))
    assert not asked(chat("message"))


@pytest.mark.parametrize(
    "edits",
    [
        (("REAUTH_TIMEOUT: {close: 1008,", "REAUTH_TIMEOUT: {close: 4001,"),),
        (("- {do: *say, rules: [CHAT-MSG-2]}", "- {do: [], rules: [CHAT-MSG-2]}"),),
        (("in_reply: sender", "in_reply: none"),),
        (("recipe: {key: $recipe_id}", "recipe: {key: $subject}"),),
        (
            (
                "              plus: $parameters.leeway\n              expire: [{do: [{error: REAUTH",
                "              expire: [{do: [{error: REAUTH",
            ),
        ),
    ],
    ids=["close code", "silence", "reply", "room", "timer"],
)
def test_details_differ_where_documents_do(edits: tuple[tuple[str, str], ...]) -> None:
    right = chat("message")
    assert difference(right.exact, layer(edited(*edits)).exact) is not None
    assert difference(right.exact, layer(edited()).exact) is None


def test_texts_and_rules_are_no_behaviour() -> None:
    text = edited(
        ("text: A new token has been asked for.", "text: Another text."),
        (
            "- {when: {subject: other}, do: [{error: SUBJECT_MISMATCH}], rules: [CHAT-REAUTH-6]}",
            "- {when: {subject: other}, do: [{error: SUBJECT_MISMATCH}], rules: [CHAT-REAUTH-4]}",
        ),
    )
    assert difference(chat("message").exact, layer(text).exact) is None


def tree(edit: Callable[[Any], None]) -> Source:
    """Chat with its data edited, read again from a text in which every value has a place."""
    data = copy.deepcopy(read(PATH).data)
    edit(data)
    return read_text(json.dumps(data, indent=1, ensure_ascii=False), "edited.yaml", PATH.parent)


def twins(data: Any) -> None:
    """A second `expiring`, which the lead leads to, and which a message leaves for the first."""
    connected = data["connection"]["states"]["connected"]
    states = connected["states"]["v2"]["states"]
    states["waiting"] = {"text": "A new token has been asked for, once more."}
    states["fresh"]["timers"]["reauth_lead"]["expire"][0]["to"] = "connected.v2.waiting"
    spoken = connected["receive"]["chat_message"]
    spoken.insert(1, {**spoken[-1], "in": "connected.v2.waiting", "to": "connected.v2.expiring"})


def _alike_or_lost(source: Source) -> list[Finding]:
    """What lint finds of states."""
    return [one for one in findings_of(source) if one.code in ("equivalent-states", "unreachable-state")]


def test_states_that_behave_alike_are_told_by_lint_with_their_place() -> None:
    source = tree(twins)
    [problem] = _alike_or_lost(source)
    assert problem.place == source.place("/connection/states/connected/states/v2/states/waiting")
    assert str(problem).endswith(
        "`connected.v2.waiting` behaves as `connected.v2.expiring` does under every input: no client can tell which of "
        "them it is in (make one state of them, or say where they differ)"
    )


def test_states_that_behave_alike_have_no_suite_until_they_are_taken_as_one() -> None:
    document = compile_source(tree(twins))
    found = abstract(document, resolve(document.parameters, {}))
    with pytest.raises(NotMinimal, match="behave alike"):
        hsi(found.machine)
    one = merged(found)
    assert hsi(one.machine)
    assert len(one.machine.states) == len(found.machine.states) - 1
    assert any("is taken for it" in text for text in one.left_out)


def test_a_state_to_which_nothing_leads_is_told_by_lint() -> None:
    def lost(data: Any) -> None:
        data["connection"]["states"]["connected"]["states"]["v3"] = {"text": "Nobody comes here."}

    [problem] = _alike_or_lost(tree(lost))
    assert "no exchange leads to `connected.v3`" in str(problem)
