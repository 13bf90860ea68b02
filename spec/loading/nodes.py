"""The tree of a YAML text: plain values with the position of every key and value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from attrs import define

from spec.loading.problems import Place

__all__ = ["Entry", "Node", "entry_at", "grown", "join", "locate", "parts", "plain"]


class Entry(NamedTuple):
    """A member of a mapping."""

    key: Node
    value: Node


@define(eq=False)
class Node:
    """A value and where it stands.

    `value` is a plain scalar, a list of nodes, or a dictionary of entries. Aliases share it, so that a tree may be
    a graph without cycles; `size` and `height` are those of the tree that it stands for.
    """

    file: str
    line: int
    column: int
    value: Any
    size: int = 1
    height: int = 1

    @property
    def place(self) -> Place:
        return Place(self.file, self.line, self.column)


def plain(node: Node) -> Any:
    """The plain Python value of a tree; nothing in it is shared."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(entry.value) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def grown(value: Any, file: str) -> Node:
    """The tree of a plain value that stands nowhere: every place is the beginning of `file`."""
    if isinstance(value, dict):
        value = {key: Entry(Node(file, 1, 1, key), grown(member, file)) for key, member in value.items()}
    elif isinstance(value, list):
        value = [grown(item, file) for item in value]
    return Node(file, 1, 1, value)


def parts(pointer: str) -> list[str]:
    """The reference tokens of a JSON Pointer (RFC 6901)."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def join(path: Iterable[str | int]) -> str:
    """The JSON Pointer of a path."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _child(node: Node, part: str) -> tuple[Node, Node] | None:
    """The child's position-bearing node and the child itself: a collection stands where its key stands."""
    value = node.value
    if isinstance(value, dict) and part in value:
        key, child = value[part]
        return (key if isinstance(child.value, dict | list) else child), child
    if isinstance(value, list) and part.isascii() and part.isdecimal() and len(part) < 10 and int(part) < len(value):
        return value[int(part)], value[int(part)]
    return None


def locate(root: Node, path: Iterable[str | int]) -> Place:
    """Where a value stands, or its nearest ancestor: scalars and items themselves, other collections by their key."""
    at, node = root, root
    for part in path:
        found = _child(node, str(part))
        if found is None:
            break
        at, node = found
    return at.place


def entry_at(root: Node, path: Iterable[str | int]) -> Entry | None:
    """The member of a mapping that a path names, or None."""
    node, entry = root, None
    for part in path:
        found = _child(node, str(part))
        if found is None:
            return None
        entry = node.value[part] if isinstance(node.value, dict) else None
        node = found[1]
    return entry
