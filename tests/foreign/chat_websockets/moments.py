"""RFC 3339, both ways."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime

_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_LAST = "9999-12-31T23:59:59+00:00"
_DAY = 24 * 60
_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_rfc3339(text: object) -> bool:
    """Whether it is an RFC 3339 time: any offset, either letter case, leap seconds at their place."""
    match = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return False
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    offset_hour, offset_minute = int(match[8] or 0), int(match[9] or 0)
    if not (1 <= month <= 12 and 1 <= day <= _days(year, month) and hour < 24 and minute < 60):
        return False
    if not (second <= 60 and offset_hour < 24 and offset_minute < 60):
        return False
    offset = (offset_hour * 60 + offset_minute) * (-1 if match[7] == "-" else 1)
    # A leap second is the last of a UTC day.
    return second < 60 or (hour * 60 + minute - offset) % _DAY == _DAY - 1


def _days(year: int, month: int) -> int:
    return 29 if month == 2 and calendar.isleap(year) else _MONTHS[month - 1]


def write(moment: float, *, zulu: bool = True) -> str:
    """Seconds since the epoch as RFC 3339 in UTC."""
    try:
        text = datetime.fromtimestamp(moment, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        text = _LAST
    return text.replace("+00:00", "Z") if zulu else text
