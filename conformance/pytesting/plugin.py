"""What pytest calls: flags, the collector of a run's cases, and what is told at the end."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.pytesting.flags import SHARED, Shared, add_flags, given

if TYPE_CHECKING:
    from conformance.pytesting.checking import Check

__all__: list[str] = []

NODE = "handfast"
"""The node below which the cases stand: `handfast::rooms/…` names one, and `handfast::` all."""

_SEED = "handfast/seed"
_SHARED, _DRAWN = "handfast_shared", "handfast_drawn"
_CHOSEN, _CASES = pytest.StashKey[list[str]](), pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_flags(parser)


def pytest_configure(config: pytest.Config) -> None:
    if not _asked(config):
        return
    config.stash[_CHOSEN] = _taken(config)
    worker = getattr(config, "workerinput", None)
    folder = worker[_SHARED] if worker else tempfile.mkdtemp(prefix="handfast-")
    config.stash[SHARED] = Shared(Path(folder), worker[_DRAWN] if worker else _seed(config), worker is None)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """The workers of pytest-xdist draw the same cases, and meet in one folder."""
    shared = node.config.stash.get(SHARED, None)
    if shared is not None:
        node.workerinput |= {_SHARED: str(shared.folder), _DRAWN: shared.drawn}


def pytest_unconfigure(config: pytest.Config) -> None:
    shared = config.stash.get(SHARED, None)
    if shared is not None and shared.ours:
        shutil.rmtree(shared.folder, ignore_errors=True)


def _asked(config: pytest.Config) -> bool:
    return bool(config.getoption("handfast_url", None) or config.getoption("handfast_target", None))


def _taken(config: pytest.Config) -> list[str]:
    """The arguments that name cases, which pytest would take for files."""
    names = [argument for argument in config.args if argument.partition("::")[0] == NODE and "::" in argument]
    if names:
        config.args[:] = [argument for argument in config.args if argument not in names]
    return [name.partition("::")[2] for name in names]


def _seed(config: pytest.Config) -> int:
    """The seed where none is said: that of the run before where its failures are to be seen again, or a new one."""
    again = config.getoption("lf", False) or config.getoption("failedfirst", False)
    cache = _cache(config)
    kept = cache.get(_SEED, None) if again and cache is not None else None
    return kept if isinstance(kept, int) else random.SystemRandom().randrange(10**6)


def _cache(config: pytest.Config) -> pytest.Cache | None:
    """What pytest remembers between its runs; there is none with `-p no:cacheprovider`."""
    return getattr(config, "cache", None)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The session collects the cases behind whatever else it collects."""
    report = yield
    if isinstance(collector, pytest.Session) and _asked(collector.config) and report.passed:
        from conformance.pytesting.cases import Cases

        chosen: list[str] = collector.config.stash[_CHOSEN]
        collector.config.stash[_CASES] = cases = Cases.of(collector, NODE, chosen)
        report.result = [*report.result, cases]
    return report


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is left after every deselection is what the run is of."""
    cases = session.config.stash.get(_CASES, None)
    if cases is not None:
        cases.choose(session.items)


def pytest_report_header(config: pytest.Config) -> str | None:
    if not _asked(config):
        return None
    said = given(config)
    what = said.get("protocol") or said.get("document") or "a protocol"
    return f"handfast: {what} at {said.get('url') or said['target']}"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What the run came to as a whole, as `handfast check` says it."""
    if not _asked(config):
        return
    from conformance.pytesting.once import told

    run = told(config.stash[SHARED].folder)
    if run is None:
        return
    from conformance.pytesting.telling import closing_words

    cache = _cache(config)
    if cache is not None:
        cache.set(_SEED, run[0]["seed"])
    terminalreporter.section("handfast")
    for line in closing_words(run):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def handfast_check(pytestconfig: pytest.Config) -> Check:
    """Checks a server that a test or a fixture has started: `handfast_check(url, protocol="chat", …)`.

    What the command line says with `--handfast-…` holds where the call says nothing else.
    """
    from conformance.pytesting.checking import Check

    return Check(given(pytestconfig))
