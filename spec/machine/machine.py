"""The rules in motion: how one event changes a world and what comes of it.

A machine is a document compiled for a deployment's parameters. It holds no state: every method takes the world that it
changes and the time at which it does. The order of things is the law of the format: facts are asked in the order of
the cases, the first case that passes decides, its effects run in order, then the state changes, and a timer whose
moment has passed when it starts fires behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from attrs import define, field

from spec import model
from spec.expressions import (
    Chosen,
    Evaluate,
    Scope,
    compile_expression,
    compile_template,
    pointer_get,
    pointer_parts,
)
from spec.machine.facts import Classifier, Judge, Question
from spec.machine.values import (
    Binary,
    Closing,
    Emission,
    Frame,
    NotUTF8,
    Output,
    Refusal,
    Request,
    Text,
    Upgrade,
)
from spec.machine.world import CLOSED, Connection, Due, World
from spec.messages import Read, Reader
from spec.parameters import Tolerance, holds

__all__ = ["Machine"]


@define
class _Event:
    """One event being handled: what effects read and where they write."""

    world: World
    connection: Connection
    now: float
    scope: dict[str, Any]
    cause: int
    rules: tuple[str, ...]
    pointer: str = ""
    source: int | None = None
    timer: str | None = None
    read: Read | None = None
    reply_to: str | None = None
    outputs: list[Output] = field(factory=list)


_Run = Callable[[_Event], None]


@define
class _Case:
    when: model.Guard
    inside: str | None
    run: tuple[_Run, ...]
    to: str | None
    rules: tuple[str, ...]
    pointer: str


class Machine:
    """A document compiled for the parameters of a deployment and a judge of its tokens."""

    def __init__(self, document: model.Document, parameters: Mapping[str, Any], judge: Judge) -> None:
        self.document = document
        self.parameters = parameters
        self.reader = Reader(document, "client")
        self.classifier = Classifier(document, parameters, judge)
        self.served = [
            version.subprotocol
            for version in document.versions
            if version.subprotocol is not None and holds(version.applies, parameters)
        ]
        self._roots: dict[str, Any] = {"parameters": parameters, "served": self.served}
        self._largest = int(compile_expression(document.largest)(self._roots))
        self._rows = [(row, self._effects(row.do)) for row in document.opening]
        self._memory_keys = {
            name: ([compile_expression(part) for part in memory.key], compile_expression(memory.until))
            for name, memory in document.memories.items()
        }
        self._timers = {path: self._compile_timers(state) for path, state in document.states.items()}
        self._expire = {
            (path, timer.name): self._cases(timer.expire)
            for path, state in document.states.items()
            for timer in state.timers
        }
        self._receive = {state.path: self._table(state) for state in document.leaves()}

    # ------------------------------------------------------------------------------------------------ events

    def open(self, world: World, request: Request, now: float) -> Refusal | Upgrade:
        """Answer a request: the first row of the opening table whose guard passes decides."""
        scope = {**self._roots, "connection": {"address": request.address}}
        question = Question(world, now, scope, request=request)
        row, effects = next((row, effects) for row, effects in self._rows if self.classifier.passes(row.when, question))
        headers, header_rules = self._headers(row, question)
        if row.to is None:
            scope["error"] = {"code": row.code}
            body = {
                **compile_template(self.document.refusal_body)(scope),
                **compile_template(row.body)(scope),
            }
            return Refusal(row.status, {**row.headers, **headers}, body, row.rules, header_rules, row.pointer)
        connection = self._connect(world, request.address, scope)
        event = self._event(world, connection, now, scope, row.rules)
        for run in effects:
            run(event)
        self._enter(event, row.to)
        known = dict(question.known)
        return Upgrade(
            connection.number,
            row.subprotocol,
            headers,
            tuple(event.outputs),
            row.rules,
            header_rules,
            row.pointer,
            known,
        )

    def receive(self, world: World, number: int, frame: Frame, now: float) -> list[Output]:
        """Handle one message of a connection; what comes for one that has ended is ignored."""
        connection = world.connections.get(number)
        if connection is None:
            return []
        name, read = self.classify(frame)
        event = self._event(world, connection, now, self._scope(connection), ())
        event.source, event.read = number, read
        if read is not None:
            event.scope["message"] = read.body
            event.reply_to = self.reader.readable_id(read.body)
        table = self._receive[connection.state]
        question = Question(world, now, event.scope, payload_valid=read is None or read.valid)
        self._decide(event, table[name] if name in table else table["other"], question)
        return event.outputs

    def fire(self, world: World, number: int, state: str, timer: str, now: float) -> list[Output]:
        """Let one running timer of a connection expire."""
        connection = world.connections[number]
        del connection.timers[state, timer]
        event = self._event(world, connection, now, self._scope(connection), ())
        event.timer = timer
        self._decide(event, self._expire[state, timer], Question(world, now, event.scope))
        return event.outputs

    def ended(self, world: World, number: int) -> None:
        """The peer closed, or the transport ended."""
        connection = world.connections.get(number)
        if connection is not None:
            world.forget(connection)

    def classify(self, frame: Frame) -> tuple[str, Read | None]:
        """Which input a frame is; size comes first, then kind, then content."""
        if frame.size > self._largest:
            return "oversize", None
        match frame:
            case Binary():
                return "binary", None
            case NotUTF8():
                return "not_utf8", None
            case Text(text):
                read = self.reader.read(text)
                return read.input, read

    # ----------------------------------------------------------------------------------------------- decisions

    def _decide(self, event: _Event, cases: tuple[_Case, ...], question: Question) -> None:
        for case in cases:
            if case.inside is not None and not _within(event.connection.state, case.inside):
                continue
            if self.classifier.passes(case.when, question):
                event.rules, event.pointer = case.rules, case.pointer
                for run in case.run:
                    run(event)
                if case.to is not None and event.connection.state != CLOSED:
                    self._move(event, case.to)
                return
        raise LookupError(f"no case of the document decides in {event.connection.state}")

    def _move(self, event: _Event, to: str) -> None:
        """Leave up to the least common ancestor, or, for the present state or an ancestor of it, that state too."""
        now_in, leaf = event.connection.state, self.document.leaf(to)
        reenters = _within(now_in, to)
        chain = self.document.states[now_in].chain
        kept = {path for path in chain if _within(leaf, path) and not (reenters and _within(path, to))}
        for key in [key for key in event.connection.timers if key[0] not in kept]:
            del event.connection.timers[key]
        self._enter(event, to, kept)

    def _enter(self, event: _Event, to: str, kept: Collection[str] = ()) -> None:
        event.connection.state = self.document.leaf(to)
        for path in reversed(self.document.states[event.connection.state].chain):
            if path not in kept:
                self._start(event, path)

    def _start(self, event: _Event, path: str) -> None:
        for name, (after, at, before, plus) in self._timers[path].items():
            scope = self._scope(event.connection)
            if after is not None:
                due = event.now + after(scope)
            else:
                moment = at(scope) + (plus(scope) or 0.0) - (before(scope) or 0.0)
                due = max(moment, event.now)
            event.connection.timers[path, name] = Due(due, event.now, event.cause, after is None)

    def _connect(self, world: World, address: str, scope: dict[str, Any]) -> Connection:
        world.numbers += 1
        variables = {name: compile_expression(source)(scope) for name, source in self.document.variables.items()}
        connection = Connection(world.numbers, "", address, variables)
        world.connections[connection.number] = connection
        return connection

    def _event(
        self, world: World, connection: Connection, now: float, scope: dict[str, Any], rules: tuple[str, ...]
    ) -> _Event:
        world.causes += 1
        scope.update(connection.variables)
        return _Event(world, connection, now, scope, world.causes, rules)

    def _scope(self, connection: Connection) -> dict[str, Any]:
        return {**self._roots, "connection": {"address": connection.address}, **connection.variables}

    def _headers(self, row: model.OpeningRow, question: Question) -> tuple[dict[str, str], tuple[str, ...]]:
        headers: dict[str, str] = {}
        rules: tuple[str, ...] = ()
        for rule in self.document.header_rules:
            # A fact that the table did not need to ask must not be asked now: what came before it has decided.
            asked = all(name in question.known for name in rule.when)
            if row.status in rule.statuses and asked and self.classifier.passes(rule.when, question):
                headers.update(compile_template(dict(rule.set))(question.scope))
                rules += rule.rules
        return headers, rules

    # --------------------------------------------------------------------------------------------- compilation

    def _cases(self, cases: tuple[model.Case, ...]) -> tuple[_Case, ...]:
        return tuple(
            _Case(case.when, case.inside, self._effects(case.do), case.to, case.rules, case.pointer) for case in cases
        )

    def _table(self, state: model.State) -> dict[str, tuple[_Case, ...]]:
        """Every input that a state or an ancestor of it handles; the innermost wins."""
        table: dict[str, tuple[_Case, ...]] = {}
        for level in [
            self.document.receive,
            *(self.document.states[path].receive for path in reversed(state.chain)),
        ]:
            table.update({name: self._cases(cases) for name, cases in level.items()})
        return table

    def _compile_timers(self, state: model.State) -> dict[str, tuple[Evaluate | None, Evaluate, Evaluate, Evaluate]]:
        return {
            timer.name: (
                None if timer.after is None else compile_expression(timer.after),
                compile_expression(timer.at),
                compile_expression(timer.before),
                compile_expression(timer.plus),
            )
            for timer in state.timers
        }

    def _effects(self, effects: tuple[model.Effect, ...]) -> tuple[_Run, ...]:
        return tuple(self._effect(effect) for effect in effects)

    def _effect(self, effect: model.Effect) -> _Run:
        match effect:
            case model.Set(values):
                return _run_set(compile_template(dict(values)))
            case model.Join(room):
                return _run_room(World.join, room, compile_expression(self.document.rooms[room]))
            case model.Leave(room):
                return _run_room(World.leave, room, compile_expression(self.document.rooms[room]))
            case model.Remember(memory):
                return self._run_remember(memory)
            case model.Emit():
                return self._run_emit(effect)
            case model.Broadcast():
                return self._run_broadcast(effect)
            case model.Fail():
                return self._run_fail(effect)
            case model.Close(code):
                return lambda event: _close(event, code, None)

    def _run_remember(self, memory: str) -> _Run:
        def run(event: _Event) -> None:
            parts, until = self._memory_keys[memory]
            key = tuple(part(event.scope) for part in parts)
            event.world.remember(memory, key, until(event.scope), event.now)

        return run

    def _run_emit(self, effect: model.Emit) -> _Run:
        build = self._build(effect.message, effect.payload)

        def run(event: _Event) -> None:
            replies = effect.reply == "must"
            reply_to = event.reply_to if replies else None
            body = build(event.scope, reply_to)
            event.outputs.append(_emission(event, effect.message, body, "must" if replies else "free", reply_to))

        return run

    def _run_broadcast(self, effect: model.Broadcast) -> _Run:
        build = self._build(effect.message, effect.payload)
        key = compile_expression(self.document.rooms[effect.room])

        def run(event: _Event) -> None:
            room = (effect.room, key(event.scope))
            for member in tuple(event.world.rooms.get(room, ())):
                mine = effect.in_reply == "sender" and member == event.connection.number
                reply_to = event.reply_to if mine else None
                event.outputs.append(
                    Emission(
                        connection=member,
                        message=effect.message,
                        body=build(event.scope, reply_to),
                        reply="must" if mine else "never",
                        reply_to=reply_to,
                        rules=event.rules,
                        cause=event.cause,
                        pointer=event.pointer,
                        source=event.source,
                        broadcast=room,
                        isolation=effect.isolation,
                        order=effect.order,
                    )
                )

        return run

    def _run_fail(self, effect: model.Fail) -> _Run:
        error = self.document.errors[effect.code]
        view = {"code": error.code, "retryable": error.retryable, "text": error.text}
        build = self._build(self.document.error_message, self.document.error_payload, Chosen("text", error.text))
        reasons = {code: compile_expression(reason) for code, reason in self.document.close_reasons.items()}

        def run(event: _Event) -> None:
            event.scope["error"] = view
            reply, reply_to = _reply(effect.in_reply, event)
            body = build(event.scope, reply_to)
            event.outputs.append(_emission(event, self.document.error_message, body, reply, reply_to))
            code = error.closes(event.connection.state)
            if code is not None:
                event.rules = tuple(dict.fromkeys((*event.rules, *self.document.close_rules)))
                _close(event, code, reasons[code](event.scope) if code in reasons else None)

        return run

    def _build(
        self, message: str, payload: Any, text: Chosen | None = None
    ) -> Callable[[Scope, str | None], dict[str, Any]]:
        """Compile the body of a server's message: envelope, payload, and what its sender chooses."""
        envelope, form = self.document.envelope, self.document.messages[message].server
        assert form is not None, message
        template = compile_template(payload)
        chosen = {**envelope.server.chosen, **form.chosen}
        marks = {
            pointer: text if entry["kind"] == "text" and text else Chosen(entry["kind"], entry.get("sample"))
            for pointer, entry in chosen.items()
        }

        def build(scope: Scope, reply_to: str | None) -> dict[str, Any]:
            body: dict[str, Any] = {}
            _place(body, envelope.discriminator, message)
            _place(body, envelope.payload, template(scope))
            for pointer, mark in marks.items():
                if isinstance(pointer_get(body, pointer, mark), Chosen):
                    _place(body, pointer, mark)
            if reply_to is not None:
                _place(body, envelope.reply_to, reply_to)
            return body

        return build

    # ------------------------------------------------------------------------------------------------ readings

    def unsolicited(self, world: World, number: int) -> list[Emission]:
        """What the connection's state lets the server send at any time, as patterns."""
        connection = world.connections.get(number)
        if connection is None:
            return []
        scope = self._scope(connection)
        found = []
        for path in self.document.states[connection.state].chain:
            for allowed in self.document.states[path].may_send:
                body = self._build(allowed.message, allowed.payload)(scope, None)
                found.append(Emission(number, allowed.message, body, "free", None, (), 0))
        return found

    def timer_tolerance(self, due: Due) -> float:
        """How late a timer may fire, in seconds."""
        tolerance = self.parameters["timer_late"]
        assert isinstance(tolerance, Tolerance)
        return tolerance.of(due.at - due.started)


def _run_set(values: Evaluate) -> _Run:
    def run(event: _Event) -> None:
        found = values(event.scope)
        event.connection.variables.update(found)
        event.scope.update(found)

    return run


def _run_room(act: Callable[[World, Connection, tuple[str, Any]], None], room: str, key: Evaluate) -> _Run:
    return lambda event: act(event.world, event.connection, (room, key(event.scope)))


def _emission(event: _Event, message: str, body: Mapping[str, Any], reply: str, reply_to: str | None) -> Emission:
    return Emission(
        connection=event.connection.number,
        message=message,
        body=body,
        reply=reply,
        reply_to=reply_to,
        rules=event.rules,
        cause=event.cause,
        pointer=event.pointer,
        source=event.source,
        timer=event.timer,
    )


def _reply(wanted: str, event: _Event) -> tuple[str, str | None]:
    """What is due of the reply member of an error, and the id that it names."""
    if wanted == "none":
        return "never", None
    if event.read is None:
        return "free", None
    if wanted == "may":
        return "free", event.reply_to
    return ("must" if event.reply_to is not None else "free"), event.reply_to


def _close(event: _Event, code: int, reason: str | None) -> None:
    event.outputs.append(
        Closing(event.connection.number, code, reason, event.rules, event.cause, event.timer, event.pointer)
    )
    event.world.forget(event.connection)


def _place(body: dict[str, Any], pointer: str, value: Any) -> None:
    """Put a value where a JSON Pointer says; the root merges a mapping into the body."""
    parts = pointer_parts(pointer)
    if not parts:
        body.update(value)
        return
    for part in parts[:-1]:
        body = body.setdefault(part, {})
    body[parts[-1]] = value


def _within(state: str, ancestor: str) -> bool:
    return state == ancestor or state.startswith(ancestor + ".")


def _common(left: str, right: str) -> str:
    shared = []
    for one, other in zip(left.split("."), right.split("."), strict=False):
        if one != other:
            break
        shared.append(one)
    return ".".join(shared)
