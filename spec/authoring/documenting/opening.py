"""How a connection comes about: the opening table, and which version is served where."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from spec.authoring.documenting.blocks import Anchor, Block, Code, Heading, Inline, Items, Page, Strong, Table, Text
from spec.authoring.documenting.words import anchor, applies, coded, rule_refs, state_ref, value
from spec.authoring.outlining import Outline, Row
from spec.authoring.outlining.decisions import listed, plainly

__all__ = ["endpoints", "page", "versions"]


def page(document: Outline) -> Page:
    """The opening table, with what its facts ask."""
    opening = document.section("opening")
    rows = [_row(document, number, row) for number, row in enumerate(document.opening, 1)]
    head = ("Row", "Where", "Answer", "State", "And", "Rules")
    blocks: list[Block] = [
        Text(f"A request for {coded(opening.get('path', '/'))} is decided by the first row that fits it."),
        Table("What a request is answered", head, rows),
    ]
    headers = [_header(document, entry) for entry in opening.get("headers", ())]
    if headers:
        blocks.append(Table("Headers that answers carry", ("Where", "Answers", "Headers", "Rules"), headers))
    others = opening.get("other_paths", ())
    if others:
        blocks.append(Text(["Among the paths that are not this one: ", ", ".join(map(coded, others)), "."]))
    refusals = [(coded(code), str(status)) for code, status in document.section("refusals").items()]
    if refusals:
        blocks.append(Table("Refusals by HTTP", ("Code", "Status"), refusals))
    facts = [
        (coded(name), coded(fact.get("kind", "")), _asked(fact)) for name, fact in document.section("facts").items()
    ]
    if facts:
        blocks.append(Table("What is asked of a request or message", ("Fact", "Kind", "Of"), facts))
    return Page("opening", "Opening a connection", blocks)


def _row(document: Outline, number: int, row: Row, *within: str) -> tuple[Inline, ...]:
    decision = row.decision
    refused = row.code is not None
    does = decision.says(decision.to or "", document.errors)
    does = does.rpartition("→")[0].rstrip(", ") if decision.to else does
    return (
        Anchor(str(number), anchor(*(within or ("opening",)), str(number))),
        decision.guard or "otherwise",
        Strong(row.answer, "bad" if refused else "good"),
        state_ref(document, decision.to) if decision.to else "–",
        does if decision.effects else "–",
        rule_refs(document, decision.rules),
    )


def _header(document: Outline, entry: Mapping[str, Any]) -> tuple[Inline, ...]:
    when = [f"{fact} is {' or '.join(map(plainly, listed(wanted)))}" for fact, wanted in entry.get("when", {}).items()]
    return (
        " and ".join(when) or "always",
        ", ".join(str(status) for status in entry.get("statuses", ())),
        ", ".join(f"{coded(name)}: {coded(shown)}" for name, shown in entry.get("set", {}).items()),
        rule_refs(document, entry.get("rules", ())),
    )


def _asked(fact: Mapping[str, Any]) -> Inline:
    rest = {name: shown for name, shown in fact.items() if name != "kind"}
    return "; ".join(f"{name} {coded(shown)}" for name, shown in rest.items()) or "–"


def endpoints(document: Outline) -> Page | None:
    """The HTTP endpoints beside the upgrade: what each takes, and its table."""
    blocks: list[Block] = []
    for name, rows in document.endpoints.items():
        entry = document.section("http", name)
        at = f"{plainly(entry.get('method', 'GET'))} {plainly(entry.get('path', '?'))}"
        blocks.append(Heading(1, f"{name}: {at}", anchor("endpoint", name)))
        blocks += [Text(plainly(entry["text"]))] if "text" in entry else []
        table = [_row(document, number, row, "endpoint", name) for number, row in enumerate(rows, 1)]
        blocks.append(Table(f"What {at} is answered", ("Row", "Where", "Answer", "State", "And", "Rules"), table))
        examples = [Code(_json(example), "json") for example in entry.get("examples", ())]
        blocks += examples
        rest = {
            key: member for key, member in entry.items() if key not in {"method", "path", "text", "rows", "examples"}
        }
        blocks += [Code(_json(rest), "json", "What it takes and answers, as the document says it")] if rest else []
    return Page("endpoints", "HTTP endpoints", blocks) if blocks else None


def _json(found: Any) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False)


def versions(document: Outline) -> Page | None:
    """Which version is served under which parameters, and what was retired."""
    entries = [entry for entry in document.data.get("versions", ()) if isinstance(entry, Mapping)]
    if not entries:
        return None
    rows = [
        (
            str(entry.get("name")),
            value(entry.get("subprotocol")),
            applies(entry.get("applies", {})),
            "yes: clients are told to leave it" if entry.get("deprecated") else "no",
        )
        for entry in entries
    ]
    blocks: list[Block] = [Table("The versions", ("Version", "Subprotocol", "Served where", "Deprecated"), rows)]
    stages = list(_stages(document, entries))
    if stages:
        head = ("Deployed with", *(str(entry.get("name")) for entry in entries))
        blocks.append(Table("Which version is served in which deployment", head, stages))
    limited = [
        [f"{name}: {plainly(rule.get('text', ''))}"]
        for name, rule in document.section("rules").items()
        if set(rule.get("applies", {})) & {name for entry in entries for name in entry.get("applies", {})}
    ]
    if limited:
        blocks.append(Text(f"{len(limited)} rules hold in some of these deployments only:"))
        blocks.append(Items(_limited(document, entries)))
    return Page("versions", "Versions and compatibility", blocks)


def _limited(document: Outline, entries: list[Mapping[str, Any]]) -> list[Inline]:
    """The rules by the deployments that they are limited to."""
    by: dict[str, list[str]] = {}
    for name, rule in document.section("rules").items():
        if rule.get("applies"):
            by.setdefault(applies(rule["applies"]), []).append(name)
    return [[f"{where}: ", *rule_refs(document, names)] for where, names in by.items()]


def _stages(document: Outline, entries: list[Mapping[str, Any]]) -> Iterator[tuple[Inline, ...]]:
    """A row for each choice of the parameters on which versions depend."""
    asked = dict.fromkeys(name for entry in entries for name in entry.get("applies", {}))
    parameters = document.section("parameters")
    choices = {name: parameters.get(name, {}).get("values", ()) for name in asked}
    if not choices or not all(choices.values()):
        return
    for chosen in product(*choices.values()):
        deployed = dict(zip(choices, chosen, strict=True))
        cells = []
        for entry in entries:
            served = all(deployed[name] in listed(wanted) for name, wanted in entry.get("applies", {}).items())
            cells.append(Strong("served", "good") if served else Strong("not served"))
        yield (" and ".join(f"{coded(name)} {plainly(one)}" for name, one in deployed.items()), *cells)
