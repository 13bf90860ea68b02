"""What happens: the matrix of states and inputs, each state with its tables, and the timers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spec.authoring.documenting.blocks import Anchor, Block, Heading, Inline, Page, Ref, Strong, Table, Text
from spec.authoring.documenting.words import anchor, coded, message_ref, rule_refs, separated, state_ref
from spec.authoring.outlining import Decision, Outcome, Outline, State, legality
from spec.authoring.outlining.decisions import emitted, plainly, verb

__all__ = ["matrix", "states", "timers"]

_TONES = {
    Outcome.ACCEPTED: "good",
    Outcome.SILENT: "plain",
    Outcome.REFUSED: "plain",
    Outcome.CLOSED: "bad",
}
_MOST = 3


def matrix(document: Outline) -> Page:
    """What each state makes of each input."""
    rows = [
        (_input(document, wanted), *(_cell(document, leaf, wanted) for leaf in document.leaves))
        for wanted in document.inputs
    ]
    table = Table("What each state makes of each input", ("Input", *document.leaves), rows)
    told = (
        "`accepted` does something for the sender, `ignored` does nothing, `refused` answers an error and goes on, "
        "`closes` ends the connection. Where several stand in a cell, the state's own table says which decides."
    )
    return Page("matrix", "States and messages", [Text(told), table])


def _input(document: Outline, wanted: str) -> Inline:
    return message_ref(document, "client", wanted) if wanted in document.messages("client") else coded(wanted)


def _cell(document: Outline, leaf: str, wanted: str) -> Inline:
    by: dict[Outcome, list[str]] = {}
    for row in document.deciding(leaf, wanted):
        by.setdefault(row.outcome(leaf, document.errors), []).append(_short(row))
    if not by:
        return "–"
    pieces: list[Inline] = []
    for outcome in Outcome:
        if outcome in by:
            told = list(dict.fromkeys(filter(None, by[outcome])))
            more = f" and {len(told) - _MOST} more" if len(told) > _MOST else ""
            shown = ", ".join(told[:_MOST]) + more
            pieces.append([Strong(outcome.value, _TONES[outcome]), f" {shown}" if shown else ""])
    link = Ref("how", "states", _place(leaf, wanted))
    return (
        [*separated(pieces, "; "), " (", link, ")"] if len(document.deciding(leaf, wanted)) > 1 else separated(pieces)
    )


def _short(row: Decision) -> str:
    """What a row comes to, in as few words as there are."""
    codes = [plainly(effect[verb(effect)]) for effect in row.effects if verb(effect) in {"error", "close"}]
    if codes:
        return ", ".join(codes)
    sent = [name for name, _ in emitted(row.effects)]
    return ", ".join([*sent, *([f"→ {row.to}"] if row.to else [])])


def _place(leaf: str, wanted: str) -> str:
    return anchor("state", leaf, wanted)


# ----------------------------------------------------------------------------------------------------------- states


def states(document: Outline) -> Page:
    """Every state: what may be said in it, and what decides each input."""
    blocks: list[Block] = []
    legal = legality(document)
    if document.receive:
        blocks.append(Text("In every state, unless the state says otherwise:"))
        blocks.append(_table(document, "", document.receive.items(), "In every state", anchors=False))
    for path, state in document.states.items():
        blocks += _state(document, state, legal.sent.get(path), legal.heard.get(path))
    return Page("states", "States", blocks)


def _state(document: Outline, state: State, sent: Sequence[str] | None, heard: Sequence[str] | None) -> Iterator[Block]:
    yield Heading(1, state.path, anchor("state", state.path))
    if state.text:
        yield Text(state.text)
    if state.parent:
        yield Text(["Lies in ", state_ref(document, state.parent), "."])
    if state.initial is not None:
        yield Text(["Begins in ", state_ref(document, f"{state.path}.{state.initial}"), "."])
    if sent is not None:
        yield Text(
            ["Clients may send: ", *(separated(message_ref(document, "client", n) for n in sent) or ["nothing"]), "."]
        )
    if heard is not None:
        yield Text(
            [
                "Clients may be sent: ",
                *(separated(message_ref(document, "server", n) for n in heard) or ["nothing"]),
                ".",
            ]
        )
    rows = [(wanted, document.deciding(state.path, wanted)) for wanted in document.inputs] if sent is not None else []
    if any(decided for _, decided in rows):
        yield _table(document, state.path, rows, f"What decides in {state.path}", anchors=True)


def _table(document: Outline, leaf: str, inputs: object, caption: str, *, anchors: bool) -> Table:
    rows: list[tuple[Inline, ...]] = []
    for wanted, decided in inputs:  # type: ignore[attr-defined]
        for number, row in enumerate(decided, 1):
            name = f"{wanted}" + (f", {number}." if len(decided) > 1 else "")
            first = Anchor(name, _place(leaf, wanted)) if anchors and number == 1 else name
            otherwise = "otherwise" if number > 1 else "always"
            tone = _TONES[row.outcome(leaf, document.errors)]
            rows.append(
                (
                    first,
                    row.guard or otherwise,
                    Strong(row.outcome(leaf, document.errors).value, tone),
                    row.says(leaf, document.errors),
                    rule_refs(document, row.rules),
                )
            )
    return Table(caption, ("Input", "Where", "Comes to", "What is done", "Rules"), rows)


# ----------------------------------------------------------------------------------------------------------- timers


def timers(document: Outline) -> Page | None:
    """Every timer: when it fires, and what then."""
    rows: list[tuple[Inline, ...]] = []
    for timer in document.every_timer:
        says = "; ".join(
            (f"where {row.guard}: " if row.guard else "") + row.says(timer.state, document.errors)
            for row in timer.expire
        )
        rules = dict.fromkeys(rule for row in timer.expire for rule in row.rules)
        rows.append(
            (
                Anchor(timer.name, anchor("timer", timer.state, timer.name)),
                state_ref(document, timer.state) if timer.state else "every state",
                coded(timer.moment),
                says,
                timer.aside or "–",
                rule_refs(document, rules),
            )
        )
    if not rows:
        return None
    late = document.section("parameters", "timer_late").get("default")
    blocks: list[Block] = [
        Text("A timer starts when its state is entered, stops when it is left, and fires once."),
        Table("The timers", ("Timer", "Runs in", "Fires", "Then", "Also", "Rules"), rows),
    ]
    if late is not None:
        blocks.append(Text(f"None fires early, and none more than `timer_late` late (by default {coded(late)})."))
    return Page("timers", "Timers", blocks)
