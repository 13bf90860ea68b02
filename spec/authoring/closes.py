"""Close codes of a document: where they stand, and which of them nobody can send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["codes_of", "effects", "unsendable"]

_RESERVED: Mapping[int, str] = {
    1004: "it is reserved",
    1005: "it stands for a close frame without a code",
    1006: "it stands for an end without a close frame",
    1010: "only clients send it",
    1015: "it stands for a failed TLS handshake",
}
"""RFC 6455 section 7.4.1; 1012 to 1014 were registered later."""


def unsendable(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], int, str]]:
    """The close codes of a document's data that cannot be sent: the path, the code, and why."""
    for path, code in _codes(data):
        why = _RESERVED.get(code) or ("the RFC keeps it for itself" if 1015 < code < 3000 else None)
        if why:
            yield path, code, why


def codes_of(close: Any) -> list[int]:
    """The codes of a `close`: one, those by state, or none."""
    return [code for code in (close.values() if isinstance(close, dict) else [close]) if isinstance(code, int)]


def _codes(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Every close code that a document has, with its path."""
    errors = data["errors"]
    for kind in ("codes", "forms"):
        for name, entry in errors.get(kind, {}).items():
            yield from ((("errors", kind, name, "close"), code) for code in codes_of(entry.get("close")))
    yield from ((("errors", "close_reasons", code), int(code)) for code in errors.get("close_reasons", {}))
    yield from ((path, effect["close"]) for path, effect in effects(data) if isinstance(effect.get("close"), int))
    shutdown = data["connection"]["ending"].get("shutdown", {}).get("code")
    if isinstance(shutdown, int):
        yield ("connection", "ending", "shutdown", "code"), shutdown


def effects(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every effect of a document, with its path: the items of every `do`."""
    members = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for key, member in members:
        inner = (*path, str(key))
        if key == "do" and isinstance(member, list):
            yield from (((*inner, str(n)), e) for n, e in enumerate(member) if isinstance(e, Mapping))
        yield from effects(member, inner)
