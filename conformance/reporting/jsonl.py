"""The `jsonl` report: the stream as it is, an event on each line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from conformance.reporting.run import Event

__all__ = ["encode_event", "render"]


def encode_event(event: Event) -> str:
    """An event as a line; in ASCII, so that a line cut anywhere is still text."""
    return json.dumps(event, ensure_ascii=True, allow_nan=False, default=str) + "\n"


def render(events: Iterable[dict[str, Any]]) -> str:
    """The report."""
    return "".join(map(encode_event, events))
