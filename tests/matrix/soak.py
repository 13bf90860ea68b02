"""False alarms looked for: many runs against each conformant server while something else keeps a core busy.

A command for people (`make soak RUNS=200`), unattended for as long as it takes. Every run that blames the server, or
stays without a verdict, is an alarm; what failed once and passed alone is told too, and blames nobody. The reports of
both are kept.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

from attrs import frozen

from tests.matrix.kit import REFERENCE, SERVERS, Checked, check, distant, serving

STAGES = ("message", "dual", "legacy")


@contextmanager
def _busy() -> Iterator[None]:
    """Another process that takes all of one core that it can get, where the system lets it choose one."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinner:
        try:
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(spinner.pid, {max(os.sched_getaffinity(0))})
            yield
        finally:
            spinner.kill()


@frozen
class Soaked:
    """One run: how long it took in seconds, what it blamed a conformant server for, and what came and went."""

    seconds: float
    alarms: list[str]
    flaky: list[str]


def _soaked(done: Checked) -> Soaked:
    told: dict[bool, list[str]] = {True: [], False: []}
    for case in done.report["cases"]:
        if case["verdict"] not in {"pass", "not applicable"}:
            text = f"{case['id']}: {case['verdict']} {' '.join(case['rules'][:1])} {case['message']}"
            told[case["verdict"] == "flaky"].append(text)
    if done.report["verdict"] != "conformant":
        told[False].append(f"the run is {done.report['verdict']}: {done.report['reason']}")
    return Soaked(float(done.report["duration_s"]), told[False], told[True])


def _runs(server: str, stage: str, seeds: range, folder: Path, more: list[str], far: bool) -> list[Soaked]:
    """Run against a server of one's own, one seed behind the other."""
    found = []
    with serving(server, stage) as near, distant(near) if far else nullcontext(near) as url:
        for seed in seeds:
            place = folder / f"{server}-{stage}-{seed}"
            place.mkdir(parents=True)
            soaked = _soaked(check(url, stage, place, "--seed", str(seed), *more))
            found.append(soaked)
            if soaked.alarms or soaked.flaky:
                told = [*soaked.alarms, *soaked.flaky][:5]
                print(f"{server} {stage} seed {seed}, kept in {place}", *told, sep="\n  ", flush=True)
            else:
                shutil.rmtree(place)
    return found


def _soak(server: str, arguments: argparse.Namespace, folder: Path, more: list[str]) -> int:
    """Run against one server in each of its stages; gives how many runs raised an alarm."""
    shares = [len(range(stage, arguments.runs, len(STAGES))) for stage in range(len(STAGES))]
    with ThreadPoolExecutor(arguments.at_once) as pool:
        lots = [
            pool.submit(
                _runs,
                *(server, stage, range(first, share, arguments.at_once), folder, more),
                far=arguments.distant,
            )
            for stage, share in zip(STAGES, shares, strict=True)
            for first in range(min(arguments.at_once, share))
        ]
        found = [soaked for lot in lots for soaked in lot.result()]
    alarmed = sum(bool(soaked.alarms) for soaked in found)
    flaky = sum(bool(soaked.flaky) for soaked in found)
    median = statistics.median([soaked.seconds for soaked in found]) if found else 0.0
    print(
        f"{server:<16} {len(found):>4} runs, {alarmed} with an alarm, {flaky} with a flaky case, median {median:.1f} s",
        flush=True,
    )
    return alarmed


def main() -> int:
    """Soak every server; 1 where any run raised an alarm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="how many runs against each server (default: 200)")
    parser.add_argument("--server", action="append", choices=[REFERENCE, *SERVERS], help="only this one (repeatable)")
    parser.add_argument("--distant", action="store_true", help="through a proxy: 100 ms of latency, 20 ms of jitter")
    parser.add_argument("--idle", action="store_true", help="nothing else keeps a core busy")
    parser.add_argument(
        "--at-once", type=int, default=1, help="how many runs, each against a server of its own (default: %(default)s)"
    )
    arguments, more = parser.parse_known_args()
    folder = Path(tempfile.mkdtemp(prefix="handfast-soak-"))
    began = time.monotonic()
    with nullcontext() if arguments.idle else _busy():
        servers = arguments.server or [REFERENCE, *SERVERS]
        alarmed = sum(_soak(server, arguments, folder, more) for server in servers)
    print(f"{alarmed} runs with an alarm, in {time.monotonic() - began:.0f} s")
    return 1 if alarmed else 0


if __name__ == "__main__":
    sys.exit(main())
