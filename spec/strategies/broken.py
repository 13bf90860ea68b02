"""Texts that are no message: broken JSON, and JSON that is no object."""

from __future__ import annotations

import json
from functools import lru_cache

from hypothesis import strategies as st

__all__ = ["broken"]

_BAD_VALUES = (
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "undefined",
        "True",
        "None",
        "nil",
        "01",
        "+1",
        ".5",
        "1.",
        "1e",
        "0x10",
        "1_000",
    ),
    *('"\x01"', '"\n"', '"\\x41"', '"\\u12"', '"\\', "'x'", '"x', "[1,]", "[,1]", "{,}", '{"a"}', "{a:1}", "[1 2]", ""),
)
_STRAY = ("x", "}", "]", ",", "{}", "1", '""', "\x00", "//", "/* */", ";", "\u00a0", "data: ")
_NO_OBJECTS = ("", " ", "null", "true", "0", "-1.5e3", '""', "[]", "[[]]", "[" * 300, '{"a":' * 300, "}", '"')


@lru_cache(64)
def broken(text: str) -> st.SearchStrategy[str]:
    """What is made of the text of a JSON object, so that it is none any more; no reader may take it for one."""
    body = text.strip()
    cut = st.integers(0, len(body) - 1).map(lambda end: body[:end])
    member = st.sampled_from(_BAD_VALUES).map(lambda value: f'{body[:-1]}{"," if len(body) > 2 else ""}"x":{value}}}')
    stray = st.sampled_from([*(body + mark for mark in _STRAY), *(mark + body for mark in _STRAY)])
    whole = (
        body.replace('"', "'"),
        body.replace('"', "", 2),
        f"{body[:-1]},}}",
        f"[{body}]",
        json.dumps(body),
        f"({body})",
        f"{body}{body}",
        body.replace(":", "=", 1),
    )
    return st.one_of(cut, member, stray, st.sampled_from(whole), st.sampled_from(_NO_OBJECTS))
