"""The names of a document: whatever is cited must be declared, and what is declared must make sense."""

from __future__ import annotations

from spec.loading.problems import Problem, ordered
from spec.loading.reading import OPTIONAL
from spec.loading.source import Source
from spec.loading.validating import format_schema
from spec.references.context import check_context
from spec.references.decisions import check_decisions
from spec.references.names import Names
from spec.references.roles import check_slot
from spec.references.slots import slots
from spec.references.values import check_parameters

__all__ = ["check"]


def check(source: Source, *, sound: bool = True) -> list[Problem]:
    """The dangling names of a document, the values that do not parse, and what does not fit where it stands.

    The data should fit the schema; a part that does not is passed over, so that this can run beside other problems.
    Whether every decision is complete is asked only of what is otherwise right: `sound` says that nothing is wrong yet.
    """
    names = Names.of(source.data)
    problems: list[Problem] = []
    there = {name: part for name, part in source.data.items() if part != OPTIONAL.get(name)}
    for slot in slots(there, format_schema()):
        check_slot(slot, names, source, problems)
    check_parameters(source, problems)
    check_context(names, source, problems)
    if sound and not problems:
        check_decisions(names, source, problems)
    return list(ordered(problems))
