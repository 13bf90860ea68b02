"""The inspector in a real browser: behind its password, from the first connection to a closed one, at every width.

The server is a process of its own, with two protocols; the clients that the page drives are the server's own.
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.devtools import PATIENCE, Browser, Tab, launched
from tests.browser.site import SECRET

pytestmark = pytest.mark.chromium

PASSWORD = "correct horse battery staple"

_FILL = """(id, value) => {
  const field = document.getElementById(id);
  field.value = value;
  field.dispatchEvent(new Event('change', { bubbles: true }));
}"""
_SUBMIT = "(id) => document.getElementById(id).requestSubmit()"
_LIGHT = "() => document.getElementById('light').textContent"
_VALUE = "(id) => document.getElementById(id).value"
_UNLABELLED = """() => [...document.querySelectorAll('input, select, textarea, progress')]
  .filter((one) => !one.labels.length && !one.hasAttribute('aria-label')).map((one) => one.outerHTML)"""
_WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_LOADED = "() => performance.getEntriesByType('resource').map((entry) => new URL(entry.name).origin)"
_REFUSED = """() => new Promise((resolve) => {
  document.addEventListener('securitypolicyviolation', (event) => resolve(event.violatedDirective));
  const style = document.createElement('style');
  style.textContent = 'body { display: none }';
  document.body.append(style);
})"""
_HIJACK = """(url) => new Promise((resolve) => {
  const socket = new WebSocket(url);
  socket.onopen = () => resolve('open');
  socket.onerror = () => resolve('refused');
})"""
_CONTRAST = """() => {
  const channels = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).map(Number);
  const bright = (colour) => channels(colour).map((one) => one / 255)
    .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
  const [ink, ground] = ['color', 'background-color']
    .map((name) => bright(getComputedStyle(document.body).getPropertyValue(name)));
  return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the inspector of a running server."""
    command = [str(Path(sysconfig.get_path("scripts"), "handfast")), "serve", "chat", "tabs=/tabs", "--port", "0"]
    command += ["--secret", "env:CHAT_SECRET", "--with", "service_token=env:CHAT_SECRET", "--set", "auth_deadline=60s"]
    command += ["--inspect", "--inspect-password", "env:INSPECT_PASSWORD"]
    environment = {**os.environ, "CHAT_SECRET": SECRET, "INSPECT_PASSWORD": PASSWORD}
    journal = tmp_path_factory.mktemp("inspected") / "log"
    with (
        journal.open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        # A server that hangs is killed, which ends what the test waits for.
        patience = threading.Timer(6 * PATIENCE, process.kill)
        patience.start()
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.stdout.readline().removeprefix("inspect at ").strip()
        finally:
            patience.cancel()
            process.kill()
    told = journal.read_text()
    assert "eyJ" not in told
    assert PASSWORD not in told


@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with launched(chromium, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def sign_in(tab: Tab) -> None:
    tab.lines("#password:not([hidden])")
    tab.evaluate(_FILL, "given", PASSWORD)
    tab.evaluate(_SUBMIT, "password")
    tab.lines("#link[data-light=green]")
    tab.lines("#protocol option", 2)


def send(tab: Tab, message: str) -> None:
    """Send the example of a message as the chosen client."""
    tab.evaluate(_FILL, "message", message)
    tab.evaluate(_SUBMIT, "send")


def test_a_client_from_its_connection_to_its_end(browser: Browser, page: str) -> None:
    """The light goes from red over yellow to green and back, with its words; state, timers and trace say why."""
    with browser.tabs(page) as [tab]:
        sign_in(tab)
        tab.lines("#light[data-light=red]")
        assert tab.evaluate(_LIGHT) == "no client"

        tab.evaluate(_SUBMIT, "connect")
        tab.lines("#light[data-light=yellow]")
        tab.lines("#now-in[data-state=authenticating]")
        tab.lines("#timers [data-timer=auth_deadline]")
        assert "auth_deadline" in tab.evaluate(_LIGHT)

        tab.evaluate(_SUBMIT, "mint")
        tab.lines("#token[data-held=true]")
        send(tab, "auth")
        tab.lines("#light[data-light=green]")
        tab.lines("#now-in[data-state='connected.v2.fresh']")
        assert tab.evaluate(_LIGHT) == "green: client 1, open"
        assert '"$token"' in tab.evaluate(_VALUE, "body")

        tab.evaluate(_FILL, "body", '{"type": ')
        tab.evaluate(_SUBMIT, "send")
        tab.lines("#body[aria-invalid=true]")
        send(tab, "chat_message")
        tab.lines("#trace [data-kind=in][data-name=chat_message][data-client='1']")
        tab.lines("#trace [data-kind=out][data-name=chat_message][data-client='1']")
        assert "eyJ" not in tab.text()

        tab.evaluate("() => document.getElementById('disconnect').click()")
        tab.lines("#light[data-light=red]")
        assert "closed with 1000" in tab.evaluate(_LIGHT)


def test_updates_leave_the_reader_where_they_are(browser: Browser, page: str) -> None:
    """Whoever has moved into a table by keyboard is still there when the table has changed."""
    with browser.tabs(page) as [tab]:
        sign_in(tab)
        tab.evaluate(_SUBMIT, "connect")
        tab.lines("#world [aria-label=Connections] tbody tr")
        tab.evaluate("() => document.querySelector('#world [aria-label=Connections]').focus()")
        tab.evaluate(_SUBMIT, "connect")
        tab.lines("#world .scroll[aria-label=Connections] tbody tr", 2)
        assert tab.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Connections"


def test_tabs_of_a_session_and_who_leads(browser: Browser, page: str) -> None:
    """Another protocol of the same port, over Socket.IO; two clients on one page, and a post that puts both out."""
    with browser.tabs(page) as [tab]:
        sign_in(tab)
        tab.evaluate(_FILL, "protocol", "1")
        tab.evaluate(_SUBMIT, "mint")
        tab.lines("#token[data-held=true]")
        for count in (1, 2):
            tab.evaluate(_SUBMIT, "connect")
            tab.lines("#clients .client", count)
            tab.lines(f"#trace [data-kind=out][data-name=open][data-client='{count}']")
            send(tab, "connect")
            tab.lines(f"#trace [data-kind=out][data-name=ROOMS_JOINED][data-client='{count}']")
            tab.lines("#light[data-light=green]")
        assert "leader: 1, term 1" in tab.text()

        tab.evaluate(_SUBMIT, "call")
        tab.lines("#answered[data-status='200']")
        tab.lines("#clients .light[data-light=red]", 2)


def test_the_page_is_for_everybody_and_for_nobody_else(browser: Browser, page: str) -> None:
    """Every field has a label, nothing is wider than a phone, text is told from its ground by day and by night."""
    foreign = page.replace("127.0.0.1", "localhost")
    with browser.tabs(page, foreign) as [tab, other]:
        sign_in(tab)
        tab.evaluate(_SUBMIT, "connect")
        tab.lines("#timers progress")
        assert tab.evaluate(_UNLABELLED) == []
        for width in (320, 390, 800, 1500):
            tab.resize(width, 800)
            assert tab.evaluate(_WIDER) <= 0, width
        for scheme in ("light", "dark"):
            tab.prefer(scheme)
            assert tab.evaluate(_CONTRAST) > 7
        assert set(tab.evaluate(_LOADED)) == {page.removesuffix("/_inspect/")}
        assert tab.evaluate(_REFUSED).startswith("style-src")
        other.lines("#password:not([hidden])")
        other.go("data:text/html,<title>elsewhere</title>")
        assert other.evaluate(_HIJACK, page.replace("http", "ws") + "socket") == "refused"
