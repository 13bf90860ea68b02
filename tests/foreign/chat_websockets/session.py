"""One connection's life: authenticating, connected, closed."""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .faults import Faults
from .memory import AcceptedAuths, AttemptLog
from .messages import InvalidMessageError, Message, Writer, encode, read
from .rooms import Rooms
from .settings import Settings
from .tokens import Token, TokenRefusedError, Verifier
from .upgrade import Admission

POLICY_VIOLATION = 1008
FLOOD = 100
SERVER_TYPES = ("recipe_update", "auth_required", "error")


class Link(Protocol):
    """The wire, as a session sees it: nothing waits, and after a close nothing is sent."""

    def send_message(self, text: bytes) -> None:
        """Send one text message."""

    def send_close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake."""

    @property
    def behind(self) -> bool:
        """Whether the peer leaves much unread."""


@dataclass(frozen=True)
class Shared:
    """What all sessions of a server have in common."""

    settings: Settings
    verifier: Verifier
    rooms: Rooms
    writer: Writer
    attempts: AttemptLog
    accepted: AcceptedAuths
    fault: Faults


class Alarm:
    """A moment of the wall clock at which something happens; setting it anew forgets the old one."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._handle: asyncio.TimerHandle | None = None

    def set(self, moment: float) -> None:
        """Never early: the loop's clock and the wall's may run apart."""
        self.cancel()
        self._handle = asyncio.get_running_loop().call_later(moment - time.time(), self._ring, moment)

    def cancel(self) -> None:
        """Nothing happens."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self, moment: float) -> None:
        if time.time() < moment:
            self.set(moment)
        else:
            self._handle = None
            self._action()


class Session:
    """The protocol, told of each event in the order of the wire."""

    def __init__(self, shared: Shared, link: Link, admission: Admission, address: object) -> None:
        self._shared = shared
        self._fault = shared.fault
        self._link = link
        self._admission = admission
        self._address = object() if self._fault("rate-limit-per-connection") else address
        self._token: Token | None = None
        self._asked: str | None = None
        self._closed = False
        self.gone = False
        self._pings = 0
        self._accepted = AcceptedAuths() if self._fault("replay-per-connection") else shared.accepted
        self._deadline: asyncio.TimerHandle | None = None
        self._lead = Alarm(self._require)
        self._expiry = Alarm(self._expire)

    # Events.

    def begin(self) -> None:
        """The upgrade is done."""
        if self._admission.refused is not None:
            self._fail(self._admission.refused)
        elif self._admission.token is not None:
            self._accept(self._admission.token, None)
        else:
            self._start_deadline()
            if self._fault("broadcast-before-auth"):
                self._shared.rooms.join(self._admission.recipe, self)

    def pinged(self) -> None:
        """A ping is no sign of progress."""
        self._pings += 1
        flooded = self._fault("deadline-extended-by-ping-flood") and self._pings > FLOOD
        if (self._fault("deadline-reset-by-ping") or flooded) and self._deadline is not None:
            self._start_deadline()

    def received(self, text: str) -> None:
        """One complete text message."""
        if self._closed:
            return
        try:
            self._handle(read(text, self._fault))
        except InvalidMessageError as invalid:
            self._refuse_message(invalid.reply_to)

    def ended(self, *, by_close_frame: bool) -> None:
        """The connection is over, or is about to be."""
        self._stop()
        self.gone = True
        if by_close_frame or not self._fault("ghost-members"):
            self._shared.rooms.leave(self._admission.recipe, self)

    @property
    def behind(self) -> bool:
        """Whether its peer leaves much unread."""
        return self._link.behind

    def deliver(self, text: bytes) -> None:
        """What the room hears."""
        self._link.send_message(text)

    # Messages.

    def _handle(self, message: Message) -> None:
        if message.type == "auth":
            self._on_auth(message)
        elif self._token is None:
            if not self._fault("early-message-ignored"):
                self._fail("AUTH_REQUIRED", message.id)
        elif message.type == "chat_message":
            self._on_chat_message(message)
        else:
            self._on_unknown(message)

    def _on_auth(self, message: Message) -> None:
        text = message.token()
        if self._token is None:
            if not self._shared.attempts.admit(self._address):
                self._fail("RATE_LIMITED", message.id)
            elif self._fault("auth-not-awaited"):
                asyncio.get_running_loop().call_later(0.05, self._check, text, message.id)
            else:
                self._check(text, message.id)
        elif self._unwelcome():
            self._send_error("MESSAGE_UNKNOWN_TYPE", message.id)
        elif self._fault("rate-limit-counts-reauth") and not self._shared.attempts.admit(self._address):
            self._fail("RATE_LIMITED", message.id)
        else:
            self._check(text, message.id)

    def _unwelcome(self) -> bool:
        """Where an `auth` while connected is not understood: only in faulty servers."""
        if self._admission.version1:
            return self._fault("v1-auth-unknown")
        return self._fault("unasked-auth-refused") and self._asked is None

    def _check(self, text: str, message_id: str) -> None:
        """Token, replay, subject: the first that fails decides."""
        if self._closed:
            return
        now = time.time()
        try:
            token = self._shared.verifier.check(text, now)
        except TokenRefusedError as refused:
            self._refuse_auth(refused.code, message_id, text)
            return
        owner = None if self._fault("replay-without-subject") else token.subject
        if self._accepted.known(owner, message_id, now) and not self._fault("replay-forgotten"):
            self._refuse_auth("AUTH_REPLAYED", message_id, text)
        elif self._is_other(token) and not self._fault("subject-change-accepted"):
            self._refuse_auth("SUBJECT_MISMATCH", message_id, text)
        else:
            self._accepted.remember(owner, message_id, token.ends, now)
            self._accept(token, message_id)

    def _is_other(self, token: Token) -> bool:
        return self._token is not None and self._token.subject != token.subject

    def _on_chat_message(self, message: Message) -> None:
        assert self._token is not None
        content = message.content(self._fault)
        if self._fault("unknown-members-refused") and message.payload.keys() != {"content"}:
            raise InvalidMessageError(message.id)
        if self._fault("chat-paused-while-expiring") and self._asked is not None:
            self._send_error("AUTH_REQUIRED", message.id)
            return
        if self._fault("content-escaped"):
            content = html.escape(content, quote=False)
        if self._fault("content-trimmed"):
            content = content.strip()
        user = self._token.subject
        if self._fault("user-id-from-client"):
            user = message.payload.get("user_id", user)
        self._shared.rooms.say(self._admission.recipe, self, user, content, message.id)

    def _on_unknown(self, message: Message) -> None:
        if self._fault("server-types-invalid") and message.type in SERVER_TYPES:
            raise InvalidMessageError(message.id)
        if self._fault("unknown-type-closes"):
            self._fail("MESSAGE_UNKNOWN_TYPE", message.id)
        else:
            self._send_error("MESSAGE_UNKNOWN_TYPE", message.id)

    # The token's life.

    def _accept(self, token: Token, reply_to: str | None) -> None:
        """Join and answer in one breath: nothing of the room comes before the answer."""
        previous, self._token = self._token, token
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._shared.rooms.join(self._admission.recipe, self)
        recipe = {"recipe_id": self._admission.recipe, "revision": 0, "recipe": {}}
        self._send(self._shared.writer.message("recipe_update", recipe), reply_to)
        self._watch(token, previous)

    def _watch(self, token: Token, previous: Token | None) -> None:
        """Lead and expiry follow the newest token."""
        if previous is not None and self._fault("timers-keep-old-token"):
            return
        ends = token.ends
        if previous is not None and self._fault("timers-never-shorten"):
            ends = max(ends, previous.ends)
        self._expiry.set(ends)
        self._lead.cancel()
        if self._admission.version1 and not self._fault("v1-auth-required"):
            return
        lead_at = token.exp - self._shared.settings.reauth_lead
        if lead_at > time.time():
            self._lead.set(lead_at)
        elif not self._fault("short-token-not-asked"):
            self._require()

    def _require(self) -> None:
        """Ask for a new token, once for each."""
        assert self._token is not None
        repeated = self._fault("auth-required-repeated")
        if self._asked == self._token.text and not repeated:
            return
        self._asked = self._token.text
        expires_at = self._shared.writer.moment(self._token.exp)
        payload = {"reason": "token_expiring", "expires_at": expires_at}
        self._send(self._shared.writer.message("auth_required", payload))
        if repeated:
            self._lead.set(time.time() + 0.25)

    def _expire(self) -> None:
        if self._fault("expiry-unenforced"):
            return
        version1 = self._admission.version1
        if self._fault("v1-expiry-as-reauth"):
            version1 = False
        if self._fault("expiry-as-token-expired"):
            version1 = True
        self._fail("TOKEN_EXPIRED" if version1 else "REAUTH_TIMEOUT")

    def _start_deadline(self) -> None:
        delay = self._shared.settings.auth_deadline
        if self._fault("deadline-early"):
            delay *= 0.7
        if self._fault("deadline-late"):
            delay = delay * 1.3 + 0.5
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._fault("deadline-never"):
            self._deadline = asyncio.get_running_loop().call_later(delay, self._fail, "AUTH_TIMEOUT")

    # Answers.

    def _refuse_message(self, reply_to: str | None) -> None:
        if self._token is None:
            if self._fault("bad-auth-stays-open"):
                self._send_error("MESSAGE_INVALID", reply_to)
            else:
                self._fail("MESSAGE_INVALID", reply_to)
        elif self._fault("invalid-message-closes"):
            self._fail("MESSAGE_INVALID", reply_to)
        else:
            self._send_error("MESSAGE_INVALID", None if self._fault("invalid-without-reply-to") else reply_to)

    def _refuse_auth(self, code: str, message_id: str, token: str) -> None:
        if self._token is not None and self._fault("reauth-refusal-stays-open"):
            self._send_error(code, message_id)
        else:
            self._fail(code, message_id, leak=token)

    def _fail(self, code: str, reply_to: str | None = None, leak: str = "") -> None:
        """The error, then the close that it causes."""
        if self._closed:
            return
        if not self._fault("error-omitted"):
            self._send_error(code, reply_to, leak)
        self._stop()
        self._link.send_close(POLICY_VIOLATION, "" if self._fault("close-without-reason") else code)

    def _send_error(self, code: str, reply_to: str | None, leak: str = "") -> None:
        error = self._shared.writer.error(code)
        if leak and self._fault("token-echoed"):
            error["payload"]["message"] = f"Refused: {leak}"
        self._send(error, reply_to)

    def _send(self, message: dict[str, Any], reply_to: str | None = None) -> None:
        self._link.send_message(encode(message, reply_to))

    def _stop(self) -> None:
        """Whatever still comes is ignored, and no timer fires."""
        self._closed = True
        if self._deadline is not None:
            self._deadline.cancel()
        self._lead.cancel()
        self._expiry.cancel()
