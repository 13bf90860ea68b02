"""Reading a document: its text, what it includes, its schema, its names; every problem at once."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from spec.loading.including import Reader, decode
from spec.loading.nodes import Node, grown
from spec.loading.parsing import parse
from spec.loading.problems import DocumentError, Place, Problem
from spec.loading.source import Source, digest_of
from spec.loading.validating import validate

__all__ = ["OPTIONAL", "read", "read_data", "read_text"]

OPTIONAL: dict[str, dict[str, Any]] = {
    "errors": {"message": "", "payload": {}, "codes": {}},
    "tokens": {"claims": {"required": []}, "ladder": [], "recipes": []},
}
"""Sections that a protocol may do without, as they are read where they are not there."""


def read(path: Path | str) -> Source:
    """Read a document from a file.

    Raises:
        DocumentError: with every problem of the document and of the files that it includes.
    """
    path = Path(path)
    problems: list[Problem] = []
    text = decode(path, str(path), None, problems)
    if text is None:
        raise DocumentError(problems)
    return _read(text, str(path), path.parent, [path.resolve()])


def read_text(text: str, name: str = "<document>", base: Path | None = None) -> Source:
    """Read a document from its text; what it includes is looked up from the folder `base`.

    Raises:
        DocumentError: as `read` does; places are in `name`.
    """
    return _read(text.removeprefix("\ufeff"), name, base, [])


def read_data(data: dict[str, Any], name: str = "<document>") -> Source:
    """Read a document from its data, which includes nothing: checked like any other, but nothing has a place.

    Raises:
        DocumentError: as `read` does; every place is the beginning of `name`.
    """
    return _checked(grown(data, name), Reader([]))


def _read(text: str, name: str, base: Path | None, files: list[Path]) -> Source:
    problems: list[Problem] = []
    parsed = parse(text, name, problems)
    if parsed is None or not isinstance(parsed.value, dict):
        if not problems:
            problems.append(_no_mapping(parsed, name))
        raise DocumentError(problems)
    reader = Reader(problems, files)
    return _checked(reader.unite(parsed, base), reader)


def _checked(root: Node, reader: Reader) -> Source:
    problems = reader.problems
    data, usable = validate(root, complete=reader.complete, problems=problems)
    data.pop("include", None)
    source = Source(data, tuple(reader.files), "" if problems else digest_of(data), root)
    if usable:
        # Imported here because the checks are written in terms of this package.
        from spec.references import check

        problems.extend(check(source, sound=not problems))
    if problems:
        raise DocumentError(problems)
    for name, empty in OPTIONAL.items():
        data.setdefault(name, deepcopy(empty))
    return source


def _no_mapping(parsed: Node | None, name: str) -> Problem:
    if parsed is None or parsed.value is None or parsed.value == "":
        return Problem(Place(name, 1, 1), "", "the document is empty")
    what = "a list" if isinstance(parsed.value, list) else "a single value"
    return Problem(parsed.place, "", f"a document is a mapping of sections, and this is {what}")
