"""The scenarios: named example exchanges, drawn as sequences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from spec.authoring.documenting.blocks import Block, Code, Figure, Heading, Page, Text
from spec.authoring.documenting.drawing import Step, sequence
from spec.authoring.documenting.words import anchor, applies
from spec.authoring.outlining import Outline
from spec.authoring.outlining.decisions import plainly

__all__ = ["mermaid", "page"]


def page(document: Outline) -> Page | None:
    """Every scenario."""
    blocks: list[Block] = []
    for name, scenario in document.section("scenarios").items():
        blocks.append(Heading(1, name, anchor("scenario", name)))
        blocks.append(Text(plainly(scenario.get("text", ""))))
        if scenario.get("applies"):
            blocks.append(Text(f"Where {applies(scenario['applies'])}."))
        steps = [_step(step) for step in scenario.get("steps", ()) if isinstance(step, Mapping)]
        if steps:
            blocks.append(_figure(name, scenario, steps))
        else:
            blocks.append(Code(json.dumps(scenario, indent=2, ensure_ascii=False), "json"))
    return Page("scenarios", "Scenarios", blocks) if blocks else None


def _figure(name: str, scenario: Mapping[str, Any], steps: Sequence[Step]) -> Figure:
    says = "; ".join(f"{step.source} to {step.target}: {step.text}" for step in steps)
    drawn = sequence(steps, anchor("sequence", name), f"The exchange {name}", says)
    return Figure(drawn, mermaid(steps), plainly(scenario.get("text", name)), says)


def _step(step: Mapping[str, Any]) -> Step:
    client = plainly(step.get("client", "client"))
    if "open" in step:
        return Step(client, "server", " ".join(["opens", *_opened(step["open"])]))
    if "send" in step:
        aside = [f"a token that is {step['token']}"] if "token" in step else []
        aside += [f"with {plainly(step['left'])} left"] if "left" in step else []
        aside += [_short(step["payload"])] if "payload" in step else []
        return Step(client, "server", plainly(step["send"]) + (f": {', '.join(aside)}" if aside else ""))
    if "expect" in step:
        return Step("server", client, plainly(step["expect"]))
    if "closed" in step:
        return Step("server", client, f"close {plainly(step['closed'])}")
    rest = {key: member for key, member in step.items() if key != "client"}
    return Step(client, "server", _short(rest))


def _opened(request: Any) -> list[str]:
    if not isinstance(request, Mapping):
        return []
    told = [f"offering {plainly(request['offer'])}"] if request.get("offer") else []
    for place, kind in (request.get("credential") or {}).items():
        told.append(f"with a {kind} token in the {place}")
    others = {name: member for name, member in request.items() if name not in {"offer", "credential"}}
    return told + ([_short(others)] if others else [])


def _short(found: Any) -> str:
    told = json.dumps(found, ensure_ascii=False)
    return told if len(told) <= 60 else f"{told[:59]}…"


def mermaid(steps: Sequence[Step]) -> str:
    """The source for Mermaid; its participants are called `p1`, `p2`, …, since it takes few names."""
    sides = dict.fromkeys(side for step in steps for side in (step.source, step.target))
    names = {side: f"p{number}" for number, side in enumerate(sorted(sides, key=lambda side: side == "server"), 1)}
    lines = ["sequenceDiagram", *(f"  participant {name} as {_plain(side)}" for side, name in names.items())]
    for step in steps:
        alone = f"  Note over {names[step.source]}: {_plain(step.text)}"
        spoken = f"  {names[step.source]}->>{names[step.target]}: {_plain(step.text)}"
        lines.append(alone if step.source == step.target else spoken)
    return "\n".join(lines) + "\n"


def _plain(told: str) -> str:
    return " ".join("".join(" " if sign in ';#%{}<>"`\\' else sign for sign in told).split()) or "…"
