"""The rules in motion: how one event changes a world and what comes of it.

A machine is a document compiled for a deployment's parameters. It holds no state: every method takes the world that it
changes and the time at which it does. The order of things is the law of the format: facts are asked in the order of
the cases, the first case that passes decides, its effects run in order, then the state changes, and a timer whose
moment has passed when it starts fires behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from attrs import define, evolve

from spec import model
from spec.expressions import (
    Chosen,
    Scope,
    compile_expression,
    compile_template,
    pointer_get,
)
from spec.machine.effects import Choose, Effects, Event, Run
from spec.machine.facts import Classifier, Judge, Question, queried
from spec.machine.groups import Countdown
from spec.machine.links import LinkKind
from spec.machine.values import (
    Breach,
    Closing,
    Emission,
    Output,
    Refusal,
    Request,
    Upgrade,
)
from spec.machine.world import CLOSED, Connection, Due, World
from spec.messages import Ear, Read, reader_of
from spec.parameters import Tolerance, holds

__all__ = ["Machine", "Standing"]


Standing = tuple[str, dict[str, Any]]
"""A connection's state, and its variables."""


@define
class _Permission:
    message: str
    build: Callable[[Scope, str | None], dict[str, Any]]
    when: model.Guard
    run: tuple[Run, ...]
    rules: tuple[str, ...]


@define
class _Case:
    when: model.Guard
    inside: str | None
    run: tuple[Run, ...]
    to: str | None
    rules: tuple[str, ...]
    pointer: str


class Machine:
    """A document compiled for the parameters of a deployment and a judge of its tokens."""

    def __init__(
        self,
        document: model.Document,
        parameters: Mapping[str, Any],
        judge: Judge,
        deployment: Mapping[str, Any] | None = None,
        choose: Choose | None = None,
    ) -> None:
        self.document = document
        self.parameters = parameters
        self.reader = reader_of(document, "client")
        self.served = [
            version.subprotocol
            for version in document.versions
            if version.subprotocol is not None and holds(version.applies, parameters)
        ]
        self._roots: dict[str, Any] = {"parameters": parameters, "served": self.served, "deployment": deployment or {}}
        self.largest = int(compile_expression(document.largest)(self._roots))
        links = {name: LinkKind(entry, self._roots) for name, entry in document.links.items()}
        self.classifier = Classifier(document, parameters, judge, links)
        self._effects = Effects(document, choose, links, self.classifier)
        self._restarts = {
            (timer.state, timer.name): (timer.restarts, compile_expression(timer.after))
            for timers in (document.timers, *(state.timers for state in document.states.values()))
            for timer in timers
            if timer.restarts
        }
        self._refusal = compile_template(document.refusal_body)
        self._bodies = {row.pointer: compile_template(row.body) for row in document.opening}
        self._header_rules = [(rule, compile_template(dict(rule.set))) for rule in document.header_rules]
        self._rows = [(row, self._effects.compile(row.do)) for row in document.opening]
        self._timers = {path: self._compile_timers(state.timers) for path, state in document.states.items()}
        self._timers[""] = self._compile_timers(tuple(timer for timer in document.timers if not timer.asked))
        every = (document.states.values(), document.groups.values())
        self._expire = {
            (timer.state, timer.name): self._cases(timer.expire)
            for timers in (document.timers, *(one.timers for some in every for one in some))
            for timer in timers
        }
        self._elected = {name: self._cases(role.elected) for name, role in document.roles.items()}
        self._endpoints = {
            name: (
                compile_template(endpoint.error_body),
                [(row, self._effects.compile(row.do), compile_template(row.body)) for row in endpoint.rows],
            )
            for name, endpoint in document.http.items()
        }
        self._free = {
            leaf.path: [
                _Permission(
                    allowed.message,
                    self._effects.build(allowed.message, allowed.payload),
                    allowed.when,
                    self._effects.compile(allowed.do),
                    allowed.rules,
                )
                for path in leaf.chain
                for allowed in document.states[path].may_send
            ]
            for leaf in document.leaves()
        }
        self.guards = any(permission.when for allowed in self._free.values() for permission in allowed)
        self._receive = {state.path: self._table(state) for state in document.leaves()}

    # ------------------------------------------------------------------------------------------------ events

    def open(self, world: World, request: Request, now: float) -> Refusal | Upgrade:
        """Answer a request: the first row of the opening table whose guard passes decides."""
        scope = {**self._roots, "connection": {"address": request.address}, "query": queried(request)}
        question = Question(world, now, scope, request=request)
        row, effects = next((row, effects) for row, effects in self._rows if self.classifier.passes(row.when, question))
        headers, header_rules = self._headers(row, question)
        if row.to is None:
            scope["error"] = {"code": row.code}
            body = {**self._refusal(scope), **self._bodies[row.pointer](scope)}
            return Refusal(row.status, {**row.headers, **headers}, body, row.rules, header_rules, row.pointer)
        connection = self._connect(world, request.address, scope, now)
        event = self._event(world, connection, now, scope, row.rules)
        event.question = question
        for run in effects:
            run(event)
        self._start(event, "", self._scope(connection))
        self._enter(event, row.to)
        self._said(event)
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
            row.subprotocol_rules,
        )

    def endpoint(self, request: Request) -> str | None:
        """The endpoint that a request is for, or None."""
        path = request.target.partition("?")[0]
        return next(
            (e.name for e in self.document.http.values() if e.path == path and e.method in (request.method, "any")),
            None,
        )

    def request(self, world: World, name: str, request: Request, now: float) -> Refusal:
        """Answer a request for an endpoint; its effects are of no connection."""
        error_body, rows = self._endpoints[name]
        scope: dict[str, Any] = {
            **self._roots,
            "connection": {"address": request.address},
            "request": {"body": None},
            "query": queried(request),
        }
        question = Question(world, now, scope, request=request, endpoint=self.document.http[name])
        row, effects, body = next(one for one in rows if self.classifier.passes(one[0].when, question))
        if row.code is not None:
            scope["error"] = {"code": row.code, "text": Chosen("text", scope.get("fault", row.code))}
            return Refusal(row.status, {}, {**error_body(scope), **body(scope)}, row.rules, pointer=row.pointer)
        nobody = Connection(0, CLOSED, request.address, {})
        event = self._event(world, nobody, now, scope, row.rules)
        event.pointer, event.question = row.pointer, question
        for run in effects:
            run(event)
        self._said(event)
        outputs = tuple(event.outputs)
        made = event.made.number if event.made is not None else None
        return Refusal(row.status, {}, body(event.scope), row.rules, pointer=row.pointer, outputs=outputs, link=made)

    def ear(self) -> Ear:
        """What hears the client of one connection: it makes of frames what `receive` takes."""
        return Ear(self.document, "client", self.largest)

    def receive(self, world: World, number: int, heard: Read | Breach, now: float) -> list[Output]:
        """Handle one input of a connection; what comes for one that has ended is ignored."""
        connection = world.connections.get(number)
        if connection is None:
            return []
        if isinstance(heard, Breach):
            return self._fail(world, connection, heard)
        event = self._event(world, connection, now, self._scope(connection), ())
        event.source, event.read = number, heard
        self._restart(event, connection, "received")
        event.scope["message"] = self.reader.completed(heard)
        event.reply_to = self.reader.readable_id(heard.body)
        table = self._receive[connection.state]
        question = Question(world, now, event.scope, payload_valid=heard.valid, connection=number)
        self._decide(event, table[heard.input] if heard.input in table else table["other"], question)
        self._said(event)
        return event.outputs

    def fire(self, world: World, number: int, state: str, timer: str, now: float) -> list[Output]:
        """Let one running timer of a connection, or of a group, expire."""
        connection = world.party(number)
        assert connection is not None
        del connection.timers[state, timer]
        event = self._event(world, connection, now, self._scope(connection), ())
        event.timer = timer
        self._decide(event, self._expire[state, timer], Question(world, now, event.scope))
        self._said(event)
        return event.outputs

    def ended(self, world: World, number: int, now: float | None = None) -> list[Output]:
        """The peer closed, or the transport ended; without a moment, at that of the last event."""
        connection = world.connections.get(number)
        if connection is None:
            return []
        moment = world.clock if now is None else now
        event = self._event(world, connection, moment, self._scope(connection), ())
        event.source = number
        world.forget(connection)
        self._said(event)
        return event.outputs

    def volunteered(self, world: World, number: int, message: Mapping[str, Any], now: float) -> None:
        """A connection was sent a message that may come at any time.

        What the permission for it does is done, and timers that what is sent restarts start anew.
        """
        connection = world.connections.get(number)
        if connection is None:
            return
        event = self._event(world, connection, now, self._scope(connection), ())
        event.scope["message"] = message
        name = pointer_get(message, self.document.envelope.discriminator)
        for permission in self._free[connection.state]:
            if permission.message == name and self.classifier.passes(
                permission.when, Question(world, now, event.scope)
            ):
                for run in permission.run:
                    run(event)
                break
        self._restart(event, connection, "sent")

    def standing(self, world: World, number: int) -> Standing | None:
        """The state of a connection and its variables as they are now, None where there is none."""
        connection = world.connections.get(number)
        return None if connection is None else (connection.state, dict(connection.variables))

    def _said(self, event: Event) -> None:
        """See to what comes behind an event: elections, then the timers that start anew with what was sent."""
        self._effects.settle(event)
        while event.elected:
            self._announce(event, *event.elected.pop(0))
        for number in dict.fromkeys(output.connection for output in event.outputs if isinstance(output, Emission)):
            connection = event.world.connections.get(number)
            if connection is not None:
                self._restart(event, connection, "sent")

    def _announce(self, event: Event, role: str, key: Any) -> None:
        """Do, for its room, what a role's election brings; the last of an event's is the one that counts."""
        if (role, key) in event.elected:
            return
        room = self.document.roles[role].room
        group = self._effects.group(event.world, (room, key))
        scope = {**self._scope(group), "now": event.now}
        self._effects.show(event.world, scope)
        inner = evolve(event, connection=group, scope=scope, read=None, reply_to=None)
        self._decide(inner, self._elected[role], Question(event.world, event.now, scope))

    def _restart(self, event: Event, connection: Connection, what: str) -> None:
        for (state, name), (restarts, after) in self._restarts.items():
            if what in restarts and (not state or _within(connection.state, state)):
                due = event.now + after(self._roots)
                connection.timers[state, name] = Due(due, event.now, event.cause)

    def _fail(self, world: World, connection: Connection, breach: Breach) -> list[Output]:
        """Fail the connection (RFC 6455 section 7.1.7): a close frame, or none."""
        rules = self.document.framing.get(breach.kind, ())
        outputs = self.ended(world, connection.number)
        pointer = f"/framing/{breach.kind}"
        return [*outputs, Closing(connection.number, 0, None, rules, world.causes, pointer=pointer, how="end")]

    # ----------------------------------------------------------------------------------------------- decisions

    def _decide(self, event: Event, cases: tuple[_Case, ...], question: Question) -> None:
        event.question = question
        for case in cases:
            if case.inside is not None and not _within(event.connection.state, case.inside):
                continue
            if self.classifier.passes(case.when, question):
                event.rules, event.pointer = case.rules, case.pointer
                event.world.decided = case.rules
                for run in case.run:
                    run(event)
                if case.to is not None and event.connection.state != CLOSED:
                    self._move(event, case.to)
                return
        raise LookupError(f"no case of the document decides in {event.connection.state}")

    def _move(self, event: Event, to: str) -> None:
        """Leave up to the least common ancestor, or, for the present state or an ancestor of it, that state too."""
        now_in, leaf = event.connection.state, self.document.leaf(to)
        reenters = _within(now_in, to)
        chain = self.document.states[now_in].chain
        kept = {"", *(path for path in chain if _within(leaf, path) and not (reenters and _within(path, to)))}
        for key in [key for key in event.connection.timers if key[0] not in kept]:
            del event.connection.timers[key]
        self._enter(event, to, kept)

    def _enter(self, event: Event, to: str, kept: Collection[str] = ()) -> None:
        event.connection.state = self.document.leaf(to)
        scope = self._scope(event.connection)
        for path in reversed(self.document.states[event.connection.state].chain):
            if path not in kept:
                self._start(event, path, scope)

    def _start(self, event: Event, path: str, scope: Scope) -> None:
        for name, countdown in self._timers[path].items():
            event.connection.timers[path, name] = countdown.due(scope, event.now, event.cause)

    def _connect(self, world: World, address: str, scope: dict[str, Any], now: float) -> Connection:
        world.numbers += 1
        variables = {name: compile_expression(source)(scope) for name, source in self.document.variables.items()}
        for name, chosen in self.document.chosen.items():
            variables[name] = self._effects.bind(chosen, world, world.numbers, now)
        connection = Connection(world.numbers, "", address, variables)
        world.connections[connection.number] = connection
        return connection

    def _event(
        self, world: World, connection: Connection, now: float, scope: dict[str, Any], rules: tuple[str, ...]
    ) -> Event:
        world.causes += 1
        world.clock = now
        world.left.clear()
        world.waived.clear()
        scope.update(connection.variables)
        scope["now"] = now
        self._effects.show(world, scope)
        scope.update(world.links.of(connection.number))
        return Event(world, connection, now, scope, world.causes, rules)

    def _scope(self, connection: Connection) -> dict[str, Any]:
        return {**self._roots, "connection": {"address": connection.address}, **connection.variables}

    def _headers(self, row: model.OpeningRow, question: Question) -> tuple[dict[str, str], tuple[str, ...]]:
        headers: dict[str, str] = {}
        rules: tuple[str, ...] = ()
        for rule, values in self._header_rules:
            # A fact that the table did not need to ask must not be asked now: what came before it has decided.
            asked = all(name in question.known for name in rule.when)
            if row.status in rule.statuses and asked and self.classifier.passes(rule.when, question):
                headers.update(values(question.scope))
                rules += rule.rules
        return headers, rules

    # --------------------------------------------------------------------------------------------- compilation

    def _cases(self, cases: tuple[model.Case, ...]) -> tuple[_Case, ...]:
        return tuple(
            _Case(case.when, case.inside, self._effects.compile(case.do), case.to, case.rules, case.pointer)
            for case in cases
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

    def _compile_timers(self, timers: tuple[model.TimerRule, ...]) -> dict[str, Countdown]:
        return {timer.name: Countdown(timer) for timer in timers}

    # ------------------------------------------------------------------------------------------------ readings

    def unsolicited(
        self, world: World, number: int, message: Mapping[str, Any] | None = None, standing: Standing | None = None
    ) -> list[Emission]:
        """What the connection's state lets the server send at any time, as patterns.

        With a message only what its guard lets through; with a standing as if the connection were there.
        """
        connection = world.connections.get(number)
        if standing is not None:
            connection = Connection(number, standing[0], "", dict(standing[1]))
        if connection is None:
            return []
        scope = self._scope(connection)
        if message is not None:
            scope["message"] = message
        return [
            Emission(number, allowed.message, allowed.build(scope, None), "free", None, (), 0)
            for allowed in self._free[connection.state]
            if message is None or self.classifier.passes(allowed.when, Question(world, world.clock, dict(scope)))
        ]

    def uninvited(self, world: World, number: int, message: Mapping[str, Any]) -> tuple[str, ...]:
        """The rules that a message breaks whose permissions all have guards that do not let it through."""
        connection = world.connections.get(number)
        name = pointer_get(message, self.document.envelope.discriminator)
        found = self._free[connection.state] if connection is not None else ()
        named = [permission for permission in found if permission.message == name]
        if any(emission.message == name for emission in self.unsolicited(world, number, message)):
            return ()
        return tuple(dict.fromkeys(rule for permission in named for rule in permission.rules))

    def timer_tolerance(self, due: Due) -> float:
        """How late a timer may fire, in seconds."""
        tolerance = self.parameters["timer_late"]
        assert isinstance(tolerance, Tolerance)
        return tolerance.of(due.at - due.started) + due.late


def _within(state: str, ancestor: str) -> bool:
    return state == ancestor or state.startswith(ancestor + ".")
