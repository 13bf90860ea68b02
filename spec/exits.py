"""Exit codes, and the exception that ends a command with one; the codes are stable."""

from __future__ import annotations

import enum

__all__ = ["Exit", "Stop"]


class Exit(enum.IntEnum):
    """What the exit code of every command means."""

    CONFORMANT = 0
    NONCONFORMANT = 1
    USAGE = 2
    UNREACHABLE = 3
    NOTHING = 4
    INTERNAL = 5
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    Exit.CONFORMANT: "conformant, or no difference",
    Exit.NONCONFORMANT: "nonconformant, or a difference",
    Exit.USAGE: "usage, configuration or document error",
    Exit.UNREACHABLE: "target unreachable or died",
    Exit.NOTHING: "nothing was executed, or less than the minimum",
    Exit.INTERNAL: "internal error",
    Exit.INTERRUPTED: "interrupted",
}


class Stop(Exception):
    """Ends the command: `message` says what was wrong and where, `hint` what to do about it."""

    def __init__(self, exit: Exit, message: str, hint: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.exit = exit
        self.hint = hint

    def __str__(self) -> str:
        return f"{super().__str__()}\n  {self.hint}" if self.hint else super().__str__()
