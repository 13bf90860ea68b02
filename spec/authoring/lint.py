"""`handfast lint`: what is wrong with documents, told all at once."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["LINT"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("documents", nargs="+", metavar="DOC", help="a packaged protocol by name, or a document's path")


def _run(arguments: argparse.Namespace) -> int:
    found = [problem for name in arguments.documents for problem in _problems(name)]
    for problem in found:
        print(problem)
    return 2 if found else 0


def _problems(name: str) -> list[object]:
    from spec.authoring.machines import machine_problems
    from spec.exits import Exit, Stop
    from spec.loading import DocumentError, UnknownProtocol, find, read

    try:
        return list(machine_problems(read(find(name))))
    except DocumentError as error:
        return list(error.problems)
    except UnknownProtocol as unknown:
        raise Stop(Exit.USAGE, str(unknown)) from None


LINT = Command("lint", "what is wrong with documents, beyond what keeps them from being used", _arguments, _run)
