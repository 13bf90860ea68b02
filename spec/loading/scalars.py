"""Plain scalars of YAML 1.2's core schema (section 10.3.2): null, truth values and numbers; all else is text."""

from __future__ import annotations

import math
import re

__all__ = ["resolve"]

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

# What every JSON reader takes without loss (RFC 7493 section 2.2 goes lower, to 2**53).
_LARGEST = 2**63


def resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar.

    Raises:
        ValueError: for a number that JSON cannot say; the text is readable.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _SPECIAL.fullmatch(text):
        raise ValueError("infinities and NaN are no numbers here")
    number: int | float
    if _INTEGER.fullmatch(text) or _BASED.fullmatch(text):
        if len(text) > 30:
            raise ValueError("the number is too large")
        number = int(text, 0) if _BASED.fullmatch(text) else int(text)
    elif _FLOAT.fullmatch(text):
        number = float(text)
    else:
        return text
    if math.isinf(number) or abs(number) >= _LARGEST:
        raise ValueError("the number is too large")
    return number
