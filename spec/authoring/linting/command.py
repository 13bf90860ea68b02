"""`handfast lint`: what is wrong with documents, told all at once."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["LINT"]

_KINDS = ("text", "json", "github", "sarif")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("documents", nargs="*", metavar="DOC", help="a packaged protocol by name, or a document's path")
    parser.add_argument("--format", choices=_KINDS, default="text", help="what is written to the standard output")
    parser.add_argument("--policy", metavar="FILE", help="severities and exceptions (default: lint.toml beside DOC)")
    parser.add_argument(
        "--fail-on", choices=("error", "warning", "info", "never"), default="warning", help="what fails the command"
    )
    parser.add_argument("--rules", action="store_true", help="list the rules, and look at nothing")


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from spec.authoring.linting.judging import lint
    from spec.authoring.linting.policy import read_policy
    from spec.authoring.linting.reporting import KINDS
    from spec.exits import Exit, Stop
    from spec.loading import UnknownProtocol, find

    if arguments.rules:
        _list_rules()
        return Exit.CONFORMANT
    if not arguments.documents:
        raise Stop(Exit.USAGE, "no document is named", "write `handfast lint DOC`")
    try:
        paths = [find(name) for name in arguments.documents]
    except UnknownProtocol as unknown:
        raise Stop(Exit.USAGE, str(unknown)) from None
    judgement = lint(paths, read_policy(Path(arguments.policy)) if arguments.policy else None)
    print(KINDS[arguments.format](judgement), end="")
    return Exit.USAGE if judgement.fails(arguments.fail_on) else Exit.CONFORMANT


def _list_rules() -> None:
    from spec.authoring.linting.catalogue import RULES

    width = max(map(len, RULES))
    for rule in RULES.values():
        print(f"{rule.code:<{width}}  {rule.level:<7}  {rule.title}")


LINT = Command("lint", "what a careful reviewer would find in documents", _arguments, _run)
