"""A run over the mutants of a protocol: which are chosen, how it goes on, what it comes to."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from conformance.globs import select
from conformance.mutating.deployments import VARIABLE, Bench, chosen_parameters
from conformance.mutating.matrix import Fault, Matrix
from conformance.mutating.rendering import KINDS, terminal, unknown_kind
from conformance.mutating.scheduling import try_all
from conformance.mutating.trying import Trial
from spec.authoring.mutants import OPERATORS, Mutant, mutants
from spec.exits import Exit, Stop
from spec.loading import DocumentError, UnknownProtocol

__all__ = ["mutate"]

_PER_PROCESSOR = 3
"""How many mutants are tried at once for each processor; a trial mostly waits, for timers and for its server."""


def mutate(arguments: argparse.Namespace) -> Exit:
    """Try the mutants that the flags choose and tell what became of them.

    Gives CONFORMANT where each was caught or is equivalent, NONCONFORMANT where one survived.
    """
    reports = [_report(text) for text in arguments.report]
    faults = [fault for path in arguments.by_hand for fault in _faults(Path(path))]
    bench = _bench(arguments.protocol)
    chosen = _chosen(bench, arguments)
    os.environ.setdefault(VARIABLE, secrets.token_urlsafe(32))
    if arguments.run or arguments.skip:
        # A glob that fits no case of any deployment is a slip; one that fits none of some is not.
        select([case.id for stage in bench.stages() for case in bench.cases(stage)], arguments.run, arguments.skip)
    if arguments.list:
        for mutant in chosen:
            print(f"{mutant.id}  {mutant.text}  ({', '.join(mutant.rules)})")
        return Exit.CONFORMANT
    jobs = arguments.jobs or _PER_PROCESSOR * _processors()
    matrix = Matrix(bench.document, _tried(arguments, chosen, jobs), faults)
    for kind, path in reports:
        _write(path, KINDS[kind](matrix))
    print(terminal(matrix), end="")
    return Exit.NONCONFORMANT if matrix.of("survived") else Exit.CONFORMANT


def _bench(protocol: str) -> Bench:
    try:
        return Bench(protocol)
    except UnknownProtocol as problem:
        raise Stop(Exit.USAGE, str(problem), "`handfast list` names the packaged ones") from None
    except DocumentError as problem:
        raise Stop(Exit.USAGE, f"the document has problems:\n{problem}") from None


def _chosen(bench: Bench, arguments: argparse.Namespace) -> list[Mutant]:
    every = found = list(mutants(bench.source.data, chosen_parameters(bench.document)))
    for flag, globs, names in (
        ("operator", arguments.operator, lambda mutant: (mutant.operator,)),
        ("rule", arguments.rule, lambda mutant: mutant.rules),
        ("mutant", arguments.mutant, lambda mutant: (mutant.id,)),
    ):
        for glob in globs or ():
            if not any(fnmatchcase(name, glob) for mutant in every for name in names(mutant)):
                hint = f"known: {', '.join(OPERATORS)}" if flag == "operator" else "`--list` shows the mutants"
                raise Stop(Exit.USAGE, f"no mutant fits `--{flag} {glob}`", hint)
        if globs:
            found = [m for m in found if any(fnmatchcase(name, glob) for name in names(m) for glob in globs)]
    if not found:
        raise Stop(Exit.NOTHING, "no mutant fits all of these flags", "`--list` shows the mutants")
    return found


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tried(arguments: argparse.Namespace, chosen: Sequence[Mutant], jobs: int) -> list[Trial]:
    """The trials, in the order of the mutants."""
    order = {mutant.id: number for number, mutant in enumerate(chosen)}
    counts: Counter[str] = Counter()
    trials: list[Trial] = []
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    live = console.is_terminal
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not live) as bar:
        task = bar.add_task("mutants", total=len(chosen))
        for trial in try_all(arguments.protocol, chosen, jobs, tuple(arguments.run), tuple(arguments.skip)):
            trials.append(trial)
            counts[trial.verdict] += 1
            told = f"mutants, {counts['survived']} survived"
            bar.update(task, advance=1, description=told)
            if not live and (len(trials) % 25 == 0 or len(trials) == len(chosen)):
                print(f"{len(trials)} of {len(chosen)} {told}", file=sys.stderr, flush=True)
    return sorted(trials, key=lambda trial: order[trial.mutant.id])


# ----------------------------------------------------------------------------------------------------- files


def _report(text: str) -> tuple[str, Path]:
    kind, colon, path = text.partition(":")
    if not colon or not path:
        raise Stop(Exit.USAGE, f"`--report {text}` names no file", "write `--report json:PATH`")
    if kind not in KINDS:
        raise unknown_kind(kind)
    return kind, Path(path)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise Stop(Exit.USAGE, f"the report {path} cannot be written: {problem.strerror}") from None


def _faults(path: Path) -> list[Fault]:
    """The faults that a file lists; each has `name`, `rules` and `text`, and the server is named by its folder."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [Fault(path.parent.name, e["name"], tuple(e["rules"]), e["text"]) for e in entries]
    except OSError as problem:
        raise Stop(Exit.USAGE, f"{path} cannot be read: {problem.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise Stop(Exit.USAGE, f"{path} is no list of faults", "each has `name`, `rules` and `text`") from None
