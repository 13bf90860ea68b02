"""The demonstration: the reference server as a process of its own, met over a URL like any other."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from conformance.arranging import Arranged, arrange, bare_arguments
from conformance.commands.check import run_session
from conformance.session import Session
from spec.exits import Exit, Stop

__all__ = ["demonstrate"]

_VARIABLE = "HANDFAST_DEMO_SECRET"


def demonstrate(protocol: str, settings: list[str]) -> int:
    """Serve a protocol with a fresh key, check it, and stop the server."""
    os.environ[_VARIABLE] = secrets.token_urlsafe(32)
    # What does not fit is told before anything is started.
    _arranged("ws://127.0.0.1:1", protocol, settings)
    told = [word for pair in settings for word in ("--set", pair)]
    command = [sys.executable, "-m", "spec", "serve", protocol, "--port", "0", "--secret", f"env:{_VARIABLE}", *told]
    print(f"starting: handfast serve {protocol} --port 0 --secret env:{_VARIABLE} {' '.join(told)}".rstrip())
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            url = _url(server)
            print(f"checking: handfast check {url} --protocol {protocol} --secret env:{_VARIABLE}\n")
            return _check(url, protocol, settings)
        except Stop:
            log.seek(0)
            sys.stderr.write(log.read()[-2000:])
            raise
        finally:
            server.terminate()


def _url(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    line = server.stdout.readline()
    if "listening on " not in line:
        raise Stop(Exit.INTERNAL, "the reference server did not start")
    return line.split("listening on ", 1)[1].strip()


def _check(url: str, protocol: str, settings: list[str]) -> int:
    # Failures that were saved of other servers say nothing of this one.
    return run_session(Session(_arranged(url, protocol, settings), failures=Path("handfast-failures"), remember=False))


def _arranged(url: str, protocol: str, settings: list[str]) -> Arranged:
    return arrange(bare_arguments(protocol=protocol, set=settings, secret=f"env:{_VARIABLE}"), url)
