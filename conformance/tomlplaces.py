"""Where the keys of a TOML file stand: `tomllib` tells lines of what it cannot read, and of nothing else."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from spec.exits import Exit, Stop

__all__ = ["Toml", "read_placed"]

At = tuple[str | int, ...]
"""The way to a value: keys, and for members of a list of tables their numbers from zero."""

_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]\]?\s*(?:#.*)?")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


@frozen
class Toml:
    """A file that was read: its path as it was given, its content, and the line of each key and table."""

    path: Path
    content: Mapping[str, Any]
    lines: Mapping[At, int] = field(repr=False)

    def place(self, *at: str | int) -> str:
        """`FILE:LINE` of a value, or of the nearest thing around it that has a line."""
        while at and at not in self.lines:
            at = at[:-1]
        return f"{self.path}:{self.lines[at]}" if at else str(self.path)


def read_placed(path: Path) -> Toml:
    """Read a TOML file; raises Stop naming the file, the line, and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
        return Toml(path, tomllib.loads(text), _lines(text))
    except OSError as problem:
        raise Stop(Exit.USAGE, f"{path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise Stop(Exit.USAGE, f"{path} is not UTF-8") from None
    except tomllib.TOMLDecodeError as problem:
        found = re.fullmatch(r"(.*) \(at line (\d+), column \d+\)", str(problem))
        said, place = (found[1], f"{path}:{found[2]}") if found else (str(problem), str(path))
        raise Stop(Exit.USAGE, f"{place}: this is no TOML: {said[:1].lower()}{said[1:]}") from None


def _lines(text: str) -> dict[At, int]:
    """The lines of tables and keys, as people write them: one on each line, and those of an inline table on its own.

    What looks like a key within a text of several lines is taken for one; that misplaces a message, and no value.
    """
    found: dict[At, int] = {}
    seen: Counter[tuple[str, ...]] = Counter()
    table: At = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            names = tuple(_names(header[2]))
            if header[1] == "[[":
                seen[names] += 1
            table = _numbered(names, seen)
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            names = tuple(_names(key[1]))
            for length in range(1, len(names) + 1):
                found.setdefault((*table, *names[:length]), number)
    return found


def _names(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


def _numbered(names: tuple[str, ...], seen: Mapping[tuple[str, ...], int]) -> At:
    """The way to the table that a header opens: in the last member of each list of tables that it leads through."""
    way: list[str | int] = []
    for length, name in enumerate(names, 1):
        way.append(name)
        if names[:length] in seen:
            way.append(seen[names[:length]] - 1)
    return tuple(way)
