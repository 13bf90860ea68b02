"""The gate's file: documents, policy, what is allowed, targets; everything that is wrong with it is told at once.

Paths in it are relative to it, and secrets are only referred to, as in target files. Whoever reads one and goes on with
it works in its folder.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from conformance.targetfile import KEYS, read_target_file, section_problems
from conformance.tomlplaces import Toml
from conformance.wire import Endpoint
from spec.authoring.diffing.policy import ORDERS
from spec.exits import Exit, Stop
from spec.secrets import read_secret

__all__ = ["COVERAGE", "TIERS", "Allowed", "Demands", "Gate", "Site", "read_gate"]

TIERS = ("nothing", "token", "mint")
"""What of tokens a run had, the least first."""

COVERAGE = ("rules", "states", "transitions")
"""What can be asked to be reached, in percent."""

_DAY = "day; write 2027-01-31 without quotes"
_SHAPE: Mapping[str, Mapping[str, tuple[type, str]]] = {
    "": {
        "name": (str, "text"),
        "documents": (Mapping, "table"),
        "policy": (Mapping, "table"),
        "allow": (list, "list of tables; write [[allow]]"),
        "target": (list, "list of tables; write [[target]]"),
    },
    "documents": dict.fromkeys(("new", "old", "policy"), (str, "text")),
    "policy": {**dict.fromkeys(("fail_on", "order", "tier"), (str, "text")), "coverage": (Mapping, "table")},
    "allow": {
        **dict.fromkeys(("change", "reason"), (str, "text")),
        "expires": (date, _DAY),
        "stage": (Mapping, "table"),
    },
    "target": {
        **dict.fromkeys(("name", "url", "file", "baseline", "last", "failures", "ca"), (str, "text")),
        "connections": (int, "whole number"),
        "owned": (bool, "true or false"),
        **{section: (Mapping, "table") for section in KEYS if section != "target"},
    },
}
"""Table -> key -> type, with the words for it; the tables of a target are those of a target file."""

_CHOICES = {"fail_on": ("must", "should"), "order": ORDERS, "tier": TIERS}
_OWN = frozenset({"name", "file", "baseline", "last", "failures", *KEYS})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REFERENCE = re.compile(r"(env|file):.+", re.DOTALL)
_SECRETS = ("secret", "key", "token")


@frozen
class Demands:
    """The policy: what fails a target, which order of the upgrade must hold, and the least that must be reached."""

    fail_on: str | None = None
    order: str | None = None
    tier: str = "nothing"
    coverage: Mapping[str, float] = field(factory=dict)


@frozen
class Allowed:
    """A breaking change that may go out until a day, at the stages that have all values of `stage`."""

    place: str
    change: str
    reason: str
    expires: date
    stage: Mapping[str, str] = field(factory=dict)

    def speaks_at(self, stage: Mapping[str, str]) -> bool:
        """Whether it is about a stage."""
        return self.stage.items() <= stage.items()


@frozen
class Site:
    """One target: where it is, and how it is deployed, as the tables of a target file."""

    place: str
    name: str
    endpoint: Endpoint
    tables: Mapping[str, Mapping[str, Any]] = field(repr=False)
    baseline: Path | None = None
    last: Path | None = None
    failures: Path | None = None

    @property
    def server(self) -> tuple[str, int]:
        """What must not be checked twice at once."""
        return self.endpoint.host, self.endpoint.port


@frozen
class Gate:
    """A gate's file that was read; `secrets` is what its references lead to."""

    toml: Toml
    name: str
    new: str
    old: str | None
    policy: Path | None
    demands: Demands
    allowed: tuple[Allowed, ...]
    sites: tuple[Site, ...]
    secrets: tuple[str, ...] = field(default=(), repr=False)


def read_gate(toml: Toml, urls: Mapping[str, str]) -> Gate:
    """Read a gate's file, in its folder; `urls` overrules those of targets, by their names.

    Raises:
        Stop: with every problem, each with its line and what to do.
    """
    reader = _Reader(toml, urls)
    gate = reader.gate()
    if reader.problems or gate is None:
        raise Stop(Exit.USAGE, "\n".join(reader.problems))
    return gate


@define
class _Reader:
    toml: Toml
    urls: Mapping[str, str]
    problems: list[str] = field(factory=list)
    secrets: list[str] = field(factory=list)

    def gate(self) -> Gate | None:
        content = self.toml.content
        if not self.fits("", content):
            return None
        documents, allowed, sites = self.documents(), self.allowed(), self.sites()
        demands = self.demands()
        if self.problems:
            return None
        policy = documents.get("policy")
        return Gate(
            self.toml,
            str(content.get("name", "")),
            documents["new"],
            documents.get("old"),
            Path(policy) if policy else None,
            demands,
            tuple(allowed),
            tuple(sites),
            tuple(self.secrets),
        )

    def wrong(self, at: Sequence[str | int], text: str) -> None:
        self.problems.append(f"{self.toml.place(*at)}: {text}")

    def fits(self, table: str, values: Any, *at: str | int) -> bool:
        """Whether a table has known keys of the right types alone."""
        before, known = len(self.problems), _SHAPE[table]
        named = f"[{table}] " if table else ""
        if not isinstance(values, Mapping):
            self.wrong(at, f"{named}must be a table")
            return False
        for key, value in values.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
                hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
                self.wrong((*at, key), f"{named}there is no `{key}`; {hint}")
            elif not _is(value, known[key][0]):
                self.wrong((*at, key), f"{named}`{key}` is no {known[key][1]}")
        return len(self.problems) == before

    def documents(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.toml.content.get("documents", {})
        if self.fits("documents", found, "documents"):
            if not found.get("new"):
                self.wrong(("documents",), '[documents] what goes out? write `new = "chat"`, or a document\'s path')
            elif found["new"].startswith("git:"):
                self.wrong(("documents", "new"), "[documents] `new` is a name or a path: what goes out is checked out")
        return found

    def demands(self) -> Demands:
        found: Mapping[str, Any] = self.toml.content.get("policy", {})
        if not self.fits("policy", found, "policy"):
            return Demands()
        for key, known in _CHOICES.items():
            if key in found and found[key] not in known:
                self.wrong(("policy", key), f"[policy] `{key}` is one of {', '.join(known)}, not `{found[key]}`")
        coverage = found.get("coverage", {})
        for key, value in coverage.items():
            if key not in COVERAGE:
                self.wrong(("policy", "coverage", key), f"[policy] coverage is of {', '.join(COVERAGE)}, not `{key}`")
            elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
                self.wrong(("policy", "coverage", key), f"[policy] coverage of `{key}` is a percentage, such as 95")
        return Demands(found.get("fail_on"), found.get("order"), found.get("tier", "nothing"), dict(coverage))

    def allowed(self) -> list[Allowed]:
        return [one for number in range(len(self.toml.content.get("allow", ()))) if (one := self.allow(number))]

    def allow(self, number: int) -> Allowed | None:
        at, entry = ("allow", number), self.toml.content["allow"][number]
        if not self.fits("allow", entry, *at):
            return None
        before = len(self.problems)
        for key, why in _NEEDED.items():
            if not str(entry.get(key, "")).strip():
                self.wrong(at, f"[[allow]] has no `{key}`: {why}")
        stage = {name: str(value) for name, value in entry.get("stage", {}).items()}
        if len(self.problems) > before:
            return None
        day = entry["expires"].date() if isinstance(entry["expires"], datetime) else entry["expires"]
        return Allowed(self.toml.place(*at), entry["change"], " ".join(entry["reason"].split()), day, stage)

    def sites(self) -> list[Site]:
        entries = self.toml.content.get("target", ())
        found = [site for number in range(len(entries)) if (site := self.site(number)) is not None]
        if not entries:
            self.wrong((), "no target is named: a gate without one would say nothing; write [[target]] with a `url`")
        names = [site.name for site in found]
        for site in found:
            if names.count(site.name) > 1:
                self.problems.append(f"{site.place}: there are several targets called `{site.name}`")
        for name in self.urls:
            if name not in [entry.get("name") for entry in entries if isinstance(entry, Mapping)]:
                known = ", ".join(names) or "none"
                self.problems.append(f"--url {name}=…: {self.toml.path} has no target of that name; known: {known}")
        return found

    def site(self, number: int) -> Site | None:
        at, entry = ("target", number), self.toml.content["target"][number]
        if not self.fits("target", entry, *at):
            return None
        before = len(self.problems)
        name = str(entry.get("name", ""))
        if not _NAME.fullmatch(name):
            said = f"`{name}` cannot name its files" if name else "it has no `name`"
            self.wrong((*at, "name"), f"[[target]] {said}: letters, digits, `.`, `_` and `-`")
        tables = self.tables(entry, at)
        endpoint = self.endpoint(self.urls.get(name) or tables["target"].get("url"), at)
        self.read_secrets(tables, at)
        if len(self.problems) > before or endpoint is None:
            return None
        paths = [Path(entry[key]) if key in entry else None for key in ("baseline", "last", "failures")]
        return Site(self.toml.place(*at), name, endpoint, tables, *paths)

    def tables(self, entry: Mapping[str, Any], at: At) -> dict[str, dict[str, Any]]:
        """The tables of the target file that an entry names, overlaid by those of the entry."""
        own = {section: dict(entry.get(section, {})) for section in KEYS}
        own["target"] = {key: value for key, value in entry.items() if key not in _OWN}
        for section, values in own.items():
            for key, value in values.items():
                where = (*at, key) if section == "target" else (*at, section, key)
                for problem in section_problems(section, {key: value}):
                    self.wrong(where, problem)
        base: Mapping[str, Mapping[str, Any]] = {}
        if "file" in entry:
            try:
                base = read_target_file(Path(entry["file"]))
            except Stop as stop:
                self.wrong((*at, "file"), str(stop))
        if any(source in own["tokens"] for source in _sources()):
            # Where the entry says where tokens come from, the file's word on that is not needed.
            kept = {key: value for key, value in base.get("tokens", {}).items() if key not in _sources()}
            base = {**base, "tokens": kept}
        return {section: {**base.get(section, {}), **own[section]} for section in KEYS}

    def endpoint(self, url: str | None, at: At) -> Endpoint | None:
        if url is None:
            self.wrong(at, "[[target]] has no `url`: write it there, into its `file`, or give `--url NAME=URL`")
            return None
        try:
            return Endpoint.parse(url)
        except ValueError as problem:
            self.wrong((*at, "url"), str(problem))
            return None

    def read_secrets(self, tables: Mapping[str, Mapping[str, Any]], at: At) -> None:
        """Follow every reference to a secret, so that one that leads nowhere is told before anything runs."""
        for section, key, reference in _references(tables):
            where = (*at, section, key)
            if not _REFERENCE.fullmatch(reference):
                self.wrong(where, f"`{key}` is a secret, which never stands in a file: write env:NAME or file:PATH")
                continue
            try:
                self.secrets.append(read_secret(reference).reveal().strip())
            except Stop as stop:
                self.wrong(where, f"`{key}`: {' '.join(str(stop).split())}")


At = tuple[str | int, ...]

_NEEDED = {
    "change": "the id or fingerprint that `handfast diff` shows, or a glob over ids",
    "reason": "say why clients may be broken, for those who will read the verdict",
    "expires": "say until which day, as in `expires = 2027-01-31`",
}


def _sources() -> frozenset[str]:
    """The keys of `[tokens]` that say where tokens come from."""
    return frozenset(KEYS["tokens"]) - {"kid", "issuer", "audience"}


def _references(tables: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for key in _SECRETS:
        value = tables["tokens"].get(key, ())
        yield from (("tokens", key, str(one)) for one in ([value] if isinstance(value, str) else value))
    yield from (("deployment", key, str(value)) for key, value in tables["deployment"].items())
    yield from (
        ("tokens", "http", one) for one in _within(tables["tokens"].get("http", {})) if _REFERENCE.fullmatch(one)
    )


def _within(value: Any) -> Iterator[str]:
    """Every text in tables and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        yield from (text for one in (value.values() if isinstance(value, Mapping) else value) for text in _within(one))


def _is(value: Any, wanted: type) -> bool:
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, wanted)
