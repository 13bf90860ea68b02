"""The gate: its file, what stops a server, and that all its reports say the same; nothing here opens a connection."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve
from jsonschema_rs import validator_for

from conformance.events import read_stream
from conformance.gating import changes, running
from conformance.gating.checking import REPORTS, Checked, Told, by_server
from conformance.gating.file import Gate, Site, read_gate
from conformance.gating.outcome import FORMAT, SCHEMA, Outcome, as_data
from conformance.gating.running import run_gate
from conformance.gating.telling import KINDS, read_outcome, text
from conformance.reporting import KINDS as RUN_KINDS
from conformance.sieve import Sieve
from conformance.tomlplaces import read_placed
from conformance.verdicts import VERDICTS, Result
from spec.authoring.diffing.comparing import compare
from spec.authoring.linting.judging import lint
from spec.compiling import compile_source
from spec.exits import Exit, Stop
from spec.loading import Source, read
from tests.unit_conformance.kit import SECRET, finding, result, stream
from tests.unit_conformance.test_reporting import closed

TODAY = date(2026, 11, 1)
NEW = '[documents]\nnew = "chat"\n'
TARGET = '[[target]]\nname = "eu"\nurl = "ws://127.0.0.1:9"\nparameters = {rollout = "message"}\n'
BROKEN = result("fail", "tokens/auth/wrong-key", finding("code", "CHAT-AUTH-5"))
WARNED = result("warn", "limits/a", finding("late", "CHAT-AUTH-8"))

Events = Sequence[dict[str, Any]]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret; and packaged documents are read and compared once, since every gate here is of the same."""
    monkeypatch.setenv("GATE_SECRET", SECRET)
    monkeypatch.setattr(running, "read", _read)
    monkeypatch.setattr(running, "lint", _lint)
    monkeypatch.setattr(running, "compile_source", lambda source: _known(source.digest, compile_source, source))
    monkeypatch.setattr(changes, "compare", _compare)


_KNOWN: dict[Any, Any] = {}


def _known(key: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    key = (function, key)
    if key not in _KNOWN:
        _KNOWN[key] = function(*arguments)
    return _KNOWN[key]


def _read(path: Path) -> Any:
    return _known(path, read, path) if "protocols" in path.parts else read(path)


def _lint(paths: Sequence[Path], today: date) -> Any:
    [path] = paths
    return _known(path, lint, paths, None, today) if "protocols" in path.parts else lint(paths, None, today)


def _compare(old: Source, new: Source, given: Mapping[str, str]) -> Any:
    key = old.digest, new.digest, tuple(given.items())
    return _known(key, compare, old, new, given)


def events(*results: Result, exit: Exit = Exit.CONFORMANT, **footer: Any) -> Events:  # noqa: A002
    """A run as a target's process leaves it."""
    found = stream(*(results or (result(),)), fail_on="must")
    found[0]["guarantee"] = None
    verdict = "conformant" if exit is Exit.CONFORMANT else "nonconformant"
    found[-1] |= {"verdict": verdict, "exit": int(exit)}
    found[-1]["coverage"]["rules"]["unreached"] = {}
    found[-1] |= footer
    return found


def left(runs: Mapping[str, Events | None], codes: Mapping[str, Exit], said: str = "") -> Callable[..., list[Checked]]:
    """Checks that leave runs made beforehand; of a target without one, its process ended before it began."""

    def checks(gate: Gate, folder: Path, shrink: float, told: Told) -> list[Checked]:
        found = []
        for site in gate.sites:
            reports = {kind: folder / f"{site.name}.{ending}" for kind, ending in REPORTS.items()}
            run = runs.get(site.name)
            if run is not None:
                reports["jsonl"].write_text(RUN_KINDS["jsonl"](list(run)))
            found.append(Checked(site, codes.get(site.name, Exit.CONFORMANT), said, reports))
        return found

    return checks


def gate(folder: Path, toml: str, runs: Mapping[str, Events | None], said: str = "", **codes: Exit) -> Outcome:
    """The outcome of a gate whose targets left these runs; a run's own exit code is its process's."""
    path = folder / "gate.toml"
    path.write_text(toml)
    own = {name: Exit(run[-1]["exit"]) for name, run in runs.items() if run and run[-1]["event"] == "footer"}
    return run_gate(path, folder / "out", {}, checks=left(runs, {**own, **codes}, said), today=TODAY)


def kinds(outcome: Outcome) -> list[str]:
    return [reason.kind for reason in outcome.reasons]


# ------------------------------------------------------------------------------------------------------ its file


@pytest.mark.parametrize(
    ("toml", "line", "told"),
    [
        ("[documents\n", 1, "no TOML"),
        ("[document]\nnew = 'chat'\n", 1, "did you mean `documents`?"),
        ("[documents]\nold = 'chat'\n" + TARGET, 1, "what goes out?"),
        ("[documents]\nnew = 'git:main:a.yaml'\n" + TARGET, 2, "is checked out"),
        ("[documents]\nnew = 7\n" + TARGET, 2, "`new` is no text"),
        ("[documents]\nnew = 'chta'\n" + TARGET, 2, "did you mean `chat`?"),
        (NEW, None, "no target is named"),
        (NEW + "[[target]]\nurl = 'ws://127.0.0.1:9'\n", 3, "has no `name`"),
        (NEW + "[[target]]\nname = '../eu'\nurl = 'ws://127.0.0.1:9'\n", 4, "letters, digits"),
        (NEW + "[[target]]\nname = 'eu'\n", 3, "has no `url`"),
        (NEW + "[[target]]\nname = 'eu'\nurl = 'http://127.0.0.1'\n", 5, "no ws:// or wss:// URL"),
        (NEW + "[[target]]\nname = 'eu'\nurl = 'ws://ana:pass-of-ana@127.0.0.1'\n", 5, "has no query"),
        (NEW + TARGET + TARGET, 3, "several targets called `eu`"),
        (NEW + TARGET + "levle = 'smoke'\n", 7, "there is no `levle`"),
        (NEW + TARGET + "run = {levl = 'smoke'}\n", 7, "did you mean `level`?"),
        (NEW + TARGET + "[target.run]\nlevel = 3\n", 8, "must be of type"),
        (NEW + TARGET.replace("rollout = ", "rolout = "), 6, "did you mean `rollout`?"),
        (NEW + TARGET.replace('"message"', '"canary"'), 6, "is one of legacy, dual, message"),
        (NEW + TARGET + "[target.tokens]\nsecret = 'hunter2-hunter2'\n", 8, "never stands in a file"),
        (NEW + TARGET + "[target.tokens]\nsecret = 'env:NOT_THERE'\n", 8, "no variable `NOT_THERE`"),
        (NEW + TARGET + "[target.tokens.http]\njson = {password = 'env:NOT_THERE'}\n", 7, "no variable `NOT_THERE`"),
        (NEW + TARGET + "file = 'nowhere.toml'\n", 7, "nowhere.toml"),
        (NEW + TARGET + "baseline = 'nowhere.toml'\n", None, "nowhere.toml"),
        (NEW + TARGET + "last = 'nowhere.jsonl'\n", 3, "a first release has none"),
        (NEW + "[policy]\nfail_on = 'all'\n" + TARGET, 4, "one of must, should"),
        (NEW + "[policy]\ntier = 'gold'\n" + TARGET, 4, "one of nothing, token, mint"),
        (NEW + "[policy]\ncoverage = {rules = 950}\n" + TARGET, 4, "a percentage"),
        (NEW + "[policy.coverage]\nrows = 95\n" + TARGET, 4, "coverage is of rules"),
        (NEW + "[[allow]]\nchange = 'V01*'\nexpires = 2027-01-31\n" + TARGET, 3, "has no `reason`"),
        (NEW + "[[allow]]\nchange = 'V01*'\nreason = 'x'\n" + TARGET, 3, "has no `expires`"),
        (NEW + "[[allow]]\nchange = 'V01*'\nreason = 'x'\nexpires = '2027-01-31'\n" + TARGET, 6, "without quotes"),
        (NEW + "allow = 3\n" + TARGET, 3, "there is no `allow`"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, toml: str, line: int | None, told: str) -> None:
    """Told with its line and what to do, before anything is sent to anybody; no secret and no password is quoted."""
    with pytest.raises(Stop) as stop:
        gate(tmp_path, toml, {})

    assert stop.value.exit is Exit.USAGE
    assert told in str(stop.value)
    if line is not None:
        assert f"gate.toml:{line}: " in str(stop.value)
    assert "hunter2" not in str(stop.value)
    assert "pass-of-ana" not in str(stop.value)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Whatever table it is in."""
    toml = "[documents]\n[policy]\ntier = 'gold'\n[[allow]]\nchange = 'x'\n[[target]]\nname = 'eu'\n"
    with pytest.raises(Stop) as stop:
        gate(tmp_path, toml, {})

    lines = [int(line) for line in re.findall(r"gate\.toml:(\d+): ", str(stop.value))]
    assert sorted(lines) == [1, 3, 4, 4, 6]


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of documents, target files, baselines, last reports, policies and secrets; the folder stays what it was."""
    folder = tmp_path / "release"
    folder.mkdir()
    (tmp_path / "secret").write_text(SECRET)
    (folder / "chat.toml").write_text("[parameters]\nrollout = 'legacy'\n[tokens]\nsecret = 'file:../secret'\n")
    (folder / "known.toml").write_text('[[known]]\ncase = "a"\nreason = "ticket 7"\n')
    (folder / "changes.toml").write_text('order = "both"\n')
    (folder / "last.jsonl").write_text(RUN_KINDS["jsonl"](list(events(BROKEN))))
    document = Path(__file__).parents[2] / "spec/protocols/chat/v2.yaml"
    (folder / "chat.yaml").write_text(document.read_text().replace("../common.yaml", "handfast:common.yaml"))
    names = 'file = "chat.toml"\nbaseline = "known.toml"\nlast = "last.jsonl"\n'
    toml = '[documents]\nnew = "./chat.yaml"\nold = "chat"\npolicy = "changes.toml"\n' + TARGET + names
    monkeypatch.chdir(tmp_path)

    outcome = gate(folder, toml, {"eu": events()})

    assert Path.cwd() == tmp_path
    [site] = outcome.gate.sites
    assert site.tables["parameters"] == {"rollout": "message"}
    assert site.tables["tokens"] == {"secret": "file:../secret"}
    assert outcome.gate.secrets == (SECRET,)
    assert outcome.changes is not None
    assert outcome.changes.judgement.policy.order == "both"
    assert outcome.exit is Exit.CONFORMANT


def test_a_url_is_given_by_its_targets_name(tmp_path: Path) -> None:
    """Since where a candidate runs is often known in CI alone; a name that no target has is told."""
    (tmp_path / "gate.toml").write_text(NEW + TARGET)
    toml = read_placed(tmp_path / "gate.toml")

    assert read_gate(toml, {"eu": "wss://eu.example/api"}).sites[0].endpoint.url == "wss://eu.example:443/api"
    with pytest.raises(Stop, match="no target of that name; known: eu"):
        read_gate(toml, {"us": "wss://us.example"})


# ----------------------------------------------------------------------------------------------- what stops it


def test_a_server_that_keeps_the_rules_may_go_out(tmp_path: Path) -> None:
    """With nothing to say."""
    outcome = gate(tmp_path, NEW + TARGET, {"eu": events(result(), WARNED)})

    assert (kinds(outcome), outcome.exit) == ([], Exit.CONFORMANT)
    assert "Go: chat 2 may go out at rollout message" in text(as_data(outcome))


UNREACHED = {"CHAT-MSG-2": "no case showed it"}
MISFIT = {
    "baseline": {"file": "known.toml", "misfits": ["known.toml, entry 1 expired"], "flaky": [], "out_of_scope": 0}
}


@pytest.mark.parametrize(
    ("run", "said", "code", "kind", "sentence"),
    [
        (
            events(BROKEN, exit=Exit.NONCONFORMANT),
            "",
            Exit.NONCONFORMANT,
            "conformance",
            "eu breaks 1 rule that it must",
        ),
        (events(exit=Exit.NONCONFORMANT, **MISFIT), "", Exit.NONCONFORMANT, "baseline", "list of known failures"),
        (None, "handfast: ws://a cannot be reached: refused", Exit.UNREACHABLE, "unreachable", "a cannot be reached"),
        (None, "the target refuses our tokens", Exit.USAGE, "configuration", "could not be checked as the file says"),
        (None, "", Exit.INTERNAL, "internal", "by a fault of handfast"),
        (events()[:2], "", Exit.INTERNAL, "internal", "by a fault of handfast"),
        (
            events(exit=Exit.UNREACHABLE, complete=False, reason="the target died: reset", verdict="error"),
            "",
            Exit.UNREACHABLE,
            "died",
            "stopped answering while it was checked: the target died",
        ),
        (
            events(result("inconclusive", message="late"), exit=Exit.NOTHING, verdict="inconclusive"),
            "",
            Exit.NOTHING,
            "inconclusive",
            "left 1 case without a conclusion: late",
        ),
        (
            events(result("error", message="oops"), exit=Exit.INTERNAL, verdict="error"),
            "",
            Exit.INTERNAL,
            "internal",
            "met 1 fault of handfast itself: oops",
        ),
        (
            events(exit=Exit.INTERRUPTED, complete=False, reason="interrupted", verdict="inconclusive"),
            "",
            Exit.INTERRUPTED,
            "interrupted",
            "was not checked whole",
        ),
    ],
)
def test_what_stops_a_target(
    tmp_path: Path, run: Events | None, said: str, code: Exit, kind: str, sentence: str
) -> None:
    """Each in a sentence that names it, and with the exit code of the documentation."""
    outcome = gate(tmp_path, NEW + TARGET, {"eu": run}, said, eu=code)

    assert (kinds(outcome), outcome.exit) == ([kind], code)
    assert sentence in outcome.reasons[0].whole
    assert outcome.reasons[0].text.startswith("eu ")


def test_rules_that_no_case_showed_stop_a_target(tmp_path: Path) -> None:
    """A run that looks green without them is not."""
    run = events(exit=Exit.NOTHING, verdict="inconclusive")
    run[-1]["coverage"]["rules"]["unreached"] = UNREACHED

    outcome = gate(tmp_path, NEW + TARGET, {"eu": run})

    assert (kinds(outcome), outcome.exit) == (["inconclusive"], Exit.NOTHING)
    assert "CHAT-MSG-2" in outcome.reasons[0].whole


@pytest.mark.parametrize(
    ("policy", "kind", "sentence"),
    [
        ("tier = 'mint'", None, ""),
        ("coverage = {rules = 0}", None, ""),
        ("coverage = {rules = 99}", "coverage", "the policy asks for 99 %"),
        ("coverage = {states = 100}", "coverage", "states, and the policy asks for 100 %"),
        ("coverage = {transitions = 0.5}", "coverage", "rows and cases of the document"),
    ],
)
def test_what_the_policy_asks_for(tmp_path: Path, policy: str, kind: str | None, sentence: str) -> None:
    """Less than the minimum is no pass, and has its own exit code."""
    outcome = gate(tmp_path, f"{NEW}[policy]\n{policy}\n{TARGET}", {"eu": events()})

    assert kinds(outcome) == ([kind] if kind else [])
    assert outcome.exit is (Exit.NOTHING if kind else Exit.CONFORMANT)
    assert not kind or sentence in outcome.reasons[0].whole


def test_a_tier_that_was_not_reached(tmp_path: Path) -> None:
    """Named in words."""
    run = events()
    run[0]["tier"] = "token"

    outcome = gate(tmp_path, f"{NEW}[policy]\ntier = 'mint'\n{TARGET}", {"eu": run})

    assert (kinds(outcome), outcome.exit) == (["tier"], Exit.NOTHING)
    assert "with one token that was given, and the policy asks for a check with a key to mint with" in str(
        outcome.reasons
    )


def test_rules_left_out_count_as_not_reached(tmp_path: Path) -> None:
    """A filter cannot make a coverage of a hundred percent."""
    run = events()
    [rule, *_] = run[-1]["coverage"]["rules"]["reached"]
    run[-1]["coverage"]["rules"] = {"reached": {rule: ""}, "unreached": {}, "elsewhere": {}}
    run[-1]["coverage"]["rules"]["not applicable"] = {"A": "not run", "B": "`origins` is not configured"}

    outcome = gate(tmp_path, f"{NEW}[policy]\ncoverage = {{rules = 60}}\n{TARGET}", {"eu": run})

    assert "showed 1 of 2 rules that apply" in outcome.reasons[0].whole


def test_the_exit_code_of_several_reasons(tmp_path: Path) -> None:
    """What is certain comes before what was not seen."""
    targets = TARGET + TARGET.replace('"eu"', '"us"').replace(":9", ":10")
    outcome = gate(
        tmp_path, NEW + targets, {"eu": None, "us": events(BROKEN, exit=Exit.NONCONFORMANT)}, eu=Exit.UNREACHABLE
    )

    assert kinds(outcome) == ["unreachable", "conformance"]
    assert outcome.exit is Exit.NONCONFORMANT


# --------------------------------------------------------------------------------------------------- changes

BOTH = '[documents]\nnew = "chat"\nold = "chat@1"\n'
ALLOW = '[[allow]]\nchange = "{change}"\nreason = "the last old client is gone"\nexpires = {day}\n'
GONE = "*@/opening/rows/*"


@pytest.mark.parametrize(
    ("stage", "allow", "wanted", "sentence"),
    [
        ("legacy", "", [], ""),
        ("dual", "", [], ""),
        (
            "message",
            "",
            ["changes"],
            "3 changes from version 1 to 2 would stop clients that work today",
        ),
        ("message", ALLOW.format(change=GONE, day="2026-11-01"), [], ""),
        ("message", ALLOW.format(change=GONE, day="2026-10-31"), ["changes", "allowance"], "nobody has allowed"),
        (
            "message",
            ALLOW.format(change="R03.removed@*", day="2027-01-31"),
            ["changes"],
            "2 changes from version 1 to 2",
        ),
        ("dual", ALLOW.format(change=GONE, day="2027-01-31"), ["allowance"], "nothing of the kind breaks anybody"),
        ("dual", ALLOW.format(change=GONE, day="2027-01-31") + 'stage = {rollout = "message"}\n', [], ""),
        ("message", ALLOW.format(change="M99.*", day="2027-01-31"), ["changes", "allowance"], "nobody has allowed"),
    ],
)
def test_breaking_changes_at_a_stage(tmp_path: Path, stage: str, allow: str, wanted: list[str], sentence: str) -> None:
    """They stop a server at the stages at which they break somebody, unless they are allowed there until a day."""
    toml = BOTH + allow + TARGET.replace('"message"', f'"{stage}"')

    outcome = gate(tmp_path, toml, {"eu": events()})

    assert kinds(outcome) == wanted
    assert outcome.exit is (Exit.NONCONFORMANT if wanted else Exit.CONFORMANT)
    assert not wanted or sentence in outcome.reasons[0].whole


def test_what_is_allowed_at_one_stage_is_not_at_another(tmp_path: Path) -> None:
    """Of the targets of one gate."""
    allow = ALLOW.format(change="*", day="2027-01-31")
    two = TARGET + TARGET.replace('"eu"', '"us"').replace(":9", ":10")
    toml = BOTH + allow + 'stage = {rollout = "message"}\n' + two.replace('"message"', '"dual"', 1)

    outcome = gate(tmp_path, toml, {"eu": events(), "us": events()})

    data = as_data(outcome)
    assert data["verdict"] == "go"
    assert {one["reason"] for one in data["changes"]["allowed"]} == {"the last old client is gone"}
    assert {stage for one in data["changes"]["allowed"] for stage in one["stages"]} == {"rollout message"}
    assert (tmp_path / "out/changes.html").exists()


def test_a_document_that_cannot_be_used_is_a_reason(tmp_path: Path) -> None:
    """And no target is bothered; what is wrong with it is in the report with its line."""
    (tmp_path / "chat.yaml").write_text("protocol: chat\nversion: two\n")

    outcome = gate(tmp_path, NEW.replace("chat", "./chat.yaml") + TARGET, {})

    assert (kinds(outcome), outcome.exit) == (["document"], Exit.USAGE)
    assert "chat.yaml:" in outcome.problems[0]
    assert as_data(outcome)["targets"] == []


def test_what_lint_fails_for_stops_a_gate_by_the_policy_beside_the_document(tmp_path: Path) -> None:
    """Targets are checked all the same, so that everything is told at once."""
    document = Path(__file__).parents[2] / "spec/protocols/chat/v2.yaml"
    unused = "  codes:\n    NEVER_USED: {close: 1008, retryable: true, text: Nobody says it.}\n"
    words = document.read_text().replace("../common.yaml", "handfast:common.yaml").replace("  codes:\n", unused)
    (tmp_path / "chat.yaml").write_text(words)
    toml = NEW.replace("chat", "./chat.yaml") + TARGET

    stopped = gate(tmp_path, toml, {"eu": events()})
    (tmp_path / "lint.toml").write_text('[severity]\n"*" = "info"\n')
    passed = gate(tmp_path, toml, {"eu": events()})

    assert (kinds(stopped), stopped.exit) == (["document"], Exit.USAGE)
    assert "NEVER_USED" in str(stopped.problems)
    assert len(as_data(stopped)["targets"]) == 1
    assert (kinds(passed), passed.exit) == ([], Exit.CONFORMANT)


# -------------------------------------------------------------------------------------------- the last release


def test_what_got_worse_and_better_since_the_last_release(tmp_path: Path) -> None:
    """By rule; what is worse need not stop a server, and is told."""
    (tmp_path / "last.jsonl").write_text(RUN_KINDS["jsonl"](list(events(BROKEN, exit=Exit.NONCONFORMANT))))
    outcome = gate(
        tmp_path, NEW + TARGET + 'last = "last.jsonl"\n', {"eu": events(evolve(BROKEN, verdict="pass"), WARNED)}
    )

    [target] = as_data(outcome)["targets"]
    assert target["since"]["better"] == [{"rule": "CHAT-AUTH-5", "was": "fails", "now": "holds"}]
    assert {"rule": "CHAT-AUTH-8", "was": "not shown", "now": "warns"} in target["since"]["worse"]
    assert outcome.exit is Exit.CONFORMANT
    assert "worse than in the last release: `CHAT-AUTH-8`, not shown → warns" in KINDS["markdown"](as_data(outcome))


def test_a_last_report_that_was_cut_off(tmp_path: Path) -> None:
    """Is compared by what there is of it, and told."""
    (tmp_path / "last.jsonl").write_text(RUN_KINDS["jsonl"](list(events(BROKEN))[:-1]))
    outcome = gate(tmp_path, NEW + TARGET + 'last = "last.jsonl"\n', {"eu": events(evolve(BROKEN, verdict="pass"))})

    [target] = as_data(outcome)["targets"]
    assert target["since"]["better"] == [{"rule": "CHAT-AUTH-5", "was": "fails", "now": "holds"}]
    assert (target["since"]["worse"], target["since"]["complete"]) == ([], False)
    assert "compared with what there is of `last.jsonl`, which was cut off" in KINDS["markdown"](as_data(outcome))


def test_a_last_report_of_something_else(tmp_path: Path) -> None:
    """Is told, and not compared."""
    other = events()
    other[0]["protocol"] = "tabs"
    (tmp_path / "last.jsonl").write_text(RUN_KINDS["jsonl"](list(other)))
    with pytest.raises(Stop, match="a run of tabs, and this gate is of chat"):
        gate(tmp_path, NEW + TARGET + 'last = "last.jsonl"\n', {"eu": events()})


# ------------------------------------------------------------------------------------------------------ reports


def test_every_report_of_a_gate_tells_the_same_numbers(tmp_path: Path) -> None:
    """Those of the runs of its targets; and the json report satisfies the published schema, each member described."""
    targets = TARGET + TARGET.replace('"eu"', '"us"').replace(":9", ":10")
    (tmp_path / "last.jsonl").write_text(RUN_KINDS["jsonl"](list(events(BROKEN, exit=Exit.NONCONFORMANT))))
    known = result("known", "rooms/b", finding("double", "CHAT-MSG-2"), known="ticket 7", excused="fail")
    flaky = {"file": "k", "misfits": [], "flaky": ["entry 1: failed 1 of 4 times"], "out_of_scope": 0}
    runs = {
        "eu": events(result(), WARNED, known, baseline=flaky),
        "us": events(BROKEN, result("flaky", "timers/d"), exit=Exit(1)),
    }
    toml = BOTH + ALLOW.format(change=GONE, day="2027-01-31") + targets + 'last = "last.jsonl"\n'

    data = as_data(gate(tmp_path, toml, runs))

    validator_for(closed(json.loads(SCHEMA.read_text()))).validate(json.loads(KINDS["json"](data)))
    assert data["counts"] == {name: sum(t["counts"][name] for t in data["targets"]) for name in VERDICTS}
    assert FORMAT == data["format"] == json.loads(SCHEMA.read_text())["properties"]["format"]["const"]
    table = [line.strip("| ").split(" | ") for line in KINDS["markdown"](data).splitlines() if line.startswith("|")]
    for target, row in zip(data["targets"], table[2:], strict=True):
        cases = [one for one in read_stream(tmp_path / "out" / f"{target['name']}.jsonl") if one["event"] == "case"]
        counts = {name: count for name, count in target["counts"].items() if count}
        assert counts == {name: [one["verdict"] for one in cases].count(name) for name in counts}
        assert sum(counts.values()) == target["cases"] == len(cases)
        told = {name: int(row[table[0].index(name)]) for name in target["counts"] if name in table[0]}
        assert {name: count for name, count in told.items() if count} == counts
        line = f"{target['cases']} cases: {', '.join(f'{counts[name]} {name}' for name in sorted(counts))};"
        assert line in text(data)
    path = tmp_path / "gate.json"
    path.write_text(KINDS["json"](data))
    assert {kind: KINDS[kind](read_outcome(path) or {}) for kind in KINDS} == {k: KINDS[k](data) for k in KINDS}
    assert read_outcome(tmp_path / "gate.toml") is None
    assert [one["verdict"] for target in data["targets"] for one in target["findings"]] == [
        *("warn", "known"),
        *("fail", "flaky"),
    ]
    for said in ("timers/d", "entry 1: failed 1 of 4 times", "limits/a"):
        assert said in KINDS["json"](data)
    assert "flaky: `entry 1: failed 1 of 4 times`" in KINDS["markdown"](data)
    assert KINDS["github"](data).count("::error ") == len(data["reasons"]) == 1
    assert data["changes"]["counts"]["ignored"] == len(data["changes"]["allowed"]) == 3


HOSTILE = "<b>&`|@all</b>\n::error::pwned\r\n```\x1b[31m %0A eyJhbGciOiJIUzI1NiJ9.e30.c2ln"


def test_what_servers_say_is_text_and_no_secret(tmp_path: Path) -> None:
    """In every report of a gate, and on the terminal."""
    wrong = evolve(BROKEN, message=f"{HOSTILE} {SECRET}", rules=("X",))
    toml = NEW + TARGET + "[target.tokens]\nsecret = 'env:GATE_SECRET'\n"

    outcome = gate(tmp_path, toml, {"eu": events(wrong, exit=Exit.NONCONFORMANT)})
    data = Sieve(outcome.gate.secrets).clean(as_data(outcome))
    told = {**{kind: render(data) for kind, render in KINDS.items()}, "text": text(data)}

    for kind, said in told.items():
        assert SECRET not in said, kind
        assert "eyJ" not in said, kind
        assert "\x1b" not in said, kind
    assert not [line for line in told["markdown"].splitlines() if line.startswith(("::", "```"))]
    assert "`" in told["markdown"].partition("<b>")[0][-8:]
    assert not [line for line in told["github"].splitlines() if not line.startswith("::")]


# ---------------------------------------------------------------------------------------------------- at once


def test_servers_are_checked_at_once_and_one_server_one_by_one(tmp_path: Path) -> None:
    """Since targets at one address would disturb each other; and never more at once than there is room for."""
    names = {"a": 9, "b": 9, "c": 10, "d": 11}
    path = tmp_path / "gate.toml"
    path.write_text(NEW + "".join(TARGET.replace('"eu"', f'"{n}"').replace(":9", f":{p}") for n, p in names.items()))
    sites = read_gate(read_placed(path), {}).sites

    def spans(at_once: int) -> dict[str, tuple[float, float]]:
        found: dict[str, tuple[float, float]] = {}

        async def work(site: Site) -> None:
            began = trio.current_time()
            await trio.sleep(1)
            found[site.name] = (round(began, 6), round(trio.current_time(), 6))

        async def main() -> None:
            await by_server(sites, work, at_once)

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        first = min(start for start, _ in found.values())
        return {name: (start - first, end - first) for name, (start, end) in found.items()}

    assert spans(8) == {"a": (0, 1), "c": (0, 1), "d": (0, 1), "b": (1, 2)}
    assert sorted(start for start, _ in spans(1).values()) == [0, 1, 2, 3]
