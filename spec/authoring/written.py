"""Files that are made from a document: writing them, and telling those that are stale."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from spec.exits import Exit, Stop

__all__ = ["Written", "digest_in", "put", "stale"]

_STAMP = re.compile(r"sha256:([0-9a-f]{64})")


@frozen
class Written:
    """A file as it would be written."""

    path: str
    text: str


def digest_in(text: str) -> str | None:
    """The digest of the document that a file says it was made from, or None where it does not say."""
    found = _STAMP.search(text)
    return found[1] if found else None


def put(files: Iterable[Written]) -> None:
    """Write the files, and the folders that they are in.

    Raises:
        Stop: where a file cannot be written.
    """
    for file in files:
        path = Path(file.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise Stop(Exit.USAGE, f"{file.path}: {error.strerror}") from None


def stale(files: Iterable[Written], digest: str) -> int:
    """Print which files are not what would be written, and why; gives the exit code."""
    told = [f"{file.path}: {why}" for file in files if (why := _why(file, digest))]
    for line in told:
        print(line)
    return Exit.NONCONFORMANT if told else Exit.CONFORMANT


def _why(file: Written, digest: str) -> str | None:
    try:
        found = Path(file.path).read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError as error:
        return f"stale: {error.strerror}"
    if found == file.text:
        return None
    known = digest_in(found)
    if known is None:
        return "stale: it does not say which document it was made from"
    changed = (
        "the document has changed since it was made" if known != digest else "it was edited, or made by another version"
    )
    return f"stale: {changed}"
