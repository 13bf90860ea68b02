"""Graphviz: the states as a graph, a cluster for each state that has states."""

from __future__ import annotations

import json
from collections.abc import Iterator

from spec.authoring.exporting.stamp import stamped
from spec.authoring.outlining import CLOSED, START, Outline
from spec.authoring.outlining.arrows import Arrow, arrows

__all__ = ["text"]

_ANY = "any state"


def text(document: Outline) -> str:
    """The graph in the language of `dot`; what is refused and leaves the state is not drawn."""
    lines = [
        *stamped(document, "dot", "//"),
        f"digraph {_quoted(f'{document.name} {document.version}')} {{",
        "  compound=true;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
        f"  {_quoted(START)} [shape=circle, label={_quoted('')}, style=filled, fillcolor=black, width=0.2];",
        f"  {_quoted(CLOSED)} [shape=doublecircle];",
    ]
    if any(arrow.source == "" for arrow in arrows(document)):
        lines.append(f"  {_quoted(_ANY)} [style={_quoted('rounded,dashed')}];")
    lines += _within(document, "", "  ")
    lines += [_arrow(document, arrow) for arrow in arrows(document)]
    return "\n".join([*lines, "}"]) + "\n"


def _within(document: Outline, parent: str, indent: str) -> Iterator[str]:
    for path, state in document.states.items():
        if state.parent != parent:
            continue
        if state.initial is None:
            yield f"{indent}{_quoted(path)} [label={_quoted(state.name)}];"
            continue
        yield f"{indent}subgraph {_quoted(f'cluster_{path}')} {{"
        yield f"{indent}  label={_quoted(state.name)};"
        yield from _within(document, path, f"{indent}  ")
        yield f"{indent}}}"


def _arrow(document: Outline, arrow: Arrow) -> str:
    """An arrow; at a state that has states it begins or ends at the border of the cluster."""
    source, target = arrow.source or _ANY, arrow.target
    options = {"label": "\n".join(arrow.labels)}
    if source in document.states and document.states[source].initial is not None:
        options["ltail"] = f"cluster_{source}"
    if target in document.states and document.states[target].initial is not None:
        options["lhead"] = f"cluster_{target}"
    told = ", ".join(f"{name}={_quoted(value)}" for name, value in options.items())
    return f"  {_quoted(document.leaf(source))} -> {_quoted(document.leaf(target))} [{told}];"


def _quoted(told: str) -> str:
    return json.dumps(told, ensure_ascii=False)
