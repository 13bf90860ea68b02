"""The one clock of a server: epoch seconds that never run backwards."""

from __future__ import annotations

import time

import trio

__all__ = ["Clock"]

# Adding an offset of 10^9 rounds a float by up to a quarter of a microsecond; this much later a moment has surely come.
_ROUNDING = 1e-6


class Clock:
    """Wall time as it was when the server started, carried on by Trio's monotonic clock (or a test's)."""

    def __init__(self, anchor: float | None = None) -> None:
        self._offset = (time.time() if anchor is None else anchor) - trio.current_time()

    def now(self) -> float:
        """The present in epoch seconds."""
        return self._offset + trio.current_time()

    def deadline(self, moment: float) -> float:
        """The time on Trio's clock at which `now` has reached a moment: never before it."""
        return moment - self._offset + _ROUNDING
