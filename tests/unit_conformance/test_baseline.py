"""The baseline: what it excuses, and that it must fit what happens."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from attrs import evolve

from conformance.baseline import Baseline, read_baseline
from conformance.scripts import Case
from conformance.verdicts import Result, Tried, run_verdict
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


# ------------------------------------------------------------------------------------------------------- scope


@pytest.mark.parametrize(
    ("scope", "applies"),
    [
        ('target = "wss://staging.*"', True),
        ('target = "wss://production.*"', False),
        ("version = 2", True),
        ("version = 3", False),
        ('target = "wss://staging.*"\nversion = 3', False),
    ],
)
def test_an_entry_speaks_of_its_targets_and_versions_only(tmp_path: Path, scope: str, applies: bool) -> None:
    """Elsewhere it excuses nothing, and need not match anything; how many there are of these is told."""
    everywhere = _baseline(tmp_path, f'[[known]]\ncase = "rooms/a"\nreason = "ticket 7"\n{scope}\n')
    baseline = everywhere.within("wss://staging.example:443/api", 2)

    assert baseline.judge(_result("rooms/a", "fail")).verdict == ("known" if applies else "fail")
    assert baseline.problems() == []
    assert baseline.summary()["out_of_scope"] == (not applies)


def test_an_entry_may_ask_for_a_verdict(tmp_path: Path) -> None:
    """A warning that is known does not excuse the failure that it became; what it was is kept."""
    baseline = _baseline(tmp_path, '[[known]]\ncase = "rooms/a"\nverdict = "warn"\nreason = "ticket 7"\n')

    assert baseline.judge(_result("rooms/a", "fail")).verdict == "fail"
    known = baseline.judge(_result("rooms/a", "warn"))
    assert (known.verdict, known.excused) == ("known", "warn")


def test_what_a_partial_run_can_say(tmp_path: Path) -> None:
    """That an entry has expired, and that a case that is named passes; not that nothing matches."""
    text = "".join(
        f'[[known]]\ncase = "{case}"\nreason = "r"\nexpires = 2026-{month}-01\n'
        for case, month in (("rooms/old", "05"), ("rooms/a", "07"), ("rooms/*", "07"), ("timers/a", "07"))
    )
    baseline = _baseline(tmp_path, text)
    baseline.judge(_result("rooms/a", "pass"))

    partial = baseline.problems(partial=True)
    assert [problem.partition("entry ")[2][:6] for problem in partial] == ["1 expi", "2 is f"]
    assert len(baseline.problems()) == 4


# ------------------------------------------------------------------------------------------------------- flaky

FLAKY = '[[known]]\ncase = "timers/**"\nrule = "CHAT-AUTH-4"\nflaky = 0.05\nreason = "a slow disk"\n'


def _tried(verdict: str, failed: int, played: int) -> Result:
    return evolve(_result("timers/a", verdict, ("CHAT-AUTH-4",)), tried=Tried(failed, played))


def test_a_flaky_failure_is_played_again(tmp_path: Path) -> None:
    """So often that failing each time would be improbable; what no entry speaks of is not."""
    baseline = _baseline(tmp_path, FLAKY)

    assert baseline.reruns(_result("timers/a", "fail", ("CHAT-AUTH-4",))) == 3
    assert baseline.reruns(_result("timers/a", "fail", ("CHAT-AUTH-5",))) == 0
    often = _baseline(tmp_path, FLAKY.replace("0.05", "0.5"))
    assert often.reruns(_result("timers/a", "fail", ("CHAT-AUTH-4",))) == 10


def test_what_passes_at_least_once_is_flaky_and_told(tmp_path: Path) -> None:
    """With how often it failed, beside the declared rate and the reason; it fails no run."""
    baseline = _baseline(tmp_path, FLAKY)
    judged = [baseline.judge(_tried("flaky", 1, 4)), *(baseline.judge(_result(f"timers/{n}", "pass")) for n in "bcd")]

    assert (judged[0].verdict, judged[0].known) == ("flaky", "a slow disk")
    assert baseline.problems() == []
    [told] = baseline.summary()["flaky"]
    assert told.endswith("entry 1 (timers/** CHAT-AUTH-4): failed 1 of 4 times, declared 5.0%: a slow disk")
    assert run_verdict(judged, fail_on="must", unreached=(), died=False) == "conformant"


def test_what_fails_each_time_is_no_flake(tmp_path: Path) -> None:
    """The failure stands, and the entry's rate is said to be wrong."""
    baseline = _baseline(tmp_path, FLAKY)
    judged = baseline.judge(_tried("fail", 4, 4))

    assert judged.verdict == "fail"
    assert "failed 4 of 4 times, more than 5.0%" in baseline.problems()[0]


def test_a_flaky_entry_must_match_a_case(tmp_path: Path) -> None:
    """One that passes will do."""
    passing = evolve(_result("timers/a", "pass"), case=Case("timers/a", "timers", ("CHAT-AUTH-4",), ()))
    baseline = _baseline(tmp_path, FLAKY)
    assert "matches no case" in baseline.problems()[0]
    baseline.judge(passing)
    assert baseline.problems() == []


@pytest.mark.parametrize("rate", ["0.0", "1.0", "1", '"often"', "true"])
def test_a_rate_is_between_never_and_always(tmp_path: Path, rate: str) -> None:
    """At these ends nothing comes and goes."""
    with pytest.raises(Stop, match="rate above 0 and below 1"):
        _baseline(tmp_path, FLAKY.replace("0.05", rate))
