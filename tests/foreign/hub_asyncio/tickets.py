"""Negotiated connections: made by a negotiation, taken by one upgrade, and kept a while for whoever resumes them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .faults import Faults
from .settings import Settings


@dataclass(eq=False)
class Ticket:
    """One negotiated connection, from its negotiation until nobody may ask for it any more."""

    connection_id: str
    key: str = field(repr=False)
    subject: str
    former: Ticket | None = None
    state: str = "issued"  # issued, live, lost, gone
    tabs: list[str] = field(default_factory=list)
    hubs: list[str] = field(default_factory=list)
    attempts: int = 0
    connected_at: int = 0
    hang_up: Callable[[], None] = lambda: None

    def record(self, fault: Faults) -> dict[str, Any]:
        """The connection as clients read it."""
        primary = self.tabs[-1 if fault("primary-is-newest") else 0] if self.tabs else None
        connected_at: Any = self.connected_at
        if fault("last-connected-seconds"):
            connected_at = self.connected_at / 1000
        record = {
            "connectionId": self.connection_id,
            "activeHubs": sorted(self.hubs) if fault("hubs-sorted") else list(self.hubs),
            "lastConnected": connected_at,
            "reconnectAttempts": self.attempts,
            "status": "connected",
            "primaryTabId": primary,
            "subscribedTabs": list(self.tabs),
        }
        if fault("primary-omitted") and primary is None:
            del record["primaryTabId"]
        if fault("record-with-more"):
            record["error"] = None
        return record


class Tickets:
    """All connections of the server, by what a client names them with."""

    def __init__(self, settings: Settings, fault: Faults) -> None:
        self._settings = settings
        self._fault = fault
        self._by_key: dict[str, Ticket] = {}

    def issue(self, subject: str, version: int, former: Ticket | None) -> Ticket:
        """A new one. In version 0 its id is its key."""
        name = secrets.token_urlsafe(16)
        key = name if version == 0 else secrets.token_urlsafe(24)
        if self._fault("token-is-id"):
            key = name
        elif self._fault("token-contains-id") and version == 1:
            key = f"{name}.{key}"
        ticket = Ticket(name, key, subject, former)
        self._by_key[key] = ticket
        if not self._fault("window-forgotten"):
            self._later(self._settings.negotiate_window, ticket, "issued")
        return ticket

    def find(self, key: str | None) -> Ticket | None:
        """The ticket with that key."""
        return self._by_key.get(key) if key is not None else None

    def resumable(self, key: str | None) -> Ticket | None:
        """The connection that may be resumed by that key: it stands, or was lost a short while ago."""
        ticket = self.find(key)
        return ticket if ticket is not None and ticket.state in {"live", "lost"} else None

    def lost(self, ticket: Ticket) -> None:
        """The connection ended without the client's own Close."""
        if ticket.state == "live":
            ticket.state = "lost"
            self._later(self._settings.resume_window, ticket, "lost")

    def gone(self, ticket: Ticket) -> None:
        """Nobody can come back to it."""
        ticket.state = "gone"
        self._by_key.pop(ticket.key, None)

    def taken_over(self, ticket: Ticket) -> None:
        """A new connection asks for what its former one had, once."""
        former, ticket.former = ticket.former, None
        if former is None or former.state == "gone" or self._fault("resume-gives-nothing"):
            return
        ticket.tabs, ticket.hubs = list(former.tabs), list(former.hubs)
        ticket.attempts = former.attempts + (not self._fault("attempts-uncounted"))
        if not self._fault("resume-twice"):
            self.gone(former)
        if not self._fault("former-left-open"):
            former.hang_up()

    def _later(self, seconds: float, ticket: Ticket, state: str) -> None:
        def forget() -> None:
            if ticket.state == state:
                self._forget(ticket)

        asyncio.get_running_loop().call_later(seconds, forget)

    def _forget(self, ticket: Ticket) -> None:
        self._by_key.pop(ticket.key, None)
