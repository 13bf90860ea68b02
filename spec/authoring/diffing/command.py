"""`handfast diff`: what changed between two documents, whom it breaks in which order of an upgrade, and what shows."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spec.cli import Command

if TYPE_CHECKING:
    from spec.authoring.diffing.comparing import Comparison
    from spec.authoring.diffing.policy import Policy

__all__ = ["DIFF"]

_KINDS = ("text", "json", "markdown", "html", "github", "junit", "sarif")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("documents", nargs="*", metavar="OLD NEW", help="names, paths, or git:REVISION:PATH")
    parser.add_argument(
        "--since", metavar="REVISION", help="compare each document that is named, a path, with what it was in git then"
    )
    parser.add_argument("--format", choices=_KINDS, default="text", help="what is written to the standard output")
    parser.add_argument(
        "--report", metavar="KIND:PATH", action="append", default=[], help="the same in a file (repeatable)"
    )
    parser.add_argument("--policy", metavar="FILE", help="severities, exceptions and stability, in TOML")
    parser.add_argument("--profile", choices=("wire", "codegen", "docs"), help="what counts beside exchanges")
    parser.add_argument(
        "--order", choices=("server-first", "clients-first", "both"), help="which order of an upgrade must hold"
    )
    parser.add_argument(
        "--fail-on", choices=("error", "warning", "info", "never"), default="error", help="what fails the command"
    )
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="look only at deployments with this (repeatable)",
    )
    parser.add_argument("--rules", action="store_true", help="list the rules, and compare nothing")


def _run(arguments: argparse.Namespace) -> int:
    with _uncollected():
        return _diff(arguments)


@contextmanager
def _uncollected() -> Iterator[None]:
    """What is played is small and lives to the end: to look for garbage in it took a tenth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _diff(arguments: argparse.Namespace) -> int:
    from spec.exits import Exit, Stop

    if arguments.rules:
        _list_rules()
        return Exit.CONFORMANT
    if arguments.since is not None:
        return max(_since(arguments, path) for path in _paths(arguments))
    if len(arguments.documents) != 2:
        raise Stop(Exit.USAGE, "two documents are compared", "write `handfast diff OLD NEW`")
    return _told(arguments, (arguments.documents[0], arguments.documents[1]))


def _paths(arguments: argparse.Namespace) -> list[str]:
    """The documents that are compared with what they were."""
    from spec.exits import Exit, Stop

    if not arguments.documents:
        raise Stop(Exit.USAGE, "which documents?", f"write `handfast diff --since {arguments.since} PATH…`")
    if arguments.report and len(arguments.documents) > 1:
        raise Stop(Exit.USAGE, "a report is about one document", "write one path behind `--since`")
    return list(arguments.documents)


def _since(arguments: argparse.Namespace, path: str) -> int:
    from spec.authoring.diffing.locating import in_revision
    from spec.exits import Exit

    if not in_revision(arguments.since, path):
        print(f"{path} was not there in {arguments.since}: it is new, and breaks nobody")
        return Exit.CONFORMANT
    return _told(arguments, (f"git:{arguments.since}:{path}", path))


def _told(arguments: argparse.Namespace, names: tuple[str, str]) -> int:
    """Compare two documents and tell of it; gives the exit code."""
    from pathlib import Path

    from spec.authoring.diffing.policy import Policy, judge, read_policy
    from spec.authoring.diffing.reporting import render
    from spec.exits import Exit

    reports = [_report(text) for text in arguments.report]
    policy = read_policy(Path(arguments.policy)) if arguments.policy else Policy()
    judgement = judge(_compared(arguments, names), _overruled(policy, arguments))
    for kind, path in reports:
        _write(path, render(kind, judgement, names))
    print(render(arguments.format, judgement, names), end="")
    return Exit.NONCONFORMANT if judgement.fails(arguments.fail_on) else Exit.CONFORMANT


def _compared(arguments: argparse.Namespace, names: tuple[str, str]) -> Comparison:
    from spec.authoring.diffing.comparing import compare
    from spec.authoring.diffing.locating import document_at
    from spec.exits import Exit, Stop
    from spec.parameters import ParameterProblem

    given = dict(_setting(text) for text in arguments.set)
    old, new = (document_at(name) for name in names)
    try:
        return compare(old, new, given)
    except ParameterProblem as problem:
        raise Stop(Exit.USAGE, str(problem)) from None


def _overruled(policy: Policy, arguments: argparse.Namespace) -> Policy:
    """The policy with what the flags say."""
    from attrs import evolve

    said = {"profile": arguments.profile, "order": arguments.order}
    return evolve(policy, **{name: value for name, value in said.items() if value})


def _setting(text: str) -> tuple[str, str]:
    from spec.exits import Exit, Stop

    name, equals, value = text.partition("=")
    if not equals:
        raise Stop(Exit.USAGE, f"`--set {text}` has no value", "write `--set name=value`")
    return name.strip(), value.strip()


def _report(text: str) -> tuple[str, str]:
    from spec.exits import Exit, Stop

    kind, colon, path = text.partition(":")
    if not colon or not path:
        raise Stop(Exit.USAGE, f"`--report {text}` names no file", "write `--report json:PATH`")
    if kind not in _KINDS:
        raise Stop(Exit.USAGE, f"there is no report `{kind}`", f"known: {', '.join(_KINDS)}")
    return kind, path


def _write(path: str, text: str) -> None:
    from spec.authoring.written import Written, put

    put([Written(path, text)])


def _list_rules() -> None:
    from spec.authoring.diffing.rules import INEXPRESSIBLE, RULES

    width = max(map(len, RULES))
    for rule in RULES.values():
        print(f"{rule.id:<{width}}  {rule.server_first:<9} {rule.clients_first:<9} {rule.title}")
    for row, why in INEXPRESSIBLE.items():
        print(f"{row:<{width}}  {'-':<9} {'-':<9} cannot be written: {why}")


DIFF = Command("diff", "what changed between two documents, whom it breaks, and what shows it", _arguments, _run)
