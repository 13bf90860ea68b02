"""Classes: which values the facts of a decision can have together, for one deployment and without a wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from spec.expressions import compile_expression
from spec.model import Document, Effect, Fact, Form, Guard, Join, Leave, Remember, Update
from spec.parameters import format_value

__all__ = ["Classes", "list_of"]

Known = Mapping[str, str]
"""Values of facts by name."""

_SHARED = {"role": "holder", "register": "new", "history": "covered", "room": "new", "order": "unset"}
"""Kinds of facts about what clients share, and the value that one meets who comes first."""


class _Row(Protocol):
    @property
    def when(self) -> Guard: ...


class Classes:
    """The facts of a document under a deployment's parameters.

    What needs more than one exchange of one client is left out, and `left_out` says why: a server that stops, and a
    limit that is exceeded.
    """

    def __init__(self, document: Document, parameters: Mapping[str, Any]) -> None:
        self._document = document
        self._parameters = parameters
        self.left_out: dict[str, str] = {}
        self.roomy = _roomy(document)

    def decide(self, rows: Sequence[_Row], known: Known) -> _Row | None:
        """The first row that passes, None where none does; raises Unasked where a fact is not known that is asked."""
        return next((row for row in rows if self._passes(row.when, known)), None)

    def _passes(self, guard: Guard, known: Known) -> bool:
        return all(self._value(fact, known) in values for fact, values in guard.items())

    def _value(self, name: str, known: Known) -> str:
        fact = self._document.facts[name]
        if fact.kind == "table":
            return str(next(value for guard, value in fact.options["rows"] if self._passes(guard, known)))
        if fact.kind == "parameter":
            return format_value(self._parameters[fact.options["parameter"]])
        if name in known:
            return known[name]
        possible = self.values(name, known)
        if len(possible) > 1:
            raise Unasked(name)
        return possible[0] if possible else ""

    def paths(self, rows: Sequence[_Row]) -> Iterator[tuple[dict[str, str], _Row]]:
        """Every way through a decision: the facts that are asked until a row decides, in that order, and the row."""
        pending: list[dict[str, str]] = [{}]
        while pending:
            known = pending.pop(0)
            try:
                row = self.decide(rows, known)
            except Unasked as asked:
                pending[:0] = [{**known, name: value} for name, value in self._branch(asked.name, known)]
                continue
            if row is not None:
                yield known, row

    def _branch(self, name: str, known: Known) -> Iterator[tuple[str, str]]:
        source = self._source(self._document.facts[name])
        if source is not None and source not in known:
            yield from ((source, value) for value in self.values(source, known))
            return
        yield from ((name, value) for value in self.values(name, known))

    def products(self, decisions: Iterable[Sequence[_Row]], form: Form | None = None) -> list[dict[str, str]]:
        """Every combination of the facts that any of several decisions asks of one input.

        All combinations, and not only those on a way through: where two facts could decide, which of them does is a
        rule of its own, and a server that asks them in another order answers these otherwise. `form` is that of the
        message, if the input is one.
        """
        names = list(dict.fromkeys(name for rows in decisions for name in self._asked(rows)))
        found: list[dict[str, str]] = [{}]
        for name in names:
            found = [
                {**known, name: value} if value is not None else known
                for known in found
                for value in self._several(name, known, form)
            ]
        return found

    def _several(self, name: str, known: Known, form: Form | None) -> Sequence[str | None]:
        """The values of a fact, or only None where there is no choice."""
        possible = self.values(name, known, form)
        return possible if len(possible) > 1 else [None]

    def _asked(self, rows: Sequence[_Row]) -> Iterator[str]:
        for row in rows:
            for name in row.when:
                yield from self._behind(name)

    def _behind(self, name: str) -> Iterator[str]:
        fact = self._document.facts[name]
        if fact.kind == "table":
            for guard, _ in fact.options["rows"]:
                for inner in guard:
                    yield from self._behind(inner)
        elif fact.kind != "parameter":
            yield name

    def values(self, name: str, known: Known, form: Form | None = None) -> list[str]:
        """The values that a fact can have beside those known; none where it means nothing beside them."""
        fact = self._document.facts[name]
        if any(known.get(other) == "invalid" for other in known if self._document.facts[other].kind == "payload"):
            return []
        match fact.kind:
            case "running":
                return self._without(fact, "stopping", "a server that stops needs a control hook")
            case "record":
                return self._without(fact, "present", "a record takes a post; the family `endpoints` tries it")
            case "memory" if fact.options["memory"] in self._posted:
                return self._without(fact, "seen", "it takes a post to be remembered")
            case kind if kind in _SHARED:
                return self._only(fact, _SHARED[kind])
            case "limit":
                return self._without(
                    fact, "exceeded", "a limit takes several connections; the family `limits` tries it"
                )
            case "link":
                named = str(fact.options["key"]).startswith("$query.")
                kept = ["unknown", self._initial(fact)] if named else ["unknown"]
                for value in fact.values:
                    if value not in kept:
                        self._without(fact, value, "such a link takes other connections; the family `links` tries it")
                return kept
            case "in_list":
                # Of a list that goes with a room the state says which it is: clients send the examples.
                return ["out"] if list_of(fact) in self.roomy else list(fact.values)
            case "origin":
                allowed = compile_expression(fact.options["allowed"])({"parameters": self._parameters})
                return list(fact.values) if allowed else ["acceptable"]
            case "token":
                return self._token(fact, known, form)
            case _:
                return list(fact.values)

    def _without(self, fact: Fact, value: str, reason: str) -> list[str]:
        self.left_out[f"{fact.name}={value}"] = reason
        return [known for known in fact.values if known != value]

    def _only(self, fact: Fact, value: str) -> list[str]:
        """The value that one client by itself meets first."""
        for other in fact.values:
            if other != value:
                self.left_out[f"{fact.name}={other}"] = "it takes other clients, or what was done before"
        return [value]

    @cached_property
    def _posted(self) -> frozenset[str]:
        """The memories that nothing but posts fills."""
        document = self._document
        tables = [table for state in document.states.values() for table in state.receive.values()]
        said = [case.do for table in (*tables, *document.receive.values()) for case in table]
        posted = [row.do for endpoint in document.http.values() for row in endpoint.rows]
        return _remembered(posted) - _remembered([*said, *(row.do for row in document.opening)])

    def _initial(self, fact: Fact) -> str:
        return self._document.links[fact.options["link"]].initial

    def _source(self, fact: Fact) -> str | None:
        """The fact that finds the credential that a token is."""
        if fact.kind != "token":
            return None
        name = str(fact.options["of"]).removeprefix("$").partition(".")[0]
        found = self._document.facts.get(name)
        return name if found is not None and found.kind == "credentials" else None

    def _token(self, fact: Fact, known: Known, form: Form | None) -> list[str]:
        source = self._source(fact)
        if source is not None:
            return ["absent"] if known.get(source) == "none" else [v for v in fact.values if v != "absent"]
        # A payload that fits its schema has its token where the schema requires it.
        required = form is None or any(_requires(form.schema, pointer) for pointer in form.secret)
        required &= any(self._document.facts[other].kind == "payload" for other in known)
        return [value for value in fact.values if value != "absent" or not required]


def _remembered(lists: Iterable[Sequence[Effect]]) -> frozenset[str]:
    return frozenset(effect.memory for effects in lists for effect in effects if isinstance(effect, Remember))


def _requires(schema: Mapping[str, Any], pointer: str) -> bool:
    """Whether an object has to have a member, or a list an item."""
    name = pointer.lstrip("/")
    return name in schema.get("required", ()) or (name.isdecimal() and int(name) < schema.get("minItems", 0))


def list_of(fact: Fact) -> str:
    """The field of a link, or the variable, that holds the list which a fact asks for."""
    return str(fact.options["list"]).removeprefix("$").rpartition(".")[2]


def _roomy(document: Document) -> frozenset[str]:
    """The lists of links that change together with memberships."""
    cases = [case for state in document.states.values() for cases in state.receive.values() for case in cases]
    found = set()
    for case in cases:
        if any(isinstance(effect, Join | Leave) for effect in case.do):
            found |= {name for e in case.do if isinstance(e, Update) for name in (*e.add, *e.remove)}
    return frozenset(found)


class Unasked(LookupError):
    """A fact was asked whose value is not known yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
