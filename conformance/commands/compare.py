"""`handfast compare`: play the same scripts at two servers, and report where they differ."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["COMPARE"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    from conformance.arranging import LEVELS, target_arguments

    parser.add_argument("first", metavar="URL", help="the base of one server, called A in what is told")
    parser.add_argument("second", metavar="URL", help="the base of the other, called B; the other flags are for both")
    target_arguments(parser)
    parser.add_argument("--level", choices=LEVELS, help="how much is tried (default: complete)")
    parser.add_argument("--run", metavar="GLOB", action="append", help="only these cases (repeatable)")
    parser.add_argument("--skip", metavar="GLOB", action="append", help="not these cases (repeatable)")
    parser.add_argument("--seed", type=int, metavar="N", help="makes what is drawn repeatable")
    parser.add_argument("--report", metavar="json:PATH", action="append", default=[], help="for tools (repeatable)")


def _run(arguments: argparse.Namespace) -> int:
    import json

    from conformance.arranging import arrange
    from conformance.comparing import Comparison, apart
    from conformance.preflight import Calibration
    from conformance.progress import Progress
    from conformance.session import parse_report, write_text
    from conformance.sidebyside import as_data, print_comparison, print_heading

    reports = [parse_report(text, ("json",)) for text in arguments.report]
    first = arrange(arguments, arguments.first)
    arguments.seed = first.seed
    sides = apart(first, arrange(arguments, arguments.second))
    with Progress() as progress:

        def began(cases: int, measured: list[Calibration]) -> None:
            print_heading(progress.console, sides, cases, measured)
            progress.start(2 * cases)

        compared = Comparison(*sides, progress.shown, began).run()
        progress.stop()
        data = as_data(*sides, compared)
        print_comparison(progress.console, data)
    for report in reports:
        write_text(report.path, json.dumps(data, indent=1, ensure_ascii=True, default=str) + "\n")
    return compared.exit


COMPARE = Command("compare", "plays the same scripts at two servers, and tells where they differ", _arguments, _run)
