"""Checks for other people's tests: `handfast_check` runs the suite against a URL, or a server of this process.

    from conformance.testing import handfast_check

    def test_the_server_keeps_the_protocol():
        with my_server() as url:
            handfast_check(url, protocol="chat", secret="env:CHAT_SECRET", set={"rollout": "dual"})

The options are those of `handfast check`, under the same names; `docs/pytest.md` tells more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import trio
import trio.testing

from conformance.arranging import Arranged, arrange, bare_arguments
from conformance.baseline import read_baseline
from conformance.inprocess import Handler, Opened, play_in_process
from conformance.reporting.run import Run, read_run
from conformance.reporting.terminal import render
from conformance.session import SHRINK, Session, parse_report
from spec.exits import Exit, Stop

__all__ = ["Handler", "NotConformant", "Opened", "handfast_check", "handfast_check_async"]

_NOWHERE = "ws://127.0.0.1:1"
_LISTS = ("key", "run", "skip", "deployed", "report")
_OWN = ("baseline", "failures", "shrink", "fail_fast", "report", "remember")
"""Options of a session; the others arrange its target."""


class NotConformant(AssertionError):
    """A run that is not conformant: its text is the report that `handfast check` prints, `run` the run as data."""

    def __init__(self, run: Run, exit: Exit, text: str) -> None:  # noqa: A002
        super().__init__(f"handfast: {run.verdict} ({exit.meaning})\n{text}")
        self.run = run
        self.exit = exit


def handfast_check(
    where: str | Opened | None = None, *, virtual_time: bool = False, prefix: str = "", **options: Any
) -> Run:
    """Check a server; gives the run where it is conformant.

    `where` is a URL, or starts a server of this process: a function that gives an asynchronous context manager, which
    gives what serves one connection (`Handler`). `None` is for a URL in the target file.

    `virtual_time` is for servers of this process that take their time from Trio: nothing is waited for, and a timer of
    a minute costs none. `prefix` is the path below which such a server has the protocol's paths.

    Raises:
        NotConformant: the run is anything but conformant.
        Stop: nothing could be run: what was asked for does not fit, or the target is not there.
    """
    __tracebackhide__ = True
    if virtual_time and (where is None or isinstance(where, str)):
        raise Stop(Exit.USAGE, "time can be virtual only for a server of this process")
    session = _session(where, options)
    clock = trio.testing.MockClock(autojump_threshold=0) if virtual_time else None
    return _judged(session, trio.run(_play(session, where, prefix), clock=clock))


async def handfast_check_async(where: str | Opened | None = None, *, prefix: str = "", **options: Any) -> Run:
    """`handfast_check` for tests that run under Trio, whose clock it takes."""
    __tracebackhide__ = True
    session = _session(where, options)
    return _judged(session, await _play(session, where, prefix)())


def _play(session: Session, where: str | Opened | None, prefix: str) -> Callable[[], Any]:
    if where is None or isinstance(where, str):
        return session.play
    return partial(play_in_process, session, where, prefix)


def _session(where: str | Opened | None, options: Mapping[str, Any]) -> Session:
    given = {name: _listed(name, value) for name, value in options.items() if value is not None}
    own = {name: given.pop(name) for name in _OWN if name in given}
    arranged = _arranged(where if where is None or isinstance(where, str) else _NOWHERE, given)
    return Session(
        arranged,
        tuple(parse_report(text) for text in own.get("report", ())),
        Path(own.get("failures", "handfast-failures")),
        bool(own.get("fail_fast")),
        read_baseline(Path(own["baseline"])) if "baseline" in own else None,
        float(own.get("shrink", SHRINK)),
        bool(own.get("remember", True)),
    )


def _arranged(url: str | None, given: dict[str, Any]) -> Arranged:
    pairs = {"set": given.pop("set", {}), "deployed": given.pop("with_", {})}
    known = {*vars(bare_arguments()), "level", "fail_on", "seed", "examples", "run", "skip"}
    unknown = sorted(set(given) - known)
    if unknown:
        raise Stop(Exit.USAGE, f"handfast_check has no option `{unknown[0]}`", f"known: {', '.join(sorted(known))}")
    return arrange(bare_arguments(**given, **{name: _pairs(value) for name, value in pairs.items()}), url)


def _pairs(value: Mapping[str, Any] | Sequence[str]) -> list[str]:
    return [f"{name}={one}" for name, one in value.items()] if isinstance(value, Mapping) else list(value)


def _listed(name: str, value: Any) -> Any:
    return [value] if name in _LISTS and isinstance(value, str) else value


def _judged(session: Session, code: Exit) -> Run:
    __tracebackhide__ = True
    run = read_run(session.stream.events)
    if session.interrupted:
        raise KeyboardInterrupt
    if code is not Exit.CONFORMANT:
        raise NotConformant(run, code, render(session.stream.events))
    return run
