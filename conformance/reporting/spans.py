"""Markdown in which what others said is no markup: code spans and fences that hold any text (CommonMark 0.31)."""

from __future__ import annotations

import re

__all__ = ["code", "fence", "plain"]


def code(text: object) -> str:
    """A code span that holds any text (section 6.1); lines become one."""
    said = plain(" ".join(str(text).split()))
    if not said:
        return "(empty)"
    ticks = fence(said, 1)
    return f"{ticks} {said} {ticks}" if "`" in said else f"`{said}`"


def plain(text: str) -> str:
    """A text without signs that a terminal would obey; lines stay."""
    return "".join(char if char == "\n" or char.isprintable() else "\ufffd" for char in text)


def fence(text: str, least: int) -> str:
    """A run of backticks that does not occur in a text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)
