"""The families of links, negotiations and calls, rehearsed on hub: what their scripts lead to by the rules."""

from __future__ import annotations

from functools import cache

import pytest

from conformance.families import calls, links, negotiations
from conformance.plan import Plan
from conformance.scripts import Case, Post, case_from_data, case_to_data
from spec.machine import Refusal
from tests.unit_conformance.kit import arranged


@cache
def plan() -> Plan:
    return Plan(arranged(protocol="hub", quick=True).target)


@cache
def cases() -> dict[str, Case]:
    found = [*links.cases(plan()), *negotiations.cases(plan()), *calls.cases(plan())]
    return {case.id: case for case in found}


def status(name: str) -> int:
    """The status of the last answer in a case."""
    answer = plan().rehearse(cases()[name].steps).answer
    return answer.status if isinstance(answer, Refusal) else 101


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("links/taken/absent", 404),
        ("links/taken/unknown", 404),
        ("links/taken/by-id", 404),
        ("links/taken/by-another", 101),
        ("links/taken/live", 409),
        ("links/taken/live-by-another", 403),
        ("links/taken/lost-by-reset", 404),
        ("links/taken/behind-close", 404),
        ("links/window/within", 101),
        ("links/window/past", 404),
        ("links/resume/of-another/live", 403),
        ("links/resume/of-another/that-never-connected", 101),
        ("negotiations/negotiate/negotiateVersion/absent/forged", 401),
        ("negotiations/negotiate/negotiateVersion/word", 400),
        ("negotiations/negotiate/method/GET/without-credential", 405),
        ("negotiations/negotiate/credential/none", 401),
    ],
)
def test_scripts_come_to_what_they_are_named_for(name: str, expected: int) -> None:
    """The last answer of each is the one that its name says."""
    assert status(name) == expected


def test_a_successor_puts_its_former_out() -> None:
    """Only what stands is put out; what is resumed is where its client wants to be."""
    states = plan().rehearse(cases()["links/resume/live"].steps).states

    assert states["ana"] == "closed"
    assert states["amy"].startswith("open")


@pytest.mark.parametrize("name", ["links/resume/live", "calls/shaking/in-one-frame", "negotiations/negotiate/way/3"])
def test_cases_are_files(name: str) -> None:
    """What is new in their steps is written and read like everything else."""
    case = cases()[name]

    assert case_from_data(case_to_data(case)) == case


def test_ways_are_the_versions_and_the_places_of_tokens() -> None:
    """The newest version comes first, which is how every other family connects."""
    queries = [way.query for way in plan().explorer.ways]

    assert queries[0] == (("negotiateVersion", "1"),)
    assert len(queries) == 6
    assert all(isinstance(step, Post) for route in plan().routes.values() for step in route.before)
