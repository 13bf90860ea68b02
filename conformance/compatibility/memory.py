"""Playing a script against a document's engine in virtual time, judged by the tracker of another document.

Time stands still while clients act, and moves on to the next moment at which something is due, so a case takes as long
as its steps take to handle. What is below the messages (frames, pings, streams that are held back) needs a socket, and
is not played.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

from conformance import scripts
from conformance.symbols import Symbols
from conformance.target import Target
from conformance.tokenbook import Minted
from spec.bindings.json import encode
from spec.expressions import Chosen, rfc3339
from spec.machine import Binary, Closing, Emission, Engine, NotUTF8, Output, Refusal, Text
from spec.machine.facts import Judge
from spec.machine.values import Frame
from spec.model import Document
from spec.tracker import Finding, Slack, Tracker
from spec.tracker.answers import Answer

__all__ = ["Played", "Server", "play"]

_WAITS = 400
"""How often time may move on within one step."""

_BELOW = (
    scripts.Frames,
    scripts.Hold,
    scripts.Release,
    scripts.Stall,
    scripts.Ping,
    scripts.Knock,
    scripts.Fragment,
)
_ENDS = (scripts.Close, scripts.Reset, scripts.HalfClose)

_SLACK = Slack(flight=0.0, lateness=0.0)


@frozen
class Server:
    """A document as deployed, and who judges the tokens of its clients."""

    document: Document
    parameters: Mapping[str, Any]
    judge: Judge

    def start(self) -> Engine:
        """A server that nobody has connected to."""
        return Engine(self.document, self.parameters, self.judge)


@frozen
class Played:
    """What came of a script: what the tracker found, and whether its clients were refused or told an error by it."""

    findings: tuple[Finding, ...]
    refused: bool

    @property
    def passed(self) -> bool:
        return not self.findings


def play(case: scripts.Case, target: Target, server: Server) -> Played | None:
    """Play a case of a target against a server of another document; None where it needs a socket."""
    if any(isinstance(step, _BELOW) for step in case.steps):
        return None
    return _Play(target, server).run(case)


@define
class _Play:
    target: Target
    server: Server
    now: float = 0.0
    refused: bool = False
    _engine: Engine = field(init=False)
    _tracker: Tracker = field(init=False)
    _symbols: Symbols = field(init=False)
    _numbers: dict[str, int] = field(factory=dict)
    _sent: int = 0

    def __attrs_post_init__(self) -> None:
        self.now = self.target.epoch
        self._engine = self.server.start()
        self._tracker = Tracker(self.target.machine, _SLACK)
        self._symbols = Symbols(self.target, lambda: self.now, 0, self.target.book.rehearse, self._minted)

    def run(self, case: scripts.Case) -> Played:
        for step in case.steps:
            if self._tracker.failed:
                break
            self._step(step)
        self._settle()
        return Played(tuple(self._tracker.findings), self.refused)

    def _minted(self, minted: Minted) -> None:
        self._tracker.secret(minted.text, self.target.book.moments(minted))

    def _step(self, step: scripts.Step) -> None:
        match step:
            case scripts.Open():
                self._open(step)
            case scripts.Send(client=client, rules=rules):
                text = self._symbols.message(step)
                self._say(client, Text(text, len(text.encode("utf-8", "surrogatepass"))), rules)
            case scripts.Raw(client=client, rules=rules):
                self._say(client, self._raw(step), rules)
            case scripts.Idle(seconds=seconds):
                self._until(self.now + (seconds or 0.0))
            case scripts.Expire(client=client, timer=timer):
                self._expire(client, timer)
            case scripts.Settle():
                self._settle()
            case _ if isinstance(step, _ENDS):
                self._end(step.client)

    def _raw(self, step: scripts.Raw) -> Frame:
        if step.text is not None:
            text = str(self._symbols.value(step.text))
            return Text(text, len(text.encode("utf-8", "surrogatepass")))
        data = bytes.fromhex(step.binary or step.not_utf8 or "")
        return NotUTF8(len(data)) if step.binary is None else Binary(len(data), data)

    # ------------------------------------------------------------------------------------------------- exchanges

    def _open(self, step: scripts.Open) -> None:
        request = self._symbols.request(step, step.address or step.client)
        self._tracker.opened(step.client, request, self.now, step.rules)
        answer = self._engine.open(request, self.now)
        if isinstance(answer, Refusal):
            self.refused = True
            headers = (("Content-Type", "application/json"), *answer.headers.items())
            self._tracker.answered(step.client, Answer(answer.status, headers, encode(answer.body)), self.now)
            return
        self._numbers[step.client] = answer.connection
        chosen = (("Sec-WebSocket-Protocol", answer.subprotocol),) if answer.subprotocol else ()
        self._tracker.answered(step.client, Answer(101, (*answer.headers.items(), *chosen)), self.now)
        self._hear(answer.outputs)
        self._tick()

    def _say(self, client: str, frame: Frame, rules: tuple[str, ...]) -> None:
        if client not in self._numbers:
            return
        self._tracker.sent(client, frame, self.now, rules)
        self._hear(self._engine.receive(self._numbers[client], frame, self.now))
        self._tick()

    def _end(self, client: str) -> None:
        if client in self._numbers:
            self._tracker.dropped(client, self.now)
            self._hear(self._engine.ended(self._numbers[client], self.now))

    def _hear(self, outputs: list[Output] | tuple[Output, ...]) -> None:
        clients = {number: client for client, number in self._numbers.items()}
        for output in outputs:
            client = clients[output.connection]
            if isinstance(output, Emission):
                self._sent += 1
                self.refused = self.refused or output.message == self.server.document.error_message
                self._tracker.received(client, encode(self._filled(output.body)), self.now)
            elif isinstance(output, Closing):
                self.refused = True
                self._tracker.closed(client, output.code, output.reason or "", self.now)

    def _filled(self, value: Any) -> Any:
        """A body as a server sends it: everything that its sender chooses is chosen."""
        if isinstance(value, Chosen):
            known = {"id": f"s{self._sent}", "time": rfc3339(self.now), "text": value.sample or "Text."}
            return known.get(value.kind, value.sample)
        if isinstance(value, Mapping):
            return {name: self._filled(member) for name, member in value.items()}
        return [self._filled(member) for member in value] if isinstance(value, list | tuple) else value

    # ------------------------------------------------------------------------------------------------------ time

    def _tick(self) -> None:
        self._hear(self._engine.tick(self.now))

    def _until(self, moment: float) -> None:
        """Let time pass, and everything happen in it that does."""
        for _ in range(_WAITS):
            due = self._engine.next_deadline()
            if due is None or due > moment:
                break
            self.now = max(self.now, due)
            self._tick()
        self.now = max(self.now, moment)
        self._tracker.advance(self.now)

    def _onward(self) -> bool:
        """Let time pass to the next moment at which either has something to do; False where neither has."""
        dues = [due for due in (self._engine.next_deadline(), self._tracker.deadline()) if due is not None]
        dues = [due for due in dues if due != float("inf")]
        if not dues:
            return False
        self._until(max(self.now, min(dues)) + 1e-3)
        return True

    def _expire(self, client: str, timer: str | None) -> None:
        for _ in range(_WAITS):
            if self._tracker.failed or not self._tracker.running(client, timer) or not self._onward():
                return

    def _settle(self) -> None:
        """Wait for what is due; what does not come is found missing."""
        for _ in range(_WAITS):
            if self._tracker.failed or self._tracker.settled(self.now) or not self._onward():
                return
