"""`handfast gate`: may this server, at this stage of a rollout, go out?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from spec.cli import Command

if TYPE_CHECKING:
    from conformance.gating.checking import Checked
    from conformance.gating.file import Site

__all__ = ["GATE"]

_KINDS = ("json", "markdown", "github")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="the gate's file, such as gate.toml")
    parser.add_argument(
        "--url", metavar="NAME=URL", action="append", default=[], help="where a target is, by its name (repeatable)"
    )
    parser.add_argument(
        "--reports",
        metavar="DIR",
        default="handfast-gate",
        help="where gate.json, gate.md and the reports of changes and targets go (default: handfast-gate)",
    )
    parser.add_argument(
        "--report",
        metavar="KIND:PATH",
        action="append",
        default=[],
        help=f"{', '.join(_KINDS)}; a PATH of - is standard output (repeatable)",
    )
    parser.add_argument(
        "--shrink", metavar="SECONDS", type=_seconds, help="how long failures may be made smaller, for each target"
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of gate.json, and do nothing else")


def _seconds(text: str) -> float:
    from conformance.commands.check import seconds

    return seconds(text)


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from attrs import evolve

    from conformance.gating.outcome import SCHEMA, as_data
    from conformance.gating.running import run_gate
    from conformance.gating.telling import KINDS, text
    from conformance.session import SHRINK, parse_report, write_summary, write_text
    from conformance.sieve import Sieve
    from spec.exits import Exit, Stop

    if arguments.schema:
        print(SCHEMA.read_text(encoding="utf-8"), end="")
        return Exit.CONFORMANT
    if arguments.file is None:
        raise Stop(Exit.USAGE, "which gate?", "name its file: `handfast gate gate.toml`")
    reports = [parse_report(one, _KINDS) for one in arguments.report]
    urls = dict(_url(one) for one in arguments.url)
    folder = Path(arguments.reports)
    shrink = SHRINK if arguments.shrink is None else arguments.shrink
    outcome = run_gate(Path(arguments.file), folder, urls, shrink=shrink, told=_told)
    files = {"json": folder / "gate.json", "markdown": folder / "gate.md"}
    own = {path.name: path.resolve() for path in files.values()}
    outcome = evolve(outcome, reports={**own, **outcome.reports})
    data = Sieve(outcome.gate.secrets).clean(as_data(outcome))
    for kind, path in (*files.items(), *((one.kind, one.path) for one in reports)):
        write_text(path, KINDS[kind](data))
        if kind == "github":
            write_summary(KINDS["markdown"](data))
    print(text(data), end="")
    return outcome.exit


def _url(text: str) -> tuple[str, str]:
    from spec.exits import Exit, Stop

    name, equals, url = text.partition("=")
    if not equals or not url:
        raise Stop(Exit.USAGE, "a `--url` has no URL", "write `--url NAME=URL`, with the name of a target")
    return name.strip(), url.strip()


def _told(site: Site, checked: Checked | None) -> None:
    """Say on standard error that a target is begun, or what it came to, so that nobody waits for nothing."""
    import sys

    said = "is being checked" if checked is None else f"has been checked (exit code {int(checked.exit)})"
    print(f"{site.name} {said}", file=sys.stderr, flush=True)


GATE = Command("gate", "may this server, at this stage, go out? One verdict for a release", _arguments, _run)
