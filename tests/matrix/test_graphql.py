"""Servers of graphql-transport-ws: the reference server conforms; of two that others wrote it is known what they break.

Without more, each is checked once, without drawn examples and without what differs from other cases by a value alone;
with `HANDFAST_MATRIX=all` whole, and three times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.extent import ALL
from tests.matrix.kit import ROOT, Checked, listening

_HERE = ROOT / "tests/foreign/graphql"
_SETTINGS = ("--set", "init_wait=700ms")
_SERVERS = {
    "reference": (sys.executable, "-m", "spec", "serve", "graphql-transport-ws"),
    "graphql_ws": ("node", str(_HERE / "server.mjs")),
    "strawberry": (sys.executable, "-m", "tests.foreign.graphql.server"),
}
_LESS = ("--examples", "0", "--skip", "messages/**/invalid/**", "--skip", "messages/text/**")
_EVERY = [pytest.param(name, marks=[pytest.mark.node] if "node" in words else []) for name, words in _SERVERS.items()]


@contextmanager
def _serving(server: str) -> Iterator[str]:
    with listening([*_SERVERS[server], "--port", "0", *_SETTINGS], dict(os.environ)) as url:
        yield url


def _check(url: str, folder: Path, *more: str) -> Checked:
    report = folder / "report.json"
    command = [sys.executable, "-m", "spec", "check", url, "--protocol", "graphql-transport-ws", *_SETTINGS]
    command += ["--report", f"json:{report}", "--failures", str(folder / "failures"), "--shrink", "0", *more]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    return Checked(done.returncode, json.loads(report.read_text()), done.stdout + done.stderr)


@pytest.mark.parametrize("server", _EVERY)
def test_what_each_server_breaks_is_known(server: str, tmp_path: Path) -> None:
    """The reference server breaks nothing; the others break what their baselines say, each of it, and nothing else."""
    known = _HERE / f"{server}.toml"
    more = [*(("--baseline", str(known)) if known.exists() else ()), *(() if ALL else _LESS)]
    with _serving(server) as url:
        for turn in range(3 if ALL else 1):
            folder = tmp_path / str(turn)
            folder.mkdir()
            checked = _check(url, folder, *more)

            assert checked.broken == {}, checked.output
            assert checked.report["coverage"]["rules"]["unreached"] == {}
            assert checked.code == 0, checked.output
