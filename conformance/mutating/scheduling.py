"""Trying many mutants at once: one process for each job, which lives as long as there are mutants to try."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from conformance.mutating.deployments import Bench
from conformance.mutating.trying import Trial, Trier
from spec.authoring.mutants import Mutant
from spec.exits import Exit, Stop

__all__ = ["try_all"]

_trier: Trier | None = None
"""What a job's process keeps between mutants: plans and rehearsals take longer to make than most mutants to try."""


def _begin(protocol: str, run: tuple[str, ...], skip: tuple[str, ...]) -> None:
    global _trier
    signal.signal(signal.SIGTERM, lambda number, frame: (_ for _ in ()).throw(KeyboardInterrupt))
    _trier = Trier(Bench(protocol), run, skip)


def _attempt(mutant: Mutant) -> Trial:
    assert _trier is not None
    return _trier.attempt(mutant)


def try_all(
    protocol: str, mutants: Sequence[Mutant], jobs: int, run: tuple[str, ...] = (), skip: tuple[str, ...] = ()
) -> Iterator[Trial]:
    """Try mutants, several at once, with the key of the environment; trials come as they are done."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _begin, (protocol, run, skip))
    try:
        futures = [pool.submit(_attempt, mutant) for mutant in mutants]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        raise Stop(Exit.INTERNAL, "a process that tried mutants ended unexpectedly") from None
    finally:
        # Where this is interrupted, so are the jobs (they are of the same terminal), and each stops its server.
        pool.shutdown(cancel_futures=True)
