"""What tests of the suite share: arranged targets that nothing listens at, plans, and results made by hand."""

from __future__ import annotations

import os
from functools import cache
from typing import Any
from unittest import mock

from attrs import evolve

from conformance.arranging import Arranged, arrange, bare_arguments
from conformance.coverage import coverage
from conformance.events import calibration_event, case_event, header_event
from conformance.families import all_cases
from conformance.guarantee import guarantee
from conformance.plan import Plan
from conformance.player import Entry
from conformance.preflight import Calibration
from conformance.scripts import Case, Open, Settle
from conformance.verdicts import Result
from spec.tracker import Finding, Slack

SECRET = "a-secret-of-the-tests-that-is-long-enough"
URL = "ws://127.0.0.1:1"
STAGES = ("message", "dual", "legacy")

# With these, every rule that the wire can show applies.
EVERY_RULE = ("origins=https://app.example", "auth_deadline=700ms", "auth_rate=10/2s")


def arranged(*settings: str, **given: Any) -> Arranged:
    """Chat as flags arrange it, with a minting key."""
    flags = {"protocol": "chat", "secret": "env:SUITE_SECRET", "set": list(settings), **given}
    with mock.patch.dict(os.environ, {"SUITE_SECRET": SECRET}):
        return arrange(bare_arguments(**flags), URL)


@cache
def plan(rollout: str) -> Plan:
    """The plan of chat in a rollout stage in which every rule of it applies."""
    return Plan(arranged(f"rollout={rollout}", *EVERY_RULE).target)


@cache
def cases(rollout: str) -> tuple[Case, ...]:
    """Every case of that plan."""
    return tuple(all_cases(plan(rollout)))


def case(name: str = "family/one", *rules: str, **more: Any) -> Case:
    """A case that opens one connection."""
    steps = (Open("ana", offer=("chat.v2",)), Settle())
    return Case(name, name.partition("/")[0], rules or ("CHAT-AUTH-1",), steps, **more)


def finding(check: str = "code", *rules: str, **more: Any) -> Finding:
    """A finding of a client `ana`."""
    return Finding(check, rules or ("CHAT-AUTH-5",), f"a {check} that is wrong", "ana", 1.0, **more)


def result(verdict: str = "pass", name: str = "family/one", *findings: Finding, **more: Any) -> Result:
    """What a case came to."""
    rules = tuple(rule for found in findings for rule in found.blamed) or ("CHAT-AUTH-1",)
    transcript = (
        Entry(0.0, "ana", ">", "GET /v1/chat/soup"),
        Entry(0.0125, "ana", "<", "101"),
        Entry(0.25, "ana", ">", '{"type": "auth", "id": "7", "payload": {"token": "<token wrong-key of ana>"}}'),
        Entry(0.2625, "ana", "<", '{"type": "error", "payload": {"code": "TOKEN_EXPIRED"}, "in_reply_to": "7"}'),
    )
    found = Result(case(name), verdict, rules, findings[0].text if findings else "", findings, transcript)
    return evolve(found, **more)


def stream(*results: Result, complete: bool = True, **changes: Any) -> list[dict[str, Any]]:
    """The events of a run."""
    every = cases("message")
    header = header_event(arranged("rollout=message", *EVERY_RULE), 7, guarantee(plan("message"), every, every))
    events = [header | changes, calibration_event(Calibration(0.0012, 0.15, Slack()))]
    events += [case_event(one) for one in results]
    if complete:
        covered = coverage(plan("message"), cases("message"), {one.case.id: one for one in results}, filtered=True)
        footer: dict[str, Any] = {"verdict": "nonconformant", "exit": 1, "complete": True, "reason": ""}
        footer |= {"duration_s": 1.5, "unsaved": None, "baseline": None, "coverage": covered, "guaranteed": False}
        events.append({"event": "footer", **footer})
    return events
