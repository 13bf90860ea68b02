"""Failures as portable files: the script, what was deployed, and what was seen; never a secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from attrs import asdict

from conformance.scripts import case_to_data
from conformance.target import Target
from conformance.verdicts import Result
from spec.exits import Exit, Stop
from spec.parameters import format_value

__all__ = ["FORMAT", "read_failure", "write_failure"]

FORMAT = 1


def write_failure(folder: Path, target: Target, result: Result) -> str:
    """Write a failure; gives the path of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r"[^A-Za-z0-9._-]+", "-", result.case.id) + ".json")
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
        "case": case_to_data(result.case),
        "shrunk_from": asdict(result.shrunk) if result.shrunk else None,
        "rules": list(result.rules),
        "message": result.message,
        "checks": [finding.check for finding in result.findings],
        "transcript": [asdict(entry) for entry in result.transcript],
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    return str(path)


def read_failure(path: Path) -> dict[str, Any]:
    """Read a failure file; raises Stop with a readable text where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise Stop(Exit.USAGE, f"{path}: {problem.strerror}") from None
    except ValueError as problem:
        raise Stop(Exit.USAGE, f"{path} is no failure file: {problem}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT or "case" not in content:
        raise Stop(Exit.USAGE, f"{path} is no failure file of format {FORMAT}")
    return content
