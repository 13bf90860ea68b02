"""Errors and closes: each error has a way to happen, each close a code and a reason that can be sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spec.authoring.linting.subject import Found, Subject
from spec.loading.nodes import join

__all__ = ["long_reasons", "unsendable_closes", "untested_errors"]

_LONGEST = 123
"""Bytes of a reason: the payload of a control frame is at most 125 bytes, two of which are the code (RFC 6455 5.5)."""

_RESERVED: Mapping[int, str] = {
    1004: "it is reserved",
    1005: "it stands for a close frame without a code",
    1006: "it stands for an end without a close frame",
    1010: "only clients send it",
    1015: "it stands for a failed TLS handshake",
}
"""RFC 6455 section 7.4.1; 1012 to 1014 were registered later."""


def untested_errors(subject: Subject) -> Iterator[Found]:
    """Errors that no row raises, so that no class of inputs can test them."""
    raised = {effect["error"] for _, effect in _effects(subject.data) if isinstance(effect.get("error"), str)}
    for code in subject.data["errors"]["codes"]:
        if code not in raised and subject.own("errors", "codes", code):
            yield Found(
                join(("errors", "codes", code)), f"no case raises `{code}`", "raise it, or delete it", at_key=True
            )


def unsendable_closes(subject: Subject) -> Iterator[Found]:
    """Close codes that no server may put into a close frame, and those of nobody."""
    for path, code in _codes(subject.data):
        why = _RESERVED.get(code) or ("the RFC keeps it for itself" if 1015 < code < 3000 else None)
        if why:
            hint = "a protocol's own codes are 4000 to 4999, registered ones 3000 to 3999"
            yield Found(join(path), f"a server cannot close with {code}: {why}", hint)


def long_reasons(subject: Subject) -> Iterator[Found]:
    """Reasons of close frames that may be longer than a close frame holds."""
    codes = subject.data["errors"]["codes"]
    for code, reason in subject.data["errors"].get("close_reasons", {}).items():
        closing = {name: entry for name, entry in codes.items() if int(code) in _numbers(entry["close"])}
        for told in _reasons(reason, closing):
            if (size := len(told.encode())) > _LONGEST:
                text = f"the reason of a close with {code} has {size} bytes, and a close frame holds {_LONGEST}"
                yield Found(join(("errors", "close_reasons", code)), text, f"shorten `{told[:40]}…`")


def _reasons(reason: Any, closing: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The texts that a reason comes to, as far as the document knows them."""
    match reason:
        case "$error.code":
            return list(closing)
        case "$error.text":
            return [str(entry["text"]) for entry in closing.values()]
        case str() if not reason.startswith("$"):
            return [reason]
    return []


def _numbers(close: Any) -> list[int]:
    return [code for code in (close.values() if isinstance(close, dict) else [close]) if isinstance(code, int)]


def _codes(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Every close code that a document has, with its path."""
    errors = data["errors"]
    for kind in ("codes", "forms"):
        for name, entry in errors.get(kind, {}).items():
            yield from ((("errors", kind, name, "close"), code) for code in _numbers(entry.get("close")))
    yield from ((("errors", "close_reasons", code), int(code)) for code in errors.get("close_reasons", {}))
    yield from ((path, effect["close"]) for path, effect in _effects(data) if isinstance(effect.get("close"), int))
    shutdown = data["connection"]["ending"].get("shutdown", {}).get("code")
    if isinstance(shutdown, int):
        yield ("connection", "ending", "shutdown", "code"), shutdown


def _effects(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every effect of a document, with its path: the items of every `do`."""
    members = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list) else ()
    for key, member in members:
        inner = (*path, str(key))
        if key == "do" and isinstance(member, list):
            yield from (((*inner, str(n)), e) for n, e in enumerate(member) if isinstance(e, Mapping))
        yield from _effects(member, inner)
