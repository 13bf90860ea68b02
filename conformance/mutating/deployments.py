"""Deployments for mutants: quick values, everything configured that rules apply to, and every stage of a rollout."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import product
from typing import Any

from attrs import define, field, frozen

from conformance.arranging import arrange, bare_arguments
from conformance.families import all_cases
from conformance.plan import Plan
from conformance.scripts import Case
from spec.compiling import compile_source
from spec.deploying import fresh_deployment
from spec.loading import Source, find, read
from spec.model import Document
from spec.parameters import format_value, resolve

__all__ = ["AUDIENCE", "ISSUER", "VARIABLE", "Bench", "Deployment", "chosen_parameters", "stages"]

VARIABLE = "HANDFAST_MUTANTS_SECRET"
"""The environment variable with the key of the mutants' tokens."""

ISSUER, AUDIENCE, _ORIGIN = "https://issuer.example", "urn:handfast:mutants", "https://app.example"

_DUE = "1s"
"""What is due without a deadline is due sooner than by default: a mutant that says nothing is waited for."""


@frozen
class Deployment:
    """One way to deploy a protocol: parameters as text, on top of the quick values."""

    name: str
    settings: Mapping[str, str]

    @property
    def pairs(self) -> list[str]:
        return [f"{name}={value}" for name, value in self.settings.items()]


def stages(document: Document) -> list[Deployment]:
    """Every stage in which a document can be deployed: each combination of the parameters that guards ask for.

    The default comes first. Where a fact needs a list to mean anything, it gets one.
    """
    common: dict[str, str] = {}
    choices: dict[str, list[str]] = {}
    for fact in document.facts.values():
        if fact.kind == "origin":
            common[str(fact.options["allowed"]).removeprefix("$parameters.")] = _ORIGIN
        elif fact.kind == "parameter":
            name = fact.options["parameter"]
            default = format_value(document.parameters[name].default)
            choices[name] = sorted(fact.values, key=lambda value, default=default: value != default)  # type: ignore[misc]
    if str(document.due_within).startswith("$parameters."):
        common[str(document.due_within).removeprefix("$parameters.")] = _DUE
    found = []
    for values in product(*choices.values()):
        chosen = dict(zip(choices, values, strict=True))
        found.append(Deployment("+".join(values) or "default", {**common, **chosen}))
    return found


def chosen_parameters(document: Document) -> dict[str, Any]:
    """The parameters, parsed, of the first deployment: what operators read where they make a value another."""
    return resolve(document.parameters, stages(document)[0].settings, quick=True)


@define
class Bench:
    """What one process knows of a protocol: its document, and a plan with its cases for each deployment."""

    protocol: str
    source: Source = field(init=False)
    document: Document = field(init=False)
    deployed: list[str] = field(init=False)
    _plans: dict[str, tuple[Plan, list[Case]]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.source = read(find(self.protocol))
        self.document = compile_source(self.source)
        self.deployed = fresh_deployment(self.document, VARIABLE)

    def stages(self) -> list[Deployment]:
        return stages(self.document)

    def plan(self, deployment: Deployment) -> Plan:
        """The plan of a deployment; nothing listens at its target."""
        return self._made(deployment)[0]

    def cases(self, deployment: Deployment) -> list[Case]:
        """Every case of a deployment."""
        return self._made(deployment)[1]

    def _made(self, deployment: Deployment) -> tuple[Plan, list[Case]]:
        if deployment.name not in self._plans:
            flags: dict[str, Any] = {"secret": f"env:{VARIABLE}", "quick": True, "issuer": ISSUER, "audience": AUDIENCE}
            # A target file that lies about is none of ours.
            arguments = bare_arguments(
                document=str(find(self.protocol)),
                target=os.devnull,
                set=deployment.pairs,
                **flags,
                deployed=self.deployed,
            )
            plan = Plan(arrange(arguments, "ws://127.0.0.1:1").target)
            self._plans[deployment.name] = plan, list(all_cases(plan))
        return self._plans[deployment.name]
