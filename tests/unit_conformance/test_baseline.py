"""The baseline: what it excuses, and that it must fit what happens."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from conformance.baseline import Baseline, read_baseline
from conformance.scripts import Case
from conformance.verdicts import Result, run_verdict
from spec.exits import Exit, Stop


def _result(name: str, verdict: str, rules: tuple[str, ...] = ("CHAT-MSG-2",), message: str = "") -> Result:
    return Result(Case(name, name.partition("/")[0], rules, ()), verdict, rules, message)


def _baseline(tmp_path: Path, text: str) -> Baseline:
    path = tmp_path / "known.toml"
    path.write_text(text)
    baseline = read_baseline(path)
    baseline.today = date(2026, 6, 1)
    return baseline


def test_a_known_failure_is_known_and_fits(tmp_path: Path) -> None:
    """A failure that an entry names by case, rule and text is `known`, and the entry fits."""
    entry = '[[known]]\ncase = "rooms/**"\nrule = "CHAT-MSG-2"\nmatch = "second time"\nreason = "ticket 7"\n'
    baseline = _baseline(tmp_path, entry)

    judged = baseline.judge(_result("rooms/a/b", "fail", message="`x` came a second time"))

    assert (judged.verdict, judged.known) == ("known", "ticket 7")
    assert baseline.problems() == []
    assert run_verdict([judged], fail_on="must", unreached=(), died=False) == "conformant"


@pytest.mark.parametrize(
    "result",
    [
        _result("rooms/a", "fail", ("CHAT-MSG-3",), "second time"),
        _result("rooms/a", "fail", message="something else"),
        _result("timers/a", "fail", message="second time"),
    ],
)
def test_another_failure_is_not_excused(tmp_path: Path, result: Result) -> None:
    """A failure of another rule, another text or another case stays a failure, and the entry matches nothing."""
    entry = '[[known]]\ncase = "rooms/**"\nrule = "CHAT-MSG-2"\nmatch = "second time"\nreason = "ticket 7"\n'
    baseline = _baseline(tmp_path, entry)

    assert baseline.judge(result).verdict == "fail"
    assert "matches nothing" in baseline.problems()[0]


def test_a_fixed_failure_must_leave_the_list(tmp_path: Path) -> None:
    """A case that is named and passes is `fixed`, and the entry is to be removed."""
    baseline = _baseline(tmp_path, '[[known]]\ncase = "rooms/a"\nreason = "ticket 7"\n')

    judged = baseline.judge(_result("rooms/a", "pass"))

    assert judged.verdict == "fixed"
    assert "is fixed" in baseline.problems()[0]
    misfits = baseline.problems()
    assert run_verdict([judged], fail_on="must", unreached=(), died=False, misfits=misfits) == "nonconformant"


def test_an_expired_entry_excuses_nothing(tmp_path: Path) -> None:
    """Behind its date an entry excuses nothing, and is told."""
    baseline = _baseline(tmp_path, '[[known]]\ncase = "rooms/a"\nreason = "ticket 7"\nexpires = 2026-05-31\n')

    assert baseline.judge(_result("rooms/a", "fail")).verdict == "fail"
    assert "expired on 2026-05-31" in baseline.problems()[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[known]]\ncase = "rooms/a"\n', "has no reason"),
        ('[[known]]\nreason = "x"\n', "neither a case nor a rule"),
        ('[[known]]\ncase = "a"\nreason = "x"\nexpiry = 2026-01-01\n', "has no key `expiry`"),
        ('[[known]]\ncase = "a"\nreason = "x"\nexpires = "2026-01-01"\n', "is no date"),
        ('[[known]]\ncase = 7\nreason = "x"\n', "that is no text"),
        ("known = 3\n", "[[known]]"),
        ("known = [1]\n", "is no table"),
        ("[[unknown]]\n", "[unknown]"),
        ("[[known]\n", "known.toml"),
    ],
)
def test_a_bad_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    """What does not fit in the file ends the command with the file, the entry and the fault."""
    with pytest.raises(Stop, match=r"known\.toml") as stop:
        _baseline(tmp_path, text)

    assert stop.value.exit is Exit.USAGE
    assert told in str(stop.value)
