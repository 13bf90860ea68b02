"""The player: plays one case's script over real connections, and lets the tracker judge what happens."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar, overload

import trio
from attrs import define, evolve, field, frozen

from conformance import scripts
from conformance.framing import BINARY, CLOSE, PING, TEXT, Closed, Pinged, Receiver, Took, encode_frame
from conformance.observing import Observed
from conformance.symbols import UPGRADE, Symbols
from conformance.target import Target
from conformance.tokenbook import Lapsed, Minted, Unavailable
from conformance.wire import NotWebSocket, Unanswered, Unreachable, Wire, post
from spec.bindings.json import encode
from spec.bindings.registry import BINDINGS
from spec.expressions import pointer_get, pointer_put
from spec.machine import Binary, NotUTF8, Text
from spec.messages import Ear
from spec.tracker import Finding, Firing, Tracker

__all__ = ["Entry", "Outcome", "Player"]


Item = TypeVar("Item")

_LONGEST = 400
"""How many characters of a text a transcript keeps."""

_WAITING = (scripts.Settle, scripts.Expire, scripts.Idle)
"""Steps in which a case only listens."""

_PATIENCE = 0.1
"""After so many seconds without an answer, a case counts as waiting and not as talking."""


@frozen
class Entry:
    """One line of a transcript: seconds since the start, the client, `>` sent, `<` received or `.`, and what."""

    at: float
    client: str
    direction: str
    text: str


class Written(Sequence[Item]):
    """The lines or events of an exchange, written when first asked for: those of cases that pass are never read."""

    def __init__(self, write: Callable[[], list[Item]]) -> None:
        self._write = write

    @cached_property
    def _entries(self) -> list[Item]:
        return self._write()

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        return self._entries[index]


@define
class Outcome:
    """What came of playing a case once; `broken` says that the suite itself failed, and where.

    The transcript is for people; `observed` is the same exchange as data, and `tokens` are those that it names.
    `timings` are those of a case that measures: by client and type, the seconds from its upgrade to the first message.
    """

    findings: list[Finding] = field(factory=list)
    transcript: Sequence[Entry] = ()
    tokens: Mapping[str, Minted] = field(factory=dict)
    observed: Sequence[Observed] = ()
    covered: set[str] = field(factory=set)
    visited: set[str] = field(factory=set)
    transitions: set[str] = field(factory=set)
    firings: list[Firing] = field(factory=list)
    unavailable: str | None = None
    unreachable: str | None = None
    unanswered: bool = False
    broken: str | None = None
    timings: dict[str, float] = field(factory=dict)
    duration: float = 0.0
    started: float = 0.0


@define
class Pause:
    """A case's place among the few that talk, to be given away while it waits for time to pass."""

    _places: trio.Semaphore
    _held: bool = False

    async def acquire(self) -> None:
        """Take a place, where the case has none."""
        if not self._held:
            await self._places.acquire()
            self._held = True

    def release(self) -> None:
        """Give the place away, where the case has one."""
        if self._held:
            self._held = False
            self._places.release()


class Player:
    """Plays one case; make a new one for each run."""

    def __init__(self, target: Target, clock: Callable[[], float], number: int, pause: Pause | None = None) -> None:
        self._target = target
        self._clock = clock
        self._number = number
        self._pause = pause
        self._tracker = Tracker(target.machine, target.slack, target.used)
        self._outcome = Outcome()
        self._wires: dict[str, Wire] = {}
        self._addresses: dict[str, str] = {}
        self._symbols = Symbols(target, clock, number, target.book.get, self._minted)
        self._changed = trio.Event()
        self._over = False
        self._nursery: trio.Nursery | None = None
        self._sent_at: dict[str, float] = {}
        self._measures = False
        self._noted: list[Entry] = []
        self._asking: set[str] = set()
        self._subjects: set[str] = set()
        self._receivers: dict[str, Receiver] = {}
        self._held: dict[str, list[tuple[bytes, tuple[str, ...]]]] = {}
        self._seen: list[Observed] = []
        self._step_number = 0
        self._silent: set[str] = set()
        self._ears: dict[str, Ear] = {}
        self._attended = {
            message.name: message.server.answered_by
            for message in target.document.messages.values()
            if message.server is not None and message.server.answered_by is not None
        }

    async def play(self, case: scripts.Case) -> Outcome:
        """Play a case to its end or to its first hard finding."""
        self._outcome.started = started = self._clock()
        self._measures = case.measure is not None
        try:
            async with trio.open_nursery() as self._nursery:
                await self._steps(case)
                self._nursery.cancel_scope.cancel()
        except* Unavailable as group:
            self._outcome.unavailable = str(group.exceptions[0])
        except* Lapsed as group:
            self._outcome.unreachable = str(group.exceptions[0])
        except* (Unreachable, NotWebSocket) as group:
            # What is wrong with an answer is told with the answer, which may quote the token that it refused.
            reason = self._symbols.hide_parts(self._symbols.hide(str(group.exceptions[0])))
            self._outcome.unreachable = self._target.book.sieve.clean(reason)
            self._outcome.unanswered = isinstance(group.exceptions[0], Unanswered | NotWebSocket)
        finally:
            with trio.CancelScope(shield=True):
                for wire in self._wires.values():
                    await wire.aclose()
        self._outcome.findings = [*self._tracker.findings, *self._fetched()]
        self._outcome.transcript = Written(self._written)
        self._outcome.tokens = self._symbols.named()
        self._outcome.observed = Written(self._witnessed)
        if self._leaked():
            hide, told = self._symbols.hide_parts, self._outcome.findings
            self._outcome.findings = [evolve(finding, text=hide(finding.text)) for finding in told]
        clean, told = self._target.book.sieve.clean, self._outcome.findings
        self._outcome.findings = [evolve(finding, text=clean(finding.text)) for finding in told]
        self._outcome.covered = self._tracker.covered
        self._outcome.visited = self._tracker.visited
        self._outcome.transitions = self._tracker.transitions
        self._outcome.firings = self._tracker.firings
        self._outcome.duration = self._clock() - started
        return self._outcome

    async def _steps(self, case: scripts.Case) -> None:
        for self._step_number, step in enumerate(case.steps):
            if self._tracker.failed:
                return
            await self._step(step)
        await self._settle()
        if not self._tracker.findings and case.quiet:
            await self._idle(self._target.quiet)
            await self._settle()
        await self._goodbye()

    async def _step(self, step: scripts.Step) -> None:
        if getattr(step, "client", None) in self._held and not isinstance(step, scripts.Release):
            self._hold(step)
            return
        if self._pause is not None and not isinstance(step, _WAITING):
            await self._pause.acquire()
        client = getattr(step, "client", None)
        if client is not None and isinstance(step, scripts.Fragment | scripts.Frames):
            # Within an unfinished message no other can be sent (RFC 6455 section 5.4), an answer neither.
            self._silent.add(client)
        if client in self._asking:
            await self._until(lambda: client not in self._asking)
        match step:
            case scripts.Open(waits=False):
                assert self._nursery is not None
                self._asking.add(step.client)
                self._nursery.start_soon(self._open, step)
            case scripts.Open():
                await self._open(step)
            case scripts.Knock():
                await self._knock(step)
            case scripts.Frames():
                await self._frames(step)
            case scripts.Hold(client):
                self._held[client] = []
            case scripts.Release(client):
                await self._release(client)
            case scripts.Stall(client):
                self._note(client, ".", "stops reading")
                self._tracker.deafened(client)
                self._wires[client].stall()
            case scripts.HalfClose(client):
                self._note(client, ">", "FIN, and reads on")
                self._tracker.finished(client, self._clock())
                await self._wires[client].finish()
            case scripts.Post():
                await self._post(step)
            case scripts.Send():
                await self._send(step)
            case scripts.Stream():
                await self._stream(step)
            case scripts.Raw():
                await self._raw(step)
            case scripts.Fragment(client, text, first):
                self._note(client, ">", f"an unfinished fragment {text!r}")
                await self._wires[client].send_frame(TEXT if first else 0, text.encode(), final=False)
            case scripts.Ping(client, data, rules):
                self._note(client, ">", "ping")
                self._tracker.pinged(client, data.encode(), self._clock(), rules)
                await self._wires[client].send_frame(PING, data.encode())
            case scripts.Settle():
                await self._settle()
            case scripts.Expire(client, timer):
                await self._expire(client, timer)
            case scripts.Idle(seconds):
                await self._idle(self._target.quiet if seconds is None else seconds)
            case scripts.Close(client, code, rules):
                self._note(client, ">", f"close {code if code is not None else '(no code)'}")
                self._tracker.we_closed(client, self._clock(), rules)
                await self._wires[client].send_close(code)
            case scripts.Reset(client, gently):
                self._note(client, ">", "FIN" if gently else "RST")
                self._tracker.dropped(client, self._clock())
                await self._wires[client].drop(gently=gently)

    # ------------------------------------------------------------------------------------------------- sending

    async def _open(self, step: scripts.Open) -> None:
        number = self._step_number
        self._silent |= {step.client} if step.silent else set()
        source = self._address(step.address or step.client)
        request = self._symbols.request(step, source or "the suite")
        heard = self._listener(step.client)
        wire = self._wires[step.client] = Wire(self._target.endpoint, self._clock, heard, source)
        await wire.connect(narrow=step.narrow)
        headers = [pair for pair in request.headers if pair not in UPGRADE]
        self._note(step.client, ">", _request_line(request.target, headers, websocket=step.websocket))
        self._sent_at[step.client] = moment = self._clock()
        self._tracker.opened(step.client, request, moment, step.rules)
        target = self._target.endpoint.prefix + request.target
        answer, at = await wire.upgrade(target, headers, websocket=step.websocket, each=step.each)
        said = f"{answer.status}" + (f" {answer.body[:200]}" if answer.status != 101 and answer.body else "")
        chosen = answer.header("sec-websocket-protocol")
        self._note(step.client, "<", said + (f" Sec-WebSocket-Protocol: {chosen}" if chosen else ""), at)
        self._observe(step.client, "http", (answer.status, answer.body, chosen), at, number)
        self._tracker.answered(step.client, answer, at)
        if answer.status == 101:
            assert self._nursery is not None
            self._nursery.start_soon(wire.listen)
        self._asking.discard(step.client)
        self._changed.set()

    async def _post(self, step: scripts.Post) -> None:
        source = self._address(step.client)
        request = self._symbols.post(step, source or "the suite")
        said = request.body[:200].decode("utf-8", "replace")
        # Whose token it is, is told; what else is secret in a header is not even noted.
        bearing = [(name, value) for name, value in request.headers if self._symbols.hide(value) != value]
        shown = "".join(f" {name}: {value}" for name, value in bearing)
        self._note(step.client, ">", f"{request.method} {request.target}{shown} {said}")
        self._tracker.requested(step.client, request, self._clock(), step.rules)
        answer, at = await post(self._target.endpoint, source, request, self._clock)
        self._note(step.client, "<", f"{answer.status} {answer.body[:_LONGEST]}".rstrip(), at)
        self._observe(step.client, "http", (answer.status, answer.body, None), at)
        self._tracker.answered(step.client, answer, at)
        self._symbols.learn(step.client, self._tracker.link(step.client))
        self._changed.set()

    def _address(self, label: str) -> str | None:
        if self._target.addresses is None:
            return None
        if label not in self._addresses:
            self._addresses[label] = self._target.addresses.take()
        return self._addresses[label]

    async def _send(self, step: scripts.Send) -> None:
        text = self._symbols.message(step)
        payload = text.encode("utf-8", "surrogatepass")
        note = text if step.fragments == 1 else f"{text} (in {step.fragments} fragments)"
        await self._send_text(step.client, payload, Text(text, len(payload)), note, step.rules, step.fragments)

    async def _stream(self, step: scripts.Stream) -> None:
        text = "".join(map(self._symbols.message, step.messages))
        size = step.each or len(text)
        for start in range(0, len(text), size):
            part = text[start : start + size]
            payload = part.encode("utf-8", "surrogatepass")
            await self._send_text(step.client, payload, Text(part, len(payload)), part, step.rules)

    async def _raw(self, step: scripts.Raw) -> None:
        if step.text is not None:
            text = str(self._symbols.value(step.text))
            payload = text.encode("utf-8", "surrogatepass")
            await self._send_text(step.client, payload, Text(text, len(payload)), text, step.rules)
            return
        data = bytes.fromhex(step.binary if step.binary is not None else step.not_utf8 or "")
        frame = Binary(len(data), data) if step.binary is not None else NotUTF8(len(data))
        self._note(step.client, ">", f"{'binary' if step.binary is not None else 'not UTF-8'} {data[:40]!r}")
        self._tracker.sent(step.client, frame, self._clock(), step.rules)
        await self._wires[step.client].send_frame(BINARY if step.binary is not None else TEXT, data)

    async def _send_text(
        self, client: str, payload: bytes, frame: Text, note: str, rules: tuple[str, ...], fragments: int = 1
    ) -> None:
        self._note(client, ">", note)
        self._tracker.sent(client, frame, self._clock(), rules)
        await self._wires[client].send_text(payload, fragments)

    # --------------------------------------------------------------------------------------- below the messages

    async def _knock(self, step: scripts.Knock) -> None:
        data = self._symbols.knock(step)
        source = self._address(step.client)
        wire = self._wires[step.client] = Wire(self._target.endpoint, self._clock, lambda kind, value, at: None, source)
        await wire.connect()
        self._note(step.client, ">", f"{data.decode('latin-1')!r}")
        answer = None
        with trio.move_on_after(self._tracker.patience) as scope:
            await wire.send_bytes(data)
            answer = await wire.answer() if step.due else None
        late = scope.cancelled_caught
        said = f"{answer.status} {answer.body[:200]}".rstrip() if answer is not None else "the transport ended"
        if step.due:
            self._note(step.client, "<", "nothing" if late else said)
            if answer is not None:
                self._observe(step.client, "http", (answer.status, answer.body, None), self._clock())
            elif not late:
                self._observe(step.client, "end", said, self._clock())
        self._tracker.knocked(step.client, answer, self._clock(), ended=not late, due=step.due)

    async def _frames(self, step: scripts.Frames) -> None:
        data, told = self._symbols.frames(step)
        self._note(step.client, ">", told)
        if step.strains:
            self._tracker.strained(step.client)
        pace = step.each or max(1, len(data))
        for start in range(0, len(data), pace):
            await self._write(step.client, [(data[start : start + pace], step.rules)])

    async def _write(self, client: str, parts: list[tuple[bytes, tuple[str, ...]]]) -> None:
        """Send bytes in one piece, and tell the tracker what they amount to."""
        ended = bool(BINDINGS[self._target.document.binding].ends)
        receiver = self._receivers.setdefault(client, Receiver(self._target.machine.largest, ended))
        for data, rules in parts:
            for event in receiver.feed(data):
                self._tell(client, event, rules)
        await self._wires[client].send_bytes(b"".join(data for data, _ in parts))

    def _tell(self, client: str, event: Took | Pinged | Closed, rules: tuple[str, ...]) -> None:
        now = self._clock()
        match event:
            case Pinged(data):
                self._tracker.pinged(client, data, now, rules)
            case Closed():
                self._wires[client].closes()
                self._tracker.we_closed(client, now, rules)
            case Took(ways, texts):
                for text in texts:
                    self._tracker.mentioned(client, text)
                if ways:
                    self._tracker.sent(client, ways[0], now, rules, otherwise=ways[1:])

    def _hold(self, step: scripts.Step) -> None:
        match step:
            case scripts.Frames(client, rules=rules):
                data, note = self._symbols.frames(step)
            case scripts.Send(client, rules=rules):
                note = self._symbols.message(step)
                data = encode_frame(TEXT, note.encode("utf-8", "surrogatepass"))
            case scripts.Ping(client, text, rules):
                data, note = encode_frame(PING, text.encode()), "ping"
            case scripts.Close(client, code, rules):
                data, note = encode_frame(CLOSE, b"" if code is None else code.to_bytes(2, "big")), f"close {code}"
            case _:
                raise TypeError(f"{type(step).__name__} cannot be held back")
        self._note(client, ".", f"holds back {note}")
        self._held[client].append((data, rules))

    async def _release(self, client: str) -> None:
        parts = self._held.pop(client, [])
        self._note(client, ">", f"what was held back, {sum(len(data) for data, _ in parts)} bytes in one piece")
        await self._write(client, parts)

    # ------------------------------------------------------------------------------------------------- hearing

    def _listener(self, client: str) -> Callable[[str, Any, float], None]:
        def heard(kind: str, value: Any, at: float) -> None:
            if not self._over:
                self._hear(client, kind, value, at)
                self._changed.set()

        return heard

    def _hear(self, client: str, kind: str, value: Any, at: float) -> None:
        match kind:
            case "text":
                self._note(client, "<", value, at)
                self._observe(client, kind, value, at)
                self._tracker.received(client, value, at)
                self._attend(client, value)
                if self._measures:
                    taken = at - self._sent_at.get(client, at)
                    self._outcome.timings.setdefault(f"{client}:{_type_of(value)}", taken)
            case "binary":
                self._note(client, "<", f"a binary message of {value} bytes", at)
                self._observe(client, kind, value, at)
                self._tracker.received_binary(client, value, at)
            case "close":
                code, reason = value
                self._note(client, "<", f"close {code if code != 1005 else '(no code)'} {reason}".rstrip(), at)
                self._observe(client, kind, value, at)
                self._tracker.closed(client, code, reason, at)
            case "pong":
                self._tracker.ponged(client, value)
            case "end":
                self._note(client, ".", value, at)
                self._observe(client, kind, value, at)
                self._tracker.closed(client, None, "", at)

    def _attend(self, client: str, text: str) -> None:
        """Answer what a client that is there answers at once."""
        if not self._attended or client in self._silent:
            return
        document = self._target.document
        binding, discriminator = BINDINGS[document.binding], document.envelope.discriminator
        ear = self._ears.setdefault(client, Ear(document, "server"))
        for read in ear.hear(Text(text, len(text))):
            name = pointer_get(read.body, discriminator) if isinstance(read.body, dict) else None
            answer = self._attended.get(name) if isinstance(name, str) else None
            if answer is not None and self._nursery is not None:
                said: dict[str, Any] = {}
                pointer_put(said, discriminator, answer)
                payload = binding.encode(said, encode).encode()
                self._tracker.sent(client, Text(payload.decode(), len(payload)), self._clock())
                self._nursery.start_soon(self._wires[client].send_text, payload)

    # ------------------------------------------------------------------------------------------------- waiting

    async def _until(self, done: Callable[[], bool], patience: float = _PATIENCE, end: float = math.inf) -> None:
        """Wait for what comes, and for no longer than to a moment.

        After some patience without anything the case gives its place to others, until it has something to say.
        """
        while not self._tracker.failed and not done():
            now = self._clock()
            if now >= end:
                return
            if patience == 0.0 and self._pause is not None:
                self._pause.release()
            deadline = self._tracker.deadline()
            left = min(end, math.inf if deadline is None else max(deadline, now) + 0.001) - now
            self._changed = trio.Event()
            with trio.move_on_after(min(left, patience or math.inf)) as scope:
                await self._changed.wait()
            if scope.cancelled_caught:
                patience = 0.0
            self._tracker.advance(self._clock())

    def _settled(self) -> bool:
        return not self._asking and self._tracker.settled(self._clock())

    async def _settle(self) -> None:
        await self._until(self._settled)

    async def _expire(self, client: str, timer: str | None) -> None:
        """Wait for a timer, and for what it sends."""
        if self._tracker.due_at(client, timer) is None:
            return
        self._note(client, ".", waits := f"waits for {timer or 'its timers'}")
        self._observe(client, "wait", waits, self._clock())
        # A timer that what is sent or received restarts runs on, to a later moment.
        first = self._tracker.due_at(client, timer) if timer is not None else None
        await self._until(lambda: self._tracker.fired_since(client, timer, first) and self._settled(), 0.0)

    async def _idle(self, seconds: float) -> None:
        await self._until(lambda: False, 0.0, self._clock() + seconds)
        self._tracker.advance(self._clock())

    async def _goodbye(self) -> None:
        """Take leave of every open connection, so that the target need not find out; nothing is judged any more."""
        self._over = True
        for wire in self._wires.values():
            if wire.open:
                await wire.send_close(1000)

    def _fetched(self) -> list[Finding]:
        """What the target broke that fetched keys from where a token of this case points."""
        if not any(map(self._target.tripwire.was_touched, self._subjects)):
            return []
        text = "keys were fetched from where the token points"
        return [Finding("fetched", self._target.book.fetching, text, "", self._clock())]

    def _minted(self, minted: Minted) -> None:
        self._subjects.add(minted.subject)
        # A recipe may leave the claims unencoded; their values, such as the subject, are said by right.
        said = [value for value in minted.claims.values() if isinstance(value, str)]
        self._tracker.secret(minted.text, self._target.book.moments(minted), said)

    def _note(self, client: str, direction: str, text: str, at: float | None = None) -> None:
        moment = (self._clock() if at is None else at) - self._outcome.started
        self._noted.append(Entry(moment, client, direction, text))
        if direction == ">":
            self._observe(client, "sent", text, self._clock())

    def _observe(self, client: str, kind: str, value: Any, at: float, step: int | None = None) -> None:
        number = self._step_number if step is None else step
        self._seen.append(Observed(client, kind, value, at - self._outcome.started, number))

    def _clean(self, text: str) -> str:
        """A text without what is secret of the deployment; before it is cut, or a part of a secret could be left."""
        return str(self._target.book.sieve.clean(text))

    def _leaked(self) -> bool:
        return any(finding.check == "leak" for finding in self._outcome.findings)

    def _written(self) -> list[Entry]:
        """What was noted as it may be shown: without tokens, nor parts of them where they were quoted."""
        hidden = [evolve(entry, text=_shortened(self._clean(self._symbols.hide(entry.text)))) for entry in self._noted]
        if not self._leaked():
            return hidden
        return [evolve(entry, text=self._symbols.hide_parts(entry.text)) for entry in hidden]

    def _witnessed(self) -> list[Observed]:
        """What was observed as it may be shown, and without the names of this run."""
        plain = [event.rewritten(self._symbols.plain).rewritten(self._clean) for event in self._seen]
        plain = [event.rewritten(_shortened) if event.kind == "sent" else event for event in plain]
        return [event.rewritten(self._symbols.hide_parts) for event in plain] if self._leaked() else plain


def _shortened(text: str) -> str:
    """A text as a transcript keeps it: long values of a JSON message cut, and anything else that is long."""
    if len(text) <= _LONGEST:
        return text
    try:
        body = _cut(json.loads(text)) if text.startswith("{") else None
    except ValueError:
        body = None
    text = encode(body) if body is not None else text
    return text if len(text) <= 4 * _LONGEST else text[: _LONGEST - 1] + "…"


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 80:
        return f"{value[:40]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: _cut(member) for name, member in value.items()}
    return [_cut(member) for member in value] if isinstance(value, list) else value


def _request_line(path: str, headers: list[tuple[str, str]], *, websocket: bool) -> str:
    shown = "".join(f" {name}: {value}" for name, value in headers)
    return f"GET {path}{shown}" + ("" if websocket else " (no upgrade)")


def _type_of(text: str) -> str:
    try:
        body = json.loads(text)
    except ValueError:
        return "?"
    return str(body.get("type", "?")) if isinstance(body, dict) else "?"
