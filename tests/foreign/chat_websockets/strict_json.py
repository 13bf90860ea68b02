"""JSON that is only what RFC 8259 allows."""

from __future__ import annotations

import json
from typing import Any


class NotJsonError(ValueError):
    """The text is not JSON, or nested deeper than this process can follow."""


def _refuse(constant: str) -> Any:
    raise NotJsonError(constant)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJsonError("doubled member")
    return members


def loads(text: str, *, distinct: bool = False) -> Any:
    """Parse; with ``distinct``, an object that names a member twice is refused."""
    hook = _distinct if distinct else None
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=hook)
    except (ValueError, RecursionError):
        raise NotJsonError("not JSON") from None


def is_unicode(text: str) -> bool:
    """Whether a string is free of unpaired surrogates, so that it can be sent on."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
