"""JSON Schema 2020-12: every message of both roles in one bundle.

`format` is an assertion here; 2020-12 leaves it an annotation unless a validator is told to check it.
"""

from __future__ import annotations

from typing import Any

from spec.authoring.exporting.stamp import as_json, stamp
from spec.authoring.outlining import Outline, definitions, message_schema, side_name

__all__ = ["bundle", "text"]


def text(document: Outline) -> str:
    """The bundle as JSON."""
    return as_json(bundle(document))


def bundle(document: Outline) -> dict[str, Any]:
    """The bundle: `#/$defs/ClientMessage` is what clients may send, `#/$defs/ServerMessage` what servers may."""
    members: dict[str, Any] = definitions(document)
    for role in ("client", "server"):
        names = {side_name(role, name): name for name in document.messages(role)}
        members |= {title: message_schema(document, role, name) for title, name in names.items()}
        members[f"{role.title()}Message"] = _one_of(names)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:handfast:{document.name}:{document.version}",
        "title": f"{document.data['title']}, version {document.version}",
        "description": document.data["summary"],
        "$comment": f"Made from {stamp(document)}. Validators must be told to check formats.",
        **_one_of(["ClientMessage", "ServerMessage"]),
        "$defs": members,
    }


def _one_of(titles: Any) -> dict[str, Any]:
    """What fits one of the named schemas; of no schema, nothing does."""
    found = [{"$ref": f"#/$defs/{title}"} for title in titles]
    return {"anyOf": found} if found else {"not": {}}
