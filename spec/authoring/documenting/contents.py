"""The pages of a document's documentation, in their order."""

from __future__ import annotations

from collections.abc import Iterable

from spec.authoring.documenting import behaviour, failures, messages, opening, overview, rest, rules, scenarios
from spec.authoring.documenting.blocks import Page
from spec.authoring.documenting.rules import Cases
from spec.authoring.outlining import Outline

__all__ = ["pages"]


def pages(document: Outline, cases: Cases | None = None, more: Iterable[Page | None] = ()) -> tuple[Page, ...]:
    """Every page; a page for which the document has nothing is left out.

    `cases` are a suite's: for each rule how many of each family are there for it. `more` stands behind the rest.
    """
    found = (
        overview.page(document),
        overview.parameters(document),
        opening.page(document),
        opening.versions(document),
        opening.endpoints(document),
        messages.page(document),
        behaviour.matrix(document),
        behaviour.states(document),
        behaviour.timers(document),
        failures.errors(document),
        failures.tokens(document),
        scenarios.page(document),
        rest.page(document),
        rules.page(document, cases),
        *more,
    )
    return tuple(page for page in found if page is not None)
