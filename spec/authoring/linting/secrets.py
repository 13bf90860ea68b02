"""Secrets: what a client sends in confidence is marked as such, and comes back nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spec.authoring.linting.subject import Found, Subject
from spec.loading.nodes import join

__all__ = ["echoed_secrets", "unmarked_secrets"]

_Path = tuple[str, ...]
_OUT = ("payload", "items", "value", "fields", "body", "entry", "shape", "close_reasons")
"""Members whose content is sent, or kept for others."""


def unmarked_secrets(subject: Subject) -> Iterator[Found]:
    """Members of messages that are read as tokens and are not `secret`."""
    for name, fact in subject.data.get("facts", {}).items():
        of = fact.get("of") if fact.get("kind") == "token" else None
        if not isinstance(of, str) or not of.startswith("$message.payload#"):
            continue
        pointer = of.partition("#")[2]
        for message, form in _clients(subject):
            named = pointer[1:] in form["payload"].get("properties", {})
            if named and not any(_within(pointer, secret) for secret in form.get("secret", ())):
                text = f"`{name}` reads `{pointer}` of `{message}` as a token, and it is no `secret` there"
                path = ("messages", message, "client")
                yield Found(join(path), text, f"write `secret: [{pointer}]`", at_key=True)


def echoed_secrets(subject: Subject) -> Iterator[Found]:
    """Secrets that come back: what is both `secret` and `echoed`, and outputs that read a secret."""
    for message, form in _clients(subject):
        for index, pointer in enumerate(form.get("echoed", ())):
            if any(_within(pointer, secret) or _within(secret, pointer) for secret in form.get("secret", ())):
                at = join(("messages", message, "client", "echoed", str(index)))
                yield Found(at, f"`{pointer or 'all'}` of `{message}` is a secret, and may come back", "not both")
    kept = _kept(subject)
    for path, text, message in _expressions(subject.data):
        if _is_out(path) and (_reads_secret(subject, text, message) or text.partition("#")[0].strip("$") in kept):
            yield Found(
                join(path), f"`{text}` is a secret, and is sent or kept for others", "send what it proves instead"
            )


def _clients(subject: Subject) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((path[1], form) for path, form in subject.forms() if path[2] == "client")


def _within(pointer: str, outer: str) -> bool:
    return pointer == outer or pointer.startswith(outer + "/")


def _kept(subject: Subject) -> set[str]:
    """The variables that are set from secrets, and the facts that are credentials as they came."""
    found = {name for name, fact in subject.data.get("facts", {}).items() if fact.get("kind") == "credentials"}
    for path, text, message in _expressions(subject.data):
        if len(path) > 1 and path[-2] == "set" and _reads_secret(subject, text, message):
            found.add(path[-1])
    return found


def _expressions(value: Any, path: _Path = (), message: str = "") -> Iterator[tuple[_Path, str, str]]:
    """Every expression, with its path and the message that is handled there, if one is."""
    if isinstance(value, str) and value.startswith("$"):
        yield path, value, message
    members = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        inside = str(key) if path[-1:] == ("receive",) else message
        yield from _expressions(member, (*path, str(key)), inside)


def _is_out(path: _Path) -> bool:
    """Whether what stands there is sent: in an effect, an answer, a refusal or an error."""
    return any(part in _OUT for part in path) and path[0] in (
        "connection",
        "opening",
        "errors",
        "http",
        "logs",
        "links",
    )


def _reads_secret(subject: Subject, text: str, message: str) -> bool:
    root, mark, pointer = text.partition("#")
    if root not in ("$message", "$message.payload") or (root == "$message" and mark):
        return False
    form = subject.data["messages"].get(message, {}).get("client", {})
    return any(_within(pointer, secret) or _within(secret, pointer) for secret in form.get("secret", ()))
