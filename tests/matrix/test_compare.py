"""`handfast compare` as a user meets it: conformant servers do not differ, and of a faulty one it says what and why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from tests.extent import ALL
from tests.matrix.kit import AUDIENCE, ISSUER, PARAMETERS, REFERENCE, SECRET, serving

_FEW = () if ALL else ("--level", "smoke")
_NODE = pytest.mark.node


@frozen
class Ended:
    """What `handfast compare` said."""

    code: int
    report: Mapping[str, Any]
    said: str = field(repr=False)

    @property
    def blamed(self) -> set[tuple[str, str]]:
        """Every (side, rule) that was found broken, and ("open", what) where no rule decides."""
        found = {
            (side, rule)
            for group in self.report["differences"]
            for rule, known in group["rules"].items()
            for side in known["broken_by"]
        }
        return found | {("open", group["text"]) for group in self.report["differences"] if not group["culprits"]}


def compare(folder: Path, first: str, second: str, *more: str, rollout: str = "message") -> Ended:
    """`handfast compare` as a process of its own."""
    path = folder / "compared.json"
    settings = {**PARAMETERS, "rollout": rollout}
    command = [sys.executable, "-m", "spec", "compare", first, second, "--protocol", "chat"]
    command += ["--secret", "env:MATRIX_SECRET", "--issuer", ISSUER, "--audience", AUDIENCE]
    command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    done = subprocess.run(
        [*command, "--report", f"json:{path}", *more],
        cwd=folder,
        env={**os.environ, "MATRIX_SECRET": SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return Ended(done.returncode, json.loads(path.read_text()) if path.exists() else {}, said)


@pytest.mark.parametrize("other", [pytest.param("chat_ws", marks=_NODE), "chat_websockets", REFERENCE])
def test_conformant_servers_do_not_differ(other: str, tmp_path: Path) -> None:
    """One server and itself; of one in another language, only what it makes of what is no WebSocket is its own."""
    with serving(REFERENCE, "dual") as first, serving(other, "dual") as second:
        ended = compare(tmp_path, first, first if other == REFERENCE else second, *_FEW, rollout="dual")

    own = {case for group in ended.report["differences"] for case in group["cases"]}
    assert {side for side, _ in ended.blamed} <= {"open"}, ended.said
    assert not any(not case.startswith("hostile/") for case in own), ended.said
    assert bool(own) == (other != REFERENCE), ended.said
    assert ended.report["not_compared"] == {}, ended.said
    assert (ended.report["verdict"], ended.code) == (("different", 1) if own else ("same", 0)), ended.said


@pytest.mark.parametrize(
    ("fault", "rule", "cases"),
    [
        ("expired-as-invalid", "ALL-TOKEN-1", "tokens/auth/authenticating/*"),
        ("deadline-never", "CHAT-AUTH-4", "timers/authenticating/*"),
        ("reply-to-leaked", "CHAT-MSG-2", "rooms/*"),
        ("token-echoed", "ALL-LEAK-1", "tokens/auth/authenticating/*"),
    ],
)
def test_a_fault_is_the_faulty_servers(fault: str, rule: str, cases: str, tmp_path: Path) -> None:
    """The rule that it breaks decides, the other server is blamed for nothing, and no token is shown."""
    with serving("chat_websockets", "message", fault) as first, serving(REFERENCE, "message") as second:
        ended = compare(tmp_path, first, second, "--run", cases)

    assert ended.code == 1
    assert ("a", rule) in ended.blamed, ended.said
    assert {side for side, _ in ended.blamed} == {"a"}, ended.said
    assert "eyJ" not in ended.said + json.dumps(ended.report)
    assert f"A BREAKS {rule}" in ended.said


@_NODE
def test_two_faulty_servers(tmp_path: Path) -> None:
    """Each is blamed for what it breaks."""
    with (
        serving("chat_websockets", "message", "expiry-before-signature") as first,
        serving("chat_ws", "message", "sender-gets-no-copy") as second,
    ):
        ended = compare(tmp_path, first, second, "--run", "tokens/auth/authenticating/order-*", "--run", "rooms/*")

    assert {("a", "ALL-TOKEN-1"), ("b", "CHAT-MSG-2")} <= ended.blamed, ended.said
    assert ended.code == 1


def test_the_second_server_is_not_there(tmp_path: Path) -> None:
    """It is said which of the two cannot be reached."""
    with serving(REFERENCE, "message") as first:
        ended = compare(tmp_path, first, "ws://127.0.0.1:1")

    assert ended.code == 3
    assert ended.said.startswith("handfast: B: ws://127.0.0.1:1 cannot be reached: Connection refused")


def test_servers_of_different_stages(tmp_path: Path) -> None:
    """A stage that serves none of what was told stops the run; one that serves more breaks the told one's rules."""
    with (
        serving(REFERENCE, "message") as first,
        serving(REFERENCE, "legacy") as older,
        serving(REFERENCE, "dual") as both,
    ):
        stopped = compare(tmp_path, first, older)
        ended = compare(tmp_path, first, both, "--run", "opening/*")

    assert stopped.code == 3
    assert stopped.said.startswith(f"handfast: B: {older} is no server of chat")
    assert "tell its rollout stage" in stopped.said
    assert ended.code == 1
    assert ("b", "CHAT-OPEN-4") in ended.blamed
    assert {side for side, _ in ended.blamed} == {"b"}


def test_only_json_reports(tmp_path: Path) -> None:
    """A comparison has no stream of one run."""
    ended = compare(tmp_path, "ws://127.0.0.1:1", "ws://127.0.0.1:2", "--report", "jsonl:x")

    assert ended.code == 2
    assert "there is no report of kind `jsonl`" in ended.said
