"""Operators on what servers put into every message: ids, times, and which member names the message answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import add, remove, replace
from spec.authoring.mutants.reading import Draft, Rules, joined
from spec.expressions import pointer_parts
from spec.references.names import section

__all__ = ["drop_chosen", "other_reply_member", "same_id", "wrong_chosen", "wrong_time"]


def _chosen(draft: Draft) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any], Rules]]:
    """Every chosen value: its pointer in the document, the one in the message, its schema, itself, and its rules."""
    envelope = section(draft.data, "wire", "envelope", "server")
    forms = {name: section(draft.data, "messages", name, "server") for name in draft.data["messages"]}
    sides = [("/wire/envelope/server", envelope, envelope.get("schema", {}), tuple(envelope.get("rules", ())))]
    sides += [
        (f"/messages/{name}/server", form, form["payload"], draft.form_rules(name))
        for name, form in forms.items()
        if form
    ]
    for at, side, schema, rules in sides:
        for pointer, entry in side.get("chosen", {}).items():
            escaped = pointer.replace("~", "~0").replace("/", "~1")
            cited = joined(entry.get("rules", ()), rules)
            yield f"{at}/chosen/{escaped}", pointer, _schema(schema, pointer), entry, cited


def _schema(schema: dict[str, Any], pointer: str) -> dict[str, Any]:
    for part in pointer_parts(pointer):
        schema = section(schema, "properties", part)
    return schema


def drop_chosen(draft: Draft) -> Iterator[Edit]:
    """A member that the server chooses in every message is missing."""
    for at, pointer, _, _, rules in _chosen(draft):
        if at.startswith("/wire/"):
            yield Edit(at, rules, f"messages have no `{pointer}`", (remove(at),))


def same_id(draft: Draft) -> Iterator[Edit]:
    """Ids are used again."""
    for at, pointer, _, entry, _ in _chosen(draft):
        if "unique" in entry:
            constant = {"kind": "value", "sample": "handfast"}
            yield Edit(at, tuple(entry.get("rules", ())), f"`{pointer}` is always the same", (replace(at, constant),))


def wrong_time(draft: Draft) -> Iterator[Edit]:
    """A time is RFC 3339 and not in UTC, or no RFC 3339 time at all."""
    forms = {"offset": "2026-01-01T01:00:00+01:00", "zero-offset": "2026-01-01T00:00:00+00:00", "number": 1767225600}
    for at, pointer, _, entry, rules in _chosen(draft):
        for form, sample in forms.items() if entry["kind"] == "time" else ():
            constant = {"kind": "value", "sample": sample}
            yield Edit(at, rules, f"`{pointer}` is {sample!r}", (replace(at, constant),), form)


def wrong_chosen(draft: Draft) -> Iterator[Edit]:
    """A value that the server chooses does not fit its schema."""
    for at, pointer, schema, entry, rules in _chosen(draft):
        for form, sample in _misfits(schema, entry).items():
            constant = {"kind": "value", "sample": sample}
            yield Edit(at, rules, f"`{pointer}` is {_short(sample)}", (replace(at, constant),), form)


def _misfits(schema: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if schema.get("type") == "string":
        found["number"] = 7
        if "minLength" in schema:
            found["empty"] = ""
        if "maxLength" in schema:
            found["long"] = "x" * (schema["maxLength"] + 1)
    elif "type" in schema:
        found["text"] = "7"
    if "minimum" in schema:
        found["low"] = schema["minimum"] - 1
    return found if entry["kind"] != "time" else {}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else f"{text[:20]}… ({len(text) - 2} characters)"


def other_reply_member(draft: Draft) -> Iterator[Edit]:
    """Answers name the message that they answer in another member."""
    at, pointer = "/wire/envelope/reply_to", draft.data["wire"]["envelope"]["reply_to"]
    schema = "/wire/envelope/server/schema/properties"
    replying = [row.rules for row in draft.rows if any("reply" in e or "error" in e or "in_reply" in e for e in row.do)]
    named = add(f"{schema}/handfast", {"type": "string"})
    yield Edit(at, joined(*replying), f"it is `/handfast`, and not `{pointer}`", (named, replace(at, "/handfast")))
