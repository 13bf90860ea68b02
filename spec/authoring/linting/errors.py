"""Errors and closes: each error has a way to happen, each close a code and a reason that can be sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spec.authoring.closes import codes_of, effects, unsendable
from spec.authoring.linting.subject import Found, Subject
from spec.loading.nodes import join

__all__ = ["long_reasons", "unsendable_closes", "untested_errors"]

_LONGEST = 123
"""Bytes of a reason: the payload of a control frame is at most 125 bytes, two of which are the code (RFC 6455 5.5)."""


def untested_errors(subject: Subject) -> Iterator[Found]:
    """Errors that no row raises, so that no class of inputs can test them."""
    raised = {effect["error"] for _, effect in effects(subject.data) if isinstance(effect.get("error"), str)}
    for code in subject.data["errors"]["codes"]:
        if code not in raised and subject.own("errors", "codes", code):
            yield Found(
                join(("errors", "codes", code)), f"no case raises `{code}`", "raise it, or delete it", at_key=True
            )


def unsendable_closes(subject: Subject) -> Iterator[Found]:
    """Close codes that no server may put into a close frame, and those of nobody."""
    for path, code, why in unsendable(subject.data):
        hint = "a protocol's own codes are 4000 to 4999, registered ones 3000 to 3999"
        yield Found(join(path), f"a server cannot close with {code}: {why}", hint)


def long_reasons(subject: Subject) -> Iterator[Found]:
    """Reasons of close frames that may be longer than a close frame holds."""
    codes = subject.data["errors"]["codes"]
    for code, reason in subject.data["errors"].get("close_reasons", {}).items():
        closing = {name: entry for name, entry in codes.items() if int(code) in codes_of(entry["close"])}
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
