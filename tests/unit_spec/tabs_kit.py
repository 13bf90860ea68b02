"""Tabs in virtual time: an engine that tabs talk to, and a tracker that hears all of it."""

from __future__ import annotations

import itertools
import json
from functools import cache
from typing import Any

from spec.bindings.json import encode
from spec.bindings.registry import BINDINGS
from spec.compiling import load
from spec.expressions import Chosen, rfc3339
from spec.machine import Closing, Emission, Engine, Output, Request, Upgrade
from spec.machine.machine import Machine
from spec.model import Document
from spec.parameters import resolve
from spec.tracker import Tracker
from spec.tracker.answers import Answer
from tests.unit_spec.kit import NOW, Judged, request, text

SERVICE = "service"
GIVEN = {"service_token": SERVICE}


@cache
def tabs() -> Document:
    """The packaged document of tabs."""
    return load("tabs")


def token(sub: str = "ana", sid: str = "s", left: float = 900.0, since: float = 9.0) -> str:
    """A token that says what it is in plain text: issued some seconds before the tests begin."""
    return f"{sub}:{sid}:{left}:{since}"


def judged(given: str | None, now: float) -> Judged:
    """What the prose says of such a token."""
    if given is None:
        return Judged("absent", {})
    if given.count(":") != 3:
        return Judged("invalid", {})
    sub, sid, left, since = given.split(":")
    expires = NOW + float(left)
    claims = {"sub": sub, "sid": sid, "exp": expires, "iat": NOW - float(since)}
    return Judged("valid" if now < expires else "expired", claims)


class Site:
    """A server, its clock, and its tabs by name; what they say and hear is followed by a tracker."""

    def __init__(self, **parameters: str) -> None:
        values = resolve(tabs().parameters, {"ping_interval": "10m", **parameters})
        numbers = itertools.count(1)
        self.now = NOW
        self.engine = Engine(
            tabs(),
            values,
            judged,
            GIVEN,
            lambda what, now: rfc3339(now) if what.kind == "time" else f"id{next(numbers)}",
        )
        self.tracker = Tracker(Machine(tabs(), values, judged, GIVEN))
        self._numbers: dict[str, int] = {}

    def connect(self, name: str, given: str | None = None, **auth: Any) -> dict[str, list[Any]]:
        """A client connects, as the tab of its name on a phone where nothing else is said."""
        opening = request(None, target="/socket.io/?EIO=4&transport=websocket")
        answer = self.engine.open(opening, self.now)
        assert isinstance(answer, Upgrade)
        self._numbers[name] = answer.connection
        self.tracker.opened(name, opening, self.now)
        self.tracker.answered(name, Answer(101, ()), self.now)
        self._heard(answer.outputs)
        known = {"token": token() if given is None else given, "tabId": name, "deviceId": "phone"}
        return self.send(name, {"type": "connect", "namespace": "/", "payload": {**known, **auth}})

    def say(self, name: str, event: str, data: Any = None, number: str | None = None) -> dict[str, list[Any]]:
        """A tab sends an event; what comes of it, by tab."""
        return self.send(name, {"type": event, "payload": data, **({"id": number} if number else {})})

    def send(self, name: str, body: Any) -> dict[str, list[Any]]:
        """A tab sends a packet; what comes of it, by tab."""
        frame = text(BINDINGS["socketio"].encode(body, encode))
        self.tracker.sent(name, frame, self.now)
        outputs = self.engine.receive(self._numbers[name], frame, self.now)
        return self._heard([*outputs, *self.engine.tick(self.now)])

    def leave(self, name: str) -> dict[str, list[Any]]:
        """A tab ends its transport."""
        self.tracker.dropped(name, self.now)
        outputs = self.engine.ended(self._numbers.pop(name), self.now)
        return self._heard([*outputs, *self.engine.tick(self.now)])

    def wait(self, seconds: float) -> dict[str, list[Any]]:
        """Time goes on, a tenth of a second at a time; what is heard then, by tab."""
        found: dict[str, list[Any]] = {}
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            for name, said in self._heard(self.engine.tick(self.now)).items():
                found.setdefault(name, []).extend(said)
            self.tracker.advance(self.now)
        return found

    def post(self, path: str, body: Any, service: str = SERVICE) -> tuple[int, Any, dict[str, list[Any]]]:
        """An administrator posts; the answer's status and body, and what tabs hear."""
        headers = (("Authorization", f"Bearer {service}"),)
        asked = Request("POST", path, headers, "192.0.2.9", json.dumps(body).encode())
        [name] = [endpoint.name for endpoint in tabs().http.values() if endpoint.path == path]
        client = f"post {self.now} {json.dumps(body)}"
        self.tracker.requested(client, asked, self.now)
        answer = self.engine.request(name, asked, self.now)
        said = self._heard(answer.outputs)
        self.tracker.answered(client, Answer(answer.status, (), json.dumps(answer.body)), self.now)
        return answer.status, answer.body, said

    def _heard(self, outputs: list[Output] | tuple[Output, ...]) -> dict[str, list[Any]]:
        names = {number: name for name, number in self._numbers.items()}
        found: dict[str, list[Any]] = {}
        for output in outputs:
            name = names.get(output.connection)
            if name is None:
                continue
            if isinstance(output, Emission):
                wire = BINDINGS["socketio"].encode(_filled(output.body, self.now), encode)
                self.tracker.received(name, wire, self.now)
                if output.message != "open":
                    found.setdefault(name, []).append(_brief(output.message, output.body.get("payload")))
            elif isinstance(output, Closing) and output.how == "leave":
                self.tracker.received(name, "41", self.now)
                found.setdefault(name, []).append("out")
        return found


def _brief(message: str, payload: Any) -> Any:
    """A message without what differs from run to run."""
    match message:
        case "ROOMS_JOINED":
            return [message, payload["leaderTabId"], payload["term"], payload["version"]]
        case "LEADER_ELECTED" | "LEADER_HEARTBEAT":
            return [message, *payload.values()]
        case "STATE_UPDATE" | "STATE_CONFLICT":
            return [message, *(payload.get(name) for name in ("key", "value", "clock", "version", "origin"))]
        case "ERROR":
            return [message, payload["code"], payload["event"]]
        case "connect_error":
            return [message, payload["data"]["code"]]
        case "SECURITY_SUSPICIOUS_ACTIVITY":
            return [payload["kind"], None if isinstance(payload["deviceId"], Chosen) else payload["deviceId"]]
        case "TOKEN_UPDATED":
            return [message, payload["updatedBy"]]
        case "connect" | "TOKEN_EXPIRING":
            return message
    return [message, payload]


def _filled(value: Any, now: float) -> Any:
    if isinstance(value, Chosen):
        return rfc3339(now) if value.kind == "time" else value.sample if value.kind == "value" else "chosen"
    if isinstance(value, dict):
        return {name: _filled(member, now) for name, member in value.items()}
    return [_filled(item, now) for item in value] if isinstance(value, list) else value
