"""The plugin of pytest, as pytest runs it: against a server that keeps a small protocol, and one that does not."""

from __future__ import annotations

import argparse
import importlib
import re
import threading
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing

from conformance.commands.check import CHECK
from conformance.families import messages, opening
from conformance.pytesting.flags import FLAGS, MISSING
from conformance.pytesting.once import Once, told
from conformance.reporting.jsonl import encode_event
from conformance.session import Prepared, Report, Session, prepare
from conformance.testing import Handler, NotConformant, handfast_check, handfast_check_async
from reference_server.server import open_server
from spec.compiling import load
from spec.exits import Exit, Stop
from spec.tokens import foreign_keys
from tests.extent import ALL
from tests.unit_conformance.kit import SECRET
from tests.unit_conformance.orders import BROKEN, mount, serving, written

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "no:handfast", "-p", "conformance.pytesting.plugin", "-p", "no:cacheprovider")
FEW = (
    "--handfast-level=smoke",
    "--handfast-examples=0",
    "--handfast-run=messages/**",
    "--handfast-run=opening/**",
    "--handfast-shrink=0",
)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return written(tmp_path_factory.mktemp("documents"))


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """pytester forgets the modules that a run imports first, and some cannot be imported twice."""
    for name in ("conformance.pytesting.cases", "conformance.pytesting.checking", "conformance.generation"):
        importlib.import_module(name)
    foreign_keys("RS256")


@pytest.fixture(scope="module")
def urls(documents: Mapping[str, Path]) -> Iterator[Mapping[str, str]]:
    with serving(documents) as found:
        yield found


@pytest.fixture
def run(
    pytester: pytest.Pytester, urls: Mapping[str, str], documents: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Run pytest against one of the servers with more arguments."""
    monkeypatch.setenv("COLUMNS", "250")
    # Planning every family takes longer than playing what these tests choose.
    monkeypatch.setattr("conformance.session.all_cases", lambda plan: chain(messages.cases(plan), opening.cases(plan)))

    def run(server: str, *more: str, few: tuple[str, ...] = FEW) -> pytest.RunResult:
        target = [f"--handfast-url={urls.get(server, server)}", f"--handfast-document={documents['good']}"]
        plugin = PLUGIN if "--lf" not in more else PLUGIN[:4]
        return pytester.runpytest_inprocess(*plugin, *target, "--handfast-secret=env:ORDERS_SECRET", *few, *more)

    return run


def ids(result: pytest.RunResult, word: str) -> set[str]:
    """The tests that `-rA` lists under a word."""
    return {line.split()[1] for line in result.outlines if line.startswith(f"{word} handfast::")}


# ----------------------------------------------------------------------------------------------------- as tests


def test_every_case_of_a_good_server_passes(run: Any) -> None:
    """Each is a test with the identifier of its case; so is what the run is to be as a whole."""
    result = run("good", "-rA")

    assert result.ret == pytest.ExitCode.OK
    passed = ids(result, "PASSED")
    assert {f"handfast::{BROKEN}", "handfast::(run)"} <= passed
    result.assert_outcomes(passed=len(passed))
    result.stdout.fnmatch_lines(["*=== handfast ===*", "*verdict: conformant"])


def test_a_failure_shows_the_rule_the_exchange_and_the_replay(run: Any, pytester: pytest.Pytester) -> None:
    """As the report for a terminal does, and without a traceback of ours; no token is in it."""
    result = run("broken", "--handfast-report=jsonl:run.jsonl", "--handfast-shrink=10")
    told = result.stdout.str()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            f"*_ case {BROKEN} _*",
            "ORDERS-AUTH-2 MUST: *1011*1008*",
            "  Any other first message is answered `AUTH_REQUIRED`, then closed.",
            "*ana*GET /orders/handfast-*",
            "*ana*close 1011*",
            "    replay: handfast replay *handfast-failures*.json --secret env:NAME",
            "*verdict: nonconformant",
            f"FAILED handfast::{BROKEN} - *ORDERS-AUTH-2*",
        ]
    )
    assert not {"Traceback", "eyJ", SECRET, ".py:"} & {
        word for word in ("Traceback", "eyJ", SECRET, ".py:") if word in told
    }
    assert len((pytester.path / "run.jsonl").read_text().splitlines()) > 10


def test_cases_are_chosen_as_tests_are(run: Any) -> None:
    """By `-k` over identifiers and rules, and by their names; only what is chosen is played."""
    by_rule = run("good", "-rA", "-k", "ORDERS-AUTH-2 and id-shortest")
    by_name = run("good", "-rA", f"handfast::{BROKEN}")
    unknown = run("good", "handfast::messages/nobody")

    assert ids(by_rule, "PASSED") == {"handfast::messages/say/authenticating/valid/id-shortest"}
    by_rule.stdout.fnmatch_lines(["1 of 1 cases in *"])
    assert ids(by_name, "PASSED") == {f"handfast::{BROKEN}"}
    assert unknown.ret == pytest.ExitCode.INTERRUPTED
    unknown.stdout.fnmatch_lines(["*there is no case `messages/nobody`*"])


def test_what_failed_last_is_played_again(run: Any) -> None:
    """`--lf` finds them by their identifiers, and draws as the run before did."""
    chosen = f"--handfast-run={BROKEN}"
    drawn = FEW[0], "--handfast-examples=1", chosen, "--handfast-run=bodies/**", "--handfast-shrink=0"
    first = run("broken", "--lf", "-rA", few=drawn)
    again = run("broken", "--lf", "-rA", few=(*drawn, "--handfast-failures=elsewhere"))

    failed = ids(first, "FAILED")
    assert {one.split("/")[0] for one in failed} == {"handfast::messages", "handfast::bodies"}
    assert (ids(again, "FAILED"), ids(again, "PASSED")) == (failed, set())
    seeds = [re.findall(r"seed (\d+)", result.stdout.str()) for result in (first, again)]
    assert seeds[0] == seeds[1] != []


def test_a_baseline_is_honoured(run: Any, pytester: pytest.Pytester) -> None:
    """What is known is expected to fail; what passes all the same fails, and so does an entry that matches nothing."""
    (pytester.path / "known.toml").write_text('[[known]]\nrule = "ORDERS-AUTH-2"\nreason = "ticket 7"\n')
    (pytester.path / "stale.toml").write_text(f'[[known]]\ncase = "{BROKEN}"\nreason = "ticket 8"\n')
    known = run("broken", "-rA", "--handfast-baseline=known.toml")
    everything = FEW[0], FEW[1], f"--handfast-run={BROKEN}", "--handfast-failures=none"
    stale = run("good", "-rA", "--handfast-baseline=stale.toml", few=everything)

    assert known.ret == pytest.ExitCode.OK
    assert f"handfast::{BROKEN}" in ids(known, "XFAIL")
    known.stdout.fnmatch_lines(["XFAIL *ticket 7*"])
    assert stale.ret == pytest.ExitCode.TESTS_FAILED
    assert ids(stale, "FAILED") == {f"handfast::{BROKEN}", "handfast::(run)"}
    stale.stdout.fnmatch_lines(
        ["*baseline has it as failing (ticket 8): remove the entry*", "baseline: *remove the entry*"]
    )


@pytest.mark.parametrize("workers", ["2" if ALL else "1"])
def test_workers_share_one_run(run: Any, pytester: pytest.Pytester, workers: str) -> None:
    """Under pytest-xdist the same tests are there, their target is met by one of the workers, and all are told."""
    few = "--handfast-run=messages/say/**"
    result = run(
        "broken", "-n", workers, "-rA", "--handfast-report=jsonl:run.jsonl", few=(*FEW[:2], few, "--handfast-shrink=0")
    )
    events = (pytester.path / "run.jsonl").read_text().splitlines()

    failed, passed = ids(result, "FAILED"), ids(result, "PASSED")
    assert f"handfast::{BROKEN}" in failed
    assert len(failed | passed) == len(events) - 3 + 1, "a header, a calibration and a footer, and a test of the run"
    result.stdout.fnmatch_lines(["*=== handfast ===*", "*verdict: nonconformant"])


class Run:
    """A run behind tests, which counts how often it is made."""

    def __init__(self, stops: bool = False, interrupted: bool = False) -> None:
        self.stops, self.interrupted, self.made = stops, interrupted, 0
        self.reports: tuple[Report, ...] = ()
        self.stream = self

    def run(self) -> None:
        self.made += 1
        if self.stops:
            raise Stop(Exit.UNREACHABLE, "nobody is there")
        self.events: list[dict[str, Any]] = [{"event": "header", "format": 1}, {"event": "footer"}]
        self.reports[-1].path.write_text("".join(map(encode_event, self.events)))


def test_whoever_comes_second_reads_what_the_first_has_made(tmp_path: Path) -> None:
    """The same events, or why there are none; and a run that was interrupted was not made."""
    first, second = Run(), Run()
    events = Once(tmp_path).events(cast(Session, first))
    assert Once(tmp_path).events(cast(Session, second)) == events == told(tmp_path)
    assert (first.made, second.made) == (1, 0)

    (gone := tmp_path / "gone").mkdir()
    for one in (Run(stops=True), second):
        with pytest.raises(Stop, match="nobody is there"):
            Once(gone).events(cast(Session, one))
    assert (second.made, told(gone)) == (0, None)

    (cut := tmp_path / "cut").mkdir()
    with pytest.raises(KeyboardInterrupt):
        Once(cut).events(cast(Session, Run(interrupted=True)))
    assert told(cut) is None


def test_a_target_that_is_not_there_is_told_once(run: Any) -> None:
    """One error says it; the others say that they were not played, and nothing is green."""
    result = run("ws://127.0.0.1:1", f"handfast::{BROKEN}", "handfast::(run)")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=1, skipped=1)
    result.stdout.fnmatch_lines(["handfast: ws://127.0.0.1:1 cannot be reached: *"])


def test_what_cannot_be_arranged_stops_before_anything_is_sent(run: Any) -> None:
    """As an error of collecting, which says what to write."""
    result = run("good", "--handfast-set=auth_deadlin=1s")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["handfast: there is no parameter `auth_deadlin`; did you mean `auth_deadline`?*"])


def test_without_a_target_it_stays_out_of_the_way(pytester: pytest.Pytester) -> None:
    """Who has it installed and does not ask for it sees nothing of it."""
    pytester.makepyfile("def test_one(): pass")
    result = pytester.runpytest_inprocess(*PLUGIN)

    result.assert_outcomes(passed=1)
    assert "handfast:" not in result.stdout.str()


def test_cases_stand_beside_other_tests(run: Any, pytester: pytest.Pytester) -> None:
    """They are collected behind what the project has of its own."""
    pytester.makepyfile("def test_one(): pass")
    result = run("good", "-k", "test_one or opening/upgrade/none")

    result.assert_outcomes(passed=2)


# ----------------------------------------------------------------------------------------------------- the check


def opened(path: Path) -> Any:
    """What starts a server of this process."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Handler]:
        async with open_server(mount(load(str(path)))) as server:
            yield server.serve_stream

    return start


def checking(documents: Mapping[str, Path], tmp_path: Path) -> dict[str, Any]:
    """The options of a quick check."""
    return {
        "document": str(documents["good"]),
        "secret": "env:ORDERS_SECRET",
        "level": "smoke",
        "examples": 0,
        "failures": tmp_path / "failures",
    }


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_SECRET", SECRET)


def test_a_server_of_this_process_is_checked_in_virtual_time(documents: Mapping[str, Path], tmp_path: Path) -> None:
    """Over streams in memory: every family, with the timers at their defaults, and nothing is waited for."""
    found = handfast_check(opened(documents["good"]), virtual_time=True, **checking(documents, tmp_path))

    assert found.verdict == "conformant"
    assert found.header["target"] == "memory://localhost"
    families = {case["family"] for case in found.cases}
    assert {"timers", "hostile", "tokens", "rooms", "transitions"} <= families
    assert any(case.get("timers") for case in found.cases)


def test_a_broken_server_of_this_process_is_told(documents: Mapping[str, Path], tmp_path: Path) -> None:
    """By an assertion that holds the report, the run and the exit code."""
    with pytest.raises(NotConformant, match="FAIL ORDERS-AUTH-2 MUST") as caught:
        handfast_check(opened(documents["broken"]), virtual_time=True, shrink=0, **checking(documents, tmp_path))

    assert caught.value.exit is Exit.NONCONFORMANT
    assert caught.value.run.counts["fail"] > 0
    assert "handfast replay" not in str(caught.value), "a command cannot reach what lives in this process"


def test_clocks_agree_in_virtual_time(
    documents: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning takes real time and no virtual one: a server that were started before would have an older clock."""
    done: list[str] = []
    started = opened(documents["good"])

    def planned(*arguments: Any, **more: Any) -> Prepared:
        done.append("planned")
        return prepare(*arguments, **more)

    def begun() -> Any:
        done.append("started")
        return started()

    monkeypatch.setattr("conformance.inprocess.prepare", planned)
    handfast_check(begun, virtual_time=True, run=BROKEN, **checking(documents, tmp_path))

    assert done == ["planned", "started"]


def test_a_check_within_trio(documents: Mapping[str, Path], tmp_path: Path) -> None:
    """In a test that runs under Trio already, by its clock."""

    async def main() -> None:
        run = f"{BROKEN.rpartition('/')[0]}/**"
        options = checking(documents, tmp_path)
        assert (await handfast_check_async(opened(documents["good"]), run=run, **options)).verdict == "conformant"

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_check_from_a_thread(urls: Mapping[str, str], documents: Mapping[str, Path], tmp_path: Path) -> None:
    """Where signals cannot be listened to, as in `asyncio.to_thread`; options are those of the command."""
    found: list[Any] = []
    options = {**checking(documents, tmp_path), "run": BROKEN, "set": {"auth_deadline": "5s"}}
    thread = threading.Thread(target=lambda: found.append(handfast_check(urls["good"], **options)))
    thread.start()
    thread.join()

    [run] = found
    assert (run.verdict, run.header["given"]) == ("conformant", ["auth_deadline"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"levle": "smoke"}, "handfast_check has no option `levle`"),
        ({"virtual_time": True}, "only for a server of this process"),
        ({"secret": "hunter2"}, "a secret is never an argument"),
        ({"report": "jsno:x"}, "did you mean `json`?"),
    ],
)
def test_what_a_check_cannot_do_is_told(options: dict[str, Any], said: str, documents: Mapping[str, Path]) -> None:
    """What was wrong, before anything is sent."""
    with pytest.raises(Stop, match=re.escape(said)) as stopped:
        handfast_check("ws://127.0.0.1:1", **{"document": str(documents["good"]), **options})

    assert stopped.value.exit is Exit.USAGE


def test_the_fixture_checks_what_a_fixture_started(
    run: Any, pytester: pytest.Pytester, urls: Mapping[str, str], documents: Mapping[str, Path]
) -> None:
    """It takes what the command line says, and fails with the report alone."""
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize("url", {[urls["good"], urls["broken"]]})
        def test_it(url, handfast_check):
            run = handfast_check(url, run=[{BROKEN!r}], shrink=0)
            assert run.verdict == "conformant"
        """
    )
    said = ["--handfast-document", str(documents["good"]), "--handfast-secret=env:ORDERS_SECRET", *FEW[:2]]
    result = pytester.runpytest_inprocess(*PLUGIN, *said)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["handfast: nonconformant*", "FAIL ORDERS-AUTH-2 MUST*"])
    assert "Traceback" not in result.stdout.str()
    assert "def test_it" not in result.stdout.str()


# --------------------------------------------------------------------------------------------------- agreement


def test_the_flags_are_those_of_the_command() -> None:
    """Each under its prefix, and none more; what pytest does itself is left out by name."""
    parser = argparse.ArgumentParser()
    CHECK.arguments(parser)
    command = {word.removeprefix("--") for word in parser._option_string_actions if word.startswith("--")} - {"help"}

    assert {flag.name for flag in FLAGS} == (command - set(MISSING)) | {"url"}
    assert set(MISSING) <= command


def test_the_plugin_is_found_by_pytest_and_cheap_to_load() -> None:
    """By its entry point; and importing it brings nothing that a run takes."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"handfast": "conformance.pytesting.plugin"}
    from tests.test_architecture import loaded_by

    loaded = loaded_by("import pytest; before = set(sys.modules); import conformance.pytesting.plugin")
    assert not loaded & {"trio", "rich", "hypothesis", "jsonschema_rs", "cryptography"}
