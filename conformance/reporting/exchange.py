"""An exchange in lines for people: what repeats is folded, what is long is cut, messages stand in short."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from conformance.repeats import folded
from conformance.reporting.run import Event, Run
from conformance.scripts import Extent
from spec.expressions import read_moment

__all__ = ["ARROWS", "in_short", "line", "remark", "replay", "shown"]

ARROWS = {">": "→", "<": "←", ".": "·"}

_RECENT = 7 * 86400.0
"""A timestamp that lies this near to the run, in seconds, is as every other and is not shown."""


def shown(case: Event, limit: int = 30) -> list[Event]:
    """The lines of a case's exchange that are worth showing."""
    transcript = folded(case.get("transcript", []))
    if len(transcript) <= limit:
        return transcript
    gap = {"at": transcript[limit // 2]["at"], "client": "", "direction": ".", "text": "…"}
    return [*transcript[: limit // 2], gap, *transcript[-limit // 2 :]]


def line(entry: Event, started: str | None = None) -> str:
    """A line of an exchange: milliseconds, client, direction, and the message in short."""
    said = in_short(entry["text"], started)
    return f"{entry['at'] * 1000:8.0f} ms  {entry['client']:<6} {ARROWS[entry['direction']]} {said}"


def in_short(text: str, started: str | None = None) -> str:
    """A JSON message as its type, payload, id and reply; anything else as it is.

    A timestamp near to when the run `started` (RFC 3339) says nothing and is left out.
    """
    if not text.startswith("{"):
        return text
    try:
        body = json.loads(text)
        kind, payload = body.pop("type"), body.pop("payload")
    except (ValueError, KeyError):
        return text
    moment, began = (read_moment("time", str(time)) for time in (body.get("timestamp"), started))
    usual = moment is not None and began is not None and abs(moment - began) < _RECENT
    if usual and str(body["timestamp"]).endswith("Z"):
        del body["timestamp"]
    rest = " ".join(f"{name}={_value(value)}" for name, value in body.items())
    return f"{kind} {_value(payload)}  {rest}".rstrip()


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_value(member)}" for name, member in value.items()) + "}"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    text = text if len(text) <= 60 else f"{text[:40]}… ({len(text)} characters)"
    return json.dumps(text, ensure_ascii=False)[1:-1] if isinstance(value, str) else text


def remark(case: Event) -> str | None:
    """How a case's exchange came about, where that is worth a word."""
    if "shrunk" in case:
        before, after = (Extent(**case["shrunk"][side]) for side in ("from", "to"))
        return f"shrunk to {after}, from {before}; played again alone"
    if "tried" in case:
        return f"failed {case['tried']['failed']} of {case['tried']['played']} times"
    return f"played {case['attempts']} times, alone the last time" if case.get("attempts", 1) > 1 else None


def replay(run: Run, case: Event) -> str | None:
    """The command that plays a saved failure again; what lived in a process that has ended cannot be met again."""
    if "failure_file" not in case or run.header["target"].startswith("memory:"):
        return None
    return f"handfast replay {case['failure_file']}{_key_flags(run.header)}"


def _key_flags(header: Event) -> str:
    """The flags that give a replay the keys of its run, with placeholders for where they are."""
    if header["tier"] != "mint":
        return " --token env:NAME" if header["tier"] == "token" else ""
    keys: Sequence[Event] = header.get("keys", ())
    if any(key["kid"] or key["alg"] != "HS256" for key in keys):
        return " --key file:PATH"
    return " --secret env:NAME"
