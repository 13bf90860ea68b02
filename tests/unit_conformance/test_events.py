"""The stream of a run, and the reports that are made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from conformance.events import Stream, read_stream
from conformance.failures import path_of, read_failure, write_failure
from conformance.reporting import KINDS
from conformance.reporting.summary import summary
from conformance.scripts import case_from_data
from conformance.symbols import Symbols
from conformance.verdicts import VERDICTS
from spec.exits import Exit, Stop
from tests.unit_conformance.kit import SECRET, arranged, finding, plan, result, stream

WRONG = result(
    "fail",
    "tokens/auth/wrong-key",
    finding("code", "CHAT-AUTH-5"),
    attempts=2,
    failure_file="failures/tokens-auth-wrong-key.json",
    duration=0.26251,
)
PASSED = result("pass", "opening/plain", covered=frozenset({"CHAT-AUTH-1"}), visited=frozenset({"authenticating"}))


def as_read(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events as a file gives them back."""
    return [json.loads(json.dumps(event)) for event in events]


# ----------------------------------------------------------------------------------------------------- reports


def test_the_json_report_has_what_the_design_promises() -> None:
    """Every field of it, with the types that programs rely on."""
    report = json.loads(KINDS["json"](stream(PASSED, WRONG)))

    assert report["format"] == 1
    assert report["tool"].startswith("handfast ")
    assert (report["protocol"], report["version"], report["level"]) == ("chat", 2, "complete")
    assert isinstance(report["seed"], int)
    assert report["target"] == "ws://127.0.0.1:1"
    assert (report["verdict"], report["complete"], report["reason"]) == ("nonconformant", True, "")
    assert report["counts"] == {**dict.fromkeys(VERDICTS, 0), "pass": 1, "fail": 1}
    assert report["duration_s"] == 1.5
    assert {"rules", "states", "transitions"} <= set(report["coverage"])
    assert report["guarantee"]["method"] == "HSI"
    assert report["guarantee"]["bound"] == report["guarantee"]["states"]
    assert report["guarantee"]["holds"] is False
    assert report["parameters"]["auth_deadline"] == "700ms"
    assert [one["id"] for one in report["cases"]] == ["opening/plain", "tokens/auth/wrong-key"]
    for one in report["cases"]:
        assert {"id", "family", "rules", "level", "verdict", "message", "duration_s"} <= set(one)
    failed = report["cases"][1]
    assert failed["rules"][0] == "CHAT-AUTH-5"
    assert failed["failure_file"] == "failures/tokens-auth-wrong-key.json"
    assert failed["duration_s"] == 0.2625
    assert failed["findings"] == [
        {"check": "code", "rules": ["CHAT-AUTH-5"], "text": "a code that is wrong", "client": "ana"}
    ]
    assert "failure_file" not in report["cases"][0]
    assert "transcript" not in report["cases"][0]


def test_cases_are_in_the_order_of_their_names() -> None:
    """So that two reports of the same run of cases differ only by what was found."""
    one, other = stream(PASSED, WRONG), stream(WRONG, PASSED)

    assert summary(one)["cases"] == summary(other)["cases"]


def test_a_stream_without_its_footer_was_cut_off() -> None:
    """It is no verdict, and every report says so."""
    report = json.loads(KINDS["json"](stream(PASSED, complete=False)))

    assert (report["verdict"], report["complete"]) == ("error", False)
    assert "cut off" in report["reason"]
    assert report["duration_s"] is None
    assert report["counts"]["pass"] == 1
    shown = KINDS["terminal"](stream(PASSED, complete=False))
    assert "this run was cut off after 1 of 7 cases" in shown
    assert "verdict:" not in shown


def test_every_kind_of_report_is_made_of_the_stream_alone(tmp_path: Path) -> None:
    """From the file as from memory; jsonl gives back what it was made of."""
    events = stream(PASSED, WRONG)
    path = tmp_path / "run.jsonl"
    path.write_text(KINDS["jsonl"](events))

    for make in KINDS.values():
        assert make(read_stream(path)) == make(as_read(events))
    assert read_stream(path) == as_read(events)


# --------------------------------------------------------------------------------------------------- the stream


def test_each_event_is_in_the_file_before_the_next(tmp_path: Path) -> None:
    """Whoever kills the run loses nothing that was told."""
    path = tmp_path / "deep" / "run.jsonl"
    told = Stream([path])
    for number, event in enumerate(stream(PASSED), 1):
        told.tell(event)
        assert len(read_stream(path)) == number
    told.close()

    assert read_stream(path) == as_read(told.events)


def test_a_last_line_half_written_is_left_out(tmp_path: Path) -> None:
    """Wherever it was cut; what came before it stands."""
    events = stream(PASSED, WRONG)
    path = tmp_path / "run.jsonl"
    lines = KINDS["jsonl"](events).splitlines(keepends=True)
    for cut in (1, 17, len(lines[-1]) - 2):
        path.write_text("".join(lines[:-1]) + lines[-1][:cut])
        read = read_stream(path)

        assert read == as_read(events[:-1])
        assert summary(read)["complete"] is False


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: ["\n"], "is no jsonl report"),
        (lambda lines: ["# Handfast"], "is no jsonl report"),
        (lambda lines: lines[1:], "is no jsonl report"),
        (lambda lines: [lines[0].replace('"format": 1', '"format": 99'), *lines[1:]], "of format 1"),
        (lambda lines: [lines[0], "{\n", *lines[1:]], "run.jsonl:2: not an event of a run"),
        (lambda lines: [lines[0], "[]\n", *lines[1:]], "run.jsonl:2: not an event of a run"),
        (lambda lines: [lines[0], "{}\n", *lines[1:]], "run.jsonl:2: not an event of a run"),
        (lambda lines: [json.dumps({"a": 1}) + "\n"], "is no jsonl report"),
    ],
)
def test_what_is_no_stream_is_told(spoil: Any, said: str, tmp_path: Path) -> None:
    """With its file and the line that does not fit."""
    path = tmp_path / "run.jsonl"
    path.write_text("".join(spoil(KINDS["jsonl"](stream(PASSED)).splitlines(keepends=True))))

    with pytest.raises(Stop) as stopped:
        read_stream(path)
    assert stopped.value.exit is Exit.USAGE
    assert said in str(stopped.value)


def test_a_file_that_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    """Missing, no text, or a folder where a file should be."""
    with pytest.raises(Stop, match="No such file"):
        read_stream(tmp_path / "none.jsonl")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(Stop, match="bytes"):
        read_stream(tmp_path / "bytes")
    with pytest.raises(Stop, match="cannot be written"):
        Stream([tmp_path])


# ------------------------------------------------------------------------------------------------ the terminal


def test_a_failing_run_on_a_terminal() -> None:
    """The rule with its level and text, the case, the exchange with its milliseconds, and how to replay it."""
    shown = KINDS["terminal"](stream(PASSED, WRONG))
    text = plan("message").document.rules["CHAT-AUTH-5"].text

    assert "FAIL CHAT-AUTH-5 MUST · 1 case" in shown
    assert text in shown
    assert "tokens/auth/wrong-key: a code that is wrong" in shown
    assert "       0 ms  ana    → GET /v1/chat/soup" in shown
    assert "      12 ms  ana    ← 101" in shown
    assert "     250 ms  ana    → auth {token: <token wrong-key of ana>}  id=7" in shown
    assert "     262 ms  ana    ← error {code: TOKEN_EXPIRED}  in_reply_to=7" in shown
    assert "replay: handfast replay failures/tokens-auth-wrong-key.json --secret env:NAME" in shown
    assert "played 2 times" in shown
    assert "2 of 7 cases in 1.5 s: 1 fail, 1 pass" in shown
    assert "verdict: nonconformant" in shown
    assert "\x1b" not in shown


def test_failures_are_grouped_by_rule_with_the_shortest_exchange() -> None:
    """One exchange for each rule that was broken, the others by name."""
    twice = (*WRONG.transcript, *WRONG.transcript)
    longer = result("fail", "a/longer", finding("code", "CHAT-AUTH-5"), transcript=twice)
    other = result("fail", "z/other", finding("code", "CHAT-AUTH-6"))
    shown = KINDS["terminal"](stream(longer, WRONG, other))

    assert shown.index("FAIL CHAT-AUTH-5 MUST · 2 cases") < shown.index("FAIL CHAT-AUTH-6 MUST · 1 case")
    assert shown.count("→ GET /v1/chat/soup") == 2
    assert "also: a/longer" in shown


def test_what_a_server_says_is_no_markup() -> None:
    """Square brackets in what it sent are shown as they are and style nothing."""
    spoilt = result("fail", "a/b", finding("code"), message="[red]boo[/] [link=x]")
    shown = KINDS["terminal"](stream(spoilt))

    assert "a/b: [red]boo[/] [link=x]" in shown


def test_every_tier_is_told() -> None:
    """The first lines say what of the suite could be reached."""
    for tier, said in (("mint", "a minting key"), ("token", "one token that was given"), ("nothing", "the URL alone")):
        shown = KINDS["terminal"](stream(PASSED, tier=tier))

        assert said in "\n".join(shown.splitlines()[:3])


@pytest.mark.parametrize(
    ("tier", "keys", "said", "flags"),
    [
        ("mint", [{"alg": "HS256", "kid": None}], "(HS256)", " --secret env:NAME"),
        ("mint", [{"alg": "RS256", "kid": None}], "(RS256)", " --key file:PATH"),
        (
            "mint",
            [{"alg": "RS256", "kid": "a"}, {"alg": "ES256", "kid": "b"}],
            "(RS256 a, ES256 b)",
            " --key file:PATH",
        ),
        ("token", [], "one token", " --token env:NAME"),
        ("nothing", [], "the URL alone", ""),
    ],
)
def test_a_replay_is_given_the_keys_of_its_run(tier: str, keys: list[Any], said: str, flags: str) -> None:
    """The head of the report names them, and the line that replays a failure says by which flag they come."""
    failed = result("fail", "family/one", finding("code", "CHAT-AUTH-5"), failure_file="one.json")
    shown = KINDS["terminal"](stream(failed, tier=tier, keys=keys))

    assert said in shown.splitlines()[1]
    assert f"replay: handfast replay one.json{flags}\n" in shown


def test_what_is_not_attacked_is_told_at_the_top() -> None:
    """A run that leaves attacks out for care says so, and how to have them; a stream of before says nothing."""
    for owned, told in ((True, False), (False, True), (None, False)):
        events = stream(PASSED)
        events[0] = {name: value for name, value in events[0].items() if name != "owned"}
        events[0] |= {"owned": owned} if owned is not None else {}

        assert ("--i-own-this-target" in KINDS["terminal"](events)) is told


# --------------------------------------------------------------------------------------------------- failures


def test_a_failure_is_a_portable_file(tmp_path: Path) -> None:
    """The script, what was deployed and what was seen; its name is the case's, as file systems take it."""
    target = arranged("rollout=message", "auth_deadline=700ms", issuer="iss").target
    failed = result("fail", "tokens/v2.fresh/a b", finding("code", "CHAT-AUTH-5"))
    path = path_of(tmp_path / "new" / "folder", failed.case.id)
    write_failure(path, target, failed, seed=7)
    saved = read_failure(path)

    assert path.name == "tokens-v2.fresh-a-b.json"
    assert saved["parameters"] == {"auth_deadline": "700ms", "rollout": "message"}
    assert (saved["protocol"], saved["target"], saved["issuer"], saved["audience"]) == (
        "chat",
        "ws://127.0.0.1:1",
        "iss",
        None,
    )
    assert case_from_data(saved["case"]) == failed.case
    assert (saved["rules"][0], saved["checks"]) == ("CHAT-AUTH-5", ["code"])
    assert len(saved["transcript"]) == len(failed.transcript)
    assert SECRET not in path.read_text()


def test_a_failure_knows_the_name_of_a_single_key(tmp_path: Path) -> None:
    """Where a secret was named by a flag, its replay names it too; keys of a set say their names themselves."""
    named = arranged("rollout=message", kid="main").target

    for target, kid in ((named, "main"), (arranged("rollout=message").target, None)):
        write_failure(tmp_path / "one.json", target, result("fail"))
        assert read_failure(tmp_path / "one.json")["kid"] == kid


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 2, "case": {}}', "\x00"])
def test_what_is_no_failure_file_is_told(content: str, tmp_path: Path) -> None:
    """A file of another kind or another format."""
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(Stop) as stopped:
        read_failure(path)
    assert stopped.value.exit is Exit.USAGE
    assert "is no failure file" in str(stopped.value)


def test_a_failure_file_that_is_missing_is_told(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(Stop, match=r"none\.json: No such file"):
        read_failure(tmp_path / "none.json")


# ----------------------------------------------------------------------------------------------------- secrets


def test_every_token_of_a_case_is_hidden_in_what_is_kept() -> None:
    """Wherever it stands in a line, whole: in a header, a query, a message, or thrown back by the server."""
    target = arranged().target
    symbols = Symbols(target, lambda: 1_800_000_000.0, 1, target.book.get)
    wanted = {"$token": {"recipe": "valid", "subject": "ana"}}
    forged = {"$token": {"recipe": "wrong-key", "subject": "ben"}}
    texts = [symbols.value(wanted), symbols.value(forged)]
    line = f"GET /x?token={texts[0]} Authorization: Bearer {texts[1]}, {texts[0]} again"
    hidden = symbols.hide(line)

    assert hidden == (
        "GET /x?token=<token valid of ana> Authorization: Bearer <token wrong-key of ben>, <token valid of ana> again"
    )
    assert symbols.value(wanted) == texts[0], "the same symbol has the same token throughout"


def test_a_token_is_hidden_however_it_is_written() -> None:
    """One that is no plain word is escaped in JSON and in a query, and is the same token there."""
    target = arranged().target
    symbols = Symbols(target, lambda: 1_800_000_000.0, 1, target.book.get)
    token = symbols.value({"$token": {"recipe": "crit-b64-unencoded"}})
    assert '"' in token, "this recipe's token needs escapes"

    for written in (token, json.dumps({"token": token}), urlencode({"token": token}), quote(token)):
        hidden = symbols.hide(written)
        assert "<token crit-b64-unencoded of ana>" in hidden
        assert token[:30] not in hidden
