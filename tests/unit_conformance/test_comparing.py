"""Comparing: what is played where, what is believed only when it shows again, and what is said of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve
from rich.console import Console

from conformance import comparing as under_test
from conformance.comparing import Compared, Comparison, apart
from conformance.contrasting import ALIKE
from conformance.observing import Observed
from conformance.preflight import Calibration
from conformance.runner import Lag
from conformance.scripts import Case
from conformance.sidebyside import as_data, print_comparison
from conformance.verdicts import Result
from conformance.wire import Endpoint
from spec.exits import Exit
from spec.tracker import Slack
from tests.unit_conformance.kit import arranged, case, finding

Play = Callable[[str, int], Result | None]
"""What one server makes of one case: given its URL and how often it was asked before."""

SENT = Observed("ana", "sent", "GET /v1/chat/handfast-*-a", 0.0, 0)


def heard(code: str, **more: Any) -> Result:
    answer = Observed("ana", "http", (400, json.dumps({"code": code}), None), 0.01, 0)
    return evolve(Result(case(), "pass", ("CHAT-AUTH-1",), observed=(SENT, answer)), **more)


def wrong(code: str) -> Result:
    found = finding("code", "CHAT-AUTH-5")
    return heard(code, verdict="fail", rules=("CHAT-AUTH-5",), findings=(found,), message=found.text)


def compare(
    plays: dict[str, Play], *, same: bool = False, died: str | None = None, late: float = 0.0
) -> tuple[Compared, Any, list[str]]:
    """Compare two servers that have learnt their results by heart; gives also the data and what was played in order."""
    played: list[str] = []

    class Runner:
        def __init__(self, target: Any, tell: Callable[[Result], None], clock: Any) -> None:
            self.target, self.tell = target, tell
            self.lag = Lag(worst=late)
            self.results: dict[str, Result] = {}
            self.died = died if target.endpoint.port == 2 else None

        async def run(self, cases: list[Case]) -> None:
            for one in cases:
                before = sum(entry.endswith(f"{self.target.endpoint.url} {one.id}") for entry in played)
                played.append(f"{'alone ' if one.alone else ''}{self.target.endpoint.url} {one.id}")
                await trio.sleep(1)
                found = plays[one.id](self.target.endpoint.url, before)
                if found is not None:
                    self.results[one.id] = evolve(found, case=one)
                    self.tell(self.results[one.id])

    async def calibrated(plan: Any, clock: Any) -> Calibration:
        return Calibration(0.001, 0.15, Slack())

    first, second = arranged(seed=1), arranged(seed=1)
    first.target.endpoint, second.target.endpoint = (
        Endpoint.parse("ws://a:1"),
        Endpoint.parse("ws://a:1" if same else "ws://b:2"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(under_test, "Runner", Runner)
        patch.setattr(under_test, "calibrate", calibrated)
        patch.setattr(under_test, "choose", lambda plan, arranged: ([], [case(name) for name in plays]))
        comparison = Comparison(first, second)
        clock = trio.testing.MockClock(autojump_threshold=0)
        compared = trio.run(comparison._run, clock=clock)
    return compared, as_data(first, second, compared), played


def by_url(a: Result | None, b: Result | None) -> Play:
    return lambda url, before: a if url == "ws://a:1" else b


def test_no_difference() -> None:
    """Every case is played once at both, and nothing again."""
    compared, data, played = compare({"a/one": by_url(heard("A"), heard("A")), "a/two": by_url(wrong("A"), wrong("A"))})

    assert (compared.verdict, compared.exit) == ("same", Exit.CONFORMANT)
    assert compared.alike == {ALIKE[0]: 1, ALIKE[1]: 1}
    assert sorted(played) == ["ws://a:1 a/one", "ws://a:1 a/two", "ws://b:2 a/one", "ws://b:2 a/two"]
    assert data["differences"] == []


def test_a_difference_is_played_again_alone() -> None:
    """One case of each cause, twice where no rule decides; the others follow it."""
    differing = by_url(heard("A"), wrong("B"))
    compared, data, played = compare(
        {"a/one": differing, "a/two": differing, "a/three": by_url(heard("A"), heard("C"))}
    )

    assert (compared.verdict, compared.exit) == ("different", Exit.NONCONFORMANT)
    assert [(g.shown.culprits, g.shown.rules, len(g.cases)) for g in compared.groups] == [
        ("b", ("", "CHAT-AUTH-5"), 2),
        ("", ("", ""), 1),
    ]
    assert sorted(entry for entry in played if entry.startswith("alone")) == [
        "alone ws://a:1 a/one",
        "alone ws://a:1 a/three",
        "alone ws://a:1 a/three",
        "alone ws://b:2 a/one",
        "alone ws://b:2 a/three",
        "alone ws://b:2 a/three",
    ]
    assert data["counts"] == {
        "alike": 0,
        "alike_and_both_break_a_rule": 0,
        "different": 3,
        "unsteady": 0,
        "not_compared": 0,
    }


def test_what_does_not_show_again_is_no_difference() -> None:
    """It is told as unsteady, and three cases of a cause are tried before that is said."""
    once: Play = lambda url, before: heard("B" if url == "ws://b:2" and before == 0 else "A")  # noqa: E731
    compared, data, played = compare(dict.fromkeys(("a/one", "a/two", "a/three", "a/four"), once))

    assert (compared.verdict, compared.groups) == ("inconclusive", ())
    assert set(data["unsteady"]) == {"a/one", "a/two", "a/three", "a/four"}
    assert data["unsteady"]["a/one"] == "A: 400 A; B: 400 B"
    assert sum(entry.startswith("alone") for entry in played) == 6


def test_an_open_difference_must_stay_as_it_is() -> None:
    """One that changes from play to play is a race."""
    changing: Play = lambda url, before: heard("A" if url == "ws://a:1" else f"B{before}")  # noqa: E731
    compared, _, _ = compare({"a/one": changing})

    assert (compared.groups, list(compared.unsteady)) == ((), ["a/one"])


def test_what_is_seen_while_this_process_is_late_is_not_believed() -> None:
    """A timer may have fired only because we were slow."""
    compared, _, _ = compare({"a/one": by_url(heard("A"), wrong("B"))}, late=1.0)

    assert (compared.groups, list(compared.unsteady)) == ((), ["a/one"])


def test_one_server_under_two_names_is_played_one_after_the_other() -> None:
    """What is the same server does not compete with itself."""
    _, _, played = compare(
        {"a/one": by_url(heard("A"), heard("A")), "a/two": by_url(heard("A"), heard("A"))}, same=True
    )

    assert played == ["ws://a:1 a/one", "ws://a:1 a/two"] * 2


def test_what_cannot_be_compared_is_told() -> None:
    """Nothing is concluded from what says nothing, and only from that nothing at all."""
    unclear = heard("A", verdict="inconclusive", message="no answer")
    compared, data, _ = compare({"a/one": by_url(heard("A"), unclear), "a/two": by_url(heard("A"), None)})

    assert (compared.verdict, compared.exit) == ("inconclusive", Exit.NOTHING)
    assert data["not_compared"] == {"a/one": "B: inconclusive (no answer)", "a/two": "it was not played"}


def test_a_fault_of_the_suites_own_is_none_of_the_servers() -> None:
    """Its exit code says so, unless a difference was found all the same."""
    broken = by_url(heard("A"), heard("A", verdict="error", message="the suite failed"))
    compared, _, _ = compare({"a/one": broken, "a/two": by_url(heard("A"), heard("A"))})

    assert (compared.verdict, compared.exit) == ("inconclusive", Exit.INTERNAL)


def test_a_server_that_dies() -> None:
    """The target died: no difference is blamed on it, and nothing is played again."""
    compared, data, played = compare({"a/one": by_url(heard("A"), heard("B"))}, died="Connection refused")

    assert (compared.verdict, compared.exit) == ("inconclusive", Exit.UNREACHABLE)
    assert data["reason"] == "B died: Connection refused"
    assert not any(entry.startswith("alone") for entry in played)


def test_two_arrangements_do_not_meet() -> None:
    """Their clients have names of their own, and addresses of their own where there are enough."""
    first, second = apart(arranged(seed=7), arranged(seed=7))

    assert first.target.tag != second.target.tag
    assert first.target.addresses is not None
    assert second.target.addresses is not None
    assert not {first.target.addresses.take() for _ in range(50)} & {second.target.addresses.take() for _ in range(50)}


def shown(data: Any, width: int = 100) -> str:
    out = io.StringIO()
    print_comparison(Console(file=out, width=width, no_color=True, highlight=False, soft_wrap=True), data)
    return out.getvalue()


def test_side_by_side() -> None:
    """The rule, who breaks it, the script across, both answers beside each other, and the sum of it."""
    differing = by_url(heard("A"), wrong("B"))
    _, data, _ = compare({"a/one": differing, "a/two": differing})

    assert shown(data).splitlines()[:8] == [
        "B BREAKS CHAT-AUTH-5 MUST · 2 cases",
        f"  {data['differences'][0]['rules']['CHAT-AUTH-5']['text']}",
        "  a/one: B: a code that is wrong",
        "    A                                          │ B",
        "    → GET /v1/chat/handfast-*-a",
        '    ← 10 ms 400 {"code": "A"}                  │ ← 10 ms 400 {"code": "B"}',
        "    also: a/two",
        "",
    ]
    assert "2 different (B breaks CHAT-AUTH-5)" in shown(data)
    assert shown(data).endswith("verdict: different\n")


def test_what_the_rules_leave_open_is_shown_as_open() -> None:
    """Nobody is blamed, and both answers are told."""
    _, data, _ = compare({"a/one": by_url(heard("A"), heard("B"))})

    assert shown(data).startswith("OPEN no rule decides · 1 case\n  a/one: A: 400 A; B: 400 B\n")
    assert "1 different (1 open)" in shown(data)
