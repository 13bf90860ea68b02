"""The guarantee of a suite, by experiment: what theory says is found is found in every one of many faulty machines.

Faults are seeded edits of random machines. A fault that changes no behaviour is no fault; whether one does is decided
by `difference`, which a search over all short words confirms here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

import pytest
from attrs import frozen

from spec.abstraction import Mealy, NotMinimal, difference, hsi, identifiers, transition_cover

Machine = Mealy[int, str]
CLOSED = frozenset({"closed"})


def machine(seed: int, states: int = 5, inputs: int = 6, outputs: int = 3) -> Machine:
    """A random machine in which a fifth of the transitions end it."""
    draw = random.Random(seed)

    def step() -> tuple[str, str]:
        if draw.random() < 0.2:
            return "closed", f"close {draw.randrange(outputs)}"
        return str(draw.randrange(states)), str(draw.randrange(outputs))

    return Mealy("0", {(str(s), i): step() for s in range(states) for i in range(inputs)}, CLOSED)


def sound(count: int) -> Iterator[Machine]:
    """Machines to which the theory applies: minimal, and every state reached."""
    seed = found = 0
    while found < count:
        drawn = machine(seed)
        seed += 1
        if not drawn.twins() and not drawn.unreached():
            found += 1
            yield drawn


@frozen
class Fault:
    """A faulty machine and how it came about."""

    kind: str
    machine: Machine


def faults(right: Machine, seed: int, each: int = 6) -> Iterator[Fault]:
    """Wrong outputs, wrong targets, and one state more than there should be."""
    draw = random.Random(seed)
    keys = sorted(right.table)
    states = [state for state in right.states if state not in right.final]
    for _ in range(each):
        key = draw.choice(keys)
        target, _ = right.table[key]
        yield Fault("output", Mealy("0", {**right.table, key: (target, "another")}, CLOSED))
        key = draw.choice([k for k in keys if right.table[k][0] != "closed"])
        moved = draw.choice([state for state in states if state != right.table[key][0]])
        yield Fault("transfer", Mealy("0", {**right.table, key: (moved, right.table[key][1])}, CLOSED))
        # A copy of a state that one transition leads to, and that answers one input otherwise.
        key = draw.choice([k for k in keys if right.table[k][0] != "closed"])
        copied, output = right.table[key]
        copy = {("copy", i): right.table[copied, i] for i in right.inputs(copied)}
        copy["copy", draw.choice(right.inputs(copied))] = (draw.choice(states), "another")
        yield Fault("extra state", Mealy("0", {**right.table, **copy, key: ("copy", output)}, CLOSED))


def caught(right: Machine, wrong: Machine, suite: list[tuple[int, ...]]) -> bool:
    return any(right.outputs(word) != wrong.outputs(word) for word in suite)


def rates(extra: int | None) -> dict[str, tuple[int, int]]:
    """For each kind of fault how many a suite catches, of how many there are; None is the transition cover."""
    found: dict[str, list[int]] = {"output": [0, 0], "transfer": [0, 0], "extra state": [0, 0]}
    for seed, right in enumerate(sound(25)):
        suite = transition_cover(right) if extra is None else hsi(right, extra)
        for fault in faults(right, seed):
            if difference(right, fault.machine) is not None:
                found[fault.kind][0] += caught(right, fault.machine, suite)
                found[fault.kind][1] += 1
    return {kind: (hits, every) for kind, (hits, every) in found.items()}


def test_transition_cover_finds_wrong_outputs_and_misses_wrong_targets() -> None:
    found = rates(None)
    assert found["output"][0] == found["output"][1] > 100
    assert found["transfer"][0] < found["transfer"][1] / 2


def test_hsi_finds_every_wrong_output_and_target_and_misses_extra_states() -> None:
    found = rates(0)
    assert found["output"][0] == found["output"][1] > 100
    assert found["transfer"][0] == found["transfer"][1] > 100
    assert found["extra state"][0] < found["extra state"][1]


def test_hsi_for_one_state_more_finds_every_machine_with_an_extra_state() -> None:
    found = rates(1)
    assert all(hits == every > 100 for hits, every in found.values())


def test_difference_agrees_with_a_search_over_all_short_words() -> None:
    for seed, right in enumerate(sound(5)):
        for fault in faults(right, seed, each=2):
            word = difference(right, fault.machine)
            other = next(
                (
                    tried
                    for length in range(1, 5)
                    for tried in product(range(6), repeat=length)
                    if right.outputs(tried) != fault.machine.outputs(tried)
                ),
                None,
            )
            assert (word is None) == (other is None)
            assert word is None or other is None or len(word) == len(other)


def test_states_that_behave_alike_are_named_and_have_no_suite() -> None:
    twins: Machine = Mealy("a", {("a", 0): ("b", "x"), ("b", 0): ("a", "x")})
    assert twins.twins() == [("a", "b")]
    with pytest.raises(NotMinimal) as told:
        hsi(twins)
    assert set(told.value.pair) == {"a", "b"}


def test_any_two_states_share_a_word_that_tells_them_apart() -> None:
    for right in sound(10):
        known = identifiers(right)
        states = [state for state in right.states if state not in right.final]
        for first, second in product(states, repeat=2):
            shared = [word for word in known[first] if word in known[second]]
            assert first == second or any(right.outputs(w, first) != right.outputs(w, second) for w in shared)


def test_dear_inputs_are_left_to_where_nothing_else_tells_states_apart() -> None:
    table = {
        ("a", 0): ("a", "x"),
        ("a", 1): ("a", "p"),
        ("b", 0): ("b", "y"),
        ("b", 1): ("b", "q"),
        ("a", 2): ("b", ""),
    }
    known = identifiers(Mealy("a", {**table, ("b", 2): ("b", "")}), cost=lambda wanted: 10.0 if wanted == 0 else 1.0)
    assert known == {"a": [(1,)], "b": [(1,)]}


def test_no_test_goes_on_behind_a_final_state_or_begins_another() -> None:
    for right in sound(5):
        suite = hsi(right, 1)
        assert len(set(suite)) == len(suite)
        begun = {word[:end] for word in suite for end in range(len(word))}
        assert not begun & set(suite)
        for word in suite:
            assert right.after(word[:-1]) not in right.final
