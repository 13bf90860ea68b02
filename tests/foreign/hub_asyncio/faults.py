"""The switchable faults: what each breaks is told in ``faults.json``."""

from __future__ import annotations

import json
from pathlib import Path

CATALOGUE = Path(__file__).with_name("faults.json")


def names() -> list[str]:
    """The names of all faults."""
    return [entry["name"] for entry in json.loads(CATALOGUE.read_text("utf-8"))]


class Faults:
    """Tells, at each point where a fault deviates, whether it is switched on."""

    def __init__(self, chosen: str | None) -> None:
        self._chosen = chosen

    def __call__(self, name: str) -> bool:
        return name == self._chosen
