"""What every decision of a document comes to, for every combination of classes: equal outcomes are equal machines.

Facts are asked as the machine asks them, in order and only where needed, since that matters: a limit counts what asks
it, an expression reads nothing of a token that was not found valid before, and headers go by what was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from attrs import asdict, evolve, field, fields, frozen

from spec.expressions import compile_expression, root_of
from spec.model import Case, Document, Fact, Guard, OpeningRow, State
from spec.parameters import format_value

__all__ = ["OPENING", "Outcome", "Outcomes", "Result", "plain"]

OPENING = "opening"
_BEYOND = {("limit", "exceeded"), ("payload", "invalid")}
_FRAMES = ("oversize", "binary", "not_utf8", "malformed", "other")
_UNSEEN = {"rules", "isolation", "order", "text", "examples", "pointer", "header_rules"}

Truth = Mapping[str, str]
"""What a fact is, asked or not."""


@frozen
class Result:
    """What a decision comes to: its effects and target, what they read of facts, and the limits that were asked.

    `beyond` says whether it needs what the abstraction does not hold: a limit that is exceeded, facts of a misfit, a
    link that others have used.
    """

    shown: Any
    reads: Any
    limits: tuple[str, ...] = ()
    beyond: bool = field(default=False, eq=False)


Outcome = Mapping[frozenset[tuple[str, str]], Result]
"""What a decision comes to, by what the facts are that can matter."""


def plain(value: Any) -> Any:
    """A value of the model as plain data, without what is no behaviour."""
    if isinstance(value, Mapping):
        return {name: plain(member) for name, member in value.items() if name not in _UNSEEN}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__attrs_attrs__"):
        kind = type(value).__name__
        members = {entry.name: plain(getattr(value, entry.name)) for entry in fields(type(value))}
        return {"kind": kind, **{name: member for name, member in members.items() if name not in _UNSEEN}}
    return value


class _Question:
    """One event for which facts are asked, as `spec.machine.facts` asks them."""

    def __init__(self, document: Document, parameters: Mapping[str, Any], truth: Truth) -> None:
        self._document, self._parameters, self._truth = document, parameters, truth
        self.known: dict[str, str] = {}

    def passes(self, guard: Guard) -> bool:
        return all(self.ask(fact) in values for fact, values in guard.items())

    def ask(self, name: str) -> str:
        if name not in self.known:
            self.known[name] = self._decided(self._document.facts[name])
        return self.known[name]

    def _decided(self, fact: Fact) -> str:
        match fact.kind:
            case "table":
                return next(str(value) for guard, value in fact.options["rows"] if self.passes(guard))
            case "parameter":
                return format_value(self._parameters[fact.options["parameter"]])
            case "token":
                source = read_by(self._document, fact.options["of"])
                if source is not None:
                    # Of what is not there the ladder's first check tells; what is there is not absent.
                    return "absent" if self.ask(source.name) == "none" else self._truth[fact.name]
            case "memory":
                memory = self._document.memories[fact.options["memory"]]
                return self._truth[fact.name] if all(map(self.reads, memory.key)) else "fresh"
            case "same":
                both = (fact.options["left"], fact.options["right"])
                return self._truth[fact.name] if all(map(self.reads, both)) else "other"
        return self._truth[fact.name]

    def reads(self, expression: Any) -> bool:
        """Whether an expression that reads a fact finds what it reads."""
        fact = read_by(self._document, expression)
        return fact is None or (
            self.known.get(fact.name) in self._document.accepting if fact.kind == "token" else fact.name in self.known
        )


def read_by(document: Document, expression: Any) -> Fact | None:
    """The fact that an expression reads, if it reads one; variables hide facts of their name."""
    root = root_of(str(expression))
    if root == "path":
        return next((fact for fact in document.facts.values() if fact.kind == "path"), None)
    fact = document.facts.get(root) if root not in document.variables else None
    return fact if fact is not None and fact.kind in {"token", "credentials"} else None


class Outcomes:
    """The decisions of a document under a deployment's parameters."""

    def __init__(self, document: Document, parameters: Mapping[str, Any]) -> None:
        self._document, self._parameters = document, parameters
        self._tables = dict(self._listed())

    def decisions(self) -> list[str]:
        """A name for each decision: the opening, and each input and timer of each state."""
        return list(self._tables)

    def tables(self) -> Any:
        """The facts that are tables over others, as they are written."""
        return {fact.name: plain(fact.options) for fact in self._document.facts.values() if fact.kind == "table"}

    def written(self, name: str) -> Any:
        """A decision as it is written; None where there is no such decision."""
        if name not in self._tables:
            return None
        rows = plain(self._tables[name][1])
        return [rows, plain(self._document.header_rules)] if name == OPENING else rows

    def asked(self, name: str) -> frozenset[str]:
        """The facts behind a decision; none where there is no such decision."""
        rows = self._tables.get(name, ("", ()))[1]
        headers = self._document.header_rules if name == OPENING else ()
        return frozenset(self._behind(fact for row in (*rows, *headers) for fact in row.when))

    def outcome(self, name: str, facts: frozenset[str]) -> Outcome:
        """What a decision comes to for every combination of what these facts can be."""
        leaf, rows = self._tables.get(name, ("", ()))
        found = {}
        for truth in self._truths(facts):
            question = _Question(self._document, self._parameters, truth)
            result = self._opened(question) if name == OPENING else self._decided(leaf, rows, question)
            kinds = {(self._document.facts[fact].kind, value) for fact, value in truth.items()}
            beyond = bool(kinds & _BEYOND) or any(self._linked(fact, value) for fact, value in truth.items())
            found[frozenset(truth.items())] = evolve(result, beyond=beyond)
        return found

    def _linked(self, name: str, value: str) -> bool:
        """Whether a link is in a state that takes other connections to come to."""
        fact = self._document.facts[name]
        if fact.kind != "link" or value == "unknown":
            return False
        fresh = value == self._document.links[fact.options["link"]].initial
        return not (fresh and str(fact.options["key"]).startswith("$query."))

    def _listed(self) -> Iterator[tuple[str, tuple[str, Sequence[Any]]]]:
        yield OPENING, ("", self._document.opening)
        inputs = [m.name for m in self._document.messages.values() if m.client is not None]
        for leaf in self._document.leaves():
            for name in (*_FRAMES, *inputs):
                yield f"{name} in {leaf.path}", (leaf.path, self._cases(leaf, name))
            for path in leaf.chain:
                for timer in self._document.states[path].timers:
                    yield f"timer {timer.name} of {path} in {leaf.path}", (leaf.path, timer.expire)

    def _cases(self, leaf: State, name: str) -> tuple[Case, ...]:
        """The cases that decide an input in a state: those of the innermost level that lists it."""
        levels = [*(self._document.states[path].receive for path in leaf.chain), self._document.receive]
        listed = (level[wanted] for wanted in (name, "other") for level in levels if wanted in level)
        return next(listed, ())

    # --------------------------------------------------------------------------------------------------- truths

    def _truths(self, facts: Iterable[str]) -> Iterator[Truth]:
        """Every combination of what facts can be; a server that stops is for a control hook."""
        needed = sorted(fact for fact in facts if self._document.facts[fact].kind not in {"table", "parameter"})
        values = [self._values(self._document.facts[name]) for name in needed]
        return (dict(zip(needed, chosen, strict=True)) for chosen in product(*values))

    def _behind(self, names: Iterable[str]) -> list[str]:
        """Facts, and those that tables over them and tokens of credentials ask for."""
        pending, found = list(names), dict[str, None]()
        while pending:
            fact = self._document.facts[pending.pop()]
            if fact.name not in found:
                found[fact.name] = None
                if fact.kind == "table":
                    pending += [name for guard, _ in fact.options["rows"] for name in guard]
                elif fact.kind == "token" and (source := read_by(self._document, fact.options["of"])) is not None:
                    pending.append(source.name)
        return sorted(found)

    def _values(self, fact: Fact) -> tuple[str, ...]:
        if fact.kind == "running":
            return tuple(value for value in fact.values if value != "stopping")
        if fact.kind == "origin" and not compile_expression(fact.options["allowed"])({"parameters": self._parameters}):
            return ("acceptable",)
        if fact.kind == "token" and read_by(self._document, fact.options["of"]) is not None:
            return tuple(value for value in fact.values if value != "absent")
        return fact.values

    # ------------------------------------------------------------------------------------------------- outcomes

    def _opened(self, question: _Question) -> Result:
        document = self._document
        row = next(row for row in document.opening if question.passes(row.when))
        shown = [row.status, row.code, plain(row.body), row.headers, row.subprotocol, row.to, plain(row.do)]
        shown.append(self._headers(row, question))
        read = [shown, document.refusal_body if row.to is None else document.variables]
        return Result(shown, self._read(read, question))

    def _headers(self, row: OpeningRow, question: _Question) -> Any:
        return [
            plain(rule.set)
            for rule in self._document.header_rules
            if row.status in rule.statuses
            and all(name in question.known for name in rule.when)
            and question.passes(rule.when)
        ]

    def _decided(self, leaf: str, cases: Sequence[Case], question: _Question) -> Result:
        here = (case for case in cases if case.inside is None or _within(leaf, case.inside))
        case = next((case for case in here if question.passes(case.when)), None)
        limits = sorted(name for name in question.known if self._document.facts[name].kind == "limit")
        shown = case and [plain(case.do), case.to]
        return Result(shown, self._read(self._meant(case), question), tuple(limits))

    def _meant(self, case: Case | None) -> Any:
        """Effects, and the keys of the rooms and memories that they name."""
        kept = {**self._document.rooms, **{name: [m.key, m.until] for name, m in self._document.memories.items()}}
        named = [kept.get(str(v)) for e in (case.do if case else ()) for v in asdict(e).values() if isinstance(v, str)]
        return [plain(case.do) if case else None, plain(named)]

    def _read(self, value: Any, question: _Question) -> dict[str, bool]:
        """Whether what an outcome reads of facts is there."""
        return {root_of(text): question.reads(text) for text in _expressions(value) if read_by(self._document, text)}


def _expressions(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("$"):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _expressions(member)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _expressions(item)


def _within(state: str, ancestor: str) -> bool:
    return state == ancestor or state.startswith(ancestor + ".")
