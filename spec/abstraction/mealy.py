"""Finite Mealy machines: what a layer of a protocol is to a tester who knows only its abstract inputs and outputs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Generic, TypeVar

from attrs import field, frozen

__all__ = ["Mealy", "Pair", "difference"]

I = TypeVar("I", bound=Hashable)  # noqa: E741 - inputs are I and outputs O in all of the literature
O = TypeVar("O", bound=Hashable)  # noqa: E741

Pair = frozenset[str]
"""Two states of one machine."""


@frozen
class Mealy(Generic[I, O]):
    """A deterministic machine: (state, input) -> (next state, output).

    A state's inputs are those for which `table` has an entry; states with the same inputs are of one sort, and only
    states of one sort can be taken for each other. `final` states have none: nothing can be asked of them.
    """

    initial: str
    table: Mapping[tuple[str, I], tuple[str, O]]
    final: frozenset[str] = frozenset()
    _inputs: Mapping[str, tuple[I, ...]] = field(init=False)

    @_inputs.default
    def _by_state(self) -> Mapping[str, tuple[I, ...]]:
        found: dict[str, list[I]] = {self.initial: []}
        for state, wanted in self.table:
            found.setdefault(state, []).append(wanted)
        return {state: tuple(inputs) for state, inputs in found.items()}

    @property
    def states(self) -> tuple[str, ...]:
        """Every state that asks for an input, and the final ones."""
        return (*self._inputs, *sorted(self.final - set(self._inputs)))

    def inputs(self, state: str) -> tuple[I, ...]:
        """The inputs that a state is asked."""
        return self._inputs.get(state, ())

    def alphabet(self) -> tuple[I, ...]:
        """Every input of any state."""
        return tuple(dict.fromkeys(wanted for inputs in self._inputs.values() for wanted in inputs))

    def walk(self, word: Sequence[I], start: str | None = None) -> Iterator[tuple[str, O]]:
        """The states and outputs along a word, as far as it is defined."""
        state = self.initial if start is None else start
        for wanted in word:
            step = self.table.get((state, wanted))
            if step is None:
                return
            state = step[0]
            yield step

    def after(self, word: Sequence[I], start: str | None = None) -> str:
        """The state behind a word."""
        begun = self.initial if start is None else start
        return [begun, *(state for state, _ in self.walk(word, begun))][-1]

    def outputs(self, word: Sequence[I], start: str | None = None) -> tuple[O, ...]:
        """The outputs along a word."""
        return tuple(output for _, output in self.walk(word, start))

    def cover(self) -> dict[str, tuple[I, ...]]:
        """For every state that can be reached a shortest word that leads there."""
        found: dict[str, tuple[I, ...]] = {self.initial: ()}
        pending = deque([self.initial])
        while pending:
            state = pending.popleft()
            for wanted in self.inputs(state):
                target = self.table[state, wanted][0]
                if target not in found:
                    found[target] = (*found[state], wanted)
                    pending.append(target)
        return found

    def separators(self, cost: Callable[[I], float] = lambda wanted: 1.0) -> dict[Pair, tuple[I, ...] | None]:
        """For every two states of one sort a cheapest word that tells them apart, None where none does.

        Value iteration over pairs: the best word of a pair is one input, and where that does not tell them apart, the
        best word of the pair that it leads to.
        """
        best: dict[Pair, tuple[float, tuple[I, ...]]] = {}
        pairs = list(self._pairs())
        for _ in range(len(pairs) + 1):
            changed = False
            for first, second in pairs:
                found = self._shorter(first, second, best, cost)
                known = best.get(frozenset({first, second}))
                if found is not None and (known is None or found[0] < known[0]):
                    best[frozenset({first, second})] = found
                    changed = True
            if not changed:
                break
        return {frozenset(pair): best.get(frozenset(pair), (0.0, None))[1] for pair in pairs}

    def _shorter(
        self, first: str, second: str, best: Mapping[Pair, tuple[float, tuple[I, ...]]], cost: Callable[[I], float]
    ) -> tuple[float, tuple[I, ...]] | None:
        found: tuple[float, tuple[I, ...]] | None = None
        for wanted in self.inputs(first):
            (left, said), (right, answered) = self.table[first, wanted], self.table[second, wanted]
            rest: tuple[float, tuple[I, ...]] | None = best.get(frozenset({left, right}))
            if said != answered or self._other_sort(left, right):
                rest = (0.0, ())
            if rest is not None and (found is None or cost(wanted) + rest[0] < found[0]):
                found = cost(wanted) + rest[0], (wanted, *rest[1])
        return found

    def _other_sort(self, left: str, right: str) -> bool:
        return set(self.inputs(left)) != set(self.inputs(right))

    def _pairs(self) -> Iterator[tuple[str, str]]:
        for first, second in combinations(self._inputs, 2):
            if not self._other_sort(first, second):
                yield first, second

    def twins(self) -> list[tuple[str, str]]:
        """Pairs of states that no word tells apart; a machine without any is minimal."""
        return [tuple(sorted(pair)) for pair, word in self.separators().items() if word is None]  # type: ignore[misc]

    def merged(self, same: Mapping[str, str]) -> Mealy[I, O]:
        """The machine in which each state stands for itself or for the one that `same` names."""
        table = {
            (state, wanted): (same.get(target, target), output)
            for (state, wanted), (target, output) in self.table.items()
            if state not in same
        }
        return Mealy(same.get(self.initial, self.initial), table, self.final)

    def unreached(self) -> list[str]:
        """States that no word leads to."""
        known = self.cover()
        return [state for state in self._inputs if state not in known]


def difference(left: Mealy[I, O], right: Mealy[I, O]) -> tuple[I, ...] | None:
    """A shortest word on which two machines answer differently or have different inputs, None where none does."""
    pending: deque[tuple[str, str, tuple[I, ...]]] = deque([(left.initial, right.initial, ())])
    seen = {(left.initial, right.initial)}
    while pending:
        first, second, word = pending.popleft()
        for wanted in dict.fromkeys((*left.inputs(first), *right.inputs(second))):
            one, two = left.table.get((first, wanted)), right.table.get((second, wanted))
            if one is None or two is None or one[1] != two[1]:
                return (*word, wanted)
            if (one[0], two[0]) not in seen:
                seen.add((one[0], two[0]))
                pending.append((one[0], two[0], (*word, wanted)))
    return None
