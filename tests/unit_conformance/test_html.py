"""The html report as text: whole, escaped, and without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from attrs import evolve, field, frozen

from conformance.player import Entry
from conformance.reporting import KINDS
from conformance.reporting.html.elements import Markup, el, prose
from spec.tracker import Firing
from tests.unit_conformance.kit import finding, result, stream

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=a>\"'&\x00\ud800\u202eabc"
FIRINGS = [
    Firing("ana", "authenticating", "auth_deadline", 0.7, 0.695, 1.05, 0.71),
    Firing("ana", "authenticating", "auth_deadline", 0.7, 0.695, 1.05, None),
    Firing("ben", "connected.v2", "token_expiry", 0.2, 0.195, 0.6, 0.1),
]
WRONG = result("fail", "timers/auth_deadline", finding("late", "CHAT-AUTH-4"), firings=FIRINGS)
VOID = {"meta", "input", "br"}


@frozen
class Read:
    """What a page is made of: its elements with their attributes, and its text without styles and scripts."""

    elements: list[tuple[str, dict[str, str | None]]] = field(factory=list)
    text: list[str] = field(factory=list)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.read, self.open = Read(), [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), tag
        self.read.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] not in {"style", "script"}:
            self.read.text.append(data)


def read(text: str) -> Read:
    """A page taken apart; every element must be closed in its order."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == [""]
    return reader.read


def test_a_page_needs_nothing_from_elsewhere() -> None:
    """Links lead into it alone, nothing has a source, and its policy names its own style and script by their hashes."""
    text = KINDS["html"](stream(WRONG))
    page = read(text)

    for tag, attributes in page.elements:
        assert not {"src", "srcset", "style", "action"} & attributes.keys(), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("href") or "#").startswith("#")
    [policy] = [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy
        assert "http" not in content


def test_every_link_leads_somewhere() -> None:
    """Identifiers are there once, and there is one for every link."""
    page = read(KINDS["html"](stream(WRONG, result("pass", "opening/plain"))))
    ids = [one["id"] for _, one in page.elements if "id" in one]

    assert len(set(ids)) == len(ids)
    assert {f"#{name}" for name in ids} >= {one["href"] for one in page.all("a")}


def test_what_a_server_says_is_text() -> None:
    """In messages, exchanges, identifiers and URLs; signs that are none are shown as such."""
    spoilt = evolve(WRONG, message=HOSTILE, transcript=(Entry(0.0, HOSTILE, "<", HOSTILE),), known=HOSTILE)
    events = stream(
        spoilt, evolve(spoilt, verdict="known", case=evolve(spoilt.case, id=f"a/{HOSTILE}")), target=HOSTILE
    )
    text = KINDS["html"](events)
    page = read(text)

    assert len(page.all("script")) == 1
    assert page.all("img") == []
    for sign in "\x00\ud800\u202e":
        assert sign not in text
    assert any("</script><script>alert(1)" in one for one in page.text)


def test_what_is_shown_of_timers() -> None:
    """A plot for each timer: the window, a mark for each measurement, and a word where none came."""
    text = KINDS["html"](stream(WRONG))
    page = read(text)

    assert sum(one.get("class") == "window" for one in page.all("rect")) == 3
    assert sorted(str(one["class"]) for one in page.all("circle")) == ["bad", "ok"]
    assert "✕ none" in page.text
    assert any("2 measured, 1 outside" in one for one in page.text)


def test_what_is_shown_of_the_machine() -> None:
    """Every state, every move, and how many of the moves between two were reached."""
    events = stream(evolve(WRONG, transitions=frozenset({"/connection/states/authenticating/receive/auth/5"})))
    page = read(KINDS["html"](events))
    [chart] = [one for one in page.all("svg") if one.get("class") == "states"]

    assert "authenticating to connected.v2.fresh 1/1" in str(chart["aria-label"])
    for move in events[0]["machine"]["moves"]:
        assert move["pointer"] in page.text
    for state in events[0]["machine"]["states"]:
        assert state["path"].rpartition(".")[2] in page.text


@pytest.mark.parametrize("clients", [1, 2, 5, 9])
def test_an_exchange_has_a_lane_for_each_client(clients: int) -> None:
    """And one for the server; those beyond the fifth share one."""
    names = [f"client{number}" for number in range(clients)]
    exchange = [Entry(n / 10, name, ">", "said " + "more " * n) for n, name in enumerate(names)]
    page = read(KINDS["html"](stream(evolve(WRONG, transcript=exchange))))

    lanes = [one for one in page.all("b") if str(one.get("class")).startswith("h")]
    assert len(lanes) == min(clients, 5) + 1
    assert [one["class"] for one in page.all("s")] == [f"a{min(n, 5)}" for n in range(1, clients + 1)]


def test_a_run_that_was_cut_off_says_so() -> None:
    """At the top, and what stands in its stream is shown."""
    page = read(KINDS["html"](stream(WRONG, complete=False)))

    assert "Truncated: " in page.text
    assert "timers/auth_deadline" in page.text


def test_an_element_escapes_what_is_not_markup() -> None:
    """In content and in attributes, whatever they are."""
    assert prose("`a<b` is `late`, <i>") == "<code>a&lt;b</code> is <code>late</code>, &lt;i&gt;"
    assert el("b", "<i>", 1, None, [Markup("<u>")], class_='"', hidden=True, open=False) == (
        '<b class="&quot;" hidden>&lt;i&gt;1<u></b>'
    )
