"""A mutant: a document with one fault, and what is known of the fault."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from spec.authoring.mutants.patches import Patch, patched
from spec.loading import OPTIONAL, Source, read_data

__all__ = ["Edit", "Mutant", "lean"]


@frozen
class Edit:
    """What an operator does at one place.

    `at` is the JSON Pointer of what is edited, `rules` those that the edited element carries out and so the ones that
    are broken, `text` what was changed, in words. `variant` tells several edits of one operator at one place apart.
    """

    at: str
    rules: tuple[str, ...]
    text: str
    patch: tuple[Patch, ...]
    variant: str = ""


@frozen
class Mutant:
    """An edit by an operator; `id` is stable as long as the document and the catalogue are."""

    operator: str
    edit: Edit

    @property
    def id(self) -> str:
        return f"{self.operator}@{self.edit.at}" + (f"={self.edit.variant}" if self.edit.variant else "")

    @property
    def at(self) -> str:
        return self.edit.at

    @property
    def rules(self) -> tuple[str, ...]:
        return self.edit.rules

    @property
    def text(self) -> str:
        return self.edit.text

    def data(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The mutant of a document's data, without what no server reads."""
        return patched(lean(data), self.edit.patch)

    def source(self, data: Mapping[str, Any]) -> Source:
        """The mutant, checked as every document is.

        Raises:
            DocumentError: where the edited document is none, since the format allows no such fault at this place.
        """
        return read_data(self.data(data), self.id)


def lean(data: Mapping[str, Any]) -> dict[str, Any]:
    """A document's data without the recipes of refused tokens and without scenarios: those are for tests alone.

    What examples name stays.
    """
    named = set(re.findall(r"\$token\.([a-z0-9-]+)", json.dumps(data["messages"])))
    recipes = [recipe for recipe in data["tokens"]["recipes"] if recipe["step"] == "valid" or recipe["name"] in named]
    kept = {**data, "tokens": {**data["tokens"], "recipes": recipes}, "scenarios": {}}
    return {name: part for name, part in kept.items() if part != OPTIONAL.get(name)}
