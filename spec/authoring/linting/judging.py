"""Linting documents: every rule is asked, and a policy says what becomes of what they find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from attrs import frozen

from spec.authoring.linting.catalogue import LEVELS, RULES
from spec.authoring.linting.policy import Finding, Policy, read_policy
from spec.authoring.linting.subject import Subject
from spec.loading import DocumentError, Source, read

__all__ = ["BESIDE", "Judgement", "findings_of", "lint"]

BESIDE = "lint.toml"
"""The policy that holds for the documents in its folder, where none is named."""


@frozen
class Judgement:
    """What lint found in some documents; `stale` are exemptions that are to be taken out."""

    findings: tuple[Finding, ...]
    stale: tuple[str, ...] = ()

    def counted(self) -> dict[str, int]:
        """How many findings have each severity; what is ignored counts apart."""
        found = dict.fromkeys(("error", "warning", "info", "ignored"), 0)
        for one in self.findings:
            found["ignored" if one.ignored else one.level] += 1
        return found

    def fails(self, on: str) -> bool:
        """Whether something is as bad as that, or an exemption is stale."""
        if on == "never":
            return False
        bad = any(not one.ignored and LEVELS.index(one.level) >= LEVELS.index(on) for one in self.findings)
        return bad or bool(self.stale)


def lint(paths: Iterable[Path], policy: Policy | None = None, today: date | None = None) -> Judgement:
    """Lint documents; without a policy, by the one that lies beside each.

    Raises:
        Stop: for a policy that is not understood.
    """
    now = today or datetime.now(UTC).date()
    found: list[Finding] = []
    grouped: dict[Policy, list[tuple[str, list[Finding]]]] = {}
    policies: dict[Path, Policy] = {}
    for path in paths:
        if policy is None and path.parent not in policies:
            beside = path.parent / BESIDE
            policies[path.parent] = read_policy(beside) if beside.is_file() else Policy()
        own = policy or policies[path.parent]
        grouped.setdefault(own, []).append((path.name, judged := list(_judged(path, own, now))))
        found += judged
    stale: list[str] = []
    for own, documents in grouped.items():
        pairs = ((name, one) for name, judged in documents for one in judged)
        stale += own.stale(pairs, {name for name, _ in documents}, now)
    shown = (one for one in found if one.level != "none" or one.ignored)
    return Judgement(tuple(shown), tuple(stale))


def _judged(path: Path, policy: Policy, today: date) -> Iterator[Finding]:
    try:
        found: Iterable[Finding] = findings_of(read(path))
    except DocumentError as error:
        found = [Finding(p.code, "error", p.place, p.pointer, p.message, p.hint) for p in error.problems]
    for one in found:
        reason = policy.reason(one.code, one.pointer, path.name, today)
        level = policy.level(one.code)
        yield Finding(one.code, level, one.place, one.pointer, one.message, one.hint, reason)


def findings_of(source: Source) -> list[Finding]:
    """What every rule finds in a document that can be used, by file and position."""
    subject = Subject(source)
    found = [
        Finding(rule.code, rule.level, subject.place(one), one.pointer, one.message, one.hint)
        for rule in RULES.values()
        if rule.check is not None
        for one in rule.check(subject)
    ]
    distinct = {(one.code, one.place, one.message): one for one in reversed(found)}
    return sorted(distinct.values(), key=lambda one: (one.place, one.code, one.message))
