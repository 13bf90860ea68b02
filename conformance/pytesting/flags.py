"""The flags of the plugin: those of `handfast check` under the prefix `--handfast-`, as data."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

__all__ = ["FLAGS", "MISSING", "SHARED", "Flag", "Shared", "add_flags", "arguments_of", "given"]


class Flag(NamedTuple):
    """A flag: its name, how it is read (`text`, `list`, `number`, `seconds` or `switch`), and what it says."""

    name: str
    kind: str
    metavar: str | None
    help: str

    @property
    def option(self) -> str:
        return f"handfast_{self.name.replace('-', '_')}"

    @property
    def argument(self) -> str:
        """The name under which `handfast check` keeps it."""
        return "deployed" if self.name == "with" else self.name.replace("-", "_")


FLAGS = (
    Flag("url", "text", "URL", "check this target, ws:// or wss://: every case becomes a test"),
    Flag("protocol", "text", "NAME", "the protocol, such as chat"),
    Flag("document", "text", "PATH", "a document instead of a packaged protocol"),
    Flag("target", "text", "FILE", "a target file, which may name the URL too"),
    Flag("secret", "text", "env:NAME", "the shared secret for HS256: env:NAME or file:PATH"),
    Flag("key", "list", "file:PATH", "a key for RS256 or ES256 (repeatable)"),
    Flag("kid", "text", "NAME", "the name of the one key that has none of its own"),
    Flag("token", "text", "env:NAME", "a valid token, where there is no key to mint with"),
    Flag("issuer", "text", "TEXT", "the issuer that the target demands"),
    Flag("audience", "text", "TEXT", "the audience that the target demands"),
    Flag("quick", "switch", None, "the target runs with the document's quick-test values"),
    Flag("set", "list", "NAME=VALUE", "a parameter as deployed (repeatable)"),
    Flag("with", "list", "NAME=env:VARIABLE", "what the document asks of a deployment (repeatable)"),
    Flag("ca", "text", "FILE", "the certificate authority of a wss:// target"),
    Flag("connections", "number", "N", "how many connections may be open at once"),
    Flag("i-own-this-target", "switch", None, "attack the target too, though it is not on loopback"),
    Flag("level", "text", "LEVEL", "how much is tried: smoke, complete or deep (default: complete)"),
    Flag("run", "list", "GLOB", "only these cases (repeatable)"),
    Flag("skip", "list", "GLOB", "not these cases (repeatable)"),
    Flag("baseline", "text", "FILE", "failures that are known, with reasons: they are expected to fail"),
    Flag("fail-on", "text", "LEVEL", "what fails: must or should (default: must)"),
    Flag("seed", "number", "N", "makes what is drawn repeatable"),
    Flag("examples", "number", "N", "how many of each property are drawn"),
    Flag("report", "list", "KIND:PATH", "a report of the run (repeatable)"),
    Flag("failures", "text", "DIR", "where failures are saved; those that are there are played first"),
    Flag("shrink", "seconds", "SECONDS", "how long failures may be made smaller (default: 10)"),
)

MISSING: Mapping[str, str] = {
    "fail-fast": "`pytest -x` stops at the first failure that is told",
    "list": "`pytest --collect-only` lists the cases",
    "watch": "`handfast check --watch` stays, and pytest ends",
}
"""The flags of `handfast check` that pytest has its own of."""

_READ: Mapping[str, Mapping[str, Any]] = {
    "text": {"default": None},
    "list": {"default": [], "action": "append"},
    "number": {"default": None, "type": int},
    "seconds": {"default": None, "type": float},
    "switch": {"default": False, "action": "store_true"},
}


class Shared(NamedTuple):
    """What the processes of one pytest share: a folder, and the seed of what is drawn where none is said.

    The folder is `ours` to remove where this process made it.
    """

    folder: Path
    drawn: int
    ours: bool


SHARED = pytest.StashKey[Shared]()


def add_flags(parser: pytest.Parser) -> None:
    """Tell pytest of the flags."""
    group = parser.getgroup("handfast", "conformance of a WebSocket server (handfast)")
    for flag in FLAGS:
        named = {"metavar": flag.metavar} if flag.metavar else {}
        group.addoption(f"--handfast-{flag.name}", dest=flag.option, help=flag.help, **named, **_READ[flag.kind])


def given(config: pytest.Config) -> dict[str, Any]:
    """What the flags say, by the names that `handfast check` has for them; what was not said is left out."""
    found = {flag.argument: config.getoption(flag.option, None) for flag in FLAGS}
    return {name: value for name, value in found.items() if value not in (None, [], False)}


def arguments_of(said: Mapping[str, Any], folder: Path) -> argparse.Namespace:
    """The same as `handfast check` reads its arguments."""
    from conformance.arranging import bare_arguments

    namespace = bare_arguments(baseline=None, report=[], failures=str(folder / "handfast-failures"), shrink=None)
    vars(namespace).update(said)
    return namespace
