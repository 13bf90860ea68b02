"""Generation: drawn cases are complete, the same for the same seed, and aimed well; without examples nothing shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from conformance.generation import PROPERTIES, generated
from conformance.generation.drawing import Draw, drawn
from conformance.generation.inputs import Inputs
from conformance.plan import Plan
from conformance.scripts import (
    Case,
    Close,
    Expire,
    Fragment,
    Idle,
    Open,
    Ping,
    Raw,
    Reset,
    Send,
    Settle,
    Step,
    case_from_data,
    case_to_data,
)
from conformance.session import choose
from conformance.symbols import Symbols
from spec.exits import Exit, Stop
from spec.machine import Text
from spec.machine.world import CLOSED
from spec.messages import Ear
from tests.unit_conformance.kit import EVERY_RULE, SECRET, STAGES, arranged, cases, plan
from tests.unit_spec.test_compiling import FLAT
from tests.unit_spec.test_loading import BASE, edited

ROOT = Path(__file__).parents[2]
_SLUG = re.compile(r"[a-z]+(/[a-z0-9._+-]+)*/[0-9]+")


@cache
def drawn_of(rollout: str, seed: int = 7, examples: int = 48) -> tuple[Case, ...]:
    """What is drawn for a stage."""
    return tuple(generated(plan(rollout), seed, examples))


def of(family: str, rollout: str = "dual") -> list[Case]:
    """The drawn cases of one property."""
    return [case for case in drawn_of(rollout) if case.family == family]


def sends(found: Iterable[Case]) -> list[Send]:
    """Every message in them."""
    return [step for case in found for step in case.steps if isinstance(step, Send)]


# ----------------------------------------------------------------------------------------------------- the same


@pytest.mark.parametrize("rollout", STAGES)
def test_the_same_seed_draws_the_same_cases(rollout: str) -> None:
    """Also for another plan, made at another moment of another run."""
    target = arranged(f"rollout={rollout}", *EVERY_RULE).target
    later = Plan(evolve(target, epoch=target.epoch + 86400.3))

    assert tuple(generated(later, 7, 48)) == drawn_of(rollout)


def test_another_seed_draws_others() -> None:
    """But the same number of them, or nearly."""
    one, other = drawn_of("message"), drawn_of("message", 8)
    same = {repr(case.steps) for case in one} & {repr(case.steps) for case in other}

    assert len(same) < len(one) / 10
    assert abs(len(one) - len(other)) < 20


def test_what_other_code_does_with_chance_changes_nothing() -> None:
    """Nor does drawing change what others draw: the source is its own."""
    import random

    random.seed(1)
    expected = random.random()
    random.seed(1)
    first = drawn(lambda draw: [draw.below(1000) for _ in range(5)], 5, 1, "x")

    assert random.random() == expected
    assert drawn(lambda draw: [draw.below(1000) for _ in range(5)], 5, 1, "x") == first
    assert drawn(lambda draw: [draw.below(1000) for _ in range(5)], 5, 1, "y") != first


@pytest.mark.parametrize("rollout", STAGES)
def test_drawn_cases_survive_a_file(rollout: str) -> None:
    """What is drawn is plain data: it is played on another machine from a file."""
    found = drawn_of(rollout)

    assert [case_from_data(json.loads(json.dumps(case_to_data(case)))) for case in found] == list(found)


@pytest.mark.parametrize("rollout", STAGES)
def test_drawn_cases_are_named_by_property_and_number(rollout: str) -> None:
    """No two alike, and none like a case of a family."""
    names = [case.id for case in drawn_of(rollout)]

    assert [name for name in names if not _SLUG.fullmatch(name)] == []
    assert len({*names, *(case.id for case in cases(rollout))}) == len(names) + len(cases(rollout))
    assert {name.partition("/")[0] for name in names} == set(PROPERTIES)
    assert not {case.family for case in cases(rollout)} & set(PROPERTIES)


@pytest.mark.parametrize("rollout", STAGES)
def test_drawn_cases_cite_what_they_touch(rollout: str) -> None:
    """Rules of the document, those of the opening first."""
    known = set(plan(rollout).document.rules)

    assert all(case.rules and set(case.rules) <= known for case in drawn_of(rollout))
    assert len({rule for case in drawn_of(rollout) for rule in case.rules}) > 15


# ------------------------------------------------------------------------------------------------- each property


@pytest.mark.parametrize("rollout", STAGES)
def test_bodies_are_sent_in_every_state(rollout: str) -> None:
    """Valid and mutated ones of every client message, many on a connection where the state survives them."""
    states = plan(rollout).routes
    strata = {case.id.rpartition("/")[0].partition("/")[2] for case in of("bodies", rollout)}
    wanted = {f"{name}/{state}/{aim}" for name in ("auth", "chat_message") for state in states for aim in _AIMS}
    packed = [len(sends([case])) for case in of("bodies", rollout) if "chat_message/connected" in case.id]

    assert strata == wanted
    assert max(packed) > 8


_AIMS = ("valid", "mutated")


def test_bodies_vary_in_all_that_must_not_matter() -> None:
    """Unknown members, times, spellings, fragments, sizes and ids."""
    found = sends(of("bodies"))
    changed = {pointer for send in found for pointer in send.change}

    assert "/timestamp" in changed
    assert any(send.rules and pointer not in {"/timestamp", "/type"} for send in found for pointer in send.change)
    assert {key for send in found for key in send.written} == {"space", "escapes", "order"}
    assert any(send.fragments > 1 for send in found)
    assert any(send.pad_to is not None and send.pad_to > 60000 for send in found)
    assert any(isinstance(send.id, str) and len(send.id) > 100 for send in found)


def test_sequences_mostly_go_on_and_come_back() -> None:
    """Most inputs leave the connection open; many sequences have more than one connection; nothing is sent in vain."""
    found = of("sequences")
    inputs = Counter(type(step) for case in found for step in case.steps)
    opens = [sum(isinstance(step, Open) for step in case.steps) for case in found]

    assert set(inputs) == {Open, Send, Raw, Ping, Settle, Close, Reset}
    assert inputs[Send] + inputs[Raw] + inputs[Ping] > 4 * len(found)
    assert max(opens) == 3
    assert sum(len(case.steps) for case in found) / len(found) > 7


def test_an_id_is_used_again_by_a_later_connection() -> None:
    """What one connection was accepted with, another presents."""
    again = 0
    for case in of("sequences"):
        seen: dict[str, str] = {}
        for send in sends([case]):
            if "token" in send.payload and send.id is not None:
                again += seen.setdefault(json.dumps(send.id), send.client) != send.client

    assert again


def members_of(of: Plan, steps: Iterable[Step]) -> dict[Any, frozenset[str]]:
    """Who is in which room behind steps."""
    return of.stage(steps).members()


def test_interleavings_wait_where_the_order_would_show() -> None:
    """Between what a room hears and another's joining or being closed there is a pause, each way round."""
    overlapping = wrong = 0
    for case in of("interleavings"):
        stage = plan("dual").stage()
        since: list[tuple[str, set[Any], set[Any]]] = []
        for step in case.steps:
            before = stage.members()
            stage.step(step)
            if isinstance(step, Settle):
                since.clear()
                continue
            assert not isinstance(step, Idle)
            moved = {room for room in {*before, *stage.members()} if before.get(room) != stage.members().get(room)}
            heard = {room for room, found in stage.members().items() if step.client in found} if stage.spoke else set()
            free = isinstance(step, Close | Reset)
            for other, moved_before, heard_before in since:
                if other != step.client:
                    overlapping += 1
                    wrong += bool(heard & moved_before) or bool(moved & heard_before and not free)
            since.append((step.client, set() if free else moved, heard))

    assert overlapping > 200
    assert wrong == 0


def test_interleavings_have_all_that_rooms_are_about() -> None:
    """Up to four clients, two rooms, one subject twice, leaving in every way, and no two messages that say the same."""
    found = of("interleavings")
    opens = [[step for step in case.steps if isinstance(step, Open)] for case in found]
    contents = [
        [s.payload["content"] for s in sends([case]) if s.message == "chat_message" and s.rules] for case in found
    ]

    assert {len(clients) for clients in opens} == {2, 3, 4}
    assert {step.room for clients in opens for step in clients} == {"a", "b"}
    assert {type(step) for case in found for step in case.steps} >= {Close, Reset, Ping}
    assert any("ALL-CLOSE-4" in send.rules for send in sends(found))
    assert all(len(set(said)) == len(said) for said in contents)


def test_a_reset_waits_for_what_its_client_sent() -> None:
    """What a reset finds unread is thrown away, and nobody could say whether it was read."""
    for case in drawn_of("dual"):
        pending: set[str] = set()
        for step in case.steps:
            if isinstance(step, Settle):
                pending.clear()
            elif isinstance(step, Reset):
                assert step.client not in pending, case.id
            elif isinstance(step, Send | Raw):
                pending.add(step.client)


@pytest.mark.parametrize("rollout", STAGES)
def test_timing_waits_no_longer_than_the_timers_do(rollout: str) -> None:
    """What is done meanwhile ends before the timer does, and leaves it as it is."""
    longest = max(case.wait for case in cases(rollout) if case.family == "timers")
    for case in of("timing", rollout):
        *before, _ = (index for index, step in enumerate(case.steps) if isinstance(step, Expire | Open))
        assert case.wait <= longest
        assert sum(step.seconds or 0.0 for step in case.steps if isinstance(step, Idle)) <= 0.9 * case.wait, before

    assert {type(step) for case in of("timing", rollout) for step in case.steps} >= {Ping, Fragment, Idle, Expire}


def test_keepers_keep() -> None:
    """In each state, those kinds and no others leave a connection open when they are drawn."""
    inputs = Inputs(plan("message"))
    state = "connected.v2.fresh"

    assert {"valid:chat_message", "mutated:auth", "malformed", "unknown", "proof:auth"} <= {*inputs.keepers(state)}
    assert not {"expired:auth", "invalid:auth", "seen:auth", "other:auth", "close", "binary"} & {*inputs.keepers(state)}
    assert "valid:chat_message" not in inputs.keepers("authenticating")
    assert "proof:auth" in inputs.keepers("authenticating")


def test_a_drawn_case_is_judged_as_it_was_rehearsed() -> None:
    """The last connection of a case that ends in a message behind a close is closed."""
    closed = [case for case in of("sequences") if plan("dual").stage(case.steps).state("ana") == CLOSED]

    assert closed


# ------------------------------------------------------------------------------------------------ other documents

RICH = (
    (
        "properties: {content: {type: string, minLength: 1, maxLength: 4000}}",
        (
            "properties: {content: {type: string, minLength: 1, maxLength: 4000}, level: {type: integer, minimum: 1}, "
            "tags: {type: array, maxItems: 3, items: {enum: [a, b]}}, more: {type: object, required: [x], "
            "properties: {x: {type: number}}}, at: {anyOf: [{type: string, format: uuid}, {type: 'null'}]}}"
        ),
    ),
)


@pytest.mark.parametrize("edits", [FLAT, RICH], ids=["flat", "rich"])
def test_another_document_is_drawn_from_as_well(edits: tuple[tuple[str, str], ...], tmp_path: Path) -> None:
    """Messages without an envelope, and a payload of every type: in each, what is aimed at is hit."""
    text = edited()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    for path in BASE.parent.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "chat").mkdir()
    (tmp_path / "chat" / "other.yaml").write_text(text)
    other = Plan(arranged(protocol=None, document=str(tmp_path / "chat" / "other.yaml")).target)
    found = list(generated(other, 7, 60))
    ear, symbols = Ear(other.document, "client"), Symbols(other.target, lambda: 1.0, 1, other.book.get)

    def judged(aim: str) -> list[bool]:
        last = [case for case in found if case.family == "bodies" and f"/{aim}/" in case.id]
        texts = [symbols.message(case.steps[-2]) for case in last if isinstance(case.steps[-2], Send)]
        return [read.valid for text in texts for read in ear.hear(Text(text, len(text)))]

    assert {case.family for case in found} == set(PROPERTIES)
    assert len(judged("valid")) > 20
    assert len(judged("mutated")) > 20
    assert all(judged("valid"))
    assert not any(judged("mutated"))


# ------------------------------------------------------------------------------------------------------- choosing


def test_the_level_says_how_many_examples_there_are() -> None:
    """None for a smoke test, some by default, more for a deep one; a flag goes before it, nought turns them off."""
    counts = {level: arranged(level=level).examples for level in ("smoke", "complete", "deep")}
    chosen = arranged("rollout=message", examples=0)

    assert counts["smoke"] == 0 < counts["complete"] < counts["deep"]
    assert arranged(level="smoke", examples=3).examples == 3
    assert not {case.family for case in choose(Plan(chosen.target), chosen)[0]} & set(PROPERTIES)


def test_examples_are_kept_by_a_smoke_test_that_asks_for_them() -> None:
    """The filter of that level is for the families: it would keep one example of each set of rules."""
    smoke = arranged("rollout=message", level="smoke", examples=12)
    every, chosen = choose(Plan(smoke.target, "smoke"), smoke)

    assert [c.id for c in chosen if c.family in PROPERTIES] == [c.id for c in every if c.family in PROPERTIES] != []
    assert len(chosen) < len(every)


def test_less_than_no_example_is_refused() -> None:
    """With the usage code."""
    with pytest.raises(Stop, match="`examples` is a number from zero on") as stopped:
        arranged(examples=-1)

    assert stopped.value.exit is Exit.USAGE


def listed(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """`handfast check --list` in a folder, with what it loaded told at the end."""
    code = (
        "import sys; from spec.cli import main; code = main(sys.argv[1:]); "
        "print('hypothesis' in sys.modules, file=sys.stderr); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "check", "--list", "--protocol", "chat", "--secret", "env:S", *flags]
    environment = {**os.environ, "S": SECRET, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)


def test_generating_leaves_nothing_behind_and_says_nothing(tmp_path: Path) -> None:
    """No folder of Hypothesis's, no word of it, and the same list for the same seed."""
    done = listed(tmp_path, "--seed", "3", "--examples", "12")

    assert done.stderr == "True\n"
    assert "hypothesis" not in done.stdout.lower()
    assert [*tmp_path.iterdir()] == []
    assert listed(tmp_path, "--seed", "3", "--examples", "12").stdout == done.stdout
    assert re.search(r"^interleavings/12  ", done.stdout, re.MULTILINE)


def test_without_examples_nothing_is_imported(tmp_path: Path) -> None:
    """Starting Hypothesis costs more than most things that a run does."""
    assert listed(tmp_path, "--examples", "0").stderr == "False\n"


def test_a_decision_has_even_chances() -> None:
    """Each of a few choices comes up about as often."""

    def decide(draw: Draw) -> list[int]:
        return [draw.below(4) for _ in range(1000)]

    [counts] = [Counter(found) for found in drawn(decide, 1, 1, "decisions")]

    assert set(counts) == {0, 1, 2, 3}
    assert min(counts.values()) > 200
