"""From documents to machines: what the constructs of the format come to mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from spec.compiling import compile_source
from spec.expressions import compile_expression, pointer_get, pointer_parts
from spec.loading import DocumentError, read_text
from spec.loading.problems import did_you_mean
from spec.machine import Emission, Engine, Refusal, Request, Text, Upgrade
from spec.messages import Reader
from spec.model import Document
from spec.parameters import holds, resolve
from spec.tokens.policy import LADDER
from tests.unit_spec.test_loading import BASE, edited

NOW = 1_800_000_000.0


@frozen
class Judged:
    """What a judge says who takes a token's text for its class."""

    group: str
    claims: Mapping[str, Any]


def judge(token: str | None, now: float) -> Judged:
    return Judged(token or "absent", {"sub": "ana", "exp": now + 900, "iat": now})


def compiled(*edits: tuple[str, str]) -> Document:
    return compile_source(read_text(edited(*edits), base=BASE))


def engine(document: Document, **given: Any) -> Engine:
    return Engine(document, resolve(document.parameters, given), judge)


def request(target: str = "/v1/chat/soup", **headers: str) -> Request:
    names = {"Upgrade": "websocket", "Connection": "Upgrade", **headers}
    return Request("GET", target, tuple((name.replace("_", "-"), value) for name, value in names.items()), "192.0.2.1")


def opened(running: Engine) -> int:
    answer = running.open(request(), NOW)
    assert isinstance(answer, Upgrade)
    return answer.connection


def said(running: Engine, connection: int, body: Any) -> list[Any]:
    text = json.dumps(body)
    return list(running.receive(connection, Text(text, len(text)), NOW))


def message(kind: str, id: str = "m1", **payload: Any) -> dict[str, Any]:  # noqa: A002 - the word of the wire
    return {"type": kind, "id": id, "timestamp": "2027-01-15T08:00:00Z", "payload": payload}


# ---------------------------------------------------------------------------------------------------------- pointers


@pytest.mark.parametrize(
    ("pointer", "parts"),
    [("", ()), ("/", ("",)), ("/a", ("a",)), ("/a/", ("a", "")), ("//a", ("", "a")), ("/a~1b/~01", ("a/b", "~1"))],
)
def test_pointers_are_those_of_rfc_6901(pointer: str, parts: tuple[str, ...]) -> None:
    assert pointer_parts(pointer) == parts


def test_a_pointer_names_what_it_says_and_nothing_near_it() -> None:
    value = {"": {"": 1}, "a": ["x", "y"]}

    assert pointer_get(value, "") is value
    assert pointer_get(value, "/") == {"": 1}
    assert pointer_get(value, "//") == 1
    assert pointer_get(value, "/a/1") == "y"
    assert [pointer_get(value, f"/a/{index}") for index in ("-", "2", "²", "+1")] == [None] * 4
    assert compile_expression("$message#/")({"message": value}) == {"": 1}
    with pytest.raises(ValueError, match="no JSON Pointer"):
        pointer_parts("a/b")


def test_pointers_of_messages_start_at_the_payload() -> None:
    """What is written below a message is found in the whole one."""
    document = compiled()
    update = document.messages["recipe_update"].server
    [always] = [invariant for invariant in document.invariants if invariant.kind == "always"]

    assert update is not None
    assert list(update.chosen) == ["/payload/revision", "/payload/recipe"]
    assert list(always.members) == ["/payload/recipe_id"]
    assert list(document.envelope.server.chosen) == ["/id", "/timestamp"]


def test_a_schema_carries_the_definitions_that_it_refers_to() -> None:
    document = compiled(
        ("messages:\n", "definitions:\n  text: {type: string, minLength: 2}\n\nmessages:\n"),
        ("{content: {type: string, minLength: 1, maxLength: 4000}}", "{content: {$ref: '#/definitions/text'}}"),
    )
    reader = Reader(document, "client")

    assert reader.read_value(message("chat_message", content="ab")).valid
    assert not reader.read_value(message("chat_message", content="a")).valid


# -------------------------------------------------------------------------------------------------- flat messages


FLAT = (
    ("    payload: /payload\n", '    payload: ""\n'),
    ("        required: [type, id, timestamp, payload]", "        required: [type]"),
    ("          id: {type: string, minLength: 1, maxLength: 128}\n", ""),
    ("          payload: {type: object}\n", ""),
    ("        /id: {kind: id, unique: connection, rules: [CHAT-MSG-1]}\n", ""),
    (
        "properties: {content: {type: string, minLength",
        "properties: {id: {type: string}, content: {type: string, minLength",
    ),
    ("$message.payload#/token", "$message#/token"),
    ("$message.payload#/content", "$message#/content"),
    ("key: [$token.sub, $message.id]", 'key: [$token.sub, "$message#/id"]'),
)


def flat(*edits: tuple[str, str]) -> Document:
    """Chat with messages that have no envelope around them; only a chat message has an id."""
    text = edited()
    for old, new in (*FLAT, *edits):
        assert old in text
        text = text.replace(old, new)
    return compile_source(read_text(text, base=BASE))


def test_expressions_about_flat_messages_are_checked() -> None:
    with pytest.raises(DocumentError) as caught:
        flat(("$message#/token", "$message#/tokens"))

    assert [problem.message for problem in caught.value.problems] == ["no client message has `/tokens` in its payload"]


def test_a_flat_message_is_its_payload() -> None:
    running = engine(flat())
    connection = opened(running)

    [update] = said(running, connection, {"type": "auth", "token": "valid"})
    [copy] = said(running, connection, {"type": "chat_message", "id": "m1", "content": "hello"})

    assert update.body["recipe_id"] == "soup"
    assert (update.reply, "in_reply_to" in update.body) == ("free", False)
    assert copy.body.items() >= {"type": "chat_message", "content": "hello", "in_reply_to": "m1"}.items()


def test_the_id_of_a_flat_message_is_what_its_own_schema_names() -> None:
    reader = Reader(flat(), "client")
    told = {
        "m1": {"type": "chat_message", "id": "m1", "content": ""},
        "of the wrong type": {"type": "chat_message", "id": 5},
        "beside another message": {"type": "auth", "id": "m1", "token": "x"},
        "of an unknown type": {"type": "nonsense", "id": "m1"},
        "of no type": {"type": ["chat_message"], "id": "m1"},
    }

    assert [reader.readable_id(body) for body in told.values()] == ["m1", None, None, None, None]
    assert reader.readable_id(["m1"]) is None


# ---------------------------------------------------------------------------------------------------------- replies


@pytest.mark.parametrize(
    ("word", "reply", "named"),
    [("may", "free", "m1"), ("none", "never", None), ("must", "must", "m1"), ("readable", "must", "m1")],
)
def test_whether_an_error_names_what_it_answers_is_the_documents(word: str, reply: str, named: str | None) -> None:
    document = compiled(("in_reply: may", f"in_reply: {word}"))
    running = engine(document)

    error = said(running, opened(running), {"id": "m1"})[0]

    assert isinstance(error, Emission)
    assert (error.reply, error.reply_to, error.body.get("in_reply_to")) == (reply, named, named)


# ------------------------------------------------------------------------------------------------ versions, refusals


def test_a_version_is_served_where_it_applies() -> None:
    document = compiled(
        ("  - {name: v1,", "  - {name: v0, subprotocol: chat.v0}\n  - {name: bare, deprecated: true}\n  - {name: v1,"),
    )
    served = {rollout: engine(document, rollout=rollout).machine.served for rollout in ("legacy", "dual", "message")}

    assert served == {
        "legacy": ["chat.v0", "chat.v1"],
        "dual": ["chat.v2", "chat.v0", "chat.v1"],
        "message": ["chat.v2", "chat.v0"],
    }
    assert [version.subprotocol for version in document.versions] == ["chat.v2", "chat.v0", None, "chat.v1"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, True),
        ({"stage": "b"}, True),
        ({"stage": "bc"}, False),
        ({"stage": ["a", "b"]}, True),
        ({"stage": ["a", "c"]}, False),
        ({"strict": True}, True),
        ({"strict": False}, False),
        ({"origins": "configured"}, False),
        ({"users": "configured"}, True),
        ({"stage": "b", "origins": "configured"}, False),
        ({"unknown": "configured"}, False),
    ],
)
def test_a_condition_holds_where_each_parameter_has_what_it_names(condition: Mapping[str, Any], expected: bool) -> None:
    assert holds(condition, {"stage": "b", "strict": True, "origins": (), "users": ("ana",)}) is expected


def test_a_refusal_has_the_status_of_its_code() -> None:
    document = compiled(("CREDENTIAL_AMBIGUOUS: 400", "CREDENTIAL_AMBIGUOUS: 409"))
    answer = engine(document, rollout="dual").open(request("/v1/chat/soup?token=a&token=b"), NOW)

    assert isinstance(answer, Refusal)
    assert (answer.status, answer.body) == (409, {"code": "CREDENTIAL_AMBIGUOUS"})


# ------------------------------------------------------------------------------------------------------------- facts


@pytest.mark.parametrize("spelling", ["true", "'true'", "[true]"])
def test_a_switch_is_a_fact(spelling: str) -> None:
    document = compiled(
        ("parameters:\n", "parameters:\n  strict: {type: switch, default: true, text: Whether it is strict.}\n"),
        (
            "  running: {kind: running}\n",
            "  strict: {kind: parameter, parameter: strict}\n  running: {kind: running}\n",
        ),
        (
            "        other: [{do",
            f"        other: [{{when: {{strict: {spelling}}}, do: [], rules: [CHAT-AUTH-2]}}, {{do",
        ),
    )
    outputs = {}
    for setting in ("true", "false"):
        running = engine(document, strict=setting)
        outputs[setting] = len(said(running, opened(running), message("nonsense")))

    assert document.facts["strict"].values == ("true", "false")
    assert outputs == {"true": 0, "false": 2}


SECOND = """\
  second: {kind: credentials, places: [{header: X-Second, scheme: Bearer}]}
  seconded: {kind: token, of: $second}
  presented: {kind: token, of: $credential}
"""
SECOND_ROW = """\
    - when: {version: v1, seconded: expired}
      refuse: {code: ORIGIN_FORBIDDEN}
      rules: [CHAT-LEG-1]
    - when: {version: v1, presented: absent}
"""


def test_facts_about_credentials_do_not_overwrite_each_other() -> None:
    document = compiled(
        ("  presented: {kind: token, of: $credential}\n", SECOND),
        ("    - when: {version: v1, presented: absent}\n", SECOND_ROW),
    )
    running = engine(document, rollout="legacy")

    refused = running.open(request(Authorization="Bearer valid", X_Second="Bearer expired"), NOW)
    accepted = running.open(request(Authorization="Bearer valid", X_Second="Bearer invalid"), NOW)

    assert isinstance(refused, Refusal)
    assert refused.body == {"code": "ORIGIN_FORBIDDEN"}
    assert isinstance(accepted, Upgrade)


def test_the_classes_of_tokens_are_the_verdicts_of_the_ladder() -> None:
    verdicts = {"absent": "absent", "expired": "late", "signature": "forged"}
    steps = "".join(f"    - {{step: {step}, verdict: {verdicts.get(step, 'invalid')}}}\n" for step in LADDER)
    text = edited(("tokens:\n  claims:", f"tokens:\n  ladder:\n{steps}  claims:"))
    text = text.replace("token: expired}", "token: late}").replace("presented: expired}", "presented: late}")
    document = compile_source(read_text(text, base=BASE))
    running = engine(document)

    error = said(running, opened(running), message("auth", token="late"))[0]

    assert document.facts["token"].values == ("absent", "invalid", "forged", "late", "valid")
    assert error.body["payload"]["code"] == "TOKEN_EXPIRED"


def test_names_are_compared_with_names_only() -> None:
    """Data that was not checked may hold anything where names belong."""
    known: Any = [5, None, "recipe", {"a": 1}, Path("x")]

    assert did_you_mean("recip", known) == "did you mean `recipe`?"
    assert did_you_mean("zzz", known) == "known: recipe"
