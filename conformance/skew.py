"""How far the target's clock is ahead of ours; tokens are minted for its clock, and judged by it.

The `Date` of an answer (RFC 9110 section 6.6.1) is the second that began last by the target's clock when the answer was
made: it bounds what that clock is ahead of ours to a second. Answers that are asked for all over a second show where it
begins, and bound it to a sixteenth.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import trio
from attrs import frozen

from conformance.wire import NotWebSocket, Unreachable
from spec.expressions import read_moment
from spec.tracker import Answer

__all__ = ["Skew", "from_token", "measure"]

Ask = Callable[[], Awaitable[Answer]]

_ASKED = 16
"""How often the time is asked for within a second, where it must be known better than to a second."""


_PATIENCE = 3.0
"""How many seconds are waited for an answer: a target need not answer what is no upgrade."""


@frozen
class Skew:
    """The target's clock is ahead of ours by between `low` and `high` seconds, by what `source` says."""

    low: float
    high: float
    source: str

    @property
    def agrees(self) -> bool:
        """Whether both clocks may say the same."""
        return self.low <= 0 <= self.high

    @property
    def seconds(self) -> float:
        """What the target's clock is taken to be ahead: nothing, unless it must be something."""
        return 0.0 if self.agrees else (self.low + self.high) / 2

    @property
    def within(self) -> float:
        """How wrong `seconds` may be."""
        return max(self.high - self.seconds, self.seconds - self.low)


async def measure(ask: Ask, clock: Callable[[], float], *, closely: bool) -> Skew | None:
    """Ask the target for its time; None where no answer has one.

    Where the clocks may agree to the second, more is asked for only `closely`: on one machine there is one clock.
    """
    first = await _bounds(ask, clock)
    if first is None:
        return None
    found = [first]
    if closely or not _skew(found).agrees:
        async with trio.open_nursery() as nursery:

            async def later(pause: float) -> None:
                await trio.sleep(pause)
                bounds = await _bounds(ask, clock)
                if bounds is not None:
                    found.append(bounds)

            for number in range(1, _ASKED + 1):
                nursery.start_soon(later, number / _ASKED)
    return _skew(found)


async def _bounds(ask: Ask, clock: Callable[[], float]) -> tuple[float, float] | None:
    sent, answer = clock(), None
    with trio.move_on_after(_PATIENCE), suppress(Unreachable, NotWebSocket):
        answer = await ask()
    if answer is None:
        return None
    came = clock()
    said = read_moment("http_date", answer.header("date") or "")
    # What a cache has kept (RFC 9111 section 5.1) tells when it came there.
    return None if said is None or answer.header("age") else (said - came, said + 1.0 - sent)


def _skew(found: Iterable[tuple[float, float]]) -> Skew:
    """What all bounds leave; all that any says where they leave nothing, since several clocks answer then."""
    lows, highs = zip(*found, strict=True)
    low, high = max(lows), min(highs)
    return Skew(low, high, "Date") if low <= high else Skew(min(lows), max(highs), "Date")


def from_token(issued: Any, expires: Any, ours: float | None, now: float) -> Skew | None:
    """What a token says that was issued a moment ago: its claims `iat` and `exp`, and when by our clock it expires.

    A life that is told in seconds and as a moment bounds the clock from both sides. An `iat` does so from below alone:
    many issuers set it back.
    """
    if ours is not None and isinstance(expires, int | float):
        return Skew(expires - ours - 1.0, expires - ours + 1.0, "token")
    if isinstance(issued, int | float) and issued - now > 1.0:
        return Skew(issued - now, issued - now + 1.0, "token")
    return None
