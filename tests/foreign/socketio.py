"""Socket.IO packets as text over Python's `websockets`: a client that may also say what no client should."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from attrs import define, field
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.foreign.kit import SERVICE_TOKEN, WAIT, request

__all__ = [
    "UPGRADES",
    "WIRE",
    "WIRE_FAULTS",
    "Socket",
    "deadline",
    "opened",
    "pings",
    "post",
    "upgraded",
    "upgrades",
    "wire",
]

WIRE_FAULTS = frozenset(
    [
        "other-namespace-ignored",
        "other-namespace-accepted",
        "other-namespace-refused-in-default",
        "unknown-engine-type-ignored",
        "unknown-packet-type-ignored",
        "empty-frame-ignored",
        "client-ping-ignored",
        "event-not-json-ignored",
        "event-not-array-ignored",
        "nameless-event-ignored",
        "reserved-event-ignored",
        "early-event-ignored",
        "second-connect-ignored",
        "stray-binary-ignored",
        "bad-packet-closes-all",
        "frame-limit-off-by-one",
        "close-frame-unanswered",
    ]
)
"""What `wire` shows."""


@define
class Socket:
    """One connection: packets of Engine.IO's messages as text, pings left out."""

    connection: ClientConnection
    acknowledged: int = field(default=0)

    def send(self, packet: str | bytes) -> None:
        """Send a Socket.IO packet, or a binary frame; where the server has just closed, who reads sees it."""
        with suppress(ConnectionClosed):
            self.connection.send(packet if isinstance(packet, bytes) else f"4{packet}")

    def hear(self) -> str:
        """The next packet of the server."""
        while True:
            frame = self.connection.recv(timeout=WAIT)
            assert isinstance(frame, str)
            if frame[0] == "4":
                return frame[1:]

    def connect(self, auth: Any = None) -> str:
        """Send a connect packet; gives the kind of packet that answers it."""
        self.send("0" + ("" if auth is None else json.dumps(auth)))
        return self.hear()[0]

    def emit(self, name: str, *values: Any, answered: bool = False) -> None:
        """Send an event, and ask for an acknowledgement or not."""
        self.acknowledged += answered
        self.send(f"2{self.acknowledged if answered else ''}" + json.dumps([name, *values]))

    def event(self) -> Any:
        """The next event, as its name and data; an acknowledgement as `ack` and data; any other packet as its text."""
        packet = self.hear()
        if "[" not in packet:
            return [packet]
        values = json.loads(packet[packet.index("[") :])
        return ["ack", *values] if packet[0] == "3" else values

    def heard(self) -> list[Any]:
        """The events until an acknowledgement, which is the last."""
        came = [self.event()]
        while came[-1][0] != "ack":
            came.append(self.event())
        return came

    def end(self) -> list[Any]:
        """The events that still come, `41` where the server disconnects, and `end` where the transport ends in time."""
        came: list[Any] = []
        try:
            while (packet := self.hear())[0] != "1":
                came.append(json.loads(packet[packet.index("[") :]) if packet[0] in "23" else packet)
            came.append("41")
            self.hear()
        except ConnectionClosed:
            return [*came, "end"]
        except TimeoutError:
            return [*came, "silence"]
        return [*came, "more"]


@contextmanager
def opened(address: str, query: str = "EIO=4&transport=websocket", **more: Any) -> Iterator[tuple[Socket, Any]]:
    """A connection without a connect packet yet, and what its open packet says."""
    url = f"ws://{address}/socket.io/?{query}"
    with connect(url, compression=None, close_timeout=1, max_size=None, **more) as connection:
        frame = connection.recv(timeout=WAIT)
        assert isinstance(frame, str)
        yield Socket(connection), json.loads(frame[1:])


def upgraded(address: str, query: str, **more: Any) -> int:
    """The status that answers an upgrade."""
    try:
        with opened(address, query, **more):
            return 101
    except InvalidStatus as failure:
        return failure.response.status_code


def post(address: str, path: str, body: Any, given: str | None = SERVICE_TOKEN, **headers: str) -> tuple[int, Any]:
    """The status and the JSON body that answer a post."""
    if given is not None:
        headers["Authorization"] = f"Bearer {given}"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(address, "POST", path, content, headers)


_BAD: dict[str, str | bytes] = {
    "engine type": "9",
    "packet type": "47",
    "empty": "",
    "ping": "2",
    "not JSON": '42["x"',
    "no data": "42",
    "not an array": '42{"a":1}',
    "acknowledgement": "431{}",
    "no name": "42[]",
    "number": "42[1]",
    "reserved": '42["disconnect"]',
    "again": "40{}",
    "binary": b"\x00",
}


def wire(address: str, auth: Callable[[], Any], probe: str, limit: int) -> Any:
    """What happens to packets that no client should send, each on a connection of its own, and to one beside them.

    `auth` gives the data of another connect packet each time, `probe` is an event that is acknowledged, and `limit` the
    size of the largest frame.
    """
    notes: dict[str, Any] = {}
    with opened(address) as (beside, told):
        beside.connect(auth())
        for name, frame in _BAD.items():
            with opened(address) as (socket, _):
                socket.connect(auth())
                socket.connection.send(frame)
                socket.send(probe)
                notes[name] = socket.end()[-1]
        beside.send(probe)
        notes["beside"] = beside.heard()[-1][0]
    with opened(address) as (socket, _):
        socket.send(probe)
        socket.send("0" + json.dumps(auth()))
        notes["early"] = socket.end()[-1]
    with opened(address) as (socket, _):
        socket.send("0/other,")
        socket.send("0" + json.dumps(auth()))
        notes["namespaces"] = [socket.hear()[:8], socket.hear()[0]]
        socket.send(probe[:-1] + " " * (limit - len(probe) - 1) + "]")
        notes["longest"] = socket.heard()[-1][0]
        socket.connection.close()
        notes["close"] = socket.connection.close_code
    return {**notes, "told": sorted(told), "upgrades": told["upgrades"]}


WIRE: Mapping[str, Any] = {
    **dict.fromkeys((*_BAD, "early"), "end"),
    "beside": "ack",
    "namespaces": ["4/other,", "0"],
    "longest": "ack",
    "close": 1000,
    "told": ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"],
    "upgrades": [],
}
"""What `wire` gives of a conformant server."""


def upgrades(address: str, origin: str) -> Any:
    """How requests for other paths, without an upgrade, of other versions and from other origins are answered."""
    query = "EIO=4&transport=websocket"
    return {
        "paths": [request(address, "GET", path)[0] for path in ("/", "/socket.io/else", "/socket.io/")],
        "polling": request(address, "GET", "/socket.io/?EIO=4&transport=polling")[0],
        "queries": [upgraded(address, one) for one in (query, "EIO=3&transport=websocket", "EIO=4")],
        "origins": [upgraded(address, query, origin=one) for one in (origin, f"{origin}.evil.example")],
    }


UPGRADES: Mapping[str, Any] = {
    "paths": [404, 404, 426],
    "polling": 426,
    "queries": [101, 400, 400],
    "origins": [101, 403],
}
"""What `upgrades` gives of a conformant server."""


def pings(address: str, auth: Any) -> Any:
    """What the open packet says of pings, and the second of them, and how it ends for who does not pong."""
    with opened(address) as (socket, told):
        socket.connect(auth)
        frames: list[Any] = []
        while len(frames) < 2:
            if (frame := socket.connection.recv(timeout=WAIT)) == "2":
                frames.append(frame)
                socket.connection.send("3")
        return [told["pingInterval"], told["pingTimeout"], socket.end()[-1]]


def deadline(address: str, auth: Any) -> Any:
    """How it ends for who sends no connect packet, while who has sent one stays."""
    with opened(address) as (silent, _), opened(address) as (socket, _):
        socket.connect(auth)
        ended = silent.end()
        socket.send("0/other,")
        while not (packet := socket.hear()).startswith("4/other"):
            pass
        return [ended, packet[:8]]
