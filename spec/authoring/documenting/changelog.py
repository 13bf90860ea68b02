"""What changed since an earlier version, whom each change breaks, and the exchange that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spec.authoring.diffing.changes import Change, Witness
from spec.authoring.diffing.comparing import compare
from spec.authoring.diffing.policy import LEVELS, Finding, Policy, judge
from spec.authoring.diffing.reporting.words import SIDES, cut, headline, place, plain_step, summary, witness_lines
from spec.authoring.documenting.blocks import (
    Block,
    Code,
    Figure,
    Heading,
    Inline,
    Page,
    Piece,
    Ref,
    Strong,
    Table,
    Text,
)
from spec.authoring.documenting.drawing import Step, sequence
from spec.authoring.documenting.scenarios import mermaid
from spec.authoring.documenting.words import anchor, coded
from spec.loading import Source

__all__ = ["page"]

_WORDS: Mapping[str, Piece] = {
    "breaks": Strong("breaks", "bad"),
    "warns": "to be looked at",
    "safe": Strong("fine", "good"),
}
_ORDERED = {level: -number for number, level in enumerate(LEVELS)}


def page(old: Source, new: Source) -> Page:
    """The changes from one version of a document to another, as `handfast diff` tells them."""
    judgement = judge(compare(old, new), Policy(order="both", versions="ignore"))
    found = judgement.comparison
    title = f"Changes since version {found.versions[0]}"
    told = [one for one in judgement.findings if one.change.rule.row not in ("D01", "D02")]
    blocks: list[Block] = [
        Text(f"From version {found.versions[0]} to version {found.versions[1]}: {summary(judgement)}.")
    ]
    if told:
        rows = [_row(one) for one in sorted(told, key=lambda one: _ORDERED[one.level])]
        blocks.append(Table(title, ("Change", "What", *(side.capitalize() for side in SIDES.values()), "Stages"), rows))
    quiet = len(judgement.findings) - len(told)
    if quiet:
        blocks.append(Text(f"{quiet} more are of prose and of which rules are cited, and change nothing on the wire."))
    for one in told:
        if one.change.witnesses and one.level in ("error", "warning"):
            blocks += _shown(one.change, found.versions)
    return Page("changes", title, blocks)


def _row(one: Finding) -> tuple[Inline, ...]:
    found = one.change
    shown = found.witnesses and one.level in ("error", "warning")
    title: Piece = Ref(found.rule.title, "changes", _anchor(found)) if shown else found.rule.title
    first, second = (_WORDS[found.verdict(order)] for order in SIDES)
    what = f"{_cut(found.text)}, at {coded(place(found))}"
    return title, what, first, second, " or ".join(found.stages) or "all"


def _anchor(found: Change) -> str:
    return anchor("change", found.fingerprint)


def _shown(found: Change, versions: tuple[int, int]) -> Iterator[Block]:
    yield Heading(1, f"{found.rule.title} ({found.rule.id})", _anchor(found))
    yield Text(f"{found.text}, at {coded(place(found))}.")
    if found.rule.fix:
        yield Text(f"Instead: {found.rule.fix}.")
    for number, witness in enumerate(found.witnesses, 1):
        if witness.steps:
            yield _figure(found, witness, versions, number)
        else:
            yield Text(f"{SIDES[witness.order].capitalize()}:")
            yield Code("\n".join(witness_lines(witness)), "text")


def _figure(found: Change, witness: Witness, versions: tuple[int, int], number: int) -> Figure:
    steps = [Step(step.client, "server", plain_step(step).removeprefix(f"{step.client} ")) for step in witness.steps]
    last = witness.steps[-1].client
    first, second = versions if witness.order == "server_first" else versions[::-1]
    steps += [Step("server", last, f"version {first}: {one}") for one in _heard(witness.expected)]
    steps += [Step("server", last, f"version {second}: {one}") for one in _heard(witness.actual)]
    if witness.kind == "permission":
        steps = [*steps[: len(witness.steps)], Step("server", last, f"{witness.message}, by one version only")]
    says = "; ".join(f"{step.source} to {step.target}: {step.text}" for step in steps)
    drawn = sequence(steps, anchor("witness", found.fingerprint, str(number)), headline(found), says)
    return Figure(drawn, mermaid(steps), f"{SIDES[witness.order].capitalize()}.", says)


def _cut(told: str) -> str:
    """A text that is not longer than a line or two; where that cuts what is to be typed, the mark is closed."""
    short = cut(told)
    return f"{short}`" if short.count("`") % 2 else short


def _heard(heard: tuple[str, ...]) -> list[str]:
    return [cut(one, 100) for one in heard[:6]] or ["nothing"]
