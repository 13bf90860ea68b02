"""Attribution: which rule a finding blames first, by what else was found in the run."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from conformance.verdicts import Result
from spec.tracker import Finding

__all__ = ["Attribution"]


@frozen
class Attribution:
    """Blames what a step was there for only where the plain exchange does not fail alike.

    `plain` are the kinds of findings that show in plain exchanges, `every` those that show anywhere.
    """

    plain: frozenset[tuple[str, str]]
    every: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, results: Iterable[Result]) -> Attribution:
        """What can be said after these results."""
        found = [finding for result in results for finding in result.findings if finding.shadow is None]
        return cls(frozenset(f.key for f in found if not f.focus), frozenset(f.key for f in found))

    def attributed(self, result: Result) -> Result:
        """A result whose findings, and whose rules, begin with the rule to blame."""
        findings = tuple(self._finding(finding) for finding in result.findings)
        rules = tuple(dict.fromkeys(rule for finding in findings for rule in finding.blamed))
        return evolve(result, findings=findings, rules=rules or result.rules)

    def _finding(self, finding: Finding) -> Finding:
        """A finding that follows from a plainer one, or from one of a rule that is due more widely, blames that."""
        if finding.shadow is not None and finding.shadow in self.every:
            return evolve(finding, rules=(finding.shadow[1], *finding.rules), focus=())
        if finding.focus and finding.key in self.plain:
            return evolve(finding, rules=(*finding.rules, *finding.focus), focus=())
        general = next((rule for rule in finding.rules[1:] if (finding.check, rule) in self.plain), None)
        if general is not None and not finding.focus:
            return evolve(finding, rules=tuple(dict.fromkeys((general, *finding.rules))))
        return finding
