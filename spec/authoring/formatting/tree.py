"""A YAML text as a tree that still knows its comments, its blank lines, and how its author wrote each value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from attrs import define, field
from ruamel.yaml import events as ev

from spec.loading.events import events

__all__ = ["Comment", "Entry", "Item", "Tree", "grown"]

_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[^\n]*", re.M)


@define(eq=False)
class Comment:
    """A comment; one that is not `own` stands behind something in its line."""

    index: int
    column: int
    text: str
    own: bool
    blank: bool


@define(eq=False)
class Item:
    """A value: `kind` is map, seq, scalar or alias; `raw` is a scalar as it was written, `value` what it says."""

    kind: str
    start: int
    column: int
    anchor: str | None = None
    end: int = 0
    flow: bool = False
    style: str | None = None
    raw: str = ""
    value: str = ""
    entries: list[Entry] = field(factory=list)
    after: list[Comment] = field(factory=list)
    around: Item | None = None


@define(eq=False)
class Entry:
    """A member of a mapping, or an item of a list, which has no key; `blank` is an empty line before it."""

    key: Item | None
    value: Item
    within: Item
    blank: bool = False
    leading: list[Comment] = field(factory=list)
    trailing: Comment | None = None

    @property
    def start(self) -> int:
        return self.key.start if self.key is not None else self.value.start

    @property
    def column(self) -> int:
        return self.within.column


@define
class Tree:
    """The root, with the comments before and behind everything in it."""

    root: Item
    before: list[Comment]


def grown(text: str) -> Tree:
    """The tree of a text that the loader's parser has no fault to find with."""
    root, spans = _read(text)
    comments = list(_comments(text, spans))
    _opened(root, comments)
    entries = sorted(_blocks(root, 0), key=lambda both: (both[0].start, both[1]))
    flat = [entry for entry, _ in entries]
    for entry in flat:
        entry.blank = _blank_before(text, entry.start)
    before: list[Comment] = []
    for comment in comments:
        _attach(comment, flat, root, before)
    _hoist(flat)
    return Tree(root, before)


# --------------------------------------------------------------------------------------------------------- reading


def _read(text: str) -> tuple[Item, list[tuple[int, int]]]:
    """The values without comments, and where scalars stand."""
    stack: list[tuple[Item, list[Item]]] = []
    spans: list[tuple[int, int]] = []
    root = Item("scalar", 0, 0)
    for event in events(text):
        if isinstance(event, ev.MappingEndEvent | ev.SequenceEndEvent):
            item, children = stack.pop()
            item.end = event.end_mark.index
            item.entries = list(_entries(item, children))
            for child in children:
                child.around = item
        elif not isinstance(event, ev.MappingStartEvent | ev.SequenceStartEvent | ev.ScalarEvent | ev.AliasEvent):
            continue
        else:
            item = _item(event, text)
            if stack:
                stack[-1][1].append(item)
            else:
                root = item
            if item.kind in {"map", "seq"}:
                stack.append((item, []))
            else:
                spans.append((item.start, item.end))
    return root, spans


def _item(event: Any, text: str) -> Item:
    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, ev.AliasEvent):
        return Item("alias", start, event.start_mark.column, event.anchor, end)
    if not isinstance(event, ev.ScalarEvent):
        kind = "map" if isinstance(event, ev.MappingStartEvent) else "seq"
        return Item(kind, start, event.start_mark.column, event.anchor, end, bool(event.flow_style))
    if event.anchor is not None:
        # An anchored scalar begins at its anchor.
        start += re.match(r"&\S+\s*", text[start:end]).end()  # type: ignore[union-attr]
    return Item(
        "scalar", start, event.start_mark.column, event.anchor, end, False, event.style, text[start:end], event.value
    )


def _entries(item: Item, children: list[Item]) -> Iterator[Entry]:
    if item.kind == "seq":
        yield from (Entry(None, child, item) for child in children)
    else:
        yield from (Entry(key, value, item) for key, value in zip(children[::2], children[1::2], strict=True))


# -------------------------------------------------------------------------------------------------------- comments


def _comments(text: str, spans: list[tuple[int, int]]) -> Iterator[Comment]:
    """What stands between scalars and begins with a `#`; the head of a block scalar may have one too."""
    at = 0
    for start, end in [*spans, (len(text), len(text))]:
        yield from (_comment(text, found) for found in _COMMENT.finditer(text, at, start))
        at = end
        if text[start : start + 1] in {"|", ">"}:
            newline = text.find("\n", start)
            head = newline if newline != -1 else end
            yield from (_comment(text, found) for found in _COMMENT.finditer(text, start, head))


def _comment(text: str, found: re.Match[str]) -> Comment:
    begin = text.rfind("\n", 0, found.start()) + 1
    own = not text[begin : found.start()].strip()
    return Comment(found.start(), found.start() - begin, found[0].rstrip(), own, own and _blank_before(text, begin))


def _blank_before(text: str, index: int) -> bool:
    """Whether the line before that of an index is empty."""
    begin = text.rfind("\n", 0, index) + 1
    if begin == 0:
        return False
    return not text[text.rfind("\n", 0, begin - 1) + 1 : begin - 1].strip()


def _opened(item: Item, comments: list[Comment]) -> bool:
    """Write collections in blocks that have a comment in them: there is no other place for it."""
    has = item.flow and any(item.start < comment.index < item.end for comment in comments)
    for entry in item.entries:
        _opened(entry.value, comments)
    item.flow = item.flow and not has
    return has


def _blocks(item: Item, depth: int) -> Iterator[tuple[Entry, int]]:
    """The entries of collections in blocks, with their depth."""
    if item.flow:
        return
    for entry in item.entries:
        yield entry, depth
        yield from _blocks(entry.value, depth + 1)


def _attach(comment: Comment, flat: list[Entry], root: Item, before: list[Comment]) -> None:
    sooner = [entry for entry in flat if entry.start <= comment.index]
    later = next((entry for entry in flat if entry.start > comment.index), None)
    if not comment.own and sooner:
        if sooner[-1].trailing is None:
            sooner[-1].trailing = comment
        else:
            sooner[-1].leading.append(comment)
        return
    inner = _deeper(comment, sooner[-1], later.column if later else -1) if sooner else None
    if inner is not None:
        inner.after.append(comment)
    elif later is not None:
        later.leading.append(comment)
    else:
        (root.after if root.entries else before).append(comment)


def _deeper(comment: Comment, last: Entry, bound: int) -> Item | None:
    """The collection that a comment behind its last entry belongs to, by its indentation; None for the one around."""
    item: Item | None = last.within
    while item is not None:
        if bound < item.column <= comment.column:
            return item
        item = item.around
    return None


def _hoist(flat: list[Entry]) -> None:
    """In a list, what stands before the first member of a mapping is said before its dash."""
    for entry in reversed(flat):
        value = entry.value
        if entry.key is None and value.kind in {"map", "seq"} and not value.flow and value.entries:
            first = value.entries[0]
            entry.leading += first.leading
            first.leading = []
            if entry.trailing is not None:
                entry.leading.append(entry.trailing)
                entry.trailing = None
