"""Live progress: a bar on a terminal, plain lines elsewhere; the report goes to standard output at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from conformance.reporting.terminal import print_header, print_result
from conformance.verdicts import Result

__all__ = ["Progress"]


class Progress:
    """Shows a session as it goes."""

    def __init__(self, counted: str = "cases") -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._live = self.console.is_terminal
        self._counts: Counter[str] = Counter()
        self._said = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        self._bar = Bar(*columns, TimeElapsedColumn(), console=self.console, transient=True, disable=not self._live)
        self._task = self._bar.add_task(counted, total=None)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def began(self, events: list[dict[str, Any]]) -> None:
        """The first case is about to run."""
        print_header(self.console, events)
        self.start(events[0]["cases"])

    def start(self, total: int) -> None:
        """Begin to show how many of so many cases are done."""
        self._bar.update(self._task, total=total)
        self._bar.start()

    def counted(self, done: int) -> None:
        """So many are done, and nobody knows of how many."""
        self._bar.start()
        self._bar.update(self._task, completed=done)

    def shown(self, result: Result, total: int) -> None:
        """A case is done."""
        self._counts[result.verdict] += 1
        done = sum(self._counts.values())
        failed = self._counts["fail"]
        told = f"cases, [red]{failed} failed[/]" if failed else "cases"
        self._bar.update(self._task, completed=done, total=total, description=told)
        if not self._live and (time.monotonic() - self._said > 2 or done == total):
            self._said = time.monotonic()
            print(f"{done} of {total} cases, {failed} failed", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Show nothing any more."""
        self._bar.stop()

    def finished(self, events: list[dict[str, Any]]) -> None:
        """The run is over: print what came of it."""
        self.stop()
        print_result(self.console, events)
