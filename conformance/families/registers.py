"""Registers: what becomes of writes by their clocks, in every order, and what is read of them again.

A clock is written as counts of the members; concurrent writes are those of which neither has seen the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

from attrs import frozen

from conformance.members import Company, companies, effects_of
from conformance.plan import Plan
from conformance.scripts import Case, Close, Idle, Settle, Step
from spec import model
from spec.expressions import compile_expression

FAMILY = "registers"

_MOST = 40
"""A history of more entries than this is not filled."""

_PAYLOAD = "$message.payload#"

Tried = Iterator[tuple[str, tuple[Step, ...]]]


def cases(plan: Plan) -> Iterator[Case]:
    """For every register, by every message that writes it and every way into its room."""
    for register in plan.document.registers.values():
        room = next((name for name, key in plan.document.rooms.items() if key == register.key), None)
        for company in companies(plan, room) if room is not None else ():
            for message, rules, write in _writers(plan, company, register):
                use = _Use(plan, register, company, message, write.log)
                for part in (_clocks, _concurrent, _history, _apart):
                    for name, steps in part(use):
                        yield plan.case(FAMILY, f"{register.name}/{company.state}/{name}", steps, rules=rules)


def _writers(
    plan: Plan, company: Company, register: model.Register
) -> Iterator[tuple[str, tuple[str, ...], model.Write]]:
    found: dict[str, tuple[tuple[str, ...], model.Write]] = {}
    for name, cases in plan.document.states[company.state].receive.items():
        for case, effect in effects_of(cases):
            if isinstance(effect, model.Write) and effect.register == register.name:
                rules = tuple(dict.fromkeys((*found.get(name, ((), effect))[0], *case.rules)))
                found[name] = (rules, effect)
    yield from ((name, rules, write) for name, (rules, write) in found.items())


@frozen
class _Use:
    """A register in the state of one company: the message that writes it, and the one that reads it again."""

    plan: Plan
    register: model.Register
    company: Company
    message: str
    log: str

    def join(self, *clients: str, **more: Any) -> tuple[Step, ...]:
        """Clients come; who writes is told apart by their own names, so that these can be compared."""
        origin = str(self.register.origin).removeprefix("$")
        named = origin in self.company.sources
        return tuple(
            step
            for client in clients
            for step in self.company.join(client, at={origin: _name(client)} if named else {}, **more)
        )

    def write(self, client: str, clock: Mapping[str, int], value: Any = None, name: str = "k") -> tuple[Step, ...]:
        """A write; its clock is by clients' names."""
        given = {
            self.register.entry: name,
            self.register.value: client if value is None else value,
            self.register.clock: dict(clock),
        }
        at = {str(where).removeprefix(_PAYLOAD): what for where, what in given.items()}
        return self.company.say(client, self.message, at)

    def read(self, client: str, after: int) -> tuple[Step, ...]:
        """Everything behind a number is asked for."""
        for name, cases in self.plan.document.states[self.company.state].receive.items():
            for _, effect in effects_of(cases):
                if isinstance(effect, model.Read) and effect.log == self.log:
                    return self.company.say(client, name, {str(effect.after).removeprefix(_PAYLOAD): after})
        return ()

    @property
    def kept(self) -> int | None:
        """How many entries the history holds."""
        found = compile_expression(self.plan.document.logs[self.log].keep)({"parameters": self.plan.parameters})
        return None if found is None else int(found)


def _name(client: str) -> str:
    """What a client is called in clocks; by code points, which is another order than that of UTF-16."""
    return {"ana": "a", "ben": "b", "cat": "ｃ", "dan": "🧪"}.get(client, client)


def _clock(**counts: int) -> dict[str, int]:
    return {_name(client): count for client, count in counts.items()}


def _clocks(use: _Use) -> Tried:
    """Writes that have seen what is stored, and writes that have not."""
    two, first = use.join("ana", "ben"), use.write("ana", _clock(ana=1))
    tried = {
        "first": (first,),
        "empty-clock": (use.write("ana", {}), use.write("ben", {})),
        "descends": (first, use.write("ben", _clock(ana=1, ben=1)), use.write("ana", _clock(ana=2, ben=1))),
        "descends-by-more": (first, use.write("ben", _clock(ana=5)), use.write("ana", _clock(ana=5, cat=9))),
        "equal": (first, use.write("ana", _clock(ana=1), "again"), use.write("ben", _clock(ana=1), "other")),
        "equal-by-zeros": (use.write("ana", _clock(ana=1, cat=0)), use.write("ben", _clock(ana=1, ben=0))),
        "stale": (use.write("ana", _clock(ana=3)), use.write("ben", _clock(ana=2)), use.write("ben", {})),
        "two-names": (first, use.write("ben", _clock(ben=1), name="l"), use.write("ana", _clock(ana=1), name="m")),
        "conflict-shows-the-stored": (
            first,
            use.write("ana", _clock(ana=1), name="l"),
            use.write("ben", _clock(ana=1, ben=4)),
            use.write("ana", _clock(ana=1)),
            use.write("ana", _clock(ana=2, ben=5)),
        ),
        "values": tuple(
            use.write("ana", _clock(ana=number), value)
            for number, value in enumerate([0, False, "", [], [1, {"a": None}], {"é": "🧪", "a": {"b": []}}, 1.5], 1)
        ),
    }
    for name, writes in tried.items():
        yield name, (*two, *(step for write in writes for step in write), *use.read("ben", 0))
    alone = (*use.join("ana"), *first, *use.write("ana", _clock(ana=2)), *use.join("ben"), *use.read("ben", 0))
    yield "late-comer", alone


def _concurrent(use: _Use) -> Tried:
    """Writes of which neither has seen the other: by sums, then by who wrote, then by what, in every order."""
    four = use.join("ana", "ben", "cat", "dan")
    tried: dict[str, Sequence[tuple[str, dict[str, int], Any]]] = {
        "by-sum": (("ana", _clock(ana=3), "a"), ("ben", _clock(ben=1), "b")),
        "by-origin": (("ana", _clock(ana=1), "a"), ("ben", _clock(ben=1), "b")),
        "by-code-point": (("cat", _clock(cat=1), "c"), ("dan", _clock(dan=1), "d")),
        "by-text": (("ana", _clock(ana=1), "x"), ("ana", _clock(ben=1), "y")),
        "three": (("ana", _clock(ana=2), "a"), ("ben", _clock(ben=1), "b"), ("cat", _clock(cat=2), "c")),
        "kept-sum": (("ana", _clock(ana=2), "a"), ("ben", _clock(ben=2), "b"), ("cat", _clock(cat=3), "c")),
        "overlapping": (("ana", _clock(ana=2, ben=1), "a"), ("ben", _clock(ana=1, ben=2), "b")),
    }
    for name, writes in tried.items():
        for number, order in enumerate(permutations(writes)):
            said = tuple(step for write in order for step in use.write(*write))
            yield f"concurrent/{name}-{number}", (*four, *said, *use.read("dan", 0))
    merged = (*use.write("ana", _clock(ana=1)), *use.write("ben", _clock(ben=1)))
    behind = (*use.write("cat", _clock(ana=1, ben=1, cat=1)), *use.write("ana", _clock(ana=2)))
    yield "concurrent/then-seen", (*four, *merged, *use.write("ana", _clock(ana=1)), *behind)
    raced = [use.write(who, _clock(**{who: 1}))[0] for who in ("ana", "ben", "cat", "dan")]
    yield "concurrent/at-once", (*four, *raced, Settle(), *use.read("ana", 0))
    burst = [use.write("ana", _clock(ana=number), number)[0] for number in range(1, 11)]
    yield "in-order", (*use.join("ana", "ben"), *burst, Settle(), *use.read("ben", 0))


def _history(use: _Use) -> Tried:
    """What was missed comes one by one, in order; what history does not reach is told whole."""
    kept = use.kept
    if kept is None or kept > _MOST:
        use.plan.left_out.append(f"the history of `{use.log}` is too long to be filled")
        return
    for extra in (0, 2):
        count = kept + extra
        names = [f"k{number % 2}" for number in range(count)]
        said = [use.write("ana", _clock(ana=n), n, name) for n, name in enumerate(names, 1)]
        before = (*use.join("ana", "ben"), *(step for write in said for step in write))
        asked = tuple(step for after in range(count + 3) for step in use.read("ben", after))
        yield f"history/{'over' if extra else 'full'}", (*before, *asked)
    yield "history/nothing", (*use.join("ana"), *use.read("ana", 0), *use.read("ana", 1))
    gone = (*use.join("ana"), *use.write("ana", _clock(ana=1)), Close("ana"), Settle(), Idle(None))
    back = (*use.join("ben"), *use.read("ben", 0), *use.write("ben", _clock(ana=1)))
    yield "history/outlives-members", (*gone, *back, *use.write("ben", _clock(ana=1, ben=1)))


def _apart(use: _Use) -> Tried:
    """Another room has values of its own, though it be the same subject's."""
    both = (*use.join("ana", "ben"), *use.join("cat", "dan", room="b"))
    said = (*use.write("ana", _clock(ana=1)), *use.write("cat", _clock(cat=1)), *use.write("dan", _clock(ana=1)))
    yield "two-rooms", (*both, *said, *use.read("ben", 0), *use.read("dan", 0))
