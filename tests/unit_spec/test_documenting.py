"""Documentation: it says what the document says, links lead somewhere, and everybody can read it."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from spec.authoring.documenting import changelog
from spec.authoring.documenting.blocks import Page
from spec.authoring.documenting.contents import pages
from spec.authoring.documenting.html import _CSS, html
from spec.authoring.documenting.markdown import markdown
from spec.authoring.documenting.samples import samples
from spec.authoring.exporting.codes import close_codes
from spec.authoring.exporting.jsonschema import bundle
from spec.authoring.outlining import Outline, legality, outline, side_name
from spec.cli import main
from spec.loading import available, find, read
from tests.browser.devtools import launched

PACKAGED = [f"{entry.name}@{entry.version}" for entry in available()]
LOADED = """() => new Promise((done) => {
  if (document.readyState === "complete") done(); else addEventListener("load", () => done());
})"""
VOID = {"meta", "wbr", "link", "br", "img", "hr", "input"}


@cache
def laid_out(name: str = "chat") -> Outline:
    return outline(read(find(name)))


def edited(**sections: Any) -> Outline:
    """Chat with sections laid over its own."""
    found = laid_out()
    return Outline({**found.data, **sections}, found.digest, found.states, found.receive)


@cache
def every(name: str) -> tuple[Page, ...]:
    """The pages of a document; those of chat with what changed since version 1."""
    more = [changelog.page(read(find("chat@1")), read(find(name)))] if name == "chat" else []
    return pages(laid_out(name), more=more)


@cache
def page(name: str = "chat") -> str:
    return html(laid_out(name), every(name), "made")


@cache
def tree(name: str = "chat") -> Mapping[str, str]:
    return markdown(laid_out(name), every(name), "made")


class Structure(HTMLParser):
    """What an assistive technology makes of a page; tags that are not closed fail."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[int] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[dict[str, int]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.ids += [attributes["id"] or ""] if "id" in attributes else []
        self.links += [attributes["href"] or ""] if tag == "a" else []
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "table":
            self.tables.append({"caption": 0, "col": 0, "row": 0, "tr": 0})
        if self.tables and tag in {"caption", "tr"}:
            self.tables[-1][tag] += 1
        if tag == "th":
            self.tables[-1][str(attributes["scope"])] += 1
        if tag not in VOID and not (self.open and self.open[-1] == "svg" and tag in {"rect", "line", "path"}):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", PACKAGED)
def test_the_page_is_for_everybody(name: str) -> None:
    """Landmarks, headings without gaps, tables with captions and headers, drawings with words, places to scroll."""
    found = Structure(page(name))
    tags = [tag for tag, _ in found.tags]

    assert {tag: tags.count(tag) for tag in ("main", "nav", "header", "footer", "h1")} == dict.fromkeys(
        ("main", "nav", "header", "footer", "h1"), 1
    )
    assert ("html", {"lang": "en"}) in found.tags
    assert found.headings[0] == 1
    assert all(later <= sooner + 1 for sooner, later in zip(found.headings, found.headings[1:], strict=False))
    for table in found.tables:
        assert (table["caption"], table["row"]) == (1, table["tr"] - 1)
        assert table["col"] > 1
    for tag, attributes in found.tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert set((attributes["aria-labelledby"] or "").split()) <= set(found.ids)
        if attributes.get("role") == "region":
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]


@pytest.mark.parametrize("name", PACKAGED)
def test_every_link_of_the_page_leads_somewhere(name: str) -> None:
    """To an id that is there once; and nothing is fetched from anywhere."""
    found = Structure(page(name))

    assert len(found.ids) == len(set(found.ids))
    assert [link for link in found.links if not link.startswith("#") or link[1:] not in {*found.ids}] == []
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in found.tags}
    assert "url(" not in page(name)
    assert "@import" not in page(name)


@pytest.mark.parametrize("name", PACKAGED)
def test_every_link_of_the_tree_leads_somewhere(name: str) -> None:
    """To a file of it, and to an anchor there."""
    for path, text in tree(name).items():
        for target in re.findall(r"\]\(([^)]*)\)", re.sub(r"`[^`\n]*`", "", text)):
            file, _, anchor = target.partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(path), file)) if file else path
            assert there in tree(name), (path, target)
            assert not anchor or f'<a id="{anchor}"></a>' in tree(name)[there], (path, target)


@pytest.mark.parametrize("name", PACKAGED)
def test_the_tree_has_whole_tables(name: str) -> None:
    """As many cells in every row as in its head."""
    for path, text in tree(name).items():
        width = 0
        for line in text.splitlines():
            cells = len(re.split(r"(?<!\\)\|", line)) - 2 if line.startswith("|") else 0
            assert not (width and cells) or cells == width, (path, line)
            width = cells


@pytest.mark.parametrize("name", PACKAGED)
def test_everything_of_a_document_is_told(name: str) -> None:
    """Rules with their texts, parameters, messages, states, timers, errors, checks, scenarios, versions."""
    document, said = laid_out(name), re.sub(r"<[^>]*>", "", page(name))
    scenarios, rules = document.section("scenarios"), document.section("rules")
    named = [*rules, *document.section("parameters"), *document.errors, *document.states, *scenarios]
    named += [*document.section("messages"), *document.section("refusals"), *document.section("framing")]
    named += [timer.name for state in document.states.values() for timer in state.timers]
    named += [entry["step"] for entry in document.section("tokens").get("ladder", ())]
    named += [str(entry["name"]) for entry in document.data.get("versions", ())]

    assert [name for name in named if name not in said] == []
    assert page(name).count('<span id="rule-') == len(rules)


def test_the_matrix_says_what_happens() -> None:
    """In the words of each outcome, for the states in their order."""
    rows = {line.split(" | ")[0]: line.strip("| ").split(" | ")[1:] for line in tree()["matrix.md"].splitlines()}

    assert rows["| [chat\\_message](messages/client-chat_message.md)"][0] == "**closes** AUTH\\_REQUIRED"
    assert rows["| `other`"][1] == "**refused** MESSAGE\\_UNKNOWN\\_TYPE"
    assert rows["| `binary`"] == ["**closes** 1003"] * 4


def test_the_order_of_errors_is_that_of_the_cases() -> None:
    """Which wins is told as first to last."""
    assert (
        "MESSAGE\\_INVALID › RATE\\_LIMITED › TOKEN\\_INVALID › TOKEN\\_EXPIRED › AUTH\\_REPLAYED"
        in tree()["errors.md"]
    )


def test_deployments_are_told_apart() -> None:
    """Which version each rollout stage serves."""
    stages = [line for line in tree()["versions.md"].splitlines() if line.startswith("| `rollout`")]

    assert [re.findall(r"\*\*([a-z ]+)\*\*", line) for line in stages] == [
        ["not served", "served"],
        ["served", "served"],
        ["served", "not served"],
    ]


@pytest.mark.parametrize("name", PACKAGED)
def test_examples_are_valid_and_broken_ones_are_not(name: str) -> None:
    """By the exported schema; they are the same each time."""
    document, whole = laid_out(name), bundle(laid_out(name))
    for role in ("client", "server"):
        for message in document.messages(role):
            schema = {"$ref": f"#/$defs/{side_name(role, message)}", "$defs": whole["$defs"]}
            valid = jsonschema_rs.validator_for(schema, validate_formats=True).is_valid
            found = samples(document, role, message)
            assert found.valid
            assert [body for body in found.valid if not valid(body)] == []
            assert samples(document, role, message) == found
    assert samples(laid_out(), "client", "chat_message").broken[0].pointer == "/payload"


def test_states_of_a_message_are_those_in_which_it_is_legal() -> None:
    """What is always refused is not legal; what is broadcast reaches members of the room alone."""
    legal = legality(laid_out())

    assert legal.where("client", "chat_message") == ("connected.v2.fresh", "connected.v2.expiring", "connected.v1")
    assert legal.where("server", "chat_message") == legal.where("client", "chat_message")
    assert legal.where("server", "auth_required") == ("connected.v2.fresh",)
    assert "authenticating" in legal.where("client", "auth")


def test_what_ends_the_connections_of_others_is_legal() -> None:
    """A message by which a client wants an end is not refused, though it ends with an error."""
    legal = legality(laid_out("sync"))

    assert set(legal.where("client", "logout")) == {"active.valid", "active.grace", "active.bypassed"}
    assert legal.where("client", "init") == ("initializing",)


def test_errors_in_a_form_of_their_own_close_as_that_form_does() -> None:
    """And are told by its message."""
    hub = laid_out("hub")
    [row] = hub.deciding("open.token.fresh", "malformed")

    assert row.outcome("open.token.fresh", hub.errors).value == "closes"
    assert "close" in legality(hub).heard["open.token.fresh"]
    assert 1000 in close_codes(hub)


def test_what_is_not_known_is_told_as_it_is_written() -> None:
    """Sections, effects, steps and invariants that no page was made for; nothing of them is lost, and none fails."""
    odd = edited(
        http={"negotiate": {"path": "/negotiate", "rows": [{"do": [{"make": "ticket"}], "answer": {"status": 200}}]}},
        records={"link": {"key": "$link.token", "states": {"issued": {}}}},
        deployment=["hook"],
        invariants=[{"order": "<kept>", "rules": ["CHAT-MSG-9"]}],
        scenarios={"odd": {"text": "Odd.", "steps": [{"client": "a", "call": "Join", "with": ["<x>"]}]}},
    )
    made = html(odd, pages(odd), "made")
    said = Structure(made)

    assert "page-more" in said.ids
    for word in ("/negotiate", "$link.token", "hook", "&lt;kept&gt;", "&lt;x&gt;"):
        assert word in made


# ------------------------------------------------------------------------------------------------------------- style


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_read() -> None:
    """In the light, in the dark and in print, on the page and on what is raised: 7 to 1 for text (WCAG 2.2, AAA)."""
    schemes = re.findall(r":root \{([^}]*)\}", _CSS.read_text())
    colours = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", scheme)) for scheme in schemes]

    assert contrast("#777777", "#ffffff") < 4.5 < contrast("#767676", "#ffffff")
    assert len(colours) == 3
    for scheme in colours:
        for ground in ("page", "raised"):
            for ink in ("ink", "soft", "link", "good", "bad"):
                assert contrast(scheme[ink], scheme[ground]) >= 7, (ink, ground, scheme)


@pytest.mark.chromium
def test_the_page_fits_a_phone(chromium: str, tmp_path: Path) -> None:
    """And a desk: the page itself never scrolls sideways, drawings have room for their words, and paper for tables."""
    (tmp_path / "page.html").write_text(page(), encoding="utf-8")
    with launched(chromium, tmp_path / "profile") as browser, browser.tabs("about:blank") as [tab]:
        for width in (320, 390, 1280):
            tab._call(
                "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 400
            )
            tab.go((tmp_path / "page.html").as_uri())
            tab.evaluate(LOADED)
            assert tab.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0, width
        outside = (
            "() => [...document.querySelectorAll('svg')].flatMap((svg) => [...svg.querySelectorAll('text')]"
            ".filter((text) => text.getBBox().x + text.getBBox().width > svg.viewBox.baseVal.width)"
            ".map((text) => text.textContent))"
        )
        assert tab.evaluate(outside) == []
        tab._call("Emulation.setDeviceMetricsOverride", width=680, height=900, deviceScaleFactor=1, mobile=False)
        tab._call("Emulation.setEmulatedMedia", media="print")
        wide = "() => [...document.querySelectorAll('table')].filter((table) => table.offsetWidth > innerWidth).length"
        assert tab.evaluate(wide) == 0


# ----------------------------------------------------------------------------------------------------------- command


def test_documentation_is_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` passes what was just written, and names each file that is stale."""
    words = ["docs", "chat", "--html", str(tmp_path / "chat.html"), "--markdown", str(tmp_path / "chat")]

    assert main(words) == 0
    assert {str(path.relative_to(tmp_path / "chat")) for path in (tmp_path / "chat").rglob("*.md")} == set(tree())
    assert laid_out().digest in (tmp_path / "chat.html").read_text()
    assert main([*words, "--check"]) == 0
    (tmp_path / "chat" / "rules.md").write_text("nothing")
    (tmp_path / "chat" / "matrix.md").unlink()
    assert main([*words, "--check"]) == 1
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        str(tmp_path / "chat" / name) for name in ("matrix.md", "rules.md")
    ]


def test_cases_of_the_suite_are_counted_where_that_is_asked_for(tmp_path: Path) -> None:
    """By family; a rule that nothing tests has none."""
    assert main(["docs", "chat", "--cases", "--markdown", str(tmp_path)]) == 0
    rules = {
        line.split("</a>")[1].split(" |")[0]: line
        for line in (tmp_path / "rules.md").read_text().splitlines()
        if "</a>" in line
    }

    assert re.search(r"\(\d+ cases: .*\d+ timers", rules["CHAT-AUTH-4"])
    assert "(no case)" in rules["CHAT-LEG-8"]
    assert "cases:" not in tree()["rules.md"]


@pytest.mark.parametrize(
    ("words", "said"), [(("chat",), "what is to be written?"), (("chta", "--html", "x"), "did you mean `chat`?")]
)
def test_what_is_mistyped_is_told(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, with the exit code of a usage error."""
    assert main(["docs", *words]) == 2
    assert said in capsys.readouterr().err


def test_schemas_on_the_page_are_json() -> None:
    """What stands unfolded as a schema can be copied."""
    from html import unescape

    shown = re.findall(r'aria-label="Schema of the whole message"><code>(.*?)</code>', page(), re.S)

    assert len(shown) == len(laid_out().messages("client")) + len(laid_out().messages("server"))
    assert all(json.loads(unescape(text))["type"] == "object" for text in shown)


# -------------------------------------------------------------------------------------------- versions and failures


def test_a_later_version_tells_what_changed(tmp_path: Path) -> None:
    """The version before lies beside it; each change says whom it breaks, and those that break somebody are drawn."""
    assert main(["docs", "chat", "--markdown", str(tmp_path)]) == 0
    told = (tmp_path / "changes.md").read_text()

    assert told.startswith("# Changes since version 1\n")
    assert re.search(r"^\| \[a version is no longer served\]\(#.*\| \*\*breaks\*\* \| \*\*fine\*\* \|", told, re.M)
    assert told.count("```mermaid") >= 5
    assert "version 1: " in told
    assert "version 2: " in told
    links = re.findall(r"\]\(#([^)]+)\)", told)
    assert links
    assert all(f'<a id="{link}"></a>' in told for link in links)


def test_what_is_compared_with_can_be_said(tmp_path: Path) -> None:
    """Nothing, another document, or the version before by itself; the first version has none."""
    for words, there in (
        (("chat", "--since", "none"), False),
        (("chat@1",), False),
        (("chat@1", "--since", "chat"), True),
    ):
        folder = tmp_path / "-".join(words)
        assert main(["docs", *words, "--markdown", str(folder)]) == 0
        assert (folder / "changes.md").exists() == there
    assert main(["docs", "chat", "--since", "chatt", "--markdown", str(tmp_path)]) == 2


FAILURE = {
    "id": "tokens/auth/wrong-key",
    "verdict": "fail",
    "rules": ["CHAT-AUTH-5", "GONE-1"],
    "message": "`error` has another code",
    "transcript": [
        {"at": 0, "client": "ana", "direction": ">", "text": "GET /v1/chat/soup"},
        {"at": 0.1, "client": "ana", "direction": "<", "text": "101"},
        {"at": 0.1, "client": "ana", "direction": ".", "text": "waits for <b>"},
        {"at": 0.2, "client": "ana", "direction": ">", "text": '{"type": "auth", "payload": {"token": "<token x>"}}'},
        {"at": 0.3, "client": "ana", "direction": "<", "text": '{"type": "error", "payload": {"code": "NO"}}'},
    ],
}


def test_failures_are_drawn(tmp_path: Path) -> None:
    """Of a saved failure and of a stream alike: who said what, and what is wrong with it."""
    saved, stream = tmp_path / "saved.json", tmp_path / "run.jsonl"
    saved.write_text(json.dumps({**FAILURE, "id": None, "case": {"id": FAILURE["id"]}}))
    passed = {"event": "case", "id": "x", "verdict": "pass", "transcript": []}
    stream.write_text("\n".join(map(json.dumps, ({"event": "header"}, passed, {"event": "case", **FAILURE}))))
    words = ["docs", "chat", "--since", "none", "--trace", str(saved), "--trace", str(stream)]

    assert main([*words, "--html", str(tmp_path / "x.html"), "--markdown", str(tmp_path)]) == 0
    told = (tmp_path / "failures.md").read_text()
    assert told.count("## tokens/auth/wrong-key") == 2
    assert "[CHAT-AUTH-5](rules.md#" in told
    assert "p1->>p2: auth token : token x" in told
    assert "Note over p1: waits for b" in told
    page = (tmp_path / "x.html").read_text()
    assert "<b>" not in page
    assert "✗ error has another code" in page


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no failure"),
        ("{", "line 1 is no JSON"),
        ('{"event": "header"}\nnonsense', "line 2 is no JSON"),
        ('{"transcript": [1, {}, {"text": 5}]}', None),
        ('{"transcript": {}}', "holds no failure"),
        ("[" * 9000, "line 1 is no JSON"),
    ],
)
def test_what_is_no_failure_is_told(
    text: str, says: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the exit code of a usage error."""
    file = tmp_path / "x.json"
    file.write_text(text)
    code = main(["docs", "chat", "--since", "none", "--trace", str(file), "--html", str(tmp_path / "x.html")])

    assert code == (2 if says else 0)
    assert says is None or says in capsys.readouterr().err
