"""`handfast report`: make a report from a saved stream."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["REPORT"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a jsonl report")
    parser.add_argument("--as", dest="kind", metavar="KIND", default="terminal", help="json, jsonl or terminal")


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from conformance.events import read_stream
    from conformance.folds import KINDS, unknown_kind
    from spec.exits import Exit

    if arguments.kind not in KINDS:
        raise unknown_kind(arguments.kind)
    print(KINDS[arguments.kind](read_stream(Path(arguments.file))), end="")
    return Exit.CONFORMANT


REPORT = Command("report", "makes a report from a saved jsonl stream", _arguments, _run)
