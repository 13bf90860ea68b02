"""What a document declares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from attrs import frozen

__all__ = ["INPUTS", "RESERVED", "Names", "fact_values", "mappings", "section", "strings", "word"]

INPUTS = ("oversize", "binary", "not_utf8", "malformed", "other")
"""What can be received besides a message of a known type."""

RESERVED = (
    *INPUTS,
    *("joined", "left", "elected"),
)
"""Names of inputs; no message is called so."""

_VALUES: dict[str, tuple[str, ...]] = {
    "running": ("running", "stopping"),
    "path": ("served", "other"),
    "upgrade": ("websocket", "none"),
    "origin": ("acceptable", "forbidden"),
    "credentials": ("none", "one", "several"),
    "payload": ("valid", "invalid"),
    "limit": ("within", "exceeded"),
    "memory": ("fresh", "seen"),
    "same": ("same", "other"),
    "secret": ("absent", "invalid", "valid"),
    "size": ("within", "over"),
    "body": ("valid", "invalid"),
    "record": ("absent", "present"),
    "method": ("allowed", "other"),
    "number": ("absent", "within", "above", "other"),
    "in_list": ("in", "out"),
    "role": ("holder", "other"),
    "register": ("new", "descends", "stale", "equal", "wins", "loses"),
    "history": ("covered", "cut", "beyond"),
    "room": ("new", "empty", "one", "several"),
    "present": ("absent", "present"),
    "order": ("before", "equal", "after", "unset"),
    "named": ("nobody", "somebody"),
}

_ROOTS = frozenset(
    {
        "message",
        "connection",
        "path",
        "parameters",
        "served",
        "error",
        "chosen",
        "absent",
        "item",
        "request",
        "deployment",
        "query",
        "now",
        "member",
        "expelled",
    }
)


def section(data: Any, *path: str) -> dict[str, Any]:
    """The mapping at a path; empty where there is none."""
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


@frozen
class Names:
    """The declared names.

    `known` maps what a place refers to (the schema's words) to the names that may stand there, `facts` a fact to its
    values (or None where they cannot be told), `roots` are what expressions may begin with.
    """

    data: dict[str, Any]
    known: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, tuple[str, ...] | None]
    roots: frozenset[str]
    path_names: tuple[str, ...]

    @classmethod
    def of(cls, data: dict[str, Any]) -> Names:
        """The names that a document's data declare."""
        facts = section(data, "facts")
        variables = section(data, "connection", "variables")
        path = section(data, "opening").get("path")
        return cls(
            data=data,
            known=_known(data),
            facts={name: fact_values(fact, data) for name, fact in facts.items()},
            roots=_ROOTS
            | set(variables)
            | set(section(data, "logs"))
            | set(section(data, "links"))
            | set(section(data, "roles"))
            | set(section(data, "registers"))
            | {name for name, room in section(data, "rooms").items() if _lives(room)}
            | {name for name, fact in facts.items() if _readable(fact)},
            path_names=tuple(re.findall(r"\{([^{}]*)\}", path)) if isinstance(path, str) else (),
        )


def _readable(fact: Any) -> bool:
    """Whether expressions may begin with a fact; one of no known kind has been told of already."""
    kind = section(fact).get("kind")
    return kind in ("credentials", "record", "named") or kind not in (*_VALUES, "parameter", "table", "offer", "one_of")


def _lives(room: Any) -> bool:
    """Whether a room has a life of its own."""
    return isinstance(room, dict) and ("variables" in room or "timers" in room)


def _dotted(data: dict[str, Any], part: str) -> tuple[str, ...]:
    """The variables or the timers of rooms, behind their room's name."""
    rooms = section(data, "rooms")
    return tuple(f"{room}.{name}" for room in rooms for name in section(rooms, room, part))


def _known(data: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    messages = section(data, "messages")
    sent = {
        role: tuple(name for name, body in messages.items() if role in section(messages, name))
        for role in ("client", "server")
    }
    tokens = section(data, "tokens")
    return {
        "rule": tuple(section(data, "rules")),
        "parameter": tuple(section(data, "parameters")),
        "definition": tuple(f"#/definitions/{name}" for name in section(data, "definitions")),
        "client message": sent["client"],
        "server message": sent["server"],
        "input": (*sent["client"], *INPUTS),
        "error": tuple(section(data, "errors", "codes")),
        "error form": tuple(section(data, "errors", "forms")),
        "refusal": tuple(section(data, "refusals")),
        "room": tuple(section(data, "rooms")),
        "group": tuple(name for name, room in section(data, "rooms").items() if _lives(room)),
        "role": tuple(section(data, "roles")),
        "register": tuple(section(data, "registers")),
        "log": tuple(section(data, "logs")),
        "memory": tuple(section(data, "memories")),
        "record": tuple(section(data, "records")),
        "link": tuple(section(data, "links")),
        "link state": tuple(
            dict.fromkeys(state for link in section(data, "links").values() for state in section(link, "states"))
        ),
        "timer": (*section(data, "connection", "timers"), *_dotted(data, "timers")),
        "variable": (*section(data, "connection", "variables"), *_dotted(data, "variables")),
        "state": tuple(_states(section(data, "connection", "states"), "")),
        "step": ("valid", *_texts(tokens.get("ladder"), "step")),
        "recipe": _texts(tokens.get("recipes"), "name"),
        "token class": _token_classes(data),
        "subprotocol": ("none", *_subprotocols(data)),
    }


def _texts(items: Any, key: str) -> tuple[str, ...]:
    return tuple(entry[key] for entry in mappings(items) if isinstance(entry.get(key), str))


def mappings(items: Any) -> list[dict[str, Any]]:
    """The items of a list, those that are no mappings as empty ones; none where it is no list."""
    return [item if isinstance(item, dict) else {} for item in items] if isinstance(items, list) else []


def strings(items: Any) -> tuple[str, ...]:
    """The strings of a list; none where it is no list."""
    return tuple(item for item in items if isinstance(item, str)) if isinstance(items, list) else ()


def _subprotocols(data: dict[str, Any]) -> tuple[str, ...]:
    offered = [name for fact in section(data, "facts").values() for name in strings(section(fact).get("of"))]
    return tuple(dict.fromkeys((*_texts(data.get("versions"), "subprotocol"), *offered)))


def _states(states: dict[str, Any], parent: str) -> Iterator[str]:
    for name in states:
        path = f"{parent}.{name}" if parent else name
        yield path
        yield from _states(section(states, name, "states"), path)


def _token_classes(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The verdicts of the ladder, in its order, and that of a token which passes it."""
    return tuple(dict.fromkeys((*_texts(section(data, "tokens").get("ladder"), "verdict"), "valid")))


def word(value: Any) -> Any:
    """A value that a guard asks for: truth values may be written as such."""
    return str(value).lower() if isinstance(value, bool) else value


def fact_values(fact: Any, data: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The values that a fact can have, or None where they cannot be told."""
    match section(fact).get("kind"):
        case "parameter":
            parameter = fact.get("parameter")
            entry = section(data, "parameters", parameter) if isinstance(parameter, str) else {}
            return ("true", "false") if entry.get("type") == "switch" else strings(entry.get("values")) or None
        case "table":
            return strings(fact.get("values")) or None
        case "one_of":
            return (*section(fact, "values"), "other")
        case "offer":
            return _offers(strings(fact.get("of")))
        case "token":
            return _token_classes(data)
        case "link":
            link = fact.get("link")
            return ("unknown", *section(data, "links", link, "states")) if isinstance(link, str) else None
        case str() as kind:
            return _VALUES.get(kind)
    return None


def _offers(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """None, other, each name, and combinations in the order listed; the schema bounds their number."""
    if not 0 < len(names) <= 6:
        return None
    sizes = range(1, len(names) + 1)
    return ("none", "other", *("+".join(chosen) for size in sizes for chosen in combinations(names, size)))
