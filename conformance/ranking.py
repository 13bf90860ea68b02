"""In which order failures are told: by rule, the rule with the shortest exchange first, since that says most."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

__all__ = ["by_rule"]

T = TypeVar("T")


def by_rule(failures: Iterable[T], rule: Callable[[T], str], size: Callable[[T], Any]) -> list[tuple[str, list[T]]]:
    """The failures of each rule, the smallest first, and of the rules the one with the smallest failure first."""
    groups: dict[str, list[T]] = {}
    for failure in failures:
        groups.setdefault(rule(failure), []).append(failure)
    found = [(name, sorted(group, key=size)) for name, group in groups.items()]
    return sorted(found, key=lambda pair: (size(pair[1][0]), pair[0]))
