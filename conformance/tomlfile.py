"""Reading TOML files that people write."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from spec.exits import Exit, Stop

__all__ = ["read_toml"]


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; raises Stop naming the file and what is wrong with it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise Stop(Exit.USAGE, f"{path}: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise Stop(Exit.USAGE, f"{path}: {problem}") from None
