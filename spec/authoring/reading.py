"""Reading the document that a command was given."""

from __future__ import annotations

from spec.exits import Exit, Stop
from spec.loading import DocumentError, Source, UnknownProtocol, find, read

__all__ = ["read_document"]


def read_document(name: str) -> Source:
    """The document of a packaged protocol's name or of a path.

    Raises:
        Stop: with every problem of the document, or what comes near its name.
    """
    try:
        return read(find(name))
    except UnknownProtocol as unknown:
        raise Stop(Exit.USAGE, str(unknown)) from None
    except DocumentError as error:
        raise Stop(Exit.USAGE, f"`{name}` cannot be used:\n{error}") from None
