"""The words that all formats share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spec.authoring.diffing.changes import Change, Witness
from spec.authoring.diffing.playing import Step
from spec.authoring.diffing.policy import Finding, Judgement

__all__ = ["SIDES", "as_data", "cut", "headline", "level_of", "place", "plain_step", "summary", "witness_lines"]

SIDES: Mapping[str, str] = {
    "server_first": "old clients at the new server",
    "clients_first": "new clients at the old server",
}


def headline(found: Change) -> str:
    """What a change is, in one line."""
    return f"{found.rule.title}: {found.text}"


def place(found: Change) -> str:
    """Where it is: in the new document, or in the old one where it is gone."""
    return found.new_at or found.old_at


def cut(text: str, most: int = 160) -> str:
    """A text that is not longer than a line or two."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def summary(judgement: Judgement) -> str:
    """How many changes there are, and what they come to."""
    counts = judgement.counted()
    if not any(counts.values()):
        return "no difference"
    words = {"error": "breaking", "warning": "to be looked at", "info": "safe", "ignored": "ignored"}
    return ", ".join(f"{count} {words[level]}" for level, count in counts.items() if count)


def plain_step(step: Step) -> str:
    """What a client does in a step."""
    return f"{step.client} {step.text}"


def witness_lines(witness: Witness) -> list[str]:
    """What shows it: the exchange with both endings, or the message."""
    sides = ("the old document", "the new document")
    expected, actual = sides if witness.order == "server_first" else sides[::-1]
    if witness.kind == "message":
        body = json.dumps(witness.body, ensure_ascii=False)
        return [f"{cut(body)}", f"{actual} lets a server send it; a reader of {expected} refuses it"]
    lines = [plain_step(step) for step in witness.steps]
    if witness.kind == "permission":
        return [*lines, f"then `{witness.message}` may come by one document, and not by the other"]
    return [*lines, f"{expected}: {_heard(witness.expected)}", f"{actual}: {_heard(witness.actual)}"]


def _heard(heard: tuple[str, ...]) -> str:
    return cut("; ".join(cut(one, 110) for one in heard), 240) or "nothing"


def level_of(finding: Finding) -> str:
    """The severity, or that it is ignored."""
    return "ignored" if finding.ignored else finding.level


def as_data(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(name): as_data(member) for name, member in value.items()}
    return [as_data(member) for member in value] if isinstance(value, list | tuple) else value
