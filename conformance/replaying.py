"""Replaying one saved failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio
from attrs import asdict, evolve
from rich.console import Console

from conformance.arranging import Arranged
from conformance.clock import Clock
from conformance.plan import Plan
from conformance.preflight import calibrate
from conformance.repeats import folded
from conformance.reporting.terminal import transcript_line
from conformance.runner import Runner
from conformance.saved import misfit
from conformance.scripts import Case, case_from_data
from conformance.verdicts import Result
from spec.exits import Exit, Stop
from spec.expressions import rfc3339

__all__ = ["replay"]


def replay(arranged: Arranged, saved: Mapping[str, Any]) -> Exit:
    """Play a saved failure once, alone, and say what became of it."""
    try:
        case = case_from_data(saved["case"])
    except ValueError as problem:
        raise Stop(Exit.USAGE, str(problem)) from None
    plan = Plan(arranged.target)
    stale = misfit(case, plan)
    if stale is not None:
        raise Stop(Exit.USAGE, stale)
    result = trio.run(_play, plan, evolve(case, alone=True))
    became, code = _became(result, saved)
    clean = arranged.target.book.sieve.clean
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{case.id}[/] at {arranged.target.endpoint.url}")
    if arranged.target.document.digest != saved["document"]:
        console.print("  [dim]the document has changed since this failure was saved[/]")
    console.print(f"  was: {', '.join(saved['rules'][:1])} {saved['message']}", markup=False)
    for entry in folded(clean([asdict(entry) for entry in result.transcript])):
        console.print(transcript_line(entry, rfc3339(arranged.target.epoch)))
    if result.message:
        console.print(f"  now: {', '.join(result.rules[:1])} {clean(result.message)}", markup=False)
    console.print(f"replay: [bold]{became}[/]")
    return code


async def _play(plan: Plan, case: Case) -> Result:
    clock = Clock()
    await calibrate(plan, clock)
    runner = Runner(plan.target, lambda result: None, clock)
    await runner.run([case])
    if runner.died is not None or case.id not in runner.results:
        raise Stop(Exit.UNREACHABLE, f"the target died: {runner.died}")
    return runner.results[case.id]


def _became(result: Result, saved: Mapping[str, Any]) -> tuple[str, Exit]:
    if result.verdict == "pass":
        return "fixed", Exit.CONFORMANT
    if result.verdict not in {"fail", "warn"}:
        return "error", Exit.NOTHING
    same = list(result.rules[:1]) == list(saved["rules"][:1])
    return ("failed" if same else "changed"), Exit.NONCONFORMANT
