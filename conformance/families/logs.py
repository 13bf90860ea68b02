"""Logs: entries are numbered, kept once, read again in their order, and stay with their key, whoever appends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from conformance.exploring import Route
from conformance.plan import Plan
from conformance.scripts import Case, Close, Hold, Idle, Open, Release, Send, Settle, Step
from spec import model
from spec.expressions import compile_expression, pointer_get, with_member

FAMILY = "logs"

_MANY = 11
"""How many messages, each with as many items as it may have, are sent before all is read."""


@frozen
class _Use:
    """How a log is used in a state: the message that appends (and where its items are), and the one that reads."""

    plan: Plan
    log: model.Log
    route: Route
    message: str
    items: str
    reading: str | None
    after: str
    most: str

    @property
    def most_items(self) -> int:
        """How many items one message may have."""
        form = self.plan.message(self.message).client
        assert form is not None
        schema: Any = form.schema
        for part in self.items.split("/")[1:]:
            schema = schema.get("properties", {}).get(part, {})
        return int(schema.get("maxItems", 100))

    def item(self, label: Any, text: Any = None) -> Any:
        """An item by its identity; one that says something else has another text."""
        form = self.plan.message(self.message).client
        assert form is not None
        item = pointer_get(self.plan.send("x", self.message).payload, self.items)[0]
        assert self.log.identity is not None
        item = with_member(item, self.log.identity, {"$id": label} if isinstance(label, str) else label)
        within = f"{self.items}/0"
        echoed = [pointer.removeprefix(within) for pointer in form.echoed if pointer.startswith(within)]
        return item if text is None or not echoed else with_member(item, echoed[0], text)

    def push(self, client: str, *items: Any, **more: Any) -> Send:
        """Append items, those that are texts by their labels."""
        send = self.plan.send(client, self.message)
        told = [self.item(item) if isinstance(item, str) else item for item in items]
        return Send(client, self.message, with_member(send.payload, self.items, told), **more)

    def pull(self, client: str, after: int = 0, most: int | None = None) -> tuple[Step, ...]:
        """Read the log, where that can be done."""
        if self.reading is None:
            return ()
        payload = with_member(self.plan.send(client, self.reading).payload, self.after, after)
        if most is not None and self.most:
            payload = with_member(payload, self.most, most)
        return (Send(client, self.reading, payload), Settle())


def cases(plan: Plan) -> Iterator[Case]:
    """For every state in which clients append: numbers, identities, pages, keys, and appending at once."""
    for place, use in enumerate(_uses(plan)):
        whole = place == 0 or plan.deep
        for part in (_numbered, _once, _apart, _pages, _raced) if whole else (_numbered, _once):
            for name, steps in part(use):
                rules = tuple(dict.fromkeys((*use.log.rules, *_cited(use))))
                yield plan.case(FAMILY, f"{use.log.name}/{use.route.state}/{name}", steps, rules=rules)


def _uses(plan: Plan) -> Iterator[_Use]:
    for state, route in plan.leaves():
        found = [(name, effect) for name, effect in _effects(plan, state) if isinstance(effect, model.Append)]
        for name, append in found:
            reads = [(n, e) for n, e in _effects(plan, state) if isinstance(e, model.Read) and e.log == append.log]
            reading, read = reads[0] if reads else (None, None)
            after, most = (_pointer(plan, read.after), _pointer(plan, read.most)) if read else ("", "")
            items = _pointer(plan, append.items)
            yield _Use(plan, plan.document.logs[append.log], route, name, items, reading, after, most)


def _effects(plan: Plan, state: str) -> Iterator[tuple[str, model.Effect]]:
    """The effects that client messages have in a state."""
    document = plan.document
    for message in plan.client_messages():
        levels = [document.states[path].receive for path in document.states[state].chain]
        listed = next((level[message.name] for level in levels if message.name in level), ())
        yield from ((message.name, effect) for case in listed for effect in case.do)


def _pointer(plan: Plan, expression: Any) -> str:
    """Where in its payload a message has what an expression reads of it."""
    return str(expression or "").partition("#")[2].removeprefix(plan.document.envelope.payload)


def _cited(use: _Use) -> tuple[str, ...]:
    return use.plan.rehearse([*use.route.steps("ana"), *use.route.steps("ben"), use.push("ana", "one")]).rules


def _three(use: _Use) -> tuple[Step, ...]:
    return (*use.route.steps("ana"), *use.route.steps("ben"), *use.route.steps("cat"))


def _numbered(use: _Use) -> Iterator[tuple[str, tuple[Step, ...]]]:
    first = (use.push("ana", "one"), Settle(), use.push("ben", "two", "three"), Settle())
    second = (use.push("cat", "four"), Settle(), *use.pull("ana"))
    yield "in-turn", (*_three(use), *first, *second)
    late = (*use.route.steps("ana"), use.push("ana", "one", "two"), Settle(), *use.route.steps("ben"))
    yield "late-comer", (*late, use.push("ana", "three"), Settle(), *use.pull("ben"))
    back = (*use.route.steps("ben"), use.push("ben", "one"), Settle(), Close("ben"), Settle())
    again = (*use.route.steps("dan", subject="ben", label="again"), *use.pull("dan"))
    yield "come-back", (*use.route.steps("ana"), *back, use.push("ana", "two"), Settle(), *again)
    same = (*use.route.steps("ana"), *use.route.steps("ben", subject="ana", label="second"))
    yield "one-subject-twice", (*same, use.push("ben", "one"), Settle(), *use.pull("ana"))


def _once(use: _Use) -> Iterator[tuple[str, tuple[Step, ...]]]:
    other = use.item("one", "something else")
    tried: dict[str, tuple[Step, ...]] = {
        "again": (use.push("ana", "one"), Settle(), use.push("ana", "one"), Settle()),
        "again-with-other-content": (use.push("ana", "one"), Settle(), use.push("ana", other), Settle()),
        "again-by-another": (use.push("ana", "one"), Settle(), use.push("ben", other), Settle()),
        "twice-in-one-message": (use.push("ana", "one", "two", other, "three"), Settle()),
        "old-among-new": (use.push("ana", "one"), Settle(), use.push("ben", "zero", other, "two"), Settle()),
    }
    for name, steps in tried.items():
        behind = (use.push("cat", "last"), Settle())
        yield name, (*_three(use), *steps, *use.pull("cat"), *behind)
    gone = (*use.route.steps("ana"), use.push("ana", "one"), Settle(), Close("ana"), Settle())
    yield "again-behind-its-end", (*gone, *use.route.steps("ben"), use.push("ben", other), Settle(), *use.pull("ben"))


def _apart(use: _Use) -> Iterator[tuple[str, tuple[Step, ...]]]:
    here, there = use.route.steps("ana"), use.route.steps("cat", room="b")
    watched = (*here, *use.route.steps("ben"), *there, *use.route.steps("dan", room="b"))
    talk = (use.push("ana", "one", "two"), Settle(), use.push("cat", use.item("one", "there")), Settle())
    yield "same-item-elsewhere", (*watched, *talk, Idle(None), *use.pull("cat"), *use.pull("ana"))
    late = (use.push("ana", "one", "two"), Settle(), *use.route.steps("eve", room="b"), *use.pull("eve"))
    yield "nothing-elsewhere", (*here, *late)
    alike = use.route.steps("cat", room={"$join": [{"$room": "a"}, " "]})
    yield "alike", (*here, *alike, use.push("ana", "one"), Settle(), *use.pull("cat"), use.push("cat", "one"), Settle())
    capital = use.route.steps("cat", room={"$join": [{"$room": "a"}, "A"]})
    little = use.route.steps("ana", room={"$join": [{"$room": "a"}, "a"]})
    yield "capitals", (*little, *capital, use.push("ana", "one"), Settle(), *use.pull("cat"))


def _pages(use: _Use) -> Iterator[tuple[str, tuple[Step, ...]]]:
    if use.reading is None:
        return
    five = (*use.route.steps("ana"), *use.route.steps("ben"), use.push("ana", "one", "two"), Settle())
    five = (*five, use.push("ben", "three"), Settle(), use.push("ana", "four", "five"), Settle())
    pages = [(0, 1), (0, 2), (2, 2), (3, 2), (4, 1), (0, 5), (0, 6), (1, None), (4, None), (5, None), (9, None), (5, 1)]
    asked = tuple(step for after, most in pages for step in use.pull("ben", after, most))
    yield "pages", (*five, *asked)
    yield "empty", (*use.route.steps("ana"), *use.pull("ana"), *use.pull("ana", 3))
    most = use.most_items
    many = tuple(step for _ in range(_MANY) for step in (use.push("ana", *_fresh(use, most)), Settle()))
    yield "many", (*use.route.steps("ana"), *many, *use.pull("ana"), *use.pull("ana", most * (_MANY - 1)))
    room = int(compile_expression(use.plan.document.largest)({"parameters": use.plan.parameters})) // 2
    large = [use.item({"$id": None}, {"$fill": {"text": "x", "times": room}}) for _ in range(40)]
    pushed = tuple(step for item in large for step in (use.push("ana", item), Settle()))
    yield "large", (*use.route.steps("ana"), *pushed, *use.pull("ana"), *use.pull("ana", 39), *use.pull("ana", 38, 2))


def _fresh(use: _Use, count: int) -> list[Any]:
    return [use.item({"$id": None}) for _ in range(count)]


def _raced(use: _Use) -> Iterator[tuple[str, tuple[Step, ...]]]:
    both = tuple(use.push(who, f"{who} {n}") for n in range(3) for who in ("ana", "ben"))
    yield "several-at-once", (*_three(use), *both, Settle(), *use.pull("cat"))
    same = (use.push("ana", "one", "two"), use.push("ben", use.item("two", "other"), "three"))
    yield "one-item-at-once", (*_three(use), *same, Settle(), *use.pull("cat"))
    entering: list[Step] = [*_three(use)]
    for step in use.route.steps("dan"):
        # Only the upgrade is waited for: what is behind it races.
        entering += [step, Settle()] if isinstance(step, Open) else [step] if isinstance(step, Send) else []
    entering += [use.push("ana", "while one"), use.push("ana", "while two"), Settle()]
    yield "joining-meanwhile", (*entering, *use.pull("dan"))
    words = tuple(use.push("ana", f"burst {n}") for n in range(8))
    burst: tuple[Step, ...] = (Hold("ana"), *words, Release("ana"), Settle())
    yield "burst", (*_three(use), *burst, *use.pull("ben"))
