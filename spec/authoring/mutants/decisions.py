"""Operators on decisions: rows and cases that are missing, misplaced, or taken by the wrong events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import Patch, add, remove, replace
from spec.authoring.mutants.reading import Draft, Row, joined, values_of, within

__all__ = [
    "drop_case",
    "drop_row",
    "drop_table_row",
    "narrow_guard",
    "negate_guard",
    "redirect",
    "reenter",
    "silence",
    "stay",
    "swap_cases",
    "swap_rows",
    "swap_table_rows",
    "table_value",
    "widen_guard",
]


def _drop(draft: Draft, rows: Iterable[Row]) -> Iterator[Edit]:
    for row in rows:
        if row.size > 1:
            rules = joined(draft.rules_of(row), draft.misled(row))
            yield Edit(row.at, rules, f"the {row.noun} is missing", (remove(row.at),))
        elif row.kind == "case":
            text = f"`{row.name}` is not listed here any more"
            yield Edit(row.at, row.rules, text, (remove(row.list_at),))


def drop_case(draft: Draft) -> Iterator[Edit]:
    """What a case decides falls to a later one, or to an outer level."""
    yield from _drop(draft, draft.cases)


def drop_row(draft: Draft) -> Iterator[Edit]:
    """What a row of the opening decides falls to a later one."""
    yield from _drop(draft, draft.opening)


def drop_table_row(draft: Draft) -> Iterator[Edit]:
    """What a row of a table classifies falls to a later one."""
    yield from _drop(draft, draft.tables)


def _swap(draft: Draft, rows: list[Row]) -> Iterator[Edit]:
    for row, other in pairwise(rows):
        if row.list_at == other.list_at:
            patch = (replace(row.at, other.value), replace(other.at, row.value))
            rules = joined(draft.rules_of(row), draft.rules_of(other), draft.misled(row))
            yield Edit(row.at, rules, f"the {row.noun} comes behind the next one", patch)


def swap_cases(draft: Draft) -> Iterator[Edit]:
    """Two neighbouring cases change places: the order of precedence is another."""
    yield from _swap(draft, draft.cases)


def swap_rows(draft: Draft) -> Iterator[Edit]:
    """Two neighbouring rows of the opening change places."""
    yield from _swap(draft, draft.opening)


def swap_table_rows(draft: Draft) -> Iterator[Edit]:
    """Two neighbouring rows of a table change places."""
    yield from _swap(draft, draft.tables)


def table_value(draft: Draft) -> Iterator[Edit]:
    """A row of a table gives another value."""
    for row in draft.tables:
        for value in draft.values(row.name):
            if value != row.value["is"]:
                text = f"`{row.name}` is `{value}` here, and not `{row.value['is']}`"
                yield Edit(row.at, draft.rules_of(row), text, (replace(f"{row.at}/is", value),), value)


def _guarded(draft: Draft) -> Iterator[tuple[Row, str]]:
    for row in (*draft.opening, *draft.cases, *draft.tables):
        for fact in row.when:
            yield row, fact


def widen_guard(draft: Draft) -> Iterator[Edit]:
    """A guard does not ask for one of its facts, or a case not for its state: it takes what later ones decide."""
    for row, fact in _guarded(draft):
        rules = joined(draft.rules_of(row), draft.behind(row), draft.misled(row))
        patch = remove(f"{row.at}/when/{fact}" if len(row.when) > 1 else f"{row.at}/when")
        yield Edit(row.at, rules, f"the guard does not ask for `{fact}`", (patch,), fact)
    for row in draft.cases:
        if "in" in row.value:
            rules = joined(row.rules, draft.behind(row), draft.misled(row))
            text = f"the case is not only for `{row.value['in']}`"
            yield Edit(row.at, rules, text, (remove(f"{row.at}/in"),), "in")


def narrow_guard(draft: Draft) -> Iterator[Edit]:
    """A guard asks for one value less of a fact: what it leaves falls to later rows."""
    for row, fact in _guarded(draft):
        values = values_of(row.when[fact])
        for value in values if len(values) > 1 else ():
            left = [other for other in values if other != value]
            text = f"the guard does not pass for `{fact}` `{value}`"
            yield Edit(row.at, draft.rules_of(row), text, (replace(f"{row.at}/when/{fact}", left),), f"{fact}-{value}")


def negate_guard(draft: Draft) -> Iterator[Edit]:
    """A guard passes where a fact has the other values."""
    for row, fact in _guarded(draft):
        values = values_of(row.when[fact])
        others = [value for value in draft.values(fact) if value not in values]
        if others:
            rules = joined(draft.rules_of(row), draft.behind(row), draft.misled(row))
            text = f"the guard passes where `{fact}` is not {' or '.join(f'`{value}`' for value in values)}"
            yield Edit(row.at, rules, text, (replace(f"{row.at}/when/{fact}", others),), fact)


def redirect(draft: Draft) -> Iterator[Edit]:
    """A transition or an upgrade leads to another state."""
    for row in draft.rows:
        at, to = _target(row)
        if to is None:
            continue
        for leaf in draft.leaves:
            if draft.enter(leaf) != draft.enter(to):
                rules = joined(row.rules, draft.told_by(draft.enter(to), leaf))
                yield Edit(row.at, rules, f"it leads to `{leaf}`, and not to `{to}`", (replace(at, leaf),), leaf)


def _target(row: Row) -> tuple[str, str | None]:
    if "upgrade" in row.value:
        return f"{row.at}/upgrade/to", row.value["upgrade"]["to"]
    return f"{row.at}/to", row.value.get("to")


def stay(draft: Draft) -> Iterator[Edit]:
    """A transition does not happen: the state stays, and its timers are not restarted."""
    for row in draft.cases:
        if "to" in row.value:
            text = f"the connection stays in its state, and does not go to `{row.value['to']}`"
            leaf = draft.enter(row.value["to"])
            rules = joined(row.rules, *(draft.told_by(leaf, stayed) for stayed in draft.within(row.state)))
            # Where it goes to its own state, that is entered anew, and what shows it are its timers.
            rules = joined(rules, draft.timer_rules(row.value["to"]) if within(row.value["to"], row.state) else ())
            yield Edit(row.at, rules, text, (remove(f"{row.at}/to"),))


def silence(draft: Draft) -> Iterator[Edit]:
    """A case does nothing at all."""
    for row in draft.rows:
        # Text that is not UTF-8 fails a connection below its messages (RFC 6455 section 8.1), whatever a case says.
        if row.do and row.name != "not_utf8":
            patch: list[Patch] = [replace(f"{row.at}/do", [])]
            if "to" in row.value:
                patch.append(remove(f"{row.at}/to"))
            yield Edit(row.at, row.rules, "nothing is done and nothing is said", tuple(patch))


def reenter(draft: Draft) -> Iterator[Edit]:
    """A case leaves its state and enters it again, so that what the peer says restarts timers."""
    for row in draft.cases:
        if row.kind != "case" or not row.state or "to" in row.value or draft.ends(row):
            continue
        for state in (path for path in draft.states if path == row.state or path.startswith(row.state + ".")):
            left = [draft.told_by(leaf, draft.enter(state)) for leaf in draft.within(row.state)]
            rules = joined(row.rules, draft.timer_rules(row.state), *left)
            yield Edit(row.at, rules, f"`{state}` is entered anew", (add(f"{row.at}/to", state),), state)
