"""`handfast mutate`: break the document in every way of a catalogue, and see that the suite notices."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["MUTATE"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("protocol", metavar="PROTOCOL", help="a packaged protocol, or the path of a document")
    parser.add_argument("--operator", metavar="GLOB", action="append", help="only mutants by these (repeatable)")
    parser.add_argument("--rule", metavar="GLOB", action="append", help="only mutants that break these (repeatable)")
    parser.add_argument("--mutant", metavar="GLOB", action="append", help="only these mutants (repeatable)")
    parser.add_argument("--run", metavar="GLOB", action="append", default=[], help="play only these cases (repeatable)")
    parser.add_argument("--skip", metavar="GLOB", action="append", default=[], help="do not play these (repeatable)")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=_count,
        help="how many at once (default: 3 for each processor, for they mostly wait)",
    )
    parser.add_argument(
        "--report", metavar="KIND:PATH", action="append", default=[], help="json, markdown or terminal (repeatable)"
    )
    parser.add_argument(
        "--by-hand", metavar="FILE", action="append", default=[], help="faults of servers broken by hand (repeatable)"
    )
    parser.add_argument("--list", action="store_true", help="list the mutants and try none")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no count; write a whole number from 1")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    from conformance.mutating.running import mutate

    return mutate(arguments)


MUTATE = Command("mutate", "breaks the document in every way, and sees that the suite notices", _arguments, _run)
