"""Refinement: does a server act as a client expects it to, whatever the client lawfully does?

Two engines are shown the same exchanges, in the order of their length: `expected` runs the document that the client was
written for, `actual` the one that the server is of. The client's inputs are those of the finite machine of its own
document, so they are complete up to the classes that it knows; what a schema tells apart within a class is for the
comparison of schemas. Where the two differ, the exchange up to there is a shortest one that shows it.

What the finite machines of both documents say alike is not played: they hold all that a document says of an answer
(`Answer.detail`), as long as the classes of inputs are told apart by the same facts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field, frozen

from spec.abstraction import START, Input, Layer, abstract
from spec.authoring.diffing.moving import FAR, PEER, WHO, Mover, Unplayable, wait
from spec.authoring.diffing.playing import Endless, Heard, Play, Step, Steps
from spec.expressions import compile_expression
from spec.messages import Read
from spec.model import Document

__all__ = ["Apart", "Refinement", "Side"]

_GRAIN = 1e-6
_MOST_NODES = 400
"""How many pairs of standings are looked at; real documents have a few dozen."""

Both = tuple[list[Heard], list[Heard]]


@frozen
class Side:
    """A document as it is deployed, with its finite machine and an engine that nobody has connected to."""

    document: Document
    parameters: Mapping[str, Any]
    layer: Layer
    _start: Play
    mover: Mover

    @classmethod
    def of(cls, document: Document, parameters: Mapping[str, Any]) -> Side:
        """A document under a deployment's parameters."""
        layer, start = abstract(document, parameters), Play(document, parameters)
        return cls(document, parameters, layer, start, Mover(document, parameters, layer, start))

    def play(self) -> Play:
        """An engine of the document that nobody has connected to yet."""
        return self._start.copy()

    def reads(self, step: Step) -> Read:
        """What a message of a client is to a server of the document."""
        return self._start.read(step)

    @property
    def largest(self) -> int:
        """The largest message that is accepted, in bytes."""
        return self._start.machine.largest

    def value(self, expression: Any) -> Any:
        """The value of an expression that reads parameters, as deployed."""
        return compile_expression(expression)({"parameters": self.parameters})

    def asks(self, message: str, fact: str) -> bool:
        """Whether a fact is asked of a message in some state."""
        tables = (state.receive.get(message, ()) for state in self.document.states.values())
        return any(fact in case.when for cases in tables for case in cases)


@frozen
class Apart:
    """An exchange behind which two servers differ.

    `steps` are all of it, the last one shows the difference; `expected` and `actual` are what is heard then, by the
    document of the client and by the other. `states` and `reached` are the states before and behind the last step, by
    either document; `fork` are the decisions by which the states before came to be two different ones, if they did.
    `standing` is the client's state by the finite machine; `bearing` says that a token comes with the input, `joins`
    that the client becomes a member by it; `unsolicited` names messages that only one may send at any time.
    """

    wanted: Input
    steps: Steps
    expected: tuple[Heard, ...]
    actual: tuple[Heard, ...]
    states: tuple[str, str]
    reached: tuple[str, str]
    fork: tuple[str, str] | None
    standing: str
    bearing: bool = False
    joins: bool = False
    unsolicited: tuple[str, ...] = ()


@define(eq=False)
class _Node:
    """A pair of standings: by the finite machines (None: not of this alphabet any more), and, once needed, played."""

    state: str
    other: str | None
    number: int
    fork: tuple[str, str] | None
    above: _Node | None = None
    wanted: Input | None = None
    steps: Steps = ()
    plays: tuple[Play, Play] | None = None


@define
class Refinement:
    """Finds the differences of one orientation; `left_out` says which inputs no exchange made real.

    `alike` says that both documents tell inputs apart by the same facts, so that their finite machines can be compared.
    """

    client: Side
    server: Side
    alike: bool = False
    left_out: dict[str, None] = field(factory=dict)
    _friends: Steps = ()

    def differences(self) -> list[Apart]:
        """The differences, those of the shortest exchanges first."""
        found: list[Apart] = []
        root = self._root()
        pending, seen = deque([root]), {self._key(root)}
        while pending and len(seen) < _MOST_NODES:
            node = pending.popleft()
            found += self._unsolicited(node)
            for wanted in self.client.layer.exact.inputs(node.state):
                reached, apart = self._go(node, wanted)
                found += [apart] if apart is not None else []
                if reached is not None and self._key(reached) not in seen:
                    seen.add(self._key(reached))
                    pending.append(reached)
        return found

    def _root(self) -> _Node:
        plays = self.client.play(), self.server.play()
        near, far = self.client.mover.friends()
        for step in (*near, *far):
            for play in plays:
                play.step(step)
        if all(play.standing(friend) is not None for friend in (PEER, FAR) for play in plays):
            self._friends = (*near, *far)
        else:
            # Friends who are not there on one side would make every message look different.
            plays = self.client.play(), self.server.play()
        return _Node(START, START if self.alike else None, 0, None, plays=plays)

    def _key(self, node: _Node) -> tuple[Any, ...]:
        if node.other is not None:
            return node.state, node.other
        plays = self._played(node)
        return (node.state, *(play.standing(WHO) for play in plays)) if plays else (node.state, id(node))

    def _go(self, node: _Node, wanted: Input) -> tuple[_Node | None, Apart | None]:
        target, answer = self.client.layer.exact.table[node.state, wanted]
        theirs = self.server.layer.exact.table.get((node.other, wanted)) if node.other is not None else None
        if theirs is not None and theirs[1].detail == answer.detail and wanted.kind != "hear":
            ended = [target in self.client.layer.exact.final, theirs[0] in self.server.layer.exact.final]
            if not any(ended):
                fork = node.fork or _fork((target, theirs[0]), (answer.pointers, theirs[1].pointers))
                return _Node(target, theirs[0], node.number + 1, fork, node, wanted), None
            if all(ended):
                return None, None
        elif theirs is not None and wanted.kind == "hear" and theirs[1] == answer and self._same_rooms():
            return None, None
        return self._try(node, wanted, target, theirs[0] if theirs is not None else None)

    def _same_rooms(self) -> bool:
        return self.client.document.rooms == self.server.document.rooms

    # ------------------------------------------------------------------------------------------------- playing

    def _played(self, node: _Node) -> tuple[Play, Play] | None:
        """The plays behind a node; None where they cannot be had."""
        if node.plays is None and node.above is not None and node.wanted is not None:
            found = self._step(node.above, node.wanted)
            if found is not None:
                node.steps, node.plays = (*node.above.steps, *found[0]), found[1]
        return node.plays

    def _step(self, node: _Node, wanted: Input) -> tuple[Steps, tuple[Play, Play], Both] | None:
        """Play an input behind a node; None where no exchange makes it real."""
        plays = self._played(node)
        if plays is None:
            return None
        expected, actual = plays[0].copy(), plays[1].copy()
        try:
            steps = (
                self._waiting(plays)
                if wanted.kind == "wait"
                else self.client.mover.steps(wanted, expected, node.number)
            )
            heard: Both = ([], [])
            for step in steps:
                heard = expected.step(step), actual.step(step)
        except Unplayable as why:
            self.left_out[str(why)] = None
            return None
        except (Endless, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
            self.left_out[f"{wanted}: a server of one of the documents cannot go on ({type(problem).__name__})"] = None
            return None
        if wanted.kind == "hear" and not _same(*_of(heard, steps[-1].client), timed=False):
            # Who speaks is answered otherwise: that shows where the client does the same.
            heard = ([], [])
        if wanted.kind in ("hear", "wait"):
            # What others do, or what time brings, is looked at as the client hears it.
            heard = _of(heard, WHO)
        return steps, (expected, actual), heard

    def _waiting(self, plays: tuple[Play, Play]) -> Steps:
        """Time passes until the next timer of both has fired, so that both are in step again."""
        dues = [due for due in (play.due(WHO) for play in plays) if due is not None]
        return (wait(WHO, max(dues)),) if dues else ()

    def _try(self, node: _Node, wanted: Input, target: str, other: str | None) -> tuple[_Node | None, Apart | None]:
        played = self._step(node, wanted)
        if played is None or not played[0]:
            return None, None
        steps, plays, heard = played
        apart = self._apart(node, wanted, steps, plays, heard)
        connections = [play.connection(WHO) for play in plays]
        if connections[0] is None or connections[1] is None or target in self.client.layer.exact.final:
            return None, apart
        states = (connections[0].state, connections[1].state)
        told = tuple(tuple(one.pointer for one in came if one.client == WHO) for came in heard)
        pointers = (self.client.layer.exact.table[node.state, wanted][1].pointers or told[0], told[1])
        if other in self.server.layer.exact.final:
            other = None
        fork = node.fork or _fork(states, pointers)
        return _Node(target, other, node.number + 1, fork, node, wanted, (*node.steps, *steps), plays), apart

    def _apart(self, node: _Node, wanted: Input, steps: Steps, plays: tuple[Play, Play], heard: Both) -> Apart | None:
        if _same(*heard, timed=wanted.kind == "wait"):
            return None
        before = self._played(node)
        assert before is not None
        states = _states(before)
        every = (*self._friends, *node.steps, *steps)
        if wanted.kind != "hear":
            every, heard = self._alone((*node.steps, *steps)) or (every, heard)
        return Apart(
            wanted,
            every,
            tuple(heard[0]),
            tuple(heard[1]),
            states,
            _states(plays),
            node.fork if node.fork is not None and states[0] != states[1] else None,
            node.state,
            bearing=any(self.client.document.facts[fact].kind == "token" for fact, _ in wanted.facts),
            joins=not any(_rooms(play) for play in before) and any(_rooms(play) for play in plays),
        )

    def _alone(self, steps: Steps) -> tuple[Steps, Both] | None:
        """The steps without the others, with what is heard then, where they show the difference as well."""
        plays = self.client.play(), self.server.play()
        heard: Both = ([], [])
        for step in steps:
            heard = plays[0].step(step), plays[1].step(step)
        timed = steps[-1].do == "wait"
        heard = _of(heard, WHO) if timed else heard
        return None if _same(*heard, timed=timed) else (steps, heard)

    def _unsolicited(self, node: _Node) -> Iterator[Apart]:
        """What the server may send at any time, and the client does not know of, or the other way round."""
        if node.state == START or self._free(self.client, node.state) == self._free(self.server, node.other):
            return
        plays = self._played(node)
        if plays is None:
            return
        expected, actual = (play.unsolicited(WHO) for play in plays)
        names = tuple(name for name in {**expected, **actual} if expected.get(name) != actual.get(name))
        if names and all(play.connection(WHO) is not None for play in plays):
            states = _states(plays)
            yield Apart(Input("wait"), node.steps, (), (), states, states, node.fork, node.state, unsolicited=names)

    def _free(self, side: Side, state: str | None) -> Any:
        found = side.document.states.get((state or "").partition(" ")[0])
        return None if found is None else [m for path in found.chain for m in side.document.states[path].may_send]


def _fork(states: tuple[str, str], pointers: tuple[tuple[str, ...], ...]) -> tuple[str, str] | None:
    """The decisions by which the client came into states of different names, where it did."""
    if states[0].partition(" ")[0] == states[1].partition(" ")[0]:
        return None
    return (pointers[0] or ("",))[0], (pointers[1] or ("",))[0]


def _states(plays: tuple[Play, Play]) -> tuple[str, str]:
    first, second = (play.connection(WHO) for play in plays)
    return first.state if first else START, second.state if second else START


def _rooms(play: Play) -> bool:
    found = play.connection(WHO)
    return found is not None and bool(found.rooms)


def _of(heard: Both, client: str) -> Both:
    first, second = ([one for one in came if one.client == client] for came in heard)
    return first, second


def _same(expected: list[Heard], actual: list[Heard], *, timed: bool) -> bool:
    """Whether two clients heard the same: for each the same in the same order, and by timers at the same moments."""
    for client in {one.client for one in (*expected, *actual)}:
        mine = [one for one in expected if one.client == client]
        other = [one for one in actual if one.client == client]
        if len(mine) != len(other) or not all(_alike(*pair, timed=timed) for pair in zip(mine, other, strict=True)):
            return False
    return True


def _alike(expected: Heard, actual: Heard, *, timed: bool) -> bool:
    said = (expected.what, expected.name, expected.body, expected.reply)
    same = said == (actual.what, actual.name, actual.body, actual.reply)
    return same and not (timed and abs(expected.at - actual.at) > _GRAIN)
