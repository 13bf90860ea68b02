"""What a deployment may change, and how it is written on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|)")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"([0-9]+)\s*(B|KiB|MiB|)")
_BYTES = {"B": 1, "": 1, "KiB": 1 << 10, "MiB": 1 << 20}
# Parameters of every protocol that only the other side needs.
_NOT_OURS = ("timer_late", "reply_within")


@dataclass(frozen=True)
class Settings:
    """One deployment's parameters."""

    negotiate_window: float = 120.0
    handshake_deadline: float = 15.0
    keepalive: float = 15.0
    client_timeout: float = 30.0
    token_lead: float = 60.0
    resume_window: float = 30.0
    message_bytes: int = 32_768
    leeway: float = 0.0
    token_bytes: int = 4_096
    origins: frozenset[str] | None = None
    issuer: str | None = None
    audience: str | None = None


def duration(text: str) -> float:
    """``500ms``, ``5s``, ``1m``, ``24h`` or bare seconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a duration")
    return float(match[1]) * _SECONDS[match[2]]


def size(text: str) -> int:
    """``32KiB`` or bytes."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a size")
    return int(match[1]) * _BYTES[match[2]]


def origins(text: str) -> frozenset[str] | None:
    """A comma list; an empty one allows every origin."""
    return frozenset(part.strip() for part in text.split(",") if part.strip()) or None


_DURATIONS = (
    "negotiate_window",
    "handshake_deadline",
    "keepalive",
    "client_timeout",
    "token_lead",
    "resume_window",
    "leeway",
)
_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(_DURATIONS, duration),
    "message_bytes": size,
    "token_bytes": size,
    "origins": origins,
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
    return Settings(**values)
