"""Included files: what they declare is united with the document's own sections."""

from __future__ import annotations

import os.path
from functools import lru_cache
from pathlib import Path

from attrs import define, evolve, field

from spec.loading.nodes import Entry, Node, join
from spec.loading.parsing import MOST_CHARACTERS, parse
from spec.loading.problems import Place, Problem, did_you_mean

__all__ = ["Reader", "decode"]

_OWN = ("handfast", "protocol", "version", "title", "summary")
_MOST_FILES = 20
_PACKAGED, _PACKAGE = "handfast:", Path(__file__).parent.parent / "protocols"
"""What begins the name of a file that comes with the package, and where those are."""

# Inner mappings and lists of a section that are united as the sections themselves are.
_UNITED = (("tokens", "recipes"), ("errors", "codes"))
# What a file's own entry replaces as a whole, since its order carries its meaning.
_RESTATED = ("tokens", "ladder")


def decode(path: Path, name: str, at: Place | None, problems: list[Problem]) -> str | None:
    """The text of a file, or None after a problem: `at` is where it was asked for, if anywhere."""
    where = at or Place(name, 1, 1)
    try:
        if not path.is_file():
            missing = f"there is no file `{name}`" if not path.exists() else f"`{name}` is not a file"
            problems.append(Problem(where, "", missing, _neighbour(path)))
            return None
        with path.open("rb") as file:
            raw = file.read(MOST_CHARACTERS * 4 + 4)
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        place = Place(name, before.count(b"\n") + 1, column)
        problems.append(Problem(place, "", "the file is not UTF-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not usable"
        problems.append(Problem(where, "", f"`{name}` cannot be read: {reason}"))
    return None


def _neighbour(path: Path) -> str | None:
    names = sorted(entry.name for entry in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return did_you_mean(path.name, names)


@define
class Reader:
    """Reads a text and, through it, what it includes; `complete` turns false where an include could not be read."""

    problems: list[Problem]
    files: list[Path] = field(factory=list)
    complete: bool = True

    def unite(self, root: Node, base: Path | None) -> Node:
        """The tree with the sections of its includes; those come first, in the order of the list."""
        sections: dict[str, Entry] = {}
        for item in _includes(root):
            included = self._included(item, base)
            if included is None:
                self.complete = False
            else:
                self._own(included)
                self._merge(sections, included.value, restates=False)
        self._merge(sections, root.value, restates=True)
        return Node(root.file, root.line, root.column, sections)

    def _included(self, item: Node, base: Path | None) -> Node | None:
        named = item.value.removeprefix(_PACKAGED)
        base = base if named == item.value else _PACKAGE
        if base is None:
            message = "a text that comes from no file cannot include one"
            self.problems.append(Problem(item.place, "/include", message))
            return None
        try:
            path = (base / named).resolve()
        except (OSError, ValueError, RuntimeError):
            path = base / "?"
        if len(self.files) > _MOST_FILES:
            self.problems.append(Problem(item.place, "/include", f"more than {_MOST_FILES} files are included"))
            return None
        if path in self.files:
            self.problems.append(Problem(item.place, "/include", f"`{item.value}` is read already"))
            return None
        name = os.path.normpath(base / named)
        before = len(self.problems)
        text = decode(path, name, item.place, self.problems)
        root = None if text is None else self._parsed(text, name)
        if root is None or not isinstance(root.value, dict):
            if len(self.problems) == before:
                self.problems.append(Problem(Place(name, 1, 1), "", "an included file is a mapping of sections"))
            return None
        self.files.append(path)
        return self.unite(root, path.parent)

    def _parsed(self, text: str, name: str) -> Node | None:
        root, found = _tree(text, name)
        self.problems.extend(found)
        # Its sections are taken out one by one: the next reader needs them again.
        return evolve(root, value=dict(root.value)) if root is not None and isinstance(root.value, dict) else root

    def _own(self, included: Node) -> None:
        included.value.pop("include", None)
        for key in _OWN:
            entry = included.value.pop(key, None)
            if entry is not None:
                message = f"`{key}` belongs to a document, not to a file that it includes"
                self.problems.append(Problem(entry.key.place, f"/{key}", message))

    def _merge(self, into: dict[str, Entry], sections: dict[str, Entry], *, restates: bool) -> None:
        for name, later in sections.items():
            earlier = into.get(name)
            into[name] = later if earlier is None else self._united((name,), earlier, later, restates=restates)

    def _united(self, path: tuple[str, ...], earlier: Entry, later: Entry, *, restates: bool) -> Entry:
        """Two sections, or parts of sections, in one: mappings united, lists one behind the other."""
        key, node = later
        first, second = earlier.value.value, node.value
        if isinstance(first, list) and isinstance(second, list):
            return Entry(key, Node(node.file, node.line, node.column, [*first, *second]))
        if not (isinstance(first, dict) and isinstance(second, dict)):
            self._twice(join(path), path[-1], key, earlier.key)
            return earlier
        entries = dict(first)
        for name, entry in second.items():
            inner = (*path, name)
            if name not in entries or (restates and inner == _RESTATED):
                entries[name] = entry
            elif inner in _UNITED:
                entries[name] = self._united(inner, entries[name], entry, restates=restates)
            else:
                self._twice(join(inner), name, entry.key, entries[name].key)
        return Entry(key, Node(node.file, node.line, node.column, entries))

    def _twice(self, pointer: str, name: str, later: Node, earlier: Node) -> None:
        message = f"`{name}` is declared already in {earlier.file}, line {earlier.line}"
        self.problems.append(Problem(later.place, pointer, message))


@lru_cache(16)
def _tree(text: str, name: str) -> tuple[Node | None, tuple[Problem, ...]]:
    """A text as parsed; several documents that are read together include the same files."""
    problems: list[Problem] = []
    return parse(text, name, problems), tuple(problems)


def _includes(root: Node) -> list[Node]:
    """The items of `include`; what is not text is left for the schema to refuse."""
    entry = root.value.get("include")
    items = entry.value.value if entry is not None and isinstance(entry.value.value, list) else []
    return [item for item in items if isinstance(item.value, str) and item.value]
