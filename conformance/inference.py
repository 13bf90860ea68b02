"""From answers to a machine, by AALpy: adaptive L#, with the document's machine as what is expected to be found.

AALpy has no asynchronous interface: it runs in a thread, and every question that is not answered yet goes back to Trio.
What it finds is checked by the complete suite of what it found (`spec.abstraction.suites`), asked all at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio
from aalpy.automata import MealyMachine, MealyState
from aalpy.base import SUL, Oracle
from aalpy.learning_algs import run_adaptive_Lsharp

from conformance.asking import Output
from conformance.learning import Lessons
from conformance.machines import OVER, UNASKED
from spec.abstraction import CLOSED, Input, Mealy, hsi

__all__ = ["infer"]

Machine = Mealy[Input, Output]


async def infer(lessons: Lessons, extra: int) -> Machine:
    """The machine that a server implements, as far as suites with `extra` states more than it has can show."""
    return await trio.to_thread.run_sync(_infer, lessons, extra)


def _infer(lessons: Lessons, extra: int) -> Machine:
    document = lessons.asker.layer.machine
    letters = _Letters(document)
    teacher = _Teacher(lessons, letters)
    suite = _Suite(letters, teacher, lessons, extra)
    references = [letters.completed(document)]
    found = run_adaptive_Lsharp(
        letters.alphabet, teacher, references, suite, "mealy", cache_and_non_det_check=False, print_level=0
    )
    return letters.machine(found)


class _Letters:
    """Numbers for inputs: the same ones for openings and for what is asked of an open connection.

    AALpy asks every state every letter, and compares what it knows of states letter by letter: fewer letters, with
    hashes that cost nothing, make that twenty times as fast.
    """

    def __init__(self, document: Machine) -> None:
        alphabet = document.alphabet()
        self._opens = [wanted for wanted in alphabet if wanted.kind == "open"]
        self._others = [wanted for wanted in alphabet if wanted.kind != "open"]
        self.alphabet = list(range(max(len(self._opens), len(self._others))))

    def _inputs(self, opened: bool) -> list[Input]:
        return self._others if opened else self._opens

    def word(self, letters: Sequence[int]) -> list[Input | None]:
        """The inputs that letters stand for; None for one that cannot be asked there."""
        found: list[Input | None] = []
        opened = False
        for letter in letters:
            inputs = self._inputs(opened)
            found.append(inputs[letter] if letter < len(inputs) else None)
            opened = opened or found[-1] is not None
        return found

    def letters(self, word: Sequence[Input]) -> tuple[int, ...]:
        """The letters of a word that can be asked."""
        return tuple(self._inputs(index > 0).index(wanted) for index, wanted in enumerate(word))

    def completed(self, machine: Machine) -> MealyMachine:
        """A machine as AALpy has it: every state is asked every letter, and some say that they cannot be."""
        states = {name: MealyState(name) for name in machine.states}
        for name, state in states.items():
            inputs = self._inputs(name != machine.initial)
            unasked = OVER if name in machine.final else UNASKED
            for letter in self.alphabet:
                wanted = inputs[letter] if letter < len(inputs) else None
                step = machine.table.get((name, wanted)) if wanted is not None else None
                target, output = step or (name, unasked)
                state.transitions[letter], state.output_fun[letter] = states[target], output
        return MealyMachine(states[machine.initial], list(states.values()))

    def machine(self, found: MealyMachine) -> Machine:
        """A machine of AALpy's without what cannot be asked."""
        over = {state.state_id for state in found.states if set(state.output_fun.values()) == {OVER}}
        names = {state.state_id: CLOSED if state.state_id in over else f"s{n}" for n, state in enumerate(found.states)}
        table = {
            (names[state.state_id], self._inputs(state is not found.initial_state)[letter]): (
                names[state.transitions[letter].state_id],
                output,
            )
            for state in found.states
            for letter, output in state.output_fun.items()
            if output not in {OVER, UNASKED}
        }
        return Mealy(names[found.initial_state.state_id], table, frozenset({CLOSED}))


class _Teacher(SUL):  # type: ignore[misc]
    """Answers from what is known, and asks the server where nothing is."""

    def __init__(self, lessons: Lessons, letters: _Letters) -> None:
        super().__init__()
        self._lessons, self._letters = lessons, letters

    def query(self, word: Sequence[int]) -> list[Output]:
        """The outputs of a word."""
        return trio.from_thread.run(self._lessons.answer, self._letters.word(word))

    def pre(self) -> None:
        pass

    def post(self) -> None:
        pass

    def step(self, letter: int) -> Output:
        raise NotImplementedError("words are asked whole")


class _Suite(Oracle):  # type: ignore[misc]
    """Looks for a difference with the complete suite of a hypothesis."""

    def __init__(self, letters: _Letters, teacher: _Teacher, lessons: Lessons, extra: int) -> None:
        super().__init__(letters.alphabet, teacher)
        self._letters, self._lessons, self._extra = letters, lessons, extra

    def find_cex(self, hypothesis: MealyMachine) -> tuple[int, ...] | None:
        """A word of the suite that the server answers otherwise than the hypothesis, None where there is none."""
        machine = self._letters.machine(hypothesis)
        words = hsi(machine, self._extra)
        self._lessons.rounds += 1
        trio.from_thread.run(self._lessons.ask, words)
        for word in sorted(words, key=len):
            letters = self._letters.letters(word)
            pairs = zip(self.sul.query(letters), machine.outputs(word), strict=True)
            wrong = next((index for index, (said, expected) in enumerate(pairs) if said != expected), None)
            if wrong is not None:
                return letters[: wrong + 1]
        return None
