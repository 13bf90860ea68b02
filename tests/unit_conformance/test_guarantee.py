"""The guarantee: what is stated before a run, and when it is given."""

from __future__ import annotations

import pytest

from conformance.families.transitions import FAMILY
from conformance.guarantee import guarantee, holds, in_words
from conformance.plan import Plan
from conformance.verdicts import Result
from tests.unit_conformance.kit import EVERY_RULE, arranged, cases, plan


def results(verdict: str = "pass") -> dict[str, Result]:
    """Results of the whole suite, the last of its tests with another verdict."""
    tests = [case for case in cases("message") if case.family == FAMILY]
    found = {case.id: Result(case, "pass", case.rules) for case in tests}
    return {**found, tests[-1].id: Result(tests[-1], verdict, tests[-1].rules)}


def test_it_is_given_where_every_test_passed() -> None:
    every = cases("message")
    stated = guarantee(plan("message"), every, every)
    assert stated["skipped"] == 0
    assert holds(stated, results())


@pytest.mark.parametrize("verdict", ["fail", "known", "inconclusive", "flaky", "not applicable"])
def test_it_is_not_given_where_a_test_did_not_pass(verdict: str) -> None:
    every = cases("message")
    assert not holds(guarantee(plan("message"), every, every), results(verdict))


def test_it_is_not_given_where_tests_were_left_out() -> None:
    every = cases("message")
    stated = guarantee(plan("message"), every, [case for case in every if "binary" not in case.id])
    kept = {name: result for name, result in results().items() if "binary" not in name}
    assert stated["skipped"] > 0
    assert not holds(stated, kept)
    assert any("are not run" in line for line in in_words(stated))


@pytest.mark.parametrize(("level", "more"), [("complete", 0), ("deep", 1)])
def test_it_names_the_bound_of_its_level(level: str, more: int) -> None:
    stated = guarantee(Plan(arranged("rollout=message", *EVERY_RULE).target, level), cases("message"), ())
    assert stated["bound"] == stated["states"] + more
    assert f"at most {stated['bound']} states" in in_words(stated)[0]


def test_the_smoke_level_names_none() -> None:
    stated = guarantee(Plan(arranged("rollout=message", *EVERY_RULE).target, "smoke"), cases("message"), ())
    assert stated["bound"] is None
    assert "transition cover" in in_words(stated)[0]


def test_a_wait_that_takes_too_long_is_left_out_and_told() -> None:
    every = cases("message")
    assert any("it takes 6" in told for told in guarantee(plan("message"), every, every)["left_out"])
