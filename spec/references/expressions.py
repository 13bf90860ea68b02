"""Checks of runtime expressions: `$root`, `$root.member`, `$root.member#/pointer`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from spec.loading.problems import did_you_mean
from spec.references.names import Names, section
from spec.references.schemas import reaches

__all__ = ["check_example", "check_expression", "check_template"]

_FORM = re.compile(r"\$(?P<root>[A-Za-z_]\w*)(?P<members>(\.[A-Za-z_][\w-]*)*)(#(?P<pointer>(/[^\s]*)?))?")

_ERROR_MEMBERS = ("code", "retryable", "text")

_RATE_MEMBERS = ("count", "window")

_LOG_MEMBERS = ("head", "new", "identities", "read", "more")

Tell = Callable[..., None]
Check = Callable[..., None]


def check_template(template: Any, names: Names, tell: Tell, check: Check | None = None, *below: str | int) -> None:
    """Check every string of a template that begins with `$`, by `check_expression` where nothing else is given."""
    if isinstance(template, dict):
        for key, value in template.items():
            check_template(value, names, tell, check, *below, key)
    elif isinstance(template, list):
        for index, value in enumerate(template):
            check_template(value, names, tell, check, *below, index)
    elif isinstance(template, str) and template.startswith("$"):
        (check or check_expression)(template, names, tell, *below)


def check_example(text: str, names: Names, tell: Tell, *below: str | int) -> None:
    """Check an expression in an example.

    `$token.NAME` is a token made by that recipe, `$room.NAME` the name of a room of that kind, `$fresh` a new id,
    `$self` one of the client's own.
    """
    root, _, name = text.partition(".")
    known = {"$token": "recipe", "$room": "room"}.get(root)
    if known is None:
        if text not in {"$fresh", "$self"}:
            check_expression(text, names, tell, *below)
    elif name not in names.known[known]:
        tell(f"there is no {known} `{name[:60]}`", did_you_mean(name, names.known[known]), *below)


def check_expression(text: str, names: Names, tell: Tell, *below: str | int) -> None:
    """Check that an expression is one, and that what it names can be there."""
    found = _FORM.fullmatch(text)
    if not found:
        tell(f"`{text[:60]}` is no expression", "write `$root.member#/pointer`", *below)
        return
    root, members = found["root"], found["members"].split(".")[1:]
    if root not in names.roots:
        tell(f"nothing is called `${root}`", _dollar(did_you_mean(root, sorted(names.roots))), *below)
        return
    problem = _member(root, members, found["pointer"], names)
    if problem:
        tell(*problem, *below)


def _dollar(hint: str | None) -> str | None:
    return hint.replace("mean `", "mean `$") if hint else None


def _member(root: str, members: list[str], pointer: str | None, names: Names) -> tuple[str, str | None] | None:
    """What is wrong after the root, where the root says what may be there; variables hide roots of their name."""
    known: tuple[str, ...]
    if root in names.known["variable"]:
        return None
    if root in names.known["log"]:
        if len(members) == 1 and members[0] in _LOG_MEMBERS:
            return None
        return f"`${root}` needs one of its members", f"a log has {', '.join(_LOG_MEMBERS)}"
    if root in names.known["group"] and members:
        inside = tuple(section(names.data, "rooms", root, "variables"))
        if members[0] not in inside:
            return f"`{root}` has no variable `{members[0]}`", did_you_mean(members[0], inside)
    if root not in ("parameters", "path", "error", "chosen", "absent", "message"):
        return None
    if root in ("chosen", "absent"):
        return (f"`${root}` stands alone", None) if members or pointer is not None else None
    if root == "message":
        return _message(members, pointer, names)
    if root == "parameters" and len(members) == 2 and members[1] in _RATE_MEMBERS:
        kind = section(names.data, "parameters", members[0]).get("type")
        return None if kind == "rate" else (f"`{members[0]}` is no rate, and has no `{members[1]}`", None)
    known = {"parameters": names.known["parameter"], "path": names.path_names, "error": _ERROR_MEMBERS}[root]
    noun = {"parameters": "parameter", "path": "part of the path called", "error": "member of errors called"}[root]
    if len(members) != 1:
        return f"`${root}` needs one member, as in `${root}.{known[0] if known else 'name'}`", None
    if members[0] not in known:
        return f"there is no {noun} `{members[0]}`", did_you_mean(members[0], known)
    return None


def _message(members: list[str], pointer: str | None, names: Names) -> tuple[str, str | None] | None:
    """An expression about the message received: a member of the client's envelope, a pointer into some payload."""
    envelope = section(names.data, "wire", "envelope")
    known = tuple(section(envelope, "client", "schema", "properties"))
    payload = envelope.get("payload")
    if members and known and members[0] not in known:
        return f"messages have no member `{members[0]}`", did_you_mean(members[0], known)
    if "".join(f"/{member}" for member in members) != payload or not pointer:
        return None
    schemas = [section(names.data, "messages", name, "client", "payload") for name in names.known["client message"]]
    if payload == "":
        schemas.append(section(envelope, "client", "schema"))
    if not any(reaches(schema, pointer, names.data) for schema in schemas):
        return f"no client message has `{pointer}` in its payload", None
    return None
