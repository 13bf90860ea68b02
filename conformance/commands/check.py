"""`handfast check`: run the suite against a URL."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from spec.cli import Command

if TYPE_CHECKING:
    from conformance.session import Session

__all__ = ["CHECK", "run_session", "seconds", "session_of"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    from conformance.arranging import LEVELS, target_arguments
    from conformance.reporting import KINDS

    parser.add_argument(
        "url", nargs="?", metavar="URL", help="the target's base, ws:// or wss://, with its path prefix"
    )
    target_arguments(parser)
    parser.add_argument("--level", choices=LEVELS, help="how much is tried (default: complete)")
    parser.add_argument("--run", metavar="GLOB", action="append", help="only these cases (repeatable)")
    parser.add_argument("--skip", metavar="GLOB", action="append", help="not these cases (repeatable)")
    parser.add_argument("--baseline", metavar="FILE", help="failures that are known, with reasons (TOML)")
    parser.add_argument("--fail-on", choices=("must", "should"), help="what fails the run (default: must)")
    parser.add_argument("--seed", type=int, metavar="N", help="makes what is drawn repeatable")
    parser.add_argument(
        "--examples", type=int, metavar="N", help="how many of each property are drawn (default: by the level)"
    )
    parser.add_argument(
        "--report",
        metavar="KIND:PATH",
        action="append",
        default=[],
        help=f"{', '.join(KINDS)}; a PATH of - is standard output (repeatable)",
    )
    parser.add_argument(
        "--failures",
        metavar="DIR",
        default="handfast-failures",
        help="where failures are saved; those that are there are played first",
    )
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failure")
    parser.add_argument(
        "--shrink",
        metavar="SECONDS",
        type=seconds,
        help="how long failures may be made smaller, 0 for not at all (default: 10)",
    )
    parser.add_argument("--list", action="store_true", help="list the cases and run none")
    parser.add_argument(
        "--watch", action="store_true", help="run again when the server is started anew or the document changes"
    )


def seconds(text: str) -> float:
    """A flag's number of seconds, from zero on."""
    found = float(text)
    if not 0 <= found < math.inf:
        raise argparse.ArgumentTypeError(f"`{text}` is no number of seconds")
    return found


def _run(arguments: argparse.Namespace) -> int:
    if arguments.list:
        return _list(arguments)
    if arguments.watch:
        from conformance.rerunning import watched

        return watched(arguments)
    return run_session(session_of(arguments))


def session_of(arguments: argparse.Namespace) -> Session:
    """The run that flags describe; raises Stop for what does not fit."""
    from pathlib import Path

    from conformance.arranging import arrange
    from conformance.baseline import read_baseline
    from conformance.session import SHRINK, Session, parse_report

    reports = tuple(parse_report(text) for text in arguments.report)
    baseline = read_baseline(Path(arguments.baseline)) if arguments.baseline else None
    arranged = arrange(arguments, arguments.url)
    shrink = SHRINK if arguments.shrink is None else arguments.shrink
    return Session(arranged, reports, Path(arguments.failures), arguments.fail_fast, baseline, shrink)


def _list(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from conformance.arranging import arrange
    from conformance.plan import Plan
    from conformance.saved import read_saved
    from conformance.session import choose

    arranged = arrange(arguments, arguments.url or "ws://127.0.0.1:1")
    plan = Plan(arranged.target, arranged.level)
    for case in choose(plan, arranged, read_saved(Path(arguments.failures), plan))[1]:
        print(f"{case.id}  {' '.join(case.rules[:3])}")
    return 0


def run_session(session: Session) -> int:
    """Run a session with live progress and print its report; gives the exit code."""
    from conformance.progress import Progress

    with Progress() as progress:
        session.shown, session.began = progress.shown, progress.began
        code = session.run()
        progress.finished(session.stream.events)
    return code


CHECK = Command("check", "runs the suite against a URL", _arguments, _run)
