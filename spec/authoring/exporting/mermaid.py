"""Mermaid: the states as a `stateDiagram-v2`.

States are called `s1`, `s2`, … and shown by their names: Mermaid does not parse `default` or `await-auth` as a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spec.authoring.exporting.stamp import stamped
from spec.authoring.outlining import CLOSED, START, Outline, State
from spec.authoring.outlining.arrows import Arrow, arrows

__all__ = ["text"]

_OPEN = "s0"
_MOST = 6
"""How many labels of one arrow are shown."""


def text(document: Outline) -> str:
    """The diagram; refused requests, and what is refused and leaves the state, are not drawn."""
    names = {path: f"s{number}" for number, path in enumerate(document.states, 1)}
    lines = [*stamped(document, "mermaid", "%%"), "stateDiagram-v2"]
    lines.append(f'  state "an open connection" as {_OPEN} {{')
    lines += _within("", document.states.values(), names, "    ")
    shown = [arrow for arrow in arrows(document) if (arrow.source, arrow.target) != (START, CLOSED)]
    lines += [_arrow(arrow, names, "    ") for arrow in shown if arrow.source and not {START, CLOSED} & _ends(arrow)]
    lines.append("  }")
    lines += [_arrow(arrow, names, "  ") for arrow in shown if not arrow.source or {START, CLOSED} & _ends(arrow)]
    return "\n".join(lines) + "\n"


def _ends(arrow: Arrow) -> set[str]:
    return {arrow.source, arrow.target}


def _within(parent: str, states: Iterable[State], names: dict[str, str], indent: str) -> Iterator[str]:
    states = list(states)
    for state in states:
        if state.parent != parent:
            continue
        if state.initial is None:
            yield f"{indent}{names[state.path]} : {_plain(state.name)}"
            continue
        yield f'{indent}state "{_plain(state.name)}" as {names[state.path]} {{'
        first = f"{state.path}.{state.initial}"
        if first in names:
            yield f"{indent}  [*] --> {names[first]}"
        yield from _within(state.path, states, names, f"{indent}  ")
        yield f"{indent}}}"


def _arrow(arrow: Arrow, names: dict[str, str], indent: str) -> str:
    source = "[*]" if arrow.source == START else names.get(arrow.source, _OPEN)
    target = "[*]" if arrow.target == CLOSED else names.get(arrow.target, _OPEN)
    labels = [_plain(label) for label in arrow.labels[:_MOST]]
    labels += ["…"] if len(arrow.labels) > _MOST else []
    return f"{indent}{source} --> {target} : {'<br/>'.join(labels)}"


def _plain(told: str) -> str:
    """A text without what Mermaid takes for its own signs."""
    return " ".join("".join(" " if sign in '":;#%{}<>`\\' else sign for sign in told).split()) or "…"
