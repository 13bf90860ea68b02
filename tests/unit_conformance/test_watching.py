"""Watching: what makes the suite run again, and what it says of what changed; clocks and connections are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import evolve

from conformance.reporting.run import Run, read_run
from conformance.trends import trend
from conformance.verdicts import Result
from conformance.watching import Connect, Presence, Round, Seen, seen, told, until_something, watch
from conformance.wire import Endpoint, Unreachable
from spec.exits import Exit
from tests.unit_conformance.kit import finding, result, stream

FILE = Path("chat.yaml")
HERE: Seen = {FILE: (1, 100)}
WRONG = result("fail", "tokens/auth/wrong-key", finding("code", "CHAT-AUTH-5"))
Script = list[float | None]


def server(script: Script) -> Connect:
    """A server that ends connections after so many seconds, one after another; None is a refusal, the last goes on."""
    ahead = iter(script)

    async def connect() -> trio.abc.Stream:
        lasts = next(ahead, 1e9)
        if lasts is None:
            raise Unreachable("refused")
        ours, theirs = trio.testing.memory_stream_pair()
        trio.lowlevel.spawn_system_task(_end, theirs, lasts)
        return ours

    return connect


async def _end(stream: trio.abc.Stream, after: float) -> None:
    await trio.sleep(after)
    await stream.aclose()


def waited(
    connect: Connect, presence: Presence | None = None, look: Callable[[], Seen] = lambda: HERE, most: float = 1000
) -> tuple[str | None, float]:
    """Why a wait ended, and after how many seconds; None where it had not ended when they were over."""

    async def main() -> tuple[str | None, float]:
        began = trio.current_time()
        with trio.move_on_after(most):
            why = await until_something(connect, presence or Presence(), HERE, look)
            return why, trio.current_time() - began
        return None, most

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize(
    ("script", "again"),
    [
        ([], None),
        ([None, None, None], True),  # It was down, and is there again.
        ([10.0, None, None], True),  # It ended a connection, was down, and is there again.
        ([10.0], True),  # It ended a connection, and took the next at once: a supervisor was quick.
        ([None] * 10_000, None),  # It is down, and stays so.
    ],
)
def test_when_a_server_was_started_anew(script: Script, again: bool | None) -> None:
    """Seen by connections alone."""
    why, _ = waited(server(script))

    assert (why is not None) is bool(again)
    assert why in (None, "the server was started anew")


def test_a_server_that_lets_nobody_be_idle_is_learned() -> None:
    """Its connections end at the same age each time: that costs one run, and no second one."""
    presence = Presence()

    assert waited(server([30.0]), presence)[0] is not None
    assert waited(server([30.1, 29.9, 30.0, 30.2]), presence)[0] is None
    # One that ends early is news again.
    assert waited(server([30.0, 3.0]), presence)[0] is not None


def test_a_file_that_changes_and_one_that_goes(tmp_path: Path) -> None:
    """The wait ends once it is left alone; a file that was not there and comes is a change too."""
    moments = iter([HERE, HERE, {FILE: (2, 0)}, {FILE: (3, 90)}, {FILE: (4, 120)}])
    why, after = waited(server([]), look=lambda: next(moments, {FILE: (4, 120)}))

    assert why == "chat.yaml changed"
    assert 1.0 <= after < 2.0
    path = tmp_path / "one"
    assert seen([path]) == {path: None}
    path.write_text("text")
    assert seen([path]) != {path: None}
    assert waited(server([]), look=dict)[0] == "chat.yaml changed"


# ------------------------------------------------------------------------------------------------ what is said


def run(*results: Result) -> Run:
    events = stream(*results)
    events[-1]["coverage"]["rules"]["unreached"] = {}
    return read_run(events)


def test_what_changed_since_the_last_run() -> None:
    """New failures with what was found, what is fixed, what is not played any more, and how many fail as before."""
    old = evolve(WRONG, case=evolve(WRONG.case, id="rooms/old"))
    gone = evolve(WRONG, case=evolve(WRONG.case, id="rooms/gone"))
    new = result("warn", "limits/new", finding("late", "CHAT-AUTH-8"))
    before, after = run(WRONG, old, gone), run(WRONG, evolve(old, verdict="pass"), new)

    lines = told(trend(before, after)).splitlines()

    assert lines[0] == "since the last run: 1 new failure, 1 fixed, 1 no longer played, 1 failing as before"
    assert lines[1] == "  new    CHAT-AUTH-8 limits/new: a late that is wrong"
    assert lines[2] == "  fixed  CHAT-AUTH-5 rooms/old"
    assert lines[3] == "  gone   CHAT-AUTH-5 rooms/gone"
    assert "  worse  CHAT-AUTH-8: not shown → warns" in lines
    assert told(trend(after, after)) == "since the last run: nothing changed; 2 cases still failing"
    assert told(trend(run(result()), run(result()))) == "since the last run: nothing changed"


def test_a_known_failure_has_failed_and_a_saved_one_is_not_told_twice() -> None:
    """What a baseline excuses is no news when it goes on, and a saved failure is the case that it came from."""
    known = evolve(WRONG, verdict="known", excused="fail", known="ticket 7")
    saved = evolve(WRONG, case=evolve(WRONG.case, id="saved/one", family="saved"))

    assert trend(run(WRONG), run(known)).quiet
    assert trend(run(WRONG), run(WRONG, saved)).new == []


# ------------------------------------------------------------------------------------------------------ rounds


def test_rounds() -> None:
    """Each run is compared with the last one that had cases, through documents that are broken for a while."""
    endpoint = Endpoint.parse("ws://127.0.0.1:9")
    rounds = iter([Round(HERE, endpoint, run(result())), Round(HERE), Round(HERE, endpoint, run(result(), WRONG))])
    reasons = iter(["chat.yaml changed", "chat.yaml changed", None])
    waits: list[Endpoint] = []
    said: list[str] = []

    def wait(endpoint: Endpoint, played: Round) -> str | None:
        waits.append(endpoint)
        return next(reasons)

    assert watch(lambda: next(rounds), said.append, wait) is Exit.INTERRUPTED
    assert waits == [endpoint] * 3
    assert said == [
        "watching ws://127.0.0.1:9 and 1 file; Ctrl-C ends it",
        "chat.yaml changed: running again",
        "watching ws://127.0.0.1:9 and 1 file; Ctrl-C ends it",
        "chat.yaml changed: running again",
        "\n".join(
            (
                "since the last run: 1 new failure",
                "  new    CHAT-AUTH-5 tokens/auth/wrong-key: a code that is wrong",
                "  worse  CHAT-AUTH-5: not shown → fails",
            )
        ),
        "watching ws://127.0.0.1:9 and 1 file; Ctrl-C ends it",
    ]


def test_a_run_that_is_interrupted_ends_the_watch() -> None:
    """Without another word."""
    played = Round(HERE, Endpoint.parse("ws://127.0.0.1:9"), interrupted=True)

    assert watch(lambda: played, lambda text: None, lambda endpoint, played: "never") is Exit.INTERRUPTED
