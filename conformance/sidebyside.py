"""What a comparison says: as data for tools, and side by side for people."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import zip_longest
from typing import Any

from attrs import asdict
from rich.console import Console
from rich.markup import escape

from conformance.arranging import Arranged
from conformance.comparing import Compared
from conformance.contrasting import Difference, Group
from conformance.preflight import Calibration
from conformance.reporting.exchange import in_short
from conformance.scripts import case_to_data
from spec.expressions import rfc3339
from spec.parameters import format_value

__all__ = ["FORMAT", "as_data", "print_comparison", "print_heading"]

FORMAT = 1

Data = Mapping[str, Any]
_LONGEST = 240
"""How many characters of one event are shown."""

_NAMES = {"a": "A", "b": "B"}


# ------------------------------------------------------------------------------------------------------------ data


def as_data(first: Arranged, second: Arranged, compared: Compared) -> dict[str, Any]:
    """A comparison as plain data: what `--report json` writes."""
    target = first.target
    return {
        "format": FORMAT,
        "tool": f"handfast {version('handfast')}",
        "protocol": target.document.name,
        "version": target.document.version,
        "document": target.document.digest,
        "level": first.level,
        "seed": first.seed,
        "targets": {"a": target.endpoint.url, "b": second.target.endpoint.url},
        "parameters": {name: format_value(value) for name, value in target.parameters.items()},
        "given": sorted(target.given),
        "verdict": compared.verdict,
        "reason": compared.died or "",
        "duration_s": round(compared.duration, 3),
        "cases": compared.cases,
        "counts": {
            **{name.replace(", ", " ").replace(" ", "_"): count for name, count in compared.alike.items()},
            "different": sum(len(group.cases) for group in compared.groups),
            "unsteady": len(compared.unsteady),
            "not_compared": len(compared.missed),
        },
        "differences": [_group(first, group) for group in compared.groups],
        "free_texts": {name: dict(zip("ab", texts, strict=True)) for name, texts in compared.texts.items()},
        "unsteady": compared.unsteady,
        "not_compared": compared.missed,
    }


def _group(first: Arranged, group: Group) -> dict[str, Any]:
    shown = group.shown
    rules = first.target.document.rules
    named = [rule for rule in dict.fromkeys(shown.rules) if rule in rules]
    return {
        "culprits": list(shown.culprits),
        "rules": {
            rule: {"level": rules[rule].level, "text": rules[rule].text, "broken_by": _breakers(shown, rule)}
            for rule in named
        },
        "events": dict(zip("ab", shown.events, strict=True)),
        "text": shown.text,
        "cases": list(group.cases),
        "script": case_to_data(shown.case),
        "until": shown.until,
        "observed": {
            side: [{**asdict(event), "at": round(event.at, 4)} for event in result.observed]
            for side, result in zip("ab", shown.results, strict=True)
        },
    }


def _breakers(shown: Difference, rule: str) -> list[str]:
    return [side for side, broken in zip("ab", shown.rules, strict=True) if broken == rule]


# -------------------------------------------------------------------------------------------------------- terminal


def print_heading(
    console: Console, arranged: Iterable[Arranged], cases: int, calibrations: Iterable[Calibration]
) -> None:
    """What is compared, and how."""
    several = list(arranged)
    target = several[0].target
    console.print(
        f"[bold]handfast {version('handfast')}[/] · {target.document.name} {target.document.version} · "
        f"level {several[0].level} · seed {several[0].seed}"
    )
    for name, one, measured in zip("AB", several, calibrations, strict=True):
        trip = measured.round_trip * 1000
        console.print(f"  {name}           {escape(one.target.endpoint.url)}  [dim]round trip {trip:.1f} ms[/]")
    told = ", ".join(f"{name}={format_value(target.parameters[name])}" for name in sorted(target.given))
    told = f"{told}; the others at their defaults" if told else "all at their defaults"
    console.print(f"  parameters  {escape(told)}, at both")
    console.print(f"  cases       {cases}, at both\n")


def print_comparison(console: Console, data: Data) -> None:
    """Every cause with its shortest script, then the counts and the verdict."""
    for group in data["differences"]:
        _print_group(console, group)
    _print_footer(console, data)


def _print_group(console: Console, group: Data) -> None:
    many = f"{len(group['cases'])} case{'s' if len(group['cases']) > 1 else ''}"
    if not group["culprits"]:
        console.print(f"[yellow bold]OPEN[/] no rule decides · {many}")
    for side in group["culprits"]:
        rule = next((name for name, known in group["rules"].items() if side in known["broken_by"]), "(no rule)")
        known = group["rules"].get(rule, {"level": "", "text": ""})
        level = known["level"].upper().replace("_", " ")
        console.print(f"[red bold]{_NAMES[side]} BREAKS {rule}[/] {level} · {many}")
        if known["text"]:
            console.print(f"  [dim]{escape(known['text'])}[/]")
    console.print(f"  [bold]{escape(group['script']['id'])}[/]: {escape(group['text'])}")
    for line in _columns(group, console.width):
        console.print(f"    {escape(line)}")
    others = [name for name in group["cases"] if name != group["script"]["id"]]
    if others:
        shown = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
        console.print(f"    also: {escape(shown)}")
    console.print()


def _columns(group: Data, width: int) -> list[str]:
    """The exchange: what the script did across, and under it what each server did in a column of its own."""
    wide = max(24, (width - 16) // 2)
    sides = [[e for e in events if e["step"] <= group["until"]] for events in group["observed"].values()]
    several = len({event["client"] for events in sides for event in events}) > 1
    starts = sorted({event["step"] for events in sides for event in events if _ours(event)})
    lines = [f"{'A':<{wide}} │ B"]
    for start in starts:
        # What came while the script only waited belongs to what was done before.
        blocks = [[e for e in events if max(at for at in starts if at <= e["step"]) == start] for events in sides]
        done = max(([_line(e, several) for e in block if _ours(e)] for block in blocks), key=len)
        lines += [piece for line in done for piece in _wrapped(line, 2 * wide)]
        one, other = ([_line(e, several) for e in block if not _ours(e)] for block in blocks)
        lines += _beside(one, other, wide)
    return lines


def _line(event: Data, several: bool) -> str:
    arrow = {"sent": "→", "wait": "·"}.get(event["kind"], f"← {event['at'] * 1000:.0f} ms")
    client = f"{event['client']:<5} " if several else ""
    return f"{client}{arrow} {_short(event)}"


def _wrapped(line: str, width: int) -> list[str]:
    cut = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return textwrap.wrap(cut, width, subsequent_indent="    ")


def _ours(event: Data) -> bool:
    return event["kind"] in {"sent", "wait"}


def _short(event: Data) -> str:
    match event["kind"], event["value"]:
        case "http", (status, body, subprotocol):
            said = f"{status}" + (f" {body[:200]}" if body and status != 101 else "")
            return said + (f" {subprotocol}" if subprotocol else "")
        case "binary", size:
            return f"a binary message of {size} bytes"
        case "close", (code, reason):
            return f"close {code if code != 1005 else '(no code)'} {reason}".rstrip()
    return in_short(str(event["value"]), rfc3339(time.time()))


def _beside(one: list[str], other: list[str], wide: int) -> Iterable[str]:
    for texts in zip_longest(one, other, fillvalue=""):
        for left, right in zip_longest(*(_wrapped(text, wide) for text in texts), fillvalue=""):
            yield f"{left:<{wide}} │ {right}".rstrip()


def _print_footer(console: Console, data: Data) -> None:
    counts = data["counts"]
    told = [f"{counts['alike']} alike"]
    if counts["alike_and_both_break_a_rule"]:
        told.append(f"{counts['alike_and_both_break_a_rule']} alike in breaking a rule (`handfast check` shows them)")
    told.append(f"{counts['different']} different" + (f" ({_causes(data)})" if data["differences"] else ""))
    if data["unsteady"]:
        told.append(f"{counts['unsteady']} different once and not again ({_some(list(data['unsteady']))})")
    console.print(f"{data['cases']} cases at both in {data['duration_s']:.1f} s: {escape(', '.join(told))}")
    reasons: dict[str, list[str]] = {}
    for name, why in data["not_compared"].items():
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        console.print(f"  [dim]not compared: {len(names)} cases ({escape(why)}): {escape(_some(names))}[/]")
    if data["free_texts"]:
        name, texts = next(iter(data["free_texts"].items()))
        example = f"{name}: {json.dumps(texts['a'])} and {json.dumps(texts['b'])}"
        console.print(
            f"  [dim]worded differently, as servers may: {len(data['free_texts'])} texts ({escape(example)})[/]"
        )
    if data["reason"]:
        console.print(f"[yellow]partial: {escape(data['reason'])}[/]")
    style = {"same": "green", "different": "red"}.get(data["verdict"], "yellow")
    console.print(f"verdict: [{style} bold]{_VERDICTS[data['verdict']]}[/]")


def _causes(data: Data) -> str:
    """Who breaks which rules, and how much is open."""
    told = []
    for side, name in _NAMES.items():
        broken = dict.fromkeys(r for g in data["differences"] for r, k in g["rules"].items() if side in k["broken_by"])
        if broken:
            told.append(f"{name} breaks {', '.join(broken)}")
    unruled = sum(not group["culprits"] for group in data["differences"])
    return "; ".join([*told, f"{unruled} open"] if unruled else told)


_VERDICTS = {"same": "no difference", "different": "different", "inconclusive": "inconclusive"}


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
