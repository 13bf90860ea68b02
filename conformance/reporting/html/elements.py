"""Elements of a page as values: what is not markup already is escaped, so that no text can become any."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

__all__ = ["Markup", "el", "join", "prose"]


class Markup(str):
    """Text that is markup."""

    __slots__ = ()


Content = str | int | float | Iterable["Content"] | None

_VOID = {"meta", "input", "br"}


def el(tag: str, *content: Content, **attributes: str | int | float | bool | None) -> Markup:
    """An element; attributes that are None or False are left out, `_` in their names is `-`, at the end nothing."""
    told = ""
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        said = name.rstrip("_").replace("_", "-")
        told += f" {said}" if value is True else f' {said}="{escape(_clean(str(value)))}"'
    return Markup(f"<{tag}{told}>" if tag in _VOID else f"<{tag}{told}>{join(content)}</{tag}>")


def join(content: Iterable[Content]) -> Markup:
    """Content one behind the other; None is nothing."""
    return Markup("".join(_markup(one) for one in content))


def prose(text: str | None) -> Markup | None:
    """A sentence of a rule or of a finding, whose names stand between backticks; None is nothing."""
    if text is None:
        return None
    parts = re.split("`([^`]+)`", text)
    return join(el("code", part) if number % 2 else part for number, part in enumerate(parts))


def _markup(content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | int | float):
        return escape(_clean(str(content)))
    return join(content)


def _clean(text: str) -> str:
    """What HTML cannot hold, even escaped, is replaced: surrogates, and controls that are no white space."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in "\t\n" else _stand_in(sign) for sign in text)


def _stand_in(sign: str) -> str:
    """A visible sign for one that is none; marks of direction, which turn what stands behind them round, among them."""
    number = ord(sign)
    if number < 0x20:
        return chr(0x2400 + number)
    return "\ufffd" if 0xD800 <= number < 0xE000 else f"\\u{number:04x}"
