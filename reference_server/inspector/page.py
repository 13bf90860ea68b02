"""One page that is open: its WebSocket, the clients that it drives, and what it is shown.

The page's WebSocket is its life: with it go its clients, its tokens, and the watching. What it asks for comes as JSON,
one command in each message (`commands`); what it is told goes out in batches, so that a busy server is watched as
cheaply as a quiet one.
"""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import trio
from wsproto.events import CloseConnection, TextMessage

from reference_server.inspector.channel import Channel
from reference_server.inspector.client import Client, ask
from reference_server.inspector.commands import fault_of
from reference_server.inspector.minting import Token, brought, mint
from reference_server.inspector.symbols import Symbols, Unknown
from reference_server.inspector.tracing import MARK
from spec.bindings.json import NotJSON, decode, encode
from spec.bindings.registry import BINDINGS

if TYPE_CHECKING:
    from reference_server.inspector.serving import Inspector

__all__ = ["Page"]

_BATCH = 0.1
"""How many seconds what is told waits for more."""

# RFC 9110 section 5.5: no line breaks or other control characters, and no space at the ends.
_FIELD = re.compile(r"([!-~\x80-\xff]([ -~\x80-\xff]*[!-~\x80-\xff])?)?")
_PATIENCE, _IDLE = 30.0, 20.0
"""How many seconds a page is given that does not read, and how many pass at most without a word to it."""

_WAITING = 1000
_CLIENTS = 32


class Page:
    """Serves one page until it goes."""

    def __init__(self, inspector: Inspector, channel: Channel, address: str, host: str) -> None:
        self._inspector = inspector
        self._channel = channel
        self._address = address
        self._host = host
        self._place = 0
        self._clients: dict[int, Client] = {}
        self._numbers = 0
        self._symbols = [Symbols(m.document, m.deployment) for m in inspector.server.mounts]
        self._tokens: dict[int, Token] = {}
        self._entries: deque[Mapping[str, Any]] = deque(maxlen=_WAITING)
        self._lost = 0
        self._replies: deque[Mapping[str, Any]] = deque(maxlen=_WAITING)
        self._changed = trio.Event()

    async def run(self) -> None:
        """Serve the page to its end."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._reply({"kind": "hello", "protocols": self._inspector.catalogues})
            nursery.start_soon(self._tell)
            while (event := await self._channel.next()) is not None:
                match event:
                    case TextMessage():
                        self._take(event.data)
                    case CloseConnection():
                        break
            nursery.cancel_scope.cancel()

    # ------------------------------------------------------------------------------------------ what it is told

    def show(self, entry: Mapping[str, Any]) -> None:
        """Tell of something that happened; the oldest is lost where the page is too slow."""
        self._lost += len(self._entries) == _WAITING
        self._entries.append(entry)
        self._changed.set()

    def stirred(self, place: int) -> None:
        """The state of a protocol may be another."""
        if place == self._place:
            self._changed.set()

    def opened(self, mark: str, connection: int) -> None:
        """A request with a mark has become a connection."""
        for client in self._clients.values():
            if client.mark == mark:
                client.connection = connection

    async def _tell(self) -> None:
        while True:
            self._changed = trio.Event()
            for message in (*self._taken(), self._update()):
                with trio.move_on_after(_PATIENCE):
                    if await self._channel.send(TextMessage(data=encode(message))):
                        continue
                self._nursery.cancel_scope.cancel()
            await trio.sleep(_BATCH)
            # Something goes out now and then, or a page that is gone without a word would be held for ever.
            with trio.move_on_after(_IDLE):
                await self._changed.wait()

    def _taken(self) -> list[Mapping[str, Any]]:
        replies = list(self._replies)
        self._replies.clear()
        return replies

    def _update(self) -> dict[str, Any]:
        entries, lost = list(self._entries), self._lost
        self._entries.clear()
        self._lost = 0
        mine = {
            client.connection: client.number
            for client in self._clients.values()
            if client.place == self._place and client.connection is not None
        }
        token = self._tokens.get(self._place)
        return {
            "kind": "update",
            "place": self._place,
            "state": self._inspector.snapshots[self._place].take(mine),
            "clients": [client.shown() for client in self._clients.values()],
            "trace": entries,
            "lost": lost,
            "token": None if token is None else {
                "claims": self._inspector.masks[self._place].value(token.claims), "minted": token.minted,
            },
        }  # fmt: skip

    def _reply(self, message: Mapping[str, Any]) -> None:
        self._replies.append(message)
        self._changed.set()

    def _problem(self, about: str, text: str) -> None:
        self._reply({"kind": "problem", "about": about, "text": text})

    # --------------------------------------------------------------------------------------- what it asks for

    def _take(self, text: str) -> None:
        try:
            command = decode(text)
        except NotJSON:
            command = None
        about = command.get("do") if isinstance(command, dict) else None
        fault = fault_of(command, len(self._symbols))
        if fault is not None:
            self._problem(str(about), fault)
            return
        try:
            getattr(self, f"_{about}")(command)
        except Unknown as problem:
            self._problem(str(about), str(problem))
        except RecursionError:
            self._problem(str(about), "what is sent is nested too deep")

    def _watch(self, command: Mapping[str, Any]) -> None:
        self._place = command["place"]
        self._changed.set()

    def _mint(self, command: Mapping[str, Any]) -> None:
        place = command["place"]
        keys = self._inspector.keys
        if not keys:
            raise Unknown("this server can sign nothing: it has no secret and no private key")
        policy = self._inspector.server.mounts[place].policy
        hub = self._inspector.server.hubs[place]
        self._hold(place, mint(keys, policy, command["claims"], command["life"], hub.now()))

    def _bring(self, command: Mapping[str, Any]) -> None:
        self._hold(command["place"], brought(command["token"]))

    def _hold(self, place: int, token: Token) -> None:
        self._tokens[place] = token
        self._symbols[place].token = token.text
        self._changed.set()

    def _connect(self, command: Mapping[str, Any]) -> None:
        if sum(client.status in {"connecting", "open"} for client in self._clients.values()) >= _CLIENTS:
            raise Unknown(f"a page has at most {_CLIENTS} clients at once: disconnect one")
        place = command["place"]
        mount, mark = self._inspector.server.mounts[place], secrets.token_hex(16)
        path = mount.prefix + mount.document.path
        for name, value in command["path"].items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        target, headers = self._request(place, path, command)
        self._numbers += 1
        client = Client(self._numbers, place, target, mark, mount.document, self._changes)
        self._clients[client.number] = client
        every = [*headers, (MARK, mark)]
        self._nursery.start_soon(client.run, self._serve, self._host, every, command["subprotocols"])
        self._reply({"kind": "client", "number": client.number})

    def _request(self, place: int, path: str, command: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
        """The target and the headers of a request, with everything that stands for a value replaced."""
        symbols, now = self._symbols[place], self._inspector.server.hubs[place].now()
        query = urlencode({name: symbols.text(value, now) for name, value in command["query"].items()})
        headers = [(name, symbols.text(value, now)) for name, value in command["headers"].items()]
        for name, value in headers:
            if not _FIELD.fullmatch(value):
                raise Unknown(f"what the header `{name}` would have is nothing that a header can have")
        return (f"{path}?{query}" if query else path), headers

    def _changes(self) -> None:
        self._changed.set()

    async def _serve(self, stream: trio.abc.Stream) -> None:
        await self._inspector.server.serve_stream(stream, self._address)

    def _client(self, command: Mapping[str, Any]) -> Client:
        client = self._clients.get(command["client"])
        if client is None:
            raise Unknown(f"there is no client {command['client']}")
        return client

    def _send(self, command: Mapping[str, Any]) -> None:
        client = self._client(command)
        if client.status != "open":
            raise Unknown(f"client {client.number} is not connected")
        symbols, now = self._symbols[client.place], self._inspector.server.hubs[client.place].now()
        if "text" in command:
            text = symbols.text(command["text"], now)
        else:
            envelope = client.document.envelope
            if not isinstance(command["body"].get(envelope.discriminator.lstrip("/")), str):
                raise Unknown(
                    f"a message has its type, a text, at {envelope.discriminator}; send it as raw text otherwise"
                )
            text = BINDINGS[client.document.binding].encode(symbols.body(command["body"], now, client.own), encode)
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise Unknown("a text with half a surrogate pair has no UTF-8")
        self._nursery.start_soon(client.send, text)

    def _disconnect(self, command: Mapping[str, Any]) -> None:
        self._nursery.start_soon(self._client(command).leave)

    def _forget(self, command: Mapping[str, Any]) -> None:
        client = self._client(command)
        if client.status in {"connecting", "open"}:
            raise Unknown(f"client {client.number} is still connected")
        del self._clients[client.number]
        self._changed.set()

    def _call(self, command: Mapping[str, Any]) -> None:
        place = command["place"]
        mount = self._inspector.server.mounts[place]
        endpoint = mount.document.http.get(command["endpoint"])
        if endpoint is None:
            raise Unknown(f"there is no endpoint {command['endpoint']!r}")
        target, headers = self._request(place, mount.prefix + endpoint.path, command)
        symbols, now = self._symbols[place], self._inspector.server.hubs[place].now()
        body = encode(symbols.body(command["body"], now)).encode()
        method = endpoint.method if endpoint.method != "any" else command["method"]
        self._nursery.start_soon(partial(self._ask, place, endpoint.name, method, target, headers, body))

    async def _ask(
        self, place: int, name: str, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> None:
        status, answer = await ask(self._serve, self._host, method, target, headers, body)
        self._symbols[place].answer = answer
        shown = self._inspector.masks[place].value(answer)
        self._reply({"kind": "answer", "place": place, "endpoint": name, "status": status, "body": shown})
