"""Three tabs of a real browser on one connection of hub: the browser's own `@microsoft/signalr` in a SharedWorker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from tests.browser.devtools import Tab, launched
from tests.browser.front import front

pytestmark = [pytest.mark.chromium, pytest.mark.node]

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-the-tabs-that-is-long-enough"
_HUB = Path(__file__).parent / "hub"
_FILES = {
    **{path.name: path for path in _HUB.iterdir()},
    "signalr.js": ROOT / "tests/node_modules/@microsoft/signalr/dist/webworker/signalr.min.js",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Where a hub listens, and its log."""
    journal = tmp_path / "hub.jsonl"
    command = [sys.executable, "-m", "spec", "serve", "hub", "--port", "0", "--secret", "env:TABS_SECRET"]
    with (
        journal.open("w") as log,
        subprocess.Popen(
            [*command, "--log", "json"],
            cwd=ROOT,
            env={**os.environ, "TABS_SECRET": SECRET},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            yield process.stdout.readline().removeprefix("listening on ws://").strip(), journal
        finally:
            process.terminate()


def _value(line: dict[str, str]) -> Any:
    return json.loads(line["value"])


def _told(tab: Tab, kind: str, count: int) -> list[Any]:
    return [_value(line) for line in tab.lines(f"[data-kind={kind}]", count)]


def test_three_tabs_share_one_connection(chromium: str, server: tuple[str, Path], tmp_path: Path) -> None:
    """Each registers itself, all see the same record, and what one sends comes to every tab through the one socket."""
    address, journal = server
    token = jwt.encode({"sub": "ann", "exp": time.time() + 600}, SECRET, "HS256")
    with front(_FILES, address, "/hub") as origin, launched(chromium, tmp_path / "profile") as browser:
        pages = [f"{origin}/?{urlencode({'token': token, 'tab': name})}" for name in ("one", "two", "three")]
        with browser.tabs(*pages) as tabs:
            records = [_told(tab, "RegisterTab", 1)[0] for tab in tabs]
            last = max(records, key=lambda record: len(record["subscribedTabs"]))
            tabs[2].evaluate("(hub) => window.invoke('JoinHub', hub)", "news")
            joined = _told(tabs[2], "JoinHub", 1)[0]
            tabs[0].evaluate("(hub, data) => window.invoke('Send', hub, data)", "news", {"n": 1})
            received = [_told(tab, "Receive", 1)[0] for tab in tabs]

    opened = [line for line in journal.read_text().splitlines() if '"connection.opened"' in line]
    assert len({record["connectionId"] for record in records}) == 1
    assert sorted(last["subscribedTabs"]) == ["one", "three", "two"]
    assert last["primaryTabId"] == last["subscribedTabs"][0]
    assert joined["activeHubs"] == ["news"]
    assert received == [{"hub": "news", "data": {"n": 1}, "from": "ann"}] * 3
    assert len(opened) == 1
