"""What the GitHub Action runs: `handfast check` or `handfast gate` with the action's inputs, and the action's outputs.

Inputs come as variables of the environment, `HANDFAST_INPUT_…`, and become arguments without a shell between: nothing
in them is ever read as a command. Each is one word with its flag, `--flag=value`, and cannot pass for another flag. A
secret is never an input, but where it is: `env:NAME` or `file:PATH`.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

WORDS = (
    "protocol",
    "document",
    "target",
    "secret",
    "key",
    "token",
    "issuer",
    "audience",
    "level",
    "fail-on",
    "baseline",
)
"""Inputs that are one flag each."""

LINES = ("set", "with", "run", "skip")
"""Inputs that hold a flag's value in each line."""

REPORTS = ("jsonl", "json", "junit", "sarif", "markdown", "html")
ENDINGS = {"junit": "xml", "markdown": "md"}


class Refused(Exception):
    """An input that cannot be used; the text quotes no value."""


def inputs(environment: Mapping[str, str]) -> dict[str, str]:
    """The inputs that are not empty, by name."""
    known = ("url", *WORDS, *LINES, "owned", "gate", "reports")
    said = {name: environment.get(f"HANDFAST_INPUT_{name.upper().replace('-', '_')}", "") for name in known}
    found = {name: value.strip() for name, value in said.items() if value.strip()}
    several = [name for name, value in found.items() if "\n" in value and name not in (*LINES, "url")]
    if several:
        raise Refused(f"the input `{several[0]}` has several lines")
    for name in ("secret", "key", "token"):
        if name in found and not found[name].startswith(("env:", "file:")):
            raise Refused(f"the input `{name}` says where a secret is: env:NAME or file:PATH")
    return found


def arguments(given: Mapping[str, str], folder: Path) -> list[str]:
    """The words behind `handfast`."""
    return list(_gate(given, folder) if "gate" in given else _check(given, folder))


def _check(given: Mapping[str, str], folder: Path) -> Iterator[str]:
    yield "check"
    yield from (f"--{name}={given[name]}" for name in WORDS if name in given)
    yield from (f"--{name}={line}" for name in LINES for line in _lines(given.get(name, "")))
    if given.get("owned") == "true":
        yield "--i-own-this-target"
    yield f"--failures={folder / 'failures'}"
    yield from (f"--report={kind}:{path}" for kind, path in reports(folder).items())
    yield "--report=github:-"
    if "url" in given:
        if not given["url"].startswith(("ws://", "wss://")) or "\n" in given["url"]:
            raise Refused("the input `url` is no ws:// or wss:// URL")
        yield given["url"]


def _gate(given: Mapping[str, str], folder: Path) -> Iterator[str]:
    others = [name for name in given if name not in {"gate", "url", "reports"}]
    if others:
        raise Refused(f"a gate says everything itself: the input `{others[0]}` is for runs without one")
    yield from ("gate", f"--reports={folder}", "--report=github:-")
    yield from (f"--url={line}" for line in _lines(given.get("url", "")))
    yield from ("--", given["gate"])


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def reports(folder: Path) -> dict[str, Path]:
    """Where a run's reports are, by kind."""
    return {kind: folder / f"handfast.{ENDINGS.get(kind, kind)}" for kind in REPORTS}


def outputs(given: Mapping[str, str], folder: Path, code: int) -> dict[str, str]:
    """The outputs of the action, of a run that could not begin too."""
    gated = "gate" in given
    files = {"json": folder / "gate.json", "markdown": folder / "gate.md"} if gated else reports(folder)
    found: dict[str, Any] = {"verdict": "stop" if gated else "error", "counts": {}}
    if files["json"].is_file():
        said = json.loads(files["json"].read_text(encoding="utf-8"))
        found = {"verdict": said["verdict"], "counts": said.get("counts", {})}
    counts = found["counts"]
    return {
        "verdict": found["verdict"],
        "exit-code": str(code),
        "counts": json.dumps(counts, separators=(",", ":")),
        "cases": str(sum(counts.values())),
        "failed": str(counts.get("fail", 0)),
        "reports": str(folder),
        **{kind: str(path) for kind, path in files.items() if path.is_file()},
    }


def write(path: Path, values: Mapping[str, str]) -> None:
    """Append to a file of the runner's; whatever stands in a value ends with a word that nobody can know."""
    with path.open("a", encoding="utf-8") as file:
        for name, value in values.items():
            end = f"end-{secrets.token_hex(16)}"
            file.write(f"{name}<<{end}\n{value}\n{end}\n")


def main(environment: Mapping[str, str]) -> int:
    """Run what the inputs ask for; gives the exit code of `handfast`."""
    try:
        given = inputs(environment)
        folder = Path(given.get("reports", "handfast-reports"))
        words = arguments(given, folder)
    except Refused as refused:
        print(f"::error title=Handfast::{refused}")
        return 2
    # A report of an earlier step would be taken for this run's.
    for path in (*reports(folder).values(), folder / "gate.json", folder / "gate.md"):
        path.unlink(missing_ok=True)
    code = subprocess.run([sys.executable, "-m", "spec", *words], check=False).returncode
    if environment.get("GITHUB_OUTPUT"):
        write(Path(environment["GITHUB_OUTPUT"]), outputs(given, folder, code))
    return code


if __name__ == "__main__":
    sys.exit(main(os.environ))
