"""The kinds of reports: what each says, that all of them say the same, and what nobody can put into them."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus
from xml.etree import ElementTree

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import validator_for

from conformance.events import Stream, read_stream
from conformance.player import Entry
from conformance.reporting import KINDS
from conformance.reporting.github import ERRORS, summary_of
from conformance.sieve import Sieve
from conformance.verdicts import VERDICTS, Result
from tests.unit_conformance.kit import SECRET, finding, result, stream

ROOT = Path(__file__).parents[2]
WRONG = result("fail", "tokens/auth/wrong-key", finding("code", "CHAT-AUTH-5"), failure_file="failures/one.json")
HOSTILE = "<b>&\"'`|@all</b>\n::error::pwned\r\n```\x00\x1b[31m ]]> {{x}} \ud800 %0A"
EACH = (
    result("pass", "opening/plain"),
    WRONG,
    evolve(WRONG, case=evolve(WRONG.case, id="tokens/auth/other-key")),
    result("warn", "limits/a", finding("late", "CHAT-AUTH-8")),
    result("known", "rooms/b", finding("double", "CHAT-MSG-2"), known="ticket 7"),
    result("fixed", "rooms/c", known="ticket 8"),
    result("flaky", "timers/d", finding("late", "CHAT-AUTH-4")),
    result("inconclusive", "timers/e"),
    result("not applicable", "tokens/f", message="needs a key"),
    result("error", "tokens/g", message="the suite failed"),
)


def junit(text: str) -> dict[str, int]:
    """The counts of a JUnit report, its own sums checked against its tests."""
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    found = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in root:
        told = {name: int(suite.attrib[name]) for name in found}
        tests = suite.findall("testcase")
        seen = {name: sum(test.find(name.rstrip("s")) is not None for test in tests) for name in ("failures", "errors")}
        assert told == {"tests": len(tests), "skipped": len(suite.findall("testcase/skipped")), **seen}
        found = {name: found[name] + told[name] for name in found}
    return found


# ---------------------------------------------------------------------------------------------- the same numbers


def folded_back(kind: str, text: str) -> Mapping[str, int]:
    """The counts by verdict that a report shows, read as its readers would."""
    match kind:
        case "json":
            return {name: count for name, count in json.loads(text)["counts"].items() if count}
        case "jsonl":
            verdicts = [event["verdict"] for event in map(json.loads, text.splitlines()) if event["event"] == "case"]
            return {name: verdicts.count(name) for name in verdicts}
        case "sarif":
            run = json.loads(text)["runs"][0]
            results = [found["properties"]["verdict"] for found in run["results"]]
            told: dict[str, int] = run["properties"]["counts"]
            assert all(results.count(name) == told[name] for name in results)
            return {name: count for name, count in told.items() if count}
        case "markdown":
            return {name: int(count) for name, count in re.findall(r"^\| ([a-z ]+) \| (\d+) \|$", text, re.MULTILINE)}
        case "terminal":
            [line] = re.findall(r"cases in [\d.]+ s: (.*)$", text, re.MULTILINE)
        case "html":
            return {name: int(count) for count, name in re.findall(r"<button [^>]*>(\d+) ([a-z ]+)</button>", text)}
        case "github":
            [line] = re.findall(r"^::notice title=handfast::.*\((.*)\)$", text, re.MULTILINE)
    return {name: int(count) for count, name in (part.split(" ", 1) for part in line.split(", "))}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "junit"])
def test_every_report_tells_the_same_numbers(kind: str) -> None:
    """Folded back from each, the counts by verdict are those of the run."""
    expected = {name: sum(one.verdict == name for one in EACH) for name in VERDICTS}

    assert dict(folded_back(kind, KINDS[kind](stream(*EACH)))) == expected


def test_what_was_reached_is_the_same_in_every_report_that_tells_it() -> None:
    """Rules that apply, states, and rows and cases of the document: how many, and of how many."""
    events = stream(*EACH)
    rules, states, rows = (json.loads(KINDS["json"](events))["coverage"][name] for name in _COVERED)
    expected = [
        (len(rules["reached"]), len(rules["reached"]) + len(rules["unreached"])),
        (len(states["reached"]), len(states["all"])),
        (len(rows["reached"]), len(rows["reached"]) + len(rows["unreached"])),
    ]
    told = {
        "terminal": r"rules reached: (\d+) of (\d+) .*states: (\d+) of (\d+); rows and cases .*: (\d+) of (\d+)",
        "markdown": r"- rules: (\d+) of (\d+) .*\n- states: (\d+) of (\d+)\n- rows and cases: (\d+) of (\d+)",
        "html": r"(\d+) of (\d+) rules that apply, (\d+) of (\d+) states, (\d+) of (\d+) rows and cases",
    }

    for kind, pattern in told.items():
        [found] = re.findall(pattern, KINDS[kind](events))
        numbers = [int(number) for number in found]
        assert list(zip(numbers[::2], numbers[1::2], strict=True)) == expected, kind


_COVERED = ("rules", "states", "transitions")


def test_junit_tells_the_same_numbers_in_its_own_words() -> None:
    """Failures are the server's, errors the suite's or the network's, and skipped is what is excused or not apt."""
    assert junit(KINDS["junit"](stream(*EACH))) == {"tests": len(EACH), "failures": 2, "errors": 2, "skipped": 2}
    strict = stream(*EACH)
    strict[0]["fail_on"] = "should"
    assert junit(KINDS["junit"](strict))["failures"] == 3


def test_junit_tells_what_fails_a_run_beside_its_cases() -> None:
    """An entry of the baseline that does not fit, and a run that was cut off."""
    events = stream(EACH[0])
    events[-1]["baseline"] = {"file": "known.toml", "misfits": ["entry 1 matches nothing"]}

    assert junit(KINDS["junit"](events)) == {"tests": 2, "failures": 1, "errors": 0, "skipped": 0}
    assert junit(KINDS["junit"](events[:-1])) == {"tests": 2, "failures": 0, "errors": 1, "skipped": 0}


# ------------------------------------------------------------------------------------------------ their formats


def closed(schema: Any) -> Any:
    """A JSON Schema of ours that takes no member that it does not describe."""
    if isinstance(schema, list):
        return [closed(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(member) for name, member in schema.items()}
    return (
        {"additionalProperties": False, **found} if "properties" in found and found.get("type") == "object" else found
    )


def schema_of(kind: str) -> Any:
    path = KINDS[kind].schema_file
    assert path is not None
    return closed(json.loads(path.read_text()))


@pytest.mark.parametrize("complete", [True, False])
def test_json_and_jsonl_satisfy_their_published_schemas(complete: bool) -> None:
    """Every member of them is described, too."""
    events = stream(*EACH, complete=complete)
    line, whole = (validator_for(schema_of(kind)) for kind in ("jsonl", "json"))

    for text in KINDS["jsonl"](events).splitlines():
        line.validate(json.loads(text))
    whole.validate(json.loads(KINDS["json"](events)))
    assert not line.is_valid({**events[0], "surprise": 1})
    assert not whole.is_valid({})


# What Jenkins' xunit plugin takes of JUnit XML: attributes that must and may be there, and children.
_JUNIT = {
    "testsuites": ((), ("name", "time"), ("testsuite",)),
    "testsuite": (("name", "tests", "failures", "errors"), ("skipped", "time"), ("properties", "testcase")),
    "properties": ((), (), ("property",)),
    "property": (("name", "value"), (), ()),
    "testcase": (("name",), ("classname", "time"), ("skipped", "failure", "error", "system-out")),
    **dict.fromkeys(("skipped", "failure", "error"), ((), ("type", "message"), ())),
    "system-out": ((), (), ()),
}


def test_junit_is_as_its_readers_take_it() -> None:
    """Elements and attributes that they know, times of three decimals, a name and a class name for each test."""
    root = ElementTree.fromstring(KINDS["junit"](stream(*EACH, evolve(WRONG, message=HOSTILE))))

    for element in root.iter():
        required, optional, children = _JUNIT[element.tag]
        assert set(required) <= set(element.attrib) <= {*required, *optional}, element.tag
        assert {child.tag for child in element} <= set(children), element.tag
        assert re.fullmatch(r"[0-9]+\.[0-9]{3}", element.get("time", "0.000"))
    for test in root.iter("testcase"):
        assert test.attrib["name"]
        assert test.attrib["classname"].startswith("chat.")
    [suite] = root.findall("testsuite[@name='CHAT-AUTH-5']")
    told = {found.attrib["name"]: found.attrib["value"] for found in suite.iter("property")}
    assert (told["rule"], told["level"]) == ("CHAT-AUTH-5", "must")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["type"] == "code"
    assert "GET /v1/chat/soup" in (failure.text or "")


def test_sarif_is_as_its_standard_says() -> None:
    """Its own words for kinds and levels, rules found by their index, and places in the document."""
    log = json.loads(KINDS["sarif"](stream(*EACH)))
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]

    assert (log["version"], log["$schema"].endswith("sarif-schema-2.1.0.json")) == ("2.1.0", True)
    assert set(run) <= {"tool", "automationDetails", "invocations", "results", "columnKind", "properties"}
    for found in run["results"]:
        assert rules[found["ruleIndex"]]["id"] == found["ruleId"]
        assert found["kind"] in {"fail", "review", "open"}
        assert found["level"] in {"error", "warning", "note"} if found["kind"] == "fail" else found["level"] == "none"
        [location] = found["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"].startswith("spec/protocols/")
        assert place["region"]["startLine"] > 1
        assert len(found["partialFingerprints"]["handfast/v1"]) == 32
    assert len({found["partialFingerprints"]["handfast/v1"] for found in run["results"]}) == len(run["results"])
    [known] = [found for found in run["results"] if "suppressions" in found]
    assert known["suppressions"] == [{"kind": "external", "justification": "ticket 7"}]
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "the suite failed" in json.dumps(invocation["toolExecutionNotifications"])


def test_a_rule_is_where_sarif_says_it_is() -> None:
    """The line of the document that it names holds the rule's name."""
    log = json.loads(KINDS["sarif"](stream(WRONG)))
    [found] = log["runs"][0]["results"]
    place = found["locations"][0]["physicalLocation"]
    lines = (ROOT / place["artifactLocation"]["uri"]).read_text().splitlines()

    assert lines[place["region"]["startLine"] - 1].strip().startswith("CHAT-AUTH-5:")


def test_github_annotates_what_is_new_and_no_more_than_it_shows() -> None:
    """One annotation for each broken rule, what is known left out, and the last one says how many more there are."""
    many = [result("fail", f"a/{n}", finding("code", f"CHAT-X-{n}")) for n in range(ERRORS + 5)]
    few, lots = (KINDS["github"](stream(*cases)).splitlines() for cases in (EACH, many))

    assert [line.partition("::")[2].partition("::")[0] for line in few] == [
        "error title=CHAT-AUTH-1 MUST error",
        "error title=CHAT-AUTH-5 MUST fail",
        "warning title=CHAT-AUTH-8 MUST warn",
        "warning title=CHAT-AUTH-4 MUST flaky",
        "warning title=CHAT-AUTH-1 MUST inconclusive",
        "notice title=handfast",
    ]
    assert "and 1 other case" in few[1]
    assert "ticket 7" not in "\n".join(few)
    assert sum(line.startswith("::error") for line in lots) == ERRORS
    assert "6 more" in lots[ERRORS - 1]


def test_the_summary_of_a_step_fits() -> None:
    """GitHub drops one that is too large as a whole."""
    long = [result("fail", f"a/{n}", finding("code", f"CHAT-X-{n}"), message="é" * 4000) for n in range(300)]
    text = summary_of(KINDS["markdown"](stream(*long)))

    assert len(text.encode()) < 1024**2
    assert "… cut" in text[-60:]
    events = stream(WRONG)
    assert summary_of(KINDS["markdown"](events)) == KINDS["markdown"](events)


# ------------------------------------------------------------------------------------------------- cut anywhere

_MARKS = {
    "json": '"complete": false',
    "junit": "the run was cut off",
    "sarif": "the run was cut off",
    "github": "the run was cut off",
    "markdown": "Truncated: `the run was cut off",
    "html": "<b>Truncated: </b>the run was cut off",
    "terminal": "this run was cut off",
}
"""What each kind of report says of a stream without its footer; jsonl is that stream."""

_WHOLE = KINDS["jsonl"](stream(*EACH)).encode()
_EDGES = [number for number, byte in enumerate(_WHOLE) if byte == ord("\n")]


_CUTS = st.one_of(st.integers(0, len(_WHOLE) - 2), st.integers(0, 80), st.sampled_from(_EDGES[:-1]))


@settings(deadline=None, max_examples=30)
@given(_CUTS, st.integers(0, 1))
def test_a_stream_cut_at_any_byte_renders_as_truncated(
    tmp_path_factory: pytest.TempPathFactory, cut: int, more: int
) -> None:
    """Whatever was being written when the run was killed: what stood before it is told, and that it is not all."""
    left = _WHOLE[: min(cut + more, len(_WHOLE) - 2)]
    path = tmp_path_factory.getbasetemp() / "cut.jsonl"
    path.write_bytes(left)
    events = read_stream(path)

    assert set(_MARKS) == KINDS.keys() - {"jsonl"}
    for kind, mark in _MARKS.items():
        assert mark in KINDS[kind](events), kind
    lines = left.splitlines(keepends=True)
    whole = [json.loads(line) for line in lines if line.endswith(b"\n")]
    assert events[: len(whole)] == whole


# ------------------------------------------------------------------------------------------------------- secrets

_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJlLW9mLWFuYQ"
_ODD = 'a "secret" & more/äöü than+enough'


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("secret", [SECRET, _ODD, _TOKEN])
def test_secrets_are_in_no_report(kind: str, secret: str) -> None:
    """Wherever a server throws them back, and however they are written there."""
    spelled = {secret, json.dumps(secret)[1:-1], quote(secret), quote_plus(secret)}
    if secret != _TOKEN:
        # A token is known by its beginning, and there is no end of ways to write something.
        spelled |= {b64encode(secret.encode()).decode(), secret.encode().hex(), f"cut {secret[3:27]} here"}
    said = " | ".join(sorted(spelled))
    lines = (Entry(0.0, "ana", ">", f"GET /?token={said}"), Entry(0.1, "ana", "<", json.dumps({"type": said})))
    leaky = evolve(
        result("fail", f"tokens/{secret}", finding("leak", "ALL-LEAK-1"), known=said, failure_file=said),
        message=said,
        findings=(evolve(WRONG.findings[0], text=said),),
        transcript=lines,
    )
    kept = Stream([], Sieve([SECRET, _ODD]))
    for event in stream(leaky, target=f"ws://host/{quote(secret)}", parameters={"odd": said}, given=["odd"]):
        kept.tell(event)
    text = KINDS[kind](kept.events)

    for written in spelled | {escape(one) for one in spelled}:
        assert written not in text
    assert text.count("&lt;a " if kind in {"html", "junit"} else "<a ") >= 1


@given(st.text(min_size=20, max_size=60), st.binary(max_size=9), st.binary(max_size=9), st.integers(0, 4))
@settings(max_examples=150)
def test_no_part_of_a_secret_passes_the_sieve(secret: str, before: bytes, behind: bytes, cut: int) -> None:
    """Sixteen of its characters, or of those of its base64, wherever in a longer text of it the secret stands."""
    data = before + secret.encode(errors="surrogatepass") + behind
    quoted = f"x{secret[cut : cut + 16]}y"
    encoded = [encode(data).decode() for encode in (b64encode, urlsafe_b64encode)]

    for text in (quoted, *encoded):
        cleaned = Sieve([secret]).clean(text)
        assert not any(secret[at : at + 16] in cleaned for at in range(len(secret) - 15))
        assert cleaned != text
    assert Sieve([secret]).clean("what is " + "nothing of it " * 3) == "what is " + "nothing of it " * 3


# ------------------------------------------------------------------------------------------ what servers may say


def hostile(text: str) -> list[dict[str, Any]]:
    """The stream of a run in which a server said a text wherever it can."""
    said: Result = evolve(
        WRONG,
        message=text,
        transcript=(Entry(0.1, "ana", "<", text),),
        findings=(evolve(WRONG.findings[0], text=text),),
    )
    return stream(said)


@settings(deadline=None, max_examples=40)
@given(st.one_of(st.text(), st.just(HOSTILE)))
def test_whatever_a_server_says_is_content_and_never_form(text: str) -> None:
    """No report breaks on it, and none takes it for its own markup or commands."""
    events = hostile(text)
    reports = {kind: make(events) for kind, make in KINDS.items()}

    json.loads(reports["json"])
    json.loads(reports["sarif"])
    assert junit(reports["junit"]) == {"tests": 1, "failures": 1, "errors": 0, "skipped": 0}
    assert [line[:9] for line in reports["github"].splitlines()] == ["::error t", "::notice "]
    summary_of(KINDS["markdown"](events)).encode()


def test_markdown_quotes_what_a_server_says() -> None:
    """In code, whose end no text can bring nearer."""
    text = KINDS["markdown"](hostile("@all <img src=x> ``` </details>\n````\n# Big"))
    outside = re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", text)
    outside = re.sub(r"(?s)(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)

    assert "@all" in text
    for markup in ("@all", "<img", "# Big"):
        assert markup not in outside
