"""Validates a tree against the schema of documents, and goes on past what it can put right to find the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
from attrs import evolve

from spec.loading.complaints import Refusal, complain, known_keys
from spec.loading.nodes import Entry, Node, entry_at, plain
from spec.loading.problems import Problem, nearest

__all__ = ["format_schema", "validate"]

_ROUNDS = 4

# Where what they hold is not known, every use of it would look dangling.
_DECLARING = frozenset({"states", "variables", "codes", "timers", "values", "of", "ladder", "properties"})


@cache
def format_schema() -> dict[str, Any]:
    """The schema of documents and of the files that they include."""
    path = Path(__file__).parent.parent / "format" / "document.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


@cache
def _validator(complete: bool) -> tuple[dict[str, Any], jsonschema_rs.Draft202012Validator]:
    """The schema and validator of whole documents, or of sections some of which could not be read."""
    schema = dict(format_schema())
    required = schema.pop("then")["required"]
    del schema["if"], schema["else"]
    if complete:
        schema["required"] = required
    return schema, jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def validate(root: Node, *, complete: bool, problems: list[Problem]) -> tuple[dict[str, Any], bool]:
    """The data of a tree, and whether its names can be checked.

    A key that is a slip of another is put right in the tree, and a value of the wrong type emptied, so that one
    mistake neither hides others nor shows up again as something else. `complete` says whether all includes were read.
    """
    schema, validator = _validator(complete)
    teller = _Teller(root, problems)
    for _ in range(_ROUNDS):
        data = plain(root)
        # The deepest first: a branch of a schema knows more about a key than the base that refuses it too.
        errors = sorted(validator.iter_errors(data), key=lambda error: -len(error.evaluation_path))
        refusals = [Refusal.of(error, schema, data) for error in errors]
        slips = _slips(refusals)
        for refusal in _gathered(refusals, {(*path[:-1], right) for path, right in slips.items()}):
            teller.tell(refusal)
        if not slips:
            break
        for path, right in slips.items():
            _rename(root, path, right)
    usable = complete and all(_blank(root, refusal) for refusal in refusals)
    return plain(root), usable and not slips


class _Teller:
    """Adds what refusals mean to the problems, each once, and nothing where the text itself was at fault."""

    def __init__(self, root: Node, problems: list[Problem]) -> None:
        self.root, self.problems = root, problems
        self.faulty = {problem.place for problem in problems}
        self.told: set[tuple[str, str]] = set()

    def tell(self, refusal: Refusal) -> None:
        for problem in complain(refusal, self.root):
            about = (problem.pointer, "key" if "is not a key" in problem.message else problem.message)
            if about not in self.told and problem.place not in self.faulty:
                self.told.add(about)
                self.problems.append(problem)


def _gathered(refusals: list[Refusal], mended: set[tuple[str | int, ...]]) -> Iterator[Refusal]:
    """The refusals, with all that a mapping lacks in one, and without what it lacks only by a slip."""
    lacking: dict[tuple[str | int, ...], Refusal] = {}
    for refusal in refusals:
        if refusal.keyword != "required":
            yield refusal
        elif (*refusal.path, *refusal.detail) not in mended:
            before = lacking.get(refusal.path, evolve(refusal, detail=()))
            detail = dict.fromkeys((*before.detail, *refusal.detail))
            lacking[refusal.path] = evolve(before, detail=tuple(detail))
    yield from lacking.values()


def _slips(refusals: list[Refusal]) -> dict[tuple[str | int, ...], str]:
    """Unknown keys that are probably slips of a key that is not there: path -> the right key."""
    found: dict[tuple[str | int, ...], str] = {}
    for refusal in refusals:
        if refusal.keyword == "additionalProperties":
            for key in refusal.detail:
                right = nearest(key, known_keys(refusal.schema))
                if right is not None and right not in refusal.value and (*refusal.path, right) not in found:
                    found.setdefault((*refusal.path, key), right)
    return found


def _rename(root: Node, path: tuple[str | int, ...], right: str) -> None:
    entry = entry_at(root, path)
    owner = _node(root, path[:-1])
    if entry is not None and owner is not None and right not in owner.value:
        owner.value[right] = Entry(entry.key, entry.value)
        del owner.value[path[-1]]


def _node(root: Node, path: tuple[str | int, ...]) -> Node | None:
    node = root
    for part in path:
        value = node.value
        if isinstance(value, dict) and part in value:
            node = value[str(part)].value
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            node = value[part]
        else:
            return None
    return node


def _blank(root: Node, refusal: Refusal) -> bool:
    """Empty a value of the wrong type; false where the rest cannot be judged without it."""
    path = refusal.path
    if refusal.keyword == "required":
        return bool(path)
    if refusal.keyword != "type":
        return True
    if len(path) < 2 or path[-1] in _DECLARING:
        return False
    node = _node(root, path)
    wanted = refusal.schema["type"]
    types = wanted if isinstance(wanted, list) else [wanted]
    if node is not None:
        node.value = {} if "object" in types else [] if "array" in types else None
    return True
