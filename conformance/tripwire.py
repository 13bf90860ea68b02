"""A place that forged tokens point to: a target that fetches keys from there is seen, whatever it makes of them.

Only a target on this machine's loopback can be watched so. For others the tokens point where nothing answers, and what
is judged is whether they are accepted.
"""

from __future__ import annotations

from urllib.parse import quote

import h11
import trio
from attrs import define, field

__all__ = ["Tripwire"]

_HOST = "127.0.0.1"
_PATIENCE = 5.0
"""How many seconds a visitor has for its request."""


@define
class Tripwire:
    """Listens on a port of its own; `touched` are the paths that were asked for."""

    touched: set[str] = field(factory=set)
    _port: int | None = None

    def address(self, name: str) -> str | None:
        """Where a token of this name is to point; None while nothing listens."""
        return None if self._port is None else f"http://{_HOST}:{self._port}{_path(name)}"

    def was_touched(self, name: str) -> bool:
        """Whether keys were asked for where the token of a name points."""
        return _path(name) in self.touched

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled; where no port can be had, nothing is watched."""
        try:
            listeners = await trio.open_tcp_listeners(0, host=_HOST)
        except OSError:
            task_status.started()
            return
        self._port = listeners[0].socket.getsockname()[1]
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(trio.serve_listeners, self._attend, listeners)
                task_status.started()
        finally:
            self._port = None

    async def _attend(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        with trio.move_on_after(_PATIENCE):
            try:
                while (event := connection.next_event()) is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some())
                if isinstance(event, h11.Request):
                    self.touched.add(event.target.decode("latin-1").partition("?")[0])
                    headers = [("Content-Length", "0"), ("Connection", "close")]
                    answer = h11.Response(status_code=404, headers=headers)
                    await stream.send_all(connection.send(answer) or b"")
            except (h11.RemoteProtocolError, trio.BrokenResourceError):
                pass  # A visitor that does not speak HTTP/1.1 asked for no keys that could be told.
        await trio.aclose_forcefully(stream)


def _path(name: str) -> str:
    return f"/{quote(name, safe='')}/keys"
