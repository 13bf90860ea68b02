"""What was learnt of a server, told: as data for tools, and for people beside what the document says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from conformance.arranging import Arranged
from conformance.drawing import dot, mermaid, name_of
from conformance.learning import Learned
from conformance.machines import Deviation, Machine, Step, deviations, named, shortest
from spec.exits import Exit
from spec.parameters import format_value

__all__ = ["FORMAT", "KINDS", "Told"]

FORMAT = 1
KINDS = ("text", "json", "mermaid", "dot")
"""What can be written of what was learnt."""

_MOST = 30
"""How many differing rows people are shown."""

_WIDTH = 120


class Told:
    """What was learnt, with names for states, the differences, and the ways to tell it."""

    def __init__(self, arranged: Arranged, learned: Learned) -> None:
        self._target, self._learned = arranged.target, learned
        self._document = arranged.target.document
        self._name = name_of(self._document)
        self._expected: Machine = learned.layer.machine
        self._machine = named(learned.machine, self._expected) if learned.machine is not None else None
        self._trace = shortest(learned.layer, self._machine) if self._machine is not None else None
        self._deviations = deviations(self._expected, self._machine) if self._machine is not None else []

    @property
    def verdict(self) -> str:
        """`equivalent`, `different`, or `contradictory` where the server answered one exchange in two ways."""
        if self._machine is None:
            return "contradictory"
        return "equivalent" if self._trace is None else "different"

    @property
    def exit(self) -> Exit:
        return Exit.CONFORMANT if self.verdict == "equivalent" else Exit.NONCONFORMANT

    def report(self, kind: str) -> str:
        """One of `KINDS`."""
        match kind:
            case "json":
                return json.dumps(self.data(), indent=1, ensure_ascii=True, default=str) + "\n"
            case "mermaid":
                return mermaid(self._machines(), self._document)
            case "dot":
                return dot(self._machines(), self._document)
        out = io.StringIO()
        self.show(Console(file=out, width=_WIDTH, no_color=True, highlight=False))
        return out.getvalue()

    def _machines(self) -> dict[str, Machine]:
        return {"document": self._expected} | ({"server": self._machine} if self._machine is not None else {})

    # ---------------------------------------------------------------------------------------------------- data

    def data(self) -> dict[str, Any]:
        """What `--report json` writes."""
        learned, trace = self._learned, self._trace
        return {
            "format": FORMAT,
            "tool": f"handfast {version('handfast')}",
            "protocol": self._document.name,
            "version": self._document.version,
            "document": self._document.digest,
            "target": self._target.endpoint.url,
            "parameters": {name: format_value(value) for name, value in self._target.parameters.items()},
            "layer": learned.layer.name,
            "verdict": self.verdict,
            "inputs": len(self._expected.alphabet()),
            "states": {title: len(machine.states) for title, machine in self._machines().items()},
            "asked": learned.asked,
            "rounds": learned.rounds,
            "duration_s": round(learned.duration, 3),
            "left_out": list(learned.layer.left_out),
            "assumed": [[str(wanted) for wanted in word] for word in learned.assumed],
            "trace": None
            if trace is None
            else {
                "rules": list(trace.rules),
                "steps": [
                    {"input": str(wanted), "document": list(expected), "server": list(observed)}
                    for wanted, expected, observed in zip(trace.word, trace.expected, trace.observed, strict=True)
                ],
            },
            "differences": [
                {
                    "state": found.state,
                    "input": str(found.wanted),
                    "document": _step_data(found.expected),
                    "server": _step_data(found.observed),
                }
                for found in self._deviations
            ],
            "contradiction": self._contradiction_data(),
            "machines": {title: _machine_data(machine) for title, machine in self._machines().items()},
        }

    def _contradiction_data(self) -> dict[str, Any] | None:
        found = self._learned.contradiction
        if found is None:
            return None
        return {"inputs": [str(w) for w in found.word], "answers": [[list(o) for o in a] for a in found.answers]}

    # ------------------------------------------------------------------------------------------------ terminal

    def show(self, console: Console) -> None:
        """Tell people."""
        learned = self._learned
        console.print(
            f"[bold]handfast {version('handfast')}[/] · {self._document.name} {self._document.version} · "
            f"{escape(self._target.endpoint.url)}"
        )
        states = ", ".join(f"{title} {len(machine.states)}" for title, machine in self._machines().items())
        console.print(f"  states    {states}; {len(self._expected.alphabet())} inputs")
        console.print(f"  asked     {learned.asked} exchanges in {learned.duration:.1f} s")
        for told in learned.layer.left_out:
            console.print(f"  [dim]left out: {escape(told)}[/]")
        for word in learned.assumed:
            console.print(f"  [dim]waits too long, taken from the document: {escape(self._path(word))}[/]")
        console.print()
        if learned.contradiction is not None:
            self._show_contradiction(console)
        elif self._trace is not None:
            self._show_difference(console)
        style = "green" if self.verdict == "equivalent" else "red"
        console.print(f"verdict: [{style} bold]{_VERDICTS[self.verdict]}[/]")

    def _path(self, word: Any) -> str:
        return ", then ".join(self._name(wanted) for wanted in word)

    def _show_contradiction(self, console: Console) -> None:
        found = self._learned.contradiction
        assert found is not None
        console.print("[red bold]the server answered the same exchange in two ways:[/]")
        one, other = found.answers
        rows = [
            (self._name(wanted), _said(one[index : index + 1]), _said(other[index : index + 1]))
            for index, wanted in enumerate(found.word)
        ]
        console.print(_table(("input", "once", "and again"), rows))
        console.print("  [dim]a machine is learnt of a server that answers alike whenever it is asked alike[/]\n")

    def _show_difference(self, console: Console) -> None:
        trace = self._trace
        assert trace is not None
        console.print("[bold]the shortest exchange that shows a difference[/]")
        steps = zip(trace.word, trace.expected, trace.observed, strict=True)
        rows = [(self._name(wanted), _said([expected]), _said([observed])) for wanted, expected, observed in steps]
        console.print(_table(("input", "document", "server"), rows))
        for rule in (self._document.rules[name] for name in trace.rules if name in self._document.rules):
            level = rule.level.upper().replace("_", " ")
            console.print(f"  [red bold]{rule.id}[/] {level}  [dim]{escape(rule.text)}[/]")
        console.print("\n[bold]every difference[/]")
        found = _gathered(self._deviations, self._name)
        console.print(_table(("state", "input", "document", "server"), found[:_MOST]))
        if len(found) > _MOST:
            console.print(f"  and {len(found) - _MOST} more, in `--report json:PATH`")
        self._show_more_states(console)
        console.print()

    def _show_more_states(self, console: Console) -> None:
        assert self._machine is not None
        own = [state for state in self._machine.states if state not in self._expected.states]
        missing = [state for state in self._expected.states if state not in self._machine.states]
        if own:
            console.print(f"  states that the document has not: {escape(', '.join(own))}")
        if missing:
            console.print(f"  states of the document that were not found: {escape(', '.join(missing))}")


_VERDICTS = {
    "equivalent": "the server implements the document's machine",
    "different": "the server implements another machine",
    "contradictory": "the server is no machine that can be learnt",
}


def _gathered(found: list[Deviation], name: Callable[[Any], str]) -> list[tuple[str, str, str, str]]:
    """Rows of a table: the inputs of a state in which both sides say the same in one."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        rows.setdefault((one.state, _step(one.expected), _step(one.observed)), []).append(name(one.wanted))
    return [(state, "\n".join(inputs), expected, observed) for (state, expected, observed), inputs in rows.items()]


def _table(titles: tuple[str, ...], rows: list[Any]) -> Table:
    table = Table(*titles, box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def _said(outputs: Any) -> str:
    return "; ".join(", ".join(output) or "silence" for output in outputs) or "(not asked)"


def _step(step: Step | None) -> str:
    return "(not asked)" if step is None else f"{_said([step[1]])} → {step[0]}"


def _step_data(step: Step | None) -> dict[str, Any] | None:
    return None if step is None else {"output": list(step[1]), "to": step[0]}


def _machine_data(machine: Machine) -> Mapping[str, Any]:
    return {
        "initial": machine.initial,
        "final": sorted(machine.final),
        "states": list(machine.states),
        "transitions": [
            {"from": state, "input": str(wanted), "output": list(output), "to": target}
            for (state, wanted), (target, output) in machine.table.items()
        ],
    }
