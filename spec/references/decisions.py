"""Decisions: whatever can happen must be decided by some row, so that no event finds a server without an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from attrs import frozen

from spec.loading.nodes import join
from spec.loading.problems import INCOMPLETE, Problem
from spec.loading.source import Source
from spec.references.names import INPUTS, Names, mappings, section, word

__all__ = ["Row", "Tables", "check_decisions", "decision_lists", "distinct_values", "rows_of"]

_MOST = 100_000
"""How many combinations of classes are tried for one list of rows."""

_HINT = "end the list with a row that has no guard"

_Path = tuple[str, ...]
"""The path of something in a document."""

_Values = Mapping[str, str]


@frozen
class Row:
    """A row of a decision: its guard, the state that it is for, and the value that it gives in a table."""

    when: Mapping[str, frozenset[str]]
    inside: str | None
    value: Any

    def is_for(self, state: str) -> bool:
        """Whether it is asked in a state."""
        return self.inside is None or _within(state, self.inside)

    def passes(self, facts: Mapping[str, str | None], state: str) -> bool:
        return self.is_for(state) and all(facts[name] in wanted for name, wanted in self.when.items())


def check_decisions(names: Names, source: Source, problems: list[Problem]) -> None:
    """Check that every list of rows decides whatever can be asked of it; what is wrong is added to `problems`."""

    def tell(path: _Path, message: str, hint: str | None) -> None:
        pointer = join(path)
        problems.append(Problem(source.place(pointer), pointer, message, hint, INCOMPLETE))

    tables = Tables(names)
    for name in tables.circular:
        tell(("facts", name), f"the table `{name}` asks for itself", None)
    for path, rows, states in decision_lists(names):
        message = _undecided(rows_of(rows), states, tables)
        if message:
            tell(path, message, _HINT)
    for level, state, name in _unlisted(names):
        tell(level, f"no case decides what comes of `{name}` in `{state}`", None)


def rows_of(rows: Any) -> list[Row]:
    return [Row(_guard(row.get("when")), _text(row.get("in")), row.get("is")) for row in mappings(rows)]


def _guard(guard: Any) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(map(str, map(word, wanted if isinstance(wanted, list) else [wanted])))
        for name, wanted in section(guard).items()
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _within(state: str, ancestor: str) -> bool:
    return state == ancestor or state.startswith(ancestor + ".")


# ------------------------------------------------------------------------------------------------- what there is


def decision_lists(names: Names) -> Iterator[tuple[_Path, Any, Sequence[str]]]:
    """Every list of rows of which the first that passes decides: its path, its rows, and the states that it is for."""
    data = names.data
    for name in section(data, "facts"):
        fact = section(data, "facts", name)
        if fact.get("kind") == "table":
            yield ("facts", name, "rows"), fact.get("rows"), ("",)
    yield ("opening", "rows"), section(data, "opening").get("rows"), ("",)
    for name in section(data, "http"):
        yield ("http", name, "rows"), section(data, "http", name).get("rows"), ("",)
    for name in section(data, "connection", "timers"):
        yield ("connection", "timers", name, "expire"), section(data, "connection", "timers", name).get("expire"), ("",)
    for room in section(data, "rooms"):
        for name in section(data, "rooms", room, "timers"):
            at = ("rooms", room, "timers", name)
            yield (*at, "expire"), section(data, *at).get("expire"), ("",)
    for name in section(data, "roles"):
        yield ("roles", name, "elected"), section(data, "roles", name).get("elected"), ("",)
    yield from _inner(data, ())
    used: dict[_Path, list[str]] = {}
    for leaf, levels in _leaves(data):
        for name in dict.fromkeys((*INPUTS, *names.known["client message"])):
            path = _list_of(data, levels, name) or _list_of(data, levels, "other")
            if path is not None:
                used.setdefault(path, []).append(leaf)
        for level in levels[:-1]:
            for timer in section(data, *level, "timers"):
                used.setdefault((*level, "timers", timer, "expire"), []).append(leaf)
    for path, leaves in used.items():
        yield path, section(data, *path[:-1]).get(path[-1]), tuple(dict.fromkeys(leaves))


def _inner(value: Any, path: _Path) -> Iterator[tuple[_Path, Any, Sequence[str]]]:
    """The decisions that stand within others, as effects of their own."""
    if isinstance(value, dict):
        if isinstance(value.get("decide"), list):
            yield (*path, "decide"), value["decide"], ("",)
        for name, member in value.items():
            yield from _inner(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _inner(item, (*path, str(index)))


def _unlisted(names: Names) -> Iterator[tuple[_Path, str, str]]:
    """The inputs of the binding that no level of a state lists."""
    for leaf, levels in _leaves(names.data):
        for name in INPUTS:
            if _list_of(names.data, levels, name) is None:
                yield levels[0], leaf, name


def _list_of(data: Any, levels: Sequence[_Path], name: str) -> _Path | None:
    """The list that decides an input, at the innermost level that has one."""
    return next(((*level, "receive", name) for level in levels if name in section(data, *level, "receive")), None)


def _leaves(data: Any) -> Iterator[tuple[str, list[_Path]]]:
    """The innermost states, each with the paths of its levels: itself, its ancestors, the connection."""
    pending: list[tuple[str, list[_Path]]] = [("", [("connection",)])]
    while pending:
        state, levels = pending.pop(0)
        inner = section(data, *levels[0], "states")
        if not inner and state:
            yield state, levels
        for name in inner:
            pending.append((f"{state}.{name}" if state else name, [(*levels[0], "states", name), *levels]))


# ---------------------------------------------------------------------------------------------- what is missing


class Tables:
    """The facts that are tables over others, and the classes of those that are not."""

    def __init__(self, names: Names) -> None:
        facts = section(names.data, "facts")
        self.classes = names.facts
        self.rows = {name: rows_of(fact.get("rows")) for name, fact in facts.items() if _is_table(fact)}
        self.circular = [name for name in self.rows if name in self._asked(name)]

    def _asked(self, name: str) -> set[str]:
        """The facts that a table asks for, through other tables too."""
        found: set[str] = set()
        pending = [name]
        while pending:
            new = {fact for row in self.rows.get(pending.pop(), ()) for fact in row.when} - found
            found |= new
            pending += new
        return found

    def needed(self, asked: Sequence[str]) -> set[str]:
        """All facts behind those asked for, themselves included."""
        return {*asked, *(fact for name in asked for fact in self._asked(name))}

    def value(self, name: str, facts: _Values) -> str | None:
        """The value of a fact, given those of all that are no tables; None where its own table has no row for it."""
        if name not in self.rows:
            return facts[name]
        for row in self.rows[name]:
            if row.passes({fact: self.value(fact, facts) for fact in row.when}, ""):
                return str(row.value)
        return None


def _is_table(fact: Any) -> bool:
    return section(fact).get("kind") == "table"


def _undecided(rows: list[Row], states: Sequence[str], tables: Tables) -> str | None:
    """What no row decides, in words, or None where all is decided."""
    if not rows or (not rows[-1].when and rows[-1].inside is None):
        return None
    asked = list(dict.fromkeys(name for row in rows for name in row.when))
    needed = tables.needed(asked)
    if needed & set(tables.circular):
        return None
    classes = {name: tables.classes.get(name) for name in sorted(needed) if name not in tables.rows}
    if any(values is None for values in classes.values()):
        return None
    guards = [row.when for row in (*rows, *(row for name in needed for row in tables.rows.get(name, ())))]
    distinct = {name: distinct_values(values or (), name, guards) for name, values in classes.items()}
    if prod(map(len, distinct.values())) * len(states) > _MOST:
        return "the guards have too many combinations to tell whether some case always decides"
    for state in states:
        for chosen in product(*distinct.values()):
            facts = dict(zip(distinct, chosen, strict=True))
            seen = {name: tables.value(name, facts) for name in asked}
            # A table that gives no value is told of itself.
            if None not in seen.values() and not any(row.passes(seen, state) for row in rows):
                return _worded(seen, state if any(row.inside for row in rows) else "")
    return None


def distinct_values(values: Sequence[str], name: str, guards: Sequence[Mapping[str, frozenset[str]]]) -> list[str]:
    """One value for each class of values that no guard tells apart."""
    wanted = [guard[name] for guard in guards if name in guard]
    found: dict[tuple[bool, ...], str] = {}
    for value in values:
        found.setdefault(tuple(value in some for some in wanted), value)
    return list(found.values())


def _worded(facts: Mapping[str, str | None], state: str) -> str:
    parts = [f"`{name}` is `{value}`" for name, value in facts.items()]
    return "no case decides where " + " and ".join([f"the state is `{state}`", *parts] if state else parts)
