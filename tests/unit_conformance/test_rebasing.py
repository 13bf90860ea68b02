"""`handfast baseline`: what of a file does not fit a run, and the file brought up to date with its comments."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.baseline import read_baseline
from conformance.rebasing import DRAWN, Change, compared, rewritten, written
from conformance.reporting.run import Run, read_run
from conformance.verdicts import Result
from spec.cli import main
from spec.exits import Stop
from tests.unit_conformance.kit import finding, result, stream

KNOWN = """# Failures of the staging server.
# Ask the server team before you add one.

# Doubled copies: see the ticket.
[[known]]
case = "rooms/copies"   # only this one
rule = "CHAT-MSG-2"
reason = "ticket 7"

# Mended last week.
[[known]]
case = "rooms/mended"
reason = "ticket 8"
# to be removed soon

[[known]]  # elsewhere
rule = "CHAT-MSG-3"
reason = "ticket 9"
version = 99
# The end.
"""
COPIES = result("known", "rooms/copies", finding("double", "CHAT-MSG-2"), known="ticket 7", excused="fail")
MENDED = result("fixed", "rooms/mended", known="ticket 8")
NEW = result("fail", "timers/new", finding("late", "CHAT-AUTH-4"))


def run(*results: Result, **changes: Any) -> Run:
    return read_run(stream(*results, **changes))


def known(tmp_path: Path, text: str = KNOWN) -> Path:
    path = tmp_path / "known.toml"
    path.write_text(text)
    return path


def test_an_update_adds_and_removes_and_keeps_all_else(tmp_path: Path) -> None:
    """The comment above an entry goes with it; every other line stays as it is."""
    path = known(tmp_path)
    change = compared(path, run(COPIES, MENDED, NEW))
    rewritten(
        change, written(change, reason="a slow disk", issue="https://tracker.example/9", expires=date(2027, 1, 31))
    )

    gone = KNOWN.index("# Mended"), KNOWN.index("[[known]]  # elsewhere")
    assert path.read_text() == KNOWN[: gone[0]] + KNOWN[gone[1] :] + (
        '\n[[known]]\ncase = "timers/new"\nrule = "CHAT-AUTH-4"\nreason = "a slow disk"\n'
        'issue = "https://tracker.example/9"\nexpires = 2027-01-31\n'
    )
    after = compared(path, run(COPIES, MENDED, NEW))
    assert (after.added, after.removed, after.left) == ([], [], [])


def test_new_entries_by_rule(tmp_path: Path) -> None:
    """One for all cases that break it."""
    more = evolve(NEW, case=evolve(NEW.case, id="timers/newer"))
    change = compared(tmp_path / "none.toml", run(NEW, more), by="rule")

    assert change.added == [{"rule": "CHAT-AUTH-4"}]
    assert tomllib.loads(written(change, reason="r")) == {"known": [{"rule": "CHAT-AUTH-4", "reason": "r"}]}


def test_drawn_cases_are_named_by_their_family(tmp_path: Path) -> None:
    """Another seed draws others; the families are those of what draws."""
    from conformance.generation import bodies, interleavings, sequences, timing

    assert {one.FAMILY for one in (bodies, interleavings, sequences, timing)} == DRAWN
    drawn = [result("fail", f"bodies/x/{number}", finding("code", "CHAT-MSG-1")) for number in range(3)]
    assert compared(tmp_path / "none.toml", run(*drawn)).added == [{"case": "bodies/**", "rule": "CHAT-MSG-1"}]


def test_a_saved_failure_is_named_as_the_case_that_it_was(tmp_path: Path) -> None:
    """By which baselines speak of it; one that passes says nothing of that case."""
    events = stream(evolve(NEW, case=evolve(NEW.case, id="saved/timers-new", family="saved")))
    events[2]["origin"] = "timers/new"

    change = compared(tmp_path / "none.toml", read_run(events))
    assert change.added == [{"case": "timers/new", "rule": "CHAT-AUTH-4"}]


def test_warnings_are_new_where_they_fail_the_run(tmp_path: Path) -> None:
    """As the run was told."""
    warned = evolve(NEW, verdict="warn")
    for fail_on, many in (("must", 0), ("should", 1)):
        assert len(compared(tmp_path / "none.toml", run(warned, fail_on=fail_on)).added) == many


@pytest.mark.parametrize("changes", [{"run": ["rooms/**"]}, {"skip": ["rooms/**"]}])
def test_a_partial_run_removes_nothing_that_it_did_not_show(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Only what it played can be fixed."""
    assert compared(known(tmp_path), run(NEW, **changes)).removed == []
    assert compared(known(tmp_path), run(MENDED, **changes)).removed == [1]
    assert compared(known(tmp_path), read_run(stream(NEW, complete=False))).removed == []


def test_what_has_expired_is_for_people_to_decide(tmp_path: Path) -> None:
    """It is neither removed nor renewed nor hidden behind another entry."""
    path = known(tmp_path, '[[known]]\ncase = "timers/new"\nreason = "r"\nexpires = 2020-01-01\n')
    change = compared(path, run(NEW))

    assert (change.added, change.removed) == ([], [])
    assert "expired on 2020-01-01" in change.left[0]


@pytest.mark.parametrize(
    "text",
    [
        'known = [{ case = "rooms/gone", reason = "r" }]\n',
        '[[known]]\ncase = "rooms/gone"\nreason = """\n\n[[known]]\n"""\n',
    ],
)
def test_what_cannot_be_edited_with_certainty_is_left(tmp_path: Path, text: str) -> None:
    """Entries that are written in other ways."""
    path = known(tmp_path, text)
    change = compared(path, run(NEW))

    assert list(change.removed) == [0]
    with pytest.raises(Stop, match="nothing was changed"):
        written(change, reason="r")
    assert path.read_text() == text


_LINES = st.lists(st.sampled_from(["", "# a comment", "  # another"]), max_size=3)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(_LINES, st.text(), _LINES), max_size=4), st.sets(st.integers(0, 3)), st.text(min_size=1))
def test_whatever_is_removed_and_added_the_others_stay(
    tmp_path_factory: pytest.TempPathFactory, entries: Iterable[Any], removed: set[int], reason: str
) -> None:
    """Entries, and the comments that are not theirs, are as they were; or nothing is changed."""
    entries = list(entries)
    blocks = []
    for number, (above, _, below) in enumerate(entries):
        blocks += [*above, "[[known]]", f'case = "a/{number}"', 'reason = "r"', *below]
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("\n".join(blocks))
    gone = sorted(number for number in removed if number < len(entries))
    reason = reason.encode(errors="replace").decode()
    change = Change(path, [{"case": "a/new"}], gone)

    text = written(change, reason=reason)
    cases = [f"a/{number}" for number in range(len(entries)) if number not in gone]
    assert [entry["case"] for entry in tomllib.loads(text)["known"]] == [*cases, "a/new"]
    assert tomllib.loads(text)["known"][-1]["reason"] == reason


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` says what does not fit and changes nothing; `update` needs a reason for what is new, and then it fits."""
    from conformance.reporting import KINDS

    path, saved = known(tmp_path), tmp_path / "run.jsonl"
    saved.write_text(KINDS["jsonl"](stream(COPIES, MENDED, NEW)))
    words = (str(path), "--from", str(saved))

    assert main(["baseline", "check", *words]) == 1
    said = capsys.readouterr().out
    assert "new: timers/new CHAT-AUTH-4" in said
    assert "is fixed: entry 2" in said
    assert main(["baseline", "update", *words]) == 2
    assert "--reason" in capsys.readouterr().err
    assert path.read_text() == KNOWN
    assert main(["baseline", "update", *words, "--reason", "ticket 10"]) == 0
    assert main(["baseline", "check", *words]) == 0
    assert len(read_baseline(path).entries) == 3
    assert capsys.readouterr().out.endswith("fits the run\n")
