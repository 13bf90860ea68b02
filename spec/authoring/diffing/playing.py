"""Playing exchanges on the reference engine in virtual time, with tokens that say in plain text what they are.

An exchange is data: steps of clients. Both documents of a comparison are played the same steps, each on an engine of
its own; what their clients hear is compared. Nothing here is random, and no key is needed: a token names the check
that it fails, so each document judges it by its own ladder and its own required claims.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import frozen

from spec.expressions import Chosen, Moment
from spec.machine import Closing, Emission, Output, Refusal, Request, Upgrade
from spec.machine.machine import Machine
from spec.machine.world import Connection, World
from spec.messages import Read
from spec.model import Document

__all__ = ["EPOCH", "Endless", "Heard", "Play", "Step", "Steps", "played", "token"]

EPOCH = 1_800_000_000.0
"""2027-01-15T08:00:00Z, when every exchange begins."""

_MOST_FIRED = 100
_UPGRADE = (("Upgrade", "websocket"), ("Connection", "Upgrade"))


class Endless(Exception):
    """Timers that fire at once start each other."""


@frozen
class Step:
    """One step of a client: `do` is open, send, raw, wait or close, `data` what that needs, as JSON.

    A raw step says which input it is, since what cannot be read is the same to every server; a message that is sent may
    be filled up to `pad_to` bytes. In `data`, `{"$token": {...}}` stands for a token (see `token`), and
    `{"$bearer": [scheme, token]}` for the value of a header with one.
    """

    client: str
    do: str
    text: str
    data: Mapping[str, Any]


Steps = tuple[Step, ...]


@frozen
class Heard:
    """What one client heard: `what` is refused, upgraded, message or closed, `name` its status, type or code.

    `body` is what it says, with `$chosen` for what a server chooses; `reply` says what is due of the reply member
    (must, free, never), `at` is when, in seconds from the beginning, and `pointer` the row or case that decided.
    """

    client: str
    what: str
    name: str
    body: Any
    reply: str
    at: float
    pointer: str
    timer: str = ""
    broadcast: bool = False

    def __str__(self) -> str:
        code = self.body.get("code") if self.what == "refused" and isinstance(self.body, Mapping) else None
        shown = {"refused": f"HTTP {self.name}", "upgraded": f"101 {self.name}", "closed": f"close {self.name}"}
        return shown.get(self.what, self.name) + (f" {code}" if code else "")


def token(subject: str = "ana", fails: str | None = None, life: float = 86400.0, claims: Iterable[str] = ()) -> Any:
    """The symbol of a token of a subject that fails a step of the ladder (None: none) and lives so many seconds.

    `claims` are those that it has beside `sub` and `exp`.
    """
    return {"$token": {"subject": subject, "fails": fails, "life": life, "claims": sorted(claims)}}


@frozen
class _Judged:
    group: str
    claims: Mapping[str, Any]


class _Judge:
    """Judges tokens by what they say of themselves, along a document's ladder."""

    def __init__(self, document: Document, leeway: float) -> None:
        self._verdicts, self._leeway = document.verdicts, leeway
        self._required = set(document.claims.get("required", ()))
        self._subject = document.claims.get("subject", "sub")

    def __call__(self, text: str | None, now: float) -> _Judged:
        said = _said(text)
        claims = dict(said.get("claims", {}))
        claims.setdefault(self._subject, claims.get("sub"))
        for step, verdict in self._verdicts.items():
            if self._fails(step, text, said, claims, now):
                return _Judged(verdict, claims)
        return _Judged("valid", claims)

    def _fails(
        self, step: str, text: str | None, said: Mapping[str, Any], claims: Mapping[str, Any], now: float
    ) -> bool:
        match step:
            case "absent":
                return text is None
            case "expired":
                return "exp" in claims and now >= claims["exp"] + self._leeway
            case "claims":
                return said.get("fails") == "claims" or not self._required <= set(claims)
        return bool(said.get("fails") == step)


def _said(text: str | None) -> dict[str, Any]:
    try:
        said = json.loads(text or "")
    except ValueError:
        return {"fails": "malformed"}
    return said if isinstance(said, dict) else {"fails": "malformed"}


class Play:
    """One document's engine under way: a world, a clock, and the clients by name.

    Raises Endless from `step` where the document's timers fire without end.
    """

    def __init__(self, document: Document, parameters: Mapping[str, Any]) -> None:
        self.machine = Machine(document, parameters, _Judge(document, float(parameters.get("leeway", 0.0))))
        self.world, self.now = World(), EPOCH
        self._numbers: dict[str, int] = {}

    def copy(self) -> Play:
        """A play that goes on without this one."""
        other = object.__new__(Play)
        other.machine, other.world, other.now = self.machine, self.world.copy(), self.now
        other._numbers = dict(self._numbers)
        return other

    def connection(self, client: str) -> Connection | None:
        """A client's open connection, or None."""
        return self.world.connections.get(self._numbers.get(client, 0))

    def due(self, client: str) -> float | None:
        """In how many seconds a client's next timer fires, or None."""
        found = self.connection(client)
        return min((due.at - self.now for due in found.timers.values()), default=None) if found else None

    def standing(self, client: str) -> tuple[Any, ...] | None:
        """What can be told of how a client stands: its state, its rooms, its timers; None without a connection."""
        found = self.connection(client)
        if found is None:
            return None
        return found.state, tuple(sorted(map(repr, found.rooms))), tuple(sorted(found.timers))

    def unsolicited(self, client: str) -> dict[str, Any]:
        """What the server may send a client at any time, by message."""
        number = self._numbers.get(client, 0)
        return {emission.message: _plain(emission.body) for emission in self.machine.unsolicited(self.world, number)}

    def step(self, step: Step) -> list[Heard]:
        """Play one step, and what is due then; what every client hears, in order."""
        match step.do:
            case "open":
                found = self._open(step)
            case "wait":
                found = self._tick(self.now + float(step.data["seconds"]))
            case "close":
                found = self._heard(self.machine.ended(self.world, self._numbers.get(step.client, 0), self.now))
            case _:
                number = self._numbers.get(step.client, 0)
                found = self._heard(self.machine.receive(self.world, number, self.read(step), self.now))
        return found + self._tick(self.now)

    def _open(self, step: Step) -> list[Heard]:
        data = self.value(step.data)
        headers = [(name, str(value)) for name, value in data.get("headers", ())]
        if data.get("offer"):
            headers.append(("Sec-WebSocket-Protocol", ", ".join(data["offer"])))
        query = urlencode([(name, text) for name, text in data.get("query", ())])
        target = data["target"] + (f"?{query}" if query else "")
        upgrade = _UPGRADE if data.get("websocket", True) else ()
        answer = self.machine.open(
            self.world, Request("GET", target, (*headers, *upgrade), data.get("address", step.client)), self.now
        )
        if isinstance(answer, Refusal):
            body = {"headers": _plain(answer.headers), **_mapping(_plain(answer.body))}
            return [Heard(step.client, "refused", str(answer.status), body, "", self.now - EPOCH, answer.pointer)]
        self._numbers[step.client] = answer.connection
        assert isinstance(answer, Upgrade)
        name, headers_sent = answer.subprotocol or "(no subprotocol)", {"headers": _plain(answer.headers)}
        upgraded = Heard(step.client, "upgraded", name, headers_sent, "", self.now - EPOCH, answer.pointer)
        return [upgraded, *self._heard(answer.outputs)]

    def read(self, step: Step) -> Read:
        """What a message is to this server: its size comes first, then its kind, then its content."""
        if step.do == "raw":
            return Read(step.data["kind"], None, ())
        if step.data.get("pad_to", 0) > self.machine.largest:
            return Read("oversize", None, ())
        return self.machine.reader.read_value(self.value(step.data["body"]))

    def value(self, value: Any) -> Any:
        """Data of a step with its tokens as text, as of now."""
        if isinstance(value, Mapping):
            if set(value) == {"$token"}:
                return self._token(value["$token"])
            if set(value) == {"$bearer"}:
                return " ".join(str(self.value(part)) for part in value["$bearer"])
            return {name: self.value(member) for name, member in value.items()}
        return [self.value(member) for member in value] if isinstance(value, list | tuple) else value

    def _token(self, wanted: Mapping[str, Any]) -> str:
        """A token as text; of one that has expired, the end lies an hour back."""
        life = -3600.0 if wanted["fails"] == "expired" else wanted["life"]
        claims: dict[str, Any] = {**dict.fromkeys(wanted["claims"], "some"), "sub": wanted["subject"]}
        if "iat" in claims:
            claims["iat"] = self.now - 1
        return json.dumps({"fails": wanted["fails"], "claims": {**claims, "exp": self.now + life}}, sort_keys=True)

    def _tick(self, until: float) -> list[Heard]:
        found: list[Heard] = []
        for _ in range(_MOST_FIRED):
            due = min(
                (
                    (due.at, number, key)
                    for number, connection in self.world.connections.items()
                    for key, due in connection.timers.items()
                    if due.at <= until
                ),
                default=None,
            )
            if due is None:
                self.now = max(self.now, until)
                return found
            self.now = max(self.now, due[0])
            found += self._heard(self.machine.fire(self.world, due[1], *due[2], self.now))
        raise Endless

    def _heard(self, outputs: Iterable[Output]) -> list[Heard]:
        names = {number: client for client, number in self._numbers.items()}
        at, found = self.now - EPOCH, []
        for output in outputs:
            client = names.get(output.connection, "")
            timer = output.timer or ""
            if isinstance(output, Emission):
                body, spoken = _plain(output.body), output.broadcast is not None
                found.append(
                    Heard(client, "message", output.message, body, output.reply, at, output.pointer, timer, spoken)
                )
            elif isinstance(output, Closing):
                reason = {"reason": output.reason}
                found.append(Heard(client, "closed", str(output.code), reason, "", at, output.pointer, timer))
        return found


def played(document: Document, parameters: Mapping[str, Any], steps: Iterable[Step]) -> list[Heard]:
    """What is heard at the last of the steps, on a new engine."""
    play, heard = Play(document, parameters), list[Heard]()
    for step in steps:
        heard = play.step(step)
    return heard


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {"body": value}


def _plain(value: Any) -> Any:
    """A body as JSON: what its sender chooses is `$chosen`, and moments are told to the second."""
    if isinstance(value, Chosen):
        return "$chosen"
    if isinstance(value, Moment):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    # What is known only once it is sent, or to its receiver, is told by its name.
    return value if isinstance(value, str | int | float | bool | None) else str(value)
