"""One hub connection, from its upgrade to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .records import Call, FaultyRecordError, Reader, TooLargeError, call, kind, read_object, write
from .tickets import Ticket
from .tokens import Token, TokenRefusedError

if TYPE_CHECKING:
    from .server import HubServer
    from .transport import Connection

INVOCATION, COMPLETION, STREAM_INVOCATION, PING, CLOSE = 1, 3, 4, 6, 7
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


class ArgumentsError(Exception):
    """The call cannot be served; the text is for its completion."""


class Session:
    """What a client may do with its connection."""

    def __init__(self, server: HubServer, connection: Connection, ticket: Ticket, token: Token) -> None:
        self._server, self._connection, self.ticket, self._token = server, connection, ticket, token
        self._fault, self._settings = server.fault, server.settings
        self._reader = Reader(self._settings.message_bytes, self._fault)
        self._open = self._over = False
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._held: list[str] = []
        ticket.state = "live"
        ticket.hang_up = lambda: self.close("another connection has taken over", reconnect=False)
        if not self._fault("handshake-awaited-for-ever"):
            self._alarm("handshake", self._settings.handshake_deadline, lambda: self._refuse("no handshake came"))
        self._alarm("expiry", token.ends - time.time(), self._expired)

    # What comes.

    def received(self, piece: str) -> None:
        """Text, which may end within a record."""
        if self._over:
            return
        if self._fault("any-octet-is-life"):
            self._heard()
        try:
            records = self._reader.feed(piece)
            self._read(records)
        except TooLargeError as problem:
            self._read(problem.before)
            self._faulty(str(problem))

    def binary(self, octets: bytes) -> None:
        """A binary frame, which is a fault."""
        if self._fault("binary-accepted"):
            self.received(octets.decode("utf-8", "replace"))
        else:
            self._faulty("the frame is binary")

    def _faulty(self, text: str) -> None:
        if self._over:
            return
        if not self._open:
            self._refuse(text)
        elif self._fault("malformed-cut-off"):
            self._end(1000)
        elif not self._fault("malformed-ignored"):
            self.close(text, reconnect=False)

    def _read(self, records: list[str]) -> None:
        for number, record in enumerate(records):
            if self._over:
                return
            try:
                if not self._open:
                    self._shake(record)
                    if self._fault("behind-handshake-lost"):
                        return
                else:
                    self._heard()
                    self._take(record)
            except FaultyRecordError as problem:
                self._faulty(str(problem))
            if self._fault("one-record-per-frame") and number == 0:
                return

    def _shake(self, record: str) -> None:
        asked = read_object(record)
        protocol, version = asked.get("protocol"), asked.get("version")
        if self._fault("any-handshake"):
            protocol, version = "json", 1
        if protocol != "json":
            raise FaultyRecordError("the protocol is not served")
        if isinstance(version, bool) or version != 1:
            raise FaultyRecordError("the version is not served")
        self._open = True
        self._silence("handshake")
        self._send_text(write({}))
        self.ticket.connected_at = round(time.time() * 1000)
        self._server.tickets.taken_over(self.ticket)
        self._server.open.add(self)
        if not self._fault("first-change-missing"):
            self._tell_change()
        self._heard()
        self._follow_token()

    def _take(self, record: str) -> None:
        message = read_object(record)
        match kind(message):
            case 1:
                self._serve(call(message, stream=False))
            case 4:
                self._serve(call(message, stream=True))
            case 7:
                if not self._fault("resume-after-close"):
                    self._server.tickets.gone(self.ticket)
                self._end(1000)
            case number if number > 9 and self._fault("unknown-type-closes"):
                raise FaultyRecordError("the type is unknown")

    # Calls.

    def _serve(self, asked: Call) -> None:
        before = self._record()
        try:
            answer = {"result": self._call(asked)}
        except ArgumentsError as problem:
            if self._fault("bad-call-closes"):
                raise FaultyRecordError(str(problem)) from None
            answer = {"error": str(problem)}
        changed = self._record() != before or (self._fault("change-told-always") and asked.target != "Send")
        if changed and self._fault("change-before-completion"):
            self._tell_change()
        self._complete(asked, answer)
        if changed and not self._fault("change-before-completion") and not self._fault("change-untold"):
            self._tell_change()
        if asked.target == "RefreshToken" and "result" in answer and not self._fault("timers-keep-old-token"):
            self._follow_token()

    def _complete(self, asked: Call, answer: dict[str, Any]) -> None:
        identity = asked.identity
        if identity is None:
            if not self._fault("calls-without-id-completed"):
                return
            identity = ""
        said = write({"type": COMPLETION, "invocationId": identity, **answer})
        if self._fault("completions-reordered"):
            self._held.append(said)
            if len(self._held) == 1:
                self._alarm("held", 0.05, self._release)
                return
            self._release()
            return
        self._send_text(said * (1 + self._fault("completed-twice")))

    def _release(self) -> None:
        self._silence("held")
        held, self._held = self._held, []
        for said in reversed(held):
            self._send_text(said)

    def _call(self, asked: Call) -> Any:
        served: dict[str, tuple[int, Callable[..., Any]]] = {
            "RegisterTab": (1, self._register_tab),
            "UnregisterTab": (1, self._unregister_tab),
            "JoinHub": (1, self._join_hub),
            "LeaveHub": (1, self._leave_hub),
            "RefreshToken": (1, self._refresh_token),
            "Send": (2, self._send),
            "GetConnection": (0, self._record),
        }
        target = asked.target
        if self._fault("targets-in-any-case"):
            target = next((name for name in served if name.lower() == target.lower()), target)
        if target not in served:
            raise ArgumentsError("there is no such method")
        if asked.stream and not self._fault("streams-served"):
            raise ArgumentsError("the method gives no stream")
        count, serve = served[target]
        if len(asked.arguments) != count and not (
            self._fault("more-arguments-accepted") and len(asked.arguments) > count
        ):
            raise ArgumentsError("the arguments are too many or too few")
        return serve(*asked.arguments[:count])

    def _name(self, given: Any) -> str:
        if not isinstance(given, str):
            raise ArgumentsError("the name is not a string")
        if not given or (len(given) > 128 and not self._fault("names-of-any-length")):
            raise ArgumentsError("the name has too many characters or none")
        return given

    def _register_tab(self, tab: Any) -> dict[str, Any]:
        name = self._name(tab)
        if name not in self.ticket.tabs or self._fault("tabs-twice"):
            self.ticket.tabs.append(name)
        return self._record()

    def _unregister_tab(self, tab: Any) -> dict[str, Any]:
        name = self._name(tab)
        if name in self.ticket.tabs:
            self.ticket.tabs.remove(name)
        elif self._fault("unknown-tab-refused"):
            raise ArgumentsError("there is no such tab")
        return self._record()

    def _join_hub(self, hub: Any) -> dict[str, Any]:
        name = self._name(hub)
        if name not in self.ticket.hubs:
            self.ticket.hubs.append(name)
        return self._record()

    def _leave_hub(self, hub: Any) -> dict[str, Any]:
        name = self._name(hub)
        if name in self.ticket.hubs and not self._fault("hubs-never-left"):
            self.ticket.hubs.remove(name)
        return self._record()

    def _send(self, hub: Any, data: Any) -> None:
        name = self._name(hub)
        if self._fault("senders-must-join") and name not in self.ticket.hubs:
            raise ArgumentsError("the sender has not joined")
        sender = self.ticket.connection_id if self._fault("from-connection") else self._token.subject
        if self._fault("data-as-text"):
            data = str(data)
        said = write(
            {"type": INVOCATION, "target": "Receive", "arguments": [{"hub": name, "data": data, "from": sender}]}
        )
        for session in self._server.open:
            self._pass_on(session, name, said)

    def _pass_on(self, session: Session, name: str, said: str) -> None:
        if session is self and self._fault("sender-hears-nothing"):
            return
        folded = self._fault("hubs-case-folded") and name.lower() in map(str.lower, session.ticket.hubs)
        if name in session.ticket.hubs or folded or self._fault("everybody-hears"):
            session._send_text(said * (1 + self._fault("heard-twice")))

    def _refresh_token(self, text: Any) -> dict[str, Any]:
        if not isinstance(text, str):
            raise ArgumentsError("the token is not a string")
        try:
            token = self._server.gate.verifier.check(text, time.time())
        except TokenRefusedError as refusal:
            if self._fault("refused-refresh-closes"):
                self.close("the token is refused", reconnect=True)
            raise ArgumentsError(refusal.code) from None
        if token.subject != self._token.subject and not self._fault("refresh-as-another"):
            raise ArgumentsError("SUBJECT_MISMATCH")
        self._token = token
        return {"expiresAt": _rfc3339(token.exp)}

    def _record(self) -> dict[str, Any]:
        return self.ticket.record(self._fault)

    # The token.

    def _follow_token(self) -> None:
        left = self._token.exp - time.time()
        if not self._fault("expiring-untold"):
            self._alarm("lead", max(left - self._settings.token_lead, 0), self._tell_expiring)
        if left <= self._settings.token_lead:
            self._silence("lead")
            if not self._fault("expiring-untold") and not self._fault("short-lead-untold"):
                self._tell_expiring()
        self._alarm("expiry", self._token.ends - time.time(), self._expired)

    def _tell_expiring(self) -> None:
        told: Any = {"expiresAt": _rfc3339(self._token.exp)}
        if self._fault("expiring-in-seconds"):
            told = {"expiresAt": self._token.exp}
        self._invoke("TokenExpiring", told)
        if self._fault("expiring-told-twice"):
            self._invoke("TokenExpiring", told)

    def _expired(self) -> None:
        if self._fault("expiry-ignored"):
            return
        if not self._open:
            self._refuse("the token has expired")
        else:
            self.close("the token has expired", reconnect=not self._fault("expiry-for-good"))

    # What goes.

    def _tell_change(self) -> None:
        self._invoke("ConnectionChanged", self._record())

    def _invoke(self, target: str, argument: Any) -> None:
        self._send_text(write({"type": INVOCATION, "target": target, "arguments": [argument]}))

    def _send_text(self, text: str) -> None:
        if self._over:
            return
        self._connection.send(text)
        if self._open and not self._fault("never-pings"):
            self._alarm("ping", self._settings.keepalive, lambda: self._send_text(write({"type": PING})))

    def _refuse(self, text: str) -> None:
        if self._over:
            return
        self._connection.send(write({"error": text}))
        if not self._fault("refused-handshake-left-open"):
            self._end(1000)

    def close(self, text: str, *, reconnect: bool) -> None:
        """A Close that says why, then the end."""
        if self._over:
            return
        said: dict[str, Any] = {"type": CLOSE, "error": text}
        if self._fault("close-without-error"):
            del said["error"]
        if reconnect:
            said["allowReconnect"] = True
        self._send_text(write(said))
        self._end(4000 if self._fault("closed-with-4000") else 1000)

    def _end(self, code: int) -> None:
        self.ended()
        self._connection.close(code)

    def ended(self) -> None:
        """Nothing more is sent, and nothing that comes is read."""
        if self._over:
            return
        self._over = True
        for alarm in self._alarms.values():
            alarm.cancel()
        self._server.open.discard(self)
        self._server.tickets.lost(self.ticket)

    # Timers.

    def _heard(self) -> None:
        if not self._open or self._fault("silence-borne"):
            return
        seconds = self._settings.client_timeout * (0.6 if self._fault("silence-cut-early") else 1)
        self._alarm("silence", seconds, lambda: self.close("nothing came", reconnect=True))

    def _alarm(self, name: str, seconds: float, ring: Callable[[], None]) -> None:
        self._silence(name)
        # A loop's clock is not bound to the wall's: a token is not to expire a moment early.
        self._alarms[name] = asyncio.get_running_loop().call_later(max(seconds, 0) + 0.002, ring)

    def _silence(self, name: str) -> None:
        alarm = self._alarms.pop(name, None)
        if alarm is not None:
            alarm.cancel()


def _rfc3339(moment: float) -> str:
    try:
        when = datetime.fromtimestamp(moment, UTC)
    except (OverflowError, ValueError, OSError):
        when = _LAST
    return when.isoformat().replace("+00:00", "Z")
