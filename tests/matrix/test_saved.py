"""A failure through its life: drawn long, found, shrunk, saved, replayed, played first, mended, and told as fixed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from conformance.scripts import Case, Close, Open, Ping, Send, Settle, Step, case_from_data, case_to_data, extent, token
from tests.matrix.kit import AUDIENCE, ISSUER, ROOT, SECRET, check, serving

NAME = "properties/drawn"


def _enters(client: str, room: str = "a") -> tuple[Step, ...]:
    auth = Send(client, "auth", {"token": token("valid", client)})
    return Open(client, room=room, offer=("chat.v2",)), Settle(), auth, Settle()


def _says(client: str, text: str, **more: Any) -> tuple[Step, ...]:
    return Send(client, "chat_message", {"content": text}, **more), Settle()


# The server trims what members say; only cat says something that this changes.
DRAWN = (
    *(step for client in ("ana", "ben", "cat") for step in _enters(client)),
    *_enters("dan", room="b"),
    *(step for number in range(4) for step in _says("ana", f"word {number}")),
    Ping("ben", "data"),
    *_says("ben", "in pieces", fragments=3),
    *_says("dan", "elsewhere", change={"/handfast": [1, 2]}),
    Close("ben"),
    Settle(),
    *_says("cat", " and this is what matters of it all"),
    *(step for number in range(8) for step in _says("ana", f"more {number}")),
)


def _saved(folder: Path) -> Path:
    """What an earlier run would have saved had it not shrunk it."""
    path = folder / "failures" / "properties-drawn.json"
    path.parent.mkdir()
    content = {
        "format": 1,
        "protocol": "chat",
        "version": 2,
        "document": "of another day",
        "target": "ws://127.0.0.1:1",
        "parameters": {},
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "case": case_to_data(Case(NAME, "properties", ("CHAT-MSG-2",), DRAWN)),
        "rules": ["CHAT-MSG-2"],
        "message": "",
        "checks": [],
    }
    path.write_text(json.dumps(content))
    return path


def _replay(path: Path, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spec", "replay", str(path), "--url", url, "--secret", "env:MATRIX_SECRET"]
    environment = {**os.environ, "MATRIX_SECRET": SECRET}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_drawn_failure_shrinks_and_is_remembered(tmp_path: Path) -> None:
    """25 steps of four clients become a handful of one, in a file that plays until its fault is mended and after."""
    assert str(extent(DRAWN)) == "25 steps of 4 clients"
    path = _saved(tmp_path)
    (path.parent / "broken.json").write_text("{")
    with serving("chat_websockets", "message", "content-trimmed") as url:
        found = check(url, "message", tmp_path, "--run", "saved")
        small = json.loads(path.read_text())
        replayed = _replay(path, url)
        before = path.read_bytes()
        again = check(url, "message", tmp_path, "--run", "saved", "--run", "opening")

    assert found.code == 1, found.output
    assert found.broken == {"saved/properties-drawn": ("CHAT-MSG-2",)}
    assert "shrunk to 3 steps of 1 client, from 25 steps of 4 clients; played again alone" in found.output
    assert "left out" in found.output
    assert "broken.json is no failure file" in found.output
    script = case_from_data(small["case"])
    assert (script.id, str(extent(script.steps))) == (NAME, "3 steps of 1 client")
    assert small["shrunk_from"] == {"steps": 25, "clients": 4}
    assert len(small["transcript"]) < 10
    assert SECRET not in path.read_text()
    assert '{"$token": {"recipe": "valid", "subject": "cat"}}' in json.dumps(small["case"])

    assert replayed.returncode == 1, replayed.stdout + replayed.stderr
    assert "replay: failed" in replayed.stdout
    assert again.broken == {"saved/properties-drawn": ("CHAT-MSG-2",)}
    assert path.read_bytes() == before, "a failure that fails as before leaves its file as it is"

    with serving("chat_websockets", "message") as url:
        mended = check(url, "message", tmp_path, "--run", "saved")
        replayed = _replay(path, url)

    assert mended.code == 0, mended.output
    assert "fixed: 1 of 1 saved failures: saved/properties-drawn" in mended.output
    assert path.read_bytes() == before
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "replay: fixed" in replayed.stdout
