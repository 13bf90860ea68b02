"""Which deployments of two documents are compared: every stage of the newer one, with what the older one has of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from attrs import frozen

from spec.model import Document
from spec.parameters import ParameterProblem, format_value, resolve

__all__ = ["Deployments", "deployments"]

_ORIGIN = "https://app.example"
_MOST = 12


@frozen
class Deployments:
    """One deployment of each document: their choices as text, and all their parameters."""

    old: Mapping[str, str]
    new: Mapping[str, str]
    parameters: tuple[Mapping[str, Any], Mapping[str, Any]]

    @property
    def name(self) -> str:
        """The stage: what was chosen for the newer document, or where that chooses nothing, for the older."""
        chosen = {k: v for k, v in self.new.items() if k != "origins"} or {
            k: v for k, v in self.old.items() if k != "origins"
        }
        return ", ".join(f"{name} {value}" for name, value in chosen.items())


def deployments(old: Document, new: Document, given: Mapping[str, str]) -> list[Deployments]:
    """The pairs to compare, the defaults first; `given` fixes parameters of both.

    A choice that only one of them has is left at the other's default, so a document with a rollout is compared with
    one without it stage by stage.
    """
    choices: dict[str, list[str]] = {}
    for document in (new, old):
        for name, values in _choices(document).items():
            choices.setdefault(name, [])
            choices[name] += [value for value in values if value not in choices[name]]
    choices.update({name: [value] for name, value in given.items()})
    found: dict[tuple[Any, ...], Deployments] = {}
    for combination in product(*choices.values()):
        chosen = dict(zip(choices, combination, strict=True))
        pair = (_fitting(old, chosen, given), _fitting(new, chosen, given))
        key = tuple(tuple(sorted(side.items())) for side in pair)
        if key not in found and len(found) < _MOST:
            parameters = (resolve(old.parameters, pair[0]), resolve(new.parameters, pair[1]))
            found[key] = Deployments(*pair, parameters)
    return list(found.values())


def _choices(document: Document) -> dict[str, list[str]]:
    """The parameters that guards ask for, with their values, the default first; origins where these are asked for."""
    found: dict[str, list[str]] = {}
    for fact in document.facts.values():
        if fact.kind == "parameter":
            name = fact.options["parameter"]
            default = format_value(document.parameters[name].default)
            found[name] = sorted(fact.values, key=lambda value, default=default: value != default)  # type: ignore[misc]
        elif fact.kind == "origin" and str(fact.options["allowed"]).startswith("$parameters."):
            name = str(fact.options["allowed"]).removeprefix("$parameters.")
            if not document.parameters[name].default:
                found[name] = [_ORIGIN]
    return found


def _fitting(document: Document, chosen: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """What of some choices a document has; what is given must fit one that has the parameter."""
    found = {}
    for name, value in chosen.items():
        if name not in document.parameters:
            continue
        try:
            resolve(document.parameters, {name: value})
        except ParameterProblem:
            if name in given:
                raise
            continue
        found[name] = value
    return found
