"""Shrinking, in virtual time and with servers that are a predicate on scripts: what fails is known beforehand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from conformance.scripts import (
    Case,
    Close,
    Expire,
    Fragment,
    Frame,
    Frames,
    Hold,
    Idle,
    Open,
    Ping,
    Raw,
    Release,
    Reset,
    Send,
    Settle,
    Step,
    case_from_data,
    case_to_data,
    extent,
    token,
)
from conformance.shrinking import Shrinker
from conformance.shrinking.edits import Edit, edits
from conformance.shrinking.sensible import Standing, plain_payload
from conformance.verdicts import Result
from spec.tracker import Finding
from tests.unit_conformance.kit import cases, finding, plan, result

PLAIN = finding("code", "CHAT-AUTH-5")
SILENT = finding("missing", "CHAT-AUTH-4", timed=True)
OFFER = ("chat.v2",)

Fails = Callable[[Case], bool]


@define
class Server:
    """A server that fails where a predicate on the script says so, after a while of virtual time."""

    fails: Fails
    finding: Finding | Mapping[str, Finding] = PLAIN
    takes: float = 0.01
    played: list[Case] = field(factory=list)
    hastily: list[Case] = field(factory=list)
    under_way: list[str] = field(factory=list)
    together: set[tuple[str, ...]] = field(factory=set)

    async def attempt(self, case: Case, hasty: bool) -> Result:
        (self.hastily if hasty else self.played).append(case)
        self.under_way.append(case.id)
        self.together.add(tuple(sorted(set(self.under_way))))
        await trio.sleep(self.takes)
        self.under_way.remove(case.id)
        found = self.finding if isinstance(self.finding, Finding) else self.finding[case.id]
        return failed(case, found) if self.fails(case) else evolve(result("pass", case.id), case=case)


def failed(case: Case, *found: Finding) -> Result:
    return evolve(result("fail", case.id, *found), case=case)


def shrunk(server: Server, *failures: Result, **budget: Any) -> tuple[dict[str, Result], float]:
    """What is kept of failures by their ids, and how many seconds it took."""
    kept: dict[str, Result] = {}

    async def main() -> float:
        began = trio.current_time()
        shrinker = Shrinker(plan("message").explorer, **budget)
        await shrinker.shrink(failures, server.attempt, lambda found: kept.update({found.case.id: found}))
        return trio.current_time() - began

    return kept, trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def least(steps: Iterable[Step], fails: Fails, **more: Any) -> Case:
    """The least case that a server fails, from a larger one."""
    large = Case("rooms/large", "rooms", ("CHAT-AUTH-5",), tuple(steps), **more)
    server = Server(fails)
    kept, _ = shrunk(server, failed(large, PLAIN))
    return kept["rooms/large"].case if kept else large


def enters(client: str, room: str = "a", **more: Any) -> tuple[Step, ...]:
    """A client comes in, with a token of its own."""
    auth = Send(client, "auth", {"token": token("valid", client, **more)})
    return Open(client, room=room, offer=OFFER), Settle(), auth, Settle()


def says(client: str, text: Any = "More salt, please.", **more: Any) -> Send:
    return Send(client, "chat_message", {"content": text}, **more)


def entered(case: Case, client: str) -> bool:
    """Whether a client has been opened and has sent a token."""
    mine = [step for step in case.steps if getattr(step, "client", None) == client]
    match mine:
        case [Open(offer=("chat.v2",)), Send(message="auth"), *_]:
            return True
    return False


LARGE = (
    *enters("ana"),
    *enters("ben"),
    *enters("cat", room="b"),
    *enters("dan"),
    Ping("ana", "data"),
    says("ana", "one"),
    says("ben", "two"),
    Settle(),
    Idle(1.5),
    says("ana", "three", fragments=3),
    Settle(),
    says("cat", "four", change={"/x": [1, 2]}),
    Close("dan", 1001),
    Settle(),
    says("ben", "the\x00culprit and more of it", change={"/handfast": {"a": 1}}, id={"$id": "first"}),
    Settle(),
    *(says("ana", f"word {number}") for number in range(8)),
    Settle(),
    Raw("cat", text="[" * 50),
    Reset("ana"),
)


# ---------------------------------------------------------------------------------------------- what is left over


def culprit(case: Case) -> bool:
    """Where ben, who has come in, says NUL."""
    return entered(case, "ben") and any(
        isinstance(step, Send) and step.client == "ben" and "\x00" in str(step.payload.get("content"))
        for step in case.steps
    )


def test_a_long_script_shrinks_to_what_matters() -> None:
    """Of 26 steps of four clients three of one are left, and of the text one character."""
    found = least(LARGE, culprit)

    assert str(extent(LARGE)) == "26 steps of 4 clients"
    assert found.steps == (*enters("ben"), says("ben", "\x00"))
    assert not found.quiet


@pytest.mark.parametrize(
    ("larger", "smaller"),
    [
        (says("ana", "other", fragments=4, written={"escapes": "solidus"}), says("ana")),
        (says("ana", pad_to=70_000, pad_with="é", around=(" ", "\n")), says("ana")),
        (says("ana", drop=("/id", "/payload"), change={"/type": 7}), says("ana")),
        (Send("ana", "chat_message", {"content": "x", "more": [1, {"a": None}]}, "fixed"), says("ana")),
        (Send("ana", "no-such-type", {"a": {"b": [1, "x"]}, "c": 2}), Send("ana", "no-such-type")),
        (Raw("ana", text="[" * 5000), Raw("ana", text="a")),
        (Raw("ana", text={"$fill": {"text": "[", "times": 9}}), Raw("ana", text={"$fill": {"text": "[", "times": 1}})),
        (Raw("ana", binary="00ff00ff"), Raw("ana", binary="")),
        (Ping("ana", "data"), Ping("ana")),
        (Close("ana", 4000), Close("ana")),
    ],
)
def test_what_does_not_matter_becomes_plain(larger: Step, smaller: Step) -> None:
    """A step of its kind is all that it takes: the plainest is left."""
    count = sum(isinstance(step, type(larger)) for step in enters("ana"))
    found = least(
        (*enters("ana"), larger, Settle()),
        lambda case: entered(case, "ana") and sum(isinstance(step, type(larger)) for step in case.steps) > count,
    )

    assert found.steps == (*enters("ana"), smaller)


def test_openings_become_plain() -> None:
    """One step is left of one opening: no path, no headers, no query and nothing offered."""
    opening = Open(
        "ana",
        room={"$join": ["x", "y"]},
        path={"$join": ["/v1/", "z"]},
        offer=("chat.v1", "chat.v2"),
        headers=(("Authorization", {"$join": ["Bearer ", token()]}), ("Origin", "x")),
        query=(("token", token("expired")),),
    )

    assert least((opening, Settle()), lambda case: True).steps == (Open("ana"),)


def test_tokens_become_valid_where_that_does_not_matter() -> None:
    """And stay as they are where it does; symbols stay symbols."""
    forged = Send("ana", "auth", {"token": token("wrong-key", "ana", keyless=True, left=5.0)})
    steps = (Open("ana", offer=OFFER), forged, Settle())

    def sent(case: Case) -> bool:
        return any(isinstance(step, Send) for step in case.steps)

    def wrong(case: Case) -> bool:
        return "wrong-key" in str(case.steps)

    assert least(steps, sent).steps[-1] == Send("ana", "auth", {"token": token("valid", "ana")})
    assert least(steps, wrong).steps[-1] == Send("ana", "auth", {"token": token("wrong-key", "ana", keyless=True)})


def test_rooms_are_merged() -> None:
    """Two clients matter, and not where they are."""
    found = least(
        (*enters("ana", "a"), *enters("ben", "b")), lambda case: entered(case, "ana") and entered(case, "ben")
    )

    assert [step.room for step in found.steps if isinstance(step, Open)] == ["a", "a"]


def test_waiting_is_shortened() -> None:
    """Idling is halved until nothing is left of it, and a token lives no longer than its timer is worth."""
    idle = least((*enters("ana"), Idle(8.0)), lambda case: any(isinstance(step, Idle) for step in case.steps))
    waits = (*enters("ana", left=65.0), Expire("ana", "warn"))

    def expires(case: Case) -> bool:
        return any(isinstance(step, Expire) for step in case.steps) and entered(case, "ana")

    original = Standing.of(Case("a/b", "a", (), waits), plan("message").explorer).case

    [shortest] = [step for step in idle.steps if isinstance(step, Idle)]
    assert shortest.seconds is not None
    assert shortest.seconds <= 0.1
    assert least(waits, expires).wait <= original.wait


def test_steps_behind_the_failure_are_dropped_first() -> None:
    """A play that ends at step three needs few more to be three steps long, however many stood behind."""
    steps = (*enters("ana"), Send("ana", "culprit"), *(says("ana", f"word {n}") for n in range(200)))
    server = Server(lambda case: "culprit" in str(case.steps) and entered(case, "ana"))
    kept, _ = shrunk(server, failed(Case("a/b", "a", (), steps), PLAIN))

    assert extent(kept["a/b"].case.steps).steps == 3
    assert len(server.played) < 25


# -------------------------------------------------------------------------------------------- what is never done


@pytest.mark.parametrize("number", range(12))
def test_what_is_told_has_failed_alike_twice(number: int) -> None:
    """The last play of it was a confirmation, and every play of it failed in the same way."""
    # An arbitrary predicate: it needs some steps and not others, and fails otherwise in between.
    acting = [step for step in LARGE if not isinstance(step, Settle)]
    texts = {str(acting[number % len(acting)]), str(acting[(number * 7 + 3) % len(acting)])} if number else set()
    answers: list[tuple[Case, Result]] = []

    class Shaky(Server):
        async def attempt(self, case: Case, hasty: bool) -> Result:
            found = await Server.attempt(self, case, hasty)
            if extent(case.steps).steps % 5 == number % 5:
                found = failed(case, finding("stray", "CHAT-AUTH-5"))
            answers.append((case, found))
            return found

    server = Shaky(lambda case: texts <= {str(step) for step in case.steps})
    kept, _ = shrunk(server, failed(Case("a/b", "a", (), LARGE), PLAIN))

    for found in kept.values():
        mine = [answer for case, answer in answers if case == found.case]
        assert len(mine) >= 2
        assert {(one.verdict, one.rules[0], one.findings[0].check) for one in mine} == {("fail", "CHAT-AUTH-5", "code")}
        assert extent(found.case.steps).steps % 5 != number % 5
        assert answers[-1][0] == found.case


def test_what_does_not_fail_again_is_not_told() -> None:
    """The script stays as it was."""
    seen: list[str] = []

    def once(case: Case) -> bool:
        seen.append(str(case.steps))
        return seen.count(seen[-1]) == 1

    assert shrunk(Server(once), failed(Case("a/b", "a", (), LARGE), PLAIN))[0] == {}


def test_what_fails_now_and_then_is_told_as_small_as_it_fails_again() -> None:
    """The smallest script failed once by chance; one that was found before it fails again, and is told."""
    seen: list[str] = []

    def chance(case: Case) -> bool:
        seen.append(str((case.steps, case.quiet)))
        return culprit(case) and (extent(case.steps).steps > 3 or seen.count(seen[-1]) == 1)

    server = Server(chance)
    kept, _ = shrunk(server, failed(Case("a/b", "a", (), LARGE), PLAIN))

    assert server.played[-1] == kept["a/b"].case
    assert 3 < extent(kept["a/b"].case.steps).steps < 26


@pytest.mark.parametrize("other", [finding("stray", "CHAT-AUTH-5"), finding("code", "CHAT-AUTH-6")])
def test_another_failure_is_not_alike(other: Finding) -> None:
    """Another check of the same rule, and the same check of another rule."""
    kept, _ = shrunk(Server(lambda case: True, other), failed(Case("a/b", "a", (), LARGE), PLAIN))

    assert kept == {}


@pytest.mark.parametrize("rollout", ["message", "dual", "legacy"])
def test_every_candidate_is_smaller_and_sensible(rollout: str) -> None:
    """Of real cases: the measure falls, files can hold it, clients are opened first, and no token comes twice."""
    explorer = plan(rollout).explorer
    count = 0
    for one in cases(rollout)[::61]:
        standing = Standing.of(one, explorer)
        for edit in itertools.islice(edits(standing.case, lambda step: plain_payload(explorer, step)), 60):
            smaller = standing.with_edit(edit)
            if smaller is None:
                continue
            count += 1
            assert smaller.size < standing.size
            assert smaller.case.wait <= standing.case.wait + 0.001
            assert case_from_data(case_to_data(smaller.case)) == smaller.case
            assert smaller.case.id == one.id
    assert count > 50


def test_a_step_that_is_there_for_a_rule_keeps_what_it_is_there_with() -> None:
    """Less of it, but not nothing: the plain message would show another fault."""
    focused = says("ana", change={"/handfast": 1, "/metadata": None}, rules=("CHAT-MSG-8",))
    found = least((*enters("ana"), focused), lambda case: "CHAT-MSG-8" in str(case.steps) and entered(case, "ana"))

    [last] = [step for step in found.steps if isinstance(step, Send) and step.rules]
    assert len(last.change) == 1
    assert last.payload == {"content": "More salt, please."}


def changed(steps: Iterable[Step], *without: int) -> Standing | None:
    """A script without some of its steps, if that is a candidate; negative numbers count from the end."""
    script = tuple(steps)
    edit = Edit(dict.fromkeys([number % len(script) for number in without]), still=True)
    return Standing.of(Case("a/b", "a", (), script), plan("message").explorer).with_edit(edit)


def test_no_token_is_presented_twice_on_one_connection() -> None:
    """What the rules leave open is not asked, unless the case asked it already."""
    header = ("Authorization", {"$join": ["Bearer ", token("wrong-key", "ana")]})
    same = ("Authorization", {"$join": ["Bearer ", token("valid", "ana")]})
    opening, *rest = enters("ana")
    assert isinstance(opening, Open)
    edit = Edit({0: evolve(opening, headers=(same,))}, still=True)

    def candidate(*headers: tuple[str, Any]) -> Standing | None:
        steps = (evolve(opening, headers=headers), *rest, says("ana"))
        return Standing.of(Case("a/b", "a", (), steps), plan("message").explorer).with_edit(edit)

    assert candidate(header) is None
    assert candidate(same, ("Origin", "x")) is not None


def test_no_candidate_waits_longer() -> None:
    """Without the second token the timer of the first would be waited for."""
    soon = Send("ana", "auth", {"token": token("valid", "ana", left=3.0, label="soon")})
    steps = (*enters("ana", left=600.0), soon, Settle(), Ping("ana"), Expire("ana"))

    assert changed(steps, 4) is None
    assert changed(steps, 6) is not None


def test_no_candidate_talks_to_nobody() -> None:
    """To a connection that is closed by then, or was never opened; not even where another step did before."""
    again = (*enters("ana"), Close("ana"), Settle(), *enters("ana", label="again"), says("ana"))
    deaf = (*enters("ana"), Close("ana"), Settle(), says("ana"), Settle(), *enters("ben")[:1], Ping("ben"))

    assert changed(again, 6) is None
    assert changed(again, -1) is not None
    assert changed(deaf, 6, 8) is None
    assert changed(deaf, 6) is not None


def test_messages_that_differ_stay_different() -> None:
    """Were they alike, nobody could say which of them was lost."""
    two = (says("ana", "one"), says("ana", "two"))
    found = least((*enters("ana"), *two), lambda case: sum(isinstance(s, Send) for s in case.steps) == 3)

    texts = [step.payload["content"] for step in found.steps[-2:] if isinstance(step, Send)]
    assert len(set(texts)) == 2


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ((Fragment("ana"), Fragment("ana", "a", first=False)), (0, 1)),
        ((Fragment("ana"), Fragment("ana", "a", first=False)), (0,)),
        ((Fragment("ana"), Idle(0.1), Fragment("ana", "a", first=False), says("ben")), (0, 3)),
        ((Frames("ana", (Frame(text="{"),), cut=1), Frames("ana", (Frame(text="{"),), cut=-1), says("ana")), (2,)),
        ((Hold("ana"), says("ana"), Release("ana"), says("ana", "x")), (0, 1, 2)),
        ((Hold("ana"), says("ana"), Release("ana"), says("ana", "x")), (1, 3)),
    ],
)
def test_pieces_of_messages_are_left_out_from_the_end_or_all(steps: tuple[Step, ...], kept: tuple[int, ...]) -> None:
    """What is then sent is what the suite takes it for."""
    assert _candidate(steps, kept) is not None


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ((Fragment("ana"), Fragment("ana", "a", first=False)), (1,)),
        ((Fragment("ana"), Fragment("ana", "a", first=False), Ping("ana")), (0, 2)),
        ((Frames("ana", (Frame(text="{"),), cut=1), Frames("ana", (Frame(text="{"),), cut=-1), says("ana")), (0, 2)),
        ((Hold("ana"), says("ana"), Release("ana")), (0, 1)),
        ((Hold("ana"), says("ana"), Release("ana")), (1, 2)),
    ],
)
def test_the_framing_is_never_broken_by_leaving_out(steps: tuple[Step, ...], kept: tuple[int, ...]) -> None:
    """A server that minds half a message, or the end of one that never began, is right."""
    assert _candidate(steps, kept) is None


def _candidate(steps: tuple[Step, ...], kept: tuple[int, ...]) -> Standing | None:
    """What is left of two clients' script where only some of these steps are kept."""
    before = (*enters("ana"), *enters("ben"))
    dropped: dict[int, Step | None] = {len(before) + n: None for n in range(len(steps)) if n not in kept}
    standing = Standing.of(Case("a/b", "a", (), (*before, *steps)), plan("message").explorer)
    return standing.with_edit(Edit(dropped, still=True))


def test_steps_that_the_suite_learns_later_can_be_dropped() -> None:
    """A kind of step that the shrinker does not know is left as it is, or left out."""
    steps = (*enters("ana"), Fragment("ana", "{"), Settle())

    assert least(steps, lambda case: any(isinstance(s, Fragment) for s in case.steps)).steps[-1] == steps[-2]
    assert least(steps, lambda case: entered(case, "ana")).steps == steps[:3]


# --------------------------------------------------------------------------------------------------------- budget


def test_the_budget_of_seconds_holds_for_all_together() -> None:
    """Slow plays: it ends in time, but for the confirmation of what was found, and has something to show."""
    failures = [
        failed(Case(f"a/{n}", "a", (), LARGE), finding("missing", f"CHAT-AUTH-{n}", timed=True)) for n in range(1, 5)
    ]
    server = Server(lambda case: True, {one.case.id: one.findings[0] for one in failures}, takes=1.0)
    kept, took = shrunk(server, *failures, seconds=10.0)

    assert took <= 10.0 + len(failures) * server.takes
    assert len(kept) == 4
    assert all(extent(found.case.steps).steps < 10 for found in kept.values())


def test_the_budget_of_plays_holds_for_each() -> None:
    """And one play more confirms what was found."""
    server = Server(lambda case: str(case.steps).count("word") >= 5)
    shrunk(server, failed(Case("a/b", "a", (), LARGE), PLAIN), plays=10)

    assert len(server.played) == 11


def test_what_is_missing_is_looked_for_in_haste_and_confirmed_without() -> None:
    """A search need not wait as long as a server may take; what it finds must be missing even then."""
    server = Server(lambda case: entered(case, "ana"), SILENT)
    kept, _ = shrunk(server, failed(Case("a/b", "a", (), LARGE), SILENT))

    assert extent(kept["a/b"].case.steps).steps == 2
    assert server.played == [kept["a/b"].case]
    assert len(server.hastily) > 5


def test_haste_that_was_wrong_is_made_good() -> None:
    """A slow server: what is only late looks missing in haste, and the search begins again without."""

    class Slow(Server):
        async def attempt(self, case: Case, hasty: bool) -> Result:
            found = await Server.attempt(self, case, hasty)
            return failed(case, SILENT) if hasty else found

    server = Slow(lambda case: entered(case, "ana"), SILENT)
    kept, took = shrunk(server, failed(Case("a/b", "a", (), LARGE), SILENT), seconds=10.0)

    assert extent(kept["a/b"].case.steps).steps == 2
    assert took <= 10.0 + 2 * server.takes


def test_a_budget_that_is_over_keeps_what_there_is() -> None:
    """Nothing is played in no time, and the original stands."""
    server = Server(lambda case: True)
    kept, took = shrunk(server, failed(Case("a/b", "a", (), LARGE), SILENT), seconds=0.0)

    assert (kept, took) == ({}, 0.0)


def test_one_of_a_kind_is_shrunk_the_shortest() -> None:
    """Hundreds of cases may fail for one cause; each other kind has one too, and what is known has none."""
    short = evolve(failed(Case("b/short", "b", (), LARGE[:12]), PLAIN), transcript=())
    longer = [failed(Case(f"a/{n}", "a", (), LARGE), PLAIN) for n in range(20)]
    known = failed(Case("c/known", "c", (), LARGE), finding("code", "CHAT-AUTH-6"))
    server = Server(lambda case: True)
    shrunk(server, *longer, short, known, known=lambda one: one.case.id == "c/known")

    assert {case.id for case in server.played} == {"b/short"}


def test_timed_failures_are_shrunk_alone() -> None:
    """Those that rest on nothing are shrunk side by side before."""
    timed = [failed(Case(f"t/{n}", "t", (), LARGE[:12]), evolve(SILENT, rules=(f"R-{n}",))) for n in range(2)]
    plain = [failed(Case(f"p/{n}", "p", (), LARGE[:12]), evolve(PLAIN, rules=(f"R-{n}",))) for n in range(2)]
    every = [*timed, *plain]
    server = Server(lambda case: True, {one.case.id: one.findings[0] for one in every})
    kept, _ = shrunk(server, *every)

    assert set(kept) == {"t/0", "t/1", "p/0", "p/1"}
    assert server.together == {("p/0",), ("p/1",), ("p/0", "p/1"), ("t/0",), ("t/1",)}
