"""Serving a mutant: the reference server as a process of its own, met over a URL like any other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance.mutating.deployments import AUDIENCE, ISSUER, VARIABLE, Deployment

__all__ = ["Served", "serving"]


class Served:
    """A server that is starting."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def url(self) -> str | None:
        """Where it listens, once it does; None where it ended before."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return line.split("listening on ", 1)[1].strip() if "listening on " in line else None


@contextmanager
def serving(data: Mapping[str, Any], deployment: Deployment, deployed: list[str], folder: Path) -> Iterator[Served]:
    """Serve a document's data, with all that it asks of a deployment, for as long as the context lasts."""
    path = folder / "mutant.yaml"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    flags = ["--document", str(path), "--port", "0", "--secret", f"env:{VARIABLE}", "--quick"]
    flags += ["--issuer", ISSUER, "--audience", AUDIENCE]
    flags += [word for pair in deployment.pairs for word in ("--set", pair)]
    flags += [word for entry in deployed for word in ("--with", entry)]
    command = [sys.executable, "-m", "spec", "serve", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield Served(process)
        finally:
            # It has nothing to keep, and one that fires timers without end would not hear of being stopped.
            process.kill()
