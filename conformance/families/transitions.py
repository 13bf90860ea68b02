"""Transitions: a complete suite for the connection as a finite machine (`spec.abstraction`).

At `smoke` every transition is taken once; at `complete` the suite finds every wrong answer and every wrong next state
of servers that have no more states than the document, at `deep` of those that have one more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from conformance.concretizing import Concretizer
from conformance.plan import Plan
from conformance.scripts import Case
from spec.abstraction import LONG, Input

FAMILY = "transitions"

Word = tuple[Input, ...]


def cases(plan: Plan) -> Iterator[Case]:
    """One case for each test of the suite, named by the state that it is about and what is done there."""
    concretizer = Concretizer(plan)
    cover = {way: state for state, way in plan.layer.machine.cover().items()}
    seen: set[str] = set()
    for word in plan.words():
        for tried in _within(plan, concretizer, word):
            case = _case(plan, concretizer, cover, tried)
            if case.id not in seen:
                seen.add(case.id)
                yield case


def _within(plan: Plan, concretizer: Concretizer, word: Word) -> Iterator[Word]:
    """The word, or where it would wait too long as much of it as does not."""
    if not any(wanted.kind == "wait" for wanted in word):
        yield word
        return
    elapsed = plan.rehearse(concretizer.script(word).steps).elapsed
    if elapsed <= plan.longest:
        yield word
        return
    waits = [index for index, wanted in enumerate(word) if wanted.kind == "wait"]
    state = plan.layer.machine.after(word[: waits[-1]])
    note = f"wait in {state}, behind {word[waits[-1] - 1]}: it takes {elapsed:.0f} s"
    if note not in plan.left_out:
        plan.left_out.append(note)
    if waits[-1] > 1:
        yield from _within(plan, concretizer, word[: waits[-1]])


def _case(plan: Plan, concretizer: Concretizer, cover: Mapping[Word, str], word: Word) -> Case:
    way = next(word[:end] for end in range(len(word) - 1, -1, -1) if word[:end] in cover)
    rest, state = word[len(way) :], cover[way]
    name = f"{state}/{'/'.join(_slug(plan, wanted) for wanted in rest)}"
    text = f"in {state}: {', then '.join(map(str, rest))}"
    return plan.case(
        FAMILY, name, concretizer.script(word).steps, rules=plan.layer.answer(state, rest[0]).rules, text=text
    )


def _slug(plan: Plan, wanted: Input) -> str:
    """An input as part of an identifier: what there is a choice of."""
    facts = [f"{fact}-{value}" for fact, value in wanted.facts if (plan.document.facts[fact].kind, value) not in USUAL]
    words = [wanted.kind if wanted.kind != "receive" else "", wanted.name, *facts]
    words += ["short-lived"] if wanted.life != LONG else []
    words += ["elsewhere"] if wanted.elsewhere else []
    return "+".join(word for word in words if word)


USUAL = {("path", "served"), ("upgrade", "websocket"), ("origin", "acceptable"), ("payload", "valid")}
"""Classes of which an identifier says nothing: everything else rests on them."""
