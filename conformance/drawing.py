"""Machines as diagrams: what is refused is drawn once for each state, and what differs is marked and drawn in full."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping

from attrs import frozen

from conformance.families.transitions import USUAL
from conformance.machines import Machine
from spec.abstraction import LONG, Input
from spec.model import Document

__all__ = ["dot", "mermaid", "name_of"]


@frozen
class _Edge:
    source: str
    target: str
    text: str
    differs: bool


def name_of(document: Document) -> Callable[[Input], str]:
    """How an input is called: without the classes that everything else rests on."""

    def name(wanted: Input) -> str:
        shown = [f"{fact}={value}" for fact, value in wanted.facts if (document.facts[fact].kind, value) not in USUAL]
        shown += ["short-lived"] if wanted.life != LONG else []
        shown += ["elsewhere"] if wanted.elsewhere else []
        word = _word(wanted)
        return f"{word}({', '.join(shown)})" if shown else word

    return name


def _word(wanted: Input) -> str:
    return wanted.name if wanted.kind == "receive" else " ".join(part for part in (wanted.kind, wanted.name) if part)


def mermaid(machines: Mapping[str, Machine], document: Document) -> str:
    """Machines as one Mermaid `stateDiagram-v2`; what differs begins with `≠`."""
    lines = ["stateDiagram-v2"]
    for title, machine in machines.items():
        ids = {state: f"{_identifier(title)}_{number}" for number, state in enumerate(machine.states)}
        lines.append(f'  state "{_plain(title)}" as {_identifier(title)} {{')
        lines += [f"    {ids[state]} : {_plain(state)}" for state in machine.states]
        lines.append(f"    [*] --> {ids[machine.initial]}")
        for edge in _edges(machine, _others(machines, title), document):
            mark = "≠ " if edge.differs else ""
            lines.append(f"    {ids[edge.source]} --> {ids[edge.target]} : {mark}{_plain(edge.text)}")
        lines += [f"    {ids[state]} --> [*]" for state in machine.states if state in machine.final]
        lines.append("  }")
    return "\n".join(lines) + "\n"


def dot(machines: Mapping[str, Machine], document: Document) -> str:
    """Machines as one Graphviz graph, a cluster for each; what differs is red."""
    lines = ["digraph handfast {", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    for title, machine in machines.items():
        ids = {state: f"{_identifier(title)}_{number}" for number, state in enumerate(machine.states)}
        lines += [f"  subgraph cluster_{_identifier(title)} {{", f"    label={_quoted(title)};"]
        lines += [f"    {ids[state]} [label={_quoted(state)}];" for state in machine.states]
        for edge in _edges(machine, _others(machines, title), document):
            color = ", color=red, fontcolor=red" if edge.differs else ""
            lines.append(f"    {ids[edge.source]} -> {ids[edge.target]} [label={_quoted(edge.text)}{color}];")
        lines.append("  }")
    return "\n".join([*lines, "}"]) + "\n"


def _others(machines: Mapping[str, Machine], title: str) -> list[Machine]:
    return [machine for name, machine in machines.items() if name != title]


def _edges(machine: Machine, others: Iterable[Machine], document: Document) -> list[_Edge]:
    name = name_of(document)
    differing = {key for other in others for key, step in machine.table.items() if other.table.get(key) != step}
    groups: dict[tuple[str, str, str, bool], list[Input]] = {}
    for (state, wanted), (target, output) in machine.table.items():
        differs = (state, wanted) in differing
        said = ", ".join(output) or "silence"
        refused = target in machine.final or (target == state and _refuses(output, document))
        answer = "" if refused and not differs else said
        groups.setdefault((state, target, answer, differs), []).append(wanted)
    return [
        _Edge(state, target, _text(inputs, answer, name, ends=target in machine.final), differs)
        for (state, target, answer, differs), inputs in groups.items()
    ]


def _refuses(output: tuple[str, ...], document: Document) -> bool:
    return bool(output) and all(said.startswith(f"{document.error_message} ") for said in output)


def _text(inputs: list[Input], answer: str, name: Callable[[Input], str], *, ends: bool) -> str:
    if not answer:
        count = f"{len(inputs)} input{'s' if len(inputs) > 1 else ''}"
        return f"{count} / refused or closed" if ends else f"{count} / refused"
    words: dict[str, list[Input]] = {}
    for wanted in inputs:
        words.setdefault(_word(wanted), []).append(wanted)
    shown = [name(same[0]) if len(same) == 1 else f"{word} ×{len(same)}" for word, same in words.items()]
    return f"{', '.join(shown)} / {answer}"


def _identifier(text: str) -> str:
    return re.sub(r"\W", "_", text)


def _plain(text: str) -> str:
    """A text without what Mermaid reads as its own."""
    return re.sub(r"[^\w .,+/×()=-]", " ", text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
