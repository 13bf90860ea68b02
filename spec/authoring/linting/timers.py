"""Timers: one that nothing starts or nobody notices is no timer, and one without a tolerance cannot be judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spec.authoring.linting.subject import Found, Subject
from spec.loading.nodes import join
from spec.model import Case, Effect, Holder, Start, TimerRule

__all__ = ["endless_timers", "intolerant_timers", "unhandled_timers", "unstarted_timers"]


def unhandled_timers(subject: Subject) -> Iterator[Found]:
    """Timers of which nothing comes when they fire: no effect, and no other state."""
    for path, timer in _timers(subject):
        if not any(case.do or case.to for case in timer.expire):
            yield Found(join(path), f"nothing happens when `{timer.name}` fires", "say what it does, or delete it")


def unstarted_timers(subject: Subject) -> Iterator[Found]:
    """Timers that wait to be asked for and that no effect starts."""
    started = {effect.timer for effect in _effects(subject) if isinstance(effect, Start)}
    for path, timer in _timers(subject):
        if timer.asked and not timer.restarts and timer.name not in started:
            text = f"`{timer.name}` starts when it is asked for, and nothing asks for it"
            yield Found(join(path), text, f"write `{{start: {timer.name}}}` where it begins")


def endless_timers(subject: Subject) -> Iterator[Found]:
    """Timers that start each other without end, since each has passed already when it starts."""
    if not subject.endless:
        return
    for path, timer in _timers(subject):
        states = subject.document.states
        leaves = {states[case.to].path for case in timer.expire if case.to is not None}
        if timer.at is not None and any(timer.state == leaf or timer.state.startswith(f"{leaf}.") for leaf in leaves):
            text = (
                f"where its moment has passed, `{timer.name}` fires at once, starts anew and fires again, without end"
            )
            yield Found(join(path), text, "lead into another state, or into none")
            return
    text = "some timers fire at once and start each other, without end"
    yield Found("/connection/states", text, "let one of them lead where the others do not run", at_key=True)


def intolerant_timers(subject: Subject) -> Iterator[Found]:
    """Timers of a document that does not say how late one may be, or cites no rule on that."""
    timers = list(_timers(subject))
    if not timers:
        return
    declared = subject.document.parameters.get("timer_late")
    late: Any = declared.default if declared is not None else None
    if late is None or not late.of(1.0) > 0:
        text = "there are timers, and no parameter `timer_late` leaves a server any time to fire them"
        yield Found(join(timers[0][0]), text, "include `handfast:common.yaml`, or declare `timer_late` as a tolerance")
    elif not subject.document.timely:
        text = "there are timers, and `connection.timely` names no rule that one breaks which fires early or late"
        yield Found("/connection", text, "write `timely: [ALL-TIME-2]`, or a rule of your own")


def _timers(subject: Subject) -> Iterator[tuple[tuple[str, ...], TimerRule]]:
    for timer in subject.document.timers:
        yield ("connection", "timers", timer.name), timer
    for state in subject.document.states.values():
        inner = tuple(part for name in state.path.split(".") for part in ("states", name))
        yield from ((("connection", *inner, "timers", timer.name), timer) for timer in state.timers)


def _effects(subject: Subject) -> Iterator[Effect]:
    """Every effect of a document, those on the holder of a link too."""
    document = subject.document
    tables: list[Mapping[str, tuple[Case, ...]]] = [document.receive, *(s.receive for s in document.states.values())]
    pending = [effect for table in tables for cases in table.values() for case in cases for effect in case.do]
    pending += [effect for _, timer in _timers(subject) for case in timer.expire for effect in case.do]
    pending += [effect for row in document.opening for effect in row.do]
    while pending:
        effect = pending.pop()
        yield effect
        if isinstance(effect, Holder):
            pending += effect.do
