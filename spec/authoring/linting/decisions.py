"""Decisions: of rows the first that passes decides, so that one can stand there in vain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from spec.authoring.linting.subject import Found, Subject
from spec.loading.nodes import join
from spec.references.decisions import Row, Tables, decision_lists, distinct_values, rows_of

__all__ = ["overlapping_cases"]

_MOST = 20_000
"""How many ways through one list are followed."""


def overlapping_cases(subject: Subject) -> Iterator[Found]:
    """Rows that never decide, since the rows before them take every case."""
    tables = Tables(subject.names)
    for path, entries, states in decision_lists(subject.names):
        rows = rows_of(entries)
        for index in _idle(rows, states, tables):
            text = f"row {index + 1} of `{path[-2] if path[-1] in ('rows', 'expire') else path[-1]}` never decides"
            yield Found(
                join((*path, str(index))), text, "the rows before it take all that it asks for: move or delete it"
            )


class _Unasked(LookupError):
    """A fact was asked whose value is not chosen yet."""


def _idle(rows: list[Row], states: Sequence[str], tables: Tables) -> list[int]:
    """The rows that no combination of facts gets to; none where that cannot be told."""
    asked = list(dict.fromkeys(name for row in rows for name in row.when))
    needed = tables.needed(asked)
    if needed & set(tables.circular) or any(tables.classes.get(name) is None for name in needed):
        return []
    guards = [row.when for row in (*rows, *(row for name in needed for row in tables.rows.get(name, ())))]
    values = {
        name: distinct_values(tables.classes[name] or (), name, guards) for name in needed if name not in tables.rows
    }
    idle, steps = set(range(len(rows))), 0
    for state in states:
        pending: list[dict[str, str]] = [{}]
        while pending and idle:
            steps += 1
            if steps > _MOST:
                return []
            known = pending.pop()
            try:
                idle.discard(_decides(rows, known, state, tables))
            except _Unasked as unasked:
                name = str(unasked)
                pending += [{**known, name: value} for value in values[name]]
    return sorted(idle)


def _decides(rows: list[Row], known: Mapping[str, str], state: str, tables: Tables) -> int:
    """The number of the row that decides, or -1; raises _Unasked with the fact that has to be known for it."""
    for index, row in enumerate(rows):
        if row.is_for(state) and _passes(row, known, tables):
            return index
    return -1


def _passes(row: Row, known: Mapping[str, str], tables: Tables) -> bool:
    return all(_value(name, known, tables) in wanted for name, wanted in row.when.items())


def _value(name: str, known: Mapping[str, str], tables: Tables) -> str | None:
    if name in tables.rows:
        return next((str(row.value) for row in tables.rows[name] if _passes(row, known, tables)), None)
    if name not in known:
        raise _Unasked(name)
    return known[name]
