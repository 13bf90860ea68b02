"""The suite's clock."""

from __future__ import annotations

import time

import trio

__all__ = ["Clock"]


class Clock:
    """Epoch seconds that never step back: the wall clock at the start, moved on by Trio's clock.

    Before the first case it is set by the target's, where that is known; `ahead` is by how much it goes ahead of the
    wall clock since then. So what is judged has one time, and moments that the target writes stand as they are.
    """

    def __init__(self) -> None:
        self._offset = time.time() - trio.current_time()
        self.ahead = 0.0

    def __call__(self) -> float:
        return trio.current_time() + self._offset

    def lead(self, seconds: float) -> None:
        """Go ahead by so many seconds, or fall back; only before anything is judged by it."""
        self._offset += seconds
        self.ahead += seconds
