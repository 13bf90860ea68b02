"""Effects: what the cases of a document do, compiled to functions of the event that they answer."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import define, evolve, field

from spec import model
from spec.expressions import (
    Chosen,
    Evaluate,
    Scope,
    compile_expression,
    compile_key,
    compile_template,
    pointer_get,
    pointer_parts,
    pointer_put,
)
from spec.machine.facts import Classifier, Question
from spec.machine.groups import GroupKind, GroupView, RoleKind, RoleView
from spec.machine.links import Link, LinkKind
from spec.machine.logs import Place, filler
from spec.machine.registers import RegisterView
from spec.machine.values import Choice, Closing, Emission, Fewer, Left, Output
from spec.machine.world import Connection, Due, World
from spec.messages import Read

__all__ = ["Choose", "Effects", "Event", "Run"]


@define
class Event:
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
    elected: list[Place] = field(factory=list)
    question: Question | None = None
    made: Link | None = None


Run = Callable[[Event], None]

Choose = Callable[[Chosen, float], Any]
"""Chooses a value that is to be kept, at a moment in epoch seconds."""

_NONE: Mapping[str, Any] = {}

_WORDLESS = 1000
"""The code of a close that may have any."""


@define
class _View:
    """A log as expressions read it: its `head` now, and what the last effect on it in this event came to."""

    _world: World
    _place: Callable[[], Place]
    new: Any = ()
    identities: Any = ()
    read: Any = ()
    more: Any = False

    @property
    def head(self) -> int:
        return self._world.logs.head(self._place())


class Effects:
    """Compiles the effects of one document; without `choose`, what a server chooses and keeps is left open."""

    def __init__(
        self,
        document: model.Document,
        choose: Choose | None = None,
        links: Mapping[str, LinkKind] | None = None,
        classifier: Classifier | None = None,
    ) -> None:
        self._document = document
        self._links = links or {}
        self._classifier = classifier
        self._groups = {name: GroupKind(entry, document.rooms[name]) for name, entry in document.groups.items()}
        self._roles = classifier.roles if classifier is not None else {}
        self._registers = classifier.registers if classifier is not None else {}
        # What is asked of another moment than the present must outlast its own.
        self._lasting = {
            f.options["memory"] for f in document.facts.values() if f.kind == "memory" and "at" in f.options
        }
        self._choose = choose
        self._log_keys = {name: compile_key(log.key) for name, log in document.logs.items()}
        self._keeps = {name: compile_expression(log.keep) for name, log in document.logs.items()}
        self._entries = {name: compile_template(log.entry) for name, log in document.logs.items()}
        self._whole = {name: filler(log.lacking) for name, log in document.logs.items()}
        self._memory_keys = {
            name: ([compile_expression(part) for part in memory.key], compile_template(memory.until))
            for name, memory in document.memories.items()
        }
        self._record_keys = {name: [compile_expression(part) for part in key] for name, key in document.records.items()}
        self._readings = {
            record: [f.name for f in document.facts.values() if f.kind == "record" and f.options["record"] == record]
            for record in document.records
        }
        self._durations = {timer.name: compile_expression(timer.after) for timer in document.timers}

    def compile(self, effects: tuple[model.Effect, ...]) -> tuple[Run, ...]:
        """Compile effects; run in their order, they change the event's world and write its outputs."""
        return tuple(self._effect(effect) for effect in effects)

    def bind(self, chosen: Mapping[str, Any], world: World, owner: int, now: float) -> Any:
        """What is chosen for a connection: a value of its own or, where nobody chooses here, one that is left open."""
        if self._choose is not None:
            return self._choose(Chosen(chosen["kind"], chosen.get("sample")), now)
        world.choices += 1
        return Choice(
            world.choices,
            chosen["kind"],
            now,
            chosen.get("now", False),
            chosen.get("unique"),
            owner,
            tuple(chosen.get("rules", ())),
        )

    def show(self, world: World, scope: dict[str, Any]) -> None:
        """Let the expressions of an event read what clients share: logs, groups, roles and registers."""
        for name, key in self._log_keys.items():
            scope[name] = _View(world, partial(_place_of, name, key, scope))
        for name, group in self._groups.items():
            scope[name] = GroupView(world, partial(group.place, scope))
        for name, role in self._roles.items():
            scope[name] = RoleView(world, partial(_place_of, name, role.key, scope))
        for name, register in self._registers.items():
            scope[name] = RegisterView(world, register, scope)

    def settle(self, event: Event) -> None:
        """Choose a holder for every role whose room was left or joined and has none in it."""
        for room, key in dict.fromkeys(event.world.left):
            for role in self._roles.values():
                tenure = event.world.tenures.get((role.name, key)) if role.room == room else None
                if tenure is not None and tenure.holder not in event.world.rooms.get((room, key), ()):
                    self._elect(event, role, key)
        event.world.left.clear()

    def group(self, world: World, place: Place) -> Connection:
        """The group of a role's room, or what stands for one where the room has no life of its own."""
        return self._groups[place[0]].found(world, place)

    def _elect(self, event: Event, role: RoleKind, key: Any, causer: int | None = None) -> None:
        if role.elect(event.world, key, causer):
            event.elected.append((role.name, key))

    def _effect(self, effect: model.Effect) -> Run:
        match effect:
            case model.Set(values):
                return self._run_set(values)
            case model.Add(values):
                return _run_listed(values, _added)
            case model.Remove(values):
                return _run_listed(values, _removed)
            case model.Waive(of):
                waived = compile_expression(of)
                return lambda event: event.world.waived.append(waived(event.scope))
            case model.Join(room, key, each) if each is not None:
                return _run_each(room, compile_expression(each))
            case model.Join(room, key):
                return self._run_join(room, self._room_key(room, key))
            case model.Leave(room, key):
                return _run_room(World.leave, room, self._room_key(room, key))
            case model.Create():
                return self._run_create(effect)
            case model.Attach():
                return self._run_attach(effect)
            case model.Update():
                return self._run_update(effect)
            case model.Drop(link):
                return self._run_drop(compile_expression(link))
            case model.Holder():
                return self._run_holder(effect)
            case model.Remember():
                return self._run_remember(effect)
            case model.Start(timer):
                return self._run_start(timer)
            case model.Stop(timer):
                return self._run_stop(timer)
            case model.Decide(cases):
                return self._run_decide(cases)
            case model.Expel():
                return self._run_expel(effect)
            case model.Tell():
                return self._run_tell(effect)
            case model.Vacate(role):
                return self._run_vacate(self._roles[role])
            case model.Write():
                return self._run_write(effect)
            case model.Forget(room):
                return self._run_forget(room)
            case model.Put():
                return self._run_put(effect)
            case model.Append():
                return self._run_append(effect)
            case model.Read():
                return self._run_read(effect)
            case model.Emit():
                return self._run_emit(effect)
            case model.Broadcast():
                return self._run_broadcast(effect)
            case model.Fail():
                return self._run_fail(effect)
            case model.Close(code):
                return lambda event: _close(event, code, None)

    def _room_key(self, room: str, key: Any) -> Evaluate:
        return compile_key(self._document.rooms[room] if key is None else key)

    def _members(self, members: model.Members) -> Callable[[Event], list[Connection]]:
        """The connections that are members of a room, but for those that are spared."""
        key, name = self._room_key(members.room, members.key), members.room
        spares = {variable: compile_expression(value) for variable, value in members.spares.items()}

        def found(event: Event) -> list[Connection]:
            spared = {variable: value(event.scope) for variable, value in spares.items()}
            inside = [event.world.connections[n] for n in event.world.rooms.get((name, key(event.scope)), ())]
            return [c for c in inside if not any(v is not None and c.variables[n] == v for n, v in spared.items())]

        return found

    def _run_join(self, room: str, key: Evaluate) -> Run:
        roles = [role for role in self._roles.values() if role.room == room]

        def run(event: Event) -> None:
            place = (room, key(event.scope))
            event.world.join(event.connection, place)
            for role in roles:
                tenure = event.world.tenures.get((role.name, place[1]))
                if tenure is None or tenure.holder is None:
                    self._elect(event, role, place[1])
            if room in self._groups:
                self._groups[room].joined(event.world, place, event.scope, event.now)

        return run

    def _run_set(self, values: Mapping[str, Any]) -> Run:
        own = compile_template({name: value for name, value in values.items() if "." not in name})
        dotted = [
            (self._groups[room], variable, compile_template(value))
            for name, value in values.items()
            for room, dot, variable in [name.partition(".")]
            if dot
        ]

        def run(event: Event) -> None:
            found = own(event.scope)
            event.connection.variables.update(found)
            event.scope.update(found)
            for kind, name, value in dotted:
                # The value first: it may be read of a group that there is not yet.
                written = value(event.scope)
                kind.found(event.world, kind.place(event.scope)).values[name] = written

        return run

    def _run_decide(self, cases: tuple[model.Case, ...]) -> Run:
        compiled = [(case, self.compile(case.do)) for case in cases]

        def run(event: Event) -> None:
            assert self._classifier is not None
            assert event.question is not None
            rules, pointer = event.rules, event.pointer
            for case, effects in compiled:
                if self._classifier.passes(case.when, event.question):
                    event.rules, event.pointer = case.rules, case.pointer
                    for one in effects:
                        one(event)
                    break
            event.rules, event.pointer = rules, pointer

        return run

    def _run_expel(self, effect: model.Expel) -> Run:
        members = self._members(effect.members)
        build = None if effect.message is None else self.build(effect.message, effect.payload)

        def run(event: Event) -> None:
            found = members(event)
            event.scope["expelled"] = event.scope.get("expelled", 0) + len(found)
            for connection in found:
                if build is not None and effect.message is not None:
                    # What ends a connection is its own, whoever was the cause of it.
                    said = _emission(event, effect.message, build(event.scope, None), "never", None)
                    event.outputs.append(evolve(said, connection=connection.number, source=None))
            for connection in found:
                _close(event, effect.ends, None, connection)
            self.settle(event)

        return run

    def _run_tell(self, effect: model.Tell) -> Run:
        build, role = self.build(effect.message, effect.payload), self._roles[effect.role]

        def run(event: Event) -> None:
            holder = event.scope[effect.role].holder
            if holder is not None:
                said = _emission(event, effect.message, build(event.scope, None), "never", None)
                joined = event.world.rooms.get((role.room, role.key(event.scope)), {}).get(holder.number)
                event.outputs.append(evolve(said, connection=holder.number, apart=True, behind=joined))

        return run

    def _run_vacate(self, role: RoleKind) -> Run:
        def run(event: Event) -> None:
            key = role.key(event.scope)
            tenure = event.world.tenures.get((role.name, key))
            if tenure is not None:
                self._elect(event, role, key, tenure.holder)

        return run

    def _run_write(self, effect: model.Write) -> Run:
        register, log = self._registers[effect.register], self._document.logs[effect.log]

        def run(event: Event) -> None:
            held = register.settled(event.world, event.scope)
            place = _place_of(log.name, self._log_keys[log.name], event.scope)
            wanted = [(None, self._entry(log, held.shown(), event))]
            [stored] = event.world.logs.append(place, wanted, self._keeps[log.name](event.scope))
            register.keep(event.world, event.scope, evolve(held, version=stored.number))
            event.scope[log.name].new = [{**stored.value, log.number: stored.number}]

        return run

    def _run_forget(self, room: str) -> Run:
        kind, key = self._groups[room], self._document.rooms[room]
        roles = [role.name for role in self._roles.values() if role.room == room]
        registers = [register.name for register in self._document.registers.values() if register.key == key]
        logs = [log.name for log in self._document.logs.values() if log.key == key]

        def run(event: Event) -> None:
            world, place = event.world, kind.place(event.scope)
            group = world.groups.pop(place, None)
            if group is not None:
                world.founded.pop(group.number, None)
            for name in roles:
                world.tenures.pop((name, place[1]), None)
            for name in registers:
                world.registers.pop((name, place[1]), None)
            for name in logs:
                world.logs.forget((name, place[1]))

        return run

    def _run_create(self, effect: model.Create) -> Run:
        kind, fields = self._links[effect.link], compile_template(dict(effect.fields))

        def run(event: Event) -> None:
            def bind(chosen: Mapping[str, Any], owner: int) -> Any:
                return self.bind(chosen, event.world, owner, event.now)

            event.made = kind.make(event.world.links, event.scope, fields, event.now, bind)

        return run

    def _run_attach(self, effect: model.Attach) -> Run:
        kind, key = self._links[effect.link], compile_expression(effect.key)

        def run(event: Event) -> None:
            links = event.world.links
            link = kind.find(links, key(event.scope), event.now)
            if link is not None:
                kind.hold(links, link, event.connection.number, effect.to, event.now)
                event.scope[kind.name] = link

        return run

    def _run_drop(self, found: Evaluate) -> Run:
        def run(event: Event) -> None:
            link = found(event.scope)
            if isinstance(link, Link):
                self._links[link.kind].drop(event.world.links, link)

        return run

    def _run_holder(self, effect: model.Holder) -> Run:
        found, effects = compile_expression(effect.link), self.compile(effect.do)

        def run(event: Event) -> None:
            link = found(event.scope)
            holder = event.world.connections.get(link.holder or 0) if isinstance(link, Link) else None
            if holder is None:
                return
            # What is done to another connection answers nothing of it.
            inner = evolve(event, connection=holder, scope=dict(event.scope), source=None, read=None, reply_to=None)
            for one in effects:
                one(inner)

        return run

    def _run_update(self, effect: model.Update) -> Run:
        values, added, removed = (compile_template(dict(part)) for part in (effect.set, effect.add, effect.remove))
        # The moment that a server keeps is one that nobody else knows to the millisecond.
        moments = [name for name, value in effect.set.items() if value == "$now" and self._choose is None]

        def run(event: Event) -> None:
            fields = event.scope[effect.link].fields
            fields.update(values(event.scope))
            for name in moments:
                fields[name] = self.bind({"kind": "moment", "now": True}, event.world, 0, event.now)
            for name, item in added(event.scope).items():
                fields[name] = _added(fields[name], item)
            for name, item in removed(event.scope).items():
                fields[name] = _removed(fields[name], item)

        return run

    def _run_remember(self, effect: model.Remember) -> Run:
        parts, until = self._memory_keys[effect.memory]
        if effect.key is not None:
            parts = [compile_expression(part) for part in effect.key]
        members = None if effect.of is None else self._members(effect.of)
        spare = compile_expression(effect.spare)

        def run(event: Event) -> None:
            scopes: list[Scope] = [event.scope]
            if members is not None:
                scopes = [{**event.scope, "member": connection.variables} for connection in members(event)]
            end = until(event.scope)
            over = -math.inf if effect.memory in self._lasting else event.now
            for scope in scopes:
                key = tuple(part(scope) for part in parts)
                event.world.remember(effect.memory, key, math.inf if end == "never" else end, over, spare(scope))

        return run

    def _run_append(self, effect: model.Append) -> Run:
        log = self._document.logs[effect.log]
        items = compile_expression(effect.items)

        def run(event: Event) -> None:
            given = items(event.scope)
            identity = log.identity
            wanted = [
                (None if identity is None else pointer_get(item, identity), self._entry(log, item, event))
                for item in given
            ]
            place = _place_of(log.name, self._log_keys[log.name], event.scope)
            stored = event.world.logs.append(place, wanted, self._keeps[log.name](event.scope))
            view = event.scope[log.name]
            view.new = [{log.number: entry.number, **entry.value} for entry in stored]
            view.identities = [identity for identity, _ in wanted]

        return run

    def _entry(self, log: model.Log, item: Any, event: Event) -> dict[str, Any]:
        entry: dict[str, Any] = self._entries[log.name]({**event.scope, "item": item})
        for pointer, chosen in log.chosen.items():
            pointer_put(entry, pointer, self.bind(chosen, event.world, event.connection.number, event.now))
        return entry

    def _run_read(self, effect: model.Read) -> Run:
        log = self._document.logs[effect.log]
        after, most, whole = compile_expression(effect.after), compile_expression(effect.most), self._whole[log.name]

        def run(event: Event) -> None:
            place = _place_of(log.name, self._log_keys[log.name], event.scope)
            limit = most(event.scope)
            page = event.world.logs.read(place, after(event.scope), sys.maxsize if limit is None else limit)
            view = event.scope[log.name]
            entries = tuple({log.number: entry.number, **whole(entry.value)} for entry in page.entries)
            view.read, view.more = list(entries), page.more
            if effect.fewer and self._choose is None:
                view.read = Fewer(entries, page.more)
                view.more = Left(view.read)

        return run

    def _run_start(self, timer: str) -> Run:
        room, dot, name = timer.partition(".")
        if dot:
            kind = self._groups[room]

            def start(event: Event) -> None:
                group = kind.found(event.world, kind.place(event.scope))
                kind.start(event.world, group, name, event.scope, event.now)

            return start
        after = self._durations[timer]

        def run(event: Event) -> None:
            event.connection.timers["", timer] = Due(event.now + after(event.scope), event.now, event.cause)

        return run

    def _run_stop(self, timer: str) -> Run:
        room, dot, name = timer.partition(".")
        if dot:
            kind = self._groups[room]

            def stop(event: Event) -> None:
                group = event.world.groups.get(kind.place(event.scope))
                if group is not None:
                    group.timers.pop((group.state, name), None)

            return stop

        def stop_own(event: Event) -> None:
            event.connection.timers.pop(("", timer), None)

        return stop_own

    def _run_put(self, effect: model.Put) -> Run:
        parts = self._record_keys[effect.record]
        if effect.key is not None:
            parts = [compile_expression(part) for part in effect.key]
        value = compile_template(effect.value)

        def run(event: Event) -> None:
            found = value(event.scope)
            event.world.records[effect.record, tuple(part(event.scope) for part in parts)] = found
            for name in self._readings.get(effect.record, ()):
                event.scope[name] = {"value": found}

        return run

    def _run_emit(self, effect: model.Emit) -> Run:
        build = self.build(effect.message, effect.payload, members=effect.members)
        form = self._document.messages[effect.message].server
        only_replies = form is not None and form.replies
        each = None if effect.each is None else compile_expression(effect.each)
        per = compile_expression(effect.per)

        def run(event: Event) -> None:
            replies = effect.reply == "must"
            reply_to = event.reply_to if replies else None
            if only_replies and reply_to is None:
                return
            # A message without an id is answered by one that names nothing.
            reply = "must" if reply_to is not None else "free"
            scopes = [event.scope] if each is None else [{**event.scope, "item": item} for item in each(event.scope)]
            for scope in scopes:
                said = _emission(event, effect.message, build(scope, reply_to), reply, reply_to)
                event.outputs.append(evolve(said, per=per(scope)) if effect.per is not None else said)

        return run

    def _run_broadcast(self, effect: model.Broadcast) -> Run:
        build = self.build(effect.message, effect.payload)
        key = self._room_key(effect.room, effect.key)

        each = None if effect.each is None else compile_expression(effect.each)

        def say(event: Event, scope: Scope) -> None:
            room = (effect.room, key(scope))
            stream = (effect.per, self._log_keys[effect.per](scope)) if effect.per is not None else None
            for member, joined in tuple(event.world.rooms.get(room, {}).items()):
                if effect.others and member == event.source:
                    continue
                mine = effect.in_reply == "sender" and member == event.source
                reply_to = event.reply_to if mine else None
                event.outputs.append(
                    Emission(
                        connection=member,
                        message=effect.message,
                        body=build(scope, reply_to),
                        reply="must" if mine else "never",
                        reply_to=reply_to,
                        rules=event.rules,
                        cause=event.cause,
                        pointer=event.pointer,
                        source=event.source,
                        timer=event.timer,
                        broadcast=room,
                        isolation=effect.isolation,
                        order=effect.order,
                        stream=stream,
                        behind=None if stream is None and not effect.apart else joined,
                        apart=effect.apart,
                        any_order=effect.any_order and member == event.source,
                    )
                )

        def run(event: Event) -> None:
            if each is None:
                say(event, event.scope)
            for item in each(event.scope) if each is not None else ():
                say(event, {**event.scope, "item": item})

        return run

    def _run_fail(self, effect: model.Fail) -> Run:
        error, in_reply = self._document.errors[effect.code], effect.in_reply or self._document.error_in_reply
        view = {"code": error.code, "retryable": error.retryable, "text": error.text}
        told = self._document.error_forms[effect.form] if effect.form is not None else None
        message = self._document.error_message if told is None else told.message
        payload = self._document.error_payload if told is None else told.payload
        build = self.build(message, payload, Chosen("text", error.text))
        form = self._document.messages[message].server
        only_replies = form is not None and form.replies
        reasons = {code: compile_expression(reason) for code, reason in self._document.close_reasons.items()}
        key = None if effect.room is None else compile_key(self._document.rooms[effect.room])

        def tell(event: Event, connection: Connection, rules: tuple[str, ...], room: Place | None = None) -> None:
            mine = connection is event.connection
            reply, reply_to = _reply(in_reply, event) if mine else ("never", None)
            if not (only_replies and reply_to is None):
                said = _emission(event, message, build(event.scope, reply_to), reply, reply_to)
                # What closes a connection is its own, whoever was the cause of it.
                own = said if mine else evolve(said, connection=connection.number, source=None)
                event.outputs.append(evolve(own, code=error.code, expelled=room))
            code = error.closes(connection.state) if told is None else told.close
            if code is not None:
                event.rules = tuple(dict.fromkeys((*rules, *self._document.close_rules)))
                _close(event, code, reasons[code](event.scope) if code in reasons else None, connection)

        def run(event: Event) -> None:
            event.scope["error"] = view
            rules = event.rules
            if key is None:
                tell(event, event.connection, rules)
                return
            room = (str(effect.room), key(event.scope))
            for number in tuple(event.world.rooms.get(room, ())):
                event.rules = rules
                tell(event, event.world.connections[number], rules, room)

        return run

    def build(
        self, message: str, payload: Any, text: Chosen | None = None, members: Mapping[str, Any] = _NONE
    ) -> Callable[[Scope, str | None], dict[str, Any]]:
        """Compile the body of a server's message: envelope, payload, and what its sender chooses."""
        envelope, form = self._document.envelope, self._document.messages[message].server
        assert form is not None, message
        template, beside = compile_template(payload), compile_template(dict(members))
        chosen = {**envelope.server.chosen, **form.chosen}
        # What a message may do without is only chosen where its payload has it.
        optional = {pointer for pointer in form.chosen if not _required(form.schema, pointer, envelope.payload)}
        marks = {
            pointer: text if entry["kind"] == "text" and text else Chosen(entry["kind"], entry.get("sample"))
            for pointer, entry in chosen.items()
        }
        moments = {pointer: entry for pointer, entry in chosen.items() if entry.get("now")}

        def build(scope: Scope, reply_to: str | None) -> dict[str, Any]:
            body: dict[str, Any] = dict(beside(scope))
            pointer_put(body, envelope.discriminator, message)
            pointer_put(body, envelope.payload, template(scope))
            for pointer, mark in marks.items():
                if isinstance(pointer_get(body, pointer, None if pointer in optional else mark), Chosen):
                    pointer_put(body, pointer, self._moment(moments[pointer], scope) if pointer in moments else mark)
            if reply_to is not None:
                pointer_put(body, envelope.reply_to, reply_to)
            return body

        return build

    def _moment(self, chosen: Mapping[str, Any], scope: Scope) -> Any:
        """The moment at which a message is made, left open where nobody makes one here."""
        if self._choose is not None:
            return Chosen(chosen["kind"])
        return Choice(None, chosen["kind"], scope.get("now", 0.0), now=True, rules=tuple(chosen.get("rules", ())))


def _place_of(log: str, key: Evaluate, scope: Scope) -> Place:
    return log, key(scope)


def _required(schema: Mapping[str, Any], pointer: str, at: str) -> bool:
    """Whether a payload's schema requires what a pointer into the whole message names."""
    *path, name = pointer_parts(pointer.removeprefix(at))
    for part in path:
        schema = schema.get("properties", {}).get(part, {})
    return name in schema.get("required", ())


def _added(items: Any, item: Any) -> Any:
    return items if item in (items or ()) else [*(items or ()), item]


def _removed(items: Any, item: Any) -> Any:
    return [one for one in items or () if one != item]


def _run_listed(values: Mapping[str, Any], change: Callable[[Any, Any], Any]) -> Run:
    """Change variables that are lists; a list is never changed in place, so that copies may share it."""
    given = compile_template(dict(values))

    def run(event: Event) -> None:
        for name, item in given(event.scope).items():
            changed = change(event.connection.variables[name], item)
            event.connection.variables[name] = event.scope[name] = changed

    return run


def _run_each(room: str, items: Evaluate) -> Run:
    def run(event: Event) -> None:
        for item in items(event.scope) or ():
            event.world.join(event.connection, (room, item))

    return run


def _run_room(act: Callable[[World, Connection, tuple[str, Any]], None], room: str, key: Evaluate) -> Run:
    return lambda event: act(event.world, event.connection, (room, key(event.scope)))


def _emission(event: Event, message: str, body: Mapping[str, Any], reply: str, reply_to: str | None) -> Emission:
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


def _reply(wanted: str, event: Event) -> tuple[str, str | None]:
    """What is due of the reply member of an error, and the id that it names."""
    if wanted == "none":
        return "never", None
    if event.read is None:
        return "free", None
    if wanted == "may":
        return "free", event.reply_to
    return ("must" if event.reply_to is not None else "free"), event.reply_to


def _close(event: Event, close: model.Ends, reason: str | None, connection: Connection | None = None) -> None:
    closed = event.connection if connection is None else connection
    if close == "may":
        event.outputs.append(Closing(closed.number, 0, None, event.rules, event.cause, how="may"))
        return
    number, *also = close if isinstance(close, tuple) else (close if isinstance(close, int) else _WORDLESS,)
    how = close if isinstance(close, str) else "frame"
    event.outputs.append(
        Closing(closed.number, number, reason, event.rules, event.cause, event.timer, event.pointer, how, tuple(also))
    )
    event.world.forget(closed)
