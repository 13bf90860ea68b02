"""The command as a process: exit codes, what is said, and what is written, whatever happens to it."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from conformance.verdicts import VERDICTS
from tests.matrix.kit import ROOT, SECRET, serving
from tests.matrix.kit import check as checked

OTHER_SECRET = "another-secret-that-is-not-the-servers-own"
QUICK = ("--set", "auth_deadline=700ms")
PATIENCE = 120.0
"""Seconds after which a process that should have ended is killed, and its test fails."""


@frozen
class Ended:
    """A process that has ended."""

    code: int
    out: str = field(repr=False)
    err: str = field(repr=False)

    @property
    def said(self) -> str:
        return self.out + self.err


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HANDFAST_")}
    return {**kept, "SERVER_SECRET": SECRET, "OTHER_SECRET": OTHER_SECRET, "COLUMNS": "120", **more}


def handfast(folder: Path, *words: str) -> Ended:
    """Run the command in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "spec", *words],
        cwd=folder,
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def reference(*words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The reference server as a process; gives its URL and itself."""
    command = [sys.executable, "-m", "spec", "serve", "chat", "--port", "0", "--secret", "env:SERVER_SECRET", *words]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            assert line.startswith("listening on "), line
            yield line.removeprefix("listening on ").strip(), server
        finally:
            server.kill()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """One reference server for all tests that leave it as it is."""
    with reference(*QUICK) as (address, _):
        yield address


def report(path: Path) -> Mapping[str, Any]:
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


def one_clear_line(ended: Ended) -> str:
    """The first line of what is said of a failure; behind it stands at most a hint."""
    lines = ended.err.splitlines()
    assert 1 <= len(lines) <= 2, ended.err
    assert lines[0].startswith("handfast: ")
    return lines[0]


# ------------------------------------------------------------------------------------------------ no such target


def test_where_nothing_listens(tmp_path: Path) -> None:
    """The target is unreachable; the reports say so and blame nobody."""
    words = ("--report", "json:r.json", "--report", "jsonl:r.jsonl", "--report", "terminal:r.txt")
    ended = handfast(
        tmp_path, "check", "ws://127.0.0.1:1", "--protocol", "chat", "--secret", "env:SERVER_SECRET", *words
    )

    assert ended.code == 3
    assert one_clear_line(ended) == "handfast: ws://127.0.0.1:1 cannot be reached: Connection refused"
    found = report(tmp_path / "r.json")
    assert (found["verdict"], found["complete"], found["cases"]) == ("error", False, [])
    assert "cannot be reached" in found["reason"]
    assert json.loads((tmp_path / "r.jsonl").read_text().splitlines()[-1])["event"] == "footer"
    assert "verdict: error" in (tmp_path / "r.txt").read_text()


def test_a_host_that_has_no_address(tmp_path: Path) -> None:
    """A name that cannot be found is unreachable too (RFC 6761 section 6.4: `invalid` never exists)."""
    # From one address only, a run is refused unless the rate per address allows for it.
    words = ("--protocol", "chat", "--set", "auth_rate=100000/60s")
    ended = handfast(tmp_path, "check", "ws://handfast.invalid", *words)

    assert ended.code == 3
    assert "ws://handfast.invalid:80 cannot be reached" in one_clear_line(ended)


@contextmanager
def plain_http() -> Iterator[str]:
    """A web server that knows nothing of WebSocket."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_web_server_that_is_no_websocket_server(tmp_path: Path) -> None:
    """It is told what it answered, and where the protocol's path belongs."""
    with plain_http() as address:
        ended = handfast(
            tmp_path,
            *("check", address, "--protocol", "chat", "--secret", "env:SERVER_SECRET", "--report", "json:r.json"),
        )

    assert ended.code == 3
    assert "is no server of chat: no upgrade was accepted (answers: 200 hello)" in one_clear_line(ended)
    assert "/v1/chat/{recipe_id}" in ended.err
    assert report(tmp_path / "r.json")["cases"] == []


def test_a_server_that_serves_other_versions(tmp_path: Path) -> None:
    """A legacy server, checked as if it served version 2: the hint names the parameter to tell."""
    with reference("--set", "rollout=legacy") as (address, _):
        ended = handfast(tmp_path, "check", address, "--protocol", "chat", "--secret", "env:SERVER_SECRET")

    assert ended.code == 3
    assert "--set rollout=legacy" in ended.err


def test_a_wrong_secret_blames_no_case(url: str, tmp_path: Path) -> None:
    """The run stops before its first case: fifty failures would say less than this one line."""
    words = ("--secret", "env:OTHER_SECRET", "--report", "json:r.json", "--report", "jsonl:r.jsonl")
    ended = handfast(tmp_path, "check", url, "--protocol", "chat", *QUICK, *words)

    assert ended.code == 2
    assert "refuses our tokens (TOKEN_INVALID)" in one_clear_line(ended)
    found = report(tmp_path / "r.json")
    assert (found["verdict"], found["complete"], found["cases"]) == ("error", False, [])
    assert "refuses our tokens" in found["reason"]
    assert not (tmp_path / "handfast-failures").exists()
    everything = ended.said + "".join(path.read_text() for path in tmp_path.iterdir())
    assert OTHER_SECRET not in everything


# ---------------------------------------------------------------------------------------------------------- usage

CHECK = ("check", "ws://127.0.0.1:1", "--protocol", "chat")

# What is typed -> what is said; `hunter2` stands for what may be a secret.
MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (("chek",), "did you mean `handfast check`?"),
    (("xyzzy-77",), "see `handfast --help`"),
    (("check", "--protocl", "chat"), "did you mean `--protocol`?"),
    ((*CHECK, "--secrt", "hunter2"), "there is no flag `--secrt`\n  did you mean `--secret`?"),
    ((*CHECK, "--secrt=hunter2"), "there is no flag `--secrt`\n  did you mean `--secret`?"),
    ((*CHECK, "--secret", "hunter2"), "a secret is never an argument: write env:NAME or file:PATH"),
    ((*CHECK, "--token=hunter2"), "a secret is never an argument: write env:NAME or file:PATH"),
    ((*CHECK, "--seed", "hunter2"), "argument --seed: invalid int value"),
    ((*CHECK, "hunter2"), "there are more arguments than expected"),
    ((*CHECK, "--secret"), "argument --secret: expected one argument"),
    ((*CHECK, "--level", "smok"), "'smoke'"),
    ((*CHECK, "--set", "auth_deadlin=1s"), "did you mean `auth_deadline`?"),
    ((*CHECK, "--set", "rollout=dula"), "did you mean `dual`?"),
    ((*CHECK, "--run", "openin/**"), "no case matches `openin/**`\n  did you mean `opening`?"),
    ((*CHECK, "--skip", "timer"), "no case matches `timer`\n  did you mean `timers`?"),
    ((*CHECK, "--report", "jsn:x"), "there is no report of kind `jsn`\n  did you mean `json`?"),
    ((*CHECK, "--report", "json"), "write `--report json:PATH`"),
    ((*CHECK, "--target", "none.toml"), "none.toml: No such file"),
    (("check", "ws://127.0.0.1:1", "--protocol", "chta"), "there is no protocol `chta` (did you mean `chat`?)"),
    (("check", "ws://127.0.0.1:1"), "which protocol?"),
    (("check", "--protocol", "chat"), "which target?"),
    (("check", "http://127.0.0.1:1", "--protocol", "chat"), "is no ws:// or wss:// URL"),
    (("check", "http://me:hunter2@127.0.0.1:1", "--protocol", "chat"), "is no ws:// or wss:// URL"),
    (("list", "chta"), "did you mean `chat`?"),
    (("list", "--cass"), "did you mean `--cases`?"),
    (("explain", "CHAT-AUTH-44"), "did you mean `CHAT-AUTH-4`?"),
    (("explain",), "the following arguments are required: RULE"),
    (("report", "none.jsonl"), "No such file"),
    (("report", "none.jsonl", "--as", "jsn"), "did you mean `json`?"),
    (("replay", "none.json"), "No such file"),
    (("demo", "chta"), "did you mean `chat`?"),
    (("demo", "--set", "auth_deadlin=1s"), "did you mean `auth_deadline`?"),
    (("serve", "chta"), "chta"),
]


@pytest.mark.parametrize(
    ("words", "said"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_what_is_mistyped_is_told(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """With the nearest name or what to write; on standard error, without a traceback, and without quoting secrets."""
    ended = handfast(tmp_path, *words)

    assert ended.code == 2
    assert said in ended.err
    assert "hunter2" not in ended.said
    assert ended.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_nothing_left(tmp_path: Path) -> None:
    """Filters that match and yet leave nothing have their own exit code; nothing is executed."""
    ended = handfast(tmp_path, *CHECK, "--run", "opening", "--skip", "opening")

    assert ended.code == 4
    assert "no case is left to run" in ended.err


COMMANDS = ("serve", "demo", "check", "list", "explain", "replay", "report")


def test_the_overview_names_every_command_and_exit_code(tmp_path: Path) -> None:
    """With a line for each; without arguments it is a usage error that says the same."""
    ended = handfast(tmp_path, "--help")

    assert ended.code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\S", ended.out, re.M), name
    for code in (0, 1, 2, 3, 4, 5, 130):
        assert re.search(rf"^  {code} +\S", ended.out, re.M), code
    bare = handfast(tmp_path)
    assert (bare.code, bare.out) == (2, ended.out)
    assert handfast(tmp_path, "--version").out.startswith("handfast ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    """Which says what it does and names its flags."""
    ended = handfast(tmp_path, command, "--help")

    assert ended.code == 0
    assert ended.out.startswith(f"usage: handfast {command}")
    assert "--help" in ended.out


# ------------------------------------------------------------------------------------------- lists, explanations


def test_protocols_rules_parameters_and_cases_are_listed(tmp_path: Path) -> None:
    """Each on a line of its own, the cases with the rules that they are about."""
    assert re.search(r"^chat +version 2 ", handfast(tmp_path, "list").out, re.M)
    rules = handfast(tmp_path, "list", "chat").out.splitlines()
    assert [line.split()[0] for line in rules].count("CHAT-AUTH-4") == 1
    assert any(line.startswith("ALL-CLOSE-1 ") for line in rules)
    parameters = handfast(tmp_path, "list", "chat", "--parameters").out
    assert re.search(r"^auth_deadline +5s ", parameters, re.M)
    cases = handfast(tmp_path, "list", "chat", "--cases").out.splitlines()
    assert len(cases) > 500
    assert all(re.fullmatch(r"[a-z]+/\S+  (\S+ ?)+", line) for line in cases)


def test_what_would_run_is_listed_without_a_target(tmp_path: Path) -> None:
    """`check --list` needs no server, takes filters and levels, and runs nothing."""
    every = handfast(tmp_path, *CHECK, "--list").out.splitlines()
    smoke = handfast(tmp_path, *CHECK, "--list", "--level", "smoke").out.splitlines()
    some = handfast(tmp_path, "check", "--protocol", "chat", "--list", "--run", "opening/**").out.splitlines()

    assert 0 < len(smoke) < len(every)
    assert some
    assert {line.partition("/")[0] for line in some} == {"opening"}
    assert set(some) < set(every)
    assert list(tmp_path.iterdir()) == []


def test_a_rule_is_explained(tmp_path: Path) -> None:
    """Its text, where it applies, where it sits in the document, and what tests it; the letter case is free."""
    ended = handfast(tmp_path, "explain", "CHAT-AUTH-4")

    assert ended.code == 0
    assert "CHAT-AUTH-4 MUST (chat 2)" in ended.out
    assert "`AUTH_TIMEOUT`" in ended.out
    assert "rollout dual or message" in ended.out
    place = re.search(r"(\S+v2\.yaml):(\d+)  /connection/states/authenticating/timers/auth_deadline", ended.out)
    assert place is not None
    lines = (ROOT / place[1]).read_text().splitlines()
    assert "CHAT-AUTH-4" in "".join(lines[int(place[2]) - 1 : int(place[2]) + 3])
    assert "timers/authenticating/auth_deadline" in ended.out
    assert handfast(tmp_path, "explain", "chat-auth-4").out == ended.out


# ---------------------------------------------------------------------------------------------------------- runs


def test_a_conformant_server(url: str, tmp_path: Path) -> None:
    """Exit code 0, and every kind of report says the same."""
    words = ("--report", "json:deep/r.json", "--report", "jsonl:r.jsonl", "--report", "terminal:r.txt", "--seed", "7")
    ended = handfast(
        tmp_path,
        *("check", url, "--protocol", "chat", "--secret", "env:SERVER_SECRET", *QUICK, "--run", "opening/**", *words),
    )

    assert ended.code == 0, ended.said
    found = report(tmp_path / "deep" / "r.json")
    assert (found["verdict"], found["complete"], found["seed"]) == ("conformant", True, 7)
    assert {case["family"] for case in found["cases"]} == {"opening"}
    assert found["counts"] == {**dict.fromkeys(VERDICTS, 0), "pass": len(found["cases"])}
    assert found["parameters"]["auth_deadline"] == "700ms"
    assert "CHAT-OPEN-1" in found["coverage"]["rules"]["reached"]
    assert "verdict: conformant" in ended.out
    assert "a minting key" in ended.out
    for kind, path in (("json", "deep/r.json"), ("terminal", "r.txt"), ("jsonl", "r.jsonl")):
        again = handfast(tmp_path, "report", "r.jsonl", "--as", kind)
        assert (again.code, again.out) == (0, (tmp_path / path).read_text())
    assert not (tmp_path / "handfast-failures").exists()


def test_a_url_alone_runs_what_it_can(url: str, tmp_path: Path) -> None:
    """Without a secret the first lines say which tier was reached; the rest is not applicable, and the run is green."""
    ended = handfast(tmp_path, "check", url, "--protocol", "chat", *QUICK, "--report", "json:r.json")

    assert ended.code == 0, ended.said
    assert "the URL alone" in "\n".join(ended.out.splitlines()[:3])
    found = report(tmp_path / "r.json")
    assert (found["verdict"], found["tier"]) == ("conformant", "nothing")
    assert found["counts"]["pass"] > 100
    assert found["counts"]["not applicable"] > 100
    assert found["counts"]["pass"] + found["counts"]["not applicable"] == len(found["cases"])
    families = {case["family"] for case in found["cases"] if case["verdict"] == "pass"}
    assert {"opening", "messages", "timers", "tokens", "closing"} <= families
    assert "CHAT-AUTH-4" in found["coverage"]["rules"]["reached"]
    assert "CHAT-MSG-2" in found["coverage"]["rules"]["not applicable"]


def test_a_url_alone_of_a_server_that_lets_nobody_in_without_a_token(tmp_path: Path) -> None:
    """A legacy server refuses whoever has none: that shows it, and how it refuses is checked."""
    with reference("--set", "rollout=legacy") as (address, _):
        ended = handfast(
            tmp_path, "check", address, "--protocol", "chat", "--set", "rollout=legacy", "--report", "json:r.json"
        )

    assert ended.code == 0, ended.said
    found = report(tmp_path / "r.json")
    assert "CHAT-LEG-1" in found["coverage"]["rules"]["reached"]
    assert found["counts"]["pass"] > 50


def test_a_target_file_says_it_all(url: str, tmp_path: Path) -> None:
    """The URL, the protocol, the parameters, the secret and what to run: `handfast check` is enough."""
    (tmp_path / "handfast.toml").write_text(
        f"[target]\nurl = {url!r}\nprotocol = 'chat'\n[parameters]\nauth_deadline = '700ms'\n"
        "[tokens]\nsecret = 'env:SERVER_SECRET'\n[run]\nlevel = 'smoke'\nrun = ['opening', 'rooms']\n"
    )
    ended = handfast(tmp_path, "check", "--report", "json:r.json")

    assert ended.code == 0, ended.said
    found = report(tmp_path / "r.json")
    assert (found["level"], found["tier"], found["target"]) == ("smoke", "mint", url)
    assert {case["family"] for case in found["cases"]} <= {"opening", "rooms"}


def test_a_faulty_server_and_the_replay_of_its_failure(tmp_path: Path) -> None:
    """Exit code 1, by the rule that is broken; the saved failure fails again, and is fixed on a conformant server."""
    with serving("chat_websockets", "message", "refusal-not-json") as address:
        found = checked(address, "message", tmp_path, "--run", "opening/**")

        assert found.code == 1
        assert found.report["verdict"] == "nonconformant"
        failed = [case for case in found.report["cases"] if case["verdict"] == "fail"]
        assert failed
        assert "FAIL CHAT-OPEN-5" in found.output
        assert {case["rules"][0] for case in failed} <= {"CHAT-OPEN-5", "ALL-HTTP-1"}
        saved = tmp_path / failed[0]["failure_file"]
        assert saved.exists()
        assert f"handfast replay {failed[0]['failure_file']}" in found.output
        again = handfast(tmp_path, "replay", str(saved), "--secret", "env:SERVER_SECRET")

    assert again.code == 1, again.said
    assert "replay: failed" in again.out
    assert f"was: {failed[0]['rules'][0]}" in again.out
    assert f"now: {failed[0]['rules'][0]}" in again.out
    with serving("chat_websockets", "message") as address:
        fixed = handfast(tmp_path, "replay", str(saved), "--url", address, "--secret", "env:SERVER_SECRET")

    assert fixed.code == 0, fixed.said
    assert "replay: fixed" in fixed.out
    gone = handfast(tmp_path, "replay", str(saved), "--secret", "env:SERVER_SECRET")
    assert gone.code == 3
    assert "cannot be reached" in gone.err


def test_no_token_and_no_secret_is_in_anything_that_is_written(tmp_path: Path) -> None:
    """Even where the server throws every token back: output, reports, and the files of failures."""
    with serving("chat_websockets", "message", "token-echoed") as address:
        found = checked(address, "message", tmp_path, "--run", "tokens", "--report", "jsonl:r.jsonl")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    everything = found.output + "".join(path.read_text() for path in files)

    assert found.code == 1
    assert "ALL-LEAK-1" in found.output
    assert any(path.parent.name == "failures" for path in files)
    assert "<token" in everything
    # Every header of a token that says `alg` first begins so, and nothing else does.
    assert "eyJ" not in everything
    assert SECRET not in everything


def test_fail_fast_stops_early(tmp_path: Path) -> None:
    """At the first failure, beside which at most those stand that were just then coming to an end."""
    with serving("chat_websockets", "message", "expired-as-invalid") as address:
        found = checked(address, "message", tmp_path, "--run", "tokens", "--fail-fast")

    assert found.code == 1
    assert 1 <= len(found.broken) <= 16
    whole = handfast(tmp_path, *CHECK, "--list", "--run", "tokens").out.splitlines()
    assert len(found.report["cases"]) < len(whole)


# -------------------------------------------------------------------------------------------------- interruptions


class Watched:
    """A run whose stream is read as it comes, through a pipe that has a name."""

    def __init__(self, folder: Path, address: str, *words: str) -> None:
        self.folder = folder
        pipe = folder / "stream"
        os.mkfifo(pipe)
        command = [sys.executable, "-m", "spec", "check", address, "--protocol", "chat", *QUICK]
        command += ["--secret", "env:SERVER_SECRET", "--report", "json:r.json", "--report", f"jsonl:{pipe}", *words]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(PYTHONPATH=str(ROOT)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._stream = pipe.open()
        self.events: list[dict[str, Any]] = []

    def until_cases(self, count: int) -> None:
        """Read until so many cases are done."""
        while sum(event["event"] == "case" for event in self.events) < count:
            line = self._stream.readline()
            assert line, "the run ended before that"
            self.events.append(json.loads(line))

    def ended(self) -> Ended:
        """Read to the end; the stream is kept in a file."""
        with self._stream:
            self.events += [json.loads(line) for line in self._stream]
        (self.folder / "r.jsonl").write_text("".join(json.dumps(event) + "\n" for event in self.events))
        out, _ = self.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in out, out
        return Ended(self.process.returncode, out, "")

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def test_a_run_that_is_interrupted(url: str, tmp_path: Path) -> None:
    """130; what was found until then is in every report, which all say that they are not the whole."""
    with Watched(tmp_path, url) as run:
        run.until_cases(5)
        run.process.send_signal(signal.SIGINT)
        ended = run.ended()

    assert ended.code == 130
    found = report(tmp_path / "r.json")
    assert found["complete"] is False
    assert found["verdict"] != "conformant"
    assert 5 <= len(found["cases"]) < run.events[0]["cases"]
    assert re.fullmatch(r"interrupted: \d+ of \d+ cases were run", found["reason"])
    footer = run.events[-1]
    assert (footer["event"], footer["complete"], footer["verdict"]) == ("footer", False, found["verdict"])
    assert "partial: interrupted" in ended.out
    assert json.loads(handfast(tmp_path, "report", "r.jsonl", "--as", "json").out) == found


@contextmanager
def silent() -> Iterator[tuple[str, socket.socket]]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}", listener


def test_an_interruption_before_the_first_case(tmp_path: Path) -> None:
    """While it is still found out whether anybody is there: 130 as well, and never the code of a failed run."""
    with silent() as (address, listener), Watched(tmp_path, address) as run:
        caller, _ = listener.accept()
        with caller:
            assert caller.recv(3) == b"GET"
            run.process.send_signal(signal.SIGINT)
            ended = run.ended()

    assert ended.code == 130, ended.out
    found = report(tmp_path / "r.json")
    assert (found["complete"], found["cases"]) == (False, [])
    assert found["reason"].startswith("interrupted: 0 of ")
    assert run.events[-1]["event"] == "footer"


def test_an_interrupted_replay(tmp_path: Path) -> None:
    """130, and nothing more."""
    with serving("chat_websockets", "message", "refusal-not-json") as address:
        found = checked(address, "message", tmp_path, "--run", "opening/path")
    saved = next(case["failure_file"] for case in found.report["cases"] if "failure_file" in case)
    with silent() as (address, listener):
        command = [sys.executable, "-m", "spec", "replay", saved, "--url", address, "--secret", "env:SERVER_SECRET"]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(ROOT)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            caller, _ = listener.accept()
            with caller:
                assert caller.recv(3) == b"GET"
                process.send_signal(signal.SIGINT)
                said, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130, said
    assert "Traceback" not in said


def test_a_run_that_is_interrupted_twice(url: str, tmp_path: Path) -> None:
    """Whoever presses the keys again gets no traceback either, and at most a shorter report."""
    with Watched(tmp_path, url) as run:
        run.until_cases(5)
        run.process.send_signal(signal.SIGINT)
        run.process.send_signal(signal.SIGINT)
        ended = run.ended()

    assert ended.code == 130


def test_a_run_that_is_killed_leaves_a_stream_that_can_be_read(url: str, tmp_path: Path) -> None:
    """Without a footer: every report made of it says that the run was cut off."""
    with Watched(tmp_path, url) as run:
        run.until_cases(5)
        run.process.kill()
        ended = run.ended()

    assert ended.code == -signal.SIGKILL
    made = handfast(tmp_path, "report", "r.jsonl", "--as", "json")
    found = json.loads(made.out)
    assert made.code == 0
    assert (found["verdict"], found["complete"]) == ("error", False)
    assert "cut off" in found["reason"]
    assert len(found["cases"]) >= 5
    assert "this run was cut off" in handfast(tmp_path, "report", "r.jsonl").out


def test_a_target_that_dies_midway(tmp_path: Path) -> None:
    """3; what was found until then is reported, and nothing is blamed on what was under way."""
    with reference(*QUICK) as (address, server), Watched(tmp_path, address) as run:
        run.until_cases(5)
        server.kill()
        server.wait()
        ended = run.ended()

    assert ended.code == 3, ended.out
    found = report(tmp_path / "r.json")
    assert found["complete"] is False
    assert found["verdict"] == "error"
    assert "the target died" in found["reason"]
    assert "partial: the target died" in ended.out
    assert 5 <= found["counts"]["pass"] < run.events[0]["cases"]
    assert (found["counts"]["fail"], found["counts"]["warn"]) == (0, 0), ended.out


# ------------------------------------------------------------------------------------------------------------ demo


def test_the_demonstration_needs_nothing(tmp_path: Path) -> None:
    """It starts a server, checks it and stops it; the first thing that a newcomer runs is green."""
    words = ("--set", "auth_deadline=700ms", "--set", "auth_rate=10/2s")
    ended = handfast(tmp_path, "demo", *words)

    assert ended.code == 0, ended.said
    assert "starting: handfast serve chat --port 0" in ended.out
    assert "verdict: conformant" in ended.out
    assert not (tmp_path / "handfast-failures").exists()


# ------------------------------------------------------------------------------------------------ faults of ours

_FAULT = """
import conformance.arranging

def fault(*_, **__):
    raise RuntimeError("a fault that was planted")

conformance.arranging.arrange = fault
"""


def test_a_fault_of_our_own_is_not_the_servers(tmp_path: Path) -> None:
    """It has a code of its own, and no traceback; a gate says so of the target that it was to check."""
    (tmp_path / "sitecustomize.py").write_text(_FAULT)
    (tmp_path / "gate.toml").write_text(
        '[documents]\nnew = "chat"\n[[target]]\nname = "eu"\nurl = "ws://127.0.0.1:1"\n'
    )
    for words, told in (
        (("check", "ws://127.0.0.1:1", "--protocol", "chat"), "internal error: RuntimeError: a fault that was planted"),
        (("gate", "gate.toml"), "eu could not be checked, by a fault of handfast"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "spec", *words],
            cwd=tmp_path,
            env=environment(PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}"),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 5, done.stdout + done.stderr
        assert told in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


# ------------------------------------------------------------------------------------------------------ watching


def test_a_watch_runs_again_when_the_server_and_the_document_change(tmp_path: Path) -> None:
    """A server started anew shows what is broken now; a document that asks for less makes it pass again."""
    document = tmp_path / "chat.yaml"
    text = (ROOT / "spec/protocols/chat/v2.yaml").read_text().replace("../common.yaml", "handfast:common.yaml")
    document.write_text(text)
    chosen = ("--run", "opening", "--level", "smoke", "--shrink", "0", *QUICK)
    command = [sys.executable, "-m", "spec", "check", "--watch", "--document", "chat.yaml", *chosen]
    with ExitStack() as stack:
        address, server = stack.enter_context(reference(*QUICK))
        watching = stack.enter_context(
            subprocess.Popen(
                [*command, address, "--secret", "env:SERVER_SECRET"],
                cwd=tmp_path,
                env=environment(PYTHONPATH=str(ROOT)),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        stack.callback(watching.kill)

        def until(words: str) -> list[str]:
            assert watching.stdout is not None
            lines = []
            for line in watching.stdout:
                lines.append(line)
                if words in line:
                    return lines
            raise AssertionError("".join(lines))

        first = until("watching ws://")
        server.kill()
        server.wait()
        port = address.rpartition(":")[2]
        stack.enter_context(reference(*QUICK, "--port", port, "--set", "rollout=dual"))
        until("the server was started anew: running again")
        broken = until("watching ws://")
        document.write_text(text.replace("\nrules:\n", "\n# nothing new\nrules:\n"))
        until("chat.yaml changed: running again")
        same = until("watching ws://")
        watching.send_signal(signal.SIGINT)
        rest, _ = watching.communicate(timeout=PATIENCE)

    assert any("verdict: conformant" in line for line in first), first
    [since] = [line for line in broken if line.startswith("since the last run: ")]
    assert re.search(r"\d+ new failure", since)
    assert any(line.startswith("  new    CHAT-") for line in broken), broken
    assert any("since the last run: nothing changed" in line for line in same), same
    assert watching.returncode == 130
    assert "Traceback" not in rest
