"""Which cases should notice a mutant: those whose scripts lead elsewhere on its machine than on the right one.

That is a forecast and no verdict: it says which cases to play first. Whether they notice is for the wire to show.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field, frozen

from conformance.exploring import Endless, Stage
from conformance.plan import Plan
from conformance.scripts import Case
from conformance.tokenbook import TokenBook
from spec.expressions import Chosen
from spec.machine import Closing, Emission, Refusal, Upgrade
from spec.machine.facts import Judge
from spec.machine.machine import Machine
from spec.model import Document
from spec.policies import policy_for
from spec.tokens import judge

__all__ = ["Rehearsals", "judge_of", "machine_of"]


@frozen
class _Judged:
    group: str
    claims: Mapping[str, Any]


def machine_of(mutant: Document, parameters: Mapping[str, Any], book: TokenBook) -> Machine:
    """The machine of a mutant; tokens are judged by what they were minted to be, unless its checks are others."""
    return Machine(mutant, parameters, judge_of(mutant, parameters, book))


def judge_of(mutant: Document, parameters: Mapping[str, Any], book: TokenBook) -> Judge:
    """Who judges the tokens of a book as another document says: the book itself, where that has the same checks."""
    right = book.document
    if (mutant.ladder, mutant.claims) == (right.ladder, right.claims):
        return book.judge
    known = book.policy
    policy = policy_for(mutant, parameters, known.keys, issuer=known.issuer, audience=known.audience)

    def judged(token: str | None, now: float) -> _Judged:
        verdict = judge(token, policy, now)
        return _Judged(mutant.verdicts.get(verdict.step, verdict.group), verdict.claims)

    return judged


@define
class Rehearsals:
    """What every case of a plan comes to by the rules: which rows and cases decide in it, and what is heard."""

    plan: Plan
    cases: Sequence[Case]
    _heard: dict[str, list[list[Any]]] = field(factory=dict)
    _decided: dict[str, frozenset[str]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        first = Stage(self.plan.target)
        for case in self.cases:
            stage, heard = first, []
            for step in case.steps:
                stage = stage.behind(step)
                heard.append(stage.heard)
            self._heard[case.id] = [[_heard(*one) for one in step] for step in heard]
            self._decided[case.id] = frozenset(one.pointer for step in heard for _, one in step)

    def near(self, places: Collection[str]) -> list[Case]:
        """The cases in which a decision is made by one of these rows and cases, or by one of these lists."""
        return [
            case
            for case in self.cases
            if any(one in places or one.rpartition("/")[0] in places for one in self._decided[case.id])
        ]

    def noticing(self, cases: Iterable[Case], machine: Machine) -> Iterator[Case]:
        """Those of the cases whose scripts a machine answers otherwise."""
        first = Stage(evolve(self.plan.target, machine=machine))
        return (case for case in cases if self._differs(case, first))

    def _differs(self, case: Case, stage: Stage) -> bool:
        for step, heard in zip(case.steps, self._heard[case.id], strict=True):
            try:
                stage = stage.behind(step)
            except (Endless, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                # A machine that cannot go on answers nothing any more.
                return True
            if heard != [_heard(*one) for one in stage.heard]:
                return True
        return False


def _heard(at: float, came: Any) -> tuple[Any, ...]:
    """What a client sees of an answer or an output, and when, in milliseconds."""
    moment = round(at * 1000)
    match came:
        case Refusal(status, headers, body):
            return moment, status, dict(headers), body
        case Upgrade(_, subprotocol, headers):
            return moment, subprotocol, dict(headers)
        case Emission(connection, _, body):
            return moment, connection, _plain(body)
        case Closing(connection, code, reason):
            return moment, connection, code, reason
    raise TypeError(came)


def _plain(value: Any) -> Any:
    """A body as it can be compared: JSON tells true from 1."""
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, Chosen | str) else repr(value)
