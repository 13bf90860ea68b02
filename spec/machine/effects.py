"""Effects: what the cases of a document do, compiled to functions of the event that they answer."""

from __future__ import annotations

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
    compile_template,
    pointer_get,
    pointer_parts,
    pointer_put,
)
from spec.machine.links import Choose, Link, LinkKind
from spec.machine.logs import Place, filler
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


Run = Callable[[Event], None]

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
    ) -> None:
        self._document = document
        self._links = links or {}
        self._choose = choose
        self._log_keys = {name: compile_expression(log.key) for name, log in document.logs.items()}
        self._entries = {name: compile_template(log.entry) for name, log in document.logs.items()}
        self._whole = {name: filler(log.lacking) for name, log in document.logs.items()}
        self._memory_keys = {
            name: ([compile_expression(part) for part in memory.key], compile_expression(memory.until))
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

    def show_logs(self, world: World, scope: dict[str, Any]) -> None:
        """Let the expressions of an event read the logs."""
        for name, key in self._log_keys.items():
            scope[name] = _View(world, partial(_place_of, name, key, scope))

    def _effect(self, effect: model.Effect) -> Run:
        match effect:
            case model.Set(values):
                return _run_set(compile_template(dict(values)))
            case model.Join(room, key, each) if each is not None:
                return _run_each(room, compile_expression(each))
            case model.Join(room, key):
                return _run_room(World.join, room, self._room_key(room, key))
            case model.Leave(room, key):
                return _run_room(World.leave, room, self._room_key(room, key))
            case model.Create():
                return self._run_create(effect)
            case model.Attach():
                return self._run_attach(effect)
            case model.Update():
                return _run_update(effect)
            case model.Drop(link):
                return self._run_drop(compile_expression(link))
            case model.Holder():
                return self._run_holder(effect)
            case model.Remember(memory):
                return self._run_remember(memory)
            case model.Start(timer):
                return self._run_start(timer)
            case model.Stop(timer):
                return _run_stop(timer)
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
            case model.Close("may"):
                return lambda event: event.outputs.append(
                    Closing(event.connection.number, 0, None, event.rules, event.cause, how="may")
                )
            case model.Close(code):
                return lambda event: _close(event, code, None)

    def _room_key(self, room: str, key: Any) -> Evaluate:
        return compile_expression(self._document.rooms[room] if key is None else key)

    def _run_create(self, effect: model.Create) -> Run:
        kind, fields = self._links[effect.link], compile_template(dict(effect.fields))

        def run(event: Event) -> None:
            kind.make(event.world.links, event.scope, fields, event.now)

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

    def _run_remember(self, memory: str) -> Run:
        def run(event: Event) -> None:
            parts, until = self._memory_keys[memory]
            key = tuple(part(event.scope) for part in parts)
            event.world.remember(memory, key, until(event.scope), event.now)

        return run

    def _run_append(self, effect: model.Append) -> Run:
        log = self._document.logs[effect.log]
        items = compile_expression(effect.items)

        def run(event: Event) -> None:
            given = items(event.scope)
            wanted = [(pointer_get(item, log.identity), self._entry(log, item, event)) for item in given]
            place = _place_of(log.name, self._log_keys[log.name], event.scope)
            stored = event.world.logs.append(place, wanted)
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
        after = self._durations[timer]

        def run(event: Event) -> None:
            event.connection.timers["", timer] = Due(event.now + after(event.scope), event.now, event.cause)

        return run

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

        def run(event: Event) -> None:
            replies = effect.reply == "must"
            reply_to = event.reply_to if replies else None
            if only_replies and reply_to is None:
                return
            body = build(event.scope, reply_to)
            # A message without an id is answered by one that names nothing.
            reply = "must" if reply_to is not None else "free"
            event.outputs.append(_emission(event, effect.message, body, reply, reply_to))

        return run

    def _run_broadcast(self, effect: model.Broadcast) -> Run:
        build = self.build(effect.message, effect.payload)
        key = compile_expression(self._document.rooms[effect.room] if effect.key is None else effect.key)

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
                        broadcast=room,
                        isolation=effect.isolation,
                        order=effect.order,
                        stream=stream,
                        behind=None if stream is None else joined,
                    )
                )

        def run(event: Event) -> None:
            if each is None:
                say(event, event.scope)
            for item in each(event.scope) if each is not None else ():
                say(event, {**event.scope, "item": item})

        return run

    def _run_fail(self, effect: model.Fail) -> Run:
        error = self._document.errors[effect.code]
        view = {"code": error.code, "retryable": error.retryable, "text": error.text}
        told = self._document.error_forms[effect.form] if effect.form is not None else None
        message = self._document.error_message if told is None else told.message
        payload = self._document.error_payload if told is None else told.payload
        build = self.build(message, payload, Chosen("text", error.text))
        form = self._document.messages[message].server
        only_replies = form is not None and form.replies
        reasons = {code: compile_expression(reason) for code, reason in self._document.close_reasons.items()}
        key = None if effect.room is None else compile_expression(self._document.rooms[effect.room])

        def tell(event: Event, connection: Connection, rules: tuple[str, ...], room: Place | None = None) -> None:
            mine = connection is event.connection
            reply, reply_to = _reply(effect.in_reply, event) if mine else ("never", None)
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


def _run_set(values: Evaluate) -> Run:
    def run(event: Event) -> None:
        found = values(event.scope)
        event.connection.variables.update(found)
        event.scope.update(found)

    return run


def _run_stop(timer: str) -> Run:
    def run(event: Event) -> None:
        event.connection.timers.pop(("", timer), None)

    return run


def _run_each(room: str, items: Evaluate) -> Run:
    def run(event: Event) -> None:
        for item in items(event.scope) or ():
            event.world.join(event.connection, (room, item))

    return run


def _run_update(effect: model.Update) -> Run:
    values, added, removed = (compile_template(dict(part)) for part in (effect.set, effect.add, effect.remove))

    def run(event: Event) -> None:
        fields = event.scope[effect.link].fields
        fields.update(values(event.scope))
        for name, item in added(event.scope).items():
            fields[name] = fields[name] if item in fields[name] else [*fields[name], item]
        for name, item in removed(event.scope).items():
            fields[name] = [one for one in fields[name] if one != item]

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


def _close(event: Event, code: int | str, reason: str | None, connection: Connection | None = None) -> None:
    how, number = ("frame", code) if isinstance(code, int) else (code, _WORDLESS)
    closed = event.connection if connection is None else connection
    event.outputs.append(
        Closing(closed.number, number, reason, event.rules, event.cause, event.timer, event.pointer, how)
    )
    event.world.forget(closed)
