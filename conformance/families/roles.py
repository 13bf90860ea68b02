"""Roles: who is chosen, when and when not, who may speak as the holder, and what outlives the members.

Clients come in the order of their names. What is silent (a variable that decides the next choice) is followed by
something that is answered, so that it is known to have been handled before the choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from conformance.members import Company, companies, effects_of, sources
from conformance.plan import Plan
from conformance.scripts import Case, Close, Expire, Idle, Reset, Settle, Step
from spec import model
from spec.expressions import compile_expression
from spec.parameters import Tolerance

FAMILY = "roles"

_LONGEST = 6.0
"""No case waits longer than this, in seconds, for a holder to be taken for gone."""

_SOON = 0.3

Tried = Iterator[tuple[str, tuple[Step, ...]]]


def cases(plan: Plan) -> Iterator[Case]:
    """For every role and every way into its room."""
    for role in plan.document.roles.values():
        for company in companies(plan, role.room):
            use = _Use(plan, role, company)
            for part in (_chosen, _left, _spoken, _silent, _replaced, _apart, _tokens):
                for name, steps in part(use):
                    rules = tuple(dict.fromkeys(rule for case in role.elected for rule in case.rules))
                    yield plan.case(FAMILY, f"{role.name}/{company.state}/{name}", steps, rules=rules)


@frozen
class _Use:
    """A role in the state of one company: which messages give it up, speak for it, and change who is preferred."""

    plan: Plan
    role: model.Role
    company: Company

    def _messages(self) -> Iterator[tuple[str, model.Case, model.Effect]]:
        for path in self.plan.document.states[self.company.state].chain:
            for name, cases in self.plan.document.states[path].receive.items():
                yield from ((name, case, effect) for case, effect in effects_of(cases))

    @property
    def resigning(self) -> list[str]:
        """The messages by which a holder gives it up."""
        found = (name for name, _, e in self._messages() if isinstance(e, model.Vacate) and e.role == self.role.name)
        return list(dict.fromkeys(found))

    @property
    def speaking(self) -> list[str]:
        """The messages that only a holder sends, but for those that give it up and those that bring a token."""
        facts = {f.name for f in self.plan.document.facts.values() if f.kind == "role"}
        secret = {name for name, _ in self.plan.secrets()}
        found = [name for name, case, _ in self._messages() if facts & set(case.when)]
        return [name for name in dict.fromkeys(found) if name not in {*self.resigning, *secret}]

    def compared(self, message: str) -> dict[str, str]:
        """The members of a message that are compared with what there is: pointer -> expression."""
        asked = {fact for name, case, _ in self._messages() if name == message for fact in case.when}
        same = (f.options for f in self.plan.document.facts.values() if f.kind == "same" and f.name in asked)
        start = "$message.payload#"
        return {
            str(options["left"]).removeprefix(start): str(options["right"])
            for options in same
            if str(options["left"]).startswith(start)
        }

    def say(self, client: str, message: str, term: int, **change: Any) -> tuple[Step, ...]:
        """A message of a holder of some term."""
        at = {p: term for p, right in self.compared(message).items() if right == f"${self.role.name}.term"}
        return self.company.say(client, message, {**at, **change})

    def resign(self, client: str, term: int) -> tuple[Step, ...]:
        return self.say(client, self.resigning[0], term)

    def join(self, *clients: str, **more: Any) -> tuple[Step, ...]:
        return tuple(step for client in clients for step in self.company.join(client, **more))

    def preference(self) -> tuple[str, tuple[str, ...]]:
        """The variable by which somebody is preferred, and its values."""
        by, order = self.role.prefer[0]
        return str(by).removeprefix("$member."), order

    def changes(self) -> Iterator[tuple[str, str]]:
        """The messages that change that variable later, with the pointer to it."""
        variable = self.preference()[0]
        for message in self.plan.client_messages():
            pointer = sources(self.plan, message.name).get(variable)
            if pointer is not None and message.name != self.company.entry:
                yield message.name, pointer


def _chosen(use: _Use) -> Tried:
    """Among equals who came first, and not who gave it up unless it is alone."""
    if not use.resigning:
        return
    three = use.join("ana", "ben", "cat")
    yield "resigns", (*three, *use.resign("ana", 1), *use.resign("ben", 2), *use.resign("ana", 3))
    alone = (*use.join("ana"), *use.resign("ana", 1), *use.resign("ana", 2))
    yield "resigns-alone", (*alone, *use.join("ben"), *use.resign("ana", 3))
    yield "resigns-of-another-term", (*three, *use.resign("ana", 2), *use.resign("ana", 1), *use.resign("ana", 1))
    yield "another-resigns", (*three, *use.resign("ben", 1), *use.resign("cat", 1), *use.resign("ana", 1))
    if not use.role.prefer:
        return
    variable, order = use.preference()
    best, worst = order[0], order[-1]
    hidden = (*use.join("ana"), *use.join("ben", at={variable: worst}), *use.join("cat"))
    yield f"{worst}-last", (*hidden, *use.resign("ana", 1))
    seen = (*use.join("ana", "ben"), *use.join("cat", at={variable: best}), *use.join("dan", at={variable: best}))
    yield f"{best}-first", (*seen, *use.resign("ana", 1), *use.resign("cat", 2), *use.resign("dan", 3))
    ranked = tuple(step for value, who in zip(reversed(order), "abcdef", strict=False) for step in _of(use, who, value))
    yield "ranked", (*use.join("ana", at={variable: worst}), *ranked, *use.resign("ana", 1))
    for message, pointer in use.changes():
        turned = (*use.company.say("cat", message, {pointer: best}), *use.company.fence("cat"))
        yield f"{message}-counts", (*three, *turned, Idle(None), *use.resign("ana", 1))
        away = (*use.company.say("ana", message, {pointer: worst}), *use.company.fence("ana"))
        yield f"{message}-elects-nobody", (*three, *turned, *away, Idle(None), *use.resign("ana", 1))
        down = (*use.company.say("ben", message, {pointer: worst}), *use.company.fence("ben"))
        yield f"{message}-passes-over", (*three, *down, *use.resign("ana", 1))


def _of(use: _Use, client: str, value: str) -> tuple[Step, ...]:
    return use.join(client, at={use.preference()[0]: value})


def _left(use: _Use) -> Tried:
    """A holder that goes is replaced; anybody else is not missed, and the last one leaves the term behind."""
    three = use.join("ana", "ben", "cat")
    resigned = use.resign("cat", 2) if use.resigning else ()
    yield "holder-closes", (*three, Close("ana"), Settle(), Idle(None), *use.company.fence("ben"))
    yield "holder-drops", (*three, Reset("ana", gently=True), Settle(), Idle(None), *use.company.fence("cat"))
    yield "member-closes", (*three, Close("ben"), Settle(), Idle(None), *use.company.fence("cat"))
    yield "both-close", (*three, Close("ben"), Settle(), Close("ana"), Settle(), Idle(None), *resigned)
    for message in use.plan.client_messages():
        leaving = (*three, *use.company.say("ana", message.name))
        if message.name == "disconnect":
            yield f"holder-by-{message.name}", (*leaving, Idle(None), *use.company.fence("ben"))
    last = (*use.join("ana", "ben"), Close("ben"), Settle(), Close("ana"), Settle(), Idle(None))
    yield "last-one-leaves", (*last, *use.join("cat", "dan"))


def _spoken(use: _Use) -> Tried:
    """Who speaks for it, and with what."""
    three = use.join("ana", "ben", "cat")
    for message in use.speaking:
        spoken = (*use.say("ana", message, 1), *use.say("ana", message, 1))
        yield f"{message}/holder", (*three, *spoken)
        yield f"{message}/member", (*three, *use.say("ben", message, 1), *use.say("ana", message, 1))
        yield f"{message}/other-term", (*three, *use.say("ana", message, 2), *use.say("ana", message, 0))
        for pointer, right in use.compared(message).items():
            if right != f"${use.role.name}.term":
                other = use.say("ana", message, 1, **{pointer: {"$id": "nobody"}})
                yield f"{message}/other{pointer.replace('/', '-')}", (*three, *other, *use.say("ana", message, 1))
        if use.resigning:
            after = (*use.say("ana", message, 1), *use.say("ana", message, 2), *use.say("ben", message, 1))
            yield f"{message}/former", (*three, *use.resign("ana", 1), *after, *use.say("ben", message, 2))


def _patience(use: _Use) -> list[tuple[model.TimerRule, float, float]]:
    """The timers by which a silent holder is replaced: when they fire at the earliest, and by when."""
    found, scope = [], {"parameters": use.plan.parameters}
    late = use.plan.parameters["timer_late"]
    assert isinstance(late, Tolerance)
    for timer in use.plan.document.groups[use.role.room].timers:
        gives_up = any(isinstance(e, model.Vacate) for _, e in effects_of(timer.expire))
        if gives_up:
            span = sum(compile_expression(part)(scope) for part in timer.plus) * compile_expression(timer.times)(scope)
            allowed = late.of(span) + (compile_expression(timer.late)(scope) or 0.0)
            found.append((timer, float(span), float(span + allowed)))
    return found


def _silent(use: _Use) -> Tried:
    """A holder that says nothing is replaced, neither early nor late; not one that speaks, nor one that is alone."""
    for timer, span, latest in _patience(use):
        if latest > _LONGEST:
            use.plan.left_out.append(f"`{timer.name}` of `{use.role.room}`: it takes {latest:.0f} s")
            continue
        two = use.join("ana", "ben")
        yield f"{timer.name}/replaced", (*two, Idle(span), Settle(), *use.company.fence("ana"))
        yield f"{timer.name}/among-three", (*use.join("ana", "ben", "cat"), Idle(span), Settle())
        yield f"{timer.name}/alone", (*use.join("ana"), Idle(latest + _SOON), *use.company.fence("ana"))
        left = (*two, Close("ben"), Settle(), Idle(latest + _SOON), *use.company.fence("ana"))
        yield f"{timer.name}/left-alone", left
        for message in use.speaking:
            beat = (Idle(0.7 * span), *use.say("ana", message, 1))
            yield f"{timer.name}/{message}", (*two, *beat, Idle(0.7 * span), *use.company.fence("ben"), Settle())


def _replaced(use: _Use) -> Tried:
    """Who comes under the name of another takes its place: the older one is put out, and its seniority is no more."""
    variable = _single(use)
    if variable is None:
        return
    name = {variable: {"$id": "name"}}
    others = use.join("ben", "cat")
    resigned = use.resign("ben", 2) if use.resigning else ()
    yield "replaced/holder", (*use.join("ana", at=name), *others, *use.join("ann", at=name), *resigned)
    yield "replaced/alone", (*use.join("ana", at=name), *use.join("ann", at=name), *use.company.fence("ann"))
    younger = (*use.join("cat"), *use.join("ana", at=name), *use.join("ben"), *use.join("ann", at=name))
    yield "replaced/member", (*younger, *(use.resign("cat", 1) if use.resigning else ()), *use.company.fence("ann"))
    apart = (*use.join("ana", at=name), *use.join("ben", at=name, room="b"))
    yield "replaced/not-elsewhere", (*apart, *use.company.fence("ana"), *use.company.fence("ben"))
    again = (*use.join("ana", at=name), *use.join("ann", at=name), *use.join("amy", at=name))
    yield "replaced/twice", (*again, *use.company.fence("amy"))


def _single(use: _Use) -> str | None:
    """The variable under whose value there is one member only: who comes puts out who was there."""
    document = use.plan.document
    for state in document.states.values():
        for _, effect in effects_of(state.receive.get(use.company.entry, ())):
            if isinstance(effect, model.Expel) and effect.members.key is None:
                key = document.rooms[effect.members.room]
                names = [str(part).removeprefix("$") for part in (key if isinstance(key, tuple) else (key,))]
                return next((name for name in names if name in use.company.sources), None)
    return None


def _apart(use: _Use) -> Tried:
    """Another room has a holder of its own, though it be the same subject's."""
    both = (*use.join("ana", "ben"), *use.join("dan", "eve", room="b"))
    resigned = (*use.resign("dan", 1), *use.resign("ana", 1)) if use.resigning else ()
    spoken = tuple(step for message in use.speaking for step in use.say("ana", message, 1))
    yield "two-rooms", (*both, *spoken, *resigned, Close("ana"), Settle(), Idle(None), *use.company.fence("eve"))


def _tokens(use: _Use) -> Tried:
    """What is said of the room's token: to the holder, whoever it is then; at its end all are put out."""
    leads = _leads(use)
    if not leads:
        return
    lead = max(leads.values())
    near = {"left": lead + 1.0}
    first = next(name for name, seconds in leads.items() if seconds == lead)
    told = (*use.join("ana", "ben", **near), Expire("ana", first), Settle())
    yield "token/told", (*told, *use.company.fence("ben"))
    yield "token/told-at-once", (*use.join("ana", left=lead / 2), *use.join("ben", left=lead / 2))
    if use.resigning:
        yield "token/told-when-chosen", (*told, *use.resign("ana", 1), *use.resign("ben", 2))
    for name, seconds in leads.items():
        if seconds <= 0:
            ended = (*use.join("ana", "ben", left=2.0), *use.join("cat", left=1.5), Expire("ana", name), Settle())
            yield f"token/{name}", (*ended, Idle(None))
    far: dict[str, float] = {"left": lead + 60.0}
    later = (*use.join("ana", **near), *use.join("ben", **far), Idle(1.0 + _SOON), Settle())
    yield "token/the-latest-counts", (*later, *use.company.fence("ana"))
    sooner = (*use.join("ana", **far), *use.join("ben", **near), Idle(1.0 + _SOON), Settle())
    yield "token/not-the-last", (*sooner, *use.company.fence("ben"))
    for message, _ in use.plan.secrets():
        if message != use.company.entry:
            yield from _refreshed(use, message, lead, near)


def _refreshed(use: _Use, message: str, lead: float, near: Mapping[str, float]) -> Tried:
    say = use.company.say
    two = use.join("ana", "ben", **near)
    longer = say("ana", message, left=lead + 60.0, label="refreshed")
    yield f"token/{message}/later", (*two, *longer, Idle(1.0 + _SOON), Settle(), *use.company.fence("ben"))
    shorter = say("ana", message, left=lead + 0.7, label="refreshed")
    long_lived = use.join("ana", "ben", left=lead + 60.0)
    sooner = (*long_lived, *shorter, *use.join("cat", left=lead + 90.0), Idle(0.7 + _SOON), Settle())
    yield f"token/{message}/sooner", (*sooner, *use.company.fence("ben"))
    others = {
        "by-a-member": say("ben", message, label="refreshed"),
        "of-another-subject": say("ana", message, subject="eve", label="refreshed"),
        "of-another-room": say("ana", message, room="b", label="refreshed"),
        "expired": say("ana", message, recipe=use.plan.words_for("expired"), label="refreshed"),
        "forged": say("ana", message, recipe=use.plan.words_for("invalid"), label="refreshed"),
    }
    for name, steps in others.items():
        yield f"token/{message}/{name}", (*two, *steps, *use.company.fence("ben"))
    if use.resigning:
        by_next = (*use.resign("ana", 1), *say("ana", message, label="refreshed"), *say("ben", message, label="next"))
        yield f"token/{message}/by-the-next-holder", (*two, *by_next)


def _leads(use: _Use) -> dict[str, float]:
    """The timers of the room that a token moves, and how long before its end they fire."""
    scope = {"parameters": use.plan.parameters}
    found = {}
    for timer in use.plan.document.groups[use.role.room].timers:
        if not timer.members:
            before = compile_expression(timer.before)(scope) or 0.0
            found[timer.name] = float(before - sum(compile_expression(part)(scope) for part in timer.plus))
    return found
