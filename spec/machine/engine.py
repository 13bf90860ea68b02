"""The engine: a machine with its world and a queue of deadlines; what a server runs on."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

from spec.machine.effects import Choose
from spec.machine.facts import Judge
from spec.machine.logs import Store
from spec.machine.machine import Machine
from spec.machine.values import Breach, Closing, Frame, Output, Refusal, Request, Upgrade
from spec.machine.world import Connection, World
from spec.messages import Ear
from spec.model import Document

__all__ = ["Engine"]


class Engine:
    """Sans-IO: events in, outputs out, time as an argument in epoch seconds.

    Call `open` for a request; for an `Upgrade`, send its outputs, then call `receive` for every message and `ended`
    once when the peer closed or the transport went. After every call, and at `next_deadline`, call `tick`; the outputs
    of every call go out in their order.
    """

    def __init__(
        self,
        document: Document,
        parameters: Mapping[str, Any],
        judge: Judge,
        deployment: Mapping[str, Any] | None = None,
        choose: Choose | None = None,
        logs: Store | None = None,
    ) -> None:
        self.machine = Machine(document, parameters, judge, deployment, choose)
        self.world = World() if logs is None else World(logs=logs)
        self._ears: dict[int, Ear] = {}
        self._queue: list[tuple[float, int, str, str]] = []
        self._queued: dict[tuple[int, str, str], float] = {}
        self._kept = 64

    def open(self, request: Request, now: float) -> Refusal | Upgrade:
        """Answer an HTTP request."""
        answer = self.machine.open(self.world, request, now)
        if isinstance(answer, Upgrade):
            self._ears[answer.connection] = self.machine.ear()
            self._schedule(answer.connection)
        return answer

    def request(self, endpoint: str, request: Request, now: float) -> Refusal:
        """Answer a request for an endpoint beside the upgrade; send its outputs before the answer."""
        answer = self.machine.request(self.world, endpoint, request, now)
        self._schedule(0)
        return answer

    def receive(self, connection: int, frame: Frame, now: float) -> list[Output]:
        """Handle one message; timers that are due go first."""
        outputs = self.tick(now)
        ear = self._ears.get(connection)
        if ear is not None:
            for heard in [frame] if isinstance(frame, Breach) else ear.hear(frame):
                outputs += self.machine.receive(self.world, connection, heard, now)
        self._schedule(connection)
        return outputs

    def ear(self, connection: int) -> Ear | None:
        """What hears a connection, to go on from here on its own; None for one that has ended."""
        found = self._ears.get(connection)
        return None if found is None else found.copy()

    def tick(self, now: float) -> list[Output]:
        """Let every timer expire that is due."""
        outputs: list[Output] = []
        while self._queue and self._queue[0][0] <= now:
            at, number, state, timer = heapq.heappop(self._queue)
            if self._queued.get((number, state, timer)) == at:
                del self._queued[number, state, timer]
            connection = self.world.party(number)
            due = connection.timers.get((state, timer)) if connection else None
            if due is not None and due.at == at:
                outputs += self.machine.fire(self.world, number, state, timer, now)
                self._schedule(number)
        return outputs

    def next_deadline(self) -> float | None:
        """When `tick` has something to do next, or None; it may be early by timers that were stopped."""
        return self._queue[0][0] if self._queue else None

    def ended(self, connection: int, now: float | None = None) -> list[Output]:
        """The peer closed the connection, or its transport ended; what others hear of that."""
        self._ears.pop(connection, None)
        outputs = self.machine.ended(self.world, connection, now)
        self._schedule(connection)
        return outputs

    def stop(self) -> list[Output]:
        """Shut down: new requests are refused, and every connection is closed."""
        self.world.stopping = True
        document = self.machine.document
        code, rules = document.shutdown_code, document.shutdown_rules
        closings = [Closing(number, code, None, rules, 0) for number in self.world.connections]
        for closing in closings:
            self._ears.pop(closing.connection, None)
            self.world.forget(self.world.connections[closing.connection])
        return list(closings)

    def _schedule(self, number: int) -> None:
        """Note the timers of a connection, and of the groups that were touched with it."""
        self._note(self.world.party(number))
        while self.world.stirred:
            self._note(self.world.party(self.world.stirred.pop()))

    def _note(self, connection: Connection | None) -> None:
        if connection is None:
            return
        number = connection.number
        # Entries of stopped timers are dropped when they surface; `queued` keeps a running one from going in twice.
        for key, due in connection.timers.items():
            if self._queued.get((number, *key)) != due.at:
                self._queued[number, *key] = due.at
                heapq.heappush(self._queue, (due.at, number, *key))
        if len(self._queue) > 2 * self._kept:
            self._sweep()

    def _sweep(self) -> None:
        """Drop what stopped long before it would surface; amortised, since the queue must double for the next."""
        live = [
            (due.at, connection.number, *key)
            for connection in (*self.world.connections.values(), *self.world.groups.values())
            for key, due in connection.timers.items()
        ]
        heapq.heapify(live)
        self._queue, self._queued = live, {(number, state, timer): at for at, number, state, timer in live}
        self._kept = max(64, len(live))
