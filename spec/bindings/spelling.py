"""Other spellings of a JSON value: white space, escapes and the order of members, which RFC 8259 gives no meaning."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from spec.bindings.json import encode

__all__ = ["ESCAPES", "ORDERS", "spell"]


def _units(text: str) -> Iterator[str]:
    """A text's characters as `\\uXXXX`, those past the first plane as pairs (RFC 8259 section 7)."""
    data = text.encode("utf-16-be", "surrogatepass")
    return (f"\\u{data[i] << 8 | data[i + 1]:04x}" for i in range(0, len(data), 2))


ESCAPES: Mapping[str, Callable[[str], str]] = {
    "few": encode,
    "wide": json.dumps,
    "solidus": lambda text: encode(text).replace("/", "\\/"),
    "all": lambda text: f'"{"".join(_units(text))}"',
}
"""What of a text is escaped: what must be, all but ASCII, the solidus too, or every character."""

ORDERS: Mapping[str, Callable[[list[Any]], list[Any]]] = {
    "given": list,
    "backwards": lambda members: members[::-1],
    "sorted": sorted,
}
"""The order in which the members of every object are written."""


def spell(
    value: Any, *, space: str = "", escapes: str = "few", order: str = "given", keep: Collection[str] = ()
) -> str:
    """Write a JSON value with white space between its tokens; texts of `keep` are never escaped more than they must."""
    quote, arrange = ESCAPES[escapes], ORDERS[order]

    def text(plain: str) -> str:
        return encode(plain) if plain in keep else quote(plain)

    def write(value: Any) -> str:
        match value:
            case str():
                return text(value)
            case dict() if value:
                names = arrange(list(value))
                members = (f"{text(name)}{space}:{space}{write(value[name])}" for name in names)
                return f"{{{space}{f'{space},{space}'.join(members)}{space}}}"
            case list() if value:
                return f"[{space}{f'{space},{space}'.join(map(write, value))}{space}]"
        return encode(value)

    return f"{space}{write(value)}{space}"
