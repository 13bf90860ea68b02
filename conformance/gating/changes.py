"""What the new document changes for those who have the old one, at each stage that a target is at.

A change counts where a server is: what breaks old clients at the last stage of a rollout breaks nobody before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from attrs import evolve, field, frozen

from conformance.gating.file import Allowed, Gate, Site
from spec.authoring.diffing.changes import Change
from spec.authoring.diffing.comparing import Comparison, compare
from spec.authoring.diffing.policy import LEVELS, Finding, Ignore, Judgement, Policy, judge
from spec.loading import Source
from spec.model import Document
from spec.parameters import ParameterProblem, format_value, resolve

__all__ = ["Changes", "Misplaced", "Stage", "changes", "stages"]


class Misplaced(ValueError):
    """A parameter of a target that the document does not have, or not so; `at` leads to it in the gate's file."""

    def __init__(self, at: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.at = at


@frozen
class Stage:
    """What targets have in common of the choices that a document's guards ask for, such as a rollout."""

    values: Mapping[str, str]
    sites: tuple[str, ...]

    @property
    def name(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.values.items())


@frozen
class Changes:
    """The changes of all stages as one judgement, and what is to be done to the list of allowed ones.

    `allowed` says by its entry what is let through; `stale` has a sentence for each entry that does not fit.
    """

    judgement: Judgement
    allowed: Mapping[str, Allowed] = field(factory=dict)
    stale: tuple[str, ...] = ()

    @property
    def breaking(self) -> list[Finding]:
        """What breaks somebody and is not allowed."""
        return [one for one in self.judgement.findings if one.level == "error" and not one.ignored]

    @property
    def let_through(self) -> list[Finding]:
        """What is allowed."""
        return [one for one in self.judgement.findings if one.ignored]


def stages(gate: Gate, document: Document) -> list[Stage]:
    """The stages at which the targets are, each once, in the order of the file.

    Raises:
        Misplaced: where parameters of a target do not fit the document.
    """
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for number, site in enumerate(gate.sites):
        found.setdefault(tuple(_choices(document, number, site).items()), []).append(site.name)
    return [Stage(dict(values), tuple(names)) for values, names in found.items()]


def _choices(document: Document, number: int, site: Site) -> dict[str, str]:
    given = {name: value if isinstance(value, list | bool) else str(value) for name, value in _given(site).items()}
    for name, value in given.items():
        try:
            resolve(document.parameters, {name: value})
        except ParameterProblem as problem:
            raise Misplaced(("target", number, "parameters", name), str(problem)) from None
    parameters = resolve(document.parameters, given)
    asked = [fact.options["parameter"] for fact in document.facts.values() if fact.kind == "parameter"]
    return {name: format_value(parameters[name]) for name in asked}


def _given(site: Site) -> Mapping[str, object]:
    return site.tables["parameters"]


def changes(gate: Gate, old: Source, new: Source, where: Sequence[Stage], policy: Policy, today: date) -> Changes:
    """Compare two documents at every stage, and judge what is found by the policy and by what is allowed."""
    merged: dict[tuple[str, str], tuple[Finding, list[str]]] = {}
    allowed: dict[str, Allowed] = {}
    used: set[str] = set()
    stale: list[set[str]] = []
    comparisons: list[Comparison] = []
    plain = evolve(policy, order=gate.demands.order or policy.order)
    for stage in where:
        comparison = compare(old, new, stage.values)
        comparisons.append(comparison)
        valid = [one for one in gate.allowed if one.speaks_at(stage.values) and one.expires >= today]
        whole = judge(comparison, plain, today)
        stale.append(set(whole.stale))
        for finding in whole.findings:
            # What breaks nobody needs no leave; an entry must not look as if it were for more than it is.
            entry = next((one for one in valid if _ignore(one).fits(finding.change)), None)
            if entry is not None and finding.level == "error" and not finding.ignored:
                used.add(entry.place)
                allowed.setdefault(finding.change.fingerprint, entry)
                finding = evolve(finding, ignored=entry.reason)
            key = finding.change.id, finding.change.text
            known, names = merged.get(key, (finding, []))
            merged[key] = _worse(known, finding), [*names, stage.name]
    findings = tuple(_placed(finding, names, where) for finding, names in merged.values())
    told = _unfit(gate, used, where, today) + sorted(set[str].intersection(*stale) if stale else set())
    ordered = sorted(findings, key=lambda one: (one.ignored is not None, -LEVELS.index(one.level)))
    return Changes(Judgement(_one(comparisons), plain, tuple(ordered)), allowed, tuple(told))


def _ignore(entry: Allowed) -> Ignore:
    return Ignore(entry.change, entry.reason, entry.expires)


def _worse(one: Finding, other: Finding) -> Finding:
    """A change seen at two stages: what is not allowed at one of them is not allowed, and the worse severity counts."""
    first = max((one, other), key=lambda found: (found.ignored is None, LEVELS.index(found.level)))
    return evolve(first, change=one.change.joined(other.change))


def _placed(finding: Finding, names: Sequence[str], where: Sequence[Stage]) -> Finding:
    """A change with the stages at which it shows, where these are not all."""
    shown = tuple(name for name in names if name) if len(set(names)) < len(where) else finding.change.stages
    return evolve(finding, change=evolve(finding.change, stages=shown))


def _unfit(gate: Gate, used: Iterable[str], where: Sequence[Stage], today: date) -> list[str]:
    """What is to be done to entries that have expired, or that nothing needs."""
    told = []
    for entry in gate.allowed:
        if entry.expires < today:
            told.append(f"{entry.place}: `{entry.change}` was allowed until {entry.expires} ({entry.reason})")
        elif entry.place not in used and any(entry.speaks_at(stage.values) for stage in where):
            why = "allowed, and nothing of the kind breaks anybody"
            told.append(f"{entry.place}: `{entry.change}` is {why}; take the entry out, or correct what it names")
    return told


def _one(comparisons: Sequence[Comparison]) -> Comparison:
    found: dict[tuple[str, str], Change] = {}
    for one in (one for comparison in comparisons for one in comparison.changes):
        found.setdefault((one.id, one.text), one)
    names = dict.fromkeys(name for comparison in comparisons for name in comparison.stages)
    left = dict.fromkeys(text for comparison in comparisons for text in comparison.left_out)
    return evolve(comparisons[0], changes=tuple(found.values()), stages=tuple(names), left_out=tuple(left))
