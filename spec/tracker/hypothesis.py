"""One hypothesis about a peer: the world it may be in, and what it still owes."""

from __future__ import annotations

import math
from typing import Any

from attrs import define, evolve, field, frozen

from spec.machine import Closing, Emission, Output, Pong, Refusal, Upgrade
from spec.machine.machine import Standing
from spec.machine.values import Breach
from spec.machine.world import World
from spec.messages import Read
from spec.tracker.findings import Finding

__all__ = ["Debt", "Firing", "Hypothesis", "View"]
__all__ = ["Debt", "Hypothesis", "View", "Waiting"]


@frozen
class Debt:
    """An output that is due: by when, in which order, and which rules the step that caused it was there for.

    Outputs of one `domain` come in order; those of different domains in any order, but none before the outputs of the
    event that it is `behind`. What is `overdue` has not come by
    when it was due, and is waited for a little longer: late is another breach than never. What is `waived` by an event
    need not come, and may until that event is known to be handled.
    """

    output: Output | Pong
    domain: tuple[Any, ...]
    latest: float
    focus: tuple[str, ...]
    overdue: bool = False
    waived: int | None = None

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.focus, *self.output.rules)))


@frozen
class Firing:
    """A timer of a client's connection as it was seen, in seconds since its start: due, the window allowed, and seen.

    `seen` is None where it did not fire for as long as was waited for it.
    """

    client: str
    state: str
    timer: str
    due: float
    earliest: float
    latest: float
    seen: float | None


@define
class View:
    """What one client has seen and is owed; `parting` are the messages that may cross the end of its connection.

    `former` is how its connection stood before inputs that the peer may not have handled yet, each with its event.
    """

    number: int | None = None
    status: str = "new"
    answer: Refusal | Upgrade | None = None
    debts: list[Debt] = field(factory=list)
    paid: list[Emission] = field(factory=list)
    last_rules: tuple[str, ...] = ()
    ids: frozenset[Any] = frozenset()
    focus: tuple[str, ...] = ()
    parting: tuple[Emission, ...] = ()
    former: tuple[tuple[int, Standing], ...] = ()

    def copy(self) -> View:
        return evolve(self, debts=list(self.debts), paid=list(self.paid))

    def heads(self) -> list[Debt]:
        """The first debt of each domain, the client's own domain first."""
        seen: dict[tuple[Any, ...], Debt] = {}
        own = ("own", self.number or 0)
        for debt in self.debts:
            seen.setdefault(debt.domain, debt)
        if any(isinstance(debt.output, Emission) and debt.output.behind is not None for debt in seen.values()):
            seen = {domain: debt for domain, debt in seen.items() if self.before(debt) is None}
        return sorted(seen.values(), key=lambda debt: debt.domain != own)

    def before(self, debt: Debt) -> Debt | None:
        """What the client is still owed of the event that a debt must stand behind."""
        if not isinstance(debt.output, Emission) or debt.output.behind is None:
            return None
        joined, own = debt.output.behind, ("own", self.number or 0)
        return next((d for d in self.debts if d.domain == own and getattr(d.output, "cause", None) == joined), None)

    def claims(self) -> list[Debt]:
        """The heads that anything else would come instead of: neither pongs nor an end that is merely allowed."""
        heads = [debt for debt in self.heads() if debt.latest < math.inf]
        return [d for d in heads if not isinstance(d.output, Pong) and getattr(d.output, "how", "") != "may"]

    def closing(self, code: int | None = None) -> Debt | None:
        """The close that is due, or else one that may come; with a code that is not due, one that may come first."""
        found = [debt for debt in self.debts if isinstance(debt.output, Closing)]
        allowed = next((debt for debt in found if getattr(debt.output, "how", "") == "may"), None)
        due = next((debt for debt in found if debt is not allowed and getattr(debt.output, "how", "") != "may"), None)
        if due is None or (code is not None and allowed is not None and not _fits(due, code)):
            return allowed
        return due


def _fits(debt: Debt, code: int) -> bool:
    return isinstance(debt.output, Closing) and (debt.output.how != "frame" or debt.output.fits(code))


@frozen
class Waiting:
    """What a client sent, and its place among what others sent is not known; without `inputs`, that it has gone.

    `latest` is when something must have come of it.
    """

    client: str
    inputs: tuple[Read | Breach, ...] | None
    at: float
    latest: float
    focus: tuple[str, ...] = ()


@define
class Hypothesis:
    """A world, every client's view of it, and what does not fit.

    `bound` is what was seen of what the server chose, `waiting` what has not been handled yet,
    `made` the links that requests of clients made, by their numbers.
    """

    world: World
    views: dict[str, View] = field(factory=dict)
    seen: dict[int, float] = field(factory=dict)
    focuses: dict[int, tuple[str, ...]] = field(factory=dict)
    findings: list[Finding] = field(factory=list)
    covered: set[str] = field(factory=set)
    visited: set[str] = field(factory=set)
    transitions: set[str] = field(factory=set)
    firings: list[Firing] = field(factory=list)
    bound: dict[int, Any] = field(factory=dict)
    waiting: list[Waiting] = field(factory=list)
    made: dict[str, int] = field(factory=dict)

    def copy(self) -> Hypothesis:
        return Hypothesis(
            self.world.copy(),
            {name: view.copy() for name, view in self.views.items()},
            dict(self.seen),
            dict(self.focuses),
            list(self.findings),
            set(self.covered),
            set(self.visited),
            set(self.transitions),
            list(self.firings),
            dict(self.bound),
            list(self.waiting),
            dict(self.made),
        )

    def client_of(self, number: int) -> str | None:
        """The client whose connection has a number."""
        return next((name for name, view in self.views.items() if view.number == number), None)
