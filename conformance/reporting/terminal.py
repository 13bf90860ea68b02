"""The report for a terminal: what was reached, what failed by rule, the shortest exchange, and how to replay it."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from conformance.guarantee import in_words
from conformance.reporting.exchange import line, remark, replay, shown
from conformance.reporting.run import NO_RULE, SHOWN, Event, Run, clocks_in_words, plural, read_run
from conformance.scripts import SAVED

__all__ = ["print_header", "print_result", "render", "render_case", "render_end", "transcript_line"]

_TIERS = {
    "mint": "a minting key: every case that the wire can show",
    "token": "one token {}: cases that need other tokens are not applicable",
    "nothing": "the URL alone: cases that need a token are not applicable",
}

_SOURCES = {
    "file": "of a file that is read again before it expires",
    "command": "of a command that is asked again before it expires",
    "http": "of a login that is made again before it expires",
}

_STYLES = {"error": "red", "fail": "red", "warn": "yellow", "flaky": "yellow", "inconclusive": "magenta"}


def render(events: list[dict[str, Any]], *, color: bool = False, width: int = 110) -> str:
    """The whole report as text."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=color, no_color=not color, highlight=False, soft_wrap=True)
    print_header(console, events)
    print_result(console, events)
    return out.getvalue()


def print_header(console: Console, events: list[dict[str, Any]]) -> None:
    """What is checked, how, and what of it can be reached."""
    run = read_run(events)
    header = run.header
    console.print(
        f"[bold]{header['tool']}[/] · {header['protocol']} {header['version']} · "
        f"{escape(header['target'])} · level {header['level']} · seed {header['seed']}"
    )
    keys = ", ".join(f"{key['alg']} {key['kid']}" if key["kid"] else key["alg"] for key in header.get("keys", ()))
    source = _SOURCES.get(str(header.get("tokens")), "that was given")
    tier = _TIERS.get(header["tier"], "not known").format(source)
    console.print(f"  reached     {tier}" + (f" ({escape(keys)})" if keys else ""))
    told = ", ".join(f"{name}={header['parameters'][name]}" for name in header["given"])
    console.print(
        f"  parameters  {escape(told) + '; the others at their defaults' if told else 'all at their defaults'}"
    )
    clients = "each from an address of its own" if header["addresses"] else "all from one address"
    measured = ""
    if run.calibration:
        trip, quiet = run.calibration["round_trip_s"] * 1000, run.calibration["quiet_s"] * 1000
        measured = f", round trip {trip:.1f} ms, quiet period {quiet:.0f} ms"
    console.print(f"  cases       {header['cases']}, clients {clients}{measured}")
    if run.calibration:
        console.print(f"  clock       {clocks_in_words(run.calibration.get('clock'))}")
    if not header.get("owned", True):
        console.print("  care        no attack below the messages is tried: that needs --i-own-this-target")
    saved = header.get("saved") or {"played": 0, "skipped": []}
    if saved["played"]:
        console.print(f"  saved       {saved['played']} failures of earlier runs first, from {escape(saved['folder'])}")
    for told in saved["skipped"]:
        console.print(f"  [yellow]left out    {escape(told)}[/]")
    for number, told in enumerate(in_words(header.get("guarantee"))):
        console.print(f"  {'' if number else 'guarantee':<11} {escape(told)}")
    console.print()


def print_result(console: Console, events: list[dict[str, Any]]) -> None:
    """Failures by rule, then what was reached, the counts and the verdict."""
    run = read_run(events)
    for verdict in SHOWN:
        if verdict == "inconclusive" and run.footer is not None and run.reason:
            continue  # What was under way when the run was cut short says nothing of its own.
        for rule, group in run.by_rule(verdict):
            _print_rule(console, run, rule, group, verdict)
    _print_footer(console, run)


def render_case(run: Run, case: Event) -> str:
    """One case that did not pass: the rule and what was wrong in a line, and then as the report shows it."""
    out = io.StringIO()
    console = Console(file=out, width=110, no_color=True, highlight=False, soft_wrap=True)
    rule = case["rules"][0] if case["rules"] else NO_RULE
    console.print(f"{' '.join((rule, run.level(rule))).strip()}: {case['message']}", markup=False)
    if known := run.rule(rule):
        console.print(f"  {known['text']}", markup=False)
    _print_exchange(console, run, case)
    return out.getvalue().rstrip()


def render_end(run: Run) -> str:
    """How a run ended, without its cases."""
    out = io.StringIO()
    _print_footer(Console(file=out, width=110, no_color=True, highlight=False, soft_wrap=True), run)
    return out.getvalue().strip()


def _print_rule(console: Console, run: Run, rule: str, group: list[Event], verdict: str) -> None:
    style, known = _STYLES[verdict], run.rule(rule)
    console.print(f"[{style} bold]{verdict.upper()} {rule}[/] {run.level(rule)} · {plural(len(group), 'case')}")
    if known:
        console.print(f"  [dim]{escape(known['text'])}[/]")
    first = group[0]
    console.print(f"  [bold]{escape(first['id'])}[/]: {escape(first['message'])}")
    _print_exchange(console, run, first)
    others = [case["id"] for case in group[1:]]
    if others:
        listed = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
        console.print(f"    also: {escape(listed)}")
    console.print()


def _print_exchange(console: Console, run: Run, case: Event) -> None:
    for entry in shown(case):
        console.print(transcript_line(entry, run.header.get("started")))
    if told := remark(case):
        console.print(f"    [dim]{told}[/]")
    if command := replay(run, case):
        console.print(f"    replay: {escape(command)}")


def transcript_line(entry: Event, started: str | None = None) -> Text:
    """One line of an exchange."""
    style = {">": "cyan", "<": "green"}.get(entry["direction"], "dim")
    told = line(entry, started)
    text = Text(f"    {told}")
    text.stylize(style, 4 + len(f"{entry['at'] * 1000:8.0f} ms  {entry['client']:<6} "))
    return text


_UNREACHED = {"unreached": "not reached", "not applicable": "not applicable", "elsewhere": "not on the wire"}


def _print_footer(console: Console, run: Run) -> None:
    header, footer = run.header, run.footer
    if footer is None:
        many = f"{len(run.cases)} of {header['cases']} cases"
        console.print(f"[red]this run was cut off after {many}: its stream has no footer[/]")
        _print_counts(console, run, many)
        return
    _print_coverage(console, run)
    if header.get("guarantee"):
        console.print(f"guarantee: {'given' if run.guarantee['holds'] else '[yellow]not given[/]'}")
    _print_counts(console, run, f"\n{len(run.cases)} of {header['cases']} cases in {footer['duration_s']:.1f} s")
    saved = [case for case in run.cases if case["family"] == SAVED]
    fixed = [case["id"] for case in saved if case["verdict"] == "pass"]
    if fixed:
        console.print(f"[green]fixed: {len(fixed)} of {len(saved)} saved failures: {escape(', '.join(fixed))}[/]")
        console.print("  [dim]their files stay, as tests against their return; delete those that are not wanted[/]")
    if footer.get("unsaved"):
        console.print(f"[red]{escape(footer['unsaved'])}[/]")
    for rule, group in run.by_rule("known"):
        told = f"{rule}, {plural(len(group), 'case')} ({group[0].get('known', '')})"
        console.print(f"  [dim]known: {escape(told)}[/]")
    for flaky in (run.baseline or {}).get("flaky", ()):
        console.print(f"  [yellow]{escape(flaky)}[/]")
    for misfit in run.misfits:
        console.print(f"[red]baseline: {escape(misfit)}[/]")
    if run.reason:
        console.print(f"[yellow]partial: {escape(run.reason)}[/]")
    style = {"conformant": "green", "nonconformant": "red"}.get(run.verdict, "yellow")
    console.print(f"verdict: [{style} bold]{run.verdict}[/]")


def _print_coverage(console: Console, run: Run) -> None:
    rules, states, rows = (run.coverage[name] for name in ("rules", "states", "transitions"))
    testable = len(rules["reached"]) + len(rules["unreached"])
    console.print(
        f"rules reached: {len(rules['reached'])} of {testable} that apply here; "
        f"states: {len(states['reached'])} of {len(states['all'])}; "
        f"rows and cases of the document: {len(rows['reached'])} of {len(rows['reached']) + len(rows['unreached'])}"
    )
    for kind, title in _UNREACHED.items():
        grouped: dict[str, list[str]] = {}
        for rule, why in rules[kind].items():
            grouped.setdefault(why, []).append(rule)
        for why, names in grouped.items():
            console.print(f"  [dim]{title}: {', '.join(names)} ({escape(why)})[/]")


def _print_counts(console: Console, run: Run, many: str) -> None:
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(run.counts.items()) if count)
    console.print(f"{many}: {told or 'none'}")
