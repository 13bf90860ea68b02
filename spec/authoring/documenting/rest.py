"""What else a document says: what holds across states, and sections that no page tells of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from spec.authoring.documenting.blocks import Block, Code, Heading, Inline, Page, Table, Text
from spec.authoring.documenting.words import anchor, coded, rule_refs
from spec.authoring.outlining import Outline
from spec.authoring.outlining.decisions import plainly

__all__ = ["page"]

_TOLD = {
    *("handfast", "protocol", "version", "title", "summary", "versions", "rules", "parameters", "definitions", "wire"),
    *("framing", "messages", "errors", "refusals", "tokens", "facts", "rooms", "opening", "connection", "scenarios"),
    *("invariants", "indistinguishable", "include", "http"),
}
_UNTOLD = ("memories", "framing")


def page(document: Outline) -> Page | None:
    """Invariants first; then every section that no other page tells of, as it is written."""
    blocks: list[Block] = []
    rows = list(_invariants(document))
    if rows:
        blocks += [
            Heading(1, "What holds in every exchange", anchor("invariants")),
            Table("What holds in every exchange", ("Invariant", "Rules"), rows),
        ]
    for name in [name for name in document.data if name not in _TOLD or name in _UNTOLD]:
        blocks.append(Heading(1, name.replace("_", " ").capitalize(), anchor("section", name)))
        blocks += _section(document, document.data[name])
    return Page("more", "What holds everywhere, and more", blocks) if blocks else None


def _invariants(document: Outline) -> Iterator[tuple[Inline, ...]]:
    for entry in document.data.get("invariants", ()):
        rules = rule_refs(document, entry.get("rules", ()))
        if "never" in entry:
            yield f"Never {plainly(entry['never'])} in {plainly(entry.get('in', 'any state'))}", rules
        elif "always" in entry:
            held = ", ".join(f"{coded(at)} is {coded(shown)}" for at, shown in entry.get("with", {}).items())
            yield f"In every {plainly(entry['always'])}, {held}", rules
        elif "never_quoted" in entry:
            many = plainly(entry.get("characters", 16))
            yield f"No {many} characters of a {plainly(entry['never_quoted'])} in a row in any output", rules
        else:
            yield coded({key: member for key, member in entry.items() if key != "rules"}), rules
    for entry in document.data.get("indistinguishable", ()):
        told = f"{plainly(entry.get('text', ''))} (medians within {plainly(entry.get('within', '?'))})"
        yield told, rule_refs(document, entry.get("rules", ()))


def _section(document: Outline, section: Any) -> Iterator[Block]:
    if isinstance(section, Mapping) and all(isinstance(entry, Mapping) for entry in section.values()):
        head = ("Name", "Says", "Rules")
        rows = [
            (coded(name), _says(entry), rule_refs(document, _listed(entry.get("rules"))) or "–")
            for name, entry in section.items()
        ]
        yield Table("As the document says it", head, rows)
    else:
        yield Text("As the document says it:")
        yield Code(json.dumps(section, indent=2, ensure_ascii=False), "json")


def _listed(rules: Any) -> list[str]:
    return [rule for rule in rules if isinstance(rule, str)] if isinstance(rules, list) else []


def _says(entry: Mapping[str, Any]) -> str:
    return "; ".join(f"{key}: {coded(member)}" for key, member in entry.items() if key != "rules") or "–"
