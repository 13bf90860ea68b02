"""What a project makes of changes: severities, exceptions with a reason and an end, and what a version must tell.

A policy is a TOML file:

    profile = "wire"            # wire, codegen or docs: what counts beside exchanges
    order = "server-first"      # server-first, clients-first or both: which order of an upgrade must hold
    versions = "check"          # check or ignore: whether a breaking change needs a higher `version`

    [severity]                  # a rule, a row of the catalogue or a glob: error, warning, info or none
    "M05.*" = "warning"

    [stability]                 # a glob over JSON Pointers: stable, beta (at most a warning), alpha or draft (info)
    "/messages/typing*" = "draft"

    [[ignore]]
    change = "M10.client@/messages/chat_message/*"   # a glob over ids, or a fingerprint
    reason = "no client ever sent more"
    expires = 2027-01-31
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import evolve, field, frozen

from spec.authoring.diffing.changes import Change, change
from spec.authoring.diffing.comparing import Comparison
from spec.authoring.diffing.rules import RULES
from spec.authoring.policyfile import PolicyFile

__all__ = [
    "LEVELS",
    "ORDERS",
    "PROFILES",
    "STABILITY",
    "Finding",
    "Ignore",
    "Judgement",
    "Policy",
    "judge",
    "read_policy",
]

LEVELS = ("none", "info", "warning", "error")
PROFILES = ("wire", "codegen", "docs")
ORDERS = ("server-first", "clients-first", "both")
STABILITY: Mapping[str, str] = {"stable": "error", "beta": "warning", "alpha": "info", "draft": "info"}
"""The worst that a change can be to something of this stability."""

_SEVERITY = {"breaks": "error", "warns": "warning", "safe": "info"}


@frozen
class Ignore:
    """An exception: changes whose id fits, or one by its fingerprint, until a day."""

    change: str
    reason: str
    expires: date | None = None

    def fits(self, found: Change) -> bool:
        return found.fingerprint == self.change or found.id == self.change or fnmatchcase(found.id, self.change)


@frozen
class Policy:
    """What a project makes of changes."""

    profile: str = "wire"
    order: str = "server-first"
    versions: str = "check"
    severity: Mapping[str, str] = field(factory=dict)
    stability: Mapping[str, str] = field(factory=dict)
    ignores: tuple[Ignore, ...] = ()

    def level(self, found: Change) -> str:
        """The severity of a change: the policy's own word on it, else what it breaks in the orders that must hold."""
        own = [
            level for glob, level in self.severity.items() if fnmatchcase(found.rule.id, glob) or glob == found.rule.row
        ]
        if own:
            return own[-1]
        if found.rule.id == "V09":
            return "error"
        orders = {"server-first": ("server_first",), "clients-first": ("clients_first",)}.get(
            self.order, ("server_first", "clients_first")
        )
        said = [_SEVERITY[found.verdict(order)] for order in orders]
        said += ["warning"] if found.rule.security else []
        said += [_SEVERITY[found.rule.codegen]] if self.profile in ("codegen", "docs") else []
        said += [_SEVERITY[found.rule.docs]] if self.profile == "docs" else []
        return min(max(said, key=LEVELS.index), self._most(found), key=LEVELS.index)

    def _most(self, found: Change) -> str:
        """The worst that it can be by the stability of what was changed."""
        at = found.old_at or found.new_at
        known = [STABILITY[level] for glob, level in self.stability.items() if fnmatchcase(at, glob)]
        return known[-1] if known else "error"


@frozen
class Finding:
    """A change with its severity; `ignored` is the reason why it counts for nothing."""

    change: Change
    level: str
    ignored: str | None = None


@frozen
class Judgement:
    """A comparison by a policy; `stale` are exceptions that are to be taken out, each with why."""

    comparison: Comparison
    policy: Policy
    findings: tuple[Finding, ...]
    stale: tuple[str, ...] = ()

    def counted(self) -> dict[str, int]:
        """How many changes have each severity; what is ignored counts apart."""
        found = dict.fromkeys(("error", "warning", "info", "ignored"), 0)
        for one in self.findings:
            found["ignored" if one.ignored else one.level] += one.level != "none" or bool(one.ignored)
        return found

    def fails(self, on: str) -> bool:
        """Whether something is as bad as that, or an exception is stale."""
        if on == "never":
            return False
        bad = any(not one.ignored and LEVELS.index(one.level) >= LEVELS.index(on) for one in self.findings)
        return bad or bool(self.stale)


def judge(comparison: Comparison, policy: Policy, today: date | None = None) -> Judgement:
    """Judge the changes of a comparison; `today` ends exceptions."""
    now = today or datetime.now(UTC).date()
    changes = [*comparison.changes, *_versions(comparison, policy)]
    live = [one for one in policy.ignores if one.expires is None or one.expires >= now]
    findings = []
    for found in changes:
        level = policy.level(found)
        reason = next((one.reason for one in live if one.fits(found)), None)
        if level != "none" or reason:
            findings.append(Finding(found, level, reason))
    findings.sort(key=lambda one: (one.ignored is not None, -LEVELS.index(one.level)))
    stale = [f"`{one.change}` fits no change" for one in live if not any(one.fits(found) for found in changes)]
    stale += [
        f"`{one.change}` was ignored until {one.expires}"
        for one in policy.ignores
        if one.expires is not None and one.expires < now
    ]
    return Judgement(comparison, policy, tuple(findings), tuple(stale))


def _versions(comparison: Comparison, policy: Policy) -> list[Change]:
    """What the version of the newer document must tell and does not."""
    old, new = comparison.versions
    if policy.versions == "ignore" or comparison.digests[0] == comparison.digests[1]:
        return []
    if new < old:
        return [change("V09", "/version", "/version", f"version {old} → {new} goes back")]
    unversioned = evolve(policy, versions="ignore", ignores=())
    worst = [found for found in comparison.changes if unversioned.level(found) == "error"]
    if worst and new == old:
        text = f"version {old} stays, though {worst[0].id} breaks something" + (
            f" and {len(worst) - 1} more do" if len(worst) > 1 else ""
        )
        return [change("V09", "/version", "/version", text)]
    return []


def read_policy(path: Path) -> Policy:
    """A policy from a TOML file.

    Raises:
        Stop: for everything in it that is not understood.
    """
    file = PolicyFile.read(path, ("profile", "order", "versions", "severity", "stability", "ignore"))
    names = [name for rule in RULES.values() for name in (rule.id, rule.row)]
    return Policy(
        file.choice("profile", PROFILES, "wire"),
        file.choice("order", ORDERS, "server-first"),
        file.choice("versions", ("check", "ignore"), "check"),
        file.severity(LEVELS, names, "handfast diff --rules"),
        file.levels("stability", tuple(STABILITY)),
        tuple(
            Ignore(one.about["change"], one.reason, one.expires)
            for one in file.exemptions("change", "its id, a glob or a fingerprint")
        ),
    )
