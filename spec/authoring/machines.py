"""Checks of a document's machine: only of a minimal one whose states are all reached can be shown what a server is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from spec.abstraction import Layer, abstract
from spec.compiling import compile_source
from spec.loading import Problem, Source
from spec.model import Document
from spec.parameters import resolve

__all__ = ["machine_problems"]

_MOST = 64
"""How many deployments of a document are looked at."""


def machine_problems(source: Source) -> list[Problem]:
    """States that behave alike in every deployment that has both, and states that no deployment reaches.

    A deployment is a choice of each parameter that is one, or a switch; that every input is decided, and by one row,
    the loader has seen to, since the first row that passes decides.
    """
    document = compile_source(source)
    layers = [abstract(document, parameters) for parameters in islice(_deployments(document), _MOST)]
    return [*_unreached(source, document, layers), *_alike(source, layers)]


def _deployments(document: Document) -> Iterator[dict[str, Any]]:
    choices = {name: entry.values for name, entry in document.parameters.items() if entry.type == "choice"}
    choices |= {name: ("true", "false") for name, entry in document.parameters.items() if entry.type == "switch"}
    for chosen in product(*choices.values()):
        yield resolve(document.parameters, dict(zip(choices, chosen, strict=True)))


def _unreached(source: Source, document: Document, layers: list[Layer]) -> Iterator[Problem]:
    reached = {state for layer in layers for state in layer.machine.states}
    for state in document.leaves():
        if state.path not in reached:
            yield _problem(source, state.path, f"no exchange leads to `{state.path}`", "delete it, or lead there")


def _alike(source: Source, layers: list[Layer]) -> Iterator[Problem]:
    machines = [layer.machine for layer in layers]
    pairs = dict.fromkeys(pair for machine in machines for pair in machine.twins())
    for first, second in pairs:
        having = [machine for machine in machines if {first, second} <= set(machine.states)]
        if all((first, second) in machine.twins() for machine in having):
            text = f"`{second}` behaves as `{first}` does under every input: no client can tell which of them it is in"
            yield _problem(source, second, text, "make one state of them, or say where they differ")


def _problem(source: Source, state: str, message: str, hint: str) -> Problem:
    pointer = "/connection" + "".join(f"/states/{part}" for part in state.partition(" ")[0].split("."))
    return Problem(source.place(pointer), pointer, message, hint)
