"""The demonstration: the reference server as a process of its own, met over URLs like any other."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conformance.arranging import Arranged, arrange, bare_arguments, document_of
from conformance.commands.check import run_session
from conformance.session import Session
from spec.deploying import fresh_deployment
from spec.exits import Exit, Stop
from spec.model import Document

__all__ = ["demonstrate"]

_VARIABLE = "HANDFAST_DEMO_SECRET"


def demonstrate(protocols: list[str], settings: list[str]) -> int:
    """Serve protocols with a fresh key on one port, check each, and stop the server; gives the worst exit code."""
    os.environ[_VARIABLE] = secrets.token_urlsafe(32)
    # Two may serve one path: where there are several, each stands below a prefix of its own.
    places = {name: f"/{name}" if len(protocols) > 1 else "" for name in protocols}
    # What does not fit is told before anything is started.
    nowhere = "ws://127.0.0.1:1"
    documents = [document_of(bare_arguments(protocol=name), {}) for name in protocols]
    own = {name: _own(document, documents, settings) for name, document in zip(protocols, documents, strict=True)}
    deployed = {document.name: fresh_deployment(document, _VARIABLE) for document in documents}
    for name in protocols:
        _arranged(nowhere, name, own[name])
    served = [f"{name}={place}" if place else name for name, place in places.items()]
    words = [*served, "--port", "0", "--secret", f"env:{_VARIABLE}", *(w for one in settings for w in ("--set", one))]
    asked = dict.fromkeys(entry for entries in deployed.values() for entry in entries)
    words += [word for entry in asked for word in ("--with", entry)]
    print(f"starting: handfast serve {' '.join(words)}")
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", "spec", "serve", *words], stdout=subprocess.PIPE, stderr=log, text=True
        ) as server,
    ):
        try:
            url = _url(server)
            return max(_check(url + place, name, own[name], deployed[name]) for name, place in places.items())
        except Stop:
            log.seek(0)
            sys.stderr.write(log.read()[-2000:])
            raise
        finally:
            server.terminate()


def _own(document: Document, others: list[Document], settings: list[str]) -> list[str]:
    """The settings of a protocol: those named `PROTOCOL.NAME=VALUE`, and those of every protocol that has them.

    What no protocol has is everybody's, so that it is told.
    """
    found = []
    for entry in settings:
        whose, _, name = entry.partition("=")[0].rpartition(".")
        having = [one.name for one in others if (whose in ("", one.name)) and name in one.parameters]
        if document.name in having:
            found.append(entry.removeprefix(f"{document.name}."))
        elif not having:
            found.append(entry)
    return found


def _url(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    line = server.stdout.readline()
    if "listening on " not in line:
        raise Stop(Exit.INTERNAL, "the reference server did not start")
    return line.split("listening on ", 1)[1].strip()


def _check(url: str, protocol: str, settings: list[str], deployed: list[str]) -> int:
    told = "".join(f" --with {entry}" for entry in deployed)
    print(f"checking: handfast check {url} --protocol {protocol} --secret env:{_VARIABLE}{told}\n", flush=True)
    arranged = _arranged(url, protocol, settings, deployed)
    # Failures that were saved of other servers say nothing of this one.
    return run_session(Session(arranged, failures=Path("handfast-failures"), remember=False))


def _arranged(url: str, protocol: str, settings: list[str], deployed: Sequence[str] = ()) -> Arranged:
    given = bare_arguments(protocol=protocol, set=settings, secret=f"env:{_VARIABLE}", deployed=list(deployed))
    return arrange(given, url)
