"""Names of rooms that a careless server takes for one: two ways to go on behind the same beginning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ALIKE", "BEFORE"]

_LONG = {"$fill": {"text": "x", "times": 600}}

# What normalises, trims, decodes twice, cuts off, or takes characters for patterns, paths or the end of a text, makes
# one name of two. Names that are `.` or `..` have no case: clients and proxies resolve them (RFC 3986 section 5.2.4).
ALIKE: Mapping[str, tuple[Any, Any]] = {
    "capitals": ("Case", "cASE"),
    "longer": ("Case", "Case2"),
    "slash": ("Case", "/Case"),
    "composed": ("\u00e9", "e\u0301"),
    "compatible": ("fi", "\ufb01"),
    "full-width": ("a", "\uff41"),
    "homoglyph": ("a", "\u0430"),
    "case-folded": ("ss", "\u00df"),
    "kelvin": ("K", "\u212a"),
    "zero-width": ("", "\u200b"),
    "byte-order-mark": ("", "\ufeff"),
    "soft-hyphen": ("", "\u00ad"),
    "right-to-left": ("", "\u200f"),
    "space": ("", " "),
    "no-break-space": (" ", "\u00a0"),
    "dot": ("", "."),
    "newline": ("", "\n"),
    "line-end": ("", "\r\n"),
    "tab": ("", "\t"),
    "nul": ("", "\0"),
    "behind-nul": ("", "\0x"),
    "encoded-twice": ("/x", "%2Fx"),
    "plus": (" x", "+x"),
    "query": ("", "?x=1"),
    "fragment": ("", "#x"),
    "parameter": ("", ";x=1"),
    "quote": ("", "'--"),
    "star": ("x", "*"),
    "question-mark": ("x", "?"),
    "percent": ("x", "%"),
    "underscore": ("x", "_"),
    "long": ({"$join": [_LONG, "a"]}, {"$join": [_LONG, "b"]}),
}

# What stands before a name and does not make it another to who resolves paths.
BEFORE: Mapping[str, str] = {"parent": "x/../", "here": "./", "root": "/", "backslash": "x\\..\\"}
