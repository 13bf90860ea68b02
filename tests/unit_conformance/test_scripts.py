"""Scripts as plain data: what is written is read again, and what is none is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from conformance.scripts import (
    Case,
    Close,
    Expire,
    Fragment,
    Frame,
    Frames,
    HalfClose,
    Hold,
    Idle,
    Knock,
    Open,
    Ping,
    Raw,
    Release,
    Reset,
    Send,
    Settle,
    Stall,
    case_from_data,
    case_to_data,
    token,
)
from tests.unit_conformance.kit import STAGES, case, cases


def through_a_file(value: Case) -> Case:
    """A case as another machine reads it."""
    return case_from_data(json.loads(json.dumps(case_to_data(value), ensure_ascii=True)))


@pytest.mark.parametrize("rollout", STAGES)
def test_every_case_survives_a_file(rollout: str) -> None:
    """What is played again is what was played, for every case of every stage."""
    changed = [one.id for one in cases(rollout) if through_a_file(one) != one]

    assert changed == []


EVERY_STEP = (
    Open(
        "ana",
        room={"$join": ["x", {"$room": "a"}]},
        path={"$join": ["/v1/", "é"]},
        offer=("chat.v1", "chat.v2"),
        headers=(("Authorization", {"$join": ["Bearer ", token()]}), ("Origin", "x")),
        query=(("token", token("expired", "ben", left=3.5)),),
        websocket=False,
        address="one",
        rules=("CHAT-OPEN-2",),
    ),
    Send("ana", "auth", {"token": token(), "more": [1, None, True, "\ud800", 0.5]}, {"$id": "first"}, {"/type": 7}),
    Send("ana", "chat_message", drop=("/id", "/payload/x"), pad_to=70_000, pad_with="é", fragments=3, rules=("A",)),
    Raw("ana", text={"$fill": {"text": "[", "times": 5000}}),
    Raw("ana", text=""),
    Raw("ana", binary="00ff"),
    Raw("ana", not_utf8="ff", rules=("CHAT-MSG-7",)),
    Fragment("ana"),
    Fragment("ana", "more", first=False),
    Ping("ana", "x"),
    Settle(),
    Expire("ana"),
    Expire("ana", "auth_deadline"),
    Idle(),
    Idle(0.0),
    Idle(1.5),
    Close("ana"),
    Close("ana", None),
    Reset("ana"),
    Reset("ana", gently=True),
    Open("ana", each=1, narrow=True),
    Knock("ana", ({"$join": ["GET ", {"$path": "a"}]}, "Host: x"), ended=False, due=False),
    Knock("ana", hex="00ff"),
    Frames("ana", (Frame(), Frame(9, "x", None, 7, False, 5, "", 64, 2**63)), times=3, strains=True),
    Frames("ana", (Frame(0, hex="ff"),), Send("ana", "auth", {"token": token()}, drop=("/id",)), -5, 1, rules=("A",)),
    Hold("ana"),
    Release("ana"),
    Ping("ana", rules=("A",)),
    Close("ana", rules=("A",)),
    Stall("ana"),
    HalfClose("ana"),
)


def test_every_kind_of_step_survives_a_file_with_all_that_it_can_hold() -> None:
    """Values that are as they would be anyway are left out, and come back."""
    measure = {"samples": 3, "within": 0.05, "first": "ana:a", "second": "ana:b", "rules": ["A"]}
    whole = Case("a/b", "a", ("A", "B"), EVERY_STEP, "text", "should", 1.25, True, False, measure, True)
    data = case_to_data(whole)

    assert through_a_file(whole) == whole
    assert {entry["do"] for entry in data["steps"]} == {type(step).__name__.lower() for step in EVERY_STEP}
    assert data["steps"][10] == {"do": "settle"}
    assert data["steps"][13] == {"do": "idle"}
    assert data["steps"][16] == {"do": "close", "client": "ana"}


def test_a_difference_is_seen() -> None:
    """The comparison above can fail: a case that has lost one step or one value is another one."""
    whole = Case("a/b", "a", ("A",), EVERY_STEP)
    data = case_to_data(whole)

    assert case_from_data({**data, "steps": data["steps"][:-1]}) != whole
    assert case_from_data({**data, "steps": [*data["steps"][:-1], {"do": "reset", "client": "ana"}]}) != whole


GOOD = case_to_data(case())


def opened(*steps: Any) -> dict[str, Any]:
    """The case with these steps behind its opening."""
    return {**GOOD, "steps": [{"do": "open", "client": "ana"}, *steps]}


def sent(**members: Any) -> dict[str, Any]:
    """The case with one message."""
    return opened({"do": "send", "client": "ana", "message": "auth", **members})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (opened({"do": "fly"}), "step 2 does none of open, knock, post, send, "),
        (opened({"do": ["open"]}), "step 2 does none of open, knock, post, send, "),
        (opened({"do": "open"}), "step 2 (open) has no `client`"),
        (opened({"do": "ping", "client": "ana", "x": 1}), "step 2 (ping) has an unknown member `x`"),
        (opened({"do": "ping", "client": "ben"}), "step 2 is of a client that no step before it opens"),
        (opened({"do": "open", "client": 3}), "`client` of step 2 (open) is not a text"),
        (opened({"do": "open", "client": "ben", "offer": "chat.v2"}), "`offer` of step 2 (open) is not a list"),
        (opened({"do": "open", "client": "ben", "headers": [["a", "b", "c"]]}), "has 3 values and not 2"),
        (opened({"do": "idle", "seconds": "1"}), "`seconds` of step 2 (idle) is not a number or null"),
        (opened({"do": "idle", "seconds": True}), "`seconds` of step 2 (idle) is not a number or null"),
        (opened({"do": "idle", "seconds": float("nan")}), "`seconds` of step 2 (idle) is not a number or null"),
        (opened({"do": "idle", "seconds": -1}), "step 2 (idle): `seconds` is -1, and not from 0 to inf"),
        (opened({"do": "raw", "client": "ana", "binary": "xyz"}), "step 2 (raw): `binary` is not hexadecimal"),
        (opened({"do": "close", "client": "ana", "code": 70000}), "`code` is 70000, and not from 0 to 65535"),
        (sent(fragments=0), "`fragments` is 0, and not from 1 to "),
        (sent(fragments=1.5), "`fragments` of step 2 (send) is not a whole number"),
        (sent(pad_to=2**40), "`pad_to` is "),
        (sent(pad_with=""), "`pad_with` is empty"),
        (sent(change=["/id"]), "`change` of step 2 (send) is not an object"),
        (sent(drop=[3]), "a member of `drop` of step 2 (send) is not a text"),
        (sent(payload={"token": {"$token": "valid"}}), "has a symbol `$token` that is none"),
        (sent(payload={"token": {"$token": {"recipe": "valid", "left": "long"}}}), "has a symbol `$token`"),
        (sent(payload=[{"$fill": {"text": "x", "times": 2**40}}]), "has a symbol `$fill` that is none"),
        (sent(id={"$join": "ab"}), "`id` of step 2 (send) has a symbol `$join` that is none"),
        ({**GOOD, "id": 3}, "`id` of the case is not a text"),
        ({**GOOD, "rules": "CHAT-AUTH-1"}, "`rules` of the case is not a list"),
        ({**GOOD, "level": "may"}, "`level` is `may`, and neither `must` nor `should`"),
        ({**GOOD, "wait": None}, "`wait` of the case is not a number"),
        ({**GOOD, "alone": 1}, "`alone` of the case is not true or false"),
        ({**GOOD, "measure": {"samples": 3}}, "its `measure` has not what one needs"),
        ({**GOOD, "measure": 3}, "its `measure` has not what one needs"),
    ],
)
def test_what_does_not_fit_is_told_by_its_place(data: Any, says: str) -> None:
    """Whoever edits a file by hand reads what is wrong with it, and where."""
    assert case_from_data(opened()).steps == (Open("ana"),)
    with pytest.raises(ValueError, match="not a case of this version") as raised:
        case_from_data(data)
    assert says in str(raised.value)


def test_what_is_nested_too_deeply_is_told() -> None:
    """As any other file that is no case."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        case_from_data(sent(payload=deep))


@pytest.mark.parametrize(
    "data",
    [
        None,
        3,
        "case",
        [],
        {},
        {**GOOD, "steps": 3},
        {**GOOD, "steps": [3]},
        {**GOOD, "steps": [{}]},
        {**GOOD, "steps": [{"do": "fly"}]},
        {**GOOD, "steps": [{"do": "open"}]},
        {**GOOD, "steps": [{"do": "settle", "client": "ana"}]},
        {**GOOD, "steps": [{"do": "open", "client": "ana", "headers": [3]}]},
        {**GOOD, "steps": [{"do": "frames", "client": "ana"}]},
        {**GOOD, "steps": [{"do": "frames", "client": "ana", "frames": [{"opcodes": 1}]}]},
        {**GOOD, "steps": [{"do": "frames", "client": "ana", "frames": [], "of": {"message": "x"}}]},
        {**GOOD, "steps": [{"do": "open", "client": "ana", "headers": [["a", "b", "c"]]}]},
        {key: value for key, value in GOOD.items() if key != "id"},
        {**GOOD, "unknown": 1},
    ],
)
def test_what_is_no_case_is_told(data: Any) -> None:
    """Data of another version, or of none, gives a ValueError that says so."""
    assert case_from_data(GOOD) == case()
    with pytest.raises(ValueError, match="not a case of this version"):
        case_from_data(data)


def test_what_rests_on_time_is_known_by_its_steps() -> None:
    """Waiting for time or for a timer, and sharing an address with others."""
    plain = case()

    assert not plain.timed
    for step in (Idle(), Expire("ana"), Open("ben", address="one")):
        assert evolve(plain, steps=(*plain.steps, step)).timed
    assert not evolve(plain, steps=(*plain.steps, Open("ben"), Close("ana"))).timed
