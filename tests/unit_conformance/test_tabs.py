"""What the families make of what clients share in tabs: rehearsed in virtual time, on nothing but the document."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any
from unittest import mock

import pytest

from conformance.arranging import arrange, bare_arguments
from conformance.families import FAMILIES
from conformance.plan import Plan
from conformance.scripts import Case, Idle
from spec.machine import Emission

URL = "ws://127.0.0.1:1"
DEPLOYED = {"SUITE_SECRET": "a-secret-of-the-suite-that-is-long-enough", "SUITE_SERVICE": "a-service-token"}


@cache
def plan(*given: str) -> Plan:
    """The plan of tabs under quick-test parameters."""
    flags: dict[str, Any] = {"protocol": "tabs", "secret": "env:SUITE_SECRET", "quick": True, "set": list(given)}
    with mock.patch.dict(os.environ, DEPLOYED):
        arranged = arrange(bare_arguments(**flags, deployed=["service_token=env:SUITE_SERVICE"]), URL)
        return Plan(arranged.target)


@cache
def cases(family: str) -> dict[str, Case]:
    """The cases of a family by what their identifiers end with."""
    return {case.id.split("/connected/")[-1]: case for case in FAMILIES[family](plan())}


def heard(case: Case) -> Iterator[tuple[str, Any]]:
    """What a rehearsal of a case brings, message by message."""
    stage = plan().stage()
    for step in case.steps:
        stage.step(step)
    for _, output in stage.heard:
        if isinstance(output, Emission):
            yield output.message, output.body.get("payload")


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("resigns", 4),
        ("another-resigns", 2),
        ("resigns-alone", 4),
        ("ranked", 2),
        ("holder-closes", 2),
        ("member-closes", 1),
        ("last-one-leaves", 2),
        ("silence/replaced", 2),
        ("silence/alone", 1),
        ("silence/LEADER_HEARTBEAT", 1),
        ("replaced/holder", 3),
        ("replaced/member", 2),
        ("token/told-when-chosen", 3),
    ],
)
def test_a_role_changes_hands_as_often_as_a_case_wants(name: str, terms: int) -> None:
    """The last term that anybody hears of."""
    said = [data for message, data in heard(cases("roles")[name]) if message == "LEADER_ELECTED"]

    assert max(data["term"] for data in said) == terms


def test_writes_meet_in_every_order_and_end_alike() -> None:
    """Whatever came first, the value, the clock and the origin are the same in the end."""
    for kind, orders in (("by-sum", 2), ("by-origin", 2), ("by-code-point", 2), ("three", 6), ("kept-sum", 6)):
        ends = []
        for number in range(orders):
            said = [d for m, d in heard(cases("registers")[f"concurrent/{kind}-{number}"]) if m == "STATE_UPDATE"]
            ends.append({name: said[-1][name] for name in ("value", "clock", "origin")})
        assert ends == ends[:1] * orders, kind


def test_history_is_read_from_within_from_before_and_from_beyond() -> None:
    """With more entries than it holds, the whole state is asked for too."""
    answers = [data["full"] for message, data in heard(cases("registers")["history/over"]) if message == "ack"]

    assert answers == [True, True, False, False, False, False, True, True]


def test_a_history_that_is_too_long_is_left_out_and_told() -> None:
    """As is a holder's silence that would take too long."""
    deployed = plan("history=1000", "heartbeat_interval=5s")
    found = [case.id for family in ("roles", "registers") for case in FAMILIES[family](deployed)]

    assert not any("history/over" in name or "silence" in name for name in found)
    assert any("history" in note for note in deployed.left_out)
    assert any("silence" in note for note in deployed.left_out)


@pytest.mark.parametrize(
    ("where", "out"), [("logout/user", 4), ("logout/device", 3), ("logout/session", 3), ("password_changed/user", 4)]
)
def test_a_post_puts_out_whom_it_names(where: str, out: int) -> None:
    """Of four members of one subject, one on another device and one in another room; and a stranger, who stays."""
    [case] = [c for c in FAMILIES["expulsions"](plan()) if c.id == f"expulsions/{where}/connected/put-out"]
    told = [data for message, data in heard(case) if message == "FORCE_LOGOUT"]

    assert len(told) == out


def test_refusals_are_told_of_once_over_the_limit() -> None:
    """Not within it, and not those that nobody vouches for."""
    alerts = {
        name: [d["kind"] for m, d in heard(case) if m == "SECURITY_SUSPICIOUS_ACTIVITY"]
        for name, case in cases("alerts").items()
    }

    # Two members of one user, in two sessions, hear of it once each.
    assert {name: len(kinds) for name, kinds in alerts.items()} == {
        "within": 0, "over": 2, "forged": 0, "apart": 0, "misfits": 2,
    }  # fmt: skip


def test_no_case_waits_long() -> None:
    """Under quick-test parameters the longest takes what its timers take."""
    assert max(case.wait for family in FAMILIES.values() for case in family(plan())) < 9.5
    assert any(isinstance(step, Idle) for case in cases("roles").values() for step in case.steps)


def test_posts_that_put_somebody_out_are_refused_as_others_are() -> None:
    """Without the service token, and with bodies that name nobody."""
    tried = {case.id.split("/")[1] + "/" + case.id.split("/")[-1] for case in FAMILIES["endpoints"](plan())}

    assert {"logout/credential-other", "logout/text-brace", "password_changed/credential-absent"} <= tried
