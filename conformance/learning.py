"""Learning what a server really implements: words asked many at a time, answers written down, a machine made of them.

The suite of the document's machine is asked before learning begins, so that learning mostly reads what is known; what
is learnt is checked by the suite of what was learnt, until that shows nothing new (`conformance.inference`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import trio
from attrs import define, evolve, field, frozen

from conformance.arranging import Arranged
from conformance.asking import Asker, Heard, Output
from conformance.clock import Clock
from conformance.machines import OVER, UNASKED
from conformance.plan import Plan
from conformance.preflight import calibrate
from conformance.runner import Lag
from conformance.session import enough_addresses
from conformance.wire import Unreachable
from spec.abstraction import Input, Layer, Mealy, hsi, merged
from spec.exits import Exit, Stop

__all__ = ["Contradiction", "Infer", "Learned", "Lessons", "Word", "learn", "run_learning"]

Word = tuple[Input, ...]
Answers = tuple[Output, ...]

_AT_ONCE = 32
"""How many words are asked at once, at most."""

_TRIES = 4
"""How often a word is asked again until it is answered twice alike."""

_SHORT = 5.0
"""Timers that no token brings nearer are learnt unasked where they take no longer than this, in seconds."""


class Contradiction(Exception):
    """A server answered one exchange in two ways."""

    def __init__(self, word: Word, answers: tuple[Answers, Answers]) -> None:
        super().__init__("the server answered the same exchange in two ways")
        self.word, self.answers = word, answers


@frozen
class Learned:
    """What was learnt; `machine` is None where the server contradicted itself, and `contradiction` says in what.

    `assumed` are words that would have waited too long, and were taken to be answered as the document says.
    """

    layer: Layer
    machine: Mealy[Input, Output] | None
    contradiction: Contradiction | None
    asked: int
    rounds: int
    assumed: tuple[Word, ...]
    duration: float


@define
class Lessons:
    """What a server was asked, and what it said; asks what is not known yet."""

    asker: Asker
    connections: int
    progress: Callable[[int], None] = lambda asked: None
    lag: Lag = field(factory=Lag)
    known: dict[Word, tuple[Output, bool]] = field(factory=dict)
    assumed: dict[Word, None] = field(factory=dict)
    rounds: int = 0

    # ------------------------------------------------------------------------------------------------- answering

    async def answer(self, word: Sequence[Input | None]) -> list[Output]:
        """What the server says to any word; None and an opening of what is open cannot be asked."""
        while True:
            real, outputs = self._read(word)
            if real is None:
                return outputs
            await self.ask([real, *self._beside(real)])

    def _beside(self, word: Word) -> list[Word]:
        """Where the server is not where the document is, what will be asked next, most likely: other inputs there, and
        the same behind others; asked at once, these take as long as one.
        """
        machine, said = self.asker.layer.machine, self._prefix(word)
        begun = word[: len(said)]
        if not begun or tuple(said) == machine.outputs(begun):
            return []
        inputs = [wanted for wanted in machine.alphabet() if wanted.kind != "open"]
        behind = [(*begun[:-1], other) for other in inputs]
        there = [(*begun, wanted) for wanted in inputs if wanted.kind != "wait"]
        return there + [(*way, *word[len(begun) :]) for way in behind if self.known.get(way, ((), True))[1] is False]

    def _read(self, word: Sequence[Input | None]) -> tuple[Word | None, list[Output]]:
        """The outputs as far as they are known, and the word that has to be asked for the others."""
        real: list[Input] = []
        outputs: list[Output] = []
        over = False
        for index, wanted in enumerate(word):
            if over:
                outputs.append(OVER)
            elif wanted is None or (wanted.kind == "open") == bool(real):
                outputs.append(UNASKED)
            else:
                real.append(wanted)
                if tuple(real) not in self.known:
                    rest = [later for later in word[index + 1 :] if later is not None and later.kind != "open"]
                    return (*real, *rest), outputs
                output, over = self.known[tuple(real)]
                outputs.append(output)
        return None, outputs

    async def ask(self, words: Iterable[Word]) -> None:
        """Ask words, all at once; raises Contradiction where one is answered in two ways."""
        wanted = list(dict.fromkeys(words))
        while wanted := [word for word in wanted if self._unknown(word)]:
            await self._all(wanted)

    async def _all(self, wanted: Sequence[Word]) -> None:
        """Ask words as far as their answers come as expected, and one answer further."""
        doubted = [(w, h) for w, h in zip(wanted, await self._several(wanted), strict=True) if not self._believed(w, h)]
        # What is not as the document says is believed when it is said twice.
        again = await self._several([word for word, _ in doubted])
        for (word, first), second in zip(doubted, again, strict=True):
            heard = second if first == second else await self._settled(word, second)
            if not self._note(word, heard):
                self._contradicts(word, await self._settled(word, heard))

    def _unknown(self, word: Word) -> bool:
        """Whether anything of a word is not known."""
        known = next((end for end in range(len(word), 0, -1) if word[:end] in self.known), 0)
        return not (known == len(word) or (known and self.known[word[:known]][1]))

    async def _several(self, words: Sequence[Word]) -> list[Heard]:
        found: dict[Word, Heard] = {}
        places = trio.Semaphore(max(1, min(_AT_ONCE, self.connections // 4)))

        async def one(word: Word) -> None:
            async with places:
                found[word] = await self._once(word)
                self.progress(self.asker.asked)

        async with trio.open_nursery() as nursery:
            for word in words:
                nursery.start_soon(one, word)
        return [found[word] for word in words]

    async def _once(self, word: Word) -> Heard:
        heard = await self.asker.ask(word, self._prefix(word))
        if not heard.endless:
            return heard
        # What would be waited for too long is taken to come as the document says.
        end = len(heard.outputs)
        self.assumed[word[: end + 1]] = None
        target, seen = self._said(word[: end + 1])
        return Heard((*heard.outputs, seen), target in self.asker.layer.exact.final)

    def _said(self, word: Word) -> tuple[str, Output]:
        """Where the document goes with the last input of a word, and what it says, wherever the word went before."""
        layer, state = self.asker.layer, self.asker.layer.exact.initial
        for wanted in word[:-1]:
            state, _ = layer.onward(state, wanted)
        target, answer = layer.exact.table.get((state, word[-1]), (state, None))
        return target, answer.seen if answer is not None else ()

    def _prefix(self, word: Word) -> list[Output]:
        outputs = []
        for end in range(1, len(word) + 1):
            if word[:end] not in self.known:
                break
            outputs.append(self.known[word[:end]][0])
        return outputs

    # ------------------------------------------------------------------------------------------------- believing

    def _believed(self, word: Word, heard: Heard) -> bool:
        """Note what agrees with the document; whether it did."""
        machine = self.asker.layer.machine
        size = len(heard.outputs)
        said, over = machine.outputs(word[:size]), machine.after(word[:size]) in machine.final
        return (said, over) == (heard.outputs, heard.over) and self._note(word, heard)

    def _note(self, word: Word, heard: Heard) -> bool:
        """Write an answer down; whether it agrees with what is written."""
        steps = [
            (word[: end + 1], (output, heard.over and end + 1 == len(heard.outputs)))
            for end, output in enumerate(heard.outputs)
        ]
        if any(self.known.get(begun, step) != step for begun, step in steps):
            return False
        self.known.update(steps)
        return True

    async def _settled(self, word: Word, first: Heard) -> Heard:
        """Ask a word alone until it is answered twice alike; what is said while this process is late does not count."""
        said = [first]
        for _ in range(_TRIES):
            began = trio.current_time()
            heard = await self._once(word)
            if heard == said[-1]:
                return heard
            if self.lag.since(began) <= self.asker.plan.target.slack.lateness:
                said.append(heard)
        if len(said) == 1:
            return heard
        raise Contradiction(word, (said[-2].outputs, said[-1].outputs))

    def _contradicts(self, word: Word, heard: Heard) -> None:
        """Raise Contradiction unless an answer that was settled agrees with what is written."""
        if not self._note(word, heard):
            known = tuple(self._prefix(word))
            raise Contradiction(word[: max(len(known), len(heard.outputs))], (known, heard.outputs))


Infer = Callable[[Lessons, int], Awaitable[Mealy[Input, Output]]]
"""Makes a machine of lessons, looking for so many states more than it finds (`conformance.inference.infer`)."""


def run_learning(
    arranged: Arranged, timers: bool | None, extra: int, progress: Callable[[int], None], infer: Infer
) -> Learned:
    """Learn the connection layer of a server; raises Stop where that cannot be done.

    `timers` says whether waiting is an input, None that it is where it is short.
    """
    return trio.run(lambda: learn(arranged, timers=timers, extra=extra, progress=progress, infer=infer))


async def learn(
    arranged: Arranged, *, timers: bool | None, extra: int, progress: Callable[[int], None], infer: Infer
) -> Learned:
    """`run_learning` within a loop."""
    clock, started = Clock(), trio.current_time()
    plan = Plan(arranged.target)
    if arranged.target.book.tier != "mint":
        raise Stop(Exit.USAGE, "learning takes tokens of many kinds", "give the key that mints them: --secret env:NAME")
    plan.layer = _chosen(plan.layer, timers)
    words = hsi(plan.layer.machine, extra)
    enough_addresses(plan, 4 * len(words))
    await calibrate(plan, clock)
    lessons = Lessons(Asker(plan, clock), arranged.target.connections, progress)
    machine: Mealy[Input, Output] | None = None
    contradiction: Contradiction | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lessons.lag.watch)
        try:
            await lessons.ask(words)
            machine = await infer(lessons, extra)
        except* Contradiction as group:
            contradiction = _first(group)
        except* Unreachable as group:
            raise Stop(Exit.UNREACHABLE, f"the target died: {group.exceptions[0]}") from None
        nursery.cancel_scope.cancel()
    taken = trio.current_time() - started
    asked, assumed = lessons.asker.asked, tuple(lessons.assumed)
    return Learned(plan.layer, machine, contradiction, asked, lessons.rounds, assumed, taken)


def _first(group: BaseExceptionGroup[Contradiction]) -> Contradiction:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _chosen(layer: Layer, timers: bool | None) -> Layer:
    """The layer with waiting as an input, or without."""
    longest = max((c.seconds for state in layer.countdowns.values() for c in state), default=0.0)
    if timers or (timers is None and longest <= _SHORT):
        return layer
    table = {key: step for key, step in layer.exact.table.items() if key[1].kind != "wait"}
    why = f"waiting: timers run up to {longest:.0f} s; `--timers` learns them"
    exact = Mealy(layer.exact.initial, table, layer.exact.final)
    # States that only a timer tells apart are one to whoever does not wait.
    return merged(evolve(layer, exact=exact, left_out=(*layer.left_out, why)))
