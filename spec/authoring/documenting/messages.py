"""The messages: what each is for, its members, examples, and the states in which it is legal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from spec.authoring.documenting.blocks import Block, Code, Heading, Inline, Page, Table, Text
from spec.authoring.documenting.samples import samples
from spec.authoring.documenting.words import anchor, coded, message_ref, rule_refs, separated, state_ref
from spec.authoring.outlining import Legality, Outline, legality, message_schema
from spec.authoring.outlining.decisions import plainly

__all__ = ["page"]

_LIMITS = ("format", "pattern", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum")
_DEEPEST = 6


def page(document: Outline) -> Page:
    """A list of the messages, and a page for each of a role."""
    legal = legality(document)
    rows: list[tuple[Inline, ...]] = []
    below = []
    for role in ("client", "server"):
        for name, form in document.messages(role).items():
            where = separated(state_ref(document, state) for state in legal.where(role, name))
            rows.append((message_ref(document, role, name), role, plainly(form.get("text", "")), where or "nowhere"))
            below.append(_message(document, legal, role, name))
    head = ("Message", "Sent by", "Is for", "Legal in")
    return Page("messages", "Messages", [Table("The messages of both roles", head, rows)], below)


def _message(document: Outline, legal: Legality, role: str, name: str) -> Page:
    form, schema = document.messages(role)[name], message_schema(document, role, name)
    states = separated(state_ref(document, state) for state in legal.where(role, name))
    sample = samples(document, role, name)
    top = f"{role}-{name}"
    blocks: list[Block] = [
        Text(plainly(form.get("text", f"Sent by the {role}."))),
        Text([f"A {role} may send it in: ", *(states or ["no state"]), "."]),
    ]
    rules = rule_refs(document, form.get("rules", ()))
    blocks += [Text(["Rules: ", *rules])] if rules else []
    rows = list(_members(document, form, schema))
    if rows:
        head = ("Member", "Type", "There", "Bounds", "Also")
        blocks.append(Table(f"Members of {name}", head, rows))
    if sample.valid:
        blocks.append(Heading(1, "Examples" if len(sample.valid) > 1 else "Example", anchor(top, "examples")))
        blocks += [Code(_json(body), "json") for body in sample.valid]
    if sample.broken:
        faults = [(coded(b.pointer), b.what, coded(b.value) if b.value is not None else "–") for b in sample.broken]
        blocks.append(Table("Some faults by which it is not valid", ("At", "Fault", "Such as"), faults))
    blocks.append(Code(_json(schema), "json", "Schema of the whole message"))
    return Page(f"messages/{top}", f"{name}, sent by the {role}", blocks)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _members(document: Outline, form: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[Inline, ...]]:
    """Every member of the whole message, those within others below them."""
    payload = document.section("wire", "envelope").get("payload", "")
    chosen = {f"{payload}{pointer}": entry for pointer, entry in form.get("chosen", {}).items()}
    marked = {
        "secret": {f"{payload}{pointer}" for pointer in form.get("secret", ())},
        "echoed": {f"{payload}{pointer}" for pointer in form.get("echoed", ())},
    }
    for pointer, member, required in _walked(document, schema, "", 0):
        also = [name for name, pointers in marked.items() if pointer in pointers]
        if pointer in chosen:
            also.append(f"chosen by the sender ({plainly(chosen[pointer].get('kind', 'value'))})")
        bounds = [f"{name} {coded(member[name])}" for name in _LIMITS if name in member]
        yield (
            coded(pointer),
            _kind(member),
            "always" if required else "maybe",
            ", ".join(bounds) or "–",
            ", ".join(also) or "–",
        )


def _walked(document: Outline, schema: Any, at: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return
    for part in schema.get("allOf", ()):
        yield from _walked(document, part, at, depth)
    if isinstance(schema.get("items"), Mapping) and "properties" in schema["items"]:
        yield from _walked(document, schema["items"], f"{at}/…", depth + 1)
    for name, member in schema.get("properties", {}).items():
        if isinstance(member, Mapping):
            yield f"{at}/{name}", member, name in schema.get("required", ())
            yield from _walked(document, member, f"{at}/{name}", depth + 1)


def _kind(member: Mapping[str, Any]) -> str:
    if "const" in member:
        return coded(json.dumps(member["const"], ensure_ascii=False))
    if "enum" in member:
        return " or ".join(coded(json.dumps(one, ensure_ascii=False)) for one in member["enum"])
    if "$ref" in member:
        return coded(member["$ref"].rpartition("/")[2])
    kind = member.get("type")
    if kind is None:
        return next(
            (f"{key} of {len(member[key])}" for key in ("anyOf", "oneOf", "allOf") if key in member), "anything"
        )
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
