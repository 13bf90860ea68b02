"""Watching: the suite runs again when the server was started anew, or when a file that it reads has changed.

A server that was started anew is seen by what happens to connections: it refuses them for a while, or one that was held
open ends though new ones are taken. The second may also be a server that lets nobody be idle for long, which
ends each connection at the same age; that is learned, and costs one run at most.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import trio
from attrs import define, field, frozen

from conformance.reporting.run import Event, Run, plural
from conformance.trends import Trend, trend
from conformance.wire import Endpoint, Unreachable
from spec.exits import Exit

__all__ = ["Presence", "Round", "Seen", "Waiting", "seen", "told", "until_something", "watch"]

INTERVAL = 0.25
"""How often, in seconds, files are looked at, and a server that is not there is knocked at."""

Connect = Callable[[], Awaitable[trio.abc.Stream]]
Seen = Mapping[Path, tuple[int, int] | None]
"""What is known of files: when each was written and how long it is; None for one that is not there."""


def seen(paths: Iterable[Path]) -> Seen:
    """What is there of files now."""
    found: dict[Path, tuple[int, int] | None] = {}
    for path in paths:
        try:
            told = path.stat()
            found[path] = told.st_mtime_ns, told.st_size
        except OSError:
            found[path] = None
    return found


@define
class Presence:
    """What connections tell of a server: `down` is one that was refused, `idle` how long the last held one lasted."""

    down: bool = False
    idle: float | None = None

    def refused(self) -> None:
        """It takes no connection."""
        self.down = True

    def accepted(self) -> bool:
        """It takes a connection: whether it was started since it was refused."""
        again, self.down = self.down, False
        return again

    def ended(self, age: float) -> bool:
        """It ended a connection that was so old, and takes others: whether it was started meanwhile."""
        same = self.idle is not None and abs(age - self.idle) <= max(1.0, 0.1 * self.idle)
        self.idle = age
        return not same


async def until_something(connect: Connect, presence: Presence, before: Seen, look: Callable[[], Seen]) -> str:
    """Wait until the server was started anew or a file has changed since `before`; gives which, in words."""
    found: list[str] = []
    async with trio.open_nursery() as nursery:

        async def first(work: Awaitable[str]) -> None:
            found.append(await work)
            nursery.cancel_scope.cancel()

        nursery.start_soon(first, _restarted(connect, presence))
        nursery.start_soon(first, _changed(before, look))
    return found[0]


async def _changed(before: Seen, look: Callable[[], Seen]) -> str:
    now = look()
    while now == before:
        await trio.sleep(INTERVAL)
        now = look()
    # Editors write several times, and several files.
    while (later := await _later(look)) != now:
        now = later
    names = sorted(str(path) for path in now.keys() | before.keys() if now.get(path) != before.get(path))
    return f"{', '.join(names) or 'a file'} changed"


async def _later(look: Callable[[], Seen]) -> Seen:
    await trio.sleep(INTERVAL)
    return look()


async def _restarted(connect: Connect, presence: Presence) -> str:
    lasted: float | None = None
    while True:
        try:
            stream = await connect()
        except Unreachable:
            presence.refused()
            lasted = None
        else:
            async with stream:
                if presence.accepted() or (lasted is not None and presence.ended(lasted)):
                    return "the server was started anew"
                began = trio.current_time()
                await _until_it_ends(stream)
                lasted = trio.current_time() - began
        await trio.sleep(INTERVAL)


async def _until_it_ends(stream: trio.abc.Stream) -> None:
    """Read what a server may say to who says nothing, until it ends the connection."""
    try:
        while await stream.receive_some():
            pass
    except trio.BrokenResourceError:
        pass


@frozen
class Round:
    """One run of a watch: where its target is, what came of it, and the files that it read, as they were before it.

    `run` is None where nothing could be run, and `endpoint` where it is not even known where.
    """

    files: Seen
    endpoint: Endpoint | None = None
    run: Run | None = None
    interrupted: bool = False


Wait = Callable[[Endpoint, Round], str | None]
"""Waits for a reason to run again, and gives it in words; None where somebody ended the watch."""


def watch(play: Callable[[], Round], say: Callable[[str], None], wait: Wait) -> Exit:
    """Run again and again until somebody ends it: `play` makes one run, `say` tells people what is going on."""
    before: Run | None = None
    endpoint: Endpoint | None = None
    while True:
        played = play()
        if played.interrupted:
            return Exit.INTERRUPTED
        if before is not None and played.run is not None:
            say(told(trend(before, played.run)))
        before = played.run if played.run is not None and played.run.cases else before
        endpoint = played.endpoint or endpoint
        assert endpoint is not None, "the first round has one, or has stopped"
        say(f"watching {endpoint.url} and {plural(len(played.files), 'file')}; Ctrl-C ends it")
        why = wait(endpoint, played)
        if why is None:
            return Exit.INTERRUPTED
        say(f"{why}: running again")


@define
class Waiting:
    """Waits on a real clock; what was learned of the server stays for the next time."""

    presence: Presence = field(factory=Presence)

    def __call__(self, endpoint: Endpoint, played: Round) -> str | None:
        return trio.run(self._wait, endpoint, played.files)

    async def _wait(self, endpoint: Endpoint, files: Seen) -> str | None:
        found: list[str | None] = []
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:

                async def end(signals: AsyncIterator[int]) -> None:
                    async for _ in signals:
                        found.append(None)
                        nursery.cancel_scope.cancel()

                nursery.start_soon(end, signals)
                found.append(
                    await until_something(lambda: endpoint.connect(None), self.presence, files, lambda: seen(files))
                )
                nursery.cancel_scope.cancel()
        return found[0]


def told(changed: Trend) -> str:
    """What changed since the run before, in lines."""
    if changed.quiet:
        still = f"; {plural(changed.still, 'case')} still failing" if changed.still else ""
        return f"since the last run: nothing changed{still}"
    counts = {
        "new failure": len(changed.new),
        "fixed": len(changed.fixed),
        "no longer played": len(changed.gone),
        "failing as before": changed.still,
    }
    said = ", ".join(f"{count} {_many(count, what)}" for what, count in counts.items() if count)
    lines = [f"since the last run: {said or 'no other failure'}"]
    lines += [f"  new    {_case(case)}" for case in changed.new]
    lines += [f"  fixed  {_case(case, message=False)}" for case in changed.fixed]
    lines += [f"  gone   {_case(case, message=False)}" for case in changed.gone]
    for side in (changed.worse, changed.better):
        lines += [f"  {'worse ' if one.worse else 'better'} {one.rule}: {one.was} → {one.now}" for one in side]
    return "\n".join(lines)


def _many(count: int, what: str) -> str:
    return f"{what}s" if what == "new failure" and count != 1 else what


def _case(case: Event, *, message: bool = True) -> str:
    rule = f"{case['rules'][0]} " if case["rules"] else ""
    return f"{rule}{case['id']}{': ' + str(case['message']) if message else ''}"
