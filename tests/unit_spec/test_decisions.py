"""Decisions of documents: whatever can happen is decided, and what is not is told with a combination of classes."""

from __future__ import annotations

import pytest
from attrs import evolve

from spec.loading import read, read_text
from spec.references import check
from tests.unit_spec.test_loading import BASE, CHAT, edited, marked, problems_of

Edits = list[tuple[str, str]]

_ACCEPT = "          - do: &accept\n"
_SAY = "          - {do: *say, rules: [CHAT-MSG-2]}\n"
_LAST_UPGRADE = (
    "    - upgrade: {subprotocol: none, to: authenticating, rules: [CHAT-OPEN-3]}\n      rules: [CHAT-OPEN-1]\n"
)
_SWITCH = "parameters:\n  strict: {type: switch, default: true, text: Whether it is strict.}\n"
_BY_SWITCH = "  strict: {kind: parameter, parameter: strict}\n  running: {kind: running}\n"

# Each edit leaves something undecided; the problem must be told at the list, whose key is marked.
UNDECIDED: dict[str, tuple[Edits, str]] = {
    "classes of two facts": (
        [
            (
                "        auth:\n          - {when: {payload: invalid}",
                "        §auth:\n          - {when: {payload: invalid}",
            ),
            (_ACCEPT, "          - when: {token: valid, subject: same}\n            do: &accept\n"),
        ],
        (
            "no case decides where `payload` is `valid` and `attempts` is `within` and `token` is `absent` and "
            "`replay` is `fresh` and `subject` is `same`"
        ),
    ),
    "a state": (
        [
            ("chat_message:\n          - {when", "§chat_message:\n          - {when"),
            (_SAY, _SAY.replace("{do", "{in: connected.v1, do")),
        ],
        "no case decides where the state is `connected.v2.fresh` and `payload` is `valid`",
    ),
    "a row of the opening": (
        [
            ("  rows:\n    - when: {running: stopping}", "  §rows:\n    - when: {running: stopping}"),
            (
                _LAST_UPGRADE,
                _LAST_UPGRADE.replace("- upgrade", "- when: {version: v2, rollout: message}\n      upgrade"),
            ),
        ],
        (
            "no case decides where `running` is `running` and `path` is `served` and `upgrade` is `websocket` and "
            "`origin` is `acceptable` and `version` is `v2` and `rollout` is `dual` and `credential` is `none` and "
            "`presented` is `absent` and `offer` is `none`"
        ),
    ),
    "a row of a table": (
        [
            ("    values: [v1, v2, unserved]\n    rows:", "    values: [v1, v2, unserved]\n    §rows:"),
            ("      - {is: unserved}", "      - {when: {rollout: [dual, legacy]}, is: unserved}"),
        ],
        "no case decides where `rollout` is `message` and `offer` is `other` and `credential` is `none`",
    ),
    "an expiry": (
        [
            (
                "          expire: [{do: [{error: AUTH_T",
                "          §expire: [{when: {running: running}, do: [{error: AUTH_T",
            )
        ],
        "no case decides where `running` is `stopping`",
    ),
    "a switch": (
        [
            ("parameters:\n", _SWITCH),
            ("  running: {kind: running}\n", _BY_SWITCH),
            ("    binary: [{do", "    §binary: [{when: {strict: true}, do"),
        ],
        "no case decides where `strict` is `false`",
    ),
    "an input": (
        [
            ("    authenticating:\n", "    §authenticating:\n"),
            ("        malformed: [{do: [{error: MESSAGE_INVALID, in_reply: may}], rules: [CHAT-AUTH-3]}]\n", ""),
        ],
        "no case decides what comes of `malformed` in `authenticating`",
    ),
    "a table in a circle": (
        [
            ("  version:\n", "  §version:\n"),
            ("      - {is: unserved}", "      - {when: {version: v1}, is: v1}\n      - {is: unserved}"),
        ],
        "the table `version` asks for itself",
    ),
}


@pytest.mark.parametrize("name", UNDECIDED)
def test_what_nothing_decides_is_told_with_a_combination(name: str) -> None:
    edits, message = UNDECIDED[name]
    text, places = marked(edited(*edits))

    (problem,) = problems_of(text)

    assert problem.message == message
    assert [(problem.place.line, problem.place.column)] == places


# Each edit has no last row without a guard, and leaves nothing undecided all the same.
DECIDED: dict[str, Edits] = {
    "by every class of a fact": [
        (_LAST_UPGRADE, _LAST_UPGRADE.replace("- upgrade", "- when: {version: v2}\n      upgrade"))
    ],
    "by every class of two facts": [
        (
            "      - {is: unserved}",
            (
                "      - {when: {rollout: [dual, legacy]}, is: unserved}\n"
                "      - {when: {rollout: message, offer: [other, chat.v1]}, is: unserved}"
            ),
        )
    ],
    "by every state": [
        (_SAY, _SAY.replace("{do", "{in: connected.v1, do") + _SAY.replace("{do", "{in: connected.v2, do"))
    ],
    "by both positions of a switch": [
        ("parameters:\n", _SWITCH),
        ("  running: {kind: running}\n", _BY_SWITCH),
        (
            "binary: [{do: [{close: 1003}]",
            (
                "binary: [{when: {strict: 'false'}, do: [], rules: [CHAT-MSG-7]}, "
                "{when: {strict: true}, do: [{close: 1003}]"
            ),
        ),
    ],
    "in states that another list decides for": [
        ("    binary: [{do", "    binary: [{in: connected, do"),
        (
            "        malformed: [{do: [{error: MESSAGE_INVALID, in_reply: may}",
            (
                "        binary: [{do: [], rules: [CHAT-MSG-7]}]\n"
                "        malformed: [{do: [{error: MESSAGE_INVALID, in_reply: may}"
            ),
        ),
    ],
}


@pytest.mark.parametrize("name", DECIDED)
def test_rows_that_together_decide_everything_are_enough(name: str) -> None:
    read_text(edited(*DECIDED[name]), base=BASE)


def test_the_table_of_what_cannot_be_counted_needs_a_last_row() -> None:
    """Where trying every combination would take too long, the list must end without a guard."""
    source = read(CHAT)
    names = [f"choice_{number}" for number in range(9)]
    data = {**source.data, "parameters": dict(source.data["parameters"]), "facts": dict(source.data["facts"])}
    for name in names:
        data["parameters"][name] = {"type": "choice", "values": list("abcd"), "default": "a", "text": "One of many."}
        data["facts"][name] = {"kind": "parameter", "parameter": name}
    rows = [{"when": dict.fromkeys(names, letter), "is": "some"} for letter in "abc"]
    data["facts"]["all"] = {"kind": "table", "values": ["some"], "rows": rows}

    (problem,) = check(evolve(source, data=data))
    assert problem.message == "the guards have too many combinations to tell whether some case always decides"
    assert problem.pointer == "/facts/all/rows"

    rows.append({"is": "some"})
    assert check(evolve(source, data=data)) == []
