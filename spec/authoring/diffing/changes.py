"""What a comparison comes to: changes, each by a rule, at places of both documents, with what shows it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from spec.authoring.diffing.playing import Heard, Steps
from spec.authoring.diffing.rules import RULES, Rule, Verdict

__all__ = ["ORDERS", "Change", "Witness", "change", "shown", "worst"]

ORDERS = ("server_first", "clients_first")
"""The two orders of an upgrade: old clients at the new server, and new clients at the old one."""

_RANK: Mapping[str, int] = {"safe": 0, "warns": 1, "breaks": 2}


def worst(*verdicts: str) -> str:
    """The worst of some verdicts; without any, safe."""
    return max(verdicts, key=_RANK.__getitem__, default="safe")


@frozen
class Witness:
    """What shows that a change breaks something in one order of the upgrade.

    `kind` is `exchange` or `moment` (at the last step the client is told `expected` by its own document, and `actual`
    by the other; of a moment, that is the wait before it and the last step), `permission` (behind the steps the other
    one may send `message` at any time, or may no longer), or `message` (`body` is one that the server may send, and
    that the client's reader refuses). `settings` are the choices of the old and of the new deployment. Of a `narrow`
    one, only what the client itself hears counts.
    """

    kind: str
    order: str
    settings: tuple[Mapping[str, str], Mapping[str, str]]
    steps: Steps = ()
    expected: tuple[str, ...] = ()
    actual: tuple[str, ...] = ()
    message: str = ""
    body: Any = None
    narrow: bool = False


@frozen
class Change:
    """One change between two documents.

    `old_at` and `new_at` are JSON Pointers, empty where the document has nothing of it. `server_first` and
    `clients_first` are breaks, warns or safe, for the wire. `stages` names the deployments in which it shows, where
    these are not all.
    """

    rule: Rule
    old_at: str
    new_at: str
    text: str
    server_first: str
    clients_first: str
    witnesses: tuple[Witness, ...] = ()
    stages: tuple[str, ...] = ()
    key: str = field(default="", eq=False)

    @property
    def id(self) -> str:
        """What the change is called, the same in every run and language: rule and place."""
        return f"{self.rule.id}@{self.new_at or self.old_at}"

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits over rule, places and words: it is another one where anything of these is."""
        said = "\n".join((self.rule.id, self.old_at, self.new_at, self.text))
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def verdict(self, order: str) -> str:
        """What it means in one order of the upgrade."""
        return self.server_first if order == "server_first" else self.clients_first

    def joined(self, other: Change) -> Change:
        """The same change seen twice: the worse of the verdicts, and a witness for each order."""
        known = {witness.order for witness in self.witnesses}
        more = tuple(witness for witness in other.witnesses if witness.order not in known)
        return evolve(
            self,
            server_first=worst(self.server_first, other.server_first),
            clients_first=worst(self.clients_first, other.clients_first),
            witnesses=(*self.witnesses, *more),
        )


def change(
    rule: str, old_at: str, new_at: str, text: str, *, ignores: bool = True, witnesses: tuple[Witness, ...] = ()
) -> Change:
    """A change by a rule of the catalogue; `ignores` says whether the receiver ignores what it does not know."""
    found = RULES[rule]
    server_first, clients_first = (
        _resolved(verdict, ignores=ignores) for verdict in (found.server_first, found.clients_first)
    )
    return Change(found, old_at, new_at, text, server_first, clients_first, witnesses)


def _resolved(verdict: Verdict, *, ignores: bool) -> str:
    if verdict == "receiver":
        return "safe" if ignores else "breaks"
    if verdict == "lost":
        return "warns" if ignores else "breaks"
    return verdict


def shown(heard: tuple[Heard, ...] | list[Heard], who: str = "") -> tuple[str, ...]:
    """What is heard, in words that are the same in every run: with who hears it where several do."""
    several = len({one.client for one in heard}) > 1
    return tuple(f"{one.client}: {_told(one)}" if several or one.client != who else _told(one) for one in heard)


def _told(heard: Heard) -> str:
    when = f" at {heard.at:g} s" if heard.timer else ""
    return f"{heard}{_said(heard)}{when}"


def _said(heard: Heard) -> str:
    """What a message says beside its type; of an answer its headers, of a close its reason."""
    if not isinstance(heard.body, Mapping):
        return ""
    if heard.what == "closed":
        return f" {heard.body['reason']}" if heard.body.get("reason") else ""
    if heard.what in ("upgraded", "refused"):
        more = {name: value for name, value in heard.body.items() if name != "code" and value}
        return f" {json.dumps(more, ensure_ascii=False, sort_keys=True)}" if more else ""
    said = {name: value for name, value in heard.body.items() if value not in ("$chosen", heard.name)}
    return f" {json.dumps(said, ensure_ascii=False, sort_keys=True)}"
