"""The inspector: what it refuses, what it never shows, and that a page can do with every protocol what a client can."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock
from trio_websocket import WebSocketConnection, wrap_client_stream

from reference_server.clock import Clock
from reference_server.inspector.minting import mint
from reference_server.inspector.serving import Inspection
from reference_server.inspector.symbols import Symbols
from reference_server.logs import make_log
from reference_server.server import Server, open_server
from reference_server.site import Mount
from spec.cli import main
from spec.compiling import load
from spec.exits import Exit
from spec.loading.packaged import available
from spec.messages import reader_of
from spec.parameters import resolve
from spec.secrets import Secret
from spec.tokens import hmac_key, judge
from tests.unit_server.kit import (
    ADDRESS,
    NOW,
    SECRET,
    UPGRADE,
    Journal,
    answer_of,
    clients,
    connect,
    message,
    policy,
    read_all,
    request,
    token,
)

HOST, ORIGIN = "localhost:8080", "http://localhost:8080"
SERVICE = "what a worker presents"
PASSWORD = Secret("correct horse battery staple", "env:PASSWORD")
KEYS = (hmac_key(SECRET),)

Body = dict[str, Any]


served = cache(load)


def mount(name: str, prefix: str = "", **given: str) -> Mount:
    document = served(name)
    values = resolve(document.parameters, given)
    deployment = dict.fromkeys(document.deployment, SERVICE)
    return Mount(document, values, policy(document, values), prefix, deployment)


@asynccontextmanager
async def inspected(
    *mounts: Mount, inspection: Inspection | None = None, journal: Journal | None = None
) -> AsyncIterator[Server]:
    """A server of chat, or of what is given, with the inspector."""
    async with open_server(
        *(mounts or (mount("chat"),)),
        clock=Clock(NOW),
        log=make_log("json", journal) if journal is not None else None,
        inspection=inspection or Inspection(keys=KEYS),
    ) as server:
        yield server


async def ask(
    server: Server, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """One request, and its answer."""
    pair: tuple[Any, Any] = trio.testing.memory_stream_pair()
    near, far = pair
    sent = {"Host": HOST, **(headers or {})}
    if body:
        sent["Content-Length"] = str(len(body))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        await near.send_all(request(path, sent, method) + body)
        await near.send_eof()
        return answer_of(await read_all(near))


class Page:
    """What the page does, in Python."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self.said: list[str] = []
        self.entries: list[Body] = []
        self.update: Body = {}

    async def do(self, command: str, **more: Any) -> None:
        await self._connection.send_message(json.dumps({"do": command, **more}))

    async def told(self) -> Body:
        """What the server says next."""
        text = await self._connection.get_message()
        assert isinstance(text, str)
        self.said.append(text)
        body: Body = json.loads(text)
        if body["kind"] == "update":
            self.update = body
            self.entries += body["trace"]
        return body

    async def until(self, holds: Callable[[], Any]) -> Any:
        """Listen until something holds."""
        with trio.fail_after(3600):
            while not (found := holds()):
                told = await self.told()
                assert told["kind"] != "problem", told
        return found

    async def reply(self, kind: str) -> Body:
        with trio.fail_after(3600):
            while (told := await self.told())["kind"] != kind:
                pass
        return told

    async def entry(self, kind: str, name: str) -> Body:
        """The first entry of the trace of this kind and name."""
        found: Body = await self.until(
            lambda: next((one for one in self.entries if (one["kind"], one["name"]) == (kind, name)), None)
        )
        return found

    async def state(self, client: int, state: str) -> Body:
        """The connection of a client, once it is in a state."""
        found: Body = await self.until(
            lambda: next(
                (
                    one
                    for one in self.update.get("state", {}).get("connections", ())
                    if one["client"] == client and one["state"] == state
                ),
                None,
            )
        )
        return found

    async def client(self, number: int, status: str) -> Body:
        found: Body = await self.until(
            lambda: next(
                (c for c in self.update.get("clients", ()) if (c["number"], c["status"]) == (number, status)), None
            )
        )
        return found

    async def connect(self, protocol: Body, place: int = 0, **more: Any) -> int:
        """Connect as the page does when nobody has changed a field."""
        query, headers = dict(protocol["query"]), {}
        if protocol["credential"] is not None:
            one = protocol["credentials"][protocol["credential"]]
            headers[one["header"]] = f"{one['scheme']} {one['value']}"
        known = {"path": dict.fromkeys(protocol["names"], "soup"), "query": query, "headers": headers}
        await self.do("connect", **{"place": place, **known, "subprotocols": protocol["subprotocols"][:1], **more})
        return int((await self.reply("client"))["number"])

    async def send(self, protocol: Body, client: int, name: str, payload: Any = None) -> None:
        """Send the example of a message, or another payload in its place."""
        body = next(one["body"] for one in protocol["messages"] if one["name"] == name)
        await self.do("send", client=client, body=body if payload is None else {**body, "payload": payload})


@asynccontextmanager
async def opened(server: Server, headers: Iterable[tuple[bytes, bytes]] = ()) -> AsyncIterator[tuple[Page, list[Body]]]:
    """A page, and the protocols that it is told of."""
    pair: tuple[Any, Any] = trio.testing.memory_stream_pair()
    near, far = pair
    async with clients(server) as nursery:
        nursery.start_soon(server.serve_stream, far, ADDRESS)
        sent = [(b"Origin", ORIGIN.encode()), *headers]
        connection = await wrap_client_stream(
            nursery, near, HOST, "/_inspect/socket", extra_headers=sent, message_queue_size=10_000
        )
        page = Page(connection)
        yield page, (await page.reply("hello"))["protocols"]


# --------------------------------------------------------------------------------------------- files and headers


@pytest.mark.trio
@pytest.mark.parametrize("path", ["/_inspect/", "/_inspect/inspector.js", "/_inspect/inspector.css", "/_inspect/nope"])
async def test_every_answer_forbids_what_a_page_does_not_need(path: str, autojump_clock: MockClock) -> None:
    """No script but its own, in no frame, kept nowhere; what is not there too."""
    async with inspected() as server:
        status, headers, _ = await ask(server, path)

    assert status == (404 if path.endswith("nope") else 200)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.trio
@pytest.mark.parametrize(
    "path",
    [
        "/_inspect/../serving.py",
        "/_inspect/..%2fserving.py",
        "/_inspect/%2e%2e/serving.py",
        "/_inspect//etc/passwd",
        "/_inspect/....//serving.py",
        "/_inspect/__init__.py",
        "/_inspect/inspector.js%00",
        "/_inspect/index.html/..",
        "/_inspect/..\\serving.py",
    ],
)
async def test_no_path_leads_out_of_the_page(path: str, autojump_clock: MockClock) -> None:
    async with inspected() as server:
        assert (await ask(server, path))[0] == 404


@pytest.mark.trio
async def test_without_a_slash_the_page_is_elsewhere(autojump_clock: MockClock) -> None:
    async with inspected() as server:
        status, headers, _ = await ask(server, "/_inspect")

    assert (status, headers["location"]) == (308, "/_inspect/")


@pytest.mark.trio
async def test_without_the_flag_there_is_none(autojump_clock: MockClock) -> None:
    """The protocol refuses the path by its own words, and nothing is watched."""
    async with open_server(mount("chat"), clock=Clock(NOW)) as server:
        status, headers, body = await ask(server, "/_inspect/")

        assert (status, json.loads(body)["code"]) == (404, "NOT_FOUND")
        assert "content-security-policy" not in headers
        assert server.hubs[0].watcher is None


# ------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.trio
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "HOST_FORBIDDEN"),
        ({"Host": "localhost.evil.example:8080"}, "HOST_FORBIDDEN"),
        ({"Host": "192.0.2.1:8080"}, "HOST_FORBIDDEN"),
        ({"Host": ""}, "HOST_FORBIDDEN"),
        ({"Host": "localhost@evil.example"}, "HOST_FORBIDDEN"),
        ({}, "ORIGIN_FORBIDDEN"),
        ({"Origin": "null"}, "ORIGIN_FORBIDDEN"),
        ({"Origin": "http://evil.example"}, "ORIGIN_FORBIDDEN"),
        ({"Origin": "http://localhost:9090"}, "ORIGIN_FORBIDDEN"),
        ({"Origin": "https://localhost:8080"}, "ORIGIN_FORBIDDEN"),
        ({"Origin": "http://localhost:8080.evil.example"}, "ORIGIN_FORBIDDEN"),
        ({"Origin": "http://127.0.0.1:8080"}, "ORIGIN_FORBIDDEN"),
    ],
)
@pytest.mark.parametrize(("path", "method"), [("/_inspect/socket", "GET"), ("/_inspect/password", "POST")])
async def test_other_hosts_and_origins_can_do_nothing(
    headers: dict[str, str], code: str, path: str, method: str, autojump_clock: MockClock
) -> None:
    """Of DNS rebinding, cross-site WebSocket hijacking and CSRF, each is refused before anything is done."""
    async with inspected() as server:
        status, _, body = await ask(server, path, {**UPGRADE, "Host": HOST, **headers}, method)

    assert (status, json.loads(body)["code"]) == (403, code)


@pytest.mark.trio
async def test_a_page_of_another_host_is_not_even_shown(autojump_clock: MockClock) -> None:
    async with inspected() as server:
        assert (await ask(server, "/_inspect/", {"Host": "evil.example"}))[0] == 403


def sign_in(password: Any) -> bytes:
    return json.dumps({"password": password}).encode()


FROM_PAGE = {"Origin": ORIGIN, "Content-Type": "application/json"}


@pytest.mark.trio
async def test_who_gives_the_password_may_open_the_page(autojump_clock: MockClock) -> None:
    """By a cookie that no script reads and no other site sends; without it the socket is shut."""
    journal = Journal()
    async with inspected(inspection=Inspection(PASSWORD, KEYS), journal=journal) as server:
        shut = await ask(server, "/_inspect/socket", {**UPGRADE, "Host": HOST, "Origin": ORIGIN})
        forged = {**UPGRADE, "Host": HOST, "Origin": ORIGIN, "Cookie": "handfast_inspector=x"}
        assert [shut[0], (await ask(server, "/_inspect/socket", forged))[0]] == [401, 401]
        assert json.loads((await ask(server, "/_inspect/access"))[2]) == {"locked": True}
        status, headers, _ = await ask(server, "/_inspect/password", FROM_PAGE, "POST", sign_in(PASSWORD.reveal()))
        cookie, *attributes = headers["set-cookie"].split("; ")

        assert status == 204
        assert {"HttpOnly", "SameSite=Strict", "Path=/_inspect/"} <= set(attributes)
        assert json.loads((await ask(server, "/_inspect/access", {"Cookie": cookie}))[2]) == {"locked": False}
        async with opened(server, [(b"Cookie", cookie.encode())]) as (_, [protocol]):
            assert protocol["name"] == "chat"

    assert PASSWORD.reveal() not in journal.getvalue()
    assert cookie.partition("=")[2] not in journal.getvalue()


@pytest.mark.trio
async def test_guesses_are_few(autojump_clock: MockClock) -> None:
    """After some wrong ones even the right one waits; a form of another site, which cannot send JSON, has none."""
    async with inspected(inspection=Inspection(PASSWORD, KEYS)) as server:
        form = {**FROM_PAGE, "Content-Type": "text/plain"}
        assert (await ask(server, "/_inspect/password", form, "POST", sign_in(PASSWORD.reveal())))[0] == 415
        wrong = [b"", b"\xff", b"[]", sign_in(None), sign_in("correct")]
        found = [(await ask(server, "/_inspect/password", FROM_PAGE, "POST", body))[0] for body in wrong]
        late = await ask(server, "/_inspect/password", FROM_PAGE, "POST", sign_in(PASSWORD.reveal()))
        await trio.sleep(31)
        again = await ask(server, "/_inspect/password", FROM_PAGE, "POST", sign_in(PASSWORD.reveal()))

    assert found == [401] * len(wrong)
    assert [late[0], again[0]] == [429, 204]


@pytest.mark.trio
async def test_behind_a_password_other_names_of_the_server_are_taken(autojump_clock: MockClock) -> None:
    """Who listens for others is reached by names that it does not know; pages of theirs are still only its own."""
    async with inspected(inspection=Inspection(PASSWORD, KEYS, local=False)) as server:
        own = {**UPGRADE, "Host": "inspected.example", "Origin": "http://inspected.example"}
        other = {**own, "Origin": "http://evil.example"}

        assert (await ask(server, "/_inspect/socket", own))[0] == 401
        assert (await ask(server, "/_inspect/socket", other))[0] == 403


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--inspect", "--host", "0.0.0.0"], "anybody could use the inspector"),
        (["--inspect", "--host", "::"], "--inspect-password env:NAME"),
        (["--inspect", "--host", "192.0.2.1"], "--host 127.0.0.1"),
        (["--inspect", "--host", "example.org"], "anybody could use the inspector"),
        (["--inspect", "--inspect-password", "hunter2"], "a secret is never an argument"),
        (["--inspect", "--inspect-password", "env:NO_SUCH_NAME"], "`NO_SUCH_NAME`"),
        (["--inspect-password", "env:CHAT_SECRET"], "write `--inspect` too"),
        (["--inspect", "chat=/_inspect"], "where the inspector is"),
    ],
)
def test_what_would_be_open_to_everybody_is_not_served(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_SECRET", SECRET)
    assert main(["serve", "--secret", "env:CHAT_SECRET", *arguments]) == Exit.USAGE
    _, err = capsys.readouterr()

    assert says in err
    assert "hunter2" not in err


# ------------------------------------------------------------------------------------- a client of each protocol


@pytest.mark.trio
async def test_a_client_of_chat(autojump_clock: MockClock) -> None:
    """Yellow with a deadline until it has authenticated, then green; what others say is seen too."""
    journal = Journal()
    async with inspected(journal=journal) as server, opened(server) as (page, [chat]):
        assert await page.connect(chat) == 1
        waiting = await page.state(1, "authenticating")
        [deadline] = waiting["timers"]
        assert (waiting["light"], deadline["name"], deadline["lasts"]) == ("yellow", "auth_deadline", 5.0)
        assert deadline["ends"]
        assert 0 < deadline["left"] <= 5

        await page.do("mint", place=0, claims={"sub": "ana"}, life=900)
        await page.until(lambda: page.update.get("token"))
        assert page.update["token"]["claims"]["sub"] == "ana"
        await page.send(chat, 1, "auth")
        connected = await page.state(1, "connected.v2.fresh")
        assert connected["light"] == "green"
        assert connected["variables"]["subject"] == "ana"
        [room] = page.update["state"]["rooms"]
        assert (room["key"], room["members"]) == ("soup", [connected["number"]])

        async with clients(server) as nursery:
            ben = await connect(server, nursery)
            await ben.authenticate("ben")
            await ben.send("chat_message", content="More salt?")
            said = await page.entry("in", "chat_message")
            assert said["body"]["payload"] == {"content": "More salt?"}
            sent = [one for one in page.entries if (one["kind"], one["name"]) == ("out", "chat_message")]
            assert len(sent) == 2
            assert "CHAT-MSG-2" in sent[0]["rules"]

        await page.do("disconnect", client=1)
        assert (await page.client(1, "closed"))["code"] == 1000

    for text in (*page.said, journal.getvalue()):
        assert "eyJ" not in text
        assert SECRET not in text


@pytest.mark.trio
async def test_what_expires_turns_the_light(autojump_clock: MockClock) -> None:
    """A new token is asked for: yellow. It does not come: the connection is closed by the timer, as the trace says."""
    async with inspected() as server, opened(server) as (page, [chat]):
        await page.do("mint", place=0, claims={"sub": "ana"}, life=90)
        await page.connect(chat)
        await page.client(1, "open")
        await page.send(chat, 1, "auth")
        await page.state(1, "connected.v2.fresh")
        expiring = await page.state(1, "connected.v2.expiring")
        assert expiring["light"] == "yellow"
        closed = await page.client(1, "closed")
        assert (closed["code"], closed["reason"]) == (1008, "REAUTH_TIMEOUT")
        assert (await page.entry("close", "close 1008"))["timer"] == "token_expiry"


@pytest.mark.trio
async def test_a_client_that_is_refused(autojump_clock: MockClock) -> None:
    async with inspected(mount("chat", rollout="legacy")) as server, opened(server) as (page, [chat]):
        assert chat["credential"] == 0
        await page.do("bring", place=0, token="no-token-at-all")
        await page.connect(chat)
        refused = await page.client(1, "refused")

        assert (refused["code"], refused["reason"]) == (401, "TOKEN_INVALID")
        assert (await page.entry("refused", "upgrade /v1/chat/soup"))["body"]["status"] == 401


@pytest.mark.trio
async def test_a_client_of_sync(autojump_clock: MockClock) -> None:
    async with inspected(mount("sync")) as server, opened(server) as (page, [sync]):
        await page.do("mint", place=0, claims=sync["claims"], life=900)
        await page.connect(sync)
        await page.client(1, "open")
        await page.send(sync, 1, "init")
        await page.entry("out", "accepted")
        await page.send(sync, 1, "push")
        await page.entry("out", "pushed")
        await page.until(lambda: page.update["state"]["logs"])
        assert page.update["state"]["logs"] == [{"log": "events", "key": "instance-1", "head": 1}]


@pytest.mark.trio
async def test_a_client_of_executions(autojump_clock: MockClock) -> None:
    """Over Socket.IO, whose pings are answered; and a worker's post, with a token that the page never has."""
    async with inspected(mount("executions")) as server, opened(server) as (page, [executions]):
        await page.do("mint", place=0, claims=executions["claims"], life=900)
        await page.connect(executions)
        await page.client(1, "open")
        await page.send(executions, 1, "connect")
        await page.entry("out", "auth-success")
        update = executions["endpoints"][0]
        [credential] = update["credentials"]
        headers = {credential["header"]: f"{credential['scheme']} {credential['value']}"}
        await page.do("call", place=0, endpoint="update", method="POST", query={}, headers=headers, body=update["body"])
        assert (await page.reply("answer"))["status"] == 200
        assert (await page.entry("out", "execution-updated"))["body"]["payload"]["status"] == "RUNNING"
        [record] = page.update["state"]["records"]
        assert record["record"] == "task"
        await page.send(executions, 1, "cancel-execution", {"taskId": SERVICE})
        assert (await page.entry("in", "cancel-execution"))["body"]["payload"] == {"taskId": "[redacted]"}
        await page.entry("in", "pong")
        assert page.update["clients"][0]["status"] == "open"
        assert not any(SERVICE in text for text in page.said)


@pytest.mark.trio
async def test_clients_of_tabs(autojump_clock: MockClock) -> None:
    """Two tabs of a session, below a prefix: which one leads is told of the room."""
    async with inspected(mount("chat"), mount("tabs", "/below")) as server, opened(server) as (page, [_, tabs]):
        await page.do("watch", place=1)
        await page.do("mint", place=1, claims=tabs["claims"], life=900)
        for number in (1, 2):
            await page.connect(tabs, 1)
            await page.client(number, "open")
            await page.send(tabs, number, "connect")
            await page.state(number, "connected")
        await page.send(tabs, 2, "STATE_UPDATE")
        await page.until(lambda: page.update["state"]["registers"])
        session = next(room for room in page.update["state"]["rooms"] if room["room"] == "session")

        assert (len(session["members"]), session["roles"][0]["role"]) == (2, "leader")
        assert session["roles"][0]["holder"] in session["members"]
        assert not any("eyJ" in text for text in page.said)


@pytest.mark.trio
async def test_a_client_of_hub(autojump_clock: MockClock) -> None:
    """A negotiation whose ticket goes into the connection without being shown, then calls over SignalR."""
    async with inspected(mount("hub")) as server, opened(server) as (page, [hub]):
        await page.do("mint", place=0, claims=hub["claims"], life=900)
        [negotiate] = hub["endpoints"]
        credential = negotiate["credentials"][0]
        headers = {credential["header"]: f"{credential['scheme']} {credential['value']}"}
        await page.do(
            "call", place=0, endpoint="negotiate", method="POST", query=negotiate["query"], headers=headers, body={}
        )
        answer = await page.reply("answer")
        assert (answer["status"], answer["body"]["connectionToken"]) == (200, "[redacted]")
        await page.connect(hub)
        await page.client(1, "open")
        await page.send(hub, 1, "handshake")
        await page.state(1, "open.token.fresh")
        await page.send(hub, 1, "JoinHub")
        await page.entry("out", "completion")
        [link] = page.update["state"]["links"]
        assert (link["state"], link["fields"]["token"]) == ("live", "[redacted]")
        assert page.update["state"]["connections"][0]["light"] == "green"


@pytest.mark.trio
async def test_who_was_there_before_the_page_is_read_from_there(autojump_clock: MockClock) -> None:
    """What a connection of SignalR says means something else behind its handshake, which the page has not seen."""
    bearer = f"Bearer {token('ben')}"
    async with inspected(mount("hub")) as server, clients(server) as nursery:
        negotiate = "/hub/negotiate?negotiateVersion=1"
        _, _, body = await ask(server, negotiate, {"Authorization": bearer}, "POST")
        ticket = json.loads(body)["connectionToken"]
        ben = await connect(server, nursery, f"/hub?id={ticket}", (), [(b"Authorization", bearer.encode())])
        await ben.connection.send_message('{"protocol":"json","version":1}\x1e')
        await ben.connection.get_message()
        async with opened(server) as (page, _):
            await ben.connection.send_message('{"type":1,"invocationId":"1","target":"JoinHub","arguments":["h"]}\x1e')
            assert (await page.entry("in", "JoinHub"))["body"]["payload"] == ["h"]
            assert not any(ticket in said for said in page.said)


@pytest.mark.trio
@pytest.mark.parametrize("name", [f"{one.name}@{one.version}" for one in available()])
async def test_every_example_is_a_message(name: str, autojump_clock: MockClock) -> None:
    """Whatever the page has to send at first is valid, of every message of every document."""
    async with inspected(mount(name)) as server, opened(server) as (_, [protocol]):
        document = server.mounts[0].document
    symbols = Symbols(document, {}, token="a token")
    reads = [
        reader_of(document, "client").read_value(symbols.body(m["body"], NOW, "one")) for m in protocol["messages"]
    ]

    assert [read.input for read in reads] == [message["name"] for message in protocol["messages"]]
    assert [read.faults for read in reads] == [()] * len(reads)


# ------------------------------------------------------------------------------------------ commands, and secrets


_CONNECT = '{"do": "connect", "place": 0, "path": {}, "query": %s, "headers": %s, "subprotocols": []}'


@pytest.mark.trio
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("nope", "no command"),
        ("[]", "no command"),
        ('{"do": "nope"}', "no command"),
        ('{"do": "watch"}', "does not fit"),
        ('{"do": "watch", "place": 7}', "no protocol 7"),
        ('{"do": "send", "client": 9, "body": {}}', "no client 9"),
        ('{"do": "send", "client": 9}', "does not fit"),
        ('{"do": "bring", "place": 0, "token": "two\\nlines"}', "does not fit at /token"),
        (_CONNECT % ("{}", '{"X": "a\\r\\nY: b"}'), "nothing that a header can have"),
        (_CONNECT % ('{"token": "$token"}', "{}"), "mint one"),
        (
            '{"do": "call", "place": 0, "endpoint": "x", "method": "GET", "query": {}, "headers": {}, "body": 1}',
            "no endpoint",
        ),
    ],
)
async def test_what_cannot_be_done_is_told(command: str, says: str, autojump_clock: MockClock) -> None:
    """And the page goes on."""
    async with inspected() as server, opened(server) as (page, _):
        await page._connection.send_message(command)
        assert says in (await page.reply("problem"))["text"]
        await page.do("watch", place=0)
        await page.reply("update")


@pytest.mark.trio
async def test_without_a_key_that_signs_nothing_is_minted(autojump_clock: MockClock) -> None:
    async with inspected(inspection=Inspection()) as server, opened(server) as (page, [chat]):
        assert not chat["mints"]
        await page.do("mint", place=0, claims={}, life=1)
        assert "sign nothing" in (await page.reply("problem"))["text"]


@pytest.mark.trio
async def test_a_token_that_is_brought_is_told_by_its_claims_alone(autojump_clock: MockClock) -> None:
    """Also where it stands in text that nobody can read."""
    async with inspected() as server, opened(server) as (page, [chat]):
        text = token("ben")
        await page.do("bring", place=0, token=text)
        await page.until(lambda: page.update.get("token"))
        assert page.update["token"] == {
            "minted": False, "claims": jwt.decode(text, options={"verify_signature": False})
        }  # fmt: skip
        await page.connect(chat)
        await page.client(1, "open")
        await page.do("send", client=1, text=f'{{"type": "auth", "id": "m", "payload": {{"token": "{text}"}}')
        unread = await page.entry("in", "(malformed)")
        assert unread["body"] is None
        assert not any(text in said for said in page.said)
        await page.connect(chat)
        await page.client(2, "open")
        await page.send(chat, 2, "auth", {"token": "opaque words"})
        assert (await page.entry("in", "auth"))["body"]["payload"] == {"token": "[redacted]"}


def test_a_minted_token_is_what_the_deployment_takes() -> None:
    """Also where it looks at `iss` and `aud`, and at the name of the key."""
    [key] = [key.named("k-1") for key in KEYS]
    asks = evolve(policy(served("chat"), {"leeway": 0.0}), keys=(key.verifier(),), issuer="i", audience="a")
    minted = mint((key,), asks, {"sub": "ana"}, 60, NOW)

    assert judge(minted.text, asks, NOW + 59).step == "valid"
    assert judge(minted.text, asks, NOW + 61).step == "expired"
    assert minted.text not in repr(minted)


@pytest.mark.trio
async def test_what_is_enormous_or_deep_is_shown_in_part(autojump_clock: MockClock) -> None:
    """Looking on changes nothing: the connection goes on as it would."""
    async with inspected() as server, opened(server) as (page, _), clients(server) as nursery:
        ana = await connect(server, nursery)
        await ana.authenticate("ana")
        deep: Any = "x" * 5000
        for _ in range(300):
            deep = [deep]
        wide = {f"m{n}": "y" * 300 for n in range(100)}
        await ana.send("chat_message", content="hello", more=deep, many=list(range(1000)), wide=wide, long="z" * 20_000)
        assert (await ana.receive())["payload"]["content"] == "hello"
        heard = await page.entry("in", "chat_message")
        assert len(json.dumps(heard)) < 30_000
        # JSON has numbers past every double.
        numbers = json.dumps(message("chat_message", content="n", x="enormous")).replace('"enormous"', "1e999")
        await ana.connection.send_message(numbers)
        assert (await ana.receive())["payload"]["content"] == "n"
        await page.until(lambda: any((one["body"] or {}).get("payload", {}).get("x") == "inf" for one in page.entries))


@pytest.mark.trio
async def test_nothing_is_watched_when_no_page_is_open(autojump_clock: MockClock) -> None:
    """With the page go its clients and the watching."""
    async with inspected() as server:
        async with opened(server) as (page, [chat]):
            await page.connect(chat)
            await page.client(1, "open")
            assert server.hubs[0].watcher is not None
            assert len(server) == 1
        with trio.fail_after(60):
            await server.hubs[0].empty()
        assert server.hubs[0].watcher is None


@pytest.mark.trio
async def test_a_server_that_stops_closes_its_clients(autojump_clock: MockClock) -> None:
    async with inspected() as server, opened(server) as (page, [chat]):
        await page.connect(chat)
        await page.client(1, "open")
        await server.shutdown(5)
        assert (await page.client(1, "closed"))["code"] == 1001
        assert (await ask(server, "/_inspect/"))[0] == 503
