"""Judging recordings: the tracker, which judges live exchanges, is told what was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

from attrs import evolve, frozen

from conformance.tokenbook import TokenBook, claims_of
from conformance.tracing.recording import Event, Recording
from spec.machine import Closing
from spec.machine.machine import Machine
from spec.model import Document
from spec.tokens import Policy, judge
from spec.tracker import Finding, Slack, Tracker

__all__ = ["Deployment", "Judged", "judged"]

_MOST = 64
"""How many ways to take tokens that nobody can judge are tried."""

_FLIGHT = 0.5
"""How long a message may have been under way, in seconds, where nobody measured it."""

_FORGED, _TIMELY = "signature", ("valid", "expired", "not_yet_valid", "grace", "subject")


@frozen
class Deployment:
    """What was deployed: the machine of a document with its parameters, and a book that judges its tokens."""

    machine: Machine
    book: TokenBook

    @property
    def document(self) -> Document:
        return self.machine.document


@frozen
class Judged:
    """What came of a recording: findings, the rules that were seen to hold, and what was taken on trust.

    `trusted` and `refused` count tokens that no key judges, by how they were taken; `beyond` tells what ended the
    judgement, since no recording holds it whole.
    """

    recording: Recording
    findings: tuple[Finding, ...]
    covered: frozenset[str]
    trusted: int = 0
    refused: int = 0
    beyond: str | None = None


def judged(recording: Recording, deployment: Deployment, flight: float | None = None) -> Judged:
    """Judge a recording.

    Where no key says whether a token is good, each may be taken for good or for forged; told is what explains the
    exchange, or what comes of taking all for good.
    """
    slack = Slack(flight=flight or recording.flight or _FLIGHT, lateness=0.1)
    doubtful = _learned(recording, deployment)
    first: Judged | None = None
    for refused in _ways(doubtful):
        for text in doubtful:
            step = _FORGED if text in refused else _step("valid", claims_of(text), deployment.book.policy)
            deployment.book.learn(text, step, claims_of(text))
        found = _Judging(recording, deployment, slack).run()
        found = evolve(found, trusted=len(doubtful) - len(refused), refused=len(refused))
        first = first or found
        if not found.findings:
            return found
    assert first is not None
    return first


def _learned(recording: Recording, deployment: Deployment) -> list[str]:
    """Teach the book what is known of the recording's tokens; those of which nobody knows are given back."""
    policy, doubtful = deployment.book.policy, []
    for text, token in recording.tokens.items():
        deployment.book.learn(text, _step(token.step, token.claims, policy), token.claims)
    for text in sorted(recording.secrets):
        if text in recording.tokens or text.count(".") != 2:
            continue
        if not policy.keys:
            doubtful.append(text)
            continue
        verdict = judge(text, policy, recording.began)
        # What time decides is asked anew whenever the token is used.
        timely = verdict.step in _TIMELY
        deployment.book.learn(text, "valid" if timely else verdict.step, claims_of(text))
    return doubtful


def _step(step: str, claims: Mapping[str, Any], policy: Policy) -> str:
    """The check that a token ends on: it is not accepted without the claims that it must have, whoever says so."""
    numbers = [claims[name] for name in ("exp", "iat", "nbf") if name in claims]
    timed = all(isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e15 for one in numbers)
    whole = set(policy.required) <= set(claims) and timed
    whole &= all(isinstance(claims.get(name), str) for name in policy.strings)
    return step if whole or step not in _TIMELY else "claims"


def _ways(doubtful: list[str]) -> Iterator[frozenset[str]]:
    """Which tokens are taken for forged: none, then one, then two, …"""
    tried = 0
    for size in range(len(doubtful) + 1):
        for refused in combinations(doubtful, size):
            yield frozenset(refused)
            tried += 1
            if tried == _MOST:
                return


class _Judging:
    """One telling of a recording to a tracker."""

    def __init__(self, recording: Recording, deployment: Deployment, slack: Slack) -> None:
        self._recording = recording
        self._deployment = deployment
        self._tracker = Tracker(deployment.machine, slack)
        self._last = {event.client: number for number, event in enumerate(recording.events)}
        self._answered: set[str] = set()
        self._beyond: str | None = None
        for text, minted in deployment.book.known().items():
            self._tracker.secret(text, deployment.book.moments(minted))

    def run(self) -> Judged:
        """Tell everything, and what was due when the recorder stopped listening."""
        for number, event in enumerate(self._recording.events):
            self._tracker.advance(event.at - 1e-6)
            if self._tracker.failed:
                break
            self._tell(event)
            if self._beyond is not None:
                # What the others hear may come of it, so nobody is followed any further.
                break
            self._assume_ends(event, number)
        else:
            self._tracker.advance(self._recording.until)
        found = (one for one in self._tracker.findings if one.check not in self._recording.unrecorded)
        return Judged(
            self._recording,
            tuple(found),
            frozenset(self._tracker.covered),
            beyond=self._beyond,
        )

    def _tell(self, event: Event) -> None:
        tracker, client, at = self._tracker, event.client, event.at
        match event.kind:
            case "request":
                tracker.opened(client, event.value, at)
            case "post":
                tracker.requested(client, event.value, at)
            case "answer":
                self._answered.add(client)
                tracker.answered(client, event.value, at)
            case "sent" if client in self._answered:
                tracker.sent(client, event.value, at)
            case "received" if client in self._answered:
                tracker.received(client, event.value, at)
            case "binary" if client in self._answered:
                tracker.received_binary(client, event.value, at)
            case "left" if client in self._answered:
                tracker.we_closed(client, at)
            case "dropped" if client in self._answered:
                tracker.dropped(client)
            case "closed" if client in self._answered:
                code, reason = event.value
                tracker.closed(client, code, reason, at)
            case _:
                self._beyond = f"{client}: {event.value or event.kind}"

    def _assume_ends(self, event: Event, number: int) -> None:
        """Where ends were not recorded and one is due behind a client's last message, take it as come."""
        if not self._recording.silent or self._last[event.client] != number or event.client not in self._answered:
            return
        for closing in self._due(event.client):
            code = closing.code if isinstance(closing.code, int) else 1000
            self._tracker.closed(event.client, code, closing.reason or "", event.at)
            return
        # Its browser may have left at any time since.
        self._tracker.deafened(event.client)

    def _due(self, client: str) -> Iterable[Closing]:
        debts = (h.views[client].debts for h in self._tracker.hypotheses if client in h.views)
        for owed in debts:
            if len(owed) == 1 and isinstance(owed[0].output, Closing):
                yield owed[0].output
