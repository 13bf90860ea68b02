"""AsyncAPI 3.0: one channel, and an operation for each role in each state.

AsyncAPI has no states, timers or close codes; they stand in `x-handfast` members, which its tools leave alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from spec.authoring.exporting.codes import close_codes
from spec.authoring.exporting.stamp import as_json, stamp_data
from spec.authoring.outlining import Legality, Outline, definitions, legality, message_schema, side_name

__all__ = ["api", "text"]

_ROLES = (("client", "receive"), ("server", "send"))
"""Who sends, and what the application, which is the server, does with it."""


def text(document: Outline) -> str:
    """The document as JSON."""
    return as_json(api(document))


def api(document: Outline) -> dict[str, Any]:
    """The document as data."""
    sides = [(role, name) for role, _ in _ROLES for name in document.messages(role)]
    schemas = definitions(document) | {side_name(*side): message_schema(document, *side) for side in sides}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": document.data["title"],
            "version": f"{document.version}.0.0",
            "description": document.data["summary"],
            "x-handfast": stamp_data(document),
        },
        "defaultContentType": "application/json",
        "channels": {"connection": _channel(document, sides)},
        "operations": dict(_operations(legality(document))),
        "components": {
            "messages": {side_name(*side): _message(document, *side) for side in sides},
            "schemas": _moved(schemas),
        },
        "x-handfast": _machine(document),
    }


def _channel(document: Outline, sides: list[tuple[str, str]]) -> dict[str, Any]:
    path = str(document.section("opening").get("path", "/"))
    names = re.findall(r"\{([^}]+)\}", path)
    return {
        "address": path,
        "messages": {side_name(*side): {"$ref": f"#/components/messages/{side_name(*side)}"} for side in sides},
        **({"parameters": {name: {"description": f"`{name}` of the path."} for name in names}} if names else {}),
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }


def _message(document: Outline, role: str, name: str) -> dict[str, Any]:
    form = document.messages(role)[name]
    return {
        "name": name,
        "title": f"{name}, sent by the {role}",
        **({"summary": form["text"]} if "text" in form else {}),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{side_name(role, name)}"},
    }


def _operations(legal: Legality) -> Iterator[tuple[str, dict[str, Any]]]:
    for (role, action), table in zip(_ROLES, (legal.sent, legal.heard), strict=True):
        for state, names in table.items():
            if names:
                yield (
                    f"{action}_{state.replace('.', '_')}",
                    {
                        "action": action,
                        "channel": {"$ref": "#/channels/connection"},
                        "summary": f"What a {role} may send in `{state}`.",
                        "messages": [{"$ref": f"#/channels/connection/messages/{side_name(role, n)}"} for n in names],
                        "x-handfast-state": state,
                    },
                )


def _machine(document: Outline) -> dict[str, Any]:
    return {
        **stamp_data(document),
        "states": {path: {"text": state.text, "initial": state.initial} for path, state in document.states.items()},
        "timers": [
            {"name": timer.name, "state": timer.state, "moment": timer.moment} for timer in document.every_timer
        ],
        "errors": dict(document.errors),
        "closeCodes": list(close_codes(document)),
        "refusals": dict(document.section("refusals")),
        "parameters": dict(document.section("parameters")),
        **({"http": document.data["http"]} if "http" in document.data else {}),
    }


def _moved(schemas: Mapping[str, Any]) -> Any:
    """Schemas whose references lead to the components."""
    return json.loads(json.dumps(schemas).replace('"#/$defs/', '"#/components/schemas/'))
