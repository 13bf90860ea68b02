"""Attribution: which rule a finding blames first, by what else was found in the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import evolve, frozen

from conformance.verdicts import Result
from spec.tracker import Finding

__all__ = ["Attribution"]

Kind = tuple[str, str]
"""A kind of finding: what was compared, and the rule by which the output was due."""


@frozen
class Attribution:
    """Blames what a step was there for only where the plain exchange does not fail alike.

    `plain` are the kinds of findings that show in plain exchanges, each with the rules that those cases were there for;
    `every` are the kinds that show anywhere.
    """

    plain: Mapping[Kind, tuple[frozenset[str], ...]]
    every: frozenset[Kind]

    @classmethod
    def of(cls, results: Iterable[Result]) -> Attribution:
        """What can be said after these results."""
        plain: dict[Kind, list[frozenset[str]]] = {}
        every: set[Kind] = set()
        for result in results:
            for finding in result.findings:
                if finding.shadow is None:
                    every.add(finding.key)
                    if not finding.focus:
                        plain.setdefault(finding.key, []).append(frozenset(result.case.rules))
        return cls({kind: tuple(found) for kind, found in plain.items()}, frozenset(every))

    def attributed(self, result: Result) -> Result:
        """A result whose findings, and whose rules, begin with the rule to blame."""
        findings = tuple(self._finding(finding) for finding in result.findings)
        rules = tuple(dict.fromkeys(rule for finding in findings for rule in finding.blamed))
        return evolve(result, findings=findings, rules=rules or result.rules)

    def _finding(self, finding: Finding) -> Finding:
        """A finding that follows from a plainer one, or from one of a rule that is due more widely, blames that."""
        if finding.shadow is not None and finding.shadow in self.every:
            return evolve(finding, rules=(finding.shadow[1], *finding.rules), focus=())
        # A case that is there for the same rule, though no step of it says so, is no plainer exchange.
        plainer = any(rules.isdisjoint(finding.focus) for rules in self.plain.get(finding.key, ()))
        if finding.focus and plainer:
            return evolve(finding, rules=(*finding.rules, *finding.focus), focus=())
        general = next((rule for rule in finding.rules[1:] if (finding.check, rule) in self.plain), None)
        if general is not None and not finding.focus:
            return evolve(finding, rules=tuple(dict.fromkeys((general, *finding.rules))))
        return finding
