"""What waits to be sent on one connection: in order, bounded, and with a close as the last of it."""

from __future__ import annotations

import math

import trio
from attrs import frozen

__all__ = ["Goodbye", "Outbox"]

# A close reason and its code share a control frame of 125 bytes (RFC 6455 section 5.5).
_REASON_BYTES = 123


@frozen
class Goodbye:
    """The close frame to send behind everything else."""

    code: int
    reason: str | None


class Outbox:
    """Filled without waiting by whoever has something to say, emptied by the connection's writer.

    `scope` is the connection's life: cancelled when its peer does not read, and bounded once it is to end.
    """

    def __init__(self, most: int, most_bytes: int, patience: float) -> None:
        self.scope = trio.CancelScope()
        self.goodbye: Goodbye | None = None
        self.overflowed = False
        self._most = most
        self._most_bytes = most_bytes
        self._patience = patience
        self._texts: list[str] = []
        self._bytes = 0
        self._filled = trio.Event()

    def put(self, text: str) -> bool:
        """Queue a message. False where that is too much: the connection is then dropped."""
        if self.goodbye is not None or self.overflowed:
            return True
        self._bytes += len(text)
        self._texts.append(text)
        if len(self._texts) > self._most or self._bytes > self._most_bytes:
            self.overflowed = True
            self._texts.clear()
            self.scope.cancel()
            return False
        self._filled.set()
        return True

    def close(self, code: int, reason: str | None) -> None:
        """Queue the close; nothing is sent behind it, and the connection has little time left."""
        if self.goodbye is None:
            short = None if reason is None else reason.encode()[:_REASON_BYTES].decode(errors="ignore")
            self.goodbye = Goodbye(code, short)
            self.hurry()
            self._filled.set()

    def hurry(self) -> None:
        """Let the connection end within its patience, whatever its peer does."""
        if self.scope.deadline == math.inf:
            self.scope.deadline = trio.current_time() + self._patience

    async def take(self) -> tuple[list[str], Goodbye | None]:
        """Wait for something to send, and take all of it."""
        if not self._filled.is_set():
            await self._filled.wait()
        self._filled = trio.Event()
        texts, self._texts, self._bytes = self._texts, [], 0
        return texts, self.goodbye
