"""Asking a server one abstract word, and hearing what it makes of it, without judging.

An answer is complete when what is expected has come, and nothing more in a quiet period behind it. What is expected is
what this server said before, or what the document says; it decides how long is waited, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import trio
from attrs import define, field, frozen

from conformance.concretizing import WHO, Concretizer
from conformance.framing import BINARY, TEXT
from conformance.plan import Plan
from conformance.scripts import Close, Open, Raw, Send, Step
from conformance.symbols import UPGRADE, Symbols
from conformance.tokenbook import Minted
from conformance.wire import NotWebSocket, Unanswered, Wire
from spec.abstraction import Countdown, Input, Layer
from spec.bindings.json import NotJSON, decode
from spec.expressions import compile_expression, pointer_get
from spec.machine.world import Due

__all__ = ["Asker", "Heard", "Output", "expected_of"]

Output = tuple[str, ...]
"""What came of one input, in the words of the abstraction."""

_MOST_OF_A_TIMER = 6
"""A quiet period is no longer than this part of the shortest timer, so that some fit before it."""


@frozen
class Heard:
    """The outputs of a word's inputs, as far as it was asked; `over` says that the connection ended with the last.

    Where an answer that was expected did not come, the word is asked no further: timers have moved on meanwhile. Nor is
    it where it would wait longer than is allowed: `endless`.
    """

    outputs: tuple[Output, ...]
    over: bool
    endless: bool = False


class Asker:
    """Asks words of a layer, each on a fresh connection, in a fresh room and for a fresh subject."""

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self.plan = plan
        self.longest = plan.longest
        self.layer: Layer = plan.layer
        self.clock = clock
        self.asked = 0
        self.concretizer = Concretizer(plan)
        document = plan.document
        self.within = float(compile_expression(document.due_within)({"parameters": plan.parameters}))
        self.unsolicited = {emit.message for state in document.states.values() for emit in state.may_send}
        timers = [c.seconds for countdowns in self.layer.countdowns.values() for c in countdowns if c.lead is None]
        self.quiet = min(plan.target.quiet, min(timers, default=math.inf) / _MOST_OF_A_TIMER)

    async def ask(self, word: Sequence[Input], known: Sequence[Output] = ()) -> Heard:
        """Ask a word of which the first outputs may be known; raises Unreachable where there is no server any more."""
        self.asked += 1
        return await _Exchange(self, self.asked, tuple(word), tuple(known)).play()

    def expected(self, word: Sequence[Input]) -> list[Output | None]:
        """What the document says of a word's inputs; None where it says nothing."""
        found: list[Output | None] = []
        state = self.layer.exact.initial
        for wanted in word:
            state, answer = self.layer.onward(state, wanted)
            found.append(answer.seen if answer is not None else None)
        return found


@define
class _Ear:
    """What one client has heard: labels, and whether each may come unasked."""

    heard: list[tuple[str, bool]] = field(factory=list)
    over: bool = False
    closing: bool = False


class _Exchange:
    """One word being asked."""

    def __init__(self, asker: Asker, number: int, word: tuple[Input, ...], known: tuple[Output, ...]) -> None:
        self._asker, self._word, self._known = asker, word, known
        self._target = asker.plan.target
        self._document = asker.plan.document
        self._symbols = Symbols(self._target, asker.clock, number, self._target.book.get, self._minted)
        self._wires: dict[str, Wire] = {}
        self._ears: dict[str, _Ear] = {}
        self._changed = trio.Event()
        self._expiries: list[float] = []
        self._strayed = False
        self._entered: dict[str, float] = {}
        self._nursery: trio.Nursery | None = None

    async def play(self) -> Heard:
        script = self._asker.concretizer.script(self._word)
        expected = self._asker.expected(self._word)
        outputs: list[Output] = []
        endless = False
        state = self._asker.layer.exact.initial
        try:
            async with trio.open_nursery() as self._nursery:
                for step in script.setup:
                    await self._prepare(step)
                self._expiries.clear()
                for index, (wanted, move) in enumerate(zip(self._word, script.moves, strict=True)):
                    if wanted.kind == "wait" and self._endless(state):
                        endless = True
                        break
                    novel = index >= len(self._known)
                    # Where the server is not where the document is, nothing is known of what to wait for.
                    hoped = self._known[index] if not novel else None if self._strayed else expected[index]
                    outputs.append(await self._move(wanted, state, move, hoped, novel=novel))
                    if self._ears[WHO].over or (novel and hoped is not None and outputs[-1] != hoped):
                        break
                    self._strayed |= outputs[-1] != expected[index]
                    state = self._onward(state, wanted)
                for wire in self._wires.values():
                    if wire.open:
                        await wire.send_close(1000)
                self._nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                for wire in self._wires.values():
                    await wire.aclose()
        return Heard(tuple(outputs), self._ears[WHO].over, endless)

    def _onward(self, state: str, wanted: Input) -> str:
        target, _ = self._asker.layer.onward(state, wanted)
        before = {countdown.state for countdown in self._asker.layer.countdowns.get(state, ())}
        for countdown in self._asker.layer.countdowns.get(target, ()):
            if countdown.state not in before:
                self._entered[countdown.state] = self._asker.clock()
        return target

    # ------------------------------------------------------------------------------------------------- speaking

    async def _prepare(self, step: Step) -> None:
        """Do something that must be done before the word: each message has an answer, which is waited for."""
        client = getattr(step, "client", None)
        if client is None:
            return
        before = len(self._ears[client].heard) if client in self._ears else 0
        await self._do(step)
        if isinstance(step, Send):
            await self._until(lambda: len(self._ears[client].heard) > before, self._asker.within)

    async def _move(
        self, wanted: Input, state: str, move: Sequence[Step], expected: Output | None, *, novel: bool
    ) -> Output:
        """Do what an input stands for; gives what the word's client heard of it."""
        start = len(self._ears[WHO].heard) if WHO in self._ears else 0
        for step in move:
            if getattr(step, "client", WHO) != WHO:
                await self._prepare(step)
            else:
                await self._do(step)
        ear = self._ears[WHO]

        def settled() -> bool:
            got = expected_of(ear.heard[start:], expected)
            if ear.over or expected is None:
                return ear.over or wanted.kind != "wait" or bool(got)
            return got != expected[: len(got)] or len(got) == len(expected)

        await self._until(settled, self._patience(wanted, state))
        if novel or expected_of(ear.heard[start:], expected) != expected:
            await self._quiet(ear)
        return expected_of(ear.heard[start:], expected)

    def _patience(self, wanted: Input, state: str) -> float:
        """How long an answer is waited for: that of a timer past its moment, any other well before it."""
        now, slack = self._asker.clock(), self._target.slack
        due = self._due(state, now)
        if due is None:
            return self._asker.within
        left = due.at - now
        if wanted.kind == "wait":
            late = self._target.machine.timer_tolerance(due) + slack.flight + slack.lateness
            return max(0.0, left) + late + (self._asker.quiet if self._strayed else self._asker.within)
        return min(self._asker.within, max(self._asker.quiet, left / 2))

    def _endless(self, state: str) -> bool:
        now = self._asker.clock()
        due = self._due(state, now)
        return due is not None and due.at - now > self._asker.longest

    def _due(self, state: str, now: float) -> Due | None:
        """The next timer of a state; where the server is not where the document is, the next of any state."""
        dues = [self._moment(countdown, now) for countdown in self._asker.layer.countdowns.get(state, ())]
        if self._strayed:
            every = {c for timers in self._asker.layer.countdowns.values() for c in timers if c.lead is not None}
            dues += [Due(moment - (c.lead or 0.0), now, 0) for c in every for moment in self._expiries]
            dues = [due for due in dues if due is not None and due.at > now]
        found = [due for due in dues if due is not None]
        return min(found, key=lambda due: due.at) if self._strayed and found else found[0] if found else None

    def _moment(self, countdown: Countdown, now: float) -> Due | None:
        if countdown.lead is None:
            started = self._entered.get(countdown.state, now)
            return Due(started + countdown.seconds, started, 0)
        return Due(self._expiries[-1] - countdown.lead, now, 0) if self._expiries else None

    async def _do(self, step: Step) -> None:
        match step:
            case Open():
                await self._open(step)
            case Send(client):
                payload = self._symbols.message(step).encode("utf-8", "surrogatepass")
                if self._wires[client].open:
                    await self._wires[client].send_text(payload, step.fragments)
            case Raw(client, text, binary, not_utf8):
                data = str(self._symbols.value(text)).encode() if text is not None else None
                frame = data if data is not None else bytes.fromhex(binary if binary is not None else not_utf8 or "")
                if self._wires[client].open:
                    await self._wires[client].send_frame(TEXT if binary is None else BINARY, frame)
            case Close(client, code):
                self._ears[client].closing = True
                if self._wires[client].open:
                    await self._wires[client].send_close(code)

    async def _open(self, step: Open) -> None:
        addresses = self._target.addresses
        source = addresses.take() if addresses is not None else None
        ear = self._ears[step.client] = _Ear()
        request = self._symbols.request(step, source or "the suite")
        heard = self._listener(ear)
        wire = self._wires[step.client] = Wire(self._target.endpoint, self._asker.clock, heard, source)
        await wire.connect()
        headers = [pair for pair in request.headers if pair not in UPGRADE]
        target = self._target.endpoint.prefix + request.target
        try:
            answer, _ = await wire.upgrade(target, headers, websocket=step.websocket)
        except (Unanswered, NotWebSocket):
            ear.heard.append(("no answer", False))
            ear.over = True
            return
        if answer.status == 101:
            ear.heard.append((f"101 {answer.header('sec-websocket-protocol') or '(no subprotocol)'}", False))
            assert self._nursery is not None
            self._nursery.start_soon(wire.listen)
        else:
            body = _json(answer.body)
            ear.heard.append(
                (f"{answer.status} {body.get('code', '') if isinstance(body, dict) else ''}".rstrip(), False)
            )
            ear.over = True

    def _minted(self, minted: Minted) -> None:
        expires = minted.claims.get("exp")
        if minted.step == "valid" and isinstance(expires, int | float):
            self._expiries.append(expires)

    # -------------------------------------------------------------------------------------------------- hearing

    def _listener(self, ear: _Ear) -> Callable[[str, Any, float], None]:
        def heard(kind: str, value: Any, at: float) -> None:
            match kind:
                case "text":
                    ear.heard.append(self._label(value))
                case "binary":
                    ear.heard.append(("a binary message", False))
                case "close":
                    code = value[0] if value[0] != 1005 else "(no code)"
                    ear.heard.append(("close answered" if ear.closing else f"close {code}", False))
                    ear.over = True
                case "end":
                    ear.heard.append(("the transport ended", False))
                    ear.over = True
            self._changed.set()

        return heard

    def _label(self, text: str) -> tuple[str, bool]:
        """What a message is in the abstraction, and whether it may come at any time."""
        envelope, body = self._document.envelope, _json(text)
        if not isinstance(body, dict):
            return "a text that is no message", False
        name = str(pointer_get(body, envelope.discriminator))
        payload = pointer_get(body, envelope.payload)
        if name == self._document.error_message and isinstance(payload, dict):
            return f"{name} {payload.get('code')}", False
        unasked = pointer_get(body, envelope.reply_to) is None
        return name, unasked and name in self._asker.unsolicited

    async def _until(self, done: Callable[[], bool], patience: float) -> None:
        with trio.move_on_after(patience):
            while not done():
                self._changed = trio.Event()
                await self._changed.wait()

    async def _quiet(self, ear: _Ear) -> None:
        """Listen until nothing has come for a quiet period."""
        count = -1
        while not ear.over and count != len(ear.heard):
            count = len(ear.heard)
            self._changed = trio.Event()
            with trio.move_on_after(self._asker.quiet):
                await self._changed.wait()


def expected_of(heard: Sequence[tuple[str, bool]], expected: Output | None) -> Output:
    """What was heard, without what may come at any time and was not expected."""
    wanted = list(expected or ())
    kept = []
    for label, unasked in heard:
        if label in wanted:
            wanted.remove(label)
        elif unasked:
            continue
        kept.append(label)
    return tuple(kept)


def _json(text: str) -> Any:
    try:
        return decode(text)
    except NotJSON:
        return None
