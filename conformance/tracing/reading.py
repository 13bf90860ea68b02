"""Reading plain data that others wrote: every step asks whether it is what it should be, and says where it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from spec.exits import Exit, Stop

__all__ = ["Found", "read_json", "text_of"]

T = TypeVar("T")

_LAST = 4e9
"""In 2096, in epoch seconds."""

_MOST = 256 << 20
"""Bytes of a file that are read."""


def text_of(path: Path) -> str:
    """The text of a file.

    Raises:
        Stop: where it cannot be read, is too large, or is no UTF-8.
    """
    try:
        if path.stat().st_size > _MOST:
            raise Stop(Exit.USAGE, f"{path} has more than {_MOST >> 20} MiB")
        return path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise Stop(Exit.USAGE, f"{path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise Stop(Exit.USAGE, f"{path} is not UTF-8") from None


def read_json(text: str, where: str) -> Found:
    """A JSON text.

    Raises:
        Stop: where it is none; the text quotes nothing of it.
    """
    try:
        return Found(json.loads(text), where)
    except (ValueError, RecursionError) as problem:
        at = f" (line {problem.lineno}, column {problem.colno})" if isinstance(problem, json.JSONDecodeError) else ""
        raise Stop(Exit.USAGE, f"{where} is no JSON{at}") from None


@frozen
class Found:
    """A value and where it was found; asking for what is not there raises Stop, which quotes no value."""

    value: Any
    where: str

    def member(self, name: str) -> Found:
        """A member; of what is no object, or lacks it, it is null."""
        return Found(self.value.get(name) if isinstance(self.value, dict) else None, f"{self.where}: {name}")

    def items(self) -> list[Found]:
        """The items of a list; of what is no list there are none."""
        found = self.value if isinstance(self.value, list) else []
        return [Found(item, f"{self.where}[{number}]") for number, item in enumerate(found)]

    def text(self, default: str | None = None) -> str:
        """A text, or the default where there is nothing."""
        return self._of(str, "text", default)

    def number(self, default: float | None = None) -> float:
        """A number, or the default where there is nothing."""
        if self.value is not None and (isinstance(self.value, bool) or not isinstance(self.value, int | float)):
            raise Stop(Exit.USAGE, f"{self.where} is no number")
        return float(self._of((int, float), "a number", default))

    def moment(self, default: float | None = None) -> float:
        """A number that can be a moment in epoch seconds, or a while; the default where there is nothing."""
        found = self.number(default)
        if not abs(found) < _LAST:
            raise Stop(Exit.USAGE, f"{self.where} is no time of this century")
        return found

    def _of(self, kind: type[T] | tuple[type, ...], noun: str, default: T | None) -> T:
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, kind):
            raise Stop(Exit.USAGE, f"{self.where} is {'missing' if self.value is None else f'not {noun}'}")
        return self.value  # type: ignore[return-value]
