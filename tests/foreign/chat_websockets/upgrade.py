"""The upgrade: what is refused and in which order, and what is admitted."""

from __future__ import annotations

import email.utils
import http
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from .faults import Faults
from .settings import Settings
from .tokens import Token, TokenRefusedError, Verifier

V1, V2 = "chat.v1", "chat.v2"
SERVED = {"legacy": (V1,), "dual": (V2, V1), "message": (V2,)}

_PATH = re.compile(r"/v1/chat/([^/]+)")
_BEARER = re.compile(r"bearer(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL)


class RefusalError(Exception):
    """An answer other than 101."""

    def __init__(self, status: int, code: str, *headers: tuple[str, str], **members: Any) -> None:
        super().__init__(code)
        self.status = status
        self.headers = headers
        self.body = {"code": code, **members}

    def response(self, fault: Faults) -> Response:
        """The answer on the wire."""
        body, kind = json.dumps(self.body).encode(), "application/json"
        if fault("refusal-not-json") and self.status == 404:
            body, kind = b"Not Found\n", "text/plain"
        headers = Headers(
            [
                ("Date", email.utils.formatdate(usegmt=True)),
                ("Connection", "close"),
                ("Content-Length", str(len(body))),
                ("Content-Type", kind),
                *self.headers,
            ]
        )
        return Response(self.status, http.HTTPStatus(self.status).phrase, headers, body)


def _is_same_origin(origin: str, allowed: frozenset[str]) -> bool:
    """Compare as URLs are compared: letter case, a default port, user information and a final dot are nothing."""
    try:
        given, known = urlsplit(origin), [urlsplit(one) for one in allowed]
        hosts = [(one.hostname or "").rstrip(".") for one in (given, *known)]
        ports = [one.port or {"https": 443}.get(one.scheme, 80) for one in (given, *known)]
    except ValueError:
        return False
    return (given.scheme, hosts[0], ports[0]) in zip([one.scheme for one in known], hosts[1:], ports[1:], strict=True)


@dataclass(frozen=True)
class Admission:
    """A request that may be upgraded. With a token it is connected at once."""

    recipe: str
    subprotocol: str | None
    version1: bool = False
    token: Token | None = None
    headers: tuple[tuple[str, str], ...] = ()
    # Only a faulty server upgrades first and refuses then.
    refused: str | None = None


class Gate:
    """Judges requests for one deployment."""

    def __init__(self, settings: Settings, verifier: Verifier, fault: Faults) -> None:
        self._settings = settings
        self._verifier = verifier
        self._fault = fault
        self._served = SERVED[settings.rollout]

    def admit(self, request: Request) -> Admission:
        """The admission, or the first refusal that applies."""
        path, _, query = request.path.partition("?")
        if self._fault("version-before-path"):
            self._choose(_offered(request))
        recipe = self._recipe(path)
        if not is_upgrade(request):
            raise RefusalError(426, "UPGRADE_REQUIRED", ("Upgrade", "websocket"))
        self._check_origin(request.headers.get_all("Origin"))
        offered = _offered(request)
        chosen = self._choose(offered)
        credentials = self._credentials(request, query)
        if self._is_version1(chosen, offered, credentials):
            return self._admit_v1(recipe, chosen, credentials)
        return self._admit_v2(recipe, chosen, credentials, not offered)

    def _recipe(self, path: str) -> str:
        match = _PATH.fullmatch(path)
        if match is None:
            raise RefusalError(404, "NOT_FOUND")
        try:
            recipe = unquote(match[1], errors="strict")
        except UnicodeDecodeError:
            raise RefusalError(404, "NOT_FOUND") from None
        return recipe.lower() if self._fault("recipe-id-case-folded") else recipe

    def _check_origin(self, origins: list[str]) -> None:
        allowed = self._settings.origins
        if allowed is None:
            return
        if self._fault("origin-as-url") and all(_is_same_origin(one, allowed) for one in origins):
            return
        if self._fault("origin-prefix-match") and all(one.startswith(tuple(allowed)) for one in origins):
            return
        missing = self._fault("missing-origin-refused") and not origins
        if missing or any(one not in allowed for one in origins):
            raise RefusalError(403, "ORIGIN_FORBIDDEN")

    def _choose(self, offered: list[str]) -> str | None:
        if self._fault("subprotocol-first-only"):
            offered = offered[:1]
        if self._fault("legacy-prefers-v2") and V1 in offered and V2 in offered:
            return V2
        chosen = next((name for name in self._served if name in offered), None)
        if offered and chosen is None and not self._fault("unknown-subprotocol-accepted"):
            if self._fault("supported-versions-missing"):
                raise RefusalError(400, "VERSION_UNSUPPORTED")
            raise RefusalError(400, "VERSION_UNSUPPORTED", supported=list(self._served))
        return chosen

    def _credentials(self, request: Request, query: str) -> list[str]:
        """Header and query credentials; an empty one counts, other schemes do not."""
        found = []
        for value in request.headers.get_all("Authorization"):
            match = _BEARER.fullmatch(value)
            if match and not (self._fault("bearer-case-sensitive") and not value.startswith("Bearer")):
                found.append(match[1] or "")
        found += [value for name, value in parse_qsl(query, keep_blank_values=True) if name == "token"]
        return found

    def _is_version1(self, chosen: str | None, offered: list[str], credentials: list[str]) -> bool:
        if self._settings.rollout == "legacy":
            return True
        if offered:
            return chosen == V1
        return self._settings.rollout == "dual" and bool(credentials)

    def _admit_v2(self, recipe: str, chosen: str | None, credentials: list[str], silent: bool) -> Admission:
        if silent and self._fault("subprotocol-unrequested"):
            chosen = V2
        if credentials and self._settings.rollout == "message" and self._fault("header-checked-in-message"):
            self._check_token(credentials, ())
        if credentials and self._settings.rollout == "dual" and self._fault("header-trusted-beside-v2"):
            return Admission(recipe, chosen, token=self._check_token(credentials, ()))
        return Admission(recipe, chosen)

    def _admit_v1(self, recipe: str, chosen: str | None, credentials: list[str]) -> Admission:
        notice = self._notice()
        refusal_notice = () if self._fault("deprecation-only-on-101") else notice
        if len(credentials) > 1 and not self._fault("first-credential-wins"):
            raise RefusalError(400, "CREDENTIAL_AMBIGUOUS", *refusal_notice)
        try:
            token = self._check_token(credentials, refusal_notice)
        except RefusalError as refusal:
            if self._fault("v1-token-after-upgrade"):
                return Admission(recipe, chosen, True, headers=notice, refused=refusal.body["code"])
            raise
        return Admission(recipe, chosen, True, token, notice)

    def _check_token(self, credentials: list[str], notice: tuple[tuple[str, str], ...]) -> Token:
        challenge = () if self._fault("challenge-missing") else (("WWW-Authenticate", "Bearer"),)
        if not credentials:
            raise RefusalError(401, "AUTH_REQUIRED", *challenge, *notice)
        try:
            return self._verifier.check(credentials[0], time.time())
        except TokenRefusedError as refused:
            raise RefusalError(401, refused.code, *challenge, *notice) from None

    def _notice(self) -> tuple[tuple[str, str], ...]:
        """Deprecation (RFC 9745) and Sunset (RFC 8594), each with a date of its own kind."""
        if self._settings.rollout != "dual":
            return ()
        since, until = self._settings.deprecation, self._settings.sunset
        deprecation = f"@{since.timestamp():.0f}"
        if self._fault("deprecation-as-http-date"):
            deprecation = email.utils.format_datetime(since, usegmt=True)
        return ("Deprecation", deprecation), ("Sunset", email.utils.format_datetime(until, usegmt=True))


def is_upgrade(request: Request) -> bool:
    """Whether it asks for a WebSocket, as RFC 6455 has it."""
    if request.method != "GET" or request.protocol != "HTTP/1.1":
        return False
    connection = [name.lower() for name in _tokens(request, "Connection")]
    upgrade = [name.lower() for name in _tokens(request, "Upgrade")]
    return "upgrade" in connection and upgrade == ["websocket"]


def _offered(request: Request) -> list[str]:
    return _tokens(request, "Sec-WebSocket-Protocol")


def _tokens(request: Request, name: str) -> list[str]:
    values = ",".join(request.headers.get_all(name)).split(",")
    return [value.strip() for value in values if value.strip()]
