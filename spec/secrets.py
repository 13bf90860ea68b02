"""Secrets: read from the environment or a file, never given as an argument, and hidden in everything printed."""

from __future__ import annotations

import os
from pathlib import Path

from spec.exits import Exit, Stop

__all__ = ["Secret", "read_secret"]

# Processes of every user can read the arguments of a command; its environment and files are its own.
_NEVER = "a secret is never an argument: write env:NAME or file:PATH"


class Secret:
    """A secret whose value shows only where it is asked for."""

    __slots__ = ("_source", "_value")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self._source = source

    def reveal(self) -> str:
        """The value itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"<Secret from {self._source}>"


def read_secret(reference: str) -> Secret:
    """Read the secret that `env:NAME` or `file:PATH` names; one newline at a file's end is not part of it.

    Raises:
        Stop: where the reference is neither, or nothing usable stands there; its text quotes no value.
    """
    kind, _, place = reference.partition(":")
    if kind == "env" and place:
        return _from_environment(place)
    if kind == "file" and place:
        return _from_file(Path(place))
    raise Stop(Exit.USAGE, _NEVER, "for example `--secret env:CHAT_SECRET`")


def _from_environment(name: str) -> Secret:
    value = os.environ.get(name)
    if value is None:
        raise Stop(Exit.USAGE, f"the environment has no variable `{name}`", f"set it: export {name}=…")
    if not value:
        raise Stop(Exit.USAGE, f"the variable `{name}` of the environment is empty")
    return Secret(value, f"env:{name}")


def _from_file(path: Path) -> Secret:
    try:
        value = path.read_bytes().decode()
    except OSError as problem:
        why = problem.strerror or type(problem).__name__
        raise Stop(Exit.USAGE, f"the secret's file `{path}` cannot be read: {why}") from None
    except UnicodeDecodeError:
        raise Stop(Exit.USAGE, f"the secret's file `{path}` is not UTF-8") from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise Stop(Exit.USAGE, f"the secret's file `{path}` is empty")
    return Secret(value, f"file:{path}")
