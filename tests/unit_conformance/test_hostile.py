"""The hostile family: what it holds, by whom it is borne, and what it asks for afterwards."""

from __future__ import annotations

import pytest
from attrs import evolve

from conformance.families import hostile
from conformance.plan import NOT_OWNED, Plan
from conformance.scripts import Case, Frames, Open, Send
from tests.unit_conformance.kit import EVERY_RULE, STAGES, arranged, cases, plan


def attacks(rollout: str) -> list[Case]:
    return [case for case in cases(rollout) if case.family == hostile.FAMILY]


@pytest.mark.parametrize("rollout", STAGES)
def test_every_attack_is_marked_and_followed_by_a_bystander_and_a_newcomer(rollout: str) -> None:
    """Behind the last step of the attacker's someone talks, and someone logs in."""
    others = {"ben", "dan"}
    for case in attacks(rollout):
        attacks_at = [at for at, step in enumerate(case.steps) if getattr(step, "client", "ben") not in others]
        behind = case.steps[max(attacks_at) + 1 :]

        assert case.hostile, case.id
        assert any(isinstance(step, Send) and step.client == "ben" for step in behind), case.id
        assert any(isinstance(step, Open) and step.client == "dan" for step in behind), case.id


@pytest.mark.parametrize("rollout", STAGES)
def test_every_rule_on_framing_has_an_attack(rollout: str) -> None:
    """And the whole is small enough to be played on every run."""
    cited = {rule for case in attacks(rollout) for rule in case.rules}
    framing = {rule for rules in plan(rollout).document.framing.values() for rule in rules}

    assert framing
    assert framing <= cited
    assert len(attacks(rollout)) <= 82


def test_what_is_in_breach_would_else_be_accepted() -> None:
    """An attack that no server would accept anyway could not be seen to be let pass."""
    words = {
        step.of.message for case in attacks("message") for step in case.steps if isinstance(step, Frames) and step.of
    }

    assert words == {"auth", "chat_message"}


def test_an_attack_that_is_not_let_loose_is_told_of_its_rules() -> None:
    """On a target that nobody said to own, coverage says why the rules on framing are not reached."""
    target = arranged("rollout=message", *EVERY_RULE).target
    target.owned = False
    made = Plan(target)
    found = list(hostile.cases(made))

    assert found
    assert made.untried["RFC6455-5.1"] == NOT_OWNED


def test_a_document_without_rules_on_framing_has_no_attacks() -> None:
    """There would be nobody to blame."""
    target = arranged("rollout=message", *EVERY_RULE).target
    target.document = evolve(target.document, framing={})

    assert list(hostile.cases(Plan(target))) == []
