"""What a page may ask for: one JSON object each, by a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spec.messages import Validator

__all__ = ["fault_of"]

_PLACE = {"type": "integer", "minimum": 0}
_NAME = {"type": "string", "pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"}
_VALUE = {"type": "string", "maxLength": 8000}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 8000}, "maxProperties": 50}
_HEADERS = {"type": "object", "propertyNames": _NAME, "additionalProperties": _VALUE, "maxProperties": 50}

_COMMANDS: Mapping[str, Mapping[str, Any]] = {
    "watch": {"place": _PLACE},
    "mint": {"place": _PLACE, "claims": {"type": "object"}, "life": {"type": "number", "minimum": 0, "maximum": 86400}},
    "bring": {"place": _PLACE, "token": {"type": "string", "pattern": r"^[\x21-\x7e]{1,20000}$"}},
    "connect": {
        "place": _PLACE,
        "path": _TEXTS,
        "query": _TEXTS,
        "headers": _HEADERS,
        "subprotocols": {"type": "array", "items": _NAME, "maxItems": 10},
    },
    "send": {"client": _PLACE},
    "disconnect": {"client": _PLACE},
    "forget": {"client": _PLACE},
    "call": {
        "place": _PLACE, "endpoint": {"type": "string"}, "query": _TEXTS, "headers": _HEADERS, "body": {},
        "method": {"enum": ["GET", "POST", "PUT", "DELETE"]},
    },
}  # fmt: skip

_FREE: Mapping[str, Mapping[str, Any]] = {"send": {"body": {"type": "object"}, "text": {"type": "string"}}}
"""Members that may be missing; of a message that is sent, one must be there."""


def _schema(name: str) -> dict[str, Any]:
    known, free = _COMMANDS[name], _FREE.get(name, {})
    return {
        "type": "object",
        "required": list(known),
        "properties": {"do": True, **known, **free},
        "additionalProperties": False,
        "minProperties": 1 + len(known) + bool(free),
    }


_VALIDATORS = {name: Validator(_schema(name)) for name in _COMMANDS}


def fault_of(command: Any, places: int) -> str | None:
    """What is wrong with what a page asks for, where it is no command that can be obeyed."""
    name = command.get("do") if isinstance(command, dict) else None
    if not isinstance(name, str) or name not in _VALIDATORS:
        return f"no command: write one of {', '.join(_COMMANDS)}"
    faults = _VALIDATORS[name].faults(command)
    if faults:
        # The texts of faults quote what they are about, which may be a token.
        return f"`{name}` does not fit at {', '.join(sorted({fault.pointer or '/' for fault in faults}))}"
    return f"there is no protocol {command['place']}" if command.get("place", 0) >= places else None
