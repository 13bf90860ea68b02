"""The `markdown` report: verdict, counts, what failed by rule with one exchange each, and what was reached.

What servers say stands in code spans and code blocks only, where it is no markup and mentions nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from conformance.guarantee import in_words
from conformance.reporting.exchange import line, remark, replay, shown
from conformance.reporting.run import SHOWN, Event, Run, plural, read_run

__all__ = ["render"]

_SIGNS = {"conformant": "✅", "nonconformant": "❌", "inconclusive": "⚠️", "error": "⚠️"}


def render(events: list[dict[str, Any]]) -> str:
    """The report."""
    run = read_run(events)
    return "\n".join([*_head(run), *_failures(run), *_reached(run)]) + "\n"


def _head(run: Run) -> Iterator[str]:
    header = run.header
    yield f"## {_SIGNS[run.verdict]} {_code(run.title)}: {run.verdict}"
    yield ""
    yield f"{_code(header['tool'])} at {_code(header['target'])}, level {header['level']}, seed {header['seed']}"
    yield ""
    if run.reason:
        yield f"> [!WARNING]\n> {'Truncated' if run.cut_off else 'Partial'}: {_code(run.reason)}"
        yield ""
    duration = f" in {run.duration:.1f} s" if run.duration is not None else ""
    yield f"{len(run.cases)} of {header['cases']} cases{duration}."
    yield ""
    yield "| verdict | cases |\n| --- | ---: |"
    yield from (f"| {verdict} | {count} |" for verdict, count in run.counts.items() if count)
    yield ""
    yield from (f"- baseline: {_code(misfit)}" for misfit in run.misfits)
    yield from (f"- {_code(flaky)}" for flaky in (run.baseline or {}).get("flaky", ()))


def _failures(run: Run) -> Iterator[str]:
    for verdict in SHOWN:
        for rule, group in run.by_rule(verdict):
            yield f"### {verdict} {_code(rule)} {run.level(rule)}, {plural(len(group), 'case')}"
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
        yield f"- {_code(rule)}, {plural(len(group), 'case')}: {_code(group[0]['known'])}"


def _case(run: Run, case: Event) -> Iterator[str]:
    yield f"{_code(case['id'])}: {_code(case['message'])}"
    yield ""
    exchange = [line(entry, run.header.get("started")) for entry in shown(case)]
    if exchange:
        fence = _fence("\n".join(exchange), 3)
        yield f"<details><summary>The exchange</summary>\n\n{fence}text"
        yield from exchange
        yield f"{fence}\n\n</details>\n"
    if told := remark(case):
        yield f"{told}.\n"
    if command := replay(run, case):
        yield f"Replay: {_code(command)}\n"


def _others(cases: Iterable[Event]) -> Iterator[str]:
    names = [_code(case["id"]) for case in cases]
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
        yield f"- not reached: {_code(rule)} ({_code(why)})"
    stated = in_words(run.header.get("guarantee"))
    if stated:
        yield f"- guarantee: {'given' if run.guarantee['holds'] else 'not given'}"
        yield from (f"  - {_code(told)}" for told in stated)


def _code(text: object) -> str:
    """A code span that holds any text (CommonMark section 6.1); lines become one."""
    said = " ".join(str(text).split())
    if not said:
        return "(empty)"
    fence = _fence(said, 1)
    return f"{fence} {said} {fence}" if "`" in said else f"`{said}`"


def _fence(text: str, least: int) -> str:
    """A run of backticks that does not occur in a text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)
