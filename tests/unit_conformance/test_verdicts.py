"""What a run comes to, and its exit code; both are stable."""

from __future__ import annotations

import pytest

from conformance.verdicts import VERDICTS, exit_of, run_verdict
from spec.exits import Exit
from tests.unit_conformance.kit import result

# The verdicts of the cases -> the run's verdict and exit code; then where a SHOULD counts.
RUNS = [
    (("pass",), ("conformant", 0), ("conformant", 0)),
    (("pass", "not applicable"), ("conformant", 0), ("conformant", 0)),
    (("pass", "flaky"), ("conformant", 0), ("conformant", 0)),
    (("pass", "known"), ("conformant", 0), ("conformant", 0)),
    (("known",), ("conformant", 0), ("conformant", 0)),
    (("known", "fail"), ("nonconformant", 1), ("nonconformant", 1)),
    (("pass", "fixed"), ("conformant", 0), ("conformant", 0)),
    (("pass", "warn"), ("conformant", 0), ("nonconformant", 1)),
    (("warn",), ("conformant", 0), ("nonconformant", 1)),
    (("pass", "fail"), ("nonconformant", 1), ("nonconformant", 1)),
    (("fail", "error"), ("nonconformant", 1), ("nonconformant", 1)),
    (("fail", "inconclusive"), ("nonconformant", 1), ("nonconformant", 1)),
    (("pass", "inconclusive"), ("inconclusive", 4), ("inconclusive", 4)),
    (("pass", "error"), ("error", 5), ("error", 5)),
    (("inconclusive", "error"), ("error", 5), ("error", 5)),
    (("not applicable",), ("error", 4), ("error", 4)),
    ((), ("error", 4), ("error", 4)),
]


@pytest.mark.parametrize(("verdicts", "must", "should"), RUNS)
def test_what_a_run_comes_to(verdicts: tuple[str, ...], must: tuple[str, int], should: tuple[str, int]) -> None:
    """A failure decides; then what went wrong with the harness; never green for nothing."""
    results = [result(verdict) for verdict in verdicts]
    for fail_on, (verdict, code) in (("must", must), ("should", should)):
        found = run_verdict(results, fail_on=fail_on, unreached=(), died=False)

        assert found == verdict
        assert exit_of(found, results, died=False, interrupted=False) == code


def test_every_verdict_of_a_case_stands_above() -> None:
    """A new one must be thought about there."""
    assert {verdict for verdicts, _, _ in RUNS for verdict in verdicts} == set(VERDICTS)


def test_a_rule_that_was_not_reached_is_not_green() -> None:
    """A run that passes and yet did not show what it said it would is inconclusive."""
    passed = [result("pass")]
    found = run_verdict(passed, fail_on="must", unreached=("CHAT-AUTH-4",), died=False)

    assert found == "inconclusive"
    assert exit_of(found, passed, died=False, interrupted=False) is Exit.NOTHING


def test_a_baseline_that_does_not_fit_fails_the_run() -> None:
    """However well everything else went: a list of known failures must be true."""
    passed = [result("pass"), result("fixed", "family/two")]
    found = run_verdict(passed, fail_on="must", unreached=(), died=False, misfits=("entry 1 is fixed",))

    assert found == "nonconformant"
    assert exit_of(found, passed, died=False, interrupted=False) is Exit.NONCONFORMANT


def test_a_target_that_died_is_never_green() -> None:
    """Whatever was found until then: what failed keeps its verdict, and the exit code says that the target died."""
    for verdicts, expected in ((("pass",), "error"), (("fail",), "nonconformant"), ((), "error")):
        results = [result(verdict) for verdict in verdicts]
        found = run_verdict(results, fail_on="must", unreached=(), died=True)

        assert found == expected
        assert exit_of(found, results, died=True, interrupted=False) is Exit.UNREACHABLE


def test_an_interrupted_run_says_so_first() -> None:
    """130, whatever was found and whatever else happened."""
    for verdict in VERDICTS:
        found = run_verdict([result(verdict)], fail_on="must", unreached=(), died=False)

        assert exit_of(found, [result(verdict)], died=verdict == "fail", interrupted=True) is Exit.INTERRUPTED
