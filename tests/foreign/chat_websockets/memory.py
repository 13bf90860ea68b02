"""What the server remembers across connections: attempts by address, and accepted `auth` messages."""

from __future__ import annotations

import heapq
import time
from collections import defaultdict, deque

from .faults import Faults
from .settings import Rate

_SWEEP = 1_024


class AttemptLog:
    """Lets so many attempts of one address through in any window; the others do not count."""

    def __init__(self, rate: Rate, fault: Faults) -> None:
        self._rate = rate
        self._fault = fault
        self._attempts: defaultdict[object, deque[float]] = defaultdict(deque)

    def admit(self, address: object) -> bool:
        """Whether one more attempt is within the rate; if so, it is counted."""
        if self._fault("rate-limit-missing"):
            return True
        now = time.monotonic()
        attempts = self._recent(address, now)
        admitted = len(attempts) < self._rate.count
        if admitted or self._fault("rate-limit-counts-refused"):
            attempts.append(now)
        return admitted

    def _recent(self, address: object, now: float) -> deque[float]:
        if len(self._attempts) > _SWEEP:
            self._sweep(now)
        attempts = self._attempts[address]
        if self._fault("rate-limit-fixed-window"):
            if attempts and now - attempts[0] >= self._rate.window:
                attempts.clear()
            return attempts
        while attempts and now - attempts[0] >= self._rate.window:
            attempts.popleft()
        return attempts

    def _sweep(self, now: float) -> None:
        for address, attempts in list(self._attempts.items()):
            if not attempts or now - attempts[-1] > self._rate.window:
                del self._attempts[address]


class AcceptedAuths:
    """Subject and message id of each accepted `auth`, until its token expires."""

    def __init__(self) -> None:
        self._ends: dict[tuple[object, str], float] = {}
        self._order: list[tuple[float, int, tuple[object, str]]] = []
        self._count = 0

    def known(self, subject: object, message_id: str, now: float) -> bool:
        """Whether it has been accepted and its token lives."""
        return self._ends.get((subject, message_id), 0.0) > now

    def remember(self, subject: object, message_id: str, ends: float, now: float) -> None:
        """Keep it until ``ends``."""
        self._count += 1
        self._ends[subject, message_id] = ends
        heapq.heappush(self._order, (ends, self._count, (subject, message_id)))
        while self._order and self._order[0][0] <= now:
            _, _, key = heapq.heappop(self._order)
            if self._ends.get(key, now + 1) <= now:
                del self._ends[key]
