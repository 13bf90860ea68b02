"""The suite's clock."""

from __future__ import annotations

import time

import trio

__all__ = ["Clock"]


class Clock:
    """Epoch seconds that never step back: the wall clock at the start, moved on by Trio's clock."""

    def __init__(self) -> None:
        self._offset = time.time() - trio.current_time()

    def __call__(self) -> float:
        return trio.current_time() + self._offset
