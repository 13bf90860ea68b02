"""`handfast learn`: infer the machine that a server really implements, and show it beside the document's."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["LEARN"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    from conformance.arranging import target_arguments

    parser.add_argument(
        "url", nargs="?", metavar="URL", help="the target's base, ws:// or wss://, with its path prefix"
    )
    target_arguments(parser)
    parser.add_argument(
        "--timers",
        action=argparse.BooleanOptionalAction,
        help="whether timers are waited for (default: where they are short)",
    )
    parser.add_argument(
        "--extra",
        metavar="N",
        type=int,
        choices=range(3),
        default=0,
        help="look for so many states more than were found; each multiplies the time (default: 0)",
    )
    parser.add_argument(
        "--report", metavar="KIND:PATH", action="append", default=[], help="text, json, mermaid or dot (repeatable)"
    )


def _run(arguments: argparse.Namespace) -> int:
    from conformance.arranging import arrange
    from conformance.session import parse_report, write_text
    from spec.exits import Exit, Stop

    try:
        import aalpy as _  # noqa: F401
    except ImportError:
        raise Stop(Exit.USAGE, "learning needs AALpy", "pip install 'handfast[learn]'") from None
    from conformance.inference import infer
    from conformance.learned import KINDS, Told
    from conformance.learning import run_learning
    from conformance.progress import Progress

    reports = [parse_report(text, KINDS) for text in arguments.report]
    arranged = arrange(arguments, arguments.url)
    with Progress("exchanges") as progress:
        learned = run_learning(arranged, arguments.timers, arguments.extra, progress.counted, infer)
        progress.stop()
        told = Told(arranged, learned)
        told.show(progress.console)
    for report in reports:
        write_text(report.path, told.report(report.kind))
    return told.exit


LEARN = Command("learn", "infers the machine that a server implements, beside the document's", _arguments, _run)
