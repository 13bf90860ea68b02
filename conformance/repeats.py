"""Repeats: a long exchange told in short, where the same is said over and over, as a limit needs it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["folded"]

Line = Mapping[str, Any]

_LONGEST = 8
"""How many lines may repeat together."""

_FEWEST = 4
"""How often something is said before the middle of it is left out: its first and last time are always shown."""


def folded(transcript: Sequence[Line]) -> list[Line]:
    """The lines of a transcript, with one line for the middle of what repeats."""
    shapes = [_shape(line) for line in transcript]
    shown: list[Line] = []
    position = 0
    while position < len(transcript):
        size, times = _repeat(shapes, position)
        if times < _FEWEST:
            shown.append(transcript[position])
            position += 1
            continue
        end = position + size * times
        middle = transcript[position + size : end - size]
        shown += [*transcript[position : position + size], _instead(middle, times - 2), *transcript[end - size : end]]
        position = end
    return shown


def _instead(middle: Sequence[Line], times: int) -> Line:
    clients = list(dict.fromkeys(line["client"] for line in middle))
    named = f" ({clients[0]} to {clients[-1]})" if len(clients) > 1 else ""
    return {"at": middle[0]["at"], "client": "", "direction": ".", "text": f"the same {times} times more{named}"}


def _repeat(shapes: list[tuple[str, str]], start: int) -> tuple[int, int]:
    """The size of the block that repeats from a line on, and how often; the one that covers most, the smallest."""
    best = (1, 1)
    for size in range(1, _LONGEST + 1):
        block = shapes[start : start + size]
        times = 1
        while shapes[start + size * times : start + size * (times + 1)] == block:
            times += 1
        if times >= _FEWEST and size * times > best[0] * best[1]:
            best = (size, times)
    return best


def _shape(line: Line) -> tuple[str, str]:
    """What lines have in common that differ by ids, moments and names of clients only."""
    text = line["text"].replace(f" of {line['client']}>", " of somebody>") if line["client"] else line["text"]
    return line["direction"], re.sub(r"[0-9A-Fa-f:.TZ-]*\d[0-9A-Fa-f:.TZ-]*", "#", text)
