"""What goes wrong: errors with their precedence, and the ladder of a token's checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spec.authoring.documenting.blocks import Anchor, Block, Inline, Page, Table, Text
from spec.authoring.documenting.words import anchor, coded, rule_refs, state_ref, value
from spec.authoring.outlining import Decision, Outline
from spec.authoring.outlining.decisions import plainly, verb

__all__ = ["errors", "tokens"]


def errors(document: Outline) -> Page | None:
    """The errors, where each comes from, and which wins where several apply."""
    if not document.errors:
        return None
    rows = [
        (
            Anchor(code, anchor("error", code)),
            plainly(entry.get("text", "")),
            _closes(entry.get("close", "none")),
            "yes" if entry.get("retryable") else "no",
            ", ".join(_sources(document, code)) or "nowhere",
        )
        for code, entry in document.errors.items()
    ]
    told = coded(document.section("errors").get("message", "its own form"))
    blocks: list[Block] = [
        Text(f"An error is told by {told}; then the connection ends, where the code closes."),
        Table("The errors", ("Code", "Says", "Closes", "Try again", "Comes of"), rows),
    ]
    order = list(_precedence(document))
    if order:
        blocks += [
            Text("Where several errors apply, the first in the order of the cases wins."),
            Table("Which error wins", ("State", "Input", "First to last"), order),
        ]
    return Page("errors", "Errors", blocks)


def _closes(close: Any) -> str:
    if isinstance(close, Mapping):
        return ", ".join(f"{coded(code)} in {state}" for state, code in close.items()) + "; elsewhere it goes on"
    return "no" if close == "none" else coded(close)


def _errors_of(rows: tuple[Decision, ...]) -> list[str]:
    told = (plainly(effect["error"]) for row in rows for effect in row.effects if verb(effect) == "error")
    return list(dict.fromkeys(told))


def _sources(document: Outline, code: str) -> list[str]:
    found = []
    for path, level in [("any state", document.receive), *((s.path, s.receive) for s in document.states.values())]:
        found += [f"`{wanted}` in {path}" for wanted, rows in level.items() if code in _errors_of(rows)]
    found += [f"the timer `{timer.name}`" for timer in document.every_timer if code in _errors_of(timer.expire)]
    return found


def _precedence(document: Outline) -> Iterator[tuple[Inline, ...]]:
    for state in document.states.values():
        for wanted, rows in state.receive.items():
            codes = _errors_of(rows)
            if len(codes) > 1:
                yield (state_ref(document, state.path), coded(wanted), " › ".join(codes))


def tokens(document: Outline) -> Page | None:
    """The checks of a token in their order, and how a test makes a token that ends on each."""
    found = document.section("tokens")
    ladder = found.get("ladder", ())
    if not ladder:
        return None
    recipes = [recipe for recipe in found.get("recipes", ()) if isinstance(recipe, Mapping)]
    made = {entry["step"]: [r.get("name", "") for r in recipes if r.get("step") == entry["step"]] for entry in ladder}
    rows = [
        (
            f"{number}. {entry['step']}",
            plainly(entry.get("text", "")),
            coded(entry.get("verdict", "")),
            str(len(made[entry["step"]])),
            rule_refs(document, entry.get("rules", ())),
        )
        for number, entry in enumerate(ladder, 1)
    ]
    claims = [(name, value(told)) for name, told in document.section("tokens", "claims").items()]
    blocks: list[Block] = [
        Text("The checks run in this order, and the first that fails decides; a token that passes all is `valid`."),
        Table(
            "The ladder of checks",
            ("Check", "What", "Verdict", "Kinds of tokens that tests make for it", "Rules"),
            rows,
        ),
    ]
    if claims:
        blocks.append(Table("The claims", ("Claims", "Are"), claims))
    kinds = [(step, ", ".join(map(coded, names))) for step, names in made.items() if names]
    if kinds:
        blocks.append(Table("Kinds of tokens by the check that they end on", ("Check", "Tokens"), kinds))
    return Page("tokens", "Tokens", blocks)
