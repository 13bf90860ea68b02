"""Texts: every plane of Unicode, what servers are known to damage, and lengths at their bounds."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

__all__ = ["NOTABLE", "texts"]

NOTABLE = (
    "  around  ",
    "\t\r\n",
    "one\r\ntwo\n\rthree\x85four\u2028five\u2029six\x0bseven",
    "<b>&amp;</b> \"q\" 'a' <script>alert(1)</script>",
    "e\u0301 A\u030a \ufb01 \u1e9b\u0323 \u212b",
    "\u202eabc\u202c \u05e9\u05dc\u05d5\u05dd \u200f",
    "👩\u200d🍳 🇺🇳 ✌🏽 \u2764\ufe0f",
    "\x00a\x00",
    "\x01\x1f\x7f\x80\x9f",
    '\\ \\u0041 \\" \\n / \\/ \\ud83d',
    '{"type":"x","id":null}',
    "%41 %00 %s %d {0} ${x} #{x} {{x}}",
    "\ufeffx\ufffe\uffff",
    "\U0010fffe\U0010ffff\ue000\U000f0000",
    "0123.0e5",
    "-0",
    "null",
    "true",
    "NaN",
    "undefined",
    "__proto__",
    "'; DROP TABLE x; --",
    "\u0130 \u0131 \u00df \u1e9e \u03c2",
    "\U0001d400\U00020000\U000e0001",
    "\u00a0\u2003\u3000\u180e\u200b\u2060",
    "\u0e33\u0e01\u0947\u093f",
    "\x1b[31m",
    "C:\\x\\y",
    "//",
    "\ufdfa\ufdd0",
)
"""Texts that servers are known to trim, escape, normalise, fold, interpret or count wrongly."""

_UNITS = ("x", "é", "€", "🍲", "\\", '"', "\u0000", "e\u0301", "\U0010ffff", " ")

_SIZE = 60
"""How many bytes make a text of no special length: three for each character."""


def _character(kind: int, number: int) -> str:
    """A character of any plane from eight and sixteen bits; half of them are printable ASCII."""
    if kind < 128:
        return chr(32 + number % 95)
    if kind < 144:
        return chr(number % 32)
    if kind < 200:
        # Unpaired surrogates lie outside I-JSON (RFC 7493 section 2.1).
        return chr(number) if not 0xD800 <= number < 0xE000 else "\u2028"
    return chr(0x10000 + ((kind & 15) << 16 | number))


def _from_bytes(data: bytes) -> str:
    return "".join(_character(data[i], data[i + 1] << 8 | data[i + 2]) for i in range(0, len(data) - 2, 3))


def _fitted(text: str, low: int, high: int | None) -> str:
    """A text no shorter than `low` and no longer than `high` characters, repeated or cut."""
    if len(text) < low:
        text = ((text or "x") * low)[:low]
    return text if high is None else text[:high]


@cache
def texts(low: int = 0, high: int | None = None) -> st.SearchStrategy[str]:
    """Texts of `low` to `high` characters (code points, as JSON Schema counts them), one in four at a bound."""
    drawn = st.binary(max_size=_SIZE).map(lambda data: _fitted(_from_bytes(data), low, high))
    lengths = {low, low + 1, *((high - 1, high) if high is not None else (255, 256))}
    bounds = sorted(n for n in lengths if low <= n and (high is None or n <= high))
    at_bounds = [_fitted("", low, high), *(_fitted(unit * n, n, n) for n in bounds for unit in _UNITS)]
    chosen = st.sampled_from([_fitted(text, low, high) for text in NOTABLE])
    return st.one_of(drawn, drawn, drawn, chosen, chosen, chosen, *(st.sampled_from(at_bounds),) * 2)
