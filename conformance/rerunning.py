"""What `handfast check --watch` does between two waits: read everything anew, run, and note what was read."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from attrs import define, field

from conformance.arranging import document_named
from conformance.commands.check import run_session, session_of
from conformance.reporting.run import read_run
from conformance.session import Session
from conformance.watching import Round, Seen, Waiting, seen, watch
from spec.exits import Exit, Stop
from spec.loading import DocumentError, UnknownProtocol, find, read

__all__ = ["watched"]

_TARGET = Path("handfast.toml")


def watched(arguments: argparse.Namespace) -> Exit:
    """Run, and run again; raises Stop where flags or files do not even fit at the beginning."""
    return watch(_Rounds(arguments).play, _say, Waiting())


def _say(text: str) -> None:
    print(text, flush=True)


@define
class _Rounds:
    arguments: argparse.Namespace
    begun: bool = False
    document: tuple[Path, ...] = ()
    sessions: list[Session] = field(factory=list)

    def play(self) -> Round:
        files = self.files()
        try:
            session = session_of(self.arguments)
        except Stop as stop:
            if not self.begun:
                raise
            # What is being edited may be broken for a while.
            print(f"handfast: {stop}", file=sys.stderr, flush=True)
            return Round(files)
        self.begun = True
        # What is drawn must be the same again, or there is nothing to compare.
        self.arguments.seed = session.arranged.seed
        endpoint = session.arranged.target.endpoint
        self.document = self.read_again()
        files = {**files, **seen(path for path in self.document if path not in files)}
        try:
            code = run_session(session)
        except Stop as stop:
            print(f"handfast: {stop}", file=sys.stderr, flush=True)
            return Round(files, endpoint, interrupted=session.interrupted)
        return Round(files, endpoint, read_run(session.stream.events), interrupted=code == Exit.INTERRUPTED)

    def files(self) -> Seen:
        """What a run reads, as it is before the run."""
        given = [self.arguments.target or _TARGET, self.arguments.baseline]
        return seen([*(Path(path) for path in given if path), *self.document])

    def read_again(self) -> tuple[Path, ...]:
        """The files of the document; of one that cannot be read at the moment, those that were known."""
        try:
            return read(find(document_named(self.arguments) or "")).files
        except (DocumentError, UnknownProtocol):
            return self.document
