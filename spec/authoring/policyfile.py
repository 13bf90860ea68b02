"""Policies: TOML files that say how bad what a command finds is, and what is let pass, why and until when."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from attrs import frozen

from spec.exits import Exit, Stop

__all__ = ["Exemption", "PolicyFile"]


@frozen
class Exemption:
    """An entry of `ignore`: what it is about, by the keys of its command, why, and until which day (inclusive)."""

    about: Mapping[str, str]
    reason: str
    expires: date | None = None

    def ended(self, today: date) -> bool:
        """Whether its day has passed."""
        return self.expires is not None and self.expires < today


@frozen
class PolicyFile:
    """A policy that was read; every method raises Stop for what is not understood."""

    path: Path
    data: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path, known: tuple[str, ...]) -> PolicyFile:
        """The policy of a file whose members are among those `known`."""
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as problem:
            raise Stop(Exit.USAGE, f"the policy {path} cannot be read: {problem.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
            raise Stop(Exit.USAGE, f"the policy {path} is no TOML: {problem}") from None
        policy = cls(path, data)
        unknown = sorted(set(data) - set(known))
        if unknown:
            raise policy.wrong(f"there is no `{unknown[0]}`", f"known: {', '.join(known)}")
        return policy

    def wrong(self, text: str, hint: str | None = None) -> Stop:
        """What is wrong with it."""
        return Stop(Exit.USAGE, f"the policy {self.path}: {text}", hint)

    def choice(self, name: str, known: tuple[str, ...], default: str) -> str:
        """One of several words."""
        value = self.data.get(name, default)
        if value not in known:
            raise self.wrong(f"`{name}` is one of {', '.join(known)}, not {value!r}")
        return str(value)

    def levels(self, name: str, known: tuple[str, ...]) -> dict[str, str]:
        """A table of globs, each with one of several words."""
        table = self.data.get(name, {})
        if not isinstance(table, dict):
            raise self.wrong(f"`{name}` is a table")
        for glob, level in table.items():
            if level not in known:
                raise self.wrong(f"`{name}.{glob}` is one of {', '.join(known)}, not {level!r}")
        return dict(table)

    def severity(self, known: tuple[str, ...], rules: Iterable[str], shows: str) -> dict[str, str]:
        """The severities of rules, by globs each of which fits one; `shows` is the command that lists them."""
        table, names = self.levels("severity", known), list(rules)
        for glob in table:
            if not any(fnmatchcase(name, glob) for name in names):
                raise self.wrong(f"no rule fits `{glob}`", f"`{shows}` shows them")
        return table

    def exemptions(self, needed: str, what: str, *more: str) -> Iterator[Exemption]:
        """The entries of `ignore`: each has the key that is `needed`, which is `what`, and maybe others."""
        entries = self.data.get("ignore", [])
        if not isinstance(entries, list):
            raise self.wrong("`ignore` is a list of tables", "write `[[ignore]]`")
        keys = (needed, *more, "reason", "expires")
        for entry in entries:
            if not isinstance(entry, dict) or set(entry) - set(keys):
                listed = ", ".join(f"`{key}`" for key in keys[:-1])
                raise self.wrong(f"an `ignore` has {listed} and `expires`, and nothing else")
            if not isinstance(entry.get(needed), str) or not entry[needed]:
                raise self.wrong(f"an `ignore` names a `{needed}`: {what}")
            yield self._exemption(entry, needed, more)

    def _exemption(self, entry: Mapping[str, Any], needed: str, more: tuple[str, ...]) -> Exemption:
        wanted, reason, expires = entry[needed], entry.get("reason"), entry.get("expires")
        if not isinstance(reason, str) or not reason.strip():
            raise self.wrong(f"the `ignore` of `{wanted}` has no `reason`")
        if isinstance(expires, datetime):
            expires = expires.date()
        if expires is not None and not isinstance(expires, date):
            raise self.wrong(f"`expires` of `{wanted}` is a day", "write `expires = 2027-01-31`, without quotes")
        for key in more:
            if not isinstance(entry.get(key, ""), str):
                raise self.wrong(f"`{key}` of `{wanted}` is text")
        return Exemption({key: entry[key] for key in (needed, *more) if key in entry}, reason, expires)
