"""The target: where it is, how it is deployed, and what of it can be reached."""

from __future__ import annotations

import ipaddress
import itertools
import random
import socket
from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field

from conformance.tokenbook import TokenBook
from conformance.tripwire import Tripwire
from conformance.wire import Endpoint
from spec.machine.machine import Machine
from spec.model import Document
from spec.tracker import Slack
from spec.tracker.tracker import Used

__all__ = ["Addresses", "Target", "loopback"]


def loopback(host: str) -> bool:
    """Whether a host is this machine's own loopback."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Addresses:
    """Source addresses for clients, so that limits per address do not meet: a pool, or all of 127.0.0.0/8."""

    def __init__(self, pool: tuple[str, ...] = (), seed: int = 0) -> None:
        self._pool = itertools.cycle(pool) if pool else None
        self.size = len(pool) if pool else 2**24 - 2
        self._next = random.Random(seed).randrange(1 << 16, 1 << 23)

    def take(self) -> str:
        """An address that was not taken before, as long as the pool lasts."""
        if self._pool is not None:
            return next(self._pool)
        self._next = 2 + (self._next + 1) % (2**24 - 4)
        return str(ipaddress.ip_address((127 << 24) + self._next))

    @classmethod
    def for_host(cls, host: str, pool: tuple[str, ...], seed: int) -> Addresses | None:
        """The pool that was given, or loopback's where the target is on IPv4 loopback and the system has it."""
        if pool:
            return cls(pool)
        if not loopback(host) or not host[0].isdigit() or ":" in host:
            return None
        with socket.socket() as probe:
            try:
                # Linux answers on all of 127.0.0.0/8; other systems only where they were told to.
                probe.bind(("127.83.11.7", 0))
            except OSError:
                return None
        return cls(seed=seed)


@define
class Target:
    """A deployment of a protocol, as the suite was told of it; only one that is `owned` may be attacked."""

    endpoint: Endpoint
    document: Document
    parameters: Mapping[str, Any]
    book: TokenBook
    machine: Machine
    addresses: Addresses | None
    tripwire: Tripwire
    tag: str
    epoch: float
    connections: int = 200
    owned: bool = False
    given: frozenset[str] = frozenset()
    deployment: Mapping[str, str] = field(factory=dict, repr=False)
    slack: Slack = field(factory=Slack)
    quiet: float = 0.15
    round_trip: float = 0.0
    used: Used = field(factory=dict)

    def hurried(self) -> Target:
        """The same for who takes what has not come for a while, by the pace of this target, for missing.

        Only a guess: what it leads to is to be seen again by the protocol's own bound.
        """
        name = str(self.document.due_within).removeprefix("$parameters.")
        if name not in self.parameters:
            return self
        parameters = {**self.parameters, name: min(self.parameters[name], 2 * self.quiet)}
        return evolve(self, parameters=parameters, machine=self.machine_of(parameters))

    def machine_of(self, parameters: Mapping[str, Any]) -> Machine:
        """The machine of the document under parameters."""
        return Machine(self.document, parameters, self.book.judge, self.deployment)
