"""From YAML text to nodes, in one pass over the parser's events.

The events carry positions and anchors, and nothing here recurses, so that neither depth nor aliases can exhaust
anything: both are counted while the tree grows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from attrs import define
from ruamel.yaml import events as ev
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from spec.loading.events import events
from spec.loading.nodes import Entry, Node
from spec.loading.problems import Place, Problem, did_you_mean
from spec.loading.scalars import resolve

__all__ = ["MOST_CHARACTERS", "MOST_DEPTH", "MOST_VALUES", "parse"]

MOST_CHARACTERS = 1 << 20
MOST_DEPTH = 50
MOST_VALUES = 100_000

# A YAML 1.1 reader takes these for truth values, and other people's tools read documents with one.
_TRUTHS = frozenset({"on", "off", "yes", "no"})
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Stop(Exception):
    """Nothing after this is worth reading."""


@define(eq=False)
class _Frame:
    """A collection being read; in a mapping, `key` is the key whose value is due, or None where it is refused."""

    node: Node
    anchor: str | None
    due: bool = False
    key: Node | None = None


def parse(text: str, file: str, problems: list[Problem]) -> Node | None:
    """The tree of a text, or None where there is none to speak of; what is wrong is added to `problems`."""
    if len(text) > MOST_CHARACTERS:
        message = f"the file has more than {MOST_CHARACTERS} characters"
        problems.append(Problem(Place(file, 1, 1), "", message))
        return None
    builder = _Builder(file, problems)
    try:
        for event in _events(text, file, problems):
            builder.take(event)
    except _Stop:
        return None
    return builder.root


def _events(text: str, file: str, problems: list[Problem]) -> Iterator[Any]:
    source = events(text)
    while True:
        try:
            event = next(source)
        except StopIteration:
            return
        except Exception as error:
            # The parser meets whatever people write, and fails in more ways than its own errors: a bad escape or
            # directive ends in a ValueError or an IndexError. All of them mean text that is not YAML.
            problems.append(_syntax(error, text, file))
            raise _Stop from error
        yield event


def _syntax(error: Exception, text: str, file: str) -> Problem:
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        context = f" {error.context}" if error.context and error.problem else ""
        said = " ".join(f"{error.problem or error.context or 'it cannot be read'}{context}".split())
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        return Problem(place, "", f"this is not YAML: {said[:200]}")
    if isinstance(error, ReaderError) and isinstance(error.position, int):
        before = text[: error.position]
        place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        return Problem(place, "", "this character is not allowed in YAML")
    said = "it cannot be read" if isinstance(error, YAMLError) else "the parser cannot read it"
    return Problem(Place(file, 1, 1), "", f"this is not YAML: {said}")


class _Builder:
    """Takes events and grows the tree; `root` is there when the document has ended."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.root: Node | None = None
        self.stack: list[_Frame] = []
        self.anchors: dict[str, Node] = {}
        self.open: set[str] = set()
        self.documents = 0

    def take(self, event: Any) -> None:
        """Take one event.

        Raises:
            _Stop: where the rest is not worth reading.
        """
        match event:
            case ev.ScalarEvent():
                self._add(self._scalar(event))
            case ev.AliasEvent():
                self._add(self._alias(event))
            case ev.MappingStartEvent() | ev.SequenceStartEvent():
                self._begin(event)
            case ev.MappingEndEvent() | ev.SequenceEndEvent():
                self._end()
            case ev.DocumentStartEvent():
                self._document(event)

    def _problem(self, event: Any, message: str, hint: str | None = None) -> None:
        mark = event.start_mark
        self.problems.append(Problem(Place(self.file, mark.line + 1, mark.column + 1), "", message, hint))

    def _document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            self._problem(event, "a file holds one YAML document; here a second begins")
            raise _Stop
        if event.version is not None and tuple(event.version) != (1, 2):
            self._problem(event, "documents are YAML 1.2; leave out the `%YAML` line")
            raise _Stop

    def _node(self, event: Any, value: Any) -> Node:
        mark = event.start_mark
        return Node(self.file, mark.line + 1, mark.column + 1, value)

    def _untagged(self, event: Any) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) != "!":
            self._problem(event, "tags are no part of the format", "leave it out; quotes make text")

    def _scalar(self, event: Any) -> Node:
        self._untagged(event)
        value: Any = event.value
        if _SURROGATE.search(value):
            self._problem(event, "half of a surrogate pair is no character")
            value = ""
        if event.implicit[0] and event.style is None:
            try:
                value = resolve(value)
            except ValueError as error:
                self._problem(event, str(error))
                value = 0
        node = self._node(event, value)
        if value is None and event.value == "" and self.stack and self.stack[-1].key is not None:
            # Nothing was written, and the parser places that in the next line.
            node.line, node.column = self.stack[-1].key.line, self.stack[-1].key.column
        if event.anchor is not None:
            self._name(event, node)
        return node

    def _name(self, event: Any, node: Node) -> None:
        if event.anchor in self.anchors:
            self._problem(event, f"the anchor `&{event.anchor}` is there already")
        self.anchors[event.anchor] = node

    def _alias(self, event: Any) -> Node:
        name = event.anchor
        target = self.anchors.get(name)
        if target is None:
            self._problem(event, f"there is no anchor `&{name}` before this", did_you_mean(name, self.anchors))
            return self._node(event, None)
        if name in self.open:
            self._problem(event, f"`*{name}` stands inside what it repeats")
            raise _Stop
        if len(self.stack) + target.height > MOST_DEPTH:
            self._problem(event, f"this is nested more than {MOST_DEPTH} deep")
            raise _Stop
        mark = event.start_mark
        return Node(self.file, mark.line + 1, mark.column + 1, target.value, target.size, target.height)

    def _begin(self, event: Any) -> None:
        self._untagged(event)
        node = self._node(event, {} if isinstance(event, ev.MappingStartEvent) else [])
        if event.anchor is not None:
            self._name(event, node)
            self.open.add(event.anchor)
        self.stack.append(_Frame(node, event.anchor))
        if len(self.stack) > MOST_DEPTH:
            self._problem(event, f"this is nested more than {MOST_DEPTH} deep")
            raise _Stop

    def _end(self) -> None:
        frame = self.stack.pop()
        if frame.anchor is not None:
            self.open.discard(frame.anchor)
        node = frame.node
        value = node.value
        children = [entry.value for entry in value.values()] if isinstance(value, dict) else value
        node.size = 1 + sum(child.size for child in children)
        node.height = 1 + max((child.height for child in children), default=0)
        if node.size > MOST_VALUES:
            message = f"with its aliases written out, the document has more than {MOST_VALUES} values"
            self.problems.append(Problem(node.place, "", message))
            raise _Stop
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        if isinstance(frame.node.value, list):
            frame.node.value.append(node)
        elif not frame.due:
            frame.key, frame.due = self._key(node, frame.node.value), True
        else:
            if frame.key is not None:
                frame.node.value[frame.key.value] = Entry(frame.key, node)
            frame.due = False

    def _key(self, node: Node, others: dict[str, Entry]) -> Node | None:
        """The key if it may stand in the mapping, else None after saying why."""
        message = hint = None
        key = node.value
        if isinstance(key, dict | list):
            message = "a key must be text"
        elif not isinstance(key, str):
            message, hint = f"the key `{json.dumps(key)}` is not text", "put it in quotes"
        elif key == "<<":
            message = "merge keys (`<<`) are not YAML 1.2"
        elif key.lower() in _TRUTHS:
            message, hint = f"`{key}` cannot be a key", "YAML 1.1 readers take it for a truth value"
        elif key in others:
            first = others[key].key
            message, hint = f"`{key}` is in this mapping already", f"first in line {first.line}"
        if message is None:
            return node
        self.problems.append(Problem(node.place, "", message, hint))
        return None
