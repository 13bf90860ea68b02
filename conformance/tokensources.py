"""Where a token comes from that the suite cannot mint: the environment, a file, a command, or a login over HTTP.

A source is asked once before anything is sent, and again in the run before what it gave expires, except for the
environment, which stays as it was. What a source answers is quoted nowhere: it may hold the token, or worse.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from attrs import field, frozen

from spec.exits import Exit, Stop
from spec.expressions import pointer_get, read_moment
from spec.secrets import read_secret

__all__ = ["EXPIRES", "TOKEN", "Command", "Given", "Login", "Reference", "Source"]

_COMMAND_WITHIN, _LOGIN_WITHIN = 60.0, 30.0
"""For how many seconds a command or a login is waited for."""

_LARGEST = 1024 * 1024
"""The longest answer of a login that is read, in bytes."""

TOKEN = ("/token", "/access_token", "/id_token")
EXPIRES = ("/expires_in", "/expires_at", "/expires_on", "/expiry")
"""Where a token and its end stand unless it is said (RFC 6749 section 5.1, and what command lines of clouds print)."""

_MOMENT = 1e9
"""A number below this is seconds from now; one above it is seconds since the epoch."""


@frozen
class Given:
    """A token, and when it expires where that is told: by our clock if in so many seconds, else by the issuer's."""

    text: str = field(repr=False)
    ours: float | None = None
    theirs: float | None = None


class Source(Protocol):
    """Gives tokens; `name` says what it is, `renews` whether asking again can give another, `secrets` what it knows."""

    @property
    def name(self) -> str: ...

    @property
    def renews(self) -> bool: ...

    @property
    def secrets(self) -> tuple[str, ...]: ...

    def fetch(self) -> Given:
        """Ask for a token; raises Stop."""


@frozen
class Reference:
    """A token that stands in the environment, or in a file that somebody else keeps fresh."""

    reference: str
    secrets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.reference.partition(":")[0]

    @property
    def renews(self) -> bool:
        return self.name == "file"

    def fetch(self) -> Given:
        token = read_secret(self.reference).reveal().strip()
        if not token:
            raise Stop(Exit.USAGE, "the token is empty", f"it is read from {self.reference}")
        return Given(token)


@frozen
class Command:
    """A command that prints a token: bare, or as JSON with when it expires."""

    words: tuple[str, ...] = field(repr=False)
    name = "command"
    renews = True
    secrets: tuple[str, ...] = ()

    def fetch(self) -> Given:
        # What it says on its standard error may be a secret too, and is not shown.
        try:
            done = subprocess.run(
                self.words, capture_output=True, stdin=subprocess.DEVNULL, check=True, timeout=_COMMAND_WITHIN
            )
        except subprocess.CalledProcessError as problem:
            raise _problem("command", f"it ended with {problem.returncode}") from None
        except subprocess.TimeoutExpired:
            raise _problem("command", f"it did not end within {_COMMAND_WITHIN:.0f} s") from None
        except OSError as problem:
            raise _problem("command", f"it cannot be started: {problem.strerror}") from None
        try:
            printed = done.stdout.decode().strip()
        except UnicodeDecodeError:
            raise _problem("command", "what it printed is not UTF-8") from None
        if not printed:
            raise Stop(Exit.USAGE, "[tokens] command printed no token")
        if not printed.startswith("{"):
            if len(printed.split()) > 1:
                raise _problem("command", "it printed more than one word, and no JSON object")
            return Given(printed)
        return _given(printed, "command", TOKEN, EXPIRES)


@frozen
class Login:
    """A request that is answered with a token, such as a grant of OAuth 2 (RFC 6749)."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    token: tuple[str, ...] = TOKEN
    expires: tuple[str, ...] = EXPIRES
    ca: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    name = "http"
    renews = True

    def fetch(self) -> Given:
        request = Request(self.url, data=self.body, headers=dict(self.headers), method=self.method)
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as problem:
            raise _problem("http", f"ca: {problem}") from None
        try:
            opener = build_opener(_NoRedirects, HTTPSHandler(context=context))
            with opener.open(request, timeout=_LOGIN_WITHIN) as answer:
                text = answer.read(_LARGEST).decode("utf-8", "replace")
        except HTTPError as problem:
            problem.close()
            elsewhere = ", a redirect, which is not followed" if 300 <= problem.code < 400 else ""
            raise _problem("http", f"{self.place} answered {problem.code}{elsewhere}") from None
        except (OSError, HTTPException, ValueError) as problem:
            raise _problem("http", f"{self.place}: {_reason(problem)}") from None
        return _given(text, "http", self.token, self.expires)

    @property
    def place(self) -> str:
        """The URL as it may be said: what follows a `?` may be a secret."""
        return self.url.partition("?")[0]


class _NoRedirects(HTTPRedirectHandler):
    """urllib would repeat a request's headers, and a credential among them, to wherever it is sent."""

    def redirect_request(self, *arguments: Any, **more: Any) -> None:
        return None


def _reason(problem: BaseException) -> str:
    inner = getattr(problem, "reason", problem)
    if isinstance(inner, TimeoutError):
        return f"no answer within {_LOGIN_WITHIN:.0f} s"
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({inner.verify_message}); name its authority with `ca`"
    return getattr(inner, "strerror", None) or type(inner).__name__


def _problem(source: str, text: str) -> Stop:
    return Stop(Exit.USAGE, f"[tokens] {source} failed: {text}", "what it said is not shown: it may be secret")


def _given(text: str, source: str, token: Iterable[str], expires: Iterable[str]) -> Given:
    """The token of a JSON object, and when it expires."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise _problem(source, "its answer is no JSON") from None
    found = next((one for pointer in token if isinstance(one := _at(said, pointer), str) and one.strip()), None)
    if found is None:
        raise _problem(source, f"its answer has no token at {' or '.join(token)}")
    for pointer in expires:
        end = _at(said, pointer)
        if end is not None:
            return _expiring(found.strip(), end, source, pointer)
    return Given(found.strip())


def _at(value: Any, pointer: str) -> Any:
    return pointer_get(value, pointer) if isinstance(value, dict) else None


def _expiring(token: str, end: Any, source: str, pointer: str) -> Given:
    moment = read_moment("time", end) if isinstance(end, str) and not _is_number(end) else None
    if moment is not None:
        return Given(token, theirs=moment)
    if isinstance(end, bool) or not (isinstance(end, int | float) or _is_number(end)):
        raise _problem(source, f"{pointer} is no number of seconds, and no RFC 3339 time")
    seconds = float(end)
    return Given(token, theirs=seconds) if seconds >= _MOMENT else Given(token, ours=time.time() + seconds)


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and value.strip().replace(".", "", 1).isdigit()
