"""One client on python-socketio's client; it is told, and tells, what `executions.mjs` is told and tells."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from typing import Any

import socketio

_TELLING = threading.Lock()


def tell(*event: Any) -> None:
    """One line of JSON; the client's threads tell at the same time."""
    with _TELLING:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def main(url: str) -> None:
    """Connect with the `auth` of the first line; every line behind it is a call."""
    client = socketio.Client(reconnection=False)
    trigger = client.eio._trigger_event
    # By itself it handles every message in a thread of its own, and tells them in any order.
    client.eio._trigger_event = lambda event, *args, **more: trigger(event, *args, **{**more, "run_async": False})
    client.on("connect", lambda: tell("connect", None))
    client.on("disconnect", lambda reason: tell("disconnect", reason))
    client.on("connect_error", lambda error: tell("connect_error", (error.get("data") or {}).get("code")))
    client.on("*", tell)
    with contextlib.suppress(socketio.exceptions.ConnectionError):
        client.connect(url, transports=["websocket"], auth=json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        name, data = json.loads(line)
        client.emit(name, data, callback=lambda answer: tell("answer", answer))
    if client.connected:
        client.disconnect()
    sys.stdout.flush()
    # Where the server ended the connection first, threads of the client linger.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
