"""Mutation: which cases are played, what becomes of a mutant, and the matrix that comes of it."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from conformance.mutating import running, scheduling, trying
from conformance.mutating.deployments import VARIABLE, Bench, chosen_parameters, stages
from conformance.mutating.matrix import Fault, Matrix
from conformance.mutating.rehearsing import Rehearsals, machine_of
from conformance.mutating.rendering import markdown, terminal
from conformance.mutating.trying import Trial, Trier, first_told
from conformance.ranking import by_rule
from spec.authoring.mutants import Mutant, mutants
from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import replace
from spec.cli import main
from spec.compiling import compile_source, load
from spec.exits import Exit, Stop
from tests.unit_conformance.kit import SECRET, finding, result

CONNECTED = "/connection/states/connected/receive"
AUTHENTICATING = "/connection/states/authenticating"

# Of every kind of operator one: decisions, effects, errors, timers, the opening, tokens, memories, schemas, envelopes.
SAMPLE = (
    f"drop-case@{AUTHENTICATING}/receive/auth/4",
    f"only-sender@{CONNECTED}/chat_message/2/do/0",
    f"unanswered@{AUTHENTICATING}/receive/auth/2/do/0",
    "retryable@/errors/codes/TOKEN_INVALID/retryable",
    f"timer-early@{AUTHENTICATING}/timers/auth_deadline",
    "memory-key@/memories/accepted_auths/key/0",
    "same-id@/wire/envelope/server/chosen/~1id",
)


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)


@cache
def bench() -> Bench:
    """Chat; its plans are made once."""
    return Bench("chat")


@cache
def every() -> dict[str, Mutant]:
    return {m.id: m for m in mutants(bench().source.data, chosen_parameters(bench().document))}


def rehearsals() -> Rehearsals:
    [stage, *_] = bench().stages()
    return Rehearsals(bench().plan(stage), bench().cases(stage)[:400])


def noticed(mutant: Mutant) -> set[str]:
    """The families of the cases that should notice a mutant."""
    known = rehearsals()
    document = compile_source(mutant.source(bench().source.data))
    machine = machine_of(document, known.plan.parameters, known.plan.book)
    return {case.family for case in known.noticing(known.cases, machine)}


def trial(verdict: str = "right", name: str = "drop-row@/opening/rows/5", **more: Any) -> Trial:
    named = ("CHAT-OPEN-4",) if verdict == "right" else ("CHAT-LEG-7",) if verdict == "otherwise" else ()
    given = {"named": named, "case": "opening/one" if named else "", "apart": "a request", "stage": "message", **more}
    return Trial(every()[name], verdict, **given)


# ------------------------------------------------------------------------------------------------------ deployments


def test_a_protocol_is_deployed_in_every_stage_with_everything_configured() -> None:
    """The default stage first; origins are set, since a rule is about them; what is due is due soon."""
    found = stages(load("chat"))

    assert [stage.name for stage in found] == ["message", "legacy", "dual"]
    assert all(stage.settings["origins"] and stage.settings["reply_within"] == "1s" for stage in found)


# ------------------------------------------------------------------------------------------------------ rehearsing


def test_nobody_notices_the_right_document() -> None:
    """Rehearsed on its own machine, every case comes to what it came to."""
    known = rehearsals()

    assert list(known.noticing(known.cases, known.plan.target.machine)) == []


def test_those_notice_whose_scripts_lead_elsewhere() -> None:
    """By what is answered and by when: a limit that is off is seen by those who try it."""
    assert "timers" in noticed(every()[f"timer-late@{AUTHENTICATING}/timers/auth_deadline"])
    assert noticed(every()["refusal-status@/refusals/NOT_FOUND"]) == {"opening", "transitions"}


def test_tokens_are_judged_by_the_checks_of_the_mutant() -> None:
    """The suite's own tokens are what they were minted to be; for a mutant with other checks these are asked."""
    [stage, *_] = bench().stages()
    known = Rehearsals(
        bench().plan(stage), [c for c in bench().cases(stage) if "nbf-text" in c.id or "padding" in c.id]
    )
    document = compile_source(every()["drop-rung@/tokens/ladder/4"].source(bench().source.data))
    machine = machine_of(document, known.plan.parameters, known.plan.book)

    assert {case.id.rpartition("/")[2] for case in known.noticing(known.cases, machine)} == {"nbf-text"}


def test_cases_near_an_edit_are_those_in_which_its_row_or_list_decides() -> None:
    """Every request is answered by a row, but not by this one."""
    known = rehearsals()
    refused = known.near({"/opening/rows/5"})

    assert 0 < len(refused) < len(known.near({"/opening/rows"})) == len(known.cases)
    assert all("CHAT-OPEN-4" in case.rules for case in refused)


@pytest.mark.parametrize(
    ("paths", "places"),
    [
        (["/opening/rows/3/refuse/code"], {"/opening/rows/3"}),
        (["/opening/rows/3/when/origin"], {"/opening/rows"}),
        (["/opening/rows/3"], {"/opening/rows"}),
        ([f"{CONNECTED}/auth/1/do/0"], {f"{CONNECTED}/auth/1"}),
        ([f"{CONNECTED}/auth/1/in"], {f"{CONNECTED}/auth"}),
        ([f"{AUTHENTICATING}/timers/auth_deadline"], {f"{AUTHENTICATING}/timers/auth_deadline/expire"}),
        (["/parameters/mutant", f"{AUTHENTICATING}/timers/auth_deadline/after"],
         {f"{AUTHENTICATING}/timers/auth_deadline/expire"}),
        (["/tokens/ladder/3"], None),
        (["/opening/rows/3/rules", "/errors/payload/code"], None),
    ],
)  # fmt: skip
def test_where_an_edit_can_show(paths: list[str], places: set[str] | None) -> None:
    """In one row, in all of a list where a guard or the order is another, or anywhere."""
    mutant = Mutant("m", Edit("", (), "", tuple(replace(path, 1) for path in paths)))

    assert trying._places(mutant) == places


# ---------------------------------------------------------------------------------------------------------- ranking


def test_the_rule_with_the_smallest_failure_is_told_first() -> None:
    """Within a rule, and between rules."""
    sizes = {"a": ("X", 5), "b": ("Y", 3), "c": ("X", 4), "d": ("Z", 3)}

    ranked = by_rule(sizes, lambda name: sizes[name][0], lambda name: sizes[name][1])

    assert ranked == [("Y", ["b"]), ("Z", ["d"]), ("X", ["c", "a"])]


def test_what_must_not_be_is_told_before_what_should_not() -> None:
    """However long the exchange is that shows it."""
    must = result("fail", "family/long", finding("code", "CHAT-AUTH-5"))
    should = evolve(result("warn", "family/short", finding("code", "ALL-TOKEN-3")), transcript=())

    assert first_told([should, must]).case.id == "family/long"
    assert first_told([should]).case.id == "family/short"


# ------------------------------------------------------------------------------------------------------- the matrix


FAULTS = (
    Fault("server", "hangs", ("ALL-CLOSE-2",), "It hangs."),
    Fault("server", "slow", ("X", "ALL-REPLY-1"), "Slow."),
)


@cache
def matrix() -> Matrix:
    """One mutant of each verdict."""
    trials = [
        trial(),
        trial("otherwise", "drop-row@/opening/rows/6", said="the status is 101"),
        trial("survived", "drop-row@/opening/rows/7", played=40),
        trial("equivalent", "drop-row@/opening/rows/13"),
        trial("impossible", "drop-row@/opening/rows/17"),
    ]
    return Matrix(bench().document, trials, FAULTS)


def test_a_rule_is_shown_by_a_mutant_that_it_explains_or_by_a_server_broken_by_hand() -> None:
    """The first rule that the first failure names explains a mutant; a fault shows the first rule that it breaks."""
    shown = {found.rule.id: found for found in matrix().rules()}

    assert [t.mutant.id for t in shown["CHAT-OPEN-4"].explained] == ["drop-row@/opening/rows/5"]
    assert (shown["CHAT-OPEN-4"].broken, shown["CHAT-LEG-7"].broken) == (1, 1)
    assert not shown["CHAT-LEG-7"].holds
    assert shown["ALL-CLOSE-2"].holds
    assert not shown["ALL-REPLY-1"].holds
    assert "ALL-CLOSE-3" not in shown


def test_the_share_leaves_out_what_cannot_be_caught() -> None:
    """Equivalent mutants and edits that make no document are no mutants to catch."""
    assert matrix().share == pytest.approx(1 / 3)
    assert Matrix(bench().document, [trial("equivalent")]).share == 1.0


def test_the_matrix_is_told_by_rule_and_by_operator() -> None:
    """On a terminal with what is not as it should be, as a page with every mutant, as data with everything."""
    text, page, data = terminal(matrix()), markdown(matrix()), matrix().data()

    assert "survived: drop-row@/opening/rows/7" in text
    assert "told apart by: a request (stage message); 40 cases played" in text
    assert "named: CHAT-LEG-7 by opening/one: the status is 101" in text
    assert "33.3% of those that are not equivalent" in text
    assert "| CHAT-OPEN-4 | 1 | 1 | 0 | 0 | 0 |  |" in page
    assert "| ALL-CLOSE-2 | 0 | 0 | 0 | 0 | 0 | `server:hangs` |" in page
    assert "| `/opening/rows/7` | the row is missing | survived |  |" in page
    assert data["counts"] == {"right": 1, "otherwise": 1, "survived": 1, "equivalent": 1, "impossible": 1}
    assert data["mutants"][0]["patch"] == [{"op": "remove", "path": "/opening/rows/5"}]


# ------------------------------------------------------------------------------------------------------ the command


def told(trials: list[Trial], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the jobs come to these trials."""
    monkeypatch.setattr(running, "try_all", lambda *given: iter(trials))


@pytest.mark.parametrize(("verdict", "code"), [("right", 0), ("otherwise", 0), ("equivalent", 0), ("survived", 1)])
def test_only_a_survivor_fails_the_run(
    verdict: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was caught with another rule is told, and is no hole of the suite."""
    told([trial(verdict)], monkeypatch)

    assert main(["mutate", "chat", "--mutant", "drop-row@/opening/rows/5"]) == code
    assert "1 of 1 mutants" in capsys.readouterr().err


def test_reports_are_written_for_who_wants_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page and the data, in folders that are made."""
    told([trial()], monkeypatch)
    flags = ["--report", f"json:{tmp_path}/new/m.json", "--report", f"markdown:{tmp_path}/m.md"]
    (tmp_path / "faults.json").write_text('[{"name": "hangs", "rules": ["ALL-CLOSE-2"], "text": "It hangs."}]')

    assert main(["mutate", "chat", "--rule", "CHAT-OPEN-4", *flags, "--by-hand", str(tmp_path / "faults.json")]) == 0
    assert json.loads((tmp_path / "new/m.json").read_text())["right"] == 1.0
    assert "`" + tmp_path.name + ":hangs`" in (tmp_path / "m.md").read_text()


def test_mutants_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """By operator and by rule; both must fit."""
    assert main(["mutate", "chat", "--list", "--operator", "drop-r*", "--rule", "CHAT-LEG-7"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines == ["drop-row@/opening/rows/6  the row is missing  (CHAT-LEG-7)"]


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--operator", "drop-rows"], Exit.USAGE, "no mutant fits `--operator drop-rows`"),
        (["--rule", "CHAT-OPEN-99"], Exit.USAGE, "no mutant fits `--rule CHAT-OPEN-99`"),
        (["--operator", "drop-row", "--rule", "CHAT-MSG-6"], Exit.NOTHING, "no mutant fits all of these flags"),
        (["--report", "html:x"], Exit.USAGE, "there is no report `html` of mutants"),
        (["--report", "json"], Exit.USAGE, "names no file"),
        (["--by-hand", "none.json"], Exit.USAGE, "none.json cannot be read"),
        (["--jobs", "0"], Exit.USAGE, "is no count"),
        (["--run", "clsing/**"], Exit.USAGE, "no case matches `clsing/**`"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_tried(
    flags: list[str], code: Exit, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do about it."""
    assert main(["mutate", "chat", *flags]) == code
    assert says in capsys.readouterr().err


def test_an_unknown_protocol_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As everywhere."""
    assert main(["mutate", "chatt"]) == Exit.USAGE
    assert "handfast list" in capsys.readouterr().err


def test_a_job_that_dies_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a fault of ours."""
    monkeypatch.setattr(scheduling, "_attempt", _dies)

    with pytest.raises(Stop) as stopped:
        list(scheduling.try_all("chat", [every()["drop-row@/opening/rows/5"]], 1))
    assert stopped.value.exit is Exit.INTERNAL


def _dies(mutant: Mutant) -> None:
    os._exit(3)


# ---------------------------------------------------------------------------------------------- over real sockets


def test_mutants_of_every_kind_are_caught_with_the_right_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A small part of the matrix: each is served and caught, and its first failure names a rule that it breaks."""
    chosen = [word for name in SAMPLE for word in ("--mutant", name)]
    code = main(["mutate", "chat", *chosen, "--jobs", "2", "--report", f"json:{tmp_path}/m.json"])

    found = json.loads((tmp_path / "m.json").read_text())
    assert {mutant["id"]: mutant["verdict"] for mutant in found["mutants"]} == dict.fromkeys(SAMPLE, "right")
    assert code == Exit.CONFORMANT


def test_who_does_not_look_is_told_of_a_survivor(capsys: pytest.CaptureFixture[str]) -> None:
    """Cases that only close connections do not notice that a limit is gone."""
    name = f"drop-case@{AUTHENTICATING}/receive/auth/1"

    assert main(["mutate", "chat", "--mutant", name, "--run", "closing/authenticating", "--jobs", "1"]) == 1
    assert f"survived: {name}" in capsys.readouterr().out


def test_a_mutant_that_cannot_be_served_is_not_caught_by_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as what it is."""
    monkeypatch.setattr("conformance.mutating.serving.VARIABLE", "HANDFAST_NOWHERE")

    tried = Trier(bench()).attempt(every()["refusal-status@/refusals/NOT_FOUND"])

    assert (tried.verdict, tried.said, tried.named) == ("otherwise", "the server did not start", ())
