"""The report for a terminal: what was reached, what failed by rule, the shortest exchange, and how to replay it."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from conformance.guarantee import in_words
from conformance.repeats import folded
from conformance.scripts import SAVED, Extent
from spec.expressions import read_moment

__all__ = ["in_short", "print_header", "print_result", "render", "transcript_line"]

Event = Mapping[str, Any]

_TIERS = {
    "mint": "a minting key: every case that the wire can show",
    "token": "one token that was given: cases that need other tokens are not applicable",
    "nothing": "the URL alone: cases that need a token are not applicable",
}


def render(events: list[dict[str, Any]], *, color: bool, width: int = 110) -> str:
    """The whole report as text."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=color, no_color=not color, highlight=False, soft_wrap=True)
    print_header(console, events)
    print_result(console, events)
    return out.getvalue()


def print_header(console: Console, events: list[dict[str, Any]]) -> None:
    """What is checked, how, and what of it can be reached."""
    header = events[0]
    calibration = next((e for e in events if e["event"] == "calibration"), None)
    console.print(
        f"[bold]{header['tool']}[/] · {header['protocol']} {header['version']} · "
        f"{escape(header['target'])} · level {header['level']} · seed {header['seed']}"
    )
    keys = ", ".join(f"{key['alg']} {key['kid']}" if key["kid"] else key["alg"] for key in header.get("keys", ()))
    console.print(f"  reached     {_TIERS[header['tier']]}" + (f" ({escape(keys)})" if keys else ""))
    told = ", ".join(f"{name}={header['parameters'][name]}" for name in header["given"])
    console.print(
        f"  parameters  {escape(told) + '; the others at their defaults' if told else 'all at their defaults'}"
    )
    clients = "each from an address of its own" if header["addresses"] else "all from one address"
    measured = ""
    if calibration:
        trip, quiet = calibration["round_trip_s"] * 1000, calibration["quiet_s"] * 1000
        measured = f", round trip {trip:.1f} ms, quiet period {quiet:.0f} ms"
    console.print(f"  cases       {header['cases']}, clients {clients}{measured}")
    if not header.get("owned", True):
        console.print("  care        no attack below the messages is tried: that needs --i-own-this-target")
    saved = header.get("saved") or {"played": 0, "skipped": []}
    if saved["played"]:
        console.print(f"  saved       {saved['played']} failures of earlier runs first, from {escape(saved['folder'])}")
    for line in saved["skipped"]:
        console.print(f"  [yellow]left out    {escape(line)}[/]")
    for number, line in enumerate(in_words(header.get("guarantee"))):
        console.print(f"  {'' if number else 'guarantee':<11} {escape(line)}")
    console.print()


def _key_flags(header: Event) -> str:
    """The flags that give a replay the keys of its run, with placeholders for where they are."""
    if header["tier"] != "mint":
        return " --token env:NAME" if header["tier"] == "token" else ""
    keys = header.get("keys", ())
    if any(key["kid"] or key["alg"] != "HS256" for key in keys):
        return " --key file:PATH"
    return " --secret env:NAME"


def print_result(console: Console, events: list[dict[str, Any]]) -> None:
    """Failures by rule, then what was reached, the counts and the verdict."""
    header, cases = events[0], [e for e in events if e["event"] == "case"]
    footer = next((e for e in events if e["event"] == "footer"), None)
    for verdict, style in _SHOWN:
        found = [case for case in cases if case["verdict"] == verdict]
        if verdict == "inconclusive" and footer is not None and footer["reason"]:
            continue  # What was under way when the run was cut short says nothing of its own.
        for rule, group in _by_rule(found):
            _print_rule(console, header, rule, group, verdict, style)
    _print_footer(console, header, cases, footer)


def _by_rule(cases: Iterable[Event]) -> list[tuple[str, list[Event]]]:
    groups: dict[str, list[Event]] = {}
    for case in cases:
        groups.setdefault(case["rules"][0] if case["rules"] else "(no rule)", []).append(case)
    return sorted(((rule, sorted(group, key=_size)) for rule, group in groups.items()), key=lambda pair: pair[0])


def _size(case: Event) -> tuple[bool, bool, int, str]:
    return case["family"] != SAVED, "shrunk" not in case, len(case.get("transcript", ())), case["id"]


def _print_rule(console: Console, header: Event, rule: str, group: list[Event], verdict: str, style: str) -> None:
    known = header["rules"].get(rule, {})
    level = str(known.get("level", "")).upper().replace("_", " ")
    many = f"{len(group)} case{'s' if len(group) > 1 else ''}"
    console.print(f"[{style} bold]{verdict.upper()} {rule}[/] {level} · {many}")
    if known:
        console.print(f"  [dim]{escape(known['text'])}[/]")
    first = group[0]
    console.print(f"  [bold]{escape(first['id'])}[/]: {escape(first['message'])}")
    for entry in _shown(folded(first.get("transcript", []))):
        console.print(transcript_line(entry))
    if "shrunk" in first:
        before, after = (Extent(**first["shrunk"][side]) for side in ("from", "to"))
        console.print(f"    [dim]shrunk to {after}, from {before}; played again alone[/]")
    elif first.get("attempts", 1) > 1:
        console.print(f"    [dim]played {first['attempts']} times, alone the last time[/]")
    if "failure_file" in first:
        console.print(f"    replay: handfast replay {escape(first['failure_file'])}{_key_flags(header)}")
    others = [case["id"] for case in group[1:]]
    if others:
        shown = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
        console.print(f"    also: {escape(shown)}")
    console.print()


def _shown(transcript: list[Event], limit: int = 30) -> list[Event]:
    if len(transcript) <= limit:
        return transcript
    gap = {"at": transcript[limit // 2]["at"], "client": "", "direction": ".", "text": "…"}
    return [*transcript[: limit // 2], gap, *transcript[-limit // 2 :]]


_UNREACHED = {"unreached": "not reached", "not applicable": "not applicable", "elsewhere": "not on the wire"}
_SHOWN = (("error", "red"), ("fail", "red"), ("warn", "yellow"), ("flaky", "yellow"), ("inconclusive", "magenta"))
_RECENT = 7 * 86400.0
"""A timestamp that lies this near, in seconds, is as every other and is not shown."""

_ARROWS = {">": "→", "<": "←", ".": "·"}


def transcript_line(entry: Event) -> Text:
    """One line of an exchange: milliseconds, client, direction, and the message in short."""
    style = {">": "cyan", "<": "green"}.get(entry["direction"], "dim")
    line = Text(f"    {entry['at'] * 1000:8.0f} ms  {entry['client']:<6} ")
    return line.append(f"{_ARROWS[entry['direction']]} {in_short(entry['text'])}", style=style)


def in_short(text: str) -> str:
    """A JSON message as its type, payload, id and reply; anything else as it is."""
    if not text.startswith("{"):
        return text
    try:
        body = json.loads(text)
        kind, payload = body.pop("type"), body.pop("payload")
    except (ValueError, KeyError):
        return text
    moment = read_moment("time", str(body.get("timestamp")))
    if moment is not None and str(body["timestamp"]).endswith("Z") and abs(moment - time.time()) < _RECENT:
        del body["timestamp"]
    rest = " ".join(f"{name}={_value(value)}" for name, value in body.items())
    return f"{kind} {_value(payload)}  {rest}".rstrip()


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_value(member)}" for name, member in value.items()) + "}"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    text = text if len(text) <= 60 else f"{text[:40]}… ({len(text)} characters)"
    return json.dumps(text, ensure_ascii=False)[1:-1] if isinstance(value, str) else text


def _print_footer(console: Console, header: Event, cases: list[dict[str, Any]], footer: Event | None) -> None:
    if footer is None:
        console.print(
            f"[red]this run was cut off after {len(cases)} of {header['cases']} cases: its stream has no footer[/]"
        )
        return
    rules = footer["coverage"]["rules"]
    testable = len(rules["reached"]) + len(rules["unreached"])
    states, rows = footer["coverage"]["states"], footer["coverage"]["transitions"]
    console.print(
        f"rules reached: {len(rules['reached'])} of {testable} that apply here; "
        f"states: {len(states['reached'])} of {len(states['all'])}; "
        f"rows and cases of the document: {len(rows['reached'])} of {len(rows['reached']) + len(rows['unreached'])}"
    )
    for kind, title in (
        ("unreached", "not reached"),
        ("not applicable", "not applicable"),
        ("elsewhere", "not on the wire"),
    ):
        if rules[kind]:
            grouped: dict[str, list[str]] = {}
            for rule, why in rules[kind].items():
                grouped.setdefault(why, []).append(rule)
            for why, names in grouped.items():
                console.print(f"  [dim]{title}: {', '.join(names)} ({escape(why)})[/]")
    if "guarantee" in header:
        console.print(f"guarantee: {'given' if footer.get('guaranteed') else '[yellow]not given[/]'}")
    counts: dict[str, int] = {}
    for case in cases:
        counts[case["verdict"]] = counts.get(case["verdict"], 0) + 1
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    console.print(f"\n{len(cases)} of {header['cases']} cases in {footer['duration_s']:.1f} s: {told or 'none'}")
    saved = [case for case in cases if case["family"] == SAVED]
    fixed = [case["id"] for case in saved if case["verdict"] == "pass"]
    if fixed:
        console.print(f"[green]fixed: {len(fixed)} of {len(saved)} saved failures: {escape(', '.join(fixed))}[/]")
        console.print("  [dim]their files stay, as tests against their return; delete those that are not wanted[/]")
    if footer.get("unsaved"):
        console.print(f"[red]{escape(footer['unsaved'])}[/]")
    known = [case for case in cases if case["verdict"] == "known"]
    for rule, group in _by_rule(known):
        console.print(f"  [dim]known: {rule}, {len(group)} cases ({escape(group[0].get('known', ''))})[/]")
    for misfit in (footer.get("baseline") or {}).get("misfits", ()):
        console.print(f"[red]baseline: {escape(misfit)}[/]")
    if footer["reason"]:
        console.print(f"[yellow]partial: {escape(footer['reason'])}[/]")
    style = {"conformant": "green", "nonconformant": "red"}.get(footer["verdict"], "yellow")
    console.print(f"verdict: [{style} bold]{footer['verdict']}[/]")
