"""The runner: what it makes of what cases come to, with players that have learnt their outcomes by heart."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from conformance import runner as under_test
from conformance.clock import Clock
from conformance.player import Outcome, Pause
from conformance.runner import Lag, Runner
from conformance.scripts import Case, Idle, Open, Ping, Settle, extent
from conformance.shrinking import Shrinker
from conformance.verdicts import Result, Tried
from conformance.wire import Unreachable
from spec.tracker import Finding
from tests.unit_conformance.kit import arranged, case, finding, plan

Play = Callable[["Stage", Case], Awaitable[Outcome] | Outcome]
"""How one play of a case goes: what it comes to, perhaps after some waiting on the stage."""


@define
class Endpoint:
    """A target that is there, or has died."""

    alive: bool = True
    host: str = "127.0.0.1"
    url: str = "ws://fake"

    async def connect(self, source: str | None) -> trio.abc.Stream:
        if not self.alive:
            raise Unreachable("Connection refused")
        return trio.testing.memory_stream_pair()[0]


@define
class Stage:
    """Where cases are played: each case has a list of plays, the last of which is repeated."""

    plays: dict[str, list[Play]]
    runner: Runner = field(init=False)
    endpoint: Endpoint = field(factory=Endpoint)
    played: list[tuple[str, bool]] = field(factory=list)
    told: list[Result] = field(factory=list)
    playing: int = 0
    most: int = 0
    pause: Pause | None = None
    target: Any = None

    def late(self) -> None:
        """This process was late just now."""
        self.runner.lag.recent.append((trio.current_time(), 1.0))


def run(
    plays: dict[str, list[Play]],
    *cases: Case,
    fail_fast: bool = False,
    connections: int = 200,
    owned: bool = True,
    shrink: float = 0.0,
    interrupted: float = math.inf,
    reruns: int = 0,
) -> Stage:
    """Run cases (or one for each list of plays) in virtual time, perhaps cut off after a while."""
    stage = Stage(plays)

    class Player:
        def __init__(self, target: Any, clock: Clock, number: int, pause: Pause | None) -> None:
            self.clock, self.pause, self.target = clock, pause, target

        async def play(self, one: Case) -> Outcome:
            stage.played.append((one.id, self.pause is None))
            stage.playing += 1
            stage.most = max(stage.most, stage.playing)
            stage.pause, stage.target = self.pause, self.target
            started = self.clock()
            try:
                left = stage.plays[one.id]
                found = (left.pop(0) if len(left) > 1 else left[0])(stage, one)
                outcome = found if isinstance(found, Outcome) else await found
                return evolve(outcome, started=started)
            finally:
                stage.playing -= 1

    async def main() -> None:
        target = arranged(connections=connections).target
        target.endpoint = stage.endpoint  # type: ignore[assignment]
        target.owned = owned
        shrinker = Shrinker(plan("message").explorer, shrink) if shrink else None
        stage.runner = Runner(target, stage.told.append, Clock(), fail_fast, shrinker, lambda result: reruns)
        with trio.move_on_after(interrupted):
            await stage.runner.run(cases or [case(name) for name in plays])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(under_test, "Player", Player)
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return stage


def good(stage: Stage, one: Case) -> Outcome:
    return Outcome(covered={"CHAT-AUTH-1"}, visited={"authenticating"}, transitions={"/opening/rows/1", ""})


def bad(*findings: Finding) -> Play:
    """A play that comes to findings."""
    return lambda stage, one: Outcome(findings=list(findings))


def verdicts(stage: Stage) -> dict[str, str]:
    return {name: result.verdict for name, result in stage.runner.results.items()}


PLAIN = finding("code", "CHAT-AUTH-5")
SILENT = finding("missing", "CHAT-AUTH-4", timed=True)


# ----------------------------------------------------------------------------------------------------- verdicts


def test_every_result_is_told_once_and_kept() -> None:
    """What passed and what failed, with what was covered."""
    stage = run({"a/one": [good], "a/two": [bad(PLAIN)], "a/three": [good]})

    assert verdicts(stage) == {"a/one": "pass", "a/two": "fail", "a/three": "pass"}
    assert sorted(result.case.id for result in stage.told) == ["a/one", "a/three", "a/two"]
    passed, failed = stage.runner.results["a/one"], stage.runner.results["a/two"]
    assert (passed.message, passed.rules, passed.attempts) == ("", ("CHAT-AUTH-1",), 1)
    assert (set(passed.covered), set(passed.visited)) == ({"CHAT-AUTH-1"}, {"authenticating"})
    assert passed.transitions == {"/opening/rows/1"}
    assert (failed.message, failed.rules, failed.attempts) == ("a code that is wrong", ("CHAT-AUTH-5",), 1)


@pytest.mark.parametrize(
    ("outcome", "verdict", "message"),
    [
        (Outcome(unavailable="no token"), "not applicable", "no token"),
        (Outcome(findings=[finding("code", "ALL-TOKEN-3")]), "warn", "a code that is wrong"),
        (Outcome(findings=[finding("code", "CHAT-AUTH-10")]), "warn", "a code that is wrong"),
        (Outcome(findings=[finding("code", "ALL-TOKEN-3"), PLAIN]), "fail", "a code that is wrong"),
        (Outcome(findings=[finding("isolation", "CHAT-AUTH-9")]), "fail", "a isolation that is wrong"),
        (Outcome(findings=[finding("code", "NO-SUCH-RULE")]), "fail", "a code that is wrong"),
    ],
)
def test_what_an_outcome_comes_to(outcome: Outcome, verdict: str, message: str) -> None:
    """A breach of a SHOULD warns; beside one of a MUST it does not soften that."""
    found = run({"a/one": [lambda stage, one: outcome]}).runner.results["a/one"]

    assert (found.verdict, found.message) == (verdict, message)


def test_a_case_about_a_should_warns_by_its_rule() -> None:
    """What its step was there for decides; a MUST that is broken on the way is a failure there too."""
    focused = evolve(PLAIN, focus=("ALL-TOKEN-3",))
    leak = finding("leak", "ALL-LEAK-1")
    plain = run({"a/one": [bad(focused)], "a/plain": [bad(PLAIN)]}, case("a/one", level="should"), case("a/plain"))
    assert verdicts(plain) == {"a/one": "fail", "a/plain": "fail"}, (
        "what fails anyway breaks the rule that is due anyway"
    )
    stage = run(
        {"a/one": [bad(focused)], "a/two": [bad(focused, leak)]},
        *(case(f"a/{n}", level="should") for n in ("one", "two")),
    )

    assert verdicts(stage) == {"a/one": "warn", "a/two": "fail"}


def test_an_exception_is_the_suites_own_fault() -> None:
    """It is an error of that case, says where it was raised, and stops nothing else."""

    def breaks(stage: Stage, one: Case) -> Outcome:
        raise ZeroDivisionError("by nothing")

    stage = run({"a/one": [breaks], "a/two": [good]})

    assert verdicts(stage) == {"a/one": "error", "a/two": "pass"}
    message = stage.runner.results["a/one"].message
    assert message.startswith("the suite failed: ZeroDivisionError: by nothing (test_runner.py:")


# -------------------------------------------------------------------------------------------------- attribution


def test_a_focus_is_blamed_where_the_plain_exchange_works() -> None:
    """The step was there for a rule, and without what it adds the same answer is right."""
    focused = evolve(PLAIN, focus=("CHAT-MSG-8",))
    stage = run({"a/focused": [bad(focused)], "a/other": [bad(finding("code", "CHAT-AUTH-6"))]})

    assert stage.runner.results["a/focused"].rules == ("CHAT-MSG-8", "CHAT-AUTH-5")


def test_a_case_that_is_there_for_the_same_rule_is_no_plainer_exchange() -> None:
    """A generated test of the same transition has no step that is there for a rule, and shows the same breach."""
    focused = evolve(PLAIN, focus=("CHAT-MSG-8",))
    outcomes = {"a/focused": [bad(focused)], "a/generated": [bad(PLAIN)]}
    stage = run(outcomes, case("a/focused"), case("a/generated", "CHAT-AUTH-1", "CHAT-MSG-8"))

    assert stage.runner.results["a/focused"].rules == ("CHAT-MSG-8", "CHAT-AUTH-5")


def test_a_focus_is_not_blamed_where_the_plain_exchange_fails_alike() -> None:
    """The same check of the same rule fails without it: then that rule is what is broken."""
    focused = evolve(PLAIN, focus=("CHAT-MSG-8",))
    for order in (("a/focused", "a/plain"), ("a/plain", "a/focused")):
        plays: dict[str, list[Play]] = {"a/focused": [bad(focused)], "a/plain": [bad(PLAIN)]}
        stage = run({name: plays[name] for name in order})

        assert stage.runner.results["a/focused"].rules == ("CHAT-AUTH-5", "CHAT-MSG-8")
        assert stage.runner.results["a/plain"].rules == ("CHAT-AUTH-5",)


def test_another_check_of_the_rule_does_not_count_as_alike() -> None:
    """That its close is wrong everywhere explains no wrong code here."""
    focused = evolve(PLAIN, focus=("CHAT-MSG-8",))
    stage = run({"a/focused": [bad(focused)], "a/plain": [bad(finding("close", "CHAT-AUTH-5"))]})

    assert stage.runner.results["a/focused"].rules[0] == "CHAT-MSG-8"


def test_what_follows_from_a_plainer_finding_blames_that_first() -> None:
    """Order is not what is broken where the message that was due first never comes at all."""
    order = finding("order", "CHAT-MSG-9", shadow=("missing", "CHAT-MSG-2"))
    shadowed = run({"a/order": [bad(order)], "a/missing": [bad(finding("missing", "CHAT-MSG-2"))]})
    alone = run({"a/order": [bad(order)]})

    assert shadowed.runner.results["a/order"].rules == ("CHAT-MSG-2", "CHAT-MSG-9")
    assert alone.runner.results["a/order"].rules == ("CHAT-MSG-9",)


def test_a_rule_that_fails_more_widely_is_blamed_first() -> None:
    """Of the rules behind a finding, one that another plain finding of the same check names goes before."""
    narrow = finding("code", "CHAT-REAUTH-4", "ALL-TOKEN-1")
    stage = run({"a/narrow": [bad(narrow)], "a/wide": [bad(finding("code", "ALL-TOKEN-1"))]})

    assert stage.runner.results["a/narrow"].rules == ("ALL-TOKEN-1", "CHAT-REAUTH-4")


# ------------------------------------------------------------------------------------------------- confirmation


def test_what_rests_on_silence_is_run_again_alone() -> None:
    """Behind all others and with nothing beside it; a failure that shows again is one."""
    stage = run({"a/silent": [bad(SILENT)], **{f"a/{n}": [slowly(1.0)] for n in range(5)}})

    assert verdicts(stage)["a/silent"] == "fail"
    assert stage.runner.results["a/silent"].attempts == 2
    assert stage.played[-1] == ("a/silent", True)
    assert stage.played.count(("a/silent", False)) == 1


def slowly(seconds: float) -> Play:
    """A play that takes its time and passes."""

    async def play(stage: Stage, one: Case) -> Outcome:
        await trio.sleep(seconds)
        return good(stage, one)

    return play


def test_a_plain_finding_of_a_case_that_waits_is_run_again_too() -> None:
    """Its steps rest on time, and so may all that it finds."""
    plain = case("a/timed")
    stage = run({"a/timed": [bad(PLAIN)]}, evolve(plain, steps=(*plain.steps, Idle(0.1))))

    assert stage.played == [("a/timed", False), ("a/timed", True)]
    assert verdicts(stage) == {"a/timed": "fail"}


def test_what_does_not_show_again_is_flaky() -> None:
    """It failed and it passed: that is worth knowing, and is no failure."""
    stage = run({"a/silent": [bad(SILENT), good]})

    assert verdicts(stage) == {"a/silent": "flaky"}
    [result] = stage.runner.results.values()
    assert (result.attempts, result.message) == (2, SILENT.text)


def test_what_failed_while_this_process_was_late_and_passes_alone_has_passed() -> None:
    """The first time was our own fault."""

    def late(stage: Stage, one: Case) -> Outcome:
        stage.late()
        return Outcome(findings=[SILENT])

    assert verdicts(run({"a/silent": [late, good]})) == {"a/silent": "pass"}


def test_what_fails_alone_while_this_process_is_late_is_tried_once_more() -> None:
    """And is inconclusive where it was late then too, but a failure where it was not."""

    async def late(stage: Stage, one: Case) -> Outcome:
        stage.late()
        await trio.sleep(1.0)
        return Outcome(findings=[SILENT])

    always = run({"a/silent": [late]})
    once = run({"a/silent": [late, late, bad(SILENT)]})

    assert (verdicts(always), len(always.played)) == ({"a/silent": "inconclusive"}, 3)
    assert (verdicts(once), len(once.played)) == ({"a/silent": "fail"}, 3)


def test_one_of_a_kind_is_confirmed_for_all() -> None:
    """A hundred cases that miss the same thing cost one wait more, not a hundred; another kind is another matter."""
    other = finding("missing", "CHAT-REAUTH-5", timed=True)
    plays: dict[str, list[Play]] = {f"a/{n:02}": [bad(SILENT)] for n in range(20)}
    stage = run({**plays, "b/other": [bad(other), good]})

    again = [name for name, alone in stage.played if alone]
    assert len(again) == 2
    assert set(verdicts(stage).values()) == {"fail", "flaky"}
    assert verdicts(stage)["b/other"] == "flaky"


def test_a_kind_that_was_not_confirmed_does_not_speak_for_others() -> None:
    """The first was flaky: the next is tried for itself, and the rest follow the one that failed again."""
    plays: dict[str, list[Play]] = {
        "a/1": [bad(SILENT), good],
        "a/2": [bad(SILENT)],
        "a/3": [bad(SILENT)],
    }
    stage = run(plays)

    assert verdicts(stage) == {"a/1": "flaky", "a/2": "fail", "a/3": "fail"}
    assert [name for name, alone in stage.played if alone] == ["a/1", "a/2"]


# ----------------------------------------------------------------------------------------------------- the target


def test_a_connection_that_fails_while_the_target_lives_is_inconclusive() -> None:
    """It is tried again alone, and nobody is blamed; where it works then, the case is what it comes to."""
    lost = Outcome(unreachable="reset")
    twice = run({"a/lost": [lambda stage, one: lost]})
    once = run({"a/lost": [lambda stage, one: lost, bad(PLAIN)]})

    assert (verdicts(twice), len(twice.played)) == ({"a/lost": "inconclusive"}, 2)
    assert twice.runner.results["a/lost"].message == "reset"
    assert verdicts(once) == {"a/lost": "fail"}
    assert twice.runner.died is None


def test_a_target_that_died_ends_the_run() -> None:
    """What was known until then is told; nothing more is played; and what was under way blames nobody."""

    async def dies(stage: Stage, one: Case) -> Outcome:
        await trio.sleep(1.0)
        stage.endpoint.alive = False
        return Outcome(unreachable="Connection refused")

    async def hangs(stage: Stage, one: Case) -> Outcome:
        await trio.sleep(60.0)
        return Outcome(findings=[PLAIN])

    stage = run(
        {"a/failed": [bad(PLAIN)], "a/passed": [good], "a/silent": [bad(SILENT)], "b/dies": [dies], "b/hangs": [hangs]}
    )

    assert stage.runner.died == "Connection refused"
    assert verdicts(stage) == {"a/failed": "fail", "a/passed": "pass", "a/silent": "inconclusive"}
    assert not any(alone for _, alone in stage.played)


def test_a_target_that_dies_while_it_is_tried_again_is_noticed() -> None:
    """The failure that was to be confirmed stays open."""

    def dies(stage: Stage, one: Case) -> Outcome:
        stage.endpoint.alive = False
        return Outcome(unreachable="Connection refused")

    stage = run({"a/1": [bad(SILENT), dies], "a/2": [bad(SILENT)]})

    assert stage.runner.died == "Connection refused"
    assert verdicts(stage) == {"a/1": "inconclusive", "a/2": "inconclusive"}


@pytest.mark.parametrize(
    ("plays", "verdict", "tried"),
    [
        ([bad(PLAIN), good], "flaky", Tried(1, 4)),
        ([bad(PLAIN), bad(PLAIN), good], "flaky", Tried(2, 4)),
        ([bad(PLAIN)], "fail", Tried(4, 4)),
        ([good, bad(PLAIN)], "pass", None),
    ],
)
def test_what_is_known_to_come_and_go_is_played_again(plays: list[Play], verdict: str, tried: Tried | None) -> None:
    """Alone, as often as is asked for; one pass shows that it comes and goes, and how often it failed is kept."""
    stage = run({"a/one": plays}, reruns=3)
    [told] = stage.told

    assert (told.verdict, told.tried) == (verdict, tried)
    assert stage.played == [("a/one", False), *[("a/one", True)] * (3 if tried else 0)]


def test_plays_that_say_nothing_of_the_target_do_not_count() -> None:
    """Such as those that could not reach it, while it lives."""
    stage = run({"a/one": [bad(PLAIN), lambda stage, one: Outcome(unreachable="reset"), good]}, reruns=3)

    assert stage.runner.results["a/one"].tried == Tried(1, 3)


def test_fail_fast_stops_at_the_first_failure() -> None:
    """A warning does not stop it."""
    warns, fails = bad(finding("code", "ALL-TOKEN-3")), bad(PLAIN)
    stage = run({"a/1": [warns], "a/2": [slowly(1.0)]}, fail_fast=True)
    assert verdicts(stage) == {"a/1": "warn", "a/2": "pass"}

    stage = run({"a/1": [fails], "a/2": [slowly(1.0)]}, fail_fast=True)
    assert verdicts(stage) == {"a/1": "fail"}


# ------------------------------------------------------------------------------------------------------ shrinking


def pinging(name: str, count: int = 12) -> Case:
    """A case that opens a connection and sends pings."""
    return evolve(case(name), steps=(Open("ana", offer=("chat.v2",)), Settle(), *(Ping("ana") for _ in range(count))))


def pings(least: int, *found: Finding, takes: float = 0.0) -> Play:
    """A play that fails where there are as many pings."""

    async def play(stage: Stage, one: Case) -> Outcome:
        await trio.sleep(takes)
        count = sum(isinstance(step, Ping) for step in one.steps)
        return Outcome(findings=list(found) if count >= least else [])

    return play


def test_a_failure_is_told_as_small_as_it_gets() -> None:
    """With its own id, the finding of the smaller exchange, and how long the script was."""
    stage = run({"a/1": [pings(3, PLAIN)], "a/2": [good]}, pinging("a/1"), case("a/2"), shrink=10.0)
    found = stage.runner.results["a/1"]

    assert verdicts(stage) == {"a/1": "fail", "a/2": "pass"}
    assert [type(step) for step in found.case.steps if not isinstance(step, Settle)] == [Open, Ping, Ping, Ping]
    assert str(found.shrunk) == "13 steps of 1 client"
    assert (found.rules, found.message) == (("CHAT-AUTH-5",), "a code that is wrong")
    assert len(stage.told) == 2


def test_the_shrunk_failure_of_a_kind_is_told_before_the_others() -> None:
    """So that whoever listens can file the others under it; they stay as they were."""
    plays = {f"a/{number}": [pings(3, PLAIN)] for number in range(4)}
    stage = run(plays, *(pinging(name, 4 + number) for number, name in enumerate(plays)), shrink=10.0)

    assert [result.shrunk is None for result in stage.told] == [False, True, True, True]


def test_a_focus_is_blamed_for_the_smaller_exchange_as_for_the_larger() -> None:
    """What was found in the whole run decides; candidates are judged by that, and add nothing to it."""
    focused = evolve(PLAIN, focus=("CHAT-MSG-8",))
    alone = run({"a/1": [pings(2, focused)]}, pinging("a/1"), shrink=10.0)
    beside = run({"a/1": [pings(2, focused)], "b/plain": [bad(PLAIN)]}, pinging("a/1"), case("b/plain"), shrink=10.0)

    assert alone.runner.results["a/1"].rules == ("CHAT-MSG-8", "CHAT-AUTH-5")
    assert alone.runner.results["a/1"].shrunk is not None
    assert beside.runner.results["a/1"].rules == ("CHAT-AUTH-5", "CHAT-MSG-8")
    assert beside.runner.results["a/1"].shrunk is not None


def test_what_is_missing_is_looked_for_in_haste() -> None:
    """By the target's pace and not by the protocol's bound, which confirms it in the end."""
    bounds: list[float] = []

    def missing(stage: Stage, one: Case) -> Outcome:
        bounds.append(stage.target.parameters["reply_within"])
        return Outcome(findings=[SILENT])

    stage = run({"a/1": [missing]}, pinging("a/1"), shrink=10.0)

    assert stage.runner.results["a/1"].shrunk is not None
    assert bounds[:2] == [2.0, 2.0]
    assert set(bounds[2:-1]) == {0.3}
    assert bounds[-1] == 2.0


def test_fail_fast_shrinks_the_one_failure() -> None:
    """The rest of the run is left out, and only that."""
    stage = run(
        {"a/1": [pings(2, PLAIN)], "a/2": [slowly(1.0)]}, pinging("a/1"), case("a/2"), fail_fast=True, shrink=10.0
    )

    assert verdicts(stage) == {"a/1": "fail"}
    assert extent(stage.runner.results["a/1"].case.steps).steps == 3


def test_an_interruption_while_shrinking_loses_nothing() -> None:
    """Every failure is told, those that were shrunk by then as small as they are."""
    silent = pings(2, SILENT, takes=2.0)
    stage = run(
        {"a/plain": [pings(2, PLAIN)], "b/silent": [silent]},
        pinging("a/plain"),
        pinging("b/silent"),
        shrink=100.0,
        interrupted=7.0,
    )

    assert verdicts(stage) == {"a/plain": "fail", "b/silent": "fail"}
    assert stage.runner.results["a/plain"].shrunk is not None
    assert stage.runner.results["b/silent"].shrunk is None
    assert len(stage.told) == 2


def test_what_fails_while_this_process_is_late_proves_nothing() -> None:
    """Every candidate is late here: the script stays as it was."""

    async def late(stage: Stage, one: Case) -> Outcome:
        if len(stage.played) > 2:
            stage.late()
        await trio.sleep(1.0)
        return Outcome(findings=[SILENT])

    stage = run({"a/1": [late]}, pinging("a/1"), shrink=10.0)

    assert verdicts(stage) == {"a/1": "fail"}
    assert stage.runner.results["a/1"].shrunk is None
    assert len(stage.played) > 3


def test_a_target_that_dies_while_shrinking_is_noticed() -> None:
    """What was found before is told, as it was found."""

    def dies(stage: Stage, one: Case) -> Outcome:
        stage.endpoint.alive = False
        return Outcome(unreachable="Connection refused")

    stage = run({"a/1": [bad(PLAIN), dies]}, pinging("a/1"), shrink=10.0)

    assert stage.runner.died == "Connection refused"
    assert verdicts(stage) == {"a/1": "fail"}
    assert stage.runner.results["a/1"].shrunk is None


# ------------------------------------------------------------------------------------------------------- schedule


def test_the_longest_waits_begin_first() -> None:
    """So that they wait together, whatever order they stand in."""
    waits = {"a/1": 0.0, "a/2": 5.0, "a/3": 2.0}
    stage = run({name: [good] for name in waits}, *(case(name, wait=wait) for name, wait in waits.items()))

    assert [name for name, _ in stage.played] == ["a/2", "a/3", "a/1"]


def test_saved_failures_begin_before_everything_else() -> None:
    """However long others wait; and they are told before others of their kind, since they have a file."""
    saved = evolve(case("saved/one"), family="saved")
    plays = {name: [bad(PLAIN)] for name in ("a/quick", "b/slow", "saved/one")}
    stage = run(plays, case("a/quick"), case("b/slow", wait=5.0), saved)

    assert [name for name, _ in stage.played] == ["saved/one", "b/slow", "a/quick"]
    assert [result.case.id for result in stage.told] == ["saved/one", "a/quick", "b/slow"]


def test_few_cases_talk_at_once_and_all_may_wait() -> None:
    """A case that waits gives its place away, and takes one again before it goes on."""
    talking, most = 0, 0

    async def talks(stage: Stage, one: Case) -> Outcome:
        nonlocal talking, most
        pause = stage.pause
        assert pause is not None
        talking += 1
        most = max(most, talking)
        await trio.sleep(0.01)
        talking -= 1
        pause.release()
        await trio.sleep(100.0)
        await pause.acquire()
        talking += 1
        most = max(most, talking)
        await trio.sleep(0.01)
        talking -= 1
        return good(stage, one)

    stage = run({f"a/{n}": [talks] for n in range(60)})

    assert set(verdicts(stage).values()) == {"pass"}
    assert most == 16
    assert stage.most == 60


def test_no_more_connections_are_open_than_allowed() -> None:
    """Half as many cases live at once as connections may be open, since a case has two clients or so."""
    stage = run({f"a/{n}": [slowly(1.0)] for n in range(40)}, connections=20)

    assert stage.most == 10


def test_what_asks_for_it_runs_alone() -> None:
    """Behind the others, with none of them beside it."""

    async def alone(stage: Stage, one: Case) -> Outcome:
        assert stage.playing == 1
        await trio.sleep(1.0)
        assert stage.playing == 1
        return good(stage, one)

    plays: dict[str, list[Play]] = {"a/1": [alone], "a/2": [alone], "a/3": [slowly(3.0)]}
    stage = run(plays, case("a/1", alone=True), case("a/2", alone=True), case("a/3"))

    assert set(verdicts(stage).values()) == {"pass"}
    assert stage.played == [("a/3", False), ("a/1", True), ("a/2", True)]


# ------------------------------------------------------------------------------------------------------- measures

MEASURE = {"samples": 3, "within": 0.05, "first": "x:good", "second": "x:error", "rules": ["CHAT-AUTH-10"]}


def measured(*pairs: tuple[float, float]) -> Stage:
    """Run a case that compares two durations."""
    plays: list[Play] = [
        lambda stage, one, pair=pair: Outcome(timings={"x:good": pair[0], "x:error": pair[1]})  # type: ignore[misc]
        for pair in pairs
    ]
    return run({"a/m": plays}, case("a/m", alone=True, measure=MEASURE))


def test_medians_decide_and_not_single_samples() -> None:
    """As many samples as the document asks for; one that is far off decides nothing."""
    near = measured((0.01, 0.02), (0.01, 0.9), (0.02, 0.03))
    apart = measured(*[(0.01, 0.09), (0.02, 0.08), (0.9, 0.07)] * 3)

    assert (len(near.played), len(apart.played)) == (3, 9)
    assert verdicts(near) == {"a/m": "pass"}
    assert verdicts(apart) == {"a/m": "warn"}
    found = apart.runner.results["a/m"]
    assert found.message == "the medians are 60 ms apart (20.0 and 80.0 ms); 50 ms are allowed"
    assert found.rules == ("CHAT-AUTH-10",)
    assert math.isclose(found.measured["first_s"], 0.02)


def test_what_is_apart_once_is_measured_again() -> None:
    """A machine that had other things to do is no server that tells secrets."""
    stage = measured(*[(0.01, 0.9)] * 3, *[(0.01, 0.02)] * 3)

    assert verdicts(stage) == {"a/m": "pass"}
    assert stage.runner.results["a/m"].attempts == 2


def test_durations_during_which_this_process_was_late_are_void() -> None:
    """Those that are left decide; where none is, nothing is said."""
    slow = Outcome(timings={"x:good": 0.01, "x:error": 0.9})

    async def late(stage: Stage, one: Case) -> Outcome:
        stage.late()
        await trio.sleep(1)
        return slow

    def unheard(stage: Stage, one: Case) -> Outcome:
        return Outcome(timings={"x:good": 0.01})

    def calm(stage: Stage, one: Case) -> Outcome:
        return Outcome(timings={"x:good": 0.01, "x:error": 0.02})

    some = run({"a/m": [late, calm, late]}, case("a/m", alone=True, measure=MEASURE))
    none = run({"a/m": [late]}, case("a/m", alone=True, measure=MEASURE))
    silent = run({"a/m": [unheard]}, case("a/m", alone=True, measure=MEASURE))

    assert verdicts(some) == {"a/m": "pass"}
    assert verdicts(none) == verdicts(silent) == {"a/m": "inconclusive"}


def test_an_exchange_that_fails_is_not_measured() -> None:
    """Its finding is the result."""
    stage = run({"a/m": [good, bad(PLAIN)]}, case("a/m", alone=True, measure=MEASURE))

    assert verdicts(stage) == {"a/m": "fail"}
    assert stage.runner.results["a/m"].rules == ("CHAT-AUTH-5",)
    assert len(stage.played) == 2


# ------------------------------------------------------------------------------------------------------------ lag


def test_lateness_is_remembered_with_its_moment() -> None:
    """Only what happened since a moment counts for what began then."""
    lag = Lag(recent=[(1.0, 0.5), (2.0, 0.2), (3.0, 0.3)])

    assert lag.since(0.0) == 0.5
    assert lag.since(1.5) == 0.3
    assert lag.since(3.5) == 0.0


def test_a_process_that_is_not_late_does_not_say_so() -> None:
    """In virtual time nothing is ever late, and nobody looks: a timer of months costs no step of the clock."""
    assert run({"a/1": [slowly(1e7)]}).runner.lag.worst < 1e-6


# -------------------------------------------------------------------------------------------------------- attacks


def test_attacks_come_when_the_others_are_known() -> None:
    """But for those that wait for a timer, which the others are waited for with."""
    plays: dict[str, list[Play]] = {name: [good] for name in ("a/attack", "b/waiting", "c/plain", "d/long")}
    attack, waiting = case("a/attack", hostile=True), case("b/waiting", hostile=True, wait=1.0)
    stage = run(plays, attack, waiting, case("c/plain"), case("d/long", wait=2.0))

    assert [name for name, _ in stage.played] == ["d/long", "b/waiting", "c/plain", "a/attack"]


def test_a_target_that_an_attack_killed_has_the_attack_named() -> None:
    """The last one that was begun, though the death may be seen by another case."""

    def dies(stage: Stage, one: Case) -> Outcome:
        stage.endpoint.alive = False
        return Outcome(unreachable="Connection refused")

    stage = run({"a/plain": [good], "b/attack": [dies]}, case("a/plain"), case("b/attack", hostile=True))

    assert stage.runner.died == "Connection refused; the last attacks, the latest first: b/attack"
    assert verdicts(stage) == {"a/plain": "pass"}


def test_a_target_that_is_not_owned_is_not_attacked() -> None:
    """The case is not applicable, and says what it needs."""
    stage = run({"a/plain": [good], "b/attack": [good]}, case("a/plain"), case("b/attack", hostile=True), owned=False)

    assert verdicts(stage) == {"a/plain": "pass", "b/attack": "not applicable"}
    assert [name for name, _ in stage.played] == ["a/plain"]
    assert "--i-own-this-target" in stage.runner.results["b/attack"].message
