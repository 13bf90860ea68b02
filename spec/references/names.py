"""What a document declares."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from attrs import frozen

__all__ = ["INPUTS", "Names", "section", "strings"]

INPUTS = ("oversize", "binary", "not_utf8", "malformed", "other")
"""What can be received besides a message of a known type."""

_VALUES: dict[str, tuple[str, ...]] = {
    "running": ("running", "stopping"),
    "path": ("served", "other"),
    "upgrade": ("websocket", "none"),
    "origin": ("acceptable", "forbidden"),
    "credentials": ("none", "one", "several"),
    "token": ("absent", "invalid", "expired", "valid"),
    "payload": ("valid", "invalid"),
    "limit": ("within", "exceeded"),
    "memory": ("fresh", "seen"),
    "same": ("same", "other"),
}

_ROOTS = frozenset({"message", "token", "presented", "connection", "path", "error", "chosen", "served", "credential"})


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
            facts={name: _fact_values(fact, data) for name, fact in facts.items()},
            roots=_ROOTS | {"parameters"} | set(variables),
            path_names=tuple(re.findall(r"\{([^{}]*)\}", path)) if isinstance(path, str) else (),
        )


def _known(data: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    messages = section(data, "messages")
    sent = {
        role: tuple(name for name, body in messages.items() if role in section(messages, name))
        for role in ("client", "server")
    }
    states = dict(_states(section(data, "connection", "states"), ""))
    return {
        "rule": tuple(section(data, "rules")),
        "parameter": tuple(section(data, "parameters")),
        "definition": tuple(f"#/definitions/{name}" for name in section(data, "definitions")),
        "client message": sent["client"],
        "server message": sent["server"],
        "input": (*sent["client"], *INPUTS),
        "error": tuple(section(data, "errors", "codes")),
        "room": tuple(section(data, "rooms")),
        "memory": tuple(section(data, "memories")),
        "variable": tuple(section(data, "connection", "variables")),
        "state": tuple(states),
        "timer": tuple(dict.fromkeys(name for body in states.values() for name in section(body, "timers"))),
        "step": ("valid", *_texts(section(data, "tokens").get("ladder"), "step")),
        "subprotocol": ("none", *_subprotocols(data)),
        "choice value": _choices(data),
    }


def _texts(items: Any, key: str) -> tuple[str, ...]:
    entries = items if isinstance(items, list) else []
    return tuple(entry[key] for entry in entries if isinstance(entry, dict) and isinstance(entry.get(key), str))


def strings(items: Any) -> tuple[str, ...]:
    """The strings of a list; none where it is no list."""
    return tuple(item for item in items if isinstance(item, str)) if isinstance(items, list) else ()


def _subprotocols(data: dict[str, Any]) -> tuple[str, ...]:
    offered = [name for fact in section(data, "facts").values() for name in strings(section(fact).get("of"))]
    return tuple(dict.fromkeys((*_texts(data.get("versions"), "subprotocol"), *offered)))


def _choices(data: dict[str, Any]) -> tuple[str, ...]:
    parameters = section(data, "parameters").values()
    return tuple(dict.fromkeys(value for entry in parameters for value in strings(section(entry).get("values"))))


def _states(states: dict[str, Any], parent: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, body in states.items():
        path = f"{parent}.{name}" if parent else name
        yield path, section(body)
        yield from _states(section(body, "states"), path)


def _fact_values(fact: Any, data: dict[str, Any]) -> tuple[str, ...] | None:
    match section(fact).get("kind"):
        case "parameter":
            parameter = fact.get("parameter")
            entry = section(data, "parameters", parameter) if isinstance(parameter, str) else {}
            return strings(entry.get("values")) or None
        case "table":
            return strings(fact.get("values")) or None
        case "offer":
            return _offers(strings(fact.get("of")))
        case str() as kind:
            return _VALUES.get(kind)
    return None


def _offers(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """None, other, each name, and combinations in the order listed; the schema bounds their number."""
    if not 0 < len(names) <= 6:
        return None
    sizes = range(1, len(names) + 1)
    return ("none", "other", *("+".join(chosen) for size in sizes for chosen in combinations(names, size)))
