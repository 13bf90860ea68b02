"""`handfast trace check`: recorded exchanges are judged as live ones are, and nothing secret comes out of a file."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from attrs import evolve

from conformance.player import Entry
from conformance.reporting.jsonl import encode_event
from conformance.tokenbook import Minted
from spec.cli import main
from spec.compiling import load
from spec.exits import Exit
from spec.expressions import rfc3339
from tests.unit_conformance.kit import SECRET, finding, result, stream

NOW = 1_800_000_000.0
ROOM = "wss://chat.example/v1/chat/soup"


def token(subject: str = "ana", life: float = 900.0, secret: str = SECRET) -> str:
    claims = {"sub": subject, "iat": int(NOW) - 1, "exp": int(NOW + life)}
    return jwt.encode(claims, secret, algorithm="HS256")


def message(kind: str, payload: Any, identifier: str, at: float, **more: Any) -> str:
    return json.dumps({"type": kind, "id": identifier, "timestamp": rfc3339(NOW + at), "payload": payload, **more})


def sent(at: float, kind: str, payload: Any, identifier: str) -> dict[str, Any]:
    return {"type": "send", "time": NOW + at, "opcode": 1, "data": message(kind, payload, identifier, at)}


def came(at: float, kind: str, payload: Any, **more: Any) -> dict[str, Any]:
    data = message(kind, payload, f"server-{kind}-{at}", at, **more)
    return {"type": "receive", "time": NOW + at, "opcode": 1, "data": data}


RECIPE = {"recipe_id": "soup", "revision": 3, "recipe": {"title": "Soup"}}


def error(at: float, code: str, **more: Any) -> dict[str, Any]:
    return came(at, "error", {"code": code, "message": "No.", "retryable": code == "AUTH_TIMEOUT"}, **more)


def opened(*messages: dict[str, Any], url: str = ROOM, status: int = 101, **more: Any) -> dict[str, Any]:
    """An entry as browsers save it: the request for the upgrade, and the messages."""
    return {
        "startedDateTime": rfc3339(NOW),
        "time": 12.5,
        "request": {
            "method": "GET",
            "url": url,
            "headers": [
                {"name": "Sec-WebSocket-Protocol", "value": "chat.v2"},
                {"name": "Cookie", "value": "session=a-cookie-that-nobody-may-read"},
            ],
        },
        "response": {
            "status": status,
            "headers": [{"name": "Sec-WebSocket-Protocol", "value": "chat.v2"}] if status == 101 else [],
            "content": {"text": json.dumps({"code": "NOT_FOUND"})},
        },
        "_resourceType": "websocket",
        "_webSocketMessages": list(messages),
        **more,
    }


PAGE = {
    "startedDateTime": rfc3339(NOW - 1),
    "request": {"method": "GET", "url": "https://chat.example/", "headers": []},
    "response": {"status": 200, "headers": [], "content": {}},
}


def har(path: Path, *entries: dict[str, Any]) -> Path:
    file = path / "saved.har"
    file.write_text(json.dumps({"log": {"version": "1.2", "entries": [PAGE, *entries]}}))
    return file


def talk(**overrides: Any) -> list[dict[str, Any]]:
    """Somebody authenticates and says something."""
    told = {"code": token(), "welcome": RECIPE, "echo": {"content": "More salt?", "user_id": "ana"}, **overrides}
    return [
        sent(0.1, "auth", {"token": told["code"]}, "a-1"),
        came(0.15, "recipe_update", told["welcome"], in_reply_to="a-1"),
        sent(0.3, "chat_message", {"content": "More salt?"}, "a-2"),
        came(0.35, "chat_message", told["echo"], in_reply_to="a-2"),
        sent(6.0, "chat_message", {"content": "Done."}, "a-3"),
    ]


@pytest.fixture(autouse=True)
def _documents_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.arranging.load", LOADED)


LOADED = cache(load)


def check(*words: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["trace", "check", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TRACE_SECRET", SECRET)
    return "env:TRACE_SECRET"


def test_a_saved_exchange_that_keeps_the_rules_is_conformant(
    tmp_path: Path, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = har(tmp_path, opened(*talk()))
    code, told = check(file, "--protocol", "chat", "--secret", secret, capsys=capsys)
    assert (code, told.splitlines()[-1]) == (Exit.CONFORMANT, "verdict: conformant")
    assert "1 client, 5 messages" in told
    assert "how connections ended is not judged" in told


WRONG: list[tuple[str, list[dict[str, Any]], str]] = [
    ("another sender's name", talk(echo={"content": "More salt?", "user_id": "ben"}), "CHAT-MSG-2"),
    ("another recipe", talk(welcome={**RECIPE, "recipe_id": "cake"}), "CHAT-MSG-3"),
    ("no answer", [one for one in talk() if "server-chat_message" not in one["data"]], "CHAT-MSG-2"),
    ("an error too early", [error(1.0, "AUTH_TIMEOUT")], "CHAT-AUTH-4"),
    ("a message before authentication", [came(0.1, "recipe_update", RECIPE)], "CHAT-AUTH-9"),
]


@pytest.mark.parametrize(("what", "messages", "rule"), WRONG, ids=[what for what, *_ in WRONG])
def test_what_breaks_a_rule_is_told_by_the_rule(
    what: str,
    messages: list[dict[str, Any]],
    rule: str,
    tmp_path: Path,
    secret: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = har(tmp_path, opened(*messages))
    code, told = check(file, "--protocol", "chat", "--secret", secret, "--format", "json", capsys=capsys)
    assert code == Exit.NONCONFORMANT
    [exchange] = json.loads(told)["exchanges"]
    assert rule in exchange["findings"][0]["rules"], what


def test_tokens_are_judged_by_the_key_or_taken_as_they_explain_the_exchange(
    tmp_path: Path, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = token(secret="somebody-else-has-this-secret-and-nobody-knows")
    refused = [sent(0.1, "auth", {"token": forged}, "a-1"), error(0.15, "TOKEN_INVALID", in_reply_to="a-1")]
    file = har(tmp_path, opened(*refused))
    assert check(file, "--protocol", "chat", "--secret", secret, capsys=capsys)[0] == Exit.CONFORMANT
    code, told = check(file, "--protocol", "chat", capsys=capsys)
    assert code == Exit.CONFORMANT
    assert "0 taken for good, 1 for forged" in told
    file = har(tmp_path, opened(*talk(code=forged)))
    assert check(file, "--protocol", "chat", capsys=capsys)[0] == Exit.CONFORMANT
    code, told = check(file, "--protocol", "chat", "--secret", secret, capsys=capsys)
    assert code == Exit.NONCONFORMANT
    assert "CHAT-AUTH-5" in told
    expired = [
        sent(0.1, "auth", {"token": token(life=-60.0)}, "a-1"),
        error(0.15, "TOKEN_INVALID", in_reply_to="a-1"),
    ]
    code, told = check(har(tmp_path, opened(*expired)), "--protocol", "chat", "--secret", secret, capsys=capsys)
    assert code == Exit.NONCONFORMANT
    assert "CHAT-AUTH-6" in told


def test_several_clients_are_one_exchange(tmp_path: Path, secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    ben = [
        sent(0.05, "auth", {"token": token("ben")}, "b-1"),
        came(0.08, "recipe_update", RECIPE, in_reply_to="b-1"),
        came(0.36, "chat_message", {"content": "More salt?", "user_id": "ana"}),
        sent(6.1, "chat_message", {"content": "Bye."}, "b-2"),
    ]
    words = ("--protocol", "chat", "--secret", secret)
    assert check(har(tmp_path, opened(*talk()), opened(*ben)), *words, capsys=capsys)[0] == Exit.CONFORMANT
    deaf = [one for one in ben if "server-chat" not in one["data"]]
    code, told = check(har(tmp_path, opened(*talk()), opened(*deaf)), *words, capsys=capsys)
    assert code == Exit.NONCONFORMANT
    assert "CHAT-MSG-2" in told


def test_refusals_prefixes_and_parameters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = opened(url="wss://chat.example/api/v1/chat/soup/more", status=404)
    code, told = check(har(tmp_path, elsewhere), "--protocol", "chat", "--prefix", "/api", capsys=capsys)
    assert code == Exit.CONFORMANT, told
    quick = har(tmp_path, opened(error(0.7, "AUTH_TIMEOUT")))
    assert check(quick, "--protocol", "chat", capsys=capsys)[0] == Exit.NONCONFORMANT
    assert check(quick, "--protocol", "chat", "--quick", capsys=capsys)[0] == Exit.CONFORMANT
    assert check(quick, "--protocol", "chat", "--set", "auth_deadline=700ms", capsys=capsys)[0] == Exit.CONFORMANT


@pytest.mark.parametrize("kind", ["text", "json"])
def test_nothing_secret_of_a_file_is_told(
    kind: str, tmp_path: Path, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that throws the token back, whole and in part, and a file that has it in every place."""
    one, other = token("ana"), "not.a.token-but-a-secret-all-the-same"
    messages = [
        sent(0.1, "auth", {"token": one}, "a-1"),
        came(0.15, "recipe_update", {**RECIPE, "recipe": {"quoted": one, "part": one[20:60]}}, in_reply_to="a-1"),
        sent(0.2, "authenticate", {"access_token": other}, "a-2"),
        error(0.25, other, in_reply_to="a-2"),
        came(0.3, "session=a-cookie-that-nobody-may-read", {}),
    ]
    file = har(tmp_path, opened(*messages, url=f"{ROOM}?token={other}"))
    code, told = check(file, "--protocol", "chat", "--secret", secret, "--format", kind, capsys=capsys)
    assert code == Exit.NONCONFORMANT
    assert "ALL-LEAK-1" in told
    for hidden in (one, other, "a-cookie-that-nobody-may-read", SECRET):
        assert not any(hidden[n : n + 16] in told for n in range(len(hidden) - 15))


def recorded(tmp_path: Path, *entries: Entry, tokens: Any = None, **more: Any) -> Path:
    """A stream of the suite with one failure."""
    failed = result(
        "fail",
        "transitions/x",
        finding("code", "CHAT-AUTH-5"),
        transcript=entries,
        began=NOW,
        tokens=tokens or {},
        **more,
    )
    file = tmp_path / "handfast.jsonl"
    file.write_text("".join(map(encode_event, stream(failed))))
    return file


NAME = "<token valid of ana>"
MINTED = Minted("…", "ana", "valid", "valid", {"sub": "ana", "iat": NOW - 1, "exp": NOW + 62})
LINES = (
    Entry(0.0, "ana", ">", "GET /v1/chat/soup Sec-WebSocket-Protocol: chat.v2"),
    Entry(0.01, "ana", "<", "101 Sec-WebSocket-Protocol: chat.v2"),
    Entry(0.02, "ana", ">", message("auth", {"token": NAME}, "a-1", 0.02)),
    Entry(0.03, "ana", "<", message("recipe_update", RECIPE, "s-1", 0.03, in_reply_to="a-1")),
    Entry(0.04, "ana", ".", "waits for reauth_lead"),
    Entry(
        2.03,
        "ana",
        "<",
        message("auth_required", {"reason": "token_expiring", "expires_at": rfc3339(NOW + 62)}, "s-2", 2.03),
    ),
    Entry(2.04, "ana", ">", "binary b'x'"),
    Entry(2.05, "ana", "<", "close 1003"),
)


def test_a_stream_of_the_suite_is_judged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = check(recorded(tmp_path, *LINES, tokens={NAME: MINTED}), capsys=capsys)
    assert code == Exit.CONFORMANT, told
    early = [*LINES[:5], evolve(LINES[5], at=1.0)]
    code, told = check(recorded(tmp_path, *early, tokens={NAME: MINTED}), capsys=capsys)
    assert code == Exit.NONCONFORMANT
    assert "CHAT-REAUTH-1" in told
    otherwise = [*LINES[:-1], Entry(2.05, "ana", "<", "close 1009")]
    code, told = check(recorded(tmp_path, *otherwise, tokens={NAME: MINTED}), capsys=capsys)
    assert (code, "CHAT-MSG-7" in told) == (Exit.NONCONFORMANT, True)


def test_what_is_below_the_messages_ends_the_judgement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [*LINES[:4], Entry(0.05, "ana", ">", "an unfinished fragment '{'"), Entry(0.06, "ana", "<", "nonsense")]
    code, told = check(recorded(tmp_path, *lines, tokens={NAME: MINTED}), capsys=capsys)
    assert code == Exit.CONFORMANT
    assert "not judged from here on: ana: an unfinished fragment" in told


def test_a_run_in_which_all_passed_holds_no_exchange(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "handfast.jsonl"
    file.write_text("".join(map(encode_event, stream(result("pass", "opening/plain")))))
    assert check(file, capsys=capsys)[0] == Exit.NOTHING


ODD = [
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"log": 1}',
    '{"log": {"entries": [1, null, "x", {}]}}',
    '{"log": {"entries": [{"request": {"url": "ws://x/"}}]}}',
    '{"log": {"entries": [{"request": {"url": "ws://[/"}, "startedDateTime": "2027-01-15T08:00:00Z"}]}}',
    '{"log": {"entries": [{"request": {"url": 5}, "_webSocketMessages": 7}]}}',
    '{"log": {"entries": [{"startedDateTime": "now", "request": {"url": "ws://x/"}}]}}',
    '{"event": "header"}',
    '{"event": "header", "protocol": "../../x", "version": 2}',
    '{"event": "header", "protocol": "chat", "version": 2, "parameters": {"rollout": "never"}}',
    '{"event": "header", "protocol": "chat", "version": 2}\n{"event": "case", "id": 3, "transcript": [{}]}',
    '{"event": "header", "protocol": "chat", "version": 2}\nnonsense',
    '{"transcript": [], "protocol": "chat", "version": 2}',
    '{"transcript": [{"at": 1, "client": "a", "direction": "<", "text": "x"}], "protocol": "chat", "version": 2}',
    "[" * 5000,
    *(
        json.dumps({"log": {"entries": [opened({"type": "send", "time": time, "opcode": 1, "data": data})]}})
        for time, data in (("soon", "x"), (1e300, "x"), (-1, 5), (None, None), (True, "x"))
    ),
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_bad_input_is_told_and_never_a_fault_of_ours(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "odd.har"
    file.write_text(text)
    code, told = check(file, "--protocol", "chat", capsys=capsys)
    assert code in (Exit.USAGE, Exit.NOTHING, Exit.NONCONFORMANT, Exit.CONFORMANT), told
    assert "internal error" not in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("none.har",), "No such file"),
        (("{file}",), "which protocol?"),
        (("{file}", "--protocol", "chatt"), "did you mean `chat`"),
        (("{file}", "--protocol", "chat", "--set", "leeway"), "has no value"),
        (("{file}", "--protocol", "chat", "--latency", "soon"), "`--latency`"),
    ],
)
def test_slips_are_told(words: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = har(tmp_path, opened())
    code, told = check(*(word.format(file=file) for word in words), capsys=capsys)
    assert (code, says in told) == (Exit.USAGE, True), told


def test_a_binary_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.har"
    file.write_bytes(b"\xff\xfe\x00")
    code, told = check(file, "--protocol", "chat", capsys=capsys)
    assert code == Exit.USAGE
    assert re.search(r"not UTF-8", told)


def spoiled(value: Any, chance: random.Random) -> Any:
    """A value in which one place, drawn anew each time, holds something else or nothing."""
    places = list(_places(value))
    path = chance.choice(places)
    odd: Any = chance.choice([None, 5, -1.5, 1e300, True, "", "x", "\ud800", [], [[]], {}, {"a": 1}, "ws://[", "2027"])
    if not path:
        return odd
    spoilt = json.loads(json.dumps(value))
    inner = spoilt
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = odd
    return spoilt


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from _places(member, (*path, key))


def test_no_place_of_a_file_can_break_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance, file = random.Random(20261121), tmp_path / "odd.har"
    good = json.loads(har(tmp_path, opened(*talk())).read_text())
    lines = recorded(tmp_path, *LINES, tokens={NAME: MINTED}).read_text().splitlines()
    for _ in range(60):
        file.write_text(json.dumps(spoiled(good, chance)))
        code, told = check(file, "--protocol", "chat", capsys=capsys)
        assert code != Exit.INTERNAL, told
        number = chance.randrange(len(lines))
        odd = json.dumps(spoiled(json.loads(lines[number]), chance))
        file.write_text("\n".join([*lines[:number], odd, *lines[number + 1 :]]))
        code, told = check(file, capsys=capsys)
        assert code != Exit.INTERNAL, told
