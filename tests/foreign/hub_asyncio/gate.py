"""What comes before a WebSocket: negotiation, and who may connect."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11

from .faults import Faults
from .settings import Settings
from .tickets import Ticket, Tickets
from .tokens import Token, TokenRefusedError, Verifier

_STATUSES = {
    "SHUTTING_DOWN": 503,
    "NOT_FOUND": 404,
    "UPGRADE_REQUIRED": 426,
    "ORIGIN_FORBIDDEN": 403,
    "METHOD_NOT_ALLOWED": 405,
    "AUTH_REQUIRED": 401,
    "TOKEN_INVALID": 401,
    "TOKEN_EXPIRED": 401,
    "VERSION_UNSUPPORTED": 400,
    "SUBJECT_MISMATCH": 403,
    "CONNECTION_LIVE": 409,
    "BAD_REQUEST": 400,
}


class RefusalError(Exception):
    """The request is answered with this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code, self.status = code, _STATUSES[code]


@dataclass(frozen=True)
class Asked:
    """What the gate looks at of a request."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]

    @classmethod
    def of(cls, request: h11.Request) -> Asked:
        """Read a request; of headers that stand twice the first counts."""
        target = urlsplit(request.target.decode("latin-1"))
        headers: dict[str, str] = {}
        for name, value in request.headers:
            headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        query = parse_qs(target.query, keep_blank_values=True)
        return cls(request.method.decode("latin-1"), target.path, query, headers)

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return self.query[name][0] if name in self.query else None

    @property
    def upgrades(self) -> bool:
        """Whether it asks for a WebSocket."""
        offered = {part.strip().lower() for part in self.headers.get("upgrade", "").split(",")}
        return self.method == "GET" and "websocket" in offered


@dataclass
class Gate:
    """Answers what is asked by HTTP."""

    settings: Settings
    tickets: Tickets
    verifier: Verifier
    fault: Faults
    stopping: bool = False

    def connect(self, asked: Asked) -> tuple[Ticket, Token]:
        """Who may connect with what; the refusals in their order."""
        self._before(asked)
        token = self._token(asked)
        ticket = self.tickets.find(asked.parameter("id"))
        if ticket is None and self.fault("connect-without-id"):
            ticket = self.tickets.issue(token.subject, 1, None)
        if self.fault("live-before-subject") and ticket is not None and ticket.state == "live":
            raise RefusalError("CONNECTION_LIVE")
        if ticket is None or (ticket.state == "lost" and not self.fault("ticket-reusable")) or ticket.state == "gone":
            raise RefusalError("NOT_FOUND")
        if ticket.subject != token.subject and not self.fault("connect-as-another"):
            raise RefusalError("SUBJECT_MISMATCH")
        if ticket.state == "live" and not self.fault("live-twice"):
            raise RefusalError("CONNECTION_LIVE")
        return ticket, token

    def negotiate(self, asked: Asked) -> dict[str, Any]:
        """The answer to a negotiation; the refusals in their order."""
        if not self.fault("negotiation-from-anywhere"):
            self._check_origin(asked)
        if asked.method != "POST" and not self.fault("negotiate-by-get"):
            raise RefusalError("METHOD_NOT_ALLOWED")
        token = self._token(asked)
        version = self._version(asked.parameter("negotiateVersion"))
        former = self.tickets.resumable(asked.parameter("resume"))
        if former is not None and former.subject != token.subject:
            if not self.fault("resume-of-another-ignored"):
                raise RefusalError("SUBJECT_MISMATCH")
            former = None
        ticket = self.tickets.issue(token.subject, version, former)
        shown = {"connectionId": ticket.connection_id}
        if version == 1 or self.fault("version-0-with-token"):
            shown["connectionToken"] = ticket.key
        formats = ["Text", "Binary"] if self.fault("binary-offered") else ["Text"]
        told = version
        if self.fault("version-echoed") and version:
            told = int(asked.parameter("negotiateVersion") or 0)
        transports = [{"transport": "WebSockets", "transferFormats": formats}]
        return {**shown, "negotiateVersion": told, "availableTransports": transports}

    def route(self, asked: Asked) -> str:
        """`hub` or `negotiate`; anything else is not found."""
        if self.stopping:
            raise RefusalError("SHUTTING_DOWN")
        match asked.path:
            case "/hub":
                return "hub"
            case "/hub/negotiate":
                return "negotiate"
        raise RefusalError("NOT_FOUND")

    def _before(self, asked: Asked) -> None:
        if self.fault("origin-before-upgrade"):
            self._check_origin(asked)
        if not asked.upgrades:
            raise RefusalError("UPGRADE_REQUIRED")
        if not self.fault("connects-from-anywhere"):
            self._check_origin(asked)

    def _check_origin(self, asked: Asked) -> None:
        origin, allowed = asked.headers.get("origin"), self.settings.origins
        if origin is not None and allowed is not None and origin not in allowed:
            raise RefusalError("ORIGIN_FORBIDDEN")

    def _token(self, asked: Asked) -> Token:
        try:
            return self.verifier.check(self._credential(asked), time.time())
        except TokenRefusedError as refusal:
            raise RefusalError(refusal.code) from None

    def _credential(self, asked: Asked) -> str | None:
        scheme, _, rest = asked.headers.get("authorization", "").partition(" ")
        header = rest.strip() if scheme.lower() == "bearer" else None
        query = asked.parameter("access_token")
        if self.fault("query-wins") and query is not None:
            return query
        if self.fault("query-unread"):
            return header
        return query if header is None else header

    def _version(self, asked: str | None) -> int:
        if asked is None:
            return 0
        if not (asked.isascii() and asked.isdecimal()):
            if self.fault("any-version"):
                return 1
            raise RefusalError("VERSION_UNSUPPORTED")
        return 0 if not asked.strip("0") else 1


def body(refusal: RefusalError) -> bytes:
    """What a refusal says."""
    return json.dumps({"code": refusal.code}).encode()
