"""The reference server of chat, as the WebSocket of a real browser meets it.

The page was written from the protocol's prose and shares no code with the project; the server is a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.devtools import PATIENCE, Browser, Tab, launched
from tests.browser.site import SECRET, Site, site

pytestmark = pytest.mark.chromium

# Lines of the page.
OPENED = "[data-notice=open]"
CONNECTED = "[data-kind=update][data-own]"
SAID = "[data-kind=message]"
WARNED = "[data-notice=auth-required]"
REFUSED = "[data-kind=error]"
CLOSED = "[data-kind=closed]"


class Chat:
    """A running `handfast serve chat`."""

    def __init__(self, process: subprocess.Popen[str], journal: Path) -> None:
        assert process.stdout is not None
        self.process = process
        self.journal = journal
        self.url = process.stdout.readline().removeprefix("listening on ").strip()
        assert self.url.startswith("ws://127.0.0.1:"), journal.read_text()

    def stop(self) -> int:
        """Ask the server to end; gives back its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def events(self, name: str) -> list[dict[str, Any]]:
        """What the log has of this event; a server that has ended has written all of it."""
        log = [json.loads(line) for line in self.journal.read_text().splitlines()]
        return [event for event in log if event["event"] == name]


@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests; each has a profile of its own in it."""
    with launched(chromium, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def pages() -> Iterator[Site]:
    """The site of the page."""
    with site() as pages:
        yield pages


@pytest.fixture
def chat(tmp_path: Path, pages: Site) -> Iterator[Chat]:
    """The server, for pages of the site only; it asks for a new token two seconds before one expires."""
    command = [str(Path(sysconfig.get_path("scripts"), "handfast")), "serve", "chat", "--port", "0", "--log", "json"]
    command += ["--secret", "env:CHAT_SECRET", "--set", f"origins={pages.origin}", "--set", "reauth_lead=2s"]
    environment = {**os.environ, "CHAT_SECRET": SECRET}
    journal = tmp_path / "chat.jsonl"
    with (
        journal.open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        # A server that hangs is killed, which ends what the test waits for.
        patience = threading.Timer(3 * PATIENCE, process.kill)
        patience.start()
        try:
            yield Chat(process, journal)
        finally:
            patience.cancel()
            process.kill()


def closed(tab: Tab) -> dict[str, str]:
    """How the page's connection ended, once it has."""
    [line] = tab.lines(CLOSED)
    return {name: line[name] for name in ("code", "reason", "wasClean")}


def said(tab: Tab, count: int) -> list[tuple[str, str, bool]]:
    """Who said what, and whether the page knows it for its own, once so much has been said."""
    return [(line["from"], line["content"], "own" in line) for line in tab.lines(SAID, count)]


def test_a_page_opens_and_authenticates(browser: Browser, pages: Site, chat: Chat) -> None:
    """The browser gets the subprotocol that it asked for, and the page its recipe in answer to its token."""
    pages.grant("ana")
    with browser.tabs(pages.page(chat.url, "ana", recipe="Crème brûlée/50 %")) as [tab]:
        [opened], [connected] = tab.lines(OPENED), tab.lines(CONNECTED)

    assert opened["protocol"] == "chat.v2"
    assert connected["recipe"] == "Crème brûlée/50 %"


def test_two_tabs_chat(browser: Browser, pages: Site, chat: Chat) -> None:
    """What one says, both get once and in order; only the sender's copy answers what it sent."""
    pages.grant("ana")
    pages.grant("bob")
    with browser.tabs(pages.page(chat.url, "ana"), pages.page(chat.url, "bob")) as [ana, bob]:
        ana.lines(CONNECTED)
        bob.lines(CONNECTED)
        ana.say("More salt, <b>please</b> 🧂")
        said(bob, 1)
        bob.say("Voilà.")
        bob.say("And pepper?")

        heard = said(ana, 3), said(bob, 3)

    talk = [("ana", "More salt, <b>please</b> 🧂"), ("bob", "Voilà."), ("bob", "And pepper?")]
    assert heard == tuple([(who, what, who == user) for who, what in talk] for user in ("ana", "bob"))


def test_a_new_token_in_time_keeps_the_connection(browser: Browser, pages: Site, chat: Chat) -> None:
    """Who brings a new token when asked chats on past the old one's end; who does not is closed, and told why."""
    pages.grant("ana", life=3.0)
    pages.grant("ana")
    pages.grant("bob", life=3.5)
    with browser.tabs(pages.page(chat.url, "ana"), pages.page(chat.url, "bob")) as [ana, bob]:
        [warned] = ana.lines(WARNED)
        renewed = ana.lines(CONNECTED, 2)
        [refused] = bob.lines(REFUSED)
        ending = closed(bob)
        ana.say("Still here.")
        heard = said(ana, 1)
        warnings = len(ana.lines(WARNED)), len(bob.lines(WARNED))

    assert warned["reason"] == "token_expiring"
    assert len(renewed) == 2
    assert refused["code"] == "REAUTH_TIMEOUT"
    assert refused["retryable"] == "true"
    assert ending == {"code": "1008", "reason": "REAUTH_TIMEOUT", "wasClean": "true"}
    assert heard == [("ana", "Still here.", True)]
    assert warnings == (1, 1)


def test_a_forged_token_is_told_and_closed_cleanly(browser: Browser, pages: Site, chat: Chat) -> None:
    """The page sees the error first, then a close with 1008 whose reason is the error's code."""
    pages.grant("eve", secret="not what the site and the chat share, but as long")
    with browser.tabs(pages.page(chat.url, "eve")) as [tab]:
        ending = closed(tab)
        order = [line["kind"] for line in tab.lines("#log li")]
        [refused] = tab.lines(REFUSED)

    assert ending == {"code": "1008", "reason": "TOKEN_INVALID", "wasClean": "true"}
    assert order == ["notice", "error", "closed"]
    assert (refused["code"], refused["retryable"]) == ("TOKEN_INVALID", "false")


def test_a_page_of_another_origin_is_refused(browser: Browser, pages: Site, chat: Chat) -> None:
    """The browser names the page's origin, which the server does not allow; the page learns only that it failed."""
    with browser.tabs(pages.page(chat.url, "ana", origin=pages.other_origin)) as [tab]:
        ending = closed(tab)
        order = [line["kind"] for line in tab.lines("#log li")]

    assert ending == {"code": "1006", "reason": "", "wasClean": "false"}
    assert order == ["closed"]
    assert chat.stop() == 0
    [refused] = chat.events("connection.refused")
    assert (refused["status"], refused["code"]) == (403, "ORIGIN_FORBIDDEN")


def test_a_shutdown_reaches_the_page(browser: Browser, pages: Site, chat: Chat) -> None:
    """The page sees a clean close with 1001, and the server ends without being made to."""
    pages.grant("ana")
    with browser.tabs(pages.page(chat.url, "ana")) as [tab]:
        tab.lines(CONNECTED)
        code = chat.stop()
        ending = closed(tab)

    assert (ending["code"], ending["wasClean"]) == ("1001", "true")
    assert code == 0
