"""The vectors of a document's tokens as a page: what is presented, and what the rules say of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spec.model import Document
from spec.tokens import Recipe, read_recipes
from spec.tokens.describing import deployments, describe

__all__ = ["page"]

_HEAD = """# Tokens

Every token that the suite presents, and what the rules say of it. The checks of a token run in the order of the
sections below (behind that of its absence), and the first that fails decides. A vector is a valid token but for what is
said of it, and *our* is what a valid token has. In `order-…` two things are wrong, and the earlier check decides.

- **verdict**: `valid`, `invalid` or `expired`; the protocol says by which error or status a client is told.
- **level**: a MUST that is broken fails a run; a SHOULD warns, or fails it with `--fail-on should`.
- **deployments**: to others the vector means nothing. Where there are several keys each of them signs: the first of an
  algorithm every vector, the others what is about keys. Where `jku` or `x5u` point the suite listens itself, if the
  target is on loopback; a target that comes there for keys has broken the rule, whatever it makes of them.
- **in**: where it says `message`, no header or query can carry the token, or HTTP's own limits might decide there.

What the rules leave open has no vector; `spec/protocols/common.yaml` says what that is. `make docs` writes this page.
"""

_COLUMNS = ("vector", "what is presented", "verdict", "level", "deployments", "in", "rules")


def page(document: Document) -> str:
    """The page of a document, in Markdown: a section for each rung of its ladder that a vector ends on."""
    recipes = read_recipes([recipe.data for recipe in document.recipes])
    verdicts = {**document.verdicts, "valid": "valid"}
    sections = [_HEAD]
    for step, verdict in verdicts.items():
        rows = [_line(_cells(recipe, verdict)) for recipe in recipes if recipe.step == step]
        if rows:
            title = f"## {step.replace('_', ' ').capitalize()}"
            sections.append("\n".join([title, "", _line(_COLUMNS), _line("---" for _ in _COLUMNS), *rows]) + "\n")
    return "\n".join(sections)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cells(recipe: Recipe, verdict: str) -> Iterator[str]:
    yield f"`{recipe.name}`"
    yield describe(recipe)
    yield verdict
    yield recipe.level.upper()
    yield deployments(recipe)
    yield "message" if recipe.only == "message" or recipe.size is not None else "all"
    yield ", ".join(recipe.rules)
