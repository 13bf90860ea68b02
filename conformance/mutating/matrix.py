"""The matrix: what became of every mutant, by rule and by operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from conformance.mutating.trying import VERDICTS, Trial
from spec.authoring.mutants import OPERATORS
from spec.model import Document, Rule

__all__ = ["Fault", "Matrix", "Shown"]

FORMAT = 1


@frozen
class Fault:
    """A fault of a server that was broken by hand, and the rules that it breaks."""

    server: str
    name: str
    rules: tuple[str, ...]
    text: str


@frozen
class Shown:
    """How a rule fares: how many mutants break it, and how many of each verdict there are among them.

    `explained` are the mutants whose first failure names this rule first, `faults` those of servers broken by hand.
    """

    rule: Rule
    counts: Mapping[str, int]
    explained: tuple[Trial, ...]
    faults: tuple[Fault, ...]

    @property
    def broken(self) -> int:
        return sum(count for verdict, count in self.counts.items() if verdict != "impossible")

    @property
    def holds(self) -> bool:
        """Whether a fault shows that the rule is tested: a mutant that it alone explains, or one made by hand."""
        return bool(self.explained or self.faults)


@frozen
class Matrix:
    """The trials of one run over a protocol's mutants, in the order of the catalogue."""

    document: Document
    trials: Sequence[Trial]
    faults: Sequence[Fault] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many mutants there are of each verdict."""
        counted = Counter(trial.verdict for trial in self.trials)
        return {verdict: counted[verdict] for verdict in VERDICTS}

    @property
    def share(self) -> float:
        """The share of the mutants that were not equivalent which were caught with a rule of their own first."""
        counts = self.counts
        tried = counts["right"] + counts["otherwise"] + counts["survived"]
        return counts["right"] / tried if tried else 1.0

    def of(self, verdict: str) -> list[Trial]:
        return [trial for trial in self.trials if trial.verdict == verdict]

    def rules(self) -> list[Shown]:
        """How each rule fares that the wire can show."""
        return [self._shown(rule) for rule in self.document.rules.values() if rule.observe == "wire"]

    def _shown(self, rule: Rule) -> Shown:
        mine = [trial for trial in self.trials if rule.id in trial.mutant.rules]
        explained = tuple(trial for trial in mine if trial.verdict == "right" and trial.named[0] == rule.id)
        faults = tuple(fault for fault in self.faults if fault.rules[:1] == (rule.id,))
        return Shown(rule, Counter(trial.verdict for trial in mine), explained, faults)

    def operators(self) -> dict[str, Counter[str]]:
        """The verdicts of each operator's mutants."""
        found: dict[str, Counter[str]] = {}
        for trial in self.trials:
            found.setdefault(trial.mutant.operator, Counter())[trial.verdict] += 1
        return {name: found[name] for name in OPERATORS if name in found}

    def data(self) -> dict[str, Any]:
        """The matrix as plain data: the `json` report."""
        return {
            "format": FORMAT,
            "protocol": self.document.name,
            "version": self.document.version,
            "document": self.document.digest,
            "counts": self.counts,
            "right": round(self.share, 4),
            "rules": [
                {
                    "id": shown.rule.id,
                    "mutants": shown.broken,
                    "explains": [trial.mutant.id for trial in shown.explained],
                    "counts": {verdict: shown.counts.get(verdict, 0) for verdict in VERDICTS},
                    "by_hand": [f"{fault.server}:{fault.name}" for fault in shown.faults],
                }
                for shown in self.rules()
            ],
            "mutants": [
                {
                    "id": trial.mutant.id,
                    "operator": trial.mutant.operator,
                    "rules": list(trial.mutant.rules),
                    "text": trial.mutant.text,
                    "patch": [dict(operation) for operation in trial.mutant.edit.patch],
                    "verdict": trial.verdict,
                    "named": list(trial.named),
                    "case": trial.case,
                    "said": trial.said,
                    "apart": trial.apart,
                    "stage": trial.stage,
                    "failures": trial.failures,
                    "played": trial.played,
                    "seconds": round(trial.seconds, 2),
                }
                for trial in self.trials
            ],
        }
