"""The plan of chat: every state is reached, every rule has its case, and cases are named well."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import pytest
from attrs import evolve

from conformance.coverage import why_unapplied
from conformance.families import FAMILIES, all_cases
from conformance.plan import Plan
from conformance.scripts import Case
from conformance.session import choose
from spec.exits import Exit, Stop
from spec.tracker.content import Content
from tests.unit_conformance.kit import EVERY_RULE, STAGES, arranged, cases, plan

FAMILIES_BY_NAME = {str(name) for name in FAMILIES}
_SLUG = re.compile(r"[a-z]+(/[a-z0-9._+-]+)+")


def misnamed(names: Iterable[str]) -> list[str]:
    """The names that are no slugs, and those that stand there twice."""
    counts = Counter(names)
    return [name for name, count in counts.items() if not _SLUG.fullmatch(name) or count > 1]


def uncited(found: Iterable[Case], of: Plan) -> list[str]:
    """The rules that the wire shows and that apply, but that no case cites and nothing always looks for."""
    document = of.document
    watched = {*document.due_rules, *document.close_rules, *Content(document).always_judged}
    cited = {rule for one in found for rule in one.rules}
    return [
        rule.id
        for rule in document.rules.values()
        if rule.observe == "wire" and why_unapplied(rule, of.parameters) is None and rule.id not in cited | watched
    ]


@pytest.mark.parametrize(
    ("rollout", "states"),
    [
        ("message", {"authenticating", "connected.v2.fresh", "connected.v2.expiring"}),
        ("dual", {"authenticating", "connected.v2.fresh", "connected.v2.expiring", "connected.v1"}),
        ("legacy", {"connected.v1"}),
    ],
)
def test_every_state_of_a_stage_has_a_route(rollout: str, states: set[str]) -> None:
    """And each route leads where it says when it is rehearsed."""
    routes = plan(rollout).routes

    assert set(routes) == states
    for state, route in routes.items():
        assert plan(rollout).rehearse(route.steps("ana")).states == {"ana": state}
        assert plan(rollout).rehearse(route.steps("ben", room="b", subject="eva")).states == {"ben": state}


@pytest.mark.parametrize("rollout", STAGES)
def test_every_rule_that_applies_has_a_case(rollout: str) -> None:
    """Where everything is configured, no rule that the wire can show is left out."""
    assert uncited(cases(rollout), plan(rollout)) == []


def test_all_rules_of_the_wire_apply_in_some_stage() -> None:
    """None is left out by never applying."""
    document = plan("message").document
    wire = {rule.id for rule in document.rules.values() if rule.observe == "wire"}
    applied = {
        rule.id
        for stage in STAGES
        for rule in document.rules.values()
        if why_unapplied(rule, plan(stage).parameters) is None
    }

    assert wire <= applied


def test_a_rule_without_a_case_is_seen() -> None:
    """The check above can fail: without the cases of timers, the deadline has none."""
    rest = [one for one in cases("message") if "CHAT-AUTH-4" not in one.rules]

    assert uncited(rest, plan("message")) == ["CHAT-AUTH-4"]


@pytest.mark.parametrize("rollout", STAGES)
def test_cases_have_unique_slugs(rollout: str) -> None:
    """Lower-case words, family first; reports, filters and baselines name them."""
    names = [one.id for one in cases(rollout)]

    assert misnamed(names) == []
    assert {one.id.partition("/")[0] for one in cases(rollout)} == {one.family for one in cases(rollout)}
    assert {one.family for one in cases(rollout)} <= FAMILIES_BY_NAME
    assert all(one.rules for one in cases(rollout))


def test_a_bad_name_is_seen() -> None:
    """The check above can fail."""
    good = "timers/connected.v1/expiry"

    assert misnamed([good]) == []
    assert misnamed([good, good]) == [good]
    for bad in ("Timers/x", "timers", "timers/", "timers/a b", "timers/é", "/x"):
        assert misnamed([good, bad]) == [bad]


@pytest.mark.parametrize("rollout", STAGES)
def test_names_are_the_same_every_time(rollout: str) -> None:
    """Neither a seed nor the time nor fresh keys make another list, and their rules stay the same too."""
    again = list(all_cases(Plan(arranged(f"rollout={rollout}", *EVERY_RULE, seed=99).target)))

    assert [(one.id, one.rules) for one in again] == [(one.id, one.rules) for one in cases(rollout)]


def test_every_family_has_cases() -> None:
    """In the stages together and with what other protocols have; a family that describes nothing is a fault."""
    found = {one.family for stage in STAGES for one in cases(stage)}
    others = [
        Plan(arranged(protocol=name, quick=True).target) for name in ("sync", "hub", "tabs", "graphql-transport-ws")
    ]

    # None is given a service token to post with; `test_endpoints.py` and `test_tabs.py` have cases of posts.
    found |= {one.family for plan in others for one in all_cases(plan)}
    assert found == FAMILIES_BY_NAME - {"endpoints", "expulsions"}


def test_two_cases_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness says so, rather than running one of them."""
    family = next(iter(FAMILIES))
    monkeypatch.setitem(FAMILIES, family, lambda of: iter([cases("message")[0], cases("message")[0]]))

    with pytest.raises(ValueError, match="two cases are named"):
        list(all_cases(plan("message")))


@pytest.mark.parametrize("rollout", STAGES)
def test_smoke_is_a_part_that_still_cites_every_rule(rollout: str) -> None:
    """Much less than the whole, in the whole, and every rule that has a case has one there."""
    every, smoke = choose(plan(rollout), evolve(arranged(f"rollout={rollout}", *EVERY_RULE), level="smoke"))

    assert {one.id for one in smoke} < {one.id for one in every}
    assert len(smoke) < len(every) / 2
    assert {rule for one in smoke for rule in one.rules} == {rule for one in every for rule in one.rules}


def test_globs_choose_within_a_level() -> None:
    """And where nothing is left, that is told by its own exit code."""
    found = arranged("rollout=message", *EVERY_RULE)
    _, some = choose(plan("message"), evolve(found, run=("timers",), skip=("timers/authenticating",)))
    assert some
    assert all(one.family == "timers" and "authenticating" not in one.id.split("/")[1] for one in some)

    with pytest.raises(Stop) as stopped:
        choose(plan("message"), evolve(found, run=("timers",), skip=("timers",)))
    assert stopped.value.exit is Exit.NOTHING
