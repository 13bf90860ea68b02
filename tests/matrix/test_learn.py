"""`handfast learn` as a user meets it: conformant servers are the document's machine, others are shown as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import field, frozen

from tests.extent import ALL
from tests.matrix.kit import AUDIENCE, ISSUER, PARAMETERS, REFERENCE, SECRET, serving

_NODE = pytest.mark.node


@frozen
class Ended:
    """What `handfast learn` said."""

    code: int
    report: Mapping[str, Any]
    said: str = field(repr=False)


def learn(folder: Path, url: str, *more: str, rollout: str = "message") -> Ended:
    """`handfast learn` as a process of its own."""
    path = folder / "learned.json"
    settings = {**PARAMETERS, "rollout": rollout}
    command = [sys.executable, "-m", "spec", "learn", url, "--protocol", "chat"]
    command += ["--secret", "env:MATRIX_SECRET", "--issuer", ISSUER, "--audience", AUDIENCE]
    command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    done = subprocess.run(
        [*command, "--report", f"json:{path}", *more],
        cwd=folder,
        env={**os.environ, "MATRIX_SECRET": SECRET, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return Ended(done.returncode, json.loads(path.read_text()) if path.exists() else {}, said)


_SERVERS = (REFERENCE, "chat_websockets", pytest.param("chat_ws", marks=_NODE))
_CHOSEN = [("dual", "--timers"), ("message", "--no-timers"), ("legacy", "--no-timers")]


@pytest.mark.parametrize(("rollout", "timers"), _CHOSEN if not ALL else [(stage, "--timers") for stage, _ in _CHOSEN])
@pytest.mark.parametrize("server", _SERVERS if ALL else _SERVERS[:1])
def test_a_conformant_server_is_the_documents_machine(server: str, rollout: str, timers: str, tmp_path: Path) -> None:
    """In every stage, with what its timers do and without."""
    with serving(server, rollout) as url:
        ended = learn(tmp_path, url, timers, rollout=rollout)

    assert (ended.report["verdict"], ended.code) == ("equivalent", 0), ended.said
    assert ended.report["states"]["server"] == ended.report["states"]["document"]
    assert bool(ended.report["assumed"]) <= (timers == "--timers")
    assert any(told.startswith("waiting:") for told in ended.report["left_out"]) == (timers == "--no-timers")


_FAULTS = [
    ("bad-auth-stays-open", "--no-timers", "malformed", ["error MESSAGE_INVALID"], "CHAT-AUTH-3"),
    ("broadcast-before-auth", "--no-timers", "hear chat_message", ["chat_message"], "CHAT-MSG-9"),
    ("deadline-never", "--timers", "wait", [], "CHAT-AUTH-4"),
]


@pytest.mark.parametrize(("fault", "timers", "last", "said", "rule"), _FAULTS if ALL else _FAULTS[:1])
def test_a_fault_is_shown_by_the_shortest_exchange(
    fault: str, timers: str, last: str, said: list[str], rule: str, tmp_path: Path
) -> None:
    """What is asked last, what the server says to it, and the rule of what the document says; in the diagrams too."""
    with serving("chat_websockets", "message", fault) as url:
        mermaid, dot = tmp_path / "both.mmd", tmp_path / "both.dot"
        ended = learn(tmp_path, url, timers, "--report", f"mermaid:{mermaid}", "--report", f"dot:{dot}")

    assert (ended.report["verdict"], ended.code) == ("different", 1), ended.said
    steps = ended.report["trace"]["steps"]
    assert [step["input"].partition("(")[0] for step in steps] == ["open", last]
    assert steps[-1]["server"] == said, ended.said
    assert rule in ended.report["trace"]["rules"]
    assert f"{rule} MUST" in ended.said
    assert "≠" in mermaid.read_text()
    assert "color=red" in dot.read_text()
    assert "eyJ" not in ended.said + json.dumps(ended.report)


@contextmanager
def taking_turns(*urls: str) -> Iterator[str]:
    """A balancer that gives every connection to the next of several servers; gives its URL."""
    started, ready = threading.Event(), []
    ports = [int(url.rpartition(":")[2].rstrip("/")) for url in urls]

    async def relay(source: trio.abc.Stream, sink: trio.abc.Stream, scope: trio.CancelScope) -> None:
        try:
            async for data in source:
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()

    turn = iter(range(10**9))

    async def serve(client: trio.SocketStream) -> None:
        server = await trio.open_tcp_stream("127.0.0.1", ports[next(turn) % len(ports)])
        async with server, trio.open_nursery() as nursery:
            nursery.start_soon(relay, client, server, nursery.cancel_scope)
            nursery.start_soon(relay, server, client, nursery.cancel_scope)

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
                ready.extend([listener.socket.getsockname()[1], trio.lowlevel.current_trio_token(), scope])
                started.set()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    started.wait()
    try:
        yield f"ws://127.0.0.1:{ready[0]}"
    finally:
        ready[1].run_sync_soon(ready[2].cancel)
        thread.join()


def test_a_server_that_answers_in_two_ways(tmp_path: Path) -> None:
    """Two versions behind one address are no machine; the exchange that they answer differently is shown."""
    with (
        serving(REFERENCE, "message") as one,
        serving("chat_websockets", "message", "bad-auth-stays-open") as other,
        taking_turns(one, other) as url,
    ):
        ended = learn(tmp_path, url, "--no-timers", "--set", "auth_rate=100000/60s")

    assert (ended.report["verdict"], ended.code) == ("contradictory", 1), ended.said
    assert "the server answered the same exchange in two ways:" in ended.said
    first, second = ended.report["contradiction"]["answers"]
    assert first != second
    assert first[:-1] == second[: len(first) - 1]


def test_without_a_key(tmp_path: Path) -> None:
    """Tokens of many kinds are needed, and it is said how they can be had."""
    words = ("learn", "ws://127.0.0.1:1", "--protocol", "chat")
    done = subprocess.run(
        [sys.executable, "-m", "spec", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith("handfast: learning takes tokens of many kinds\n  give the key that mints them")
