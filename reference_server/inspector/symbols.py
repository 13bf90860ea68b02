"""Words in what a page sends, and the values that take their place here, so that no secret ever is in the page.

`$token` the page's token · `$fresh` a new id · `$self` an id of the client's own · `$now` the time ·
`$deployment.NAME` what the server was given · `$answer#/POINTER` a member of the last answer over HTTP.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from spec.bindings.registry import BINDINGS
from spec.expressions import pointer_get, rfc3339
from spec.model import Document

__all__ = ["Symbols", "Unknown"]

_WORD = re.compile(r"\$(?:token|fresh|self|now|deployment\.\w+|answer#[\w/~-]*)(?!\w)")


class Unknown(Exception):
    """A word for which there is no value; the text says what to do."""


@define
class Symbols:
    """The values of one page for one protocol."""

    document: Document
    deployment: Mapping[str, str] = field(repr=False)
    token: str | None = field(default=None, repr=False)
    answer: Any = field(default=None, repr=False)

    def body(self, value: Any, now: float, own: str | None = None) -> Any:
        """A JSON value in which texts that are a word are its value; `own` is what the client calls its own."""
        match value:
            case dict():
                return {name: self.body(member, now, own) for name, member in value.items()}
            case list():
                return [self.body(item, now, own) for item in value]
            case str() if _WORD.fullmatch(value):
                return self._value(value, now, own)
        return value

    def text(self, text: str, now: float) -> str:
        """A text in which words are their values, wherever they stand."""
        return _WORD.sub(lambda found: self._value(found[0], now, None), text)

    def _value(self, word: str, now: float, own: str | None) -> str:
        if word == "$now":
            return rfc3339(now)
        if word == "$self" and own is None:
            raise Unknown("`$self` is a client's, and stands in messages alone")
        if word in {"$fresh", "$self"}:
            chosen = own if word == "$self" and own is not None else secrets.token_hex(8)
            return BINDINGS[self.document.binding].identifier(chosen)
        if word == "$token":
            if self.token is None:
                raise Unknown("there is no token yet: mint one, or bring one")
            return self.token
        if word.startswith("$answer"):
            found = pointer_get(self.answer, word.partition("#")[2])
            if not isinstance(found, str):
                raise Unknown(
                    f"the last answer over HTTP has no text at {word.partition('#')[2]!r}: make the request first"
                )
            return found
        name = word.removeprefix("$deployment.")
        if not self.deployment.get(name):
            raise Unknown(f"the server was not given `{name}`: start it with `--with {name}=env:VARIABLE`")
        return self.deployment[name]
