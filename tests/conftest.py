"""What tests of every kind share: the markers of tools that a machine may lack.

A test says what it needs with `@pytest.mark.node` or `@pytest.mark.chromium`. Where the tool is missing the test is
skipped, but fails when the environment has `CI=true`, so that a run that must be complete cannot be quietly less.
A marked test may take the fixture of the same name: the path of the executable.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


def _find_chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def _lacks_node() -> str | None:
    if shutil.which("node") is None:
        return "Node.js is not installed"
    needed = json.loads((TESTS / "package.json").read_text(encoding="utf-8"))["dependencies"]
    missing = [name for name in needed if not (TESTS / "node_modules" / name).is_dir()]
    return f"`npm install` has not been run in tests/: no {', '.join(missing)}" if missing else None


def _lacks_chromium() -> str | None:
    return None if _find_chromium() else "Chromium is not installed"


LACKS: Mapping[str, Callable[[], str | None]] = {"node": _lacks_node, "chromium": _lacks_chromium}
"""What a machine lacks for each marker, in words; None where it lacks nothing."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture is set up, see that the tools of the test's markers are there."""
    for marker, lacks in LACKS.items():
        if item.get_closest_marker(marker) and (why := lacks()):
            if os.environ.get("CI") == "true":
                pytest.fail(f"{why}, and with CI=true nothing is skipped", pytrace=False)
            pytest.skip(why)


@pytest.fixture(scope="session")
def node() -> str:
    """The executable of Node.js."""
    path = shutil.which("node")
    assert path is not None, "mark the test with `node`"
    return path


@pytest.fixture(scope="session")
def chromium() -> str:
    """The executable of Chromium."""
    path = _find_chromium()
    assert path is not None, "mark the test with `chromium`"
    return path


def pytest_configure() -> None:
    """Let children hear interrupts."""
    # What a shell runs in its background is deaf to interrupts, and so are its children: some tests interrupt theirs.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
