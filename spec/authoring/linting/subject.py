"""A document as the rules of lint look at it, and what they find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice, product
from typing import Any

from attrs import frozen

from spec.abstraction import Layer, abstract
from spec.authoring.outlining import Outline, outline
from spec.compiling import compile_source
from spec.loading import Place, Source
from spec.loading.nodes import join
from spec.model import Document
from spec.parameters import resolve
from spec.references.names import Names

__all__ = ["Found", "Subject"]

_MOST = 64
"""How many deployments of a document are looked at."""


@frozen
class Found:
    """What a rule found: at a JSON Pointer of the document, what is wrong, and what to do.

    `at_key` says that the key is meant there, and not its value.
    """

    pointer: str
    message: str
    hint: str
    at_key: bool = False


@frozen(eq=False, slots=False)
class Subject:
    """A document that was read; what is dear to make is made once, and only where a rule asks for it."""

    source: Source

    @cached_property
    def data(self) -> Mapping[str, Any]:
        return self.source.data

    @cached_property
    def document(self) -> Document:
        return compile_source(self.source)

    @cached_property
    def outline(self) -> Outline:
        return outline(self.source)

    @cached_property
    def names(self) -> Names:
        return Names.of(self.source.data)

    @cached_property
    def deployments(self) -> list[dict[str, Any]]:
        """Parameters of every deployment: each choice of each parameter that is one, or a switch."""
        parameters = self.document.parameters
        choices: dict[str, tuple[str, ...]] = {n: p.values for n, p in parameters.items() if p.type == "choice"}
        choices |= {name: ("true", "false") for name, entry in parameters.items() if entry.type == "switch"}
        chosen = islice(product(*choices.values()), _MOST)
        return [resolve(parameters, dict(zip(choices, values, strict=True))) for values in chosen]

    @cached_property
    def endless(self) -> bool:
        """Whether timers start each other without end in some deployment, so that there is no machine to speak of."""
        try:
            return not self._layers
        except RecursionError:
            return True

    @property
    def layers(self) -> list[Layer]:
        """The connection as a finite machine, in each deployment; none where something in it has no end."""
        return [] if self.endless else self._layers

    @cached_property
    def _layers(self) -> list[Layer]:
        return [abstract(self.document, parameters) for parameters in self.deployments]

    def own(self, *path: str) -> bool:
        """Whether what stands there is of the document itself, and not of a file that it includes for others' sake."""
        return self.source.place_of_key(join(path)).file == self.source.tree.file

    def place(self, found: Found) -> Place:
        """Where something that was found stands."""
        return self.source.place_of_key(found.pointer) if found.at_key else self.source.place(found.pointer)

    def forms(self) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
        """Every form of a message, with its path."""
        for name, message in self.data.get("messages", {}).items():
            yield from ((("messages", name, role), form) for role, form in message.items())
