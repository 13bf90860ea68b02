"""How much is tested: a share of what is many in `make test`, all of it with `HANDFAST_MATRIX=all`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["ALL", "share"]

ALL = os.environ.get("HANDFAST_MATRIX") == "all"
"""Whether everything is tried, on a machine that has nothing else to do."""

_T = TypeVar("_T")


def share(items: Sequence[_T], one_of: int) -> Sequence[_T]:
    """All of them, or one of so many."""
    return items if ALL else items[::one_of]
