"""Where tokens come from that the suite cannot mint: what each source gives, and what is said where it fails."""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
import time
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import trio
import trio.testing
from attrs import define, field

from conformance.clock import Clock
from conformance.inprocess import Handler
from conformance.renewing import keep_fresh
from conformance.reporting.terminal import render
from conformance.targetfile import read_target_file, section_problems
from conformance.testing import NotConformant, handfast_check
from conformance.tokenbook import Lapsed, TokenBook
from conformance.tokensections import read_source
from conformance.tokensources import Command, Given, Login, Reference, Source
from reference_server.server import open_server
from spec.compiling import load
from spec.exits import Exit, Stop
from spec.tokens import Policy
from tests.unit_conformance.kit import SECRET, arranged
from tests.unit_conformance.orders import mount, written

NOW = 1_800_000_000.0
HIDDEN = "hunter2-is-secret"


def refused(source: Source) -> str:
    """What is said of a source that gives nothing, which quotes nothing of it."""
    with pytest.raises(Stop) as stopped:
        source.fetch()
    assert stopped.value.exit is Exit.USAGE
    assert HIDDEN not in str(stopped.value)
    return str(stopped.value)


# ---------------------------------------------------------------------------------------- commands and references


def printing(text: str) -> Command:
    return Command((sys.executable, "-S", "-c", f"import sys; sys.stdout.write({text!r})"))


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("a.b.c\n", Given("a.b.c")),
        ('{"token": "a.b.c"}', Given("a.b.c")),
        ('{"access_token": " a.b.c ", "token_type": "Bearer"}', Given("a.b.c")),
        (f'{{"token": "t", "expires_at": {NOW}}}', Given("t", theirs=NOW)),
        ('{"token": "t", "expires_at": "2027-01-15T08:00:00Z"}', Given("t", theirs=NOW)),
        ('{"token": "t", "expires_on": "1800000000"}', Given("t", theirs=NOW)),
        ('{"token": "t", "expires_in": null}', Given("t")),
    ],
)
def test_what_a_command_prints(printed: str, expected: Given) -> None:
    """A word, or JSON with when it expires: as a moment of the issuer's clock."""
    assert printing(printed).fetch() == expected


@pytest.mark.parametrize("seconds", ["300", '"300"', "300.0"])
def test_a_life_in_seconds_is_by_our_clock(seconds: str) -> None:
    """It began when the command was asked."""
    before = time.time()
    given = printing(f'{{"token": "t", "expires_in": {seconds}}}').fetch()

    assert given.ours is not None
    assert before + 300 <= given.ours <= time.time() + 300


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (printing(""), "printed no token"),
        (printing(f"error: {HIDDEN}"), "it printed more than one word, and no JSON object"),
        (printing(f'{{"error": "{HIDDEN}"}}'), "its answer has no token at /token or /access_token or /id_token"),
        (printing(f'{{"token": "{HIDDEN}"'), "its answer is no JSON"),
        (printing(f'{{"token": "{HIDDEN}", "expires_in": "soon"}}'), "/expires_in is no number of seconds"),
        (printing(f'{{"token": "{HIDDEN}", "expires_in": true}}'), "/expires_in is no number of seconds"),
        (printing(f'{{"token": ["{HIDDEN}"]}}'), "its answer has no token"),
        (Command((sys.executable, "-S", "-c", f"raise SystemExit({HIDDEN!r})")), "command failed: it ended with 1"),
        (Command((sys.executable, "-S", "-c", "import os; os.write(1, b'\\xff')")), "is not UTF-8"),
        (Command((f"/no/such/{HIDDEN}",)), "it cannot be started: No such file or directory"),
    ],
)
def test_a_command_that_gives_none_is_told(source: Source, said: str) -> None:
    """By what was wrong, and without a word of what it said."""
    assert said in refused(source)


def test_a_reference_is_read_again_where_others_write_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may be kept fresh by somebody else; the environment of this process is not."""
    monkeypatch.setenv("GIVEN", " a.b.c\n")
    (tmp_path / "token").write_text("first\n")
    file = Reference(f"file:{tmp_path / 'token'}")
    assert (file.fetch().text, file.renews, Reference("env:GIVEN").renews) == ("first", True, False)
    (tmp_path / "token").write_text("second\n")

    assert file.fetch().text == "second"
    assert Reference("env:GIVEN").fetch().text == "a.b.c"
    assert "never an argument" in refused(Reference(HIDDEN))


# ---------------------------------------------------------------------------------------------------------- logins


@define
class Issuer:
    """An issuer that answers what it is told to, and remembers what it was asked."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(factory=dict)
    body: bytes = b""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(factory=list)


@pytest.fixture(scope="module")
def listening() -> Iterator[Issuer]:
    """The issuer, on loopback."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            issuer.asked.append((self.command, self.path, dict(self.headers), body))
            self.send_response(issuer.status)
            for name, value in {**issuer.headers, "Content-Length": str(len(issuer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(issuer.body)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - http.server asks for these names.

        def log_request(self, *arguments: Any) -> None:
            """It is silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}/oauth/token"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield issuer
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def issuer(listening: Issuer, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """The issuer as if it had just begun; secrets are in the environment."""
    listening.status, listening.headers, listening.asked = 200, {}, []
    listening.body = json.dumps({"access_token": "a.b.c", "expires_in": 60}).encode()
    monkeypatch.setenv("HIDDEN", HIDDEN)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return listening


def login(**given: Any) -> Login:
    """A login as a target file describes it."""
    source = read_source({"http": given}, None)
    assert isinstance(source, Login)
    return source


def test_a_login_with_a_form(issuer: Issuer) -> None:
    """As OAuth 2 has it; what is secret comes from where it is named, and is known as a secret from then on."""
    form = {"grant_type": "client_credentials", "client_secret": "env:HIDDEN", "scope": "chat & more"}
    source = login(url=f"{issuer.url}?tenant=one", form=form, headers={"X-Api-Key": "env:HIDDEN"})
    given = source.fetch()
    [(method, path, headers, body)] = issuer.asked

    assert (given.text, given.ours is not None) == ("a.b.c", True)
    assert (method, path) == ("POST", "/oauth/token?tenant=one")
    assert parse_qs(body.decode()) == {name: [value.replace("env:HIDDEN", HIDDEN)] for name, value in form.items()}
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["X-Api-Key"] == HIDDEN
    assert source.secrets == (HIDDEN, HIDDEN)
    assert HIDDEN not in repr(source)


def test_a_login_with_json_a_user_and_pointers(issuer: Issuer) -> None:
    """Any body, basic authentication, and a token wherever it stands."""
    issuer.body = json.dumps({"data": {"jwt": "x.y.z", "until": NOW}}).encode()
    more = {"user": "handfast", "password": "env:HIDDEN", "token": "/data/jwt", "expires": "/data/until"}
    source = login(url=issuer.url, json={"login": {"password": "env:HIDDEN", "days": 3}}, **more)
    basic = base64.b64encode(f"handfast:{HIDDEN}".encode()).decode()

    assert source.fetch() == Given("x.y.z", theirs=NOW)
    [(_, _, headers, body)] = issuer.asked
    assert json.loads(body) == {"login": {"password": HIDDEN, "days": 3}}
    assert (headers["Authorization"], headers["Content-Type"]) == (f"Basic {basic}", "application/json")
    assert {HIDDEN, basic} <= set(source.secrets)


def test_a_login_without_a_body(issuer: Issuer) -> None:
    login(url=issuer.url, method="GET", headers={"Authorization": "env:HIDDEN"}).fetch()

    assert [(method, body) for method, _, _, body in issuer.asked] == [("GET", b"")]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, HIDDEN, "/oauth/token answered 401"),
        (500, HIDDEN, "/oauth/token answered 500"),
        (302, HIDDEN, "/oauth/token answered 302, a redirect, which is not followed"),
        (200, HIDDEN, "its answer is no JSON"),
        (200, f'["{HIDDEN}"]', "its answer has no token at /token or /access_token"),
        (200, f'{{"access_token": "{HIDDEN}", "expires_in": []}}', "/expires_in is no number of seconds"),
    ],
)
def test_a_login_that_is_refused_is_told(issuer: Issuer, status: int, body: str, said: str) -> None:
    """Without what was answered, and without the query, which may hold a secret; and nobody is followed anywhere."""
    issuer.status, issuer.body = status, body.encode()
    issuer.headers = {"Location": issuer.url}
    told = refused(login(url=f"{issuer.url}?code={HIDDEN}", headers={"Authorization": "env:HIDDEN"}))

    assert said in told
    assert len(issuer.asked) == 1


def test_an_issuer_that_is_not_there_is_told() -> None:
    """It is not the target: the exit code is that of what is configured."""
    assert "http://127.0.0.1:1/token: Connection refused" in refused(login(url="http://127.0.0.1:1/token"))


# ------------------------------------------------------------------------------------------------- the target file


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ({"token": "env:A", "command": ["x"]}, "[tokens] names `token` and `command`"),
        ({"command": []}, "[tokens] command is empty"),
        ({"http": {}}, "[tokens.http] has no `url` that is https:// or http://"),
        ({"http": {"url": "file:///etc/passwd"}}, "has no `url`"),
        ({"http": {"url": f"https://me:{HIDDEN}@x.example/"}}, "`url` names a user"),
        ({"http": {"url": "https://x.example/", "methd": "POST"}}, "has no key `methd`; known: url, method"),
        ({"http": {"url": "https://x.example/", "method": "TRACE"}}, "`method` is GET, POST or PUT"),
        ({"http": {"url": "https://x.example/", "form": "x"}}, "`form` is no table"),
        ({"http": {"url": 7}}, "`url` is no text"),
        ({"http": {"url": "https://x.example/", "form": {}, "json": {}}}, "has `form` and `json`"),
        ({"http": {"url": "https://x.example/", "token": "access_token"}}, "`token` is no JSON Pointer"),
        ({"http": {"url": "https://x.example/", "password": HIDDEN}}, "`password` is a secret: write env:NAME"),
        (
            {"http": {"url": "https://x.example/", "form": {"client_secret": HIDDEN}}},
            "`form.client_secret` is a secret",
        ),
        ({"http": {"url": "https://x.example/", "headers": {"Cookie": HIDDEN}}}, "`headers.Cookie` is a secret"),
        ({"http": {"url": "https://x.example/", "json": {"api-key": HIDDEN}}}, "`json.api-key` is a secret"),
        ({"http": {"url": "https://x.example/", "form": {"x": "env:NOT_SET"}}}, "no variable `NOT_SET`"),
    ],
)
def test_what_a_target_file_may_not_say(tokens: dict[str, Any], said: str) -> None:
    """Before anything is asked for; a secret that was written there is not said again."""
    with pytest.raises(Stop) as stopped:
        read_source(tokens, None)

    assert stopped.value.exit is Exit.USAGE
    assert said in str(stopped.value)
    assert HIDDEN not in str(stopped.value)


def test_kinds_of_token_are_no_secrets() -> None:
    """`grant_type`, `subject_token_type` and their like say which kind of secret is meant."""
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "requested_token_type": "urn:x"}

    assert login(url="https://x.example/", form=form).secrets == ()


def test_a_login_in_a_target_file(tmp_path: Path, issuer: Issuer) -> None:
    """As TOML; a flag goes before it."""
    (tmp_path / "t.toml").write_text(
        f"""
        [tokens.http]
        url = "{issuer.url}"
        form = {{ grant_type = "client_credentials", client_secret = "env:HIDDEN" }}
        """
    )
    tokens = read_target_file(tmp_path / "t.toml")["tokens"]
    source = read_source(tokens, None)

    assert source is not None
    assert source.fetch().text == "a.b.c"
    assert read_source(tokens, "env:HIDDEN") == Reference("env:HIDDEN")
    assert read_source({}, None) is None


# --------------------------------------------------------------------------------------------- the life of a token


@define
class Ladle:
    """A source that gives tokens of a life, each another one, and may fail for a while."""

    life: float
    opaque: bool = False
    fails: int = 0
    given: int = 0
    name: str = "command"
    renews: bool = True
    secrets: tuple[str, ...] = ("a-known-secret",)
    now: float = NOW

    def fetch(self) -> Given:
        if self.given and self.fails:
            self.fails -= 1
            raise Stop(Exit.USAGE, "[tokens] command failed: it ended with 1")
        self.given += 1
        if self.opaque:
            return Given(f"opaque-token-{self.given}", ours=self.now + self.life)
        claims = {"sub": "somebody", "iat": int(self.now) - 1, "exp": self.now + self.life, "jti": str(self.given)}
        return Given(jwt.encode(claims, SECRET, "HS256"))


def book(source: Source) -> TokenBook:
    return TokenBook(arranged().target.document, source=source, policy=Policy(()))


@pytest.mark.parametrize("opaque", [False, True])
def test_a_token_that_has_expired_is_not_handed_out(opaque: bool) -> None:
    """It would only show how expired ones are refused. A life that is told in seconds is by this machine's clock."""
    given = book(Ladle(300.0, opaque))
    assert given.expires == NOW + 300
    minted = given.get({"recipe": "valid"}, "ana", NOW + 299)
    assert minted.claims["exp"] == NOW + 300
    assert given.moments(minted) == [NOW + 300]
    with pytest.raises(Lapsed, match="the token that was given has expired: give one that is valid"):
        given.get({"recipe": "valid"}, "ana", NOW + 300)
    given.ahead = 100.0

    assert given.expires == (NOW + 400 if opaque else NOW + 300)


def test_every_token_that_was_given_is_hidden() -> None:
    """Also the one before, and what the source knows itself."""
    source = Ladle(300.0, opaque=True)
    given = book(source)
    given.renew(source.fetch())

    assert given.given == "opaque-token-2"
    assert given.sieve.clean("opaque-token-1 opaque-token-2 a-known-secret") == " ".join(["<a secret>"] * 3)


def renewed(source: Ladle, seconds: float) -> tuple[TokenBook, list[float]]:
    """What comes of a book in so much virtual time, and when its source was asked."""
    asked = []

    async def main() -> TokenBook:
        clock = Clock()
        source.now = clock()
        given, began = book(source), clock()

        async def ask(one: Source) -> Given:
            asked.append(round(clock() - began, 3))
            source.now = clock()
            return one.fetch()

        with trio.move_on_after(seconds):
            await keep_fresh(given, clock, ask)
        return given

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)), asked


def test_tokens_are_asked_for_again_before_they_expire() -> None:
    """In the last quarter of a short life, and in the last minute of a long one."""
    assert renewed(Ladle(40.0), 100.0)[1] == [30.0, 60.0, 90.0]
    assert renewed(Ladle(900.0), 2000.0)[1] == [840.0, 1680.0]
    assert renewed(Ladle(900.0, opaque=True), 1000.0)[1] == [840.0]


def test_a_source_that_fails_is_asked_again() -> None:
    """Every two seconds, and the run goes on with the token that it has; once that is over, why is told."""
    found, asked = renewed(Ladle(40.0, fails=3), 40.0)
    assert asked == [30.0, 32.0, 34.0, 36.0]
    assert found.unrenewed is None
    never, _ = renewed(Ladle(8.0, fails=10**6), 20.0)

    with pytest.raises(Lapsed, match=r"has expired: \[tokens\] command failed: it ended with 1"):
        never.get({"recipe": "valid"}, "ana", time.time() + 60)


def test_what_cannot_be_had_again_is_not_asked_for() -> None:
    """A variable of the environment stays as it was."""
    assert renewed(Ladle(40.0, renews=False), 100.0)[1] == []


def run_with(source: Ladle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **more: Any) -> Any:
    """A run in virtual time whose only tokens are those of a source."""

    async def ask(one: Source) -> Given:
        source.now = time.time() + trio.current_time()
        return one.fetch()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Handler]:
        async with open_server(mount(load(str(documents["good"])))) as server:
            yield server.serve_stream

    documents = written(tmp_path)
    # Planning takes real time, in which no token is to grow old.
    source.now = began = time.time()
    monkeypatch.setattr(time, "time", lambda: began)
    monkeypatch.setattr("conformance.arranging.read_source", lambda tokens, flag: source)
    monkeypatch.setattr("conformance.runner.keep_fresh", partial(keep_fresh, ask=ask))
    options = {"document": str(documents["good"]), "level": "smoke", "examples": 0, "shrink": 0, **more}
    return handfast_check(opened, virtual_time=True, failures=tmp_path / "failures", **options)


def test_a_run_lasts_longer_than_its_tokens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Cases that begin late find a token that is valid; the head of the run says where tokens come from."""
    source = Ladle(3.0)
    found = run_with(source, monkeypatch, tmp_path)

    assert found.verdict == "conformant"
    assert (found.header["tier"], found.header["tokens"]) == ("token", "command")
    assert source.given > 1
    assert "one token of a command that is asked again before it expires" in render([found.header])


def test_a_source_that_fails_in_the_run_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What would need its token is inconclusive and says why; nothing is green, and nobody is blamed."""
    with pytest.raises(NotConformant) as caught:
        run_with(Ladle(1.0, fails=10**6), monkeypatch, tmp_path)
    run = caught.value.run

    assert (caught.value.exit, run.verdict, run.counts["fail"]) == (Exit.NOTHING, "inconclusive", 0)
    said = {case["message"] for case in run.by_verdict("inconclusive")}
    assert said == {"the token that was given has expired: [tokens] command failed: it ended with 1"}


def test_the_page_shows_what_can_be_written() -> None:
    """Every target file in `docs/token-sources.md` is one."""
    page = (Path(__file__).parents[2] / "docs/token-sources.md").read_text(encoding="utf-8")
    files = [tomllib.loads(text) for text in re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)]

    assert len(files) == 3
    assert [problem for file in files for problem in section_problems("tokens", file["tokens"])] == []
