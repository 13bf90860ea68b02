"""Headless Chromium over the DevTools protocol: tabs that are opened, read and typed into.

Waits are promises in the page, resolved by what happens there; nothing is polled.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

__all__ = ["PATIENCE", "Browser", "Tab", "launched"]

PATIENCE = 30.0
"""How many seconds a browser that says nothing is given before the test fails."""

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)

_LINES = """
(selector, count) => new Promise((resolve) => {
  const look = () => {
    const lines = [...document.querySelectorAll(selector)];
    if (lines.length < count) return;
    watch.disconnect();
    resolve(lines.map((line) => ({ ...line.dataset })));
  };
  const watch = new MutationObserver(look);
  watch.observe(document, { childList: true, subtree: true, attributes: true });
  look();
})
"""

_SAY = """
(text) => {
  const composer = document.getElementById('composer');
  composer.elements.content.value = text;
  composer.requestSubmit();
}
"""


class Browser:
    """A running browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._calls = 0

    @contextmanager
    def tabs(self, *addresses: str) -> Iterator[list[Tab]]:
        """Tabs on these addresses, which share one profile; it is gone with them."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        try:
            yield [self._open(address, context) for address in addresses]
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def _open(self, address: str, context: str) -> Tab:
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        tab.go(address)
        return tab

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Send a command and give back its result; what else the browser tells meanwhile is passed over."""
        self._calls += 1
        command = {"id": self._calls, "method": method, "params": parameters}
        self._connection.send(json.dumps(command if session is None else {**command, "sessionId": session}))
        while True:
            told = json.loads(self._connection.recv(timeout=PATIENCE))
            if told.get("id") == self._calls:
                assert "error" not in told, f"{method}: {told['error']}"
                return told["result"]


class Tab:
    """One tab with the chat page."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def go(self, address: str) -> None:
        """Navigate; returns once the new document is there."""
        told = self._call("Page.navigate", url=address)
        assert "errorText" not in told, told

    def lines(self, selector: str, count: int = 1) -> list[dict[str, str]]:
        """The `data-` attributes of the elements that match, once there are at least so many."""
        try:
            found = self.evaluate(_LINES, selector, count)
        except TimeoutError:
            raise AssertionError(f"{count} of `{selector}` awaited in vain; the page reads:\n{self.text()}") from None
        assert isinstance(found, list)
        return found

    def say(self, text: str) -> None:
        """Write into the composer and send."""
        self.evaluate(_SAY, text)

    def text(self) -> str:
        """What the page reads."""
        return str(self.evaluate("() => document.body.innerText"))

    def resize(self, width: int, height: int) -> None:
        """Give the page a size, in CSS pixels."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, scheme: str) -> None:
        """Have the reader prefer a colour scheme, `light` or `dark`."""
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key: str) -> None:
        """Press a key, whose name for a printable one is what it writes."""
        text = key if len(key) == 1 else ""
        self._call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def evaluate(self, function: str, *arguments: Any) -> Any:
        """What a function gives that is called in the page; of a promise, what it comes to."""
        expression = f"({function})(...{json.dumps(arguments)})"
        told = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def _call(self, method: str, **parameters: Any) -> Any:
        return self._browser.call(method, self._session, **parameters)


@contextmanager
def launched(executable: str, profile: Path) -> Iterator[Browser]:
    """Start Chromium with an empty profile in the given folder, and end it with the block."""
    command = [executable, *_FLAGS, f"--user-data-dir={profile}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = _address(process)
            # Nobody reads on: a full pipe would stop the browser.
            chatter = threading.Thread(target=process.communicate)
            chatter.start()
            with connect(address, max_size=None, compression=None, proxy=None) as connection:
                browser = Browser(connection)
                yield browser
                browser.call("Browser.close")
            chatter.join(PATIENCE)
        finally:
            process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    """Where Chromium says that it listens; one that hangs is killed, which ends its output."""
    assert process.stderr is not None
    patience = threading.Timer(PATIENCE, process.kill)
    patience.start()
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if line.startswith("DevTools listening on "):
                return line.removeprefix("DevTools listening on ").strip()
    finally:
        patience.cancel()
    raise AssertionError(f"Chromium did not start:\n{''.join(said)}")
