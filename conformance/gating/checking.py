"""Targets checked, each by a process of its own: what one costs does not make another late.

Targets at one address are checked one behind the other, since they would disturb each other; others at the same time,
as many as there are processors. What a process has to say comes back in the stream of its run, as from any other run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio
from attrs import define, field, frozen

from conformance.gating.file import Gate, Site
from conformance.session import SHRINK
from spec.exits import Exit, Stop

__all__ = ["REPORTS", "Checked", "Told", "by_server", "check_all", "main"]

REPORTS: Mapping[str, str] = {"jsonl": "jsonl", "json": "json", "html": "html", "junit": "junit.xml"}
"""The reports of each target, with the endings of their files."""


@frozen
class Checked:
    """What the check of a target came to: its exit code, what it said where it could not run, and its reports.

    `interrupted` says that somebody had ended the gate by then.
    """

    site: Site
    exit: int
    said: str = ""
    reports: Mapping[str, Path] = field(factory=dict)
    interrupted: bool = False

    @property
    def stream(self) -> Path | None:
        """The stream of the run, where there is one."""
        path = self.reports.get("jsonl")
        return path if path is not None and path.exists() and path.stat().st_size else None


Told = Callable[[Site, Checked | None], None]
"""Hears that a target is begun, and then what it came to."""


def check_all(
    gate: Gate, folder: Path, *, shrink: float = SHRINK, told: Told = lambda site, checked: None
) -> list[Checked]:
    """Check every target of a gate, with reports into a folder; in the order of the file."""
    return trio.run(_Checks(gate, folder, shrink, told).run)


async def by_server(sites: Iterable[Site], work: Callable[[Site], Awaitable[None]], at_once: int) -> None:
    """Do something for each site: one behind the other where they are one server, at most so many at once."""
    groups: dict[tuple[str, int], list[Site]] = {}
    for site in sites:
        groups.setdefault(site.server, []).append(site)
    limit = trio.CapacityLimiter(at_once)

    async def one_by_one(group: Iterable[Site]) -> None:
        for site in group:
            async with limit:
                await work(site)

    async with trio.open_nursery() as nursery:
        for group in groups.values():
            nursery.start_soon(one_by_one, group)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@define
class _Checks:
    gate: Gate
    folder: Path
    shrink: float
    told: Told
    interrupted: bool = False
    running: set[trio.Process] = field(factory=set)
    found: dict[str, Checked] = field(factory=dict)

    async def run(self) -> list[Checked]:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.listen, signals)
                await by_server(self.gate.sites, self.one, _processors())
                nursery.cancel_scope.cancel()
        return [self.found[site.name] for site in self.gate.sites]

    async def listen(self, signals: Any) -> None:
        async for _ in signals:
            self.interrupted = True
            for process in self.running:
                # Unlike SIGINT, nobody who started us in the background has had it ignored.
                process.terminate()

    async def one(self, site: Site) -> None:
        if self.interrupted:
            self.found[site.name] = Checked(site, Exit.INTERRUPTED, "not begun", interrupted=True)
            return
        self.told(site, None)
        self.found[site.name] = await self.check(site)
        self.told(site, self.found[site.name])

    async def check(self, site: Site) -> Checked:
        reports = {kind: self.folder / f"{site.name}.{ending}" for kind, ending in REPORTS.items()}
        for path in reports.values():
            # What another gate left there must not be taken for what this one found.
            path.unlink(missing_ok=True)
        job = _job(self.gate, site, reports, self.folder / f"{site.name}-failures", self.shrink)
        command: Sequence[str] = [sys.executable, "-m", __name__]
        # Its output is nothing to read, and its last words are.
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self.running.add(process)
        said: list[bytes] = []
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_feed, process, json.dumps(job, default=str).encode())
                nursery.start_soon(_hear, process, said)
            code = await process.wait()
        finally:
            self.running.discard(process)
        text = b"".join(said).decode(errors="replace").strip()
        return Checked(site, code if code in list(Exit) else Exit.INTERNAL, text, reports, self.interrupted)


async def _feed(process: trio.Process, data: bytes) -> None:
    assert process.stdin is not None
    try:
        async with process.stdin:
            await process.stdin.send_all(data)
    except trio.BrokenResourceError:
        pass  # It ended before it had read it, and says why.


async def _hear(process: trio.Process, said: list[bytes]) -> None:
    assert process.stderr is not None
    async for data in process.stderr:
        said.append(bytes(data))


def _job(gate: Gate, site: Site, reports: Mapping[str, Path], failures: Path, shrink: float) -> dict[str, Any]:
    """What a process is told: references to secrets, and no secret."""
    return {
        "document": gate.new,
        "url": site.endpoint.url,
        "tables": site.tables,
        "fail_on": gate.demands.fail_on,
        "baseline": str(site.baseline) if site.baseline else None,
        "failures": str(site.failures or failures),
        # What a project keeps of failures is played; what an earlier gate has found is not this server's memory.
        "remember": site.failures is not None,
        "reports": {kind: str(path) for kind, path in reports.items()},
        "shrink": shrink,
    }


def _base(site: Site) -> str:
    return site.endpoint.url


def main() -> int:
    """The process of one target: reads its job from standard input, and gives the exit code of its run."""
    job = json.load(sys.stdin)
    try:
        return _checked(job)
    except Stop as stop:
        print(stop, file=sys.stderr)
        return stop.exit
    except Exception as problem:
        print(f"a fault of handfast: {type(problem).__name__}: {problem}", file=sys.stderr)
        return Exit.INTERNAL


def _checked(job: Mapping[str, Any]) -> int:
    from conformance.arranging import arrange, bare_arguments
    from conformance.baseline import read_baseline
    from conformance.session import Report, Session

    given = bare_arguments(document=job["document"], fail_on=job["fail_on"])
    arranged = arrange(given, job["url"], job["tables"])
    return Session(
        arranged,
        tuple(Report(kind, Path(path)) for kind, path in job["reports"].items()),
        Path(job["failures"]),
        baseline=read_baseline(Path(job["baseline"])) if job["baseline"] else None,
        shrink=job["shrink"],
        remember=job["remember"],
    ).run()


if __name__ == "__main__":
    sys.exit(main())
