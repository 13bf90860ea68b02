"""Records: what the SignalR text format ends with 0x1E, whatever the frames that carry it (HubProtocol.md)."""

from __future__ import annotations

from enum import Enum, auto

from attrs import define, field

__all__ = ["SEPARATOR", "Broken", "Records", "terminated"]

SEPARATOR = "\x1e"
_END = SEPARATOR.encode()


class Broken(Enum):
    """Why nothing more can be read."""

    OVERSIZE = auto()
    NOT_UTF8 = auto()


def terminated(text: str) -> str:
    """A record as it stands on the wire. JSON escapes 0x1E in strings (RFC 8259 section 7), so none is within."""
    if SEPARATOR in text:
        raise ValueError("0x1E ends a record and cannot stand in one")
    return text + SEPARATOR


@define
class Records:
    """Reads records from frames: several in one, one across several.

    `largest` is the greatest size in bytes, the separator not counted; a record over it is told as soon as it is over,
    finished or not, and nothing behind it is read. 0x1E is no part of any longer UTF-8 sequence (RFC 3629 section 3),
    so frames may be cut anywhere, within a character too.
    """

    largest: int | None = None
    broken: Broken | None = None
    _begun: bytearray = field(factory=bytearray, init=False, repr=False)

    @property
    def unfinished(self) -> bool:
        """Whether a record has begun and has not ended."""
        return bool(self._begun)

    def receive(self, data: str | bytes) -> list[str]:
        """Read a frame's payload; gives the records that it ends. What follows a breach, `broken`, is dropped."""
        ended: list[str] = []
        pieces = (data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data).split(_END)
        for number, piece in enumerate(pieces):
            if self.broken:
                break
            self._begun += piece
            if self.largest is not None and len(self._begun) > self.largest:
                self.broken = Broken.OVERSIZE
            elif number < len(pieces) - 1:
                self._end(ended)
        if self.broken:
            self._begun.clear()
        return ended

    def _end(self, ended: list[str]) -> None:
        try:
            ended.append(self._begun.decode())
        except UnicodeDecodeError:
            self.broken = Broken.NOT_UTF8
        self._begun.clear()
