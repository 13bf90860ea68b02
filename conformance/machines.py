"""Two machines beside each other: names for the states of one that was learnt, and where it is not the document's."""

from __future__ import annotations

from collections import deque

from attrs import frozen

from conformance.asking import Output
from spec.abstraction import CLOSED, Input, Layer, Mealy, difference

__all__ = ["OVER", "UNASKED", "Deviation", "Machine", "Trace", "deviations", "named", "shortest"]

OVER: Output = ("(closed)",)
UNASKED: Output = ("(not asked)",)
"""Answers to what cannot be asked: anything of a closed connection, or a message before there is one."""

Machine = Mealy[Input, Output]
Step = tuple[str, Output]


@frozen
class Trace:
    """A word on which two machines differ last, with what each says; `rules` are those of the document's last step."""

    word: tuple[Input, ...]
    expected: tuple[Output, ...]
    observed: tuple[Output, ...]
    rules: tuple[str, ...]


@frozen
class Deviation:
    """An input that a state answers otherwise than the document's state of that name, or with another next state."""

    state: str
    wanted: Input
    expected: Step | None
    observed: Step | None


def named(machine: Machine, document: Machine) -> Machine:
    """The machine with names for its states: those of the document's states that agreeing words lead to, and for others
    those of the states whose answers are most like theirs, with a number.
    """
    names: dict[str, str] = dict.fromkeys(machine.final, CLOSED)
    pending = deque([(machine.initial, document.initial)])
    while pending:
        state, beside = pending.popleft()
        if state in names:
            continue
        names[state] = _free(beside, names)
        for wanted in machine.inputs(state):
            target, output = machine.table[state, wanted]
            found = document.table.get((beside, wanted))
            if found is not None and found[1] == output:
                pending.append((target, found[0]))
    for state in machine.states:
        if state not in names:
            names[state] = _free(_alike(machine, state, document), names)
    table = {(names[s], wanted): (names[target], output) for (s, wanted), (target, output) in machine.table.items()}
    return Mealy(names[machine.initial], table, frozenset({CLOSED}))


def _free(name: str, names: dict[str, str]) -> str:
    taken, number = set(names.values()), 1
    while (found := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return found


def _alike(machine: Machine, state: str, document: Machine) -> str:
    """The document's state that gives the most answers alike."""
    answers = {wanted: machine.table[state, wanted][1] for wanted in machine.inputs(state)}

    def equal(beside: str) -> int:
        found = (document.table.get((beside, wanted)) for wanted in answers)
        return sum(step is not None and step[1] == output for step, output in zip(found, answers.values(), strict=True))

    return max(document.states, key=equal)


def shortest(layer: Layer, machine: Machine) -> Trace | None:
    """A shortest word on which a server differs from the document."""
    word = difference(layer.machine, machine)
    if word is None:
        return None
    found = layer.exact.table.get((layer.exact.after(word[:-1]), word[-1]))
    rules = found[1].rules if found is not None else ()
    return Trace(word, layer.machine.outputs(word), machine.outputs(word), rules)


def deviations(document: Machine, machine: Machine) -> list[Deviation]:
    """Every state and input in which a named machine is not the document's; states that it alone has are left out."""
    found = []
    for state in document.states:
        for wanted in dict.fromkeys((*document.inputs(state), *machine.inputs(state))):
            expected, observed = document.table.get((state, wanted)), machine.table.get((state, wanted))
            if expected != observed and state in machine.states:
                found.append(Deviation(state, wanted, expected, observed))
    return found
