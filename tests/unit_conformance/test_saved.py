"""Saved failures: which are played again, under which names, where new ones go, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from conformance.baseline import read_baseline
from conformance.failures import path_of, read_failure, write_failure
from conformance.saved import SavedFailures, Shelf, read_saved
from conformance.scripts import Case, Open, Ping, Send, Settle, token
from conformance.session import choose
from conformance.verdicts import Result
from spec.exits import Stop
from tests.unit_conformance.kit import arranged, case, finding, plan, result

FIRST = case("rooms/first")
CODE = finding("code", "CHAT-AUTH-5")


def save(folder: Path, failed: Result, name: str | None = None, **members: Any) -> Path:
    """Save a failure, perhaps with other members than it had."""
    path = path_of(folder, name or failed.case.id)
    write_failure(path, arranged().target, failed)
    path.write_text(json.dumps(json.loads(path.read_text()) | members))
    return path


def shelf(folder: Path) -> Shelf:
    """Where the failures of a run go that plays what a folder holds."""
    return Shelf(arranged(), read_saved(folder, plan("message")))


def again(one: Shelf, failed: Result) -> Result:
    """A result of the first saved failure in a run."""
    saved = next(iter(one.saved.entries.values()))
    return evolve(failed, case=evolve(saved.case, steps=failed.case.steps))


# -------------------------------------------------------------------------------------------------------- reading


def test_a_saved_failure_is_played_under_the_name_of_its_file(tmp_path: Path) -> None:
    """Which no case of the run has, and no other file of the folder."""
    save(tmp_path, result("fail", "rooms/first", CODE))
    save(tmp_path, result("fail", "rooms/first", CODE), name="rooms/copy")
    found = read_saved(tmp_path, plan("message"))

    assert list(found.entries) == ["saved/rooms-copy", "saved/rooms-first"]
    assert {one.origin.id for one in found.entries.values()} == {"rooms/first"}
    assert {(one.case.id, one.case.family) for one in found.entries.values()} == {
        ("saved/rooms-copy", "saved"),
        ("saved/rooms-first", "saved"),
    }
    assert all(one.case.steps == FIRST.steps for one in found.entries.values())
    assert found.skipped == ()


def test_there_need_be_no_folder(tmp_path: Path) -> None:
    """A first run has none; and what is no failure file by its name is nobody's business."""
    (tmp_path / "README.txt").write_text("ours")

    assert read_saved(tmp_path / "none", plan("message")).entries == {}
    assert read_saved(tmp_path, plan("message")) == SavedFailures(tmp_path, {})


@pytest.mark.parametrize("other", [{"protocol": "sync"}, {"version": 1}])
def test_failures_of_other_protocols_are_left_alone(tmp_path: Path, other: dict[str, Any]) -> None:
    """They are of another run, and nothing is said of them."""
    save(tmp_path, result("fail", "rooms/first", CODE), **other)

    assert read_saved(tmp_path, plan("message")) == SavedFailures(tmp_path, {})


FORGOTTEN = Case("a/b", "a", (), (Open("ana"), Send("ana", "auth", {"token": token("no-such-recipe")})))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no failure file"),
        ("[" * 100_000, "is no failure file"),
        ("{}", "is no failure file of format 1"),
        ('{"format": 1, "case": {}}', "`protocol`, `version`, "),
        ({"rules": [3]}, "`parameters`, `rules` is missing or of another type"),
        ({"parameters": {"rollout": 3}}, "is missing or of another type"),
        ({"case": {"id": "a"}}, "not a case of this version: it has no list of steps"),
        ({"case": {"id": "a", "family": "a", "rules": [], "steps": [{"do": "fly"}]}}, "step 1 does none of open"),
        (FORGOTTEN, "there is no recipe `no-such-recipe` of tokens"),
    ],
)
def test_what_cannot_be_played_is_told_in_one_line(tmp_path: Path, content: Any, says: str) -> None:
    """With its path; the others are played."""
    save(tmp_path, result("fail", "rooms/first", CODE))
    if isinstance(content, Case):
        save(tmp_path, evolve(result("fail", "z/broken", CODE), case=content), name="z/broken")
    elif isinstance(content, str):
        (tmp_path / "z-broken.json").write_text(content)
    else:
        save(tmp_path, result("fail", "z/broken", CODE), **content)
    found = read_saved(tmp_path, plan("message"))

    assert list(found.entries) == ["saved/rooms-first"]
    [line] = found.skipped
    assert says in line
    assert line.startswith(str(tmp_path / "z-broken.json"))
    assert "\n" not in line


def test_a_token_that_cannot_be_made_here_is_told(tmp_path: Path) -> None:
    """Key confusion needs a key pair: with a shared secret there is nothing to play."""
    here = plan("message")
    reasons = {recipe.name: here.book.applicable(recipe) for recipe in here.document.recipes}
    name = next(name for name, reason in reasons.items() if reason is not None)
    steps = (Open("ana"), Send("ana", "auth", {"token": token(name)}))
    save(tmp_path, evolve(result("fail", "a/b", CODE), case=Case("a/b", "a", (), steps)))

    [line] = read_saved(tmp_path, here).skipped
    assert f"a token `{name}` cannot be made: {reasons[name]}" in line


def test_globs_speak_of_a_saved_failure_by_either_name(tmp_path: Path) -> None:
    """By the file's and by that of the case as it was; and only a glob that names nothing at all is a mistake."""
    save(tmp_path, result("fail", "rooms/first", CODE))
    found = read_saved(tmp_path, plan("message"))
    described = evolve(arranged(), examples=0)

    def chosen(run: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> list[str]:
        return [one.id for one in choose(plan("message"), evolve(described, run=run, skip=skip), found)[1]]

    assert chosen()[0] == "saved/rooms-first"
    assert len(chosen()) == len(choose(plan("message"), described)[1]) + 1
    assert chosen(run=("saved",)) == ["saved/rooms-first"]
    assert chosen(run=("rooms/first",)) == ["saved/rooms-first"]
    assert "saved/rooms-first" in chosen(run=("rooms",))
    assert "saved/rooms-first" not in chosen(run=("timers",))
    assert "saved/rooms-first" not in chosen(skip=("saved",))
    assert "saved/rooms-first" not in chosen(skip=("rooms",))
    with pytest.raises(Stop, match="no case matches `savde`"):
        chosen(run=("savde",))


# --------------------------------------------------------------------------------------------------------- filing


def test_failures_of_one_kind_share_a_file(tmp_path: Path) -> None:
    """That of the one that is told first; another kind has another."""
    one = shelf(tmp_path / "new")
    first = one.filed(result("fail", "a/first", CODE))
    second = one.filed(result("fail", "a/second", CODE))
    other = one.filed(result("fail", "a/other", finding("close", "CHAT-AUTH-5")))
    passed = one.filed(result("pass", "a/passed"))

    assert first.failure_file == second.failure_file == str(tmp_path / "new" / "a-first.json")
    assert other.failure_file == str(tmp_path / "new" / "a-other.json")
    assert passed.failure_file is None
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a-first.json", "a-other.json"]


def test_a_saved_failure_that_fails_as_before_keeps_its_file_as_it_is(tmp_path: Path) -> None:
    """A file in a repository does not change for nothing; and the failures of its kind need no other."""
    path = save(tmp_path, result("fail", "rooms/first", CODE), message="as it was")
    before = path.read_bytes()
    one = shelf(tmp_path)
    filed = one.filed(again(one, result("fail", "rooms/first", CODE)))
    like = one.filed(result("fail", "a/second", CODE))

    assert filed.case.id == "saved/rooms-first"
    assert filed.failure_file == like.failure_file == str(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["rooms-first.json"]


def test_a_saved_failure_that_changed_is_saved_anew(tmp_path: Path) -> None:
    """In its own file, under its own identifier: it broke another rule, or has become smaller."""
    for changed in (
        result("fail", "rooms/first", finding("code", "CHAT-AUTH-6")),
        evolve(result("fail", "rooms/first", CODE), case=evolve(FIRST, steps=FIRST.steps[:1])),
    ):
        path = save(tmp_path, result("fail", "rooms/first", CODE))
        one = shelf(tmp_path)
        one.filed(again(one, changed))
        found = read_failure(path)

        assert found["case"]["id"] == "rooms/first"
        assert found["rules"][0] == changed.rules[0]
        assert len(found["case"]["steps"]) == len(changed.case.steps)


def test_a_fixed_failure_keeps_its_file(tmp_path: Path) -> None:
    """It is a test against the return of the fault, which nobody but its owners may throw away."""
    path = save(tmp_path, result("fail", "rooms/first", CODE))
    before = path.read_bytes()
    one = shelf(tmp_path)
    filed = one.filed(again(one, result("pass", "rooms/first")))

    assert (filed.verdict, filed.failure_file) == ("pass", str(path))
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The run goes on: its findings are in the reports."""
    (tmp_path / "file").write_text("in the way")
    one = shelf(tmp_path / "file")
    one.filed(result("fail", "a/first", CODE))

    assert one.unwritten == f"{tmp_path / 'file' / 'a-first.json'} cannot be written: {_why(tmp_path / 'file' / 'x')}"


def _why(path: Path) -> str | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    except OSError as problem:
        return problem.strerror
    return None


def test_a_baseline_knows_a_saved_failure_by_the_case_as_it_was(tmp_path: Path) -> None:
    """That it passes does not show that the entry is fixed: the case itself may still fail."""
    save(tmp_path / "failures", result("fail", "rooms/first", CODE))
    (tmp_path / "known.toml").write_text("[[known]]\ncase = 'rooms/first'\nreason = 'old'\n")
    baseline = read_baseline(tmp_path / "known.toml")
    one = shelf(tmp_path / "failures")
    failed = again(one, result("fail", "rooms/first", CODE))
    passed = again(one, result("pass", "rooms/first"))

    assert baseline.knows(one.as_saved(failed))
    assert not baseline.knows(failed)
    judged = one.judged(failed, baseline)
    assert (judged.verdict, judged.known, judged.case.id) == ("known", "old", "saved/rooms-first")
    assert one.judged(passed, baseline).verdict == "pass"
    assert one.judged(result("pass", "rooms/first"), baseline).verdict == "fixed"


# ------------------------------------------------------------------------------------------------ shrunken scripts


def test_a_shrunken_failure_is_saved_as_such(tmp_path: Path) -> None:
    """The small script, and how large it was: the large one is made again from its identifier and the seed."""
    large = case("properties/drawn")
    small = evolve(large, steps=(Open("ana"), Settle(), Ping("ana")))
    failed = evolve(result("fail", "properties/drawn", CODE), case=small, shrunk=_extent(25, 4))
    path = path_of(tmp_path, failed.case.id)
    write_failure(path, arranged().target, failed, seed=7)
    found = read_failure(path)

    assert (found["seed"], found["shrunk_from"]) == (7, {"steps": 25, "clients": 4})
    assert [step["do"] for step in found["case"]["steps"]] == ["open", "settle", "ping"]


def _extent(steps: int, clients: int) -> Any:
    from conformance.scripts import Extent

    return Extent(steps, clients)
