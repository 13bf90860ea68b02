"""From flags and the target file to a target."""

from __future__ import annotations

import json
import resource
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from conformance.arranging import Arranged, arrange, bare_arguments
from conformance.target import Addresses, loopback
from spec.compiling import load
from spec.exits import Exit, Stop
from spec.parameters import Rate, Tolerance
from spec.tokens import foreign_keys
from spec.tokens.foreign import jwk
from tests.unit_conformance.kit import SECRET, URL

FILE = """
[target]
url = "ws://127.0.0.1:2/file"
protocol = "chat"
connections = 33

[parameters]
auth_deadline = "600ms"
auth_rate = "30/3s"
message_bytes = "32KiB"

[tokens]
secret = "env:FILE_SECRET"
issuer = "file-issuer"
audience = "file-audience"

[run]
level = "smoke"
fail_on = "should"
seed = 11
run = ["opening"]
skip = ["timers"]
"""


_load = cache(load)


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("conformance.arranging.load", _load)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (4096, 4096))
    monkeypatch.setenv("FLAG_SECRET", SECRET)
    monkeypatch.setenv("FILE_SECRET", "another-secret-of-the-tests-long-enough")
    monkeypatch.setenv("SUITE_TOKEN", "head.e30.tail")
    key = foreign_keys("ES256").other
    monkeypatch.setenv("PRIVATE_KEY", key.material.decode())
    monkeypatch.setenv("PUBLIC_KEY", json.dumps(jwk(key) | {"kid": "public"}))


def given(**flags: Any) -> Arranged:
    """What flags come to, with a URL of their own."""
    return arrange(bare_arguments(**flags), flags.pop("url", URL))


def told(url: str | None = URL, **flags: Any) -> str:
    """What is said of flags that are refused."""
    with pytest.raises(Stop) as stopped:
        arrange(bare_arguments(**flags), url)
    assert stopped.value.exit is Exit.USAGE
    return str(stopped.value)


def test_defaults() -> None:
    """With nothing but a protocol and a URL: the document's defaults, the complete level, no tokens."""
    found = given(protocol="chat")
    target = found.target

    assert (found.level, found.fail_on, found.run, found.skip) == ("complete", "must", (), ())
    assert target.parameters["auth_deadline"] == 5.0
    assert target.parameters["auth_rate"] == Rate(10, 60.0)
    assert target.given == frozenset()
    assert target.book.tier == "nothing"
    assert target.connections == 600
    assert len({given(protocol="chat").seed for _ in range(5)}) > 1, "a seed that nobody gives is drawn"


def test_the_file_goes_before_the_defaults(tmp_path: Path) -> None:
    """`handfast.toml` is read where there is one, and another where it is named."""
    (tmp_path / "handfast.toml").write_text(FILE)
    found = arrange(bare_arguments(), None)
    target = found.target

    assert target.endpoint.url == "ws://127.0.0.1:2/file"
    assert (found.level, found.fail_on, found.seed, found.run, found.skip) == (
        "smoke",
        "should",
        11,
        ("opening",),
        ("timers",),
    )
    assert target.parameters["auth_deadline"] == 0.6
    assert target.parameters["auth_rate"] == Rate(30, 3.0)
    assert target.parameters["reauth_lead"] == 60.0
    assert target.given == {"auth_deadline", "auth_rate", "message_bytes"}
    assert (target.book.tier, target.book.policy.issuer, target.connections) == ("mint", "file-issuer", 33)
    (tmp_path / "other.toml").write_text("[target]\nprotocol = 'chat'\nurl = 'ws://127.0.0.1:9'\n")
    assert arrange(bare_arguments(target="other.toml"), None).target.endpoint.port == 9


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    """Each by itself: what no flag names stays as the file has it."""
    (tmp_path / "handfast.toml").write_text(FILE)
    found = given(
        secret="env:FLAG_SECRET",
        issuer="flag-issuer",
        connections=7,
        set=["auth_deadline=800ms"],
        level="deep",
        fail_on="must",
        seed=12,
        run=["rooms"],
        skip=["tokens"],
    )
    target = found.target

    assert target.endpoint.url == "ws://127.0.0.1:1"
    assert (found.level, found.fail_on, found.seed, found.run, found.skip) == (
        "deep",
        "must",
        12,
        ("rooms",),
        ("tokens",),
    )
    assert target.parameters["auth_deadline"] == 0.8
    assert target.parameters["message_bytes"] == 32768
    assert [key.material for key in target.book.keys] == [SECRET.encode()]
    assert (target.book.policy.issuer, target.book.policy.audience) == ("flag-issuer", "file-audience")
    assert target.connections == 7


def test_a_token_that_is_given_replaces_the_key_of_the_file(tmp_path: Path) -> None:
    """The flag decides the tier: with `--token`, the file's secret is not used."""
    (tmp_path / "handfast.toml").write_text(FILE)
    book = given(token="env:SUITE_TOKEN").target.book

    assert (book.tier, book.given) == ("token", "head.e30.tail")


def test_keys_of_the_file(tmp_path: Path) -> None:
    """One reference or a list of them; a flag that names any key, or a token, replaces them all."""
    for written in ('"env:PRIVATE_KEY"', '["env:PRIVATE_KEY", "env:PUBLIC_KEY"]'):
        (tmp_path / "handfast.toml").write_text(f"[tokens]\nkey = {written}\n")
        book = given(protocol="chat").target.book
        assert [key.alg for key in book.keys] == ["ES256"]
        assert given(protocol="chat", secret="env:FLAG_SECRET").target.book.policy.algorithms() == {"HS256"}
        assert given(protocol="chat", token="env:SUITE_TOKEN").target.book.tier == "token"
    assert [key.kid for key in book.policy.keys] == [None, "public"], "a public key is known, and mints nothing"
    (tmp_path / "handfast.toml").write_text('[tokens]\nkey = "env:PRIVATE_KEY"\nkid = "main"\n')
    assert given(protocol="chat").target.book.policy.names() == {"main"}


def test_quick_values_are_the_documents() -> None:
    """And `--set` goes before them; the report names them all as given."""
    target = given(protocol="chat", quick=True, set=["auth_deadline=800ms"]).target

    assert target.parameters["auth_deadline"] == 0.8
    assert target.parameters["auth_rate"] == Rate(10, 1.0)
    assert target.given == {"auth_deadline", "auth_rate", "reauth_lead"}


@pytest.mark.parametrize(
    ("pair", "name", "value"),
    [
        ("auth_deadline=500ms", "auth_deadline", 0.5),
        ("auth_deadline=2", "auth_deadline", 2.0),
        ("auth_deadline = 1.5s ", "auth_deadline", 1.5),
        ("auth_deadline=1m", "auth_deadline", 60.0),
        ("reauth_lead=24h", "reauth_lead", 86400.0),
        ("message_bytes=64KiB", "message_bytes", 65536),
        ("message_bytes=20480", "message_bytes", 20480),
        ("message_bytes=1MB", "message_bytes", 1_000_000),
        ("auth_rate=10/60s", "auth_rate", Rate(10, 60.0)),
        ("auth_rate=10/60", "auth_rate", Rate(10, 60.0)),
        ("auth_rate=3/500ms", "auth_rate", Rate(3, 0.5)),
        ("timer_late=300ms", "timer_late", Tolerance(0.3, 0.0)),
        ("timer_late=1s/20%", "timer_late", Tolerance(1.0, 0.2)),
        ("origins=https://a.example, https://b.example", "origins", ("https://a.example", "https://b.example")),
        ("rollout=dual", "rollout", "dual"),
    ],
)
def test_values_in_their_text_forms(pair: str, name: str, value: Any) -> None:
    """Durations, sizes, rates, tolerances, lists and choices."""
    assert given(protocol="chat", set=[pair]).target.parameters[name] == value


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("auth_deadlin=1s", "there is no parameter `auth_deadlin`; did you mean `auth_deadline`?"),
        ("zzz=1s", "there is no parameter `zzz`; known: "),
        ("auth_deadline", "`--set auth_deadline` has no value"),
        ("auth_deadline=soon", "is no duration; write `500ms`"),
        ("auth_deadline=-1s", "is no duration"),
        ("auth_deadline=1ms", "`auth_deadline` lies between 100ms and 600s"),
        ("message_bytes=64 apples", "is no size; write `64KiB` or bytes"),
        ("message_bytes=1", "`message_bytes` lies between 20480 bytes and"),
        ("auth_rate=10", "is no rate; write `10/60s`"),
        ("auth_rate=0/60s", "both numbers must be above zero"),
        ("rollout=dula", "`rollout` is one of legacy, dual, message, not 'dula'; did you mean `dual`?"),
        ("sunset=tomorrow", "is no date; write `2026-01-31`"),
    ],
)
def test_values_that_do_not_fit_are_told(pair: str, said: str) -> None:
    """With the nearest name, or the form to write."""
    assert said in told(protocol="chat", set=[pair])


def test_an_unknown_parameter_of_the_file_is_told(tmp_path: Path) -> None:
    """As one of a flag is."""
    (tmp_path / "handfast.toml").write_text("[parameters]\nauth_rat = '1/2s'\n")

    assert "did you mean `auth_rate`?" in told(protocol="chat")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({}, "which protocol?"),
        ({"protocol": "chta"}, "did you mean `chat`"),
        ({"protocol": "chat", "level": "smok"}, "`level` is one of smoke, complete, deep, not `smok`"),
        ({"protocol": "chat", "fail_on": "may"}, "`fail-on` is one of must, should, not `may`"),
        ({"document": "/no/such.yaml"}, "/no/such.yaml"),
        ({"protocol": "chat", "ca": "/no/such.pem"}, "--ca /no/such.pem"),
        ({"protocol": "chat", "target": "none.toml"}, "none.toml"),
        ({"protocol": "chat", "secret": "env:NO_SUCH_NAME"}, "`NO_SUCH_NAME`"),
        ({"protocol": "chat", "token": "file:/no/such"}, "/no/such"),
        ({"protocol": "chat", "key": ["env:FLAG_SECRET"]}, "no PEM file, JWK or JWKS"),
        ({"protocol": "chat", "key": ["env:PUBLIC_KEY"]}, "no key is a private one"),
    ],
)
def test_what_cannot_be_arranged_is_told(flags: dict[str, Any], said: str) -> None:
    """What was wrong, and what to write."""
    assert said in told(**flags)


def test_no_url_is_told() -> None:
    """Neither as an argument nor in a file."""
    assert "which target?" in told(None, protocol="chat")


@pytest.mark.parametrize(
    "flags",
    [
        {"secret": "hunter2-is-the-secret"},
        {"secret": "file:"},
        {"token": "hunter2-is-the-secret"},
        {"key": ["hunter2-is-the-secret"]},
    ],
)
def test_a_secret_as_an_argument_is_refused_without_echo(flags: dict[str, str]) -> None:
    """What was typed may be a secret, and is not said again."""
    said = told(protocol="chat", **flags)

    assert "a secret is never an argument: write env:NAME or file:PATH" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("printed", "token"),
    [("a.b.c", "a.b.c"), ("  a.b.c\n\n", "a.b.c"), ('{"token": "a.b.c"}', "a.b.c")],
)
def test_a_command_gives_a_token(printed: str, token: str, tmp_path: Path) -> None:
    """Bare, or as JSON with a member `token`."""
    (tmp_path / "printed").write_text(printed)
    command = [sys.executable, "-c", "print(open('printed').read())"]
    (tmp_path / "handfast.toml").write_text(f"[tokens]\ncommand = {command!r}\n")

    assert given(protocol="chat").target.book.given == token


@pytest.mark.parametrize(
    ("program", "said"),
    [("raise SystemExit('hunter2')", "command failed"), ("print()", "command printed no token")],
)
def test_a_command_that_gives_none_is_told(program: str, said: str, tmp_path: Path) -> None:
    """A run that goes on without tokens would check less than was asked for; and nothing of its output is quoted."""
    (tmp_path / "handfast.toml").write_text(f"[tokens]\ncommand = {[sys.executable, '-c', program]!r}\n")

    assert said in told(protocol="chat")
    assert "hunter2" not in told(protocol="chat")


def test_an_empty_token_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """White space around a token is none of it, and nothing is no token."""
    monkeypatch.setenv("SUITE_TOKEN", " \n")

    assert "the token is empty" in told(protocol="chat", token="env:SUITE_TOKEN")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("chat.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("example.com", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_what_is_loopback(host: str, expected: bool) -> None:
    """Only this machine's own names and addresses are; the care for foreign targets hangs on it."""
    assert loopback(host) is expected
    assert given(protocol="chat", url=f"ws://[{host}]:1" if ":" in host else f"ws://{host}:1").target.connections == (
        600 if expected else 50
    )


def test_connections_leave_room_for_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 1024))

    assert given(protocol="chat").target.connections == 128


def test_addresses() -> None:
    """A pool is gone through in turn; on loopback each client has one of its own; elsewhere there is only one."""
    pool = Addresses(("10.0.0.1", "10.0.0.2"))
    assert [pool.take() for _ in range(3)] == ["10.0.0.1", "10.0.0.2", "10.0.0.1"]
    assert pool.size == 2
    assert Addresses.for_host("example.com", (), 0) is None
    assert Addresses.for_host("::1", (), 0) is None
    many = Addresses(seed=3)
    taken = [many.take() for _ in range(1000)]
    assert len(set(taken)) == 1000
    assert all(loopback(address) for address in taken)


def test_only_what_is_said_to_be_owned_is_attacked(tmp_path: Path) -> None:
    """Loopback is; elsewhere the flag says it, or the target file."""
    assert given(protocol="chat", url="ws://127.0.0.1:1").target.owned
    assert not given(protocol="chat", url="ws://example.com").target.owned
    assert given(protocol="chat", url="ws://example.com", i_own_this_target=True).target.owned
    (tmp_path / "handfast.toml").write_text("[target]\nowned = true\n")
    assert given(protocol="chat", url="ws://example.com").target.owned
