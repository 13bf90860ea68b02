"""Effects: what the cases of a document do, compiled to functions of the event that they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    pointer_put,
)
from spec.machine.values import Closing, Emission, Output
from spec.machine.world import Connection, Due, World
from spec.messages import Read

__all__ = ["Effects", "Event", "Run"]


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

_WORDLESS = 1000
"""The code of a close that may have any."""


class Effects:
    """Compiles the effects of one document."""

    def __init__(self, document: model.Document) -> None:
        self._document = document
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

    def _effect(self, effect: model.Effect) -> Run:
        match effect:
            case model.Set(values):
                return _run_set(compile_template(dict(values)))
            case model.Join(room):
                return _run_room(World.join, room, compile_expression(self._document.rooms[room]))
            case model.Leave(room):
                return _run_room(World.leave, room, compile_expression(self._document.rooms[room]))
            case model.Remember(memory):
                return self._run_remember(memory)
            case model.Start(timer):
                return self._run_start(timer)
            case model.Stop(timer):
                return _run_stop(timer)
            case model.Put():
                return self._run_put(effect)
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

    def _run_remember(self, memory: str) -> Run:
        def run(event: Event) -> None:
            parts, until = self._memory_keys[memory]
            key = tuple(part(event.scope) for part in parts)
            event.world.remember(memory, key, until(event.scope), event.now)

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
        build = self.build(effect.message, effect.payload)
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

        def run(event: Event) -> None:
            room = (effect.room, key(event.scope))
            for member in tuple(event.world.rooms.get(room, ())):
                mine = effect.in_reply == "sender" and member == event.source
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

    def _run_fail(self, effect: model.Fail) -> Run:
        error = self._document.errors[effect.code]
        view = {"code": error.code, "retryable": error.retryable, "text": error.text}
        build = self.build(self._document.error_message, self._document.error_payload, Chosen("text", error.text))
        reasons = {code: compile_expression(reason) for code, reason in self._document.close_reasons.items()}

        def run(event: Event) -> None:
            event.scope["error"] = view
            reply, reply_to = _reply(effect.in_reply, event)
            body = build(event.scope, reply_to)
            event.outputs.append(_emission(event, self._document.error_message, body, reply, reply_to))
            code = error.closes(event.connection.state)
            if code is not None:
                event.rules = tuple(dict.fromkeys((*event.rules, *self._document.close_rules)))
                _close(event, code, reasons[code](event.scope) if isinstance(code, int) and code in reasons else None)

        return run

    def build(
        self, message: str, payload: Any, text: Chosen | None = None
    ) -> Callable[[Scope, str | None], dict[str, Any]]:
        """Compile the body of a server's message: envelope, payload, and what its sender chooses."""
        envelope, form = self._document.envelope, self._document.messages[message].server
        assert form is not None, message
        template = compile_template(payload)
        chosen = {**envelope.server.chosen, **form.chosen}
        marks = {
            pointer: text if entry["kind"] == "text" and text else Chosen(entry["kind"], entry.get("sample"))
            for pointer, entry in chosen.items()
        }

        def build(scope: Scope, reply_to: str | None) -> dict[str, Any]:
            body: dict[str, Any] = {}
            pointer_put(body, envelope.discriminator, message)
            pointer_put(body, envelope.payload, template(scope))
            for pointer, mark in marks.items():
                if isinstance(pointer_get(body, pointer, mark), Chosen):
                    pointer_put(body, pointer, mark)
            if reply_to is not None:
                pointer_put(body, envelope.reply_to, reply_to)
            return body

        return build


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


def _close(event: Event, code: int | str, reason: str | None) -> None:
    how, number = ("frame", code) if isinstance(code, int) else (code, _WORDLESS)
    event.outputs.append(
        Closing(event.connection.number, number, reason, event.rules, event.cause, event.timer, event.pointer, how)
    )
    event.world.forget(event.connection)
