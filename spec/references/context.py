"""Names whose meaning depends on where they stand: inner states, rows of a table, pointers into a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spec.loading.nodes import join
from spec.loading.problems import Problem, did_you_mean
from spec.loading.source import Source
from spec.references.names import RESERVED, Names, mappings, section
from spec.references.schemas import members_at, reaches

__all__ = ["check_context"]

_Path = tuple[str | int, ...]
_Tell = Callable[[_Path, str, str | None], None]


def check_context(names: Names, source: Source, problems: list[Problem]) -> None:
    """Check what depends on its place; what is wrong is added to `problems`."""

    def tell(path: _Path, message: str, hint: str | None) -> None:
        pointer = join(path)
        problems.append(Problem(source.place(pointer), pointer, message, hint))

    def tell_key(path: _Path, message: str, hint: str | None) -> None:
        pointer = join(path)
        problems.append(Problem(source.place_of_key(pointer), pointer, message, hint))

    data = source.data
    _initials(("connection", "states"), section(data, "connection", "states"), tell)
    _facts(names, tell)
    for name in section(data, "messages"):
        if name in RESERVED:
            message = f"`{name}` is the name of an input, and cannot be that of a message"
            tell_key(("messages", name), message, f"reserved: {', '.join(RESERVED)}")
    _envelope(names, tell, tell_key)
    for name in section(data, "messages"):
        for role in section(data, "messages", name):
            _form(names, ("messages", name, role), tell, tell_key)
    _tokens(names, tell)
    for section_name, key in (("ladder", "step"), ("recipes", "name")):
        _distinct(names, section_name, key, tell)
    _headers(names, tell)
    for index, invariant in enumerate(mappings(data.get("invariants"))):
        _invariant(names, ("invariants", index, "with"), invariant, tell_key)


def _initials(path: _Path, states: dict[str, Any], tell: _Tell) -> None:
    for name in states:
        body = section(states, name)
        inner, initial = section(body, "states"), body.get("initial")
        if isinstance(initial, str) and inner and initial not in inner:
            message = f"`{name}` has no inner state `{initial}`"
            tell((*path, name, "initial"), message, did_you_mean(initial, inner))
        _initials((*path, name, "states"), inner, tell)


def _facts(names: Names, tell: _Tell) -> None:
    for name in section(names.data, "facts"):
        fact = section(names.data, "facts", name)
        parameter, values = fact.get("parameter"), names.facts.get(name)
        if fact.get("kind") == "parameter" and isinstance(parameter, str):
            kind = section(names.data, "parameters", parameter).get("type")
            if kind not in (None, "choice", "switch"):
                message = f"`{parameter}` is a parameter of type `{kind}`, and a fact needs a `choice` or a `switch`"
                tell(("facts", name, "parameter"), message, None)
        for index, row in enumerate(mappings(fact.get("rows"))):
            if values is not None and isinstance(row.get("is"), str) and row["is"] not in values:
                message = f"`{row['is']}` is not among the values of `{name}`"
                tell(("facts", name, "rows", index, "is"), message, did_you_mean(row["is"], values))


def _tokens(names: Names, tell: _Tell) -> None:
    tokens = section(names.data, "tokens")
    for key in ("claims", "ladder", "recipes"):
        if tokens and key not in tokens:
            tell(("tokens",), f"the `tokens` section lacks `{key}`", None)
    for index, step in enumerate(mappings(tokens.get("ladder"))):
        if step.get("verdict") == "valid":
            message = "`valid` is the class of a token that passes the ladder, and no verdict of a step"
            tell(("tokens", "ladder", index, "verdict"), message, None)


def _distinct(names: Names, part: str, key: str, tell: _Tell) -> None:
    """Items of the token section that are called by name."""
    seen: set[str] = set()
    for index, item in enumerate(mappings(section(names.data, "tokens").get(part))):
        name = item.get(key)
        if isinstance(name, str) and name in seen:
            tell(("tokens", part, index, key), f"`{name}` is in `{part}` already", None)
        seen.add(str(name))


def _headers(names: Names, tell: _Tell) -> None:
    for index, rule in enumerate(mappings(section(names.data, "opening").get("headers"))):
        known = section(rule, "set")
        for place, name in enumerate(_pointers(rule.get("ordered"))):
            if name and name not in known:
                path = ("opening", "headers", index, "ordered", place)
                tell(path, f"`{name}` is not a header that is set here", did_you_mean(name, known))


def _pointers(value: Any) -> list[str]:
    return [item if isinstance(item, str) else "" for item in value] if isinstance(value, list) else []


def _envelope(names: Names, tell: _Tell, tell_key: _Tell) -> None:
    envelope = section(names.data, "wire", "envelope")
    server = section(envelope, "server", "schema")
    for key in ("discriminator", "id", "reply_to", "payload"):
        pointer = envelope.get(key)
        # Where the payload is the message, its members are those of the messages' own schemas too.
        if isinstance(pointer, str) and not (envelope.get("payload") == "" and _somewhere(names, pointer)):
            _reach(names, ("wire", "envelope", key), pointer, server, "the server's envelope", tell)
    for role in ("client", "server"):
        schema, path = section(envelope, role, "schema"), ("wire", "envelope", role)
        noun = f"the {role}'s envelope"
        for pointer in section(envelope, role, "chosen"):
            _reach(names, (*path, "chosen", pointer), pointer, schema, noun, tell_key)
        for index, pointer in enumerate(_pointers(section(envelope, role, "times").get("at"))):
            _reach(names, (*path, "times", "at", index), pointer, schema, noun, tell)


def _somewhere(names: Names, pointer: str) -> bool:
    forms = [form for message in section(names.data, "messages").values() for form in section(message).values()]
    return any(reaches(section(form, "payload"), pointer, names.data) for form in forms)


def _form(names: Names, path: _Path, tell: _Tell, tell_key: _Tell) -> None:
    form = section(names.data, *map(str, path))
    for key in ("secret", "echoed"):
        for index, pointer in enumerate(_pointers(form.get(key))):
            _reach(names, (*path, key, index), pointer, form.get("payload"), "the payload", tell)
    for pointer in section(form, "chosen"):
        _reach(names, (*path, "chosen", pointer), pointer, form.get("payload"), "the payload", tell_key)
    for index, pointer in enumerate(_pointers(section(form, "times").get("at"))):
        _reach(names, (*path, "times", "at", index), pointer, form.get("payload"), "the payload", tell)


def _invariant(names: Names, path: _Path, invariant: dict[str, Any], tell_key: _Tell) -> None:
    message = invariant.get("always")
    if isinstance(message, str) and message in names.known["server message"]:
        payload = section(names.data, "messages", message, "server", "payload")
        for pointer in section(invariant, "with"):
            _reach(names, (*path, pointer), pointer, payload, "the payload", tell_key)


def _reach(names: Names, path: _Path, pointer: str, schema: Any, noun: str, tell: _Tell) -> None:
    if pointer and schema and not reaches(schema, pointer, names.data):
        tell(path, f"{noun} has no `{pointer}`", did_you_mean(pointer, members_at(schema, pointer)))
