"""The `markdown` report: verdict, counts, what failed by rule with one exchange each, and what was reached.

What servers say stands in code spans and code blocks only, where it is no markup and mentions nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from conformance.guarantee import in_words
from conformance.reporting.exchange import line, remark, replay, shown
from conformance.reporting.run import SHOWN, Event, Run, plural, read_run
from conformance.reporting.spans import code, fence, plain

__all__ = ["render"]

_SIGNS = {"conformant": "✅", "nonconformant": "❌", "inconclusive": "⚠️", "error": "⚠️"}


def render(events: list[dict[str, Any]]) -> str:
    """The report."""
    run = read_run(events)
    return "\n".join([*_head(run), *_failures(run), *_reached(run)]) + "\n"


def _head(run: Run) -> Iterator[str]:
    header = run.header
    yield f"## {_SIGNS[run.verdict]} {code(run.title)}: {run.verdict}"
    yield ""
    yield f"{code(header['tool'])} at {code(header['target'])}, level {header['level']}, seed {header['seed']}"
    yield ""
    if run.reason:
        yield f"> [!WARNING]\n> {'Truncated' if run.cut_off else 'Partial'}: {code(run.reason)}"
        yield ""
    duration = f" in {run.duration:.1f} s" if run.duration is not None else ""
    yield f"{len(run.cases)} of {header['cases']} cases{duration}."
    yield ""
    yield "| verdict | cases |\n| --- | ---: |"
    yield from (f"| {verdict} | {count} |" for verdict, count in run.counts.items() if count)
    yield ""
    yield from (f"- baseline: {code(misfit)}" for misfit in run.misfits)
    yield from (f"- {code(flaky)}" for flaky in (run.baseline or {}).get("flaky", ()))


def _failures(run: Run) -> Iterator[str]:
    for verdict in SHOWN:
        for rule, group in run.by_rule(verdict):
            yield f"### {verdict} {code(rule)} {run.level(rule)}, {plural(len(group), 'case')}"
            yield ""
            if text := run.rule(rule).get("text"):
                yield f"> {text}"
                yield ""
            yield from _case(run, group[0])
            yield from _others(group[1:])
    known = run.by_rule("known")
    if known:
        yield "### known"
        yield ""
    for rule, group in known:
        yield f"- {code(rule)}, {plural(len(group), 'case')}: {code(group[0]['known'])}"


def _case(run: Run, case: Event) -> Iterator[str]:
    yield f"{code(case['id'])}: {code(case['message'])}"
    yield ""
    exchange = [plain(line(entry, run.header.get("started"))) for entry in shown(case)]
    if exchange:
        ticks = fence("\n".join(exchange), 3)
        yield f"<details><summary>The exchange</summary>\n\n{ticks}text"
        yield from exchange
        yield f"{ticks}\n\n</details>\n"
    if told := remark(case):
        yield f"{told}.\n"
    if command := replay(run, case):
        yield f"Replay: {code(command)}\n"


def _others(cases: Iterable[Event]) -> Iterator[str]:
    names = [code(case["id"]) for case in cases]
    if names:
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        yield f"Also: {', '.join(names[:8])}{more}\n"


def _reached(run: Run) -> Iterator[str]:
    if not run.coverage:
        return
    yield "### Reached"
    yield ""
    rules, states, rows = (run.coverage[name] for name in ("rules", "states", "transitions"))
    yield f"- rules: {len(rules['reached'])} of {len(rules['reached']) + len(rules['unreached'])} that apply"
    yield f"- states: {len(states['reached'])} of {len(states['all'])}"
    yield f"- rows and cases: {len(rows['reached'])} of {len(rows['reached']) + len(rows['unreached'])}"
    for rule, why in rules["unreached"].items():
        yield f"- not reached: {code(rule)} ({code(why)})"
    stated = in_words(run.header.get("guarantee"))
    if stated:
        yield f"- guarantee: {'given' if run.guarantee['holds'] else 'not given'}"
        yield from (f"  - {code(told)}" for told in stated)
