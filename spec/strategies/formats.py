"""Texts of the formats that schemas may name: what fits them, and what nearly does."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

__all__ = ["FORMATS", "MISSES"]

_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FRACTIONS = ("", ".0", ".5", ".123", ".999999", ".123456789", ".000000000000000000000001")
_OFFSETS = ("Z", "z", "+00:00", "-00:00", "+05:30", "-08:00", "+14:00", "-12:00", "+23:59", "-23:59")


def _date(number: int) -> str:
    """A date of the years 1 to 9999, most of them of our time."""
    year, day = divmod(number, 366)
    year = 1970 + year % 100 if year % 4 else 1 + year % 9999
    month = day % 12
    return f"{year:04d}-{month + 1:02d}-{day % _DAYS[month] + 1:02d}"


def _time(number: int, fraction: str, offset: str) -> str:
    """A time of day; leap seconds are judged by nobody."""
    return f"{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}{fraction}{offset}"


_DATES = st.one_of(st.integers(0, 366 * 40000).map(_date), st.sampled_from(["2024-02-29", "2000-02-29", "1970-01-01"]))
_TIMES = st.builds(_time, st.integers(0, 86399), st.sampled_from(_FRACTIONS), st.sampled_from(_OFFSETS))


def _fixed(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


FORMATS: Mapping[str, st.SearchStrategy[str]] = {
    "date-time": st.builds(lambda date, t, time: f"{date}{t}{time}", _DATES, _fixed("T", "T", "T", "t"), _TIMES),
    "date": _DATES,
    "time": _TIMES,
    "duration": _fixed("PT0S", "P1D", "P3Y6M4DT12H30M5S", "PT36H", "P2W", "P1M", "PT1M"),
    "email": _fixed("a@example.org", "a.b+c@mail.example.org", "x_y@example.com", "1@example.net"),
    "hostname": _fixed("example.org", "a", "x-1.example", "localhost", f"{'a' * 63}.example"),
    "ipv4": st.integers(0, 2**32 - 1).map(lambda n: ".".join(str(n >> shift & 255) for shift in (24, 16, 8, 0))),
    "ipv6": _fixed(
        "::1", "::", "2001:db8::1", "fe80:0:0:0:0:0:0:1", "::ffff:192.0.2.1", "2001:DB8:0:0:8:800:200C:417A"
    ),
    "uri": _fixed("https://example.org/", "urn:example:a", "http://a/b?c=d#e", "mailto:a@example.org", "x:"),
    "uri-reference": _fixed("", "/a", "../b?c#d", "https://example.org/", "#x", "a%20b"),
    "uuid": st.integers(0, 2**128 - 1)
    .map(lambda n: f"{n:032x}")
    .map(lambda d: f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}"),
    "json-pointer": _fixed("", "/", "/a/b", "/a~0b/c~1d", "/0", "//"),
    "regex": _fixed("", "a*", "^[a-z]+$", "(x|y)", "\\d{2}"),
}
"""What fits each format, whatever a reader's taste: nothing that readers are known to disagree on."""

_NO_DATES = ("", "now", "2026-13-01", "2026-00-10", "2026-02-30", "2025-02-29", "26-01-01", "2026/01/01", "2026-1-1")
_NO_TIMES = ("", "12:00", "12:00:00", "24:00:00Z", "12:60:00Z", "noon", "1:00:00Z")

MISSES: Mapping[str, tuple[str, ...]] = {
    "date-time": (
        *(f"{date}T12:00:00Z" for date in _NO_DATES),
        *(f"2026-01-01T{time}" for time in _NO_TIMES),
        "2026-01-01",
        "12:00:00Z",
        "2026-01-01T12:00:00.Z",
        "2026-01-01T12:00:00+0100",
        "2026-01-01T12:00:00+24:00",
        "2026-01-01T12:00:00 UTC",
        "1767225600",
        "Thu, 01 Jan 2026 00:00:00 GMT",
    ),
    "date": (*_NO_DATES, "2026-01-01T12:00:00Z"),
    "time": (*_NO_TIMES, "2026-01-01T12:00:00Z"),
    "duration": ("", "1D", "P", "PT", "P1S", "5s"),
    "email": ("", "a", "@example.org", "a@", "a b@example.org"),
    "hostname": ("-a.example", "a b", f"{'a' * 64}.example", "a_b.example/"),
    "ipv4": ("", "256.0.0.1", "1.2.3", "1.2.3.4.5", "a.b.c.d", "1.2.3.4/8"),
    "ipv6": ("", ":", "1:2:3:4:5:6:7:8:9", "::g", "12345::", "1.2.3.4"),
    "uri": ("", "/a", "example", "http://a b", "//a"),
    "uri-reference": ("a b", "%zz", "\\a"),
    "uuid": ("", "x", "2eb8aa08-aa98-11ea-b4aa-73b441d1638", "2eb8aa08aa9811eab4aa73b441d16380"),
    "json-pointer": ("a", "/~", "/~2", "#/a"),
    "regex": ("(", "[", "*", "a{2,1}"),
}
"""What no reader takes for the format."""
