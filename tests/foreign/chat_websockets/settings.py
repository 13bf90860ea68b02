"""What a deployment may change, and how it is written on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|)")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"([0-9]+)\s*(B|KiB|MiB|GiB|)")
_BYTES = {"B": 1, "": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_ROLLOUTS = ("legacy", "dual", "message")
# Parameters of every protocol that only the other side needs.
_NOT_OURS = ("timer_late", "reply_within")
_DEPRECATED = datetime(2025, 1, 1, tzinfo=UTC)
_NOTICE = timedelta(days=365)


@dataclass(frozen=True)
class Rate:
    """So many in any window of so many seconds."""

    count: int
    window: float


@dataclass(frozen=True)
class Settings:
    """One deployment's parameters."""

    auth_deadline: float = 5.0
    reauth_lead: float = 60.0
    leeway: float = 0.0
    message_bytes: int = 65_536
    token_bytes: int = 4_096
    auth_rate: Rate = Rate(10, 60.0)
    rollout: str = "message"
    origins: frozenset[str] | None = None
    deprecation: datetime = _DEPRECATED
    sunset: datetime = _DEPRECATED + _NOTICE
    issuer: str | None = None
    audience: str | None = None


def duration(text: str) -> float:
    """``500ms``, ``5s``, ``1m``, ``24h`` or bare seconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a duration")
    return float(match[1]) * _SECONDS[match[2]]


def size(text: str) -> int:
    """``64KiB``, ``1MiB`` or bytes."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a size")
    return int(match[1]) * _BYTES[match[2]]


def rate(text: str) -> Rate:
    """``10/60s``."""
    count, slash, window = text.partition("/")
    if not slash:
        raise ValueError("not a rate")
    return Rate(int(count), duration(window))


def rollout(text: str) -> str:
    """One of the three stages."""
    if text not in _ROLLOUTS:
        raise ValueError("not a stage of the rollout")
    return text


def origins(text: str) -> frozenset[str] | None:
    """A comma list; an empty one allows every origin."""
    return frozenset(part.strip() for part in text.split(",") if part.strip()) or None


def date(text: str) -> datetime:
    """An RFC 3339 date, with or without a time."""
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_READERS: dict[str, Callable[[str], Any]] = {
    "auth_deadline": duration,
    "reauth_lead": duration,
    "leeway": duration,
    "message_bytes": size,
    "token_bytes": size,
    "auth_rate": rate,
    "rollout": rollout,
    "origins": origins,
    "deprecation": date,
    "sunset": date,
    "issuer": str,
    "audience": str,
}


def read(pairs: list[str]) -> Settings:
    """Settings from ``name=value`` pairs."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in (*_READERS, *_NOT_OURS):
            raise ValueError(f"unknown setting: {pair}")
        if name in _READERS:
            values[name] = _READERS[name](text)
    return Settings(**_with_dates(values))


def _with_dates(values: dict[str, Any]) -> dict[str, Any]:
    """Whichever date is missing follows the one that is there: the sunset is never the earlier."""
    if "deprecation" in values:
        values.setdefault("sunset", values["deprecation"] + _NOTICE)
    elif "sunset" in values:
        values["deprecation"] = min(_DEPRECATED, values["sunset"])
    if "sunset" in values and values["sunset"] < values["deprecation"]:
        raise ValueError("sunset is before deprecation")
    return values
