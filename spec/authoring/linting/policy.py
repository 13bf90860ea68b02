"""What a project makes of what lint finds: severities, and what is let pass, with a reason and an end.

A policy is a TOML file, `lint.toml` beside the document or the one that `--policy` names:

    [severity]                  # a rule or a glob: error, warning, info or none
    "unused-name" = "error"

    [[ignore]]
    rule = "browser-header"     # a rule or a glob
    at = "/facts/*"             # a glob over JSON Pointers of the document; without it, anywhere
    document = "v1.yaml"        # a glob over the names of files; without it, every document
    reason = "only our own servers connect"
    expires = 2027-01-31
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import field, frozen

from spec.authoring.linting.catalogue import LEVELS, RULES
from spec.authoring.policyfile import Exemption, PolicyFile
from spec.loading import Place

__all__ = ["Finding", "Policy", "read_policy"]


@frozen
class Finding:
    """What lint found: the rule, its severity, where, what, and what to do; `ignored` is the reason to let it pass."""

    code: str
    level: str
    place: Place
    pointer: str
    message: str
    hint: str | None = None
    ignored: str | None = None

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {self.level} {self.code}: {self.message}{hint}"


@frozen(eq=False)
class Policy:
    """What a project makes of findings; `path` is the file that says so."""

    severity: Mapping[str, str] = field(factory=dict)
    exemptions: tuple[Exemption, ...] = ()
    path: Path | None = None

    def level(self, code: str) -> str:
        """The severity of a rule; the last glob that fits decides."""
        own = [level for glob, level in self.severity.items() if fnmatchcase(code, glob)]
        return own[-1] if own else RULES[code].level

    def reason(self, code: str, pointer: str, document: str, today: date) -> str | None:
        """Why something is let pass, or None where it is not."""
        live = (one for one in self.exemptions if not one.ended(today))
        return next((one.reason for one in live if _fits(one, code, pointer, document)), None)

    def stale(self, findings: Iterable[tuple[str, Finding]], documents: set[str], today: date) -> list[str]:
        """Exemptions that are to be taken out, each with why; `findings` come with their documents' file names."""
        found, told = list(findings), []
        for one in self.exemptions:
            if not any(fnmatchcase(name, one.about.get("document", "*")) for name in documents):
                continue
            about = " at ".join(filter(None, (f"`{one.about['rule']}`", one.about.get("at"))))
            if one.ended(today):
                told.append(f"{self.path}: {about} was ignored until {one.expires}")
            elif not any(_fits(one, finding.code, finding.pointer, name) for name, finding in found):
                told.append(f"{self.path}: the `ignore` of {about} fits nothing")
        return told


def _fits(one: Exemption, code: str, pointer: str, document: str) -> bool:
    wanted = {"rule": code, "at": pointer, "document": document}
    return all(fnmatchcase(value, one.about.get(key, "*")) for key, value in wanted.items())


def read_policy(path: Path) -> Policy:
    """A policy from a TOML file.

    Raises:
        Stop: for everything in it that is not understood.
    """
    file = PolicyFile.read(path, ("severity", "ignore"))
    severity = file.severity(LEVELS, RULES, "handfast lint --rules")
    exemptions = tuple(file.exemptions("rule", "its code, or a glob", "at", "document"))
    for one in exemptions:
        if not any(fnmatchcase(code, one.about["rule"]) for code in RULES):
            raise file.wrong(f"no rule fits `{one.about['rule']}`", "`handfast lint --rules` shows them")
    return Policy(severity, exemptions, path)
