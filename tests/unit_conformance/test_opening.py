"""Credentials where a document reads none, and what a preflight may conclude from a token that is refused."""

from __future__ import annotations

import pytest

from conformance.families import opening
from conformance.plan import Plan
from conformance.preflight import recipes
from conformance.scripts import Open, Send, token
from tests.unit_conformance.kit import arranged


def _unread(protocol: str) -> list[tuple[Open, Send]]:
    plan = Plan(arranged(protocol=protocol, quick=True).target)
    found = [case.steps for case in opening.cases(plan) if case.id.startswith("opening/unread/")]
    return [
        (next(step for step in steps if isinstance(step, Open)), next(step for step in steps if isinstance(step, Send)))
        for steps in found
    ]


@pytest.mark.parametrize("protocol", ["sync", "executions"])
def test_a_credential_that_is_not_read_stands_in_for_none(protocol: str) -> None:
    """A header and a query parameter, each before a message that lacks its token."""
    found = _unread(protocol)

    assert {("Authorization" in dict(opened.headers), "token" in dict(opened.query)) for opened, _ in found} == {
        (True, False),
        (False, True),
    }
    assert all(send.drop for _, send in found)


def test_where_credentials_are_read_nothing_of_the_kind_is_tried() -> None:
    """There they are tried for what they are."""
    assert _unread("chat") == []


@pytest.mark.parametrize(("symbol", "named"), [(token(), ["valid"]), (token("expired"), ["expired"]), ("plain", [])])
def test_therecipes_of_a_step_are_found(symbol: object, named: list[str]) -> None:
    """Only a route whose tokens are all valid shows that a key is not the deployment's."""
    assert list(recipes([{"payload": {"token": {"$join": ["Bearer ", symbol]}}}])) == named
