"""The target's clock beside ours: what answers bound, how closely, and that tokens are minted for it."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from conformance.clock import Clock
from conformance.inprocess import Handler
from conformance.reporting.run import clocks_in_words
from conformance.reporting.terminal import render
from conformance.skew import Skew, from_token, measure
from conformance.testing import handfast_check
from conformance.wire import Unreachable
from reference_server import http
from reference_server.clock import Clock as ServerClock
from reference_server.server import open_server
from reference_server.site import Mount
from spec.compiling import load
from spec.exits import Exit, Stop
from spec.parameters import resolve
from spec.policies import policy_for
from spec.tokens import hmac_key
from spec.tracker import Answer
from tests.unit_conformance.kit import SECRET

NOW = 1_800_000_000.0


def measured(
    ahead: float | Callable[[], float], *, closely: bool = True, trip: float = 0.04, **more: str
) -> tuple[Skew | None, int]:
    """What is found of a clock that is so much ahead, in virtual time, and how often it was asked."""
    asked = itertools.count()

    async def main() -> tuple[Skew | None, int]:
        clock = Clock()

        async def ask() -> Answer:
            next(asked)
            await trio.sleep(trip / 2)
            said = math.floor(clock() + (ahead() if callable(ahead) else ahead))
            await trio.sleep(trip / 2)
            return Answer(404, (("Date", formatdate(said, usegmt=True)), *more.items()))

        return await measure(ask, clock, closely=closely), next(asked)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("ahead", [-86400.5, -7.3, -0.4, 0.3, 0.99, 12.0, 7200.25])
def test_a_clock_is_measured_to_a_tenth_of_a_second(ahead: float) -> None:
    """Though a date has whole seconds: by when the next one begins."""
    found, asked = measured(ahead)

    assert found is not None
    assert found.low <= ahead <= found.high
    assert found.within < 0.11
    assert abs(found.seconds - ahead) <= found.within
    assert (found.source, asked) == ("Date", 17)


def test_clocks_that_agree_are_taken_to_agree() -> None:
    """On one machine a single answer is enough, unless it says otherwise."""
    found, asked = measured(0.0, closely=False)
    assert found is not None
    assert (found.agrees, found.seconds, asked) == (True, 0.0, 1)
    near, _ = measured(0.0)
    assert near is not None
    assert near.agrees
    assert near.within < 0.11
    assert measured(5.0, closely=False)[1] == 17


def test_several_clocks_behind_one_address_widen_the_bounds() -> None:
    """Nothing is left that all of them say: then anything between them may be so."""
    both = itertools.cycle([-30.0, 30.0])
    found, _ = measured(lambda: next(both))

    assert found is not None
    assert found.low < -29 < 29 < found.high


def test_what_says_nothing_of_a_clock() -> None:
    """An answer that a cache has kept, one without a date, and none at all."""

    async def bare() -> Answer:
        return Answer(404, ())

    async def gone() -> Answer:
        raise Unreachable("refused")

    async def silent() -> Answer:
        await trio.sleep_forever()
        raise AssertionError

    assert measured(5.0, Age="17")[0] is None
    for ask in (bare, gone, silent):

        async def main(ask: Any = ask) -> Skew | None:
            return await measure(ask, Clock(), closely=True)

        assert trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)) is None


@pytest.mark.parametrize(
    ("issued", "expires", "ours", "expected"),
    [
        (NOW - 30, NOW + 307, NOW + 300, Skew(6.0, 8.0, "token")),
        (NOW + 20, NOW + 320, None, Skew(20.0, 21.0, "token")),
        (NOW - 60, NOW + 240, None, None),
        (None, None, NOW + 300, None),
    ],
)
def test_what_a_token_tells(issued: Any, expires: Any, ours: float | None, expected: Skew | None) -> None:
    """A life that is told twice bounds its issuer's clock; an `iat` that lies behind may have been set back."""
    assert from_token(issued, expires, ours, NOW) == expected


@pytest.mark.parametrize(
    ("clock", "said"),
    [
        (None, "taken to agree with the target's, none of whose answers has a date"),
        (
            {"skew_s": 0.0, "within_s": 0.07, "source": "Date"},
            "agrees with the target's (give or take 70 ms, by its Date)",
        ),
        (
            {"skew_s": 7200.01, "within_s": 0.05, "source": "Date"},
            "the target's is 7200.0 s ahead of ours (give or take 50 ms",
        ),
        (
            {"skew_s": -0.4, "within_s": 1.0, "source": "token"},
            "the target's is 400 ms behind ours (give or take 1.0 s, by its token",
        ),
    ],
)
def test_clocks_in_words(clock: Any, said: str) -> None:
    assert clocks_in_words(clock).startswith(said)


# --------------------------------------------------------------------------------------------------- a whole run


def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float, date: bool = True, **more: Any) -> Any:
    """A run against a server of chat whose clock is ahead, and whose answers say so, or have no date."""
    document = load("chat")
    values = resolve(document.parameters, {"rollout": "message"})
    monkeypatch.setenv("CHAT_SECRET", SECRET)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Handler]:
        began, anchor = time.time(), trio.current_time()

        def dated(usegmt: bool) -> str:
            moment = math.floor(began + trio.current_time() - anchor + ahead)
            return formatdate(moment, usegmt=usegmt) if date else "-"

        monkeypatch.setattr(http, "formatdate", dated)
        policy = policy_for(document, values, [hmac_key(SECRET).verifier()])
        async with open_server(Mount(document, values, policy), clock=ServerClock(began + ahead)) as server:
            yield server.serve_stream

    options: dict[str, Any] = {"protocol": "chat", "set": {"rollout": "message"}, "secret": "env:CHAT_SECRET"}
    chosen: dict[str, Any] = {
        "run": ["timers/**", "opening/**"],
        "examples": 0,
        "shrink": 0,
        "failures": tmp_path / "failures",
    }
    return handfast_check(opened, virtual_time=True, **options, **chosen, **more)


def test_a_server_whose_clock_is_elsewhere_is_judged_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hours ahead, every token that is minted by our clock has expired; by its own they are what they should be.

    And when it says at which moment one expires, that is by its clock too.
    """
    found = check(tmp_path, monkeypatch, 7200.6)

    assert found.verdict == "conformant"
    assert found.calibration["clock"]["skew_s"] == pytest.approx(7200.6, abs=0.05)
    assert "CHAT-REAUTH-1" in found.coverage["rules"]["reached"]
    assert "clock       the target's is 7200.6 s ahead of ours" in render([found.header, found.calibration])


def test_a_clock_that_nothing_tells_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the target refuses what is minted by ours, and that is told before any case."""
    with pytest.raises(Stop, match="the target refuses our tokens") as stopped:
        check(tmp_path, monkeypatch, 7200.6, date=False, level="smoke")

    assert stopped.value.exit is Exit.USAGE
    assert "its clock may be ahead of ours" in str(stopped.value)
