"""What can be wrong with a document: values that say where and what, and the one exception that carries them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from attrs import field, frozen
from attrs.converters import optional

__all__ = ["DOCUMENT", "INCOMPLETE", "DocumentError", "Place", "Problem", "did_you_mean", "nearest", "ordered"]

DOCUMENT, INCOMPLETE = "document", "incomplete-cases"
"""What problems are called by `handfast lint`: all but decisions that leave a case undecided are one."""

_LONGEST = 400


@frozen(order=True)
class Place:
    """A position in a file; lines and columns count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def _one_line(text: str) -> str:
    """Keys and values can be anything, and problems are printed a line each."""
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


@frozen
class Problem:
    """One thing that is wrong: `pointer` is the JSON Pointer of the value in the merged document, `code` its kind."""

    place: Place
    pointer: str
    message: str = field(converter=_one_line)
    hint: str | None = field(default=None, converter=optional(_one_line))
    code: str = DOCUMENT

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


def ordered(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems by file and position, each once: an anchor's content is met once for every alias."""
    distinct = {(problem.place, problem.message): problem for problem in reversed(list(problems))}
    return tuple(sorted(distinct.values(), key=lambda problem: (problem.place, problem.message)))


class DocumentError(Exception):
    """A document that cannot be used; `problems` are all that were found, by file and position."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = ordered(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that `name` is probably a slip of, or None."""
    # Unchecked data may hold anything where names belong.
    lowered = {other.lower(): other for other in known if isinstance(other, str)}
    text = str(name)[:200]
    near = difflib.get_close_matches(text.lower(), lowered, n=1, cutoff=0.6)
    return lowered[near[0]] if near else None


def did_you_mean(name: object, known: Iterable[str]) -> str | None:
    """A hint for a name that is not known: the nearest one, or all where they are few."""
    names = [other for other in known if isinstance(other, str)]
    near = nearest(name, names)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"known: {', '.join(names)}" if 0 < len(names) <= 12 else None
