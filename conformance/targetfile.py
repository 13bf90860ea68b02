"""The target file `handfast.toml`: what the suite cannot know of a deployment."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.tomlfile import read_toml
from spec.exits import Exit, Stop

__all__ = ["KEYS", "read_target_file", "section_problems"]

KEYS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "target": {"url": str, "protocol": str, "document": str, "ca": str, "connections": int, "owned": bool},
    "parameters": {},
    "tokens": {
        "secret": str,
        "key": (str, list),
        "token": str,
        "command": list,
        "http": dict,
        "kid": str,
        "issuer": str,
        "audience": str,
    },
    "deployment": {},
    "addresses": {"pool": list},
    "run": {"level": str, "fail_on": str, "run": list, "skip": list, "seed": int, "examples": int},
}
"""Section -> key -> type; `parameters` takes the protocol's own names."""


def read_target_file(path: Path) -> dict[str, dict[str, Any]]:
    """Read and check a target file; raises Stop naming the file, the key and the nearest known one."""
    data = read_toml(path)
    problems = [line for section, values in data.items() for line in section_problems(section, values)]
    if problems:
        raise Stop(Exit.USAGE, f"{path}: " + f"\n{path}: ".join(problems))
    return {section: dict(data.get(section, {})) for section in KEYS}


def section_problems(section: str, values: Any) -> list[str]:
    """What is wrong with one section of a target file, in words."""
    if section not in KEYS:
        return [f"there is no section [{section}]{_nearest(section, KEYS)}"]
    if not isinstance(values, Mapping):
        return [f"[{section}] must be a table"]
    known = KEYS[section]
    if not known:
        return []
    found = []
    for key, value in values.items():
        if key not in known:
            found.append(f"[{section}] has no key `{key}`{_nearest(key, known)}")
        elif not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] is not bool):
            found.append(f"[{section}] `{key}` must be of type {getattr(known[key], '__name__', 'text')}")
        elif isinstance(value, list) and not all(isinstance(member, str) for member in value):
            found.append(f"[{section}] `{key}` must be a list of texts")
    return found


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean `{near[0]}`?" if near else f"; known: {', '.join(known)}"
