"""Telling what came of two documents: for people, for a pull request, for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from conformance.compatibility.running import Compatibility, Failure, Stage

__all__ = ["FORMATS"]

_SIDES = {"server_first": "old clients at the new server", "clients_first": "new clients at the old server"}
_SHOWN = 3
"""How many scripts of one rule are named."""


def _text(found: Compatibility, names: tuple[str, str]) -> str:
    return "\n".join(_lines(found, names)) + "\n"


def _lines(found: Compatibility, names: tuple[str, str]) -> Iterator[str]:
    yield f"{found.protocol} {found.versions[0]} → {found.versions[1]} ({names[0]} → {names[1]})"
    for stage in found.stages:
        yield ""
        yield f"{_SIDES[stage.order]}{f', {stage.name}' if stage.name else ''}: {_verdict(stage)}"
        yield f"  {_counts(stage)}"
        for rule, failures in _by_rule(stage).items():
            first = failures[0]
            more = f", and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else ""
            yield f"  {rule}: {first.text}"
            yield f"    {', '.join(failure.case for failure in failures[:_SHOWN])}{more}"


def _verdict(stage: Stage) -> str:
    return "breaks" if stage.broken else "holds"


def _counts(stage: Stage) -> str:
    others = len(stage.failures) - len(stage.broken)
    said = f"{stage.passed} of {stage.played} scripts pass; {len(stage.broken)} fail of clients that do nothing wrong"
    more = f", {others} of clients that are refused anyway" if others else ""
    return f"{said}{more}; {stage.left_out} need a socket"


def _by_rule(stage: Stage) -> Mapping[str, list[Failure]]:
    """The failures of clients that do nothing wrong, by the rule that is broken first."""
    found: dict[str, list[Failure]] = {}
    for failure in stage.broken:
        found.setdefault((*failure.rules, "?")[0], []).append(failure)
    return found


def _markdown(found: Compatibility, names: tuple[str, str]) -> str:
    lines = [f"# {found.protocol} {found.versions[0]} → {found.versions[1]}", ""]
    lines += [f"Scripts of `{names[0]}` and `{names[1]}`, each against the other's server.", ""]
    lines += ["| who | stage | verdict | scripts | pass | break | refused otherwise |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    for stage in found.stages:
        others = len(stage.failures) - len(stage.broken)
        cells = [_SIDES[stage.order], stage.name or "the only one", _verdict(stage)]
        lines.append(f"| {' | '.join(cells)} | {stage.played} | {stage.passed} | {len(stage.broken)} | {others} |")
    return "\n".join(lines) + "\n"


def _json(found: Compatibility, names: tuple[str, str]) -> str:
    data = {
        "format": "handfast-compat/1",
        "protocol": found.protocol,
        "old": {"name": names[0], "version": found.versions[0]},
        "new": {"name": names[1], "version": found.versions[1]},
        "stages": [
            {
                "order": stage.order,
                "name": stage.name,
                "verdict": _verdict(stage),
                "played": stage.played,
                "passed": stage.passed,
                "left_out": stage.left_out,
                "failures": [
                    {"case": f.case, "rules": list(f.rules), "text": f.text, "lawful": f.lawful} for f in stage.failures
                ],
            }
            for stage in found.stages
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Compatibility, tuple[str, str]], str]] = {
    "text": _text,
    "markdown": _markdown,
    "json": _json,
}
