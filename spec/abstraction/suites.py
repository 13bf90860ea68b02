"""Complete test suites of a Mealy machine: transition cover, and HSI with a bound on the states of what is tested.

Law (Petrenko and Yevtushenko, harmonized state identifiers): let a specification be deterministic, complete and minimal
with n states, and let an implementation be deterministic, answer over the same inputs, start each test anew, and have
at most m = n + `extra` states. Then the implementation passes `hsi(machine, extra)` if and only if it answers every
word as the specification does. `transition_cover` finds every wrong output of a single transition and few wrong
targets. Both leave out what cannot fail: words that are prefixes of others, and what would come behind a final state,
since of a closed connection nothing can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from spec.abstraction.mealy import Mealy

__all__ = ["NotMinimal", "hsi", "identifiers", "transition_cover"]

I = TypeVar("I", bound=Hashable)  # noqa: E741
O = TypeVar("O", bound=Hashable)  # noqa: E741
Word = tuple[I, ...]


class NotMinimal(ValueError):
    """Two states that no word tells apart: no suite can find which of them an implementation is in."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"`{first}` and `{second}` behave alike under every input")
        self.pair = (first, second)


def _plain(wanted: object) -> float:
    return 1.0


def transition_cover(machine: Mealy[I, O]) -> list[Word[I]]:
    """A test for every transition: a way to its state, then its input."""
    return _pruned(
        machine, ((*way, wanted) for state, way in machine.cover().items() for wanted in machine.inputs(state))
    )


def identifiers(machine: Mealy[I, O], cost: Callable[[I], float] = _plain) -> dict[str, list[Word[I]]]:
    """For every state words such that any two states share a word that tells them apart; raises NotMinimal."""
    found: dict[str, list[Word[I]]] = {state: [] for state in machine.states}
    for pair, word in sorted(machine.separators(cost).items(), key=lambda item: -len(item[1] or ())):
        first, second = sorted(pair)
        if word is None:
            raise NotMinimal(first, second)
        if not any(_tells(machine, first, second, known) for known in found[first] if known in found[second]):
            found[first].append(word)
            found[second].append(word)
    return found


def _tells(machine: Mealy[I, O], first: str, second: str, word: Word[I]) -> bool:
    left, right = list(machine.walk(word, first)), list(machine.walk(word, second))
    return [output for _, output in left] != [output for _, output in right] or len(left) != len(right)


def hsi(machine: Mealy[I, O], extra: int = 0, cost: Callable[[I], float] = _plain) -> list[Word[I]]:
    """The suite for implementations with at most `extra` more states than the machine; raises NotMinimal."""
    known = identifiers(machine, cost)

    def words() -> Iterator[Word[I]]:
        for way in machine.cover().values():
            for middle in _extensions(machine, machine.after(way), extra + 1):
                reached = machine.after(middle, machine.after(way))
                yield from ((*way, *middle, *end) for end in known[reached] or [()])

    return _pruned(machine, words())


def _extensions(machine: Mealy[I, O], state: str, longest: int) -> Iterator[Word[I]]:
    """Every word of at most so many inputs that a state can be asked."""
    yield ()
    if longest:
        for wanted in machine.inputs(state):
            for rest in _extensions(machine, machine.table[state, wanted][0], longest - 1):
                yield (wanted, *rest)


def _pruned(machine: Mealy[I, O], words: Iterable[Word[I]]) -> list[Word[I]]:
    """Words cut where nothing more can be asked, each once, without those that others begin with."""
    cut = dict.fromkeys(word[: len(list(machine.walk(word)))] for word in words)
    begun = {word[:end] for word in cut for end in range(len(word))}
    return [word for word in cut if word and word not in begun]
