"""The strict loader: what it reads, and that it tells everything that is wrong, where, and in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from spec.loading import (
    DocumentError,
    Place,
    Problem,
    UnknownProtocol,
    available,
    digest_of,
    find,
    read,
    read_text,
)
from spec.loading.events import events
from spec.loading.validating import format_schema
from spec.tokens.policy import LADDER

CHAT = find("chat@2")
TEXT = CHAT.read_text(encoding="utf-8")
BASE = CHAT.parent
MARK = "§"


def edited(*edits: tuple[str, str]) -> str:
    """The chat document with the first occurrence of each text replaced."""
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def problems_of(text: str, base: Path | None = BASE) -> tuple[Problem, ...]:
    with pytest.raises(DocumentError) as caught:
        read_text(text, "doc.yaml", base)
    return caught.value.problems


def marked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and where they stood."""
    places: list[tuple[int, int]] = []
    while MARK in text:
        before, _, after = text.partition(MARK)
        places.append((before.count("\n") + 1, len(before) - before.rfind("\n")))
        text = before + after
    return text, places


# Each edit marks where the problem must be told; the message must contain the given text.
BAD = {
    "an unknown key": (
        ("    level: must\n", "    §levle: must\n"),
        "`levle` is not a key of a rule (did you mean `level`?)",
    ),
    "an unknown section": (("facts:\n", "§fcats:\n"), "is not a key of a document (did you mean `facts`?)"),
    "a slip that hides much": (
        ("  states:\n    auth", "  §staets:\n    auth"),
        "`staets` is not a key of the `connection` section (did you mean `states`?)",
    ),
    "an unknown key of a branch": (
        ("{kind: running}", "{kind: running, §of: x}"),
        "`of` is not a key of a fact of kind `running`",
    ),
    "a misspelt kind key": (("{kind: running}", "{§knd: running}"), "`knd` is not a key of a fact"),
    "an unknown effect": (("{join: recipe}", "{§jion: recipe}"), "not a key of an effect (did you mean `join`?)"),
    "a modifier of another effect": (
        ("{join: recipe}", "{join: recipe, §to: recipe}"),
        "`to` is not a key of a `join` effect",
    ),
    "an effect that is no more": (
        ("- {join: recipe}", "- {§begin: auth_deadline}"),
        "`begin` is not a key of an effect",
    ),
    "a reply of a modifier": (
        ("{error: MESSAGE_INVALID, in_reply: may}", "{error: MESSAGE_INVALID, §reply: may}"),
        "`reply` is not a key of an `error` effect (did you mean `in_reply`?)",
    ),
    "a status that refuses nothing": (
        ("VERSION_UNSUPPORTED: 400", "VERSION_UNSUPPORTED: §200"),
        "must be at least 300",
    ),
    "a number in a guard": (("when: {running: stopping}", "when: {running: [§5]}"), "item 1 of `running` must be"),
    "an empty effect": (("{join: recipe}", "§{}"), "item 2 of `do` must not be empty"),
    "a wrong level": (("level: must\n", "level: §mst\n"), "`level` cannot be `mst` (did you mean `must`?)"),
    "a wrong kind": (("{kind: running}", "{kind: §runing}"), "`kind` cannot be `runing` (did you mean `running`?)"),
    "a number for a duration": (
        ("default: 5s", "default: §5"),
        "`default` must be a string such as `5s`, and is a number",
    ),
    "a list for a duration": (("default: 5s", "§default: [5s]"), "`default` must be a string such as `5s`"),
    "text for a list": (("rules: [CHAT-MSG-6]", "rules: §CHAT-MSG-6"), "`rules` must be a list, and is a string"),
    "text for a number": (("version: 2\n", "version: §'2'\n"), "`version` must be a whole number, and is a string"),
    "text for a truth value": (
        ("1008, retryable: true", "1008, retryable: §sure"),
        "`retryable` must be `true` or `false`, and is a string",
    ),
    "a number for a mapping": (("{kind: running}", "§5"), "must be a mapping, and is a number"),
    "nothing": (("title: Chat", "§title:"), "`title` must be a string, and is empty"),
    "a bound of a type without bounds": (
        ("default: 10/60s", "default: 10/60s\n    §min: 1/60s"),
        "`min` is not a key of a parameter of type `rate`",
    ),
    "a timer of two kinds": (
        ("after: $parameters.auth_deadline", "at: $expires\n          §after: 5s"),
        "`after` is not a key of a timer with `at`",
    ),
    "a timer of no kind": (
        ("        auth_deadline:\n          after: $parameters.auth_deadline", "        §auth_deadline:"),
        "a timer without `at` lacks `after`",
    ),
    "an exclusion without a reason": (("observe: excluded\n    reason:", "observe: excluded\n    #"), "lacks `reason`"),
    "a reason for no exclusion": (("observe: excluded", "observe: wire"), "not a key of a rule that is not excluded"),
    "a bad close code": (("close: none", "close: §99"), "`close` must be at least 1000"),
    "a word for a close code": (("close: none", "close: §nothing"), "`close` cannot be `nothing` (one of none,"),
    "a bad identifier": (("  CHAT-MSG-10:", "  §chat-msg-10:"), "is not a rule's identifier such as `CHAT-AUTH-1`"),
    "a keyword outside the subset": (
        ("maxLength: 4000", "§maxLenght: 4000"),
        "not a key of a payload schema (did you mean `maxLength`?)",
    ),
    "an unknown JSON type": (("{token: {type: string}}", "{token: {type: §strng}}"), "(did you mean `string`?)"),
    "a rule cited twice": (("rules: [CHAT-MSG-6]", "§rules: [CHAT-MSG-6, CHAT-MSG-6]"), "`rules` has an item twice"),
    "another version of the format": (("handfast: 1", "handfast: §2"), "`handfast` must be `1`"),
    "a doubled key": (
        ("    observe: wire\n", "    observe: wire\n    §observe: wire\n"),
        "`observe` is in this mapping already (first in line 19)",
    ),
    "a YAML 1.1 truth as a key": (("    level: must\n", "    level: must\n    §Yes: 1\n"), "`Yes` cannot be a key"),
    "a number as a key": (("    level: must\n", "    level: must\n    §5: 1\n"), "the key `5` is not text"),
    "a null as a key": (("    level: must\n", "    level: must\n    §~: 1\n"), "the key `null` is not text"),
    "a list as a key": (("    level: must\n", "    level: must\n    ? §[a]\n    : 1\n"), "a key must be text"),
    "a merge key": (("- {join: recipe}", "- {§<<: {join: recipe}, leave: recipe}"), "merge keys (`<<`)"),
    "a tag": (("title: Chat", "title: §!!str Chat"), "tags are no part of the format"),
    "an unknown alias": (("do: *welcome", "do: §*welcom"), "no anchor `&welcom` before this (did you mean `welcome`?)"),
    "an anchor twice": (("title: Chat", "title: &welcome Chat"), "the anchor `&welcome` is there already"),
    "two anchors on one value": (("do: &say", "do: &say §&said"), "this is not YAML"),
    "infinity": (("title: Chat", "title: §.inf"), "infinities and NaN are no numbers"),
    "an enormous number": (("title: Chat", "title: §" + "9" * 5000), "the number is too large"),
    "half a character": (("title: Chat", 'title: §"\\ud800"'), "half of a surrogate pair"),
    "a bad escape": (("title: Chat", 'title: "\\UFFFFFFFF"'), "this is not YAML"),
    "a control character": (("title: Chat", "title: '§\x01'"), "this character is not allowed in YAML"),
    "a bracket left open": (("title: Chat", "title: [Chat"), "this is not YAML"),
    "a second document": (("title: Chat", "§---\ntitle: Chat"), "here a second begins"),
    "YAML 1.1": (("handfast: 1", "%YAML 1.1\n§---\nhandfast: 1"), "documents are YAML 1.2"),
    "too deep": (("title: Chat", "title: " + "[" * 49 + "§[" + "]" * 50), "nested more than 50 deep"),
    "an alias in itself": (("title: Chat", "title: &a [§*a]"), "stands inside what it repeats"),
    "a missing include": (
        ("[../common.yaml]", "[§../comon.yaml]"),
        "comon.yaml` (did you mean `common.yaml`?)",
    ),
    "an include that is no list": (("[../common.yaml]", "§../common.yaml"), "`include` must be a list"),
    "an include twice": (("[../common.yaml]", "[../common.yaml, §./../common.yaml]"), "is read already"),
    "a name that an include has": (
        ("parameters:\n", "parameters:\n  §leeway: {type: duration, default: 1s, text: Doubled.}\n"),
        "`leeway` is declared already in",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_document_is_told_where_it_is_bad_and_how(name: str) -> None:
    edit, message = BAD[name]
    text, places = marked(edited(edit))

    problems = problems_of(text)

    told = [problem for problem in problems if message in str(problem)]
    assert len(told) == 1, "\n".join(map(str, problems))
    assert told == list(problems), "one fault is told once: \n" + "\n".join(map(str, problems))
    if places:
        assert (told[0].place.line, told[0].place.column) == places[0]


TINY = [
    ("", "1:1: the document is empty"),
    ("# only a comment\n", "1:1: the document is empty"),
    ("- a\n", "1:1: a document is a mapping of sections, and this is a list"),
    ("5", "1:1: a document is a mapping of sections, and this is a single value"),
    ("a: b: c", "1:5: this is not YAML: mapping values are not allowed here"),
    ("a: b\n\tc: d", "2:1: this is not YAML"),
    ("a: b\n---\nc: d", "2:1: a file holds one YAML document"),
    ("a: 'x", "1:6: this is not YAML"),
    ("*a", "1:1: there is no anchor `&a` before this"),
    ("x" * ((1 << 20) + 1), "1:1: the file has more than 1048576 characters"),
    ("[" * 100_000, "1:51: this is nested more than 50 deep"),
    ("- " * 100_000, "1:101: this is nested more than 50 deep"),
    ("\ud800: 1", "1:1: this character is not allowed in YAML"),
    ("%FOO bar\nx", "2:1: this is not YAML"),
]


@pytest.mark.parametrize(("text", "expected"), TINY, ids=range(len(TINY)))
def test_a_text_that_is_no_document_is_told_with_its_position(text: str, expected: str) -> None:
    (problem,) = problems_of(text)

    assert str(problem).startswith(f"doc.yaml:{expected}")


def test_aliases_cannot_make_a_document_grow_without_end() -> None:
    bomb = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for name, inner in zip("bcdefghij", "abcdefghi", strict=True):
        bomb.append(f"{name}: &{name} [" + ",".join([f"*{inner}"] * 10) + "]")

    (problem,) = problems_of("\n".join(bomb))

    assert str(problem).startswith("doc.yaml:5:4: with its aliases written out, the document has more than 100000")


def test_every_problem_of_a_document_is_told_at_once_and_in_order() -> None:
    text, places = marked(
        edited(
            ("    level: must\n", "    §levle: must\n"),
            ("default: 5s", "default: §5"),
            ("{kind: running}", "{kind: §runing}"),
            ("  other_paths:", "  §path: /twice\n  other_paths:"),
            ("rules: [CHAT-MSG-6]", "rules: [§CHAT-MSG-66]"),
        )
    )

    problems = problems_of(text)

    assert [(problem.place.line, problem.place.column) for problem in problems] == places
    assert [problem.message for problem in problems] == [
        "`levle` is not a key of a rule",
        "`default` must be a string such as `5s`, and is a number",
        "`kind` cannot be `runing`",
        "`path` is in this mapping already",
        "there is no rule `CHAT-MSG-66`",
    ]


def test_what_a_mapping_lacks_is_told_in_one() -> None:
    (problem,) = problems_of("handfast: 1\nprotocol: x\nversion: 1\n")

    assert str(problem) == (
        "doc.yaml:1:1: a document lacks `title`, `summary`, `wire`, `messages`, `facts`, `opening`, `connection`"
    )


def test_no_message_dumps_what_it_is_about() -> None:
    problems = problems_of(edited(("title: Chat", "title: {" + ", ".join(f"k{n}: v" for n in range(900)) + "}")))

    assert [str(problem) for problem in problems] == ["doc.yaml:5:1: `title` must be a string, and is a mapping"]


def test_a_message_is_one_short_line_whatever_the_document_holds() -> None:
    text = edited(("    level: must\n", '    level: must\n    ? "a\\nb\\u2028' + "c" * 2000 + '"\n    : 1\n'))

    (problem,) = problems_of(text)

    assert problem.message.startswith("`a\\nb\\u2028ccc")
    assert len(problem.message) == 400


def test_the_error_lists_its_problems_one_a_line() -> None:
    with pytest.raises(DocumentError) as caught:
        read_text(edited(("level: must\n", "level: mst\n"), ("kind: running", "kind: runing")), "d.yaml", BASE)

    assert [line.split(" ")[0].count(":") for line in str(caught.value).splitlines()] == [3, 3]


def test_the_packaged_protocols_load() -> None:
    assert [(entry.name, entry.version) for entry in available()] != []
    for entry in available():
        source = read(entry.path)

        assert source.data["protocol"] == entry.name
        assert source.data["version"] == entry.version
        assert source.files[0] == entry.path


def test_a_source_is_plain_united_and_written_out() -> None:
    source = read(CHAT)
    welcomes = [row["do"] for row in source.data["opening"]["rows"] if "do" in row]

    assert "include" not in source.data
    assert [path.name for path in source.files] == ["v2.yaml", "common.yaml", "connection.yaml", "websocket.yaml"]
    assert {"ALL-TIME-1", "CHAT-OPEN-1"} <= source.data["rules"].keys()
    assert {"ladder", "recipes", "claims"} <= source.data["tokens"].keys()
    assert source.data["parameters"]["deprecation"]["default"] == "2026-01-01T00:00:00Z"
    assert source.data["version"] == 2
    assert welcomes[0] == welcomes[1]
    assert welcomes[0] is not welcomes[1]
    assert json.loads(json.dumps(source.data)) == source.data
    assert source.digest == digest_of(source.data) == read_text(TEXT, base=BASE).digest
    assert source.digest != read_text(edited(("title: Chat", "title: Chats")), base=BASE).digest


def test_a_source_knows_the_place_of_everything() -> None:
    text, places = marked(
        edited(
            ("title: Chat", "title: §Chat"),
            ("  CHAT-OPEN-1:", "  §CHAT-OPEN-1:"),
            ("        auth_deadline:\n          after: $", "        §auth_deadline:\n          after: §$"),
            ("other_paths: [/v1", "other_paths: [§/v1"),
        )
    )
    source = read_text(text, "doc.yaml", BASE)
    timer = "/connection/states/authenticating/timers/auth_deadline"
    found = [
        source.place(pointer)
        for pointer in ("/title", "/rules/CHAT-OPEN-1", "/opening/other_paths/0", timer, f"{timer}/after")
    ]

    assert [(place.line, place.column) for place in found] == places
    assert source.place(f"{timer}/nothing/below") == source.place(timer)
    assert source.place_of_key("/title") == Place("doc.yaml", source.place("/title").line, 1)
    assert source.place("/rules/ALL-TIME-1").file.endswith("common.yaml")
    assert source.place("") == Place("doc.yaml", 2, 1)
    assert source.place("/messages/auth/client/secret/00000000000000000000000099").file == "doc.yaml"


def test_an_alias_stands_where_it_is_used_and_its_content_where_it_is_written() -> None:
    source = read(CHAT)
    rows = source.data["opening"]["rows"]
    first, second = [index for index, row in enumerate(rows) if "do" in row][:2]

    assert source.place(f"/opening/rows/{first}/do").line < source.place(f"/opening/rows/{second}/do").line
    assert source.place(f"/opening/rows/{first}/do/1") == source.place(f"/opening/rows/{second}/do/1")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A copy of chat that includes one more file, and that file."""
    document, more = tmp_path / "chat.yaml", tmp_path / "more.yaml"
    document.write_text(edited(("[../common.yaml]", f"[{BASE.parent}/common.yaml, more.yaml]")), encoding="utf-8")
    return document, more


INCLUDED = [
    ("title: Chat\n", "more.yaml:1:1: `title` belongs to a document, not to a file that it includes"),
    ("- a\n", "more.yaml:1:1: an included file is a mapping of sections"),
    ("", "more.yaml:1:1: an included file is a mapping of sections"),
    ("a: [", "more.yaml:1:5: this is not YAML"),
    ("ruels: {}\n", "more.yaml:1:1: `ruels` is not a key of a document"),
    ("include: [chat.yaml]\n", "more.yaml:1:11: `chat.yaml` is read already"),
    ("include: [more.yaml]\n", "more.yaml:1:11: `more.yaml` is read already"),
    ("include: [.]\n", "` is not a file"),
    ("rooms: 5\n", "`rooms` is declared already in "),
    ("rooms:\n  recipe: {key: $recipe_id}\n", "`recipe` is declared already in "),
    (
        "errors:\n  codes:\n    AUTH_TIMEOUT: {close: 4008, retryable: true, text: Late.}\n",
        "`AUTH_TIMEOUT` is declared",
    ),
    ("tokens:\n  ladder: [{step: absent, verdict: absent}]\n", "`ladder` is declared already in "),
    ("tokens:\n  recipes: [{name: valid, step: valid}]\n", "`valid` is in `recipes` already"),
    ("rooms:\n  kitchen: {key: $recipe}\n", "more.yaml:2:18: nothing is called `$recipe`"),
]


@pytest.mark.parametrize(("text", "expected"), INCLUDED, ids=range(len(INCLUDED)))
def test_what_is_wrong_with_an_included_file_is_told_there(pair: tuple[Path, Path], text: str, expected: str) -> None:
    document, more = pair
    more.write_text(text, encoding="utf-8")

    with pytest.raises(DocumentError) as caught:
        read(document)

    assert any(expected in str(problem) for problem in caught.value.problems), str(caught.value)


def test_lists_of_included_files_come_first(pair: tuple[Path, Path]) -> None:
    document, more = pair
    more.write_text("invariants:\n  - {never: [error], in: [connected.v2], rules: [CHAT-MSG-1]}\n", encoding="utf-8")

    source = read(document)

    assert source.data["invariants"][0]["never"] == ["error"]
    assert source.data["invariants"][1:] == read(CHAT).data["invariants"]
    assert source.place("/invariants/0").file == str(more)
    assert source.place("/invariants/1").file == str(document)


def test_an_include_is_extended_by_codes_and_recipes(pair: tuple[Path, Path]) -> None:
    document, more = pair
    more.write_text(
        "errors:\n  codes:\n    TIRED: {close: none, retryable: true, text: Later.}\n"
        "tokens:\n  recipes: [{name: spare, step: valid}]\n",
        encoding="utf-8",
    )

    source, plain = read(document), read(CHAT)

    assert source.data["errors"]["codes"].keys() == plain.data["errors"]["codes"].keys() | {"TIRED"}
    assert source.place("/errors/codes/TIRED").file == str(more)
    assert [entry["name"] for entry in source.data["tokens"]["recipes"]][-1] == "spare"
    assert source.data["tokens"]["recipes"][:-1] == plain.data["tokens"]["recipes"]


def test_a_document_restates_the_whole_ladder_that_it_includes() -> None:
    """Its own takes the place of the other, and what was written for the other is judged by it."""
    steps = {step: step if step in {"absent", "expired"} else "invalid" for step in LADDER}
    lines = "".join(f"    - {{step: {step}, verdict: {verdict}}}\n" for step, verdict in reversed(steps.items()))
    own = edited(("tokens:\n  claims:", f"tokens:\n  ladder:\n{lines}  claims:"))

    source = read_text(own, "doc.yaml", BASE)
    problems = problems_of(own.replace("step: signature", "step: seal"))

    assert [step["step"] for step in source.data["tokens"]["ladder"]] == list(reversed(LADDER))
    assert source.place("/tokens/ladder/0").file == "doc.yaml"
    assert {problem.message for problem in problems} == {"there is no step `signature`"}
    assert all(problem.place.file.endswith("common.yaml") for problem in problems)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"handfast: 1\ntitle: Gr\xfc\xdfe\n")
    wide = tmp_path / "wide.yaml"
    wide.write_text(TEXT, encoding="utf-16")
    marked_text = tmp_path / "bom.yaml"
    marked_text.write_text(edited(("../common.yaml", f"{BASE.parent}/common.yaml")), encoding="utf-8-sig")
    expected: list[tuple[Any, str]] = [
        (latin, f"{latin}:2:10: the file is not UTF-8"),
        (wide, f"{wide}:1:1: the file is not UTF-8"),
        (tmp_path, f"{tmp_path}:1:1: `{tmp_path}` is not a file"),
        (tmp_path / "latn.yaml", "(did you mean `latin.yaml`?)"),
        ("nul\0.yaml", "1:1: "),
    ]

    for path, message in expected:
        with pytest.raises(DocumentError, match=r":\d+:\d+: ") as caught:
            read(path)
        assert message in str(caught.value)
    assert read(marked_text).digest == read(CHAT).digest


def test_what_comes_with_the_package_is_included_from_anywhere(tmp_path: Path) -> None:
    """By `handfast:`, as the packaged documents include it; another name there is told as a file that is missing."""
    text = CHAT.read_text(encoding="utf-8").replace("[../common.yaml]", "['handfast:common.yaml']")
    (tmp_path / "mine.yaml").write_text(text)

    assert read(tmp_path / "mine.yaml").digest == read(find("chat")).digest == read_text(text).digest
    (tmp_path / "mine.yaml").write_text(text.replace("handfast:common", "handfast:comon"))
    with pytest.raises(DocumentError) as caught:
        read(tmp_path / "mine.yaml")
    assert "did you mean `common.yaml`?" in str(caught.value)


def test_a_text_from_nowhere_includes_nothing() -> None:
    (problem,) = problems_of(TEXT, base=None)

    assert problem.message == "a text that comes from no file cannot include one"


def test_protocols_are_found_by_name_version_and_path() -> None:
    assert find("chat") == find("chat@2") == CHAT
    assert find(str(CHAT)) == CHAT


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chta", "there is no protocol `chta` (did you mean `chat`?)"),
        ("chat@9", "there is no version `9` of `chat` (known: 1, 2)"),
        ("chat@", "there is no version `` of `chat` (known: 1, 2)"),
        ("", "there is no protocol ``"),
        (f"{BASE}/v3.yaml", "did you mean `v2.yaml`?"),
        ("no/where.yaml", "there is no file `no/where.yaml`"),
        ("nul\0/x.yaml", "there is no file"),
    ],
)
def test_an_unknown_protocol_is_told_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownProtocol) as caught:
        find(name)

    assert message in str(caught.value)


def _loads_or_tells(text: str) -> None:
    problems: tuple[Problem, ...] | None = None
    try:
        read_text(text, "doc.yaml", BASE)
    except DocumentError as error:
        problems = error.problems
    assert problems != ()
    assert all(problem.place.line > 0 and problem.place.column > 0 for problem in problems or ())
    assert all(problem.message.isprintable() for problem in problems or ())


@given(st.text())
@example('"\\UFFFFFFFF"')
@example("%YAML 1.x\n---\n")
@example("? ")
@example("a: !<")
@settings(deadline=None)
def test_any_text_loads_or_is_told_to_be_bad(text: str) -> None:
    _loads_or_tells(text)


LINES = TEXT.split("\n")
SCRAPS = st.sampled_from(
    ["", "null", "5", "[]", "{}", "- ", ": ", "$", "*say", "\t", "#", "!", "|", "'", '"', "[", "{", "}", "x", "\x85"]
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The chat document with a line deleted, doubled elsewhere, or with a scrap in it."""
    lines = list(LINES)
    index = draw(st.integers(0, len(lines) - 1))
    line = lines[index]
    match draw(st.sampled_from(["delete", "move", "splice", "word"])):
        case "delete":
            del lines[index]
        case "move":
            lines.insert(draw(st.integers(0, len(lines) - 1)), line)
        case "splice":
            at = draw(st.integers(0, len(line)))
            lines[index] = line[:at] + draw(SCRAPS) + line[at + draw(st.integers(0, 3)) :]
        case "word":
            words = line.split(" ")
            words[draw(st.integers(0, len(words) - 1))] = draw(SCRAPS)
            lines[index] = " ".join(words)
    return "\n".join(lines)


@given(mutated())
@settings(deadline=None, max_examples=60)
def test_any_mutation_of_a_document_loads_or_is_told_to_be_bad(text: str) -> None:
    _loads_or_tells(text)


def _outline(parse: Any, text: str) -> list[Any]:
    outline: list[Any] = []
    try:
        for event in parse(text):
            marks = event.start_mark, event.end_mark
            outline.append((repr(event), [(mark.index, mark.line, mark.column) for mark in marks]))
    except Exception as error:
        outline.append((type(error), getattr(error, "problem", None)))
    return outline


def _stock(text: str) -> Any:
    return YAML(typ="safe", pure=True).parse(text)


@given(st.one_of(st.text(), st.text(alphabet="ab: ,[]{}#-?&*!|>'\"\n\t%\x85"), mutated().map(lambda text: text[-900:])))
@settings(deadline=None, max_examples=300)
def test_the_shortcuts_through_the_parser_change_nothing(text: str) -> None:
    assert _outline(events, text) == _outline(_stock, text)


def test_the_shortcuts_change_nothing_in_the_packaged_documents() -> None:
    for path in [*(entry.path for entry in available()), BASE.parent / "common.yaml"]:
        text = path.read_text(encoding="utf-8")

        assert _outline(events, text) == _outline(_stock, text)


def test_the_schema_is_one_and_describes_every_property() -> None:
    schema = format_schema()
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    bare: list[str] = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for name, inner in value.get("properties", {}).items() if "description" in value else ():
                if isinstance(inner, dict) and "description" not in inner:
                    bare.append(f"{path}/{name}")
            for key, inner in value.items():
                if key not in ("if", "then", "else"):
                    walk(inner, f"{path}/{key}")
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, f"{path}/{index}")

    walk(schema, "")
    assert bare == []
    assert validator.is_valid({"rules": {}})
    assert not validator.is_valid({"title": "An included file has no title."})
    assert not validator.is_valid({"handfast": 1})
