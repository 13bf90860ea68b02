"""The html report in a browser, from `file://`, with a thousand failures: nothing is loaded, and keys are enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.player import Entry
from conformance.reporting import KINDS
from conformance.verdicts import Result
from spec.tracker import Firing
from tests.browser.devtools import Tab, launched
from tests.unit_conformance.kit import finding, result, stream

pytestmark = pytest.mark.chromium

MANY = 1000
_READY = "() => document.readyState === 'complete' || new Promise((done) => addEventListener('load', () => done(true)))"
_LOADED = "() => performance.getEntriesByType('resource').map((entry) => entry.name)"
_SHOWN = "(selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility()).length"
_FOCUSED = "() => document.activeElement.closest('details')?.id ?? document.activeElement.id"
_WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_BEYOND = """(selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility())
  .filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.innerText).slice(0, 3)"""
_CUT = """() => [...document.querySelectorAll('#timers svg')].flatMap((svg) => {
  const box = svg.getBoundingClientRect();
  const labels = [...svg.querySelectorAll('text')].map((text) => [text.textContent, text.getBoundingClientRect()]);
  return labels.filter(([, at]) => at.left < box.left || at.right > box.right).map(([text]) => text);
})"""
_FRAME = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))))"
_REFUSED = """() => new Promise((resolve) => {
  document.addEventListener('securitypolicyviolation', (event) => resolve(event.violatedDirective));
  const script = document.createElement('script');
  script.textContent = 'document.title = "owned"';
  document.body.append(script);
})"""


def _failure(number: int, **more: Any) -> Result:
    return result("fail", f"timers/case-{number}", finding("late", f"CHAT-AUTH-{number % 7 + 1}"), **more)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report of many failures."""
    late = Firing("ana", "authenticating", "auth_deadline", 0.7, 0.695, 1.05, 1.4)
    early = Firing("ana", "connected.v2", "token_expiry", 0.7, 0.695, 1.05, 0.4999)
    lines = [
        Entry(n / 100, "ana" if n % 3 else "ben", "<>"[n % 2], f"line {n} of {'long words ' * n}") for n in range(9)
    ]
    cases = [_failure(n, firings=[late, early], transcript=lines) for n in range(MANY)]
    cases.append(result("pass", "opening/plain"))
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(KINDS["html"](stream(*cases)), errors="replace")
    return path.as_uri()


@pytest.fixture
def tab(chromium: str, page: str, tmp_path: Path) -> Iterator[Tab]:
    """The report in a tab."""
    with launched(chromium, tmp_path) as browser, browser.tabs(page) as [tab]:
        tab.evaluate(_READY)
        yield tab


def test_nothing_is_loaded_and_no_script_can_be_added(tab: Tab) -> None:
    """The page has what it needs, and its own policy refuses the rest."""
    assert tab.evaluate(_LOADED) == []
    assert tab.evaluate("() => document.querySelector('#theme').hidden") is False
    assert tab.evaluate("() => getComputedStyle(document.querySelector('.chip')).borderRadius") != "0px"
    assert str(tab.evaluate(_REFUSED)).startswith("script-src")
    assert tab.evaluate("() => document.title") == "chat 2: nonconformant"


def test_search_and_filter(tab: Tab) -> None:
    """Words find cases by anything that their rows and exchanges say; a verdict hides and shows its own."""
    assert tab.evaluate(_SHOWN, "#cases tbody tr") == MANY + 1
    tab.press("/")
    for key in "case-99":
        tab.press(key)
    tab.evaluate(_FRAME)

    assert tab.evaluate(_FOCUSED) == "search"
    assert tab.evaluate(_SHOWN, "#cases tbody tr") == 11
    assert tab.evaluate("() => document.querySelector('#found').value") == f"11 of {MANY + 1} cases"
    tab.press("Escape")
    tab.evaluate("() => document.querySelector('#counts [data-verdict=fail]').click()")
    assert tab.evaluate(_SHOWN, "#cases tbody tr") == 1
    assert tab.evaluate(_SHOWN, "details.case") == 0


def test_keys_walk_through_the_failures(tab: Tab) -> None:
    """Each is opened as it is reached, and the way back is the same."""
    ids = tab.evaluate("() => [...document.querySelectorAll('details.case')].map((one) => one.id)")
    for _ in range(6):
        tab.press("j")
    assert tab.evaluate(_FOCUSED) == ids[5]
    assert tab.evaluate("(id) => document.getElementById(id).checkVisibility()", ids[5])
    tab.press("k")
    assert tab.evaluate(_FOCUSED) == ids[4]


def test_a_link_to_a_case_opens_it(tab: Tab) -> None:
    """From the table of cases, wherever the case is folded away."""
    last = tab.evaluate("() => [...document.querySelectorAll('details.case')].at(-1).id")
    assert tab.evaluate(_SHOWN, f"#{last} .seq") == 0
    tab.evaluate(
        """(id) => new Promise((resolve) => {
          addEventListener('hashchange', () => resolve(true));
          document.querySelector(`a[href="#${id}"]`).click();
        })""",
        last,
    )
    assert tab.evaluate(_SHOWN, f"#{last} .seq") == 1


def test_dark_and_light(tab: Tab) -> None:
    """By a key too."""
    colours = []
    for _ in range(2):
        tab.press("t")
        colours.append(tab.evaluate("() => getComputedStyle(document.body).backgroundColor"))
    assert set(colours) == {"rgb(13, 17, 23)", "rgb(255, 255, 255)"}


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_the_page_is_as_wide_as_the_window(tab: Tab, width: int) -> None:
    """Wide content scrolls in its own box; what people read is in sight on a phone too."""
    tab.resize(width, 800)
    tab.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true; }")
    assert tab.evaluate(_WIDER) == 0
    if width < 640:
        assert tab.evaluate(_BEYOND, "#rules td, #rules th[scope=row], #cases td, #cases th[scope=row]") == []


def test_every_label_of_a_plot_is_in_it(tab: Tab) -> None:
    """Moments before a timer was due have a sign, and room for it."""
    assert tab.evaluate(_CUT) == []
    assert tab.evaluate("() => document.querySelectorAll('#timers .tick').length") > 1


def test_printing_shows_every_exchange(tab: Tab) -> None:
    """What was closed is closed again behind it."""
    opened = "() => document.querySelectorAll('details.case[open]').length"
    before = tab.evaluate(opened)
    tab.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate(opened) == MANY
    tab.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate(opened) == before
