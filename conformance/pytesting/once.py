"""The one run behind all tests: whoever needs it first makes it, and the others read what came of it.

Under pytest-xdist each worker collects every case, and gets some of them to report. They share a folder: the first that
comes to a case plays all that were chosen, while the others wait for its lock, which the system takes back from a
process that dies. So a target never has two runs at once, whatever pytest's scheduler does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from spec.exits import Exit, Stop

if TYPE_CHECKING:
    from conformance.session import Session

__all__ = ["Once", "told"]

_STREAM, _STOPPED, _LOCK, _DONE = "run.jsonl", "stopped.json", "lock", "done"


@frozen
class _Came:
    """What a run came to: its events, or what stopped it before the first of them."""

    events: list[dict[str, Any]]
    stopped: str | None


@define
class Once:
    """A run that is made at most once; `session` makes it."""

    folder: Path
    _came: _Came | None = field(default=None)

    def events(self, session: Session) -> list[dict[str, Any]]:
        """The events of the run. Raises Stop where there could be none."""
        if self._came is None:
            with _locked(self.folder / _LOCK):
                self._came = self._read() or self._made(session)
        if self._came.stopped is not None:
            raise Stop(Exit.USAGE, self._came.stopped)
        return self._came.events

    def _made(self, session: Session) -> _Came:
        from conformance.session import Report

        session.reports = (*session.reports, Report("jsonl", self.folder / _STREAM))
        stopped = None
        try:
            session.run()
        except Stop as stop:
            stopped = str(stop)
            (self.folder / _STOPPED).write_text(json.dumps(stopped), encoding="utf-8")
        if session.interrupted:
            raise KeyboardInterrupt
        (self.folder / _DONE).touch()
        return _Came([] if stopped is not None else session.stream.events, stopped)

    def _read(self) -> _Came | None:
        from conformance.events import read_stream

        if not (self.folder / _DONE).exists():
            return None
        if (self.folder / _STOPPED).exists():
            return _Came([], json.loads((self.folder / _STOPPED).read_text(encoding="utf-8")))
        return _Came(read_stream(self.folder / _STREAM), None)


def told(folder: Path) -> list[dict[str, Any]] | None:
    """The events of the run of a folder; None where there was none."""
    from conformance.events import read_stream

    done = (folder / _DONE).exists() and not (folder / _STOPPED).exists()
    return read_stream(folder / _STREAM) if done else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w", encoding="utf-8") as file:
        try:
            import fcntl
        except ImportError:
            # Without such locks there is no pytest-xdist here either; see `Cases.of`.
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
