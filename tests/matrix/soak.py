"""False alarms looked for: many runs against each conformant server while something else keeps a core busy.

A command for people (`make soak RUNS=200`), unattended for as long as it takes. Every run that says anything but
`conformant` is told with its cases, and its report is kept.
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
from contextlib import contextmanager, nullcontext
from pathlib import Path

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


def _alarms(done: Checked) -> list[str]:
    """What a run said of a conformant server that is not so."""
    told = [
        f"{case['id']}: {case['verdict']} {' '.join(case['rules'][:1])} {case['message']}"
        for case in done.report["cases"]
        if case["verdict"] not in {"pass", "not applicable"}
    ]
    if done.report["verdict"] != "conformant" and not told:
        told.append(f"the run is {done.report['verdict']}: {done.report['reason']}")
    return told


def _soak(server: str, runs: int, folder: Path, more: list[str], *, far: bool) -> int:
    """Run against one server, its stages in turn; gives how many runs raised an alarm."""
    alarmed = 0
    took: list[float] = []
    for stage in STAGES:
        share = runs // len(STAGES) + (STAGES.index(stage) < runs % len(STAGES))
        with serving(server, stage) as near, distant(near) if far else nullcontext(near) as url:
            for number in range(share):
                place = folder / f"{server}-{stage}-{number}"
                place.mkdir(parents=True)
                done = check(url, stage, place, "--seed", str(number), *more)
                took.append(float(done.report["duration_s"]))
                alarms = _alarms(done)
                alarmed += bool(alarms)
                if alarms:
                    print(f"{server} {stage} seed {number}, kept in {place}", *alarms[:5], sep="\n  ", flush=True)
                else:
                    shutil.rmtree(place)
    median = statistics.median(took) if took else 0.0
    print(f"{server:<16} {len(took):>4} runs, {alarmed} with an alarm, median {median:.1f} s", flush=True)
    return alarmed


def main() -> int:
    """Soak every server; 1 where any run raised an alarm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="how many runs against each server (default: 200)")
    parser.add_argument("--server", action="append", choices=[REFERENCE, *SERVERS], help="only this one (repeatable)")
    parser.add_argument("--distant", action="store_true", help="through a proxy: 100 ms of latency, 20 ms of jitter")
    parser.add_argument("--idle", action="store_true", help="nothing else keeps a core busy")
    arguments, more = parser.parse_known_args()
    folder = Path(tempfile.mkdtemp(prefix="handfast-soak-"))
    began = time.monotonic()
    with nullcontext() if arguments.idle else _busy():
        servers = arguments.server or [REFERENCE, *SERVERS]
        alarmed = sum(_soak(server, arguments.runs, folder, more, far=arguments.distant) for server in servers)
    print(f"{alarmed} runs with an alarm, in {time.monotonic() - began:.0f} s")
    return 1 if alarmed else 0


if __name__ == "__main__":
    sys.exit(main())
