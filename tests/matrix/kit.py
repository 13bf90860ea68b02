"""Starting foreign servers and checking them as a user would: by the command, over a URL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tests.extent import ALL
from tests.matrix.deployments import Deployment

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-the-matrix-that-is-long-enough"
ISSUER, AUDIENCE, ORIGIN = "https://issuer.example", "urn:chat", "https://app.example"

# Quick-test values, an issuer, an audience and origins: with these, every rule that the wire can show applies.
PARAMETERS = {"auth_deadline": "700ms", "auth_rate": "10/2s", "origins": ORIGIN}

SERVERS: Mapping[str, tuple[str, ...]] = {
    "chat_websockets": (sys.executable, "-m", "tests.foreign.chat_websockets.server"),
    "chat_ws": ("node", str(ROOT / "tests/foreign/chat_ws/server.mjs")),
}
_SECRET = ("--secret", "env:MATRIX_SECRET")
REFERENCE = "reference"
"""The reference server, met as any other; it has no faults of its own."""

# What ends the process that is attacked: a run that says so, and no rule.
DEADLY = {"malformed-head-kills"}

# What no client can see: the suite leaves these to hooks and metrics.
UNSEEN = {
    "shutdown-abrupt": "only a shutdown shows it",
    "shutdown-without-close": "only a shutdown shows it",
    "v1-unlogged": "only the server's own log and metrics show it",
}


@frozen
class Fault:
    """One switchable fault: the rules that it breaks, the first of which a report should name.

    `keys` is the kind of deployment that shows it.
    """

    server: str
    name: str
    rules: tuple[str, ...]
    rollout: str
    text: str
    keys: str = "HS256"

    def __str__(self) -> str:
        return f"{self.server}:{self.name}"


@frozen
class Checked:
    """What `handfast check` said: exit code, json report, and what it printed."""

    code: int
    report: Mapping[str, Any]
    output: str = field(repr=False)

    @property
    def broken(self) -> dict[str, tuple[str, ...]]:
        """The cases that failed or warned, with the rules that they name."""
        return {
            case["id"]: tuple(case["rules"]) for case in self.report["cases"] if case["verdict"] in {"fail", "warn"}
        }

    @property
    def unclear(self) -> list[str]:
        """The cases that came to anything but pass, fail or warn.

        Beside other tests a machine may starve one play of a case: what comes and goes is for the whole matrix to find.
        """
        clear = {"pass", "fail", "warn", "not applicable", *(() if ALL else ("flaky",))}
        return [
            f"{case['id']}: {case['verdict']} {case['message']}"
            for case in self.report["cases"]
            if case["verdict"] not in clear
        ]


@frozen
class Trials:
    """A protocol's servers, by their commands, and how they are started and checked.

    `settings` are parameters that servers and suite are both told of, `shared` are flags that both take, and `told`
    those of the suite alone.
    """

    protocol: str
    servers: Mapping[str, tuple[str, ...]]
    settings: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    secrets: Mapping[str, str] = {}

    @contextmanager
    def serving(self, server: str, *more: str) -> Iterator[str]:
        """A server as a process; gives its URL."""
        command = [*self.servers[server], "--port", "0", *_SECRET, *self.shared, *self._set, *more]
        with listening(command, self._environment) as url:
            yield url

    def check(self, url: str, folder: Path, *more: str) -> Checked:
        """`handfast check` as a process of its own."""
        report = folder / "report.json"
        command = [sys.executable, "-m", "spec", "check", url, "--protocol", self.protocol, *_SECRET]
        command += [*self.shared, *self.told, *self._set, *more]
        command += ["--report", f"json:{report}", "--failures", str(folder / "failures")]
        done = subprocess.run(command, cwd=folder, env=self._environment, capture_output=True, text=True, check=False)
        assert report.exists(), done.stdout + done.stderr
        return Checked(done.returncode, json.loads(report.read_text()), done.stdout + done.stderr)

    @property
    def _set(self) -> list[str]:
        return [word for setting in self.settings for word in ("--set", setting)]

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "MATRIX_SECRET": SECRET, **self.secrets}


def faults(server: str) -> list[Fault]:
    """The faults of a foreign server that the wire can show."""
    entries = json.loads((ROOT / "tests/foreign" / server / "faults.json").read_text())
    return [
        Fault(server, entry["name"], tuple(entry["rules"]), entry["rollout"], entry["text"], entry.get("keys", "HS256"))
        for entry in entries
        if entry["name"] not in UNSEEN and entry["name"] not in DEADLY
    ]


@contextmanager
def serving(server: str, rollout: str, fault: str | None = None, keys: Deployment | None = None) -> Iterator[str]:
    """A foreign server as a process; gives its URL."""
    settings = {**PARAMETERS, "rollout": rollout}
    command = [*SERVERS.get(server, (sys.executable, "-m", "spec", "serve", "chat"))]
    given = (keys.reference if server == REFERENCE else keys.foreign) if keys else _SECRET
    command += ["--port", "0", *given]
    if server == REFERENCE:
        command += ["--issuer", ISSUER, "--audience", AUDIENCE]
    else:
        settings |= {"issuer": ISSUER, "audience": AUDIENCE}
    command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    command += ["--fault", fault] if fault else []
    environment = {**os.environ, "MATRIX_SECRET": SECRET}
    with listening(command, environment) as url:
        yield url


@contextmanager
def distant(url: str, seed: int = 0) -> Iterator[str]:
    """The same server by a long way: 100 ms more for a round trip, give or take 20 ms."""
    command = [sys.executable, "-m", "tests.matrix.proxy", "--to", url.removeprefix("ws://"), "--seed", str(seed)]
    with listening(command, dict(os.environ)) as far:
        yield far


@contextmanager
def listening(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """A process that says where it listens; gives its URL."""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on "), f"{command} did not start: {line!r}"
            yield "ws://" + line.removeprefix("listening on ").removeprefix("ws://").strip()
        finally:
            process.kill()


def check(url: str, rollout: str, folder: Path, *more: str, keys: Deployment | None = None) -> Checked:
    """`handfast check` as a process of its own."""
    report = folder / "report.json"
    settings = {**PARAMETERS, "rollout": rollout}
    command = [sys.executable, "-m", "spec", "check", url, "--protocol", "chat"]
    command += [*(keys.suite if keys else _SECRET), "--issuer", ISSUER, "--audience", AUDIENCE]
    command += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    command += ["--report", f"json:{report}", "--failures", str(folder / "failures"), *more]
    environment = {**os.environ, "MATRIX_SECRET": SECRET}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    return Checked(done.returncode, json.loads(report.read_text()), done.stdout + done.stderr)
