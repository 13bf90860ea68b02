"""Bodies at the edges of a schema: what it still accepts, and what it just refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spec.model import Form

__all__ = ["invalid_payloads", "valid_payloads"]

# What servers are known to trim, escape, normalise or count wrongly.
_TEXTS = {
    "spaces-around": "  salt  ",
    "line-breaks": "one\r\ntwo\n\tthree",
    "html": "<b>salt</b> & \"pepper\" 'n' <script>alert(1)</script>",
    "combining": "e\u0301 A\u030a \ufb01",
    "right-to-left": "\u202eabc\u202c שלום",
    "emoji": "👩\u200d🍳🍲",
    "control": "a\u0001b\u007fc",
    "nul": "a\u0000b",
    "escapes": '\\ \\u0041 \\" /',
    "json": '{"type":"auth"}',
    "percent": "%41 %s {0} ${x}",
    "line-separators": "a\u2028b\u2029c",
    "no-characters": "\ufeffx\ufffe",
    "number-like": "0123.0e5",
}


def _strings(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if low:
        found["shortest"] = "x" * low
        found["shortest-wide"] = "🍲" * low
    if high is not None:
        found["longest"] = {"$fill": {"text": "x", "times": high}}
        found["longest-wide"] = {"$fill": {"text": "🍲", "times": high}}
    return found


def valid_payloads(form: Form, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Payloads that a form accepts, made of a valid one: bounds and unusual content of its plain strings."""
    found: dict[str, Any] = {}
    for name, schema in form.schema.get("properties", {}).items():
        if schema.get("type") != "string" or f"/{name}" in form.secret:
            continue
        texts = _strings(schema) | {k: v for k, v in _TEXTS.items() if "pattern" not in schema and "enum" not in schema}
        for kind, text in texts.items():
            found[f"{name}-{kind}"] = {**payload, name: text}
    return found


_WRONG: dict[str, dict[str, Any]] = {
    "string": {"number": 7, "true": True, "null": None, "array": ["x"], "object": {"x": "y"}},
    "integer": {"string": "7", "fraction": 0.5, "true": True, "null": None},
    "number": {"string": "7", "true": True, "null": None},
    "boolean": {"string": "true", "number": 1, "null": None},
    "object": {"array": [], "string": "{}", "null": None},
    "array": {"object": {}, "string": "[]", "null": None},
}


def invalid_payloads(form: Form, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Payloads that a form refuses, each by one fault in a valid one."""
    found: dict[str, Any] = {}
    for name in form.schema.get("required", ()):
        found[f"{name}-missing"] = {key: value for key, value in payload.items() if key != name}
    for name, schema in form.schema.get("properties", {}).items():
        for kind, value in _WRONG.get(str(schema.get("type")), {}).items():
            found[f"{name}-{kind}"] = {**payload, name: value}
        if schema.get("minLength"):
            found[f"{name}-too-short"] = {**payload, name: "x" * (schema["minLength"] - 1)}
        if "maxLength" in schema:
            over = schema["maxLength"] + 1
            found[f"{name}-too-long"] = {**payload, name: {"$fill": {"text": "x", "times": over}}}
            found[f"{name}-too-long-wide"] = {**payload, name: {"$fill": {"text": "é", "times": over}}}
        if "minimum" in schema:
            found[f"{name}-too-small"] = {**payload, name: schema["minimum"] - 1}
        if "maximum" in schema:
            found[f"{name}-too-large"] = {**payload, name: schema["maximum"] + 1}
        if "enum" in schema:
            found[f"{name}-no-member"] = {**payload, name: "handfast-none"}
    return found
