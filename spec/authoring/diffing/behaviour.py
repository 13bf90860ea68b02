"""What the servers of two documents do otherwise: both are played in every deployment, in both orders of an upgrade."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from attrs import define, evolve, field

from spec.authoring.diffing.changes import ORDERS, Change, Witness, change, shown
from spec.authoring.diffing.deployments import Deployments
from spec.authoring.diffing.judging import Judged, judged
from spec.authoring.diffing.moving import WHO
from spec.authoring.diffing.refining import Apart, Refinement, Side
from spec.authoring.diffing.witnesses import Stand, moment
from spec.authoring.equivalence import Original
from spec.model import Document

__all__ = ["UNSURE", "Behaviour"]


_UNKNOWN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What a document raises that uses something which the finite machine, or a play without a wire, does not know.

No judgement is made of it: what differs is then not known to be safe.
"""


@define
class Behaviour:
    """What the servers of two documents do otherwise, deployment by deployment.

    `touched` are the decisions that were seen to differ, `tells` what a reader of both documents could tell apart,
    `unsure` says that decisions over different facts could not be compared so.
    """

    documents: tuple[Document, Document]
    pairs: list[Deployments]
    changes: list[Change] = field(factory=list)
    _stands: dict[int, Stand] = field(factory=dict)
    _sides: dict[Any, Side] = field(factory=dict)
    left_out: dict[str, None] = field(factory=dict)
    touched: set[str] = field(factory=set)
    tells: dict[str, None] = field(factory=dict)
    reached: set[str] = field(factory=set)
    alike: bool = False
    unplayed: str | None = None

    def look(self) -> None:
        """Look at every pair of deployments; `unplayed` says why they could not be looked at, if so."""
        try:
            self._look()
        except _UNKNOWN as problem:
            self._give_up(problem)

    def _give_up(self, problem: Exception) -> None:
        self.unplayed = f"{type(problem).__name__} where a document is played without a wire"
        self.changes, self._stands = [], {}

    def _look(self) -> None:
        found: dict[tuple[str, str, str], Change] = {}
        where: dict[tuple[str, str, str], dict[str, None]] = {}
        looked = []
        for pair, stand in zip(self.pairs, self.standing(), strict=True):
            sides = (stand.old, stand.new)
            self.reached |= {state.partition(" ")[0] for side in sides for state in side.layer.exact.states}
            looked.append(pair.name)
            tells = [name for name in self._tells(stand) if self._matters(name, stand)]
            self.tells.update(dict.fromkeys(tells))
            if not tells:
                continue
            self.alike = not any(self._reclassifies(name) for name in tells)
            for one in self._seen(stand):
                key = (one.rule.id, one.old_at, one.new_at)
                found[key] = found[key].joined(one) if key in found else one
                where.setdefault(key, {})[pair.name] = None
        for key, one in found.items():
            stages = tuple(name for name in where[key] if name)
            self.changes.append(evolve(one, stages=() if len(where[key]) == len(looked) else stages))

    def _matters(self, name: str, stand: Stand) -> bool:
        """Whether a connection can be in the state that something is about, in this deployment."""
        if all(name not in document.states for document in self.documents):
            return True
        sides = (stand.old, stand.new)
        here = {state.partition(" ")[0] for side in sides for state in side.layer.exact.states}
        return any(f"{state}.".startswith(f"{name}.") for state in here)

    def standing(self) -> Iterator[Stand]:
        """Both documents under way, in every pair of deployments; each is made when it is first asked for."""
        if self.unplayed is not None:
            return
        for number, pair in enumerate(self.pairs):
            if number not in self._stands:
                try:
                    old, new = (self._side(pair, number) for number in (0, 1))
                except _UNKNOWN as problem:
                    self._give_up(problem)
                    return
                self._stands[number] = Stand(old, new, (pair.old, pair.new))
            yield self._stands[number]

    def _side(self, pair: Deployments, number: int) -> Side:
        """A document in a deployment; what only the other one chooses makes no other deployment of it."""
        key = number, tuple((pair.old, pair.new)[number].items())
        if key not in self._sides:
            self._sides[key] = Side.of(self.documents[number], pair.parameters[number])
        return self._sides[key]

    def _tells(self, stand: Stand) -> Iterator[str]:
        """What tells the two apart under a deployment, by name."""
        parameters = stand.new.parameters
        if _permissions(self.documents[0]) != _permissions(self.documents[1]):
            yield "permissions"
        original = Original(self.documents[0], stand.old.parameters, stand.old.layer)
        yield from original.given_apart(self.documents[1], parameters)
        try:
            yield from original.decided_apart(self.documents[1], parameters)
        except (LookupError, RecursionError, StopIteration, RuntimeError):
            yield UNSURE

    def _reclassifies(self, name: str) -> bool:
        """Whether what tells two documents apart makes an input another one, so that finite machines over them differ.

        A limit or a memory has the same classes whatever it counts or keeps.
        """
        if not name.startswith("the fact "):
            return re.fullmatch(_CLASSES, name) is not None
        facts = [document.facts.get(name.removeprefix("the fact ")) for document in self.documents]
        kinds = [fact.kind if fact is not None else None for fact in facts]
        return kinds[0] != kinds[1] or kinds[0] not in ("limit", "memory")

    def _seen(self, stand: Stand) -> Iterator[Change]:
        for order in ORDERS:
            client, server = stand.sides(order)
            refinement = Refinement(client, server, self.alike)
            apart = refinement.differences()
            self.left_out.update(refinement.left_out)
            for one in apart:
                self.touched |= {heard.pointer for heard in (*one.expected, *one.actual)}
                found = judged(one, stand.old, stand.new, server_first=order == "server_first")
                if found is not None:
                    self.touched |= {found.old_at, found.new_at}
                    yield self._change(one, found, order, stand)

    def _change(self, apart: Apart, found: Judged, order: str, stand: Stand) -> Change:
        witness = moment(apart, order, stand) if found.rule.startswith(("T01", "T02", "A06")) else None
        if witness is None:
            kind = "permission" if apart.unsolicited else "exchange"
            told = shown(apart.expected, WHO), shown(apart.actual, WHO)
            witness = Witness(
                kind,
                order,
                stand.settings,
                apart.steps,
                *told,
                message=(*apart.unsolicited, "")[0],
                narrow=apart.wanted.kind in ("hear", "wait"),
            )
        pair = (witness.expected, witness.actual) if order == "server_first" else (witness.actual, witness.expected)
        state = apart.states[0] if order == "server_first" else apart.states[1]
        text = f"{_input(apart)} in {state}: {_told_as(pair[0])} → {_told_as(pair[1])}"
        timed = _timed(apart, order) if apart.wanted.kind == "wait" else None
        if timed is not None:
            text = f"{timed} in {state}"
        elif apart.unsolicited:
            text = f"`{apart.unsolicited[0]}` at any time in {state}"
        made = change(found.rule, found.old_at, found.new_at, text)
        # Whether it breaks anybody in the other order is seen in that order, or not at all.
        made = evolve(made, clients_first="safe") if order == "server_first" else evolve(made, server_first="safe")
        return evolve(made, witnesses=(witness,) if made.verdict(order) != "safe" else ())


def _timed(apart: Apart, order: str) -> str | None:
    """A timer that fires at another moment, or only for one: its name, and how long it takes by both documents."""
    if apart.unsolicited or not apart.steps:
        return None
    pair = (apart.expected, apart.actual) if order == "server_first" else (apart.actual, apart.expected)
    first = [next((one for one in heard if one.timer), None) for heard in pair]
    if all(first) and abs(first[0].at - first[1].at) < 1e-6:  # type: ignore[union-attr]
        return None
    ends = max(one.at for one in (*apart.expected, *apart.actual))
    begun = ends - float(apart.steps[-1].data["seconds"])
    name = next((one.timer for one in first if one is not None), "")
    return f"`{name}` " + " → ".join("never" if one is None else f"{one.at - begun:g} s" for one in first)


def _permissions(document: Document) -> Any:
    return {path: [(one.message, one.payload) for one in state.may_send] for path, state in document.states.items()}


UNSURE = "decisions over other facts"
_CLASSES = rf"the envelope|the checks of tokens|the path|versions|{UNSURE}"
"""What makes an input another one, so that finite machines over them cannot be compared."""


def _input(apart: Apart) -> str:
    return f"`{apart.wanted}`"


def _told_as(heard: tuple[str, ...]) -> str:
    """What is heard, in a few words."""
    short = [one if len(one) <= 60 else f"{one[:57]}…" for one in heard[:4]]
    return "; ".join(short) or "nothing"
