"""Who may use the inspector: requests for its own host, from its own pages, of who gave its password.

Three attacks are met here, each before anything is done. A foreign page that makes a browser send requests (CSRF,
cross-site WebSocket hijacking) has another `Origin`. A foreign name that is made to lead to this machine (DNS
rebinding) stands in `Host`; where the server listens on the loopback, only the loopback's own names are let in. Who
guesses passwords gets few guesses in a while, from all addresses together, and learns nothing from how long each takes.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from attrs import define, field

from reference_server.http import Answer, json_answer
from spec.bindings.json import NotJSON, decode
from spec.machine import Request
from spec.secrets import Secret

__all__ = ["Access", "is_loopback"]

_COOKIE = "handfast_inspector"
_LASTS = 12 * 3600.0
"""How long, in seconds, a password that was given counts."""

_SIGNED_IN = 64
_GUESSES, _WINDOW = 5, 30.0

_FORBIDDEN_HOST = json_answer(403, {"code": "HOST_FORBIDDEN"})
_FORBIDDEN_ORIGIN = json_answer(403, {"code": "ORIGIN_FORBIDDEN"})
_UNAUTHORIZED = json_answer(401, {"code": "PASSWORD_REQUIRED"})
_WRONG = json_answer(401, {"code": "PASSWORD_WRONG"})
_TOO_MANY = json_answer(429, {"code": "TOO_MANY_GUESSES"}, {"Retry-After": str(int(_WINDOW))})
_NOT_JSON = json_answer(415, {"code": "JSON_REQUIRED"})


def is_loopback(host: str) -> bool:
    """Whether a name or an address is one that only this machine reaches; of names that is `localhost` alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@define
class Access:
    """Judges requests; `local` says that the server listens on the loopback, `now` gives any clock's seconds."""

    password: Secret | None
    local: bool
    secure: bool
    now: Callable[[], float]
    _signed_in: dict[bytes, float] = field(factory=dict, init=False)
    _guesses: deque[float] = field(factory=deque, init=False)

    def refusal(self, request: Request) -> Answer | None:
        """Why a request is for nothing of the inspector: it names a host that is not this one."""
        hosts = request.header("host")
        if len(hosts) != 1:
            return _FORBIDDEN_HOST
        try:
            name = urlsplit(f"//{hosts[0]}").hostname
        except ValueError:
            name = None
        return None if name and (not self.local or is_loopback(name)) else _FORBIDDEN_HOST

    def foreign(self, request: Request) -> Answer | None:
        """Why a request that does something is refused: a page of another origin sent it, or no page at all."""
        scheme = "https" if self.secure else "http"
        own = f"{scheme}://{request.header('host')[0].lower()}"
        return None if request.header("origin") == [own] else _FORBIDDEN_ORIGIN

    def locked(self, request: Request) -> Answer | None:
        """Why a request is refused that needs the password: it brings no cookie of who gave it."""
        if self.password is None:
            return None
        until = self._signed_in.get(_digest(_cookie(request)), 0.0)
        return None if until > self.now() else _UNAUTHORIZED

    def sign_in(self, request: Request, body: bytes) -> Answer:
        """Answer a password: a cookie for the right one."""
        if request.header("content-type") != ["application/json"]:
            # A form of a foreign page can send any other type without asking.
            return _NOT_JSON
        now = self.now()
        while self._guesses and self._guesses[0] <= now - _WINDOW:
            self._guesses.popleft()
        if len(self._guesses) >= _GUESSES:
            return _TOO_MANY
        expected = "" if self.password is None else self.password.reveal()
        # Digests are of one length, so that the comparison tells nothing of the password's.
        if not hmac.compare_digest(_digest(_given(body)), _digest(expected)):
            self._guesses.append(now)
            return _WRONG
        return Answer(204, b"", "application/json", {"Set-Cookie": self._new_cookie(now)})

    def _new_cookie(self, now: float) -> str:
        self._signed_in = {key: until for key, until in self._signed_in.items() if until > now}
        while len(self._signed_in) >= _SIGNED_IN:
            del self._signed_in[next(iter(self._signed_in))]
        value = secrets.token_urlsafe(32)
        self._signed_in[_digest(value)] = now + _LASTS
        secure = "; Secure" if self.secure else ""
        return f"{_COOKIE}={value}; Path=/_inspect/; HttpOnly; SameSite=Strict; Max-Age={int(_LASTS)}{secure}"


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _cookie(request: Request) -> str:
    try:
        found = SimpleCookie("; ".join(request.header("cookie"))).get(_COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _given(body: bytes) -> str:
    try:
        value: Any = decode(body.decode())
    except (UnicodeDecodeError, NotJSON):
        return ""
    password = value.get("password") if isinstance(value, dict) else None
    return password if isinstance(password, str) else ""
