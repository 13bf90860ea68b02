"""The engine at work: every event goes through here, and every output leaves through a connection's outbox.

Nothing here waits, but for the one task that wakes when a timer is due.
"""

from __future__ import annotations

import math
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import trio
from attrs import evolve

from reference_server.clock import Clock
from reference_server.logs import Log, failure
from reference_server.metrics import Metrics
from reference_server.outbox import Outbox
from reference_server.settings import Settings
from spec.bindings.json import encode
from spec.bindings.registry import BINDINGS
from spec.expressions import ABSENT, Chosen, compile_expression, rfc3339
from spec.machine import Closing, Emission, Engine, Output, Refusal, Request, Upgrade
from spec.machine.facts import Judge
from spec.machine.logs import Logs, Store
from spec.machine.values import Frame
from spec.machine.world import World
from spec.messages import Ear
from spec.model import Document

__all__ = ["Hub", "Watcher"]


class Watcher(Protocol):
    """What somebody who looks on is told, in the order in which it happens; it may not fail, wait or change anything.

    `settled` comes behind every event, when the world is as it stays until the next.
    """

    def answered(self, request: Request, answer: Refusal | Upgrade, endpoint: str | None) -> None: ...

    def heard(self, number: int, frame: Frame) -> None: ...

    def ended(self, number: int) -> None: ...

    def told(self, output: Output, body: Any) -> None: ...

    def settled(self) -> None: ...


class Hub:
    """One engine, its clock, and the outboxes of its connections."""

    def __init__(
        self,
        document: Document,
        parameters: Mapping[str, Any],
        judge: Judge,
        *,
        settings: Settings,
        clock: Clock,
        log: Log,
        metrics: Metrics,
        deployment: Mapping[str, Any] | None = None,
        logs: Callable[[int], Store] = Logs,
    ) -> None:
        self.document = document
        self.metrics = metrics
        self.log = log
        self.stopping = False
        self.watcher: Watcher | None = None
        """Whom to tell of everything; None costs a comparison for each event and output."""
        self.largest = int(compile_expression(document.largest)({"parameters": parameters}))
        """The longest message that is let in, in bytes."""
        # A page of a log must fit into what may wait for a peer, with room for what else does.
        self._engine = Engine(document, parameters, judge, deployment, _chosen, logs(settings.outbox_bytes // 4))
        self._binding = BINDINGS[document.binding]
        self._settings = settings
        self._clock = clock
        self._outboxes: dict[int, Outbox] = {}
        self._sleep = trio.CancelScope()
        self._empty = trio.Event()

    def __len__(self) -> int:
        return len(self._outboxes)

    @property
    def world(self) -> World:
        """What the server remembers; to be read only."""
        return self._engine.world

    def ear(self, number: int) -> Ear | None:
        """What hears a connection, to go on from here on its own; None for one that has ended."""
        return self._engine.ear(number)

    def now(self) -> float:
        """The present in epoch seconds."""
        return self._clock.now()

    # -------------------------------------------------------------------------------------------------- events

    def preview(self, request: Request) -> Refusal | Upgrade:
        """How a request would be answered, without a trace of it in the world."""
        world = World(stopping=self.stopping)
        return self._engine.machine.open(world, request, self._clock.now())

    def open(self, request: Request) -> Refusal | tuple[Upgrade, Outbox]:
        """Answer a request; for an upgrade, give the outbox, in which its first messages wait already."""
        now = self._clock.now()
        answer = self._engine.open(request, now)
        if self.watcher is not None:
            self.watcher.answered(request, answer, None)
        if isinstance(answer, Refusal):
            return answer
        settings = self._settings
        outbox = Outbox(settings.outbox_messages, settings.outbox_bytes, settings.close_within)
        self._outboxes[answer.connection] = outbox
        self._deliver(answer.outputs, now)
        self._settle(now)
        return answer, outbox

    def endpoint(self, request: Request) -> str | None:
        """The endpoint beside the upgrade that a request is for, or None."""
        return self._engine.machine.endpoint(request)

    def request(self, endpoint: str, request: Request) -> Refusal:
        """Answer a request for an endpoint, behind what it sends."""
        now = self._clock.now()
        answer = self._engine.request(endpoint, request, now)
        if self.watcher is not None:
            self.watcher.answered(request, answer, endpoint)
        self._deliver(answer.outputs, now)
        self._settle(now)
        return evolve(answer, body=_filled(answer.body, now))

    def receive(self, number: int, frame: Frame) -> None:
        """Handle a message of a connection."""
        self.metrics.received()
        if self.watcher is not None:
            self.watcher.heard(number, frame)
        now = self._clock.now()
        self._deliver(self._engine.receive(number, frame, now), now)
        self._settle(now)

    def ended(self, number: int) -> None:
        """The peer of a connection has gone, or is to be held for gone."""
        if self.watcher is not None:
            self.watcher.ended(number)
        now = self._clock.now()
        self._deliver(self._engine.ended(number, now), now)
        self._settle(now)

    def forget(self, number: int) -> None:
        """A connection is over, down to its transport."""
        self.ended(number)
        self._outboxes.pop(number, None)
        if not self._outboxes:
            self._empty.set()

    def stop(self) -> None:
        """Shut down: every connection is closed, and every request refused."""
        self.stopping = True
        self._deliver(self._engine.stop(), self._clock.now())

    async def empty(self) -> None:
        """Wait until no connection is left."""
        while self._outboxes:
            self._empty = trio.Event()
            await self._empty.wait()

    # -------------------------------------------------------------------------------------------------- timers

    async def run_timers(self) -> None:
        """Wake the engine whenever a timer is due, for ever."""
        while True:
            due = self._engine.next_deadline()
            with trio.CancelScope() as self._sleep:
                self._sleep.deadline = math.inf if due is None else self._clock.deadline(due)
                await trio.sleep_forever()
            self._settle(self._clock.now())

    def _settle(self, now: float) -> None:
        """Let what is due fire behind the outputs just delivered, and have the timers' task wake in time."""
        try:
            self._deliver(self._engine.tick(now), now)
        except Exception as problem:
            # One connection's timer; the others' must go on.
            self.log.error("timer.failed", **failure(problem))
        due = self._engine.next_deadline()
        if due is not None:
            self._sleep.deadline = min(self._sleep.deadline, self._clock.deadline(due))
        if self.watcher is not None:
            self.watcher.settled()

    # ------------------------------------------------------------------------------------------------- outputs

    def _deliver(self, outputs: Iterable[Output], now: float) -> None:
        pending = deque(outputs)
        while pending:
            output = pending.popleft()
            outbox = self._outboxes.get(output.connection)
            if outbox is None:
                continue
            match output:
                case Emission():
                    pending += self._emit(output, outbox, now)
                case Closing(how="may"):
                    pass
                case Closing(how=how):
                    if self.watcher is not None:
                        self.watcher.told(output, None)
                    farewell = self.document.farewell
                    if farewell is not None and how in {"disconnect", "leave"}:
                        name = self.document.envelope.discriminator.lstrip("/")
                        outbox.put(self._binding.encode({name: farewell[0]}, encode))
                    outbox.close(output.code, output.reason)

    def _emit(self, output: Emission, outbox: Outbox, now: float) -> list[Output]:
        """Put a message into an outbox; what others hear of it where that was too much for the connection."""
        body = _filled(output.body, now)
        if self.watcher is not None:
            self.watcher.told(output, body)
        if not outbox.put(self._binding.encode(body, encode)):
            self.log.warning("connection.overflowed", connection=output.connection)
            return self._engine.ended(output.connection, now)
        self.metrics.sent()
        if output.code is not None:
            self.metrics.error(output.code)
            self.log.info("message.refused", connection=output.connection, code=output.code)
        return []


def _chosen(chosen: Chosen, now: float) -> Any:
    """A value for what is left to the server."""
    match chosen.kind:
        case "id":
            return secrets.token_urlsafe(16)
        case "time":
            return rfc3339(now)
    return chosen.sample


def _filled(value: Any, now: float) -> Any:
    """A body with everything chosen that it leaves to its sender."""
    match value:
        case Chosen():
            return _chosen(value, now)
        case dict():
            return {key: _filled(item, now) for key, item in value.items() if item is not ABSENT}
        case list():
            return [_filled(item, now) for item in value]
    return value
