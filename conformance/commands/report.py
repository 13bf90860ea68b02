"""`handfast report`: make a report from a saved stream."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["REPORT"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    from conformance.reporting import KINDS

    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="a jsonl report, of a run that was cut off too, or a gate.json"
    )
    parser.add_argument("--as", dest="kind", metavar="KIND", default="terminal", help=", ".join(KINDS))
    parser.add_argument("--output", metavar="PATH", default="-", help="where it goes (default: standard output)")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of the kind instead")


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from conformance.events import read_stream
    from conformance.gating.telling import KINDS as GATE_KINDS
    from conformance.gating.telling import read_outcome
    from conformance.reporting import KINDS, unknown_kind
    from conformance.session import Report, write_report, write_text
    from spec.exits import Exit, Stop

    if arguments.kind not in KINDS:
        raise unknown_kind(arguments.kind)
    kind = KINDS[arguments.kind]
    if arguments.schema:
        if kind.schema_file is None:
            raise Stop(Exit.USAGE, f"`{kind.name}` has no JSON Schema of ours: {kind.schema}")
        write_text(Path(arguments.output), kind.schema_file.read_text(encoding="utf-8"))
    elif arguments.file is None:
        raise Stop(Exit.USAGE, "which run?", "name the file that `handfast check --report jsonl:FILE` wrote")
    elif (gate := read_outcome(Path(arguments.file))) is not None:
        if kind.name not in GATE_KINDS:
            raise Stop(Exit.USAGE, f"of a gate there is no `{kind.name}`", f"known: {', '.join(GATE_KINDS)}")
        write_text(Path(arguments.output), GATE_KINDS[kind.name](gate))
    else:
        write_report(Report(kind.name, Path(arguments.output)), read_stream(Path(arguments.file)))
    return Exit.CONFORMANT


REPORT = Command("report", "makes a report from a saved jsonl stream", _arguments, _run)
