"""`handfast baseline`: does a file of known failures fit a run, and bring it up to date."""

from __future__ import annotations

import argparse
from datetime import date

from spec.cli import Command

__all__ = ["BASELINE"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=("check", "update"), help="say what does not fit, or write what does")
    parser.add_argument("file", metavar="FILE", help="the baseline")
    parser.add_argument("--from", dest="run", metavar="RUN", required=True, help="the jsonl report of a run")
    parser.add_argument("--reason", metavar="TEXT", help="why what is new is known; needed where something is")
    parser.add_argument("--issue", metavar="URL", help="where it is worked on")
    parser.add_argument("--expires", metavar="DATE", type=_date, help="until when it may fail, as 2026-12-31")
    parser.add_argument(
        "--by",
        choices=("case", "rule"),
        default="case",
        help="what new entries name (default: each case with its rule)",
    )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is no date; write 2026-12-31") from None


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from conformance.events import read_stream
    from conformance.rebasing import compared, rewritten, written
    from conformance.reporting.run import read_run
    from spec.exits import Exit, Stop

    change = compared(Path(arguments.file), read_run(read_stream(Path(arguments.run))), by=arguments.by)
    update = arguments.do == "update"
    for entry in change.added:
        print(f"{'added' if update else 'new'}: {' '.join(entry.values())}")
    for number in change.removed:
        print(f"{'removed' if update else 'matches nothing, or is fixed'}: entry {number + 1}")
    for told in (*change.told, *change.left):
        print(told)
    if update:
        if change.added and not arguments.reason:
            raise Stop(Exit.USAGE, "say why what is new is known: --reason TEXT", "nothing was changed")
        if change.added or change.removed:
            told = written(change, reason=arguments.reason, issue=arguments.issue, expires=arguments.expires)
            rewritten(change, told)
        return Exit.NONCONFORMANT if change.left else Exit.CONFORMANT
    fits = not (change.added or change.removed or change.left)
    print(f"{change.path} fits the run" if fits else f"{change.path} does not fit the run")
    return Exit.CONFORMANT if fits else Exit.NONCONFORMANT


BASELINE = Command("baseline", "checks known failures against a run, and brings them up to date", _arguments, _run)
