"""Structured logs on stderr: events by name, never content, and a second net that redacts what looks like a token."""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

__all__ = ["BackgroundLines", "Log", "failure", "make_log", "redact", "silent_log"]

Log = FilteringBoundLogger

_GATHERING = 0.02
"""How long, in seconds, a line waits for others."""

_REDACTED = "[redacted]"
# The first alternative is how every JWT begins ('{"' in base64url); the second is three parts of any compact JWS.
# A part is tried from its beginning only, and whole: else a long text of letters would take the square of its length.
_PART = r"[A-Za-z0-9_-]{6,}+"
_TOKEN = re.compile(rf"eyJ[A-Za-z0-9_.-]*|(?<![A-Za-z0-9_-]){_PART}\.{_PART}\.{_PART}")


class BackgroundLines:
    """A file for log lines that a thread writes, so that a reader of the log that stalls does not stall the server.

    Lines beyond `limit` waiting ones are lost, and counted in `lost`.
    """

    def __init__(self, descriptor: int, limit: int = 10_000) -> None:
        self.lost = 0
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(limit)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self.lost += 1
        return len(text)

    def flush(self) -> None:
        """Lines are written as the thread gets to them."""

    def close(self, within: float = 1.0) -> None:
        """Write what waits, as far as that takes no longer than `within` seconds."""
        self._closing.set()
        try:
            self._lines.put(None, timeout=within)
        except queue.Full:
            return
        self._thread.join(within)

    def _run(self) -> None:
        lines: list[str | None] = []
        while None not in lines:
            lines = [self._lines.get()]
            # Whoever wakes this thread waits for it to run: lines that come close together wake it once.
            self._closing.wait(_GATHERING)
            lines += [self._lines.get() for _ in range(self._lines.qsize())]
            self._write([line for line in lines if line is not None])

    def _write(self, lines: list[str]) -> None:
        data = "".join(lines).encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            self.lost += len(lines)


def make_log(style: Literal["text", "json"] = "text", file: TextIO | BackgroundLines | None = None) -> Log:
    """A logger of its own, in a form for people or for machines."""
    target = sys.stderr if file is None else file
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    log: Log = structlog.wrap_logger(
        structlog.WriteLogger(target),  # type: ignore[arg-type]  # It needs no more than write and flush.
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        cache_logger_on_first_use=True,
    )
    return log


def silent_log() -> Log:
    """A logger that says nothing."""
    log: Log = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger("critical"))
    return log


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put `[redacted]` for everything in an event that looks like a token."""
    for key, value in event.items():
        event[key] = _redacted(value)
    return event


def _redacted(value: Any) -> Any:
    match value:
        case str():
            return _TOKEN.sub(_REDACTED, value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {_redacted(key): _redacted(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted(item) for item in value]
        case bytes():
            return _TOKEN.sub(_REDACTED, value.decode(errors="replace"))
    return _TOKEN.sub(_REDACTED, str(value))


def failure(problem: BaseException) -> dict[str, Any]:
    """What a log may say of an exception: its type and where it arose, since its text may quote a message."""
    leaf = next(_leaves(problem))
    frames = traceback.extract_tb(leaf.__traceback__)[-4:]
    return {
        "error": type(leaf).__name__,
        "at": [f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames],  # noqa: PTH119
    }


def _leaves(problem: BaseException) -> Iterator[BaseException]:
    if isinstance(problem, BaseExceptionGroup):
        for inner in problem.exceptions:
            yield from _leaves(inner)
    else:
        yield problem
