"""A gate's outcome told: for a terminal, as Markdown, and for GitHub; all from the same data, so all say the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.gating.outcome import FORMAT
from conformance.reporting.github import capped, message
from conformance.reporting.run import plural
from conformance.reporting.spans import code, plain
from conformance.verdicts import VERDICTS

__all__ = ["KINDS", "github", "markdown", "read_outcome", "text"]

Data = Mapping[str, Any]


def headline(data: Data) -> str:
    """The verdict as a sentence."""
    what = f"{data['protocol']} {_version(data)}" if data["protocol"] else data["documents"]["new"]["name"]
    stages = dict.fromkeys(_stage(target) for target in data["targets"] if target["stage"])
    at = f" at {', '.join(stages)}" if stages else ""
    if data["verdict"] == "go":
        return f"Go: {what} may go out{at}"
    return f"Stop: {what} may not go out{at}, for {plural(len(data['reasons']), 'reason')}"


def text(data: Data) -> str:
    """For a terminal."""
    lines = [headline(data), *(f"  {_sentence(one)}" for one in data["reasons"]), ""]
    if data["changes"]:
        lines.append(f"changes: {_counted(data['changes']['counts'])}")
        lines += [
            f"  allowed until {one['expires']}: {one['id']} ({one['reason']})" for one in data["changes"]["allowed"]
        ]
    for target in data["targets"]:
        lines.append(f"{target['name']}: {target['verdict']}{_at(target)} · {target['url']}")
        lines += [f"  {told}" for told in _told(target)]
    lines += [f"report: {path}" for name, path in data["reports"].items() if name == "gate.md"]
    # What a server said must not steer the terminal.
    return plain("\n".join(lines)) + "\n"


def markdown(data: Data) -> str:
    """For a pull request or the summary of a step."""
    return "\n".join(_markdown(data)) + "\n"


def github(data: Data) -> str:
    """Workflow commands: an annotation for each reason, and the verdict."""
    errors = [(f"gate {one['kind']}", _sentence(one)) for one in data["reasons"]]
    return "\n".join([*capped("error", errors), f"::notice title=handfast gate::{message(headline(data))}"]) + "\n"


def _json(data: Data) -> str:
    return json.dumps(data, indent=1, ensure_ascii=True) + "\n"


KINDS: Mapping[str, Callable[[Data], str]] = {
    "terminal": text,
    "json": _json,
    "markdown": markdown,
    "github": github,
}
"""The reports of a gate."""


def read_outcome(path: Path) -> Data | None:
    """The outcome of a gate that a json report holds; None for a file that is no such report."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT else None


def _markdown(data: Data) -> Iterator[str]:
    sign = "✅" if data["verdict"] == "go" else "🛑"
    yield f"# {sign} {headline(data)}"
    yield ""
    if data["name"]:
        yield code(data["name"])
        yield ""
    for one in data["reasons"]:
        yield f"- {_named(one)}{': ' + code(one['detail']) if one['detail'] else ''}"
    if data["reasons"]:
        yield ""
    yield from _table(data)
    yield from _changes(data)
    for target in data["targets"]:
        yield from _target(target)
    yield f"{code(data['tool'])}, {code(data['file'])}, started {data['started']}, exit code {data['exit']}"


def _table(data: Data) -> Iterator[str]:
    if not data["targets"]:
        return
    shown = [verdict for verdict in VERDICTS if any(target["counts"].get(verdict) for target in data["targets"])]
    yield f"| target | stage | verdict | {' | '.join(shown)}{' | ' if shown else ''}rules | better | worse |"
    yield f"| --- | --- | --- | {'---: | ' * len(shown)}---: | ---: | ---: |"
    for target in data["targets"]:
        counts = "".join(f"{target['counts'].get(verdict, 0)} | " for verdict in shown)
        since = target["since"] or {"compared": False}
        moved = [str(len(since[side])) if since["compared"] else "-" for side in ("better", "worse")]
        stage = code(_stage(target)) if target["stage"] else "-"
        verdict = f"**{target['verdict']}**" if target["verdict"] != "conformant" else "conformant"
        yield (
            f"| {code(target['name'])} | {stage} | {verdict} | {counts}{_of(target['coverage']['rules'])} "
            f"| {moved[0]} | {moved[1]} |"
        )
    yield ""


def _changes(data: Data) -> Iterator[str]:
    changes = data["changes"]
    if not changes:
        return
    documents = data["documents"]
    sides = " → ".join(f"{one['name']} ({one['version']})" for one in (documents["old"], documents["new"]))
    yield "## What changes for clients"
    yield ""
    yield f"{code(sides)}: {_counted(changes['counts'])}."
    yield ""
    for one in changes["breaking"]:
        where = f", where {code(' or '.join(one['stages']))}" if one["stages"] else ""
        instead = f" Instead: {one['instead']}." if one["instead"] else ""
        yield f"- **breaks** {code(one['id'])} [{one['fingerprint']}]{where}: {code(one['text'])}.{instead}"
    for one in changes["allowed"]:
        until = f" until {one['expires']}" if one["expires"] else ""
        yield f"- allowed{until}: {code(one['id'])}: {code(one['reason'])}"
    yield ""


def _target(target: Data) -> Iterator[str]:
    yield f"## {code(target['name'])}"
    yield ""
    lasted = f" in {target['duration_s']:.1f} s" if target["duration_s"] is not None else ""
    how = f", level {target['level']}, seed {target['seed']}" if target["level"] else ""
    yield f"{code(target['url'])}: {plural(target['cases'], 'case')}{lasted}{how}."
    yield ""
    if target["reason"] and not target["complete"]:
        yield f"- not checked whole: {code(target['reason'])}"
    for one in target["findings"]:
        level = str(one["level"] or "").upper().replace("_", " ")
        yield f"- {one['verdict']} {code(one['rule'])} {level}, {plural(one['cases'], 'case')}: {code(one['message'])}"
    yield from (f"- known failures: {code(told)}" for told in target["misfits"])
    yield from (f"- flaky: {code(told)}" for told in target["flaky"])
    since = target["since"]
    if since:
        for side in ("worse", "better"):
            for one in since[side]:
                yield f"- {side} than in the last release: {code(one['rule'])}, {one['was']} → {one['now']}"
        if not since["compared"]:
            yield f"- not compared with {code(since['file'])}"
        elif not since["complete"]:
            yield f"- compared with what there is of {code(since['file'])}, which was cut off"
    if target["reports"]:
        yield f"- reports: {', '.join(map(code, target['reports'].values()))}"
    yield ""


def _told(target: Data) -> Iterator[str]:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(target["counts"].items()) if count)
    yield f"{plural(target['cases'], 'case')}: {counts or 'none'}; rules reached: {_of(target['coverage']['rules'])}"
    yield from (f"{one['verdict']} {one['rule']}: {one['message']}" for one in target["findings"])
    yield from target["flaky"]
    for side in ("worse", "better"):
        moved = target["since"][side] if target["since"] else ()
        if moved:
            told = ", ".join(f"{one['rule']} ({one['was']} → {one['now']})" for one in moved)
            yield f"{side} than in the last release: {told}"


def _sentence(reason: Data) -> str:
    return f"{reason['text']}: {reason['detail']}" if reason["detail"] else str(reason["text"])


def _named(reason: Data) -> str:
    """A sentence of ours, which begins with the name of the target that it is about."""
    target = reason["target"]
    return reason["text"].replace(target, code(target), 1) if target else str(reason["text"])


def _counted(counts: Mapping[str, int]) -> str:
    words = {"error": "breaking", "warning": "to be looked at", "info": "safe", "ignored": "allowed"}
    return ", ".join(f"{counts[level]} {words[level]}" for level in words if counts[level]) or "no difference"


def _of(share: Mapping[str, int] | None) -> str:
    return f"{share['reached']} of {share['of']}" if share else "-"


def _version(data: Data) -> int | None:
    new = data["documents"]["new"]
    return new["version"] if new else None


def _stage(target: Data) -> str:
    return ", ".join(f"{name} {value}" for name, value in target["stage"].items())


def _at(target: Data) -> str:
    return f" at {_stage(target)}" if target["stage"] else ""
