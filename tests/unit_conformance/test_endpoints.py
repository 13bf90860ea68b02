"""The family `endpoints`: what it posts, before whom, and what it says where it cannot."""

from __future__ import annotations

import os
from functools import cache
from unittest import mock

from conformance.arranging import arrange, bare_arguments
from conformance.families import all_cases
from conformance.plan import Plan
from conformance.scripts import Case, Post
from spec.machine import Refusal
from tests.unit_conformance.kit import SECRET, URL

SERVICE = "a-service-token-of-the-tests"


def plan(*deployed: str) -> Plan:
    """The plan of executions with what a deployment gives."""
    flags = {"protocol": "executions", "secret": "env:SUITE_SECRET", "deployed": list(deployed), "quick": True}
    with mock.patch.dict(os.environ, {"SUITE_SECRET": SECRET, "SUITE_SERVICE": SERVICE}):
        return Plan(arrange(bare_arguments(**flags), URL).target)


@cache
def cases() -> dict[str, Case]:
    """Every case of the family, by its name."""
    whole = plan("service_token=env:SUITE_SERVICE")
    return {case.id: case for case in all_cases(whole) if case.family == "endpoints"}


def _answers(case: Case) -> list[int]:
    """The statuses that the rules have for the posts of a case, in their order."""
    whole = plan("service_token=env:SUITE_SERVICE")
    heard = whole.stage(())
    for step in case.steps:
        heard.step(step)
    return [one.status for _, one in heard.heard if isinstance(one, Refusal)]


def test_every_endpoint_is_posted_to_and_every_refusal_tried() -> None:
    """Alone, and before one that is asked for later."""
    assert _answers(cases()["endpoints/update/no-listeners"]) == [200]
    for name, status in {
        "credential-absent": 401,
        "credential-empty": 401,
        "credential-other-before-limit": 401,
        "credential-longer-before-body": 401,
        "over-the-limit": 413,
        "over-the-limit-before-body": 413,
        "text-brace": 400,
        "body-taskId-null": 400,
    }.items():
        assert _answers(cases()[f"endpoints/update/refused/{name}"]) == [status, 200], name


def test_records_are_asked_for_by_their_own_room_and_by_another() -> None:
    """The keys of what is posted and of what is asked for are the same value."""
    names = {
        name.rpartition("/")[2] for name in cases() if name.startswith("endpoints/update/connected/cancel-execution/")
    }

    assert {"present", "of-another-room", "absent", "the-last-one-counts", "refused-posts-keep-nothing"} <= names


def test_no_case_holds_the_secret() -> None:
    """It is a symbol, which only a run replaces."""
    assert SERVICE not in repr(cases())
    credentials = [step.credential for case in cases().values() for step in case.steps if isinstance(step, Post)]
    assert {"$deployed": "service_token"} in credentials


def test_without_the_secret_nothing_is_posted_and_it_is_said_why() -> None:
    """What only posts can show is not tried."""
    bare = plan()

    assert [case for case in all_cases(bare) if case.family == "endpoints"] == []
    assert bare.untried["EXEC-HTTP-1"] == "needs service_token of the deployment: --with NAME=env:VARIABLE"
