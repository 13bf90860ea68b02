"""Failures as portable files: the script, what was deployed, and what was seen; never a secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from attrs import asdict

from conformance.events import judgeable
from conformance.scripts import case_to_data
from conformance.target import Target
from conformance.verdicts import Result
from spec.exits import Exit, Stop
from spec.parameters import format_value

__all__ = ["FORMAT", "path_of", "read_failure", "write_failure"]

FORMAT = 1

_MEMBERS: dict[str, type] = {
    "protocol": str,
    "version": int,
    "document": str,
    "target": str,
    "parameters": dict,
    "case": dict,
    "rules": list,
    "message": str,
    "checks": list,
}
"""What every failure file holds; members that are not listed here may be missing."""


def path_of(folder: Path, case: str) -> Path:
    """The file of a case's failure."""
    return folder / (re.sub(r"[^A-Za-z0-9._-]+", "-", case) + ".json")


def write_failure(path: Path, target: Target, result: Result, seed: int | None = None) -> None:
    """Write a failure to a file; raises OSError where that cannot be done.

    The script is the shrunken one, which `replay` plays; the larger one that it came from is drawn or built again by
    its identifier and the seed of the run, and only its size is kept.
    """
    policy = target.book.policy
    content = {
        "format": FORMAT,
        "protocol": target.document.name,
        "version": target.document.version,
        "document": target.document.digest,
        "target": target.endpoint.url,
        "parameters": {name: format_value(target.parameters[name]) for name in sorted(target.given)},
        "issuer": policy.issuer,
        "audience": policy.audience,
        "seed": seed,
        "kid": policy.keys[0].kid if len(policy.keys) == 1 else None,
        "case": case_to_data(result.case),
        "shrunk_from": asdict(result.shrunk) if result.shrunk else None,
        "rules": list(result.rules),
        "message": result.message,
        "checks": [finding.check for finding in result.findings],
        "transcript": [asdict(entry) for entry in result.transcript],
        **judgeable(result),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    content = target.book.sieve.clean(content)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


def read_failure(path: Path) -> dict[str, Any]:
    """Read a failure file; raises Stop with a readable text where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise Stop(Exit.USAGE, f"{path}: {problem.strerror}") from None
    except (ValueError, RecursionError) as problem:
        raise Stop(Exit.USAGE, f"{path} is no failure file: {problem}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or "case" not in content:
        raise Stop(Exit.USAGE, f"{path} is no failure file of format {FORMAT}")
    wrong = [name for name, kind in _MEMBERS.items() if not isinstance(content.get(name), kind)]
    wrong += [name for name in ("issuer", "audience", "kid") if not isinstance(content.get(name), str | None)]
    if wrong or not all(isinstance(value, str) for value in (*content["parameters"].values(), *content["rules"])):
        told = ", ".join(f"`{name}`" for name in wrong or ["parameters", "rules"])
        raise Stop(Exit.USAGE, f"{path} is no failure file: {told} is missing or of another type")
    return content
