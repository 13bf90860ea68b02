"""A document that was read: plain data that remembers where it came from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from attrs import field, frozen

from spec.loading.nodes import Node, entry_at, locate, parts
from spec.loading.problems import Place

__all__ = ["Source", "digest_of"]


def digest_of(data: Any) -> str:
    """SHA-256, in hexadecimal, over the data as JSON with sorted keys and no spaces."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


@frozen
class Source:
    """A document with its includes united and its aliases written out.

    `data` holds plain values and nothing shared, and no `include`; `files` are the document's own file (where it has
    one) and those included; `digest` changes exactly when `data` does.
    """

    data: dict[str, Any]
    files: tuple[Path, ...]
    digest: str
    tree: Node = field(repr=False, eq=False)

    def place(self, pointer: str) -> Place:
        """Where a value stands, or its nearest known ancestor; a mapping or list in a mapping stands at its key."""
        return locate(self.tree, parts(pointer))

    def place_of_key(self, pointer: str) -> Place:
        """Where the key of a mapping's member stands, or the nearest known ancestor of it."""
        entry = entry_at(self.tree, parts(pointer))
        return entry.key.place if entry else self.place(pointer)
