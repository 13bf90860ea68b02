"""The matrix as people read it: on a terminal and as a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from conformance.mutating.matrix import Matrix, Shown
from conformance.mutating.trying import VERDICTS, Trial
from spec.authoring.mutants import OPERATORS
from spec.exits import Exit, Stop

__all__ = ["KINDS", "markdown", "terminal", "unknown_kind"]

_WORDS = {
    "right": "caught, with the right rule first",
    "otherwise": "caught otherwise",
    "survived": "survived",
    "equivalent": "equivalent",
    "impossible": "no document",
}


def terminal(matrix: Matrix) -> str:
    """The matrix by rule, and below it the mutants that were not caught with a rule of their own."""
    width = max([len(shown.rule.id) for shown in matrix.rules()] + [4])
    lines = [f"{'rule':<{width}}  broken  explains  otherwise  survived  equivalent"]
    for shown in matrix.rules():
        if shown.broken or not shown.faults:
            lines.append(f"{shown.rule.id:<{width}}  {_numbers(shown)}{'' if shown.holds else '  <- shown by none'}")
    lines += ["", *_told(matrix)]
    lines += [f"{count} {_WORDS[verdict]}" for verdict, count in matrix.counts.items() if count]
    lines.append(f"{matrix.share:.1%} of those that are not equivalent were caught with the right rule first")
    return "\n".join(lines) + "\n"


def _numbers(shown: Shown) -> str:
    counts = shown.counts
    numbers = (
        (shown.broken, 6),
        (len(shown.explained), 8),
        *((counts.get(verdict, 0), len(verdict)) for verdict in ("otherwise", "survived", "equivalent")),
    )
    return "  ".join(f"{number:>{width}}" for number, width in numbers)


def _told(matrix: Matrix) -> Iterator[str]:
    for verdict in ("survived", "otherwise"):
        for trial in matrix.of(verdict):
            yield f"{verdict}: {trial.mutant.id}"
            yield f"  {trial.mutant.text} ({', '.join(trial.mutant.rules)})"
            if verdict == "survived":
                yield f"  told apart by: {trial.apart} (stage {trial.stage}); {trial.played} cases played"
            else:
                yield f"  named: {', '.join(trial.named) or 'no rule'} by {trial.case}: {trial.said}"
            yield ""


def markdown(matrix: Matrix) -> str:
    """The matrix as a page."""
    return "\n".join([*_summary(matrix), *_rules(matrix), *_operators(matrix), *_exceptions(matrix), *_every(matrix)])


def _summary(matrix: Matrix) -> list[str]:
    counts = matrix.counts
    tried = sum(counts[verdict] for verdict in ("right", "otherwise", "survived"))
    return [
        f"# Mutants of {matrix.document.name}",
        "",
        "A mutant is the document with one fault. Each was served, and cases of the suite made from the true document",
        "were played against it: first those that should notice by a rehearsal on both documents' machines, and every",
        "one where none of these failed. `make mutants` writes this page.",
        "",
        "- *Equivalent* is a mutant that no behaviour tells from the true document in any deployment: by what every",
        "  decision comes to for every combination of classes, and by the abstraction of the connection.",
        "- *Caught with the right rule*: the first rule of the first failure that a report tells is one that the",
        "  edited element carries out. What only other elements show counts theirs too: a state is told by what it",
        "  does, and a variable, a memory or a membership by what reads it.",
        "- *No document*: the format says that such a fault cannot stand at this place.",
        "",
        f"{tried} mutants are not equivalent. Of these {tried - counts['survived']} were caught, {counts['right']} of",
        f"them ({matrix.share:.1%}) with the right rule first. {counts['equivalent']} more are equivalent, and",
        f"{counts['impossible']} edits make no document.",
        "",
    ]


def _rules(matrix: Matrix) -> list[str]:
    lines = [
        "## Rules",
        "",
        "*Broken* counts the mutants that break a rule, *explains* those whose first failure names it first. A rule",
        "that no edit of a document can break is shown by servers that were broken by hand.",
        "",
        "| rule | broken | explains | otherwise | survived | equivalent | broken by hand |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for shown in matrix.rules():
        numbers = [shown.broken, len(shown.explained), *(shown.counts.get(v, 0) for v in VERDICTS[1:4])]
        faults = "" if shown.explained else ", ".join(f"`{fault.server}:{fault.name}`" for fault in shown.faults[:2])
        lines.append(f"| {shown.rule.id} | {' | '.join(map(str, numbers))} | {faults} |")
    return [*lines, ""]


def _operators(matrix: Matrix) -> list[str]:
    lines = [
        "## Operators",
        "",
        "| operator | what it does | right | otherwise | survived | equivalent | no document |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, counts in matrix.operators().items():
        numbers = " | ".join(str(counts[verdict]) for verdict in VERDICTS)
        lines.append(f"| `{name}` | {OPERATORS[name].text} | {numbers} |")
    return [*lines, ""]


def _exceptions(matrix: Matrix) -> list[str]:
    found = [*matrix.of("survived"), *matrix.of("otherwise")]
    lines = ["## Not caught with the right rule", ""]
    for trial in found:
        lines.append(f"- `{trial.mutant.id}`: {trial.mutant.text}; breaks {', '.join(trial.mutant.rules)}.")
        said = f"**survived**; told apart by {trial.apart}" if trial.verdict == "survived" else _named(trial)
        lines.append(f"  {said}.")
    return [*lines, *(["None."] if not found else []), ""]


def _named(trial: Trial) -> str:
    return f"{trial.named[0] if trial.named else 'No rule'} was named: `{trial.case}` found that {trial.said}"


def _every(matrix: Matrix) -> list[str]:
    lines = ["## Every mutant", ""]
    for name in matrix.operators():
        lines += [f"### {name}", "", "| at | what was changed | came to | names first |", "| --- | --- | --- | --- |"]
        for trial in matrix.trials:
            if trial.mutant.operator == name:
                where = trial.mutant.id.partition("@")[2]
                came = _WORDS[trial.verdict] if trial.verdict != "right" else "right"
                text = trial.mutant.text.replace("|", "\\|")
                lines.append(f"| `{where}` | {text} | {came} | {trial.named[0] if trial.named else ''} |")
        lines.append("")
    return lines


def _json(matrix: Matrix) -> str:
    return json.dumps(matrix.data(), indent=1, ensure_ascii=True, default=str) + "\n"


KINDS: Mapping[str, Callable[[Matrix], str]] = {"json": _json, "markdown": markdown, "terminal": terminal}


def unknown_kind(kind: str) -> Stop:
    """There is no report of a kind."""
    return Stop(Exit.USAGE, f"there is no report `{kind}` of mutants", f"known: {', '.join(KINDS)}")
