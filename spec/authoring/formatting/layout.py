"""The one layout of documents.

Two spaces for each level, lists indented below their key, at most one empty line, lines of at most 120 characters.
What an author chose between block and flow, and between kinds of quotes, stays, but for what does not fit: a flow
collection goes on one line where it fits and becomes a block where not, folded text is filled anew. Comments stay with
what they stand before or behind. What a document says is never changed, which is checked each time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from spec.authoring.formatting.tree import Comment, Entry, Item, grown
from spec.loading.nodes import plain
from spec.loading.parsing import parse
from spec.loading.problems import Problem

__all__ = ["Unreadable", "laid_out"]

WIDTH = 120


class Unreadable(Exception):
    """A text that is no YAML of ours; `problems` say where and why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


def laid_out(text: str, name: str = "<document>") -> str:
    """A text in the one layout.

    Raises:
        Unreadable: for a text that the loader's parser finds fault with.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    before = _said(text, name)
    tree = grown(text)
    lines = [comment.text for comment in tree.before]
    lines += list(_block(tree.root, 0)) if tree.root.entries else [_inline(tree.root)]
    written = "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
    assert _said(written, name) == before, "the layout changed what the document says"
    return written


def _said(text: str, name: str) -> object:
    problems: list[Problem] = []
    node = parse(text, name, problems)
    if problems or node is None:
        raise Unreadable(problems)
    return plain(node)


# ---------------------------------------------------------------------------------------------------------- blocks


def _block(item: Item, indent: int) -> Iterator[str]:
    """The lines of a collection in a block."""
    for number, entry in enumerate(item.entries):
        yield from _entry(entry, indent, first=number == 0)
    yield from _notes(item.after, indent)


def _notes(comments: list[Comment], indent: int, *, first: bool = False) -> Iterator[str]:
    for number, comment in enumerate(comments):
        if comment.blank and not (first and number == 0):
            yield ""
        yield " " * indent + comment.text


def _entry(entry: Entry, indent: int, *, first: bool) -> Iterator[str]:
    yield from _notes(entry.leading, indent, first=first)
    if entry.blank and not (first and not entry.leading):
        yield ""
    head = " " * indent + (f"{_key(entry.key)}:" if entry.key is not None else "-")
    value = entry.value
    note = f"  {entry.trailing.text}" if entry.trailing is not None else ""
    if value.kind == "scalar":
        yield from _scalar(head, value, indent, note)
        return
    flat = f"{head} {_inline(value)}"
    if not value.entries or value.kind == "alias" or (value.flow and len(flat) <= WIDTH):
        yield flat + note
        return
    anchor = f" &{value.anchor}" if value.anchor else ""
    lines = list(_block(_unfolded(value), indent + 2))
    if entry.key is None and not anchor:
        yield head + " " + lines[0].lstrip()
        yield from lines[1:]
    else:
        yield head + anchor + note
        yield from lines


def _unfolded(item: Item) -> Item:
    """A collection that is written as a block now; those within it are for themselves."""
    item.flow = False
    return item


def _key(key: Item) -> str:
    if key.kind == "alias":
        return f"*{key.anchor} "
    raw = key.raw if "\n" not in key.raw else json.dumps(key.value, ensure_ascii=False)
    return (f"&{key.anchor} " if key.anchor else "") + raw


# --------------------------------------------------------------------------------------------------------- scalars


def _scalar(head: str, item: Item, indent: int, note: str) -> Iterator[str]:
    anchor = f" &{item.anchor}" if item.anchor else ""
    text = f" {_word(item)}" if _word(item) else ""
    within = " " * (indent + 2)
    if item.style in {"|", ">"}:
        yield from _folded(f"{head}{anchor}", item, within, note)
    elif item.style is None and (len(head + anchor + text) > WIDTH or "\n" in item.raw) and _fills(item.value):
        yield f"{head}{anchor} >-{note}"
        yield from _filled(item.value, within)
    else:
        yield head + anchor + text + note


def _folded(head: str, item: Item, within: str, note: str) -> Iterator[str]:
    """A scalar of many lines: folded text is filled anew where it has one paragraph, all else is only moved."""
    first, _, rest = item.raw.partition("\n")
    signs = first.partition("#")[0].strip()
    if any(sign.isdigit() or sign == "+" for sign in signs) or re.search(r"[ \t]$", item.value, re.M):
        # Its indentation is said, or white space at an end counts; the same text in quotes has none to get wrong.
        yield f"{head} {json.dumps(item.value, ensure_ascii=False)}{note}"
        return
    yield f"{head} {signs}{note}"
    if item.style == ">" and _fills(item.value.removesuffix("\n")):
        yield from _filled(item.value.removesuffix("\n"), within)
        return
    lines = rest.rstrip().split("\n")
    margin = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    yield from (within + line[margin:] if line.strip() else "" for line in lines)


def _fills(text: str) -> bool:
    """Whether a text is one paragraph whose words can be put on lines anew."""
    return bool(text) and "\n" not in text and text == " ".join(text.split(" ")) == text.strip() and "  " not in text


def _filled(text: str, within: str) -> Iterator[str]:
    line = within.rstrip("\n")
    for word in text.split(" "):
        if line.strip() and len(line) + 1 + len(word) > WIDTH:
            yield line
            line = within
        line += f" {word}" if line.strip() else word
    yield line


def _word(item: Item) -> str:
    """A scalar on one line."""
    if "\n" not in item.raw and item.style not in {"|", ">"}:
        return item.raw
    return item.value if item.style is None else json.dumps(item.value, ensure_ascii=False)


# ------------------------------------------------------------------------------------------------------------ flow


def _inline(item: Item) -> str:
    """A value on one line."""
    if item.kind == "alias":
        return f"*{item.anchor}"
    anchor = f"&{item.anchor} " if item.anchor else ""
    if item.kind == "scalar":
        return anchor + (_word(item) or "null")
    inner = ", ".join(
        (f"{_key(entry.key)}: " if entry.key is not None else "") + _inline(entry.value) for entry in item.entries
    )
    return anchor + (f"[{inner}]" if item.kind == "seq" else f"{{{inner}}}")
