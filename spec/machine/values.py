"""What goes into the interpreter and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from attrs import evolve, field, frozen

from spec.bindings.seam import Binary, Breach, Frame, NotUTF8, Text
from spec.expressions import Open

__all__ = [
    "Binary",
    "Breach",
    "Choice",
    "Closing",
    "Emission",
    "Exact",
    "Fewer",
    "Frame",
    "Left",
    "NotUTF8",
    "Output",
    "Pong",
    "Refusal",
    "Request",
    "Text",
    "Upgrade",
]


@frozen
class Request:
    """An HTTP request: `target` is the raw path and query, header names are as received.

    `body` is as much of it as was read, which may be less than all where it is over a limit.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    address: str
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> list[str]:
        """All values of a header, in order."""
        return self._by_name.get(name.lower(), [])

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self.headers:
            found.setdefault(name.lower(), []).append(value)
        return found


@frozen
class Choice(Open):
    """A value that the server has chosen and nobody knows yet: the same one wherever it stands.

    `kind` is that of `Chosen`, `moment` (epoch seconds) or `milliseconds`; `at` is when it was chosen, for a time that
    must be that moment (`now`), `owner` the connection that it is for. One without a number stands for nothing else.
    It must tell nothing of another that it is `unlike`.
    """

    number: int | None
    kind: str
    at: float
    now: bool = False
    unique: str | None = None
    owner: int = 0
    rules: tuple[str, ...] = ()
    unlike: Choice | None = None

    def written(self, form: str) -> Choice:
        return evolve(self, kind=form)


class Exact(dict[str, Any]):
    """An object that has these members and no others."""


@frozen(eq=False)
class Fewer:
    """A list of which fewer may come, but one where there is any; `more` says whether others stand behind it."""

    entries: tuple[Any, ...]
    more: bool


@frozen
class Left:
    """Whether something is left behind what came of a list."""

    of: Fewer


@frozen
class Emission:
    """One message to one connection.

    `body` may hold `Chosen` values, which the sender fills in. `reply` says what is due of the reply member: `must`,
    `free` (unjudged) or `never`; `reply_to` is the id that it would name. `source` is the connection whose input
    caused the message, None for timers; `timer` names the timer that did. `cause` numbers the input or timer event;
    `pointer` is the case of the document that decided (a JSON Pointer). What belongs to a `stream` comes in its order,
    whoever sent it, and behind the outputs of the event `behind`. An error may go to all of a room, which it
    `expelled`. `code` is that of the error that it tells. The place of one that stands `apart` is free, but behind that
    event too. In `any_order` it comes before or behind what else its connection is due; what is `per` a value comes in
    order, and in any order with the rest.
    """

    connection: int
    message: str
    body: Mapping[str, Any]
    reply: str
    reply_to: str | None
    rules: tuple[str, ...]
    cause: int
    source: int | None = None
    timer: str | None = None
    pointer: str = ""
    broadcast: tuple[str, Any] | None = None
    isolation: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    stream: tuple[str, Any] | None = None
    behind: int | None = None
    expelled: tuple[str, Any] | None = None
    code: str | None = None
    apart: bool = False
    any_order: bool = False
    per: Any = None


@frozen
class Closing:
    """The connection is closed; `reason` None leaves it free, and any of the codes in `also` is as good.

    `how` says what counts: `frame` a close frame with the code; `end` any close frame or the bare end of the transport;
    `any` the same, behind what else is due; `disconnect` the same, before which a farewell may come; `leave` the
    farewell or the end, whichever; `left` that nothing is due to a client that has left, whatever its
    transport does; `may` an end where nothing is due.
    """

    connection: int
    code: int
    reason: str | None
    rules: tuple[str, ...]
    cause: int
    timer: str | None = None
    pointer: str = ""
    how: str = "frame"
    also: tuple[int, ...] = ()

    def fits(self, code: int | None) -> bool:
        """Whether a close frame has a code that is right."""
        return code is not None and (self.code == 0 or code in (self.code, *self.also))


Output = Emission | Closing


@frozen
class Pong:
    """The answer to a ping, which a peer gives below the messages (RFC 6455 section 5.5.3)."""

    connection: int
    data: bytes
    rules: tuple[str, ...]
    pointer: str = "/framing/ping"


@frozen
class Refusal:
    """The HTTP answer to a request that is not upgraded; `body` is a JSON value.

    `outputs` go to connections before it; `link` is the number of the link that was made.
    """

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    rules: tuple[str, ...]
    header_rules: tuple[str, ...] = ()
    pointer: str = ""
    outputs: tuple[Output, ...] = ()
    link: int | None = None


@frozen
class Upgrade:
    """A request that becomes connection number `connection`."""

    connection: int
    subprotocol: str | None
    headers: Mapping[str, str]
    outputs: tuple[Output, ...]
    rules: tuple[str, ...]
    header_rules: tuple[str, ...] = ()
    pointer: str = ""
    facts: Mapping[str, str] = field(factory=dict)
    subprotocol_rules: tuple[str, ...] = ()
