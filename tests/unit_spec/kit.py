"""What tests of the interpreter and the tracker share: chat in virtual time, with tokens that are judged by hand."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from attrs import define, field, frozen

from spec.compiling import load
from spec.expressions import Chosen, rfc3339
from spec.machine import Closing, Emission, Engine, Output, Refusal, Request, Text, Upgrade
from spec.machine.machine import Machine
from spec.model import Document
from spec.parameters import resolve

NOW = 1_800_000_000.0
"""2027-01-15T08:00:00Z, the moment at which every test begins."""

ROOM = "/v1/chat/soup"
ADDRESS = "192.0.2.7"
UPGRADE = (("Upgrade", "websocket"), ("Connection", "keep-alive, Upgrade"))


@cache
def chat() -> Document:
    """The packaged document of chat."""
    return load("chat")


@frozen
class Judged:
    """A verdict on a token."""

    group: str
    claims: Mapping[str, Any]


class Tokens:
    """Tokens that say in plain text what they are; a judge that has no ladder, only what the prose says of each."""

    def __init__(self, leeway: float = 0.0) -> None:
        self._leeway = leeway

    @staticmethod
    def of(subject: str, life: float = 900.0, number: int = 1, *, since: float = 0.0) -> str:
        """A token that is accepted until `life` seconds after the tests' beginning (plus `since`)."""
        return f"token.{subject}.{NOW + since + life:.3f}.{number:08d}.abcdefghijklmnopqrstuvwxyz"

    def __call__(self, token: str | None, now: float) -> Judged:
        if token is None:
            return Judged("absent", {})
        if not token.startswith("token."):
            return Judged("invalid", {})
        _, subject, whole, fraction, _, _ = token.split(".")
        expires = float(f"{whole}.{fraction}")
        group = "expired" if now >= expires + self._leeway else "valid"
        return Judged(group, {"sub": subject, "exp": expires, "iat": NOW - 1})


FORGED = "forged.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJlIG9mIGEgc3RyYW5nZXI"
EXPIRED = Tokens.of("ana", -1.0)


def machine(**parameters: str) -> Machine:
    """Chat compiled for a deployment."""
    values = resolve(chat().parameters, parameters)
    return Machine(chat(), values, Tokens(values["leeway"]))


def request(
    offer: str | None = "chat.v2",
    *more: tuple[str, str],
    target: str = ROOM,
    method: str = "GET",
    upgrade: Iterable[tuple[str, str]] = UPGRADE,
    address: str = ADDRESS,
) -> Request:
    """An upgrade request with further headers."""
    offered = () if offer is None else (("Sec-WebSocket-Protocol", offer),)
    return Request(method, target, (("Host", "test"), *upgrade, *offered, *more), address)


def bearer(token: str, scheme: str = "Bearer") -> tuple[str, str]:
    """A header with a token."""
    return "Authorization", f"{scheme} {token}".rstrip(" ") if token else scheme


def text(value: Any) -> Text:
    """A text frame: a value as JSON, or a text as it stands."""
    plain = value if isinstance(value, str) else json.dumps(value)
    return Text(plain, len(plain.encode()))


def message(kind: str, payload: Any = None, id: Any = "m1", **more: Any) -> dict[str, Any]:  # noqa: A002
    """A client's message; None as a value of `more` removes that member."""
    body = {"type": kind, "id": id, "timestamp": "2027-01-15T08:00:00Z", "payload": payload or {}, **more}
    return {name: value for name, value in body.items() if value is not None}


def word(output: Output) -> str:
    """An output in short: `error CODE`, `chat_message salt`, `recipe_update soup`, with `→id`, or `close 1008 CODE`."""
    if isinstance(output, Closing):
        return f"close {output.code}{f' {output.reason}' if output.reason else ''}"
    payload = output.body["payload"]
    said = next((payload[name] for name in ("code", "content", "recipe_id", "expires_at") if name in payload), "")
    reply = output.body.get("in_reply_to")
    return f"{output.message} {said}" + (f" →{reply}" if reply is not None else "")


@define
class Server:
    """An engine with a clock that tests turn, and words for what it says."""

    engine: Engine
    now: float = NOW
    _ids: Any = field(factory=lambda: itertools.count(1))

    @classmethod
    def of(cls, **parameters: str) -> Server:
        values = resolve(chat().parameters, parameters)
        return cls(Engine(chat(), values, Tokens(values["leeway"])))

    def answer(self, asked: Request) -> Refusal | Upgrade:
        return self.engine.open(asked, self.now)

    def open(self, offer: str | None = "chat.v2", *more: tuple[str, str], **options: Any) -> int:
        """An upgrade that is accepted; gives the connection's number."""
        found = self.answer(request(offer, *more, **options))
        assert isinstance(found, Upgrade), found
        return found.connection

    def frame(self, connection: int, frame: Any) -> dict[int, list[str]]:
        """Let the server handle a frame, and what is due behind it; gives the words by connection."""
        outputs = self.engine.receive(connection, frame, self.now)
        return words([*outputs, *self.engine.tick(self.now)])

    def send(self, connection: int, kind: str, payload: Any = None, id: Any = None, **more: Any) -> list[str]:  # noqa: A002
        """Send a message; gives what its sender is told."""
        body = message(kind, payload, id=id or f"m{next(self._ids)}", **more)
        return self.frame(connection, text(body)).get(connection, [])

    def auth(self, connection: int, token: str, id: Any = None) -> list[str]:  # noqa: A002
        return self.send(connection, "auth", {"token": token}, id)

    def member(self, subject: str = "ana", life: float = 900.0, **options: Any) -> int:
        """A connection that has authenticated now."""
        connection = self.open(**options)
        told = self.auth(connection, Tokens.of(subject, life, since=self.now - NOW))
        assert told[0].startswith("recipe_update"), told
        return connection

    def at(self, seconds: float) -> dict[int, list[str]]:
        """Turn the clock to so many seconds after the beginning; gives what comes of it."""
        self.now = NOW + seconds
        return words(self.engine.tick(self.now))

    def next(self) -> float | None:
        """When something is due next, in seconds after the beginning."""
        due = self.engine.next_deadline()
        return None if due is None else round(due - NOW, 3)

    def state(self, connection: int) -> str | None:
        found = self.engine.world.connections.get(connection)
        return found.state if found else None


def words(outputs: Iterable[Output]) -> dict[int, list[str]]:
    """Outputs in short, by connection."""
    found: dict[int, list[str]] = {}
    for output in outputs:
        found.setdefault(output.connection, []).append(word(output))
    return found


def after_closing(outputs: Iterable[Output]) -> list[Output]:
    """The outputs that go to a connection behind its close."""
    closed: set[int] = set()
    found = []
    for output in outputs:
        if output.connection in closed:
            found.append(output)
        if isinstance(output, Closing):
            closed.add(output.connection)
    return found


def realised(emission: Emission, number: int, now: float) -> dict[str, Any]:
    """A message as a server sends it: everything that its sender chooses is chosen."""

    def fill(value: Any) -> Any:
        if isinstance(value, Chosen):
            return {"id": f"s{number}", "time": rfc3339(now), "text": value.sample}.get(value.kind, value.sample)
        if isinstance(value, Mapping):
            return {name: fill(member) for name, member in value.items()}
        return value

    found = fill(emission.body)
    assert isinstance(found, dict)
    return found
