"""What every export says of where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spec.authoring.outlining import Outline

__all__ = ["as_json", "stamp", "stamp_data", "stamped"]


def stamp(document: Outline) -> str:
    """Which document it was made from, in one line."""
    return f"{document.name}@{document.version} sha256:{document.digest}"


def stamped(document: Outline, kind: str, comment: str) -> list[str]:
    """The first lines of an export, behind the signs that begin a comment."""
    again = f"`handfast export {document.name} --to {kind}`"
    return [f"{comment} Made from {stamp(document)}", f"{comment} by {again}; do not edit it, make it anew.".rstrip()]


def stamp_data(document: Outline) -> dict[str, Any]:
    """The stamp as members of an `x-handfast` object."""
    return {"document": f"{document.name}@{document.version}", "digest": f"sha256:{document.digest}"}


def as_json(value: Mapping[str, Any]) -> str:
    """An export's data as JSON text."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
