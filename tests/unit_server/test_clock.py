"""The clock of a server."""

from __future__ import annotations

import time

import pytest
import trio
from trio.testing import MockClock

from reference_server.clock import Clock

pytestmark = pytest.mark.trio


async def test_time_is_anchored_and_carried_on(mock_clock: MockClock) -> None:
    """It starts at the wall time and goes as Trio's clock goes."""
    clock = Clock(1_800_000_000.0)
    mock_clock.jump(12.5)

    assert clock.now() == pytest.approx(1_800_000_012.5, abs=1e-6)


async def test_no_moment_is_met_early(autojump_clock: MockClock) -> None:
    """At its deadline a moment has come, whatever rounding does to it."""
    clock = Clock(1_799_999_999.123_456_7)
    for number in range(1, 200):
        moment = clock.now() + number / 7
        await trio.sleep_until(clock.deadline(moment))
        assert clock.now() >= moment


async def test_without_an_anchor_it_is_now(mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's wall time is asked once, so that later steps of it move nothing."""
    monkeypatch.setattr(time, "time", lambda: 1_900_000_000.0)
    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: 0.0)

    assert clock.now() == pytest.approx(1_900_000_000.0, abs=1e-6)
