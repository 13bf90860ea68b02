"""The oracle: follows every client of one exchange, and says what no hypothesis explains.

The tracker runs the same machine as a server does, at the earliest moment at which the peer can have handled each
event, and keeps what is due as debts. Where it cannot know (a timer that may or may not have fired before an input, a
token that may or may not have expired in flight) it keeps one hypothesis for each possibility. An observation that fits
some hypothesis drops those that it does not fit; one that fits none is a finding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from attrs import evolve

from spec.expressions import pointer_get
from spec.machine import Closing, Emission, Output, Pong, Refusal, Request
from spec.machine.machine import Machine
from spec.machine.values import Breach, Choice, Frame, Text
from spec.machine.world import World
from spec.messages import Ear, Read
from spec.model import Document, Emit
from spec.tracker.answers import Answer, answer_findings, body_of
from spec.tracker.content import Content
from spec.tracker.diagnosis import Diagnosis
from spec.tracker.findings import Finding
from spec.tracker.following import Follower, Slack
from spec.tracker.hypothesis import Debt, Firing, Hypothesis, View, Waiting
from spec.tracker.matching import choices, short, tells_of
from spec.tracker.racing import Races

__all__ = ["Answer", "Slack", "Tracker", "Used"]

Used = dict[Any, tuple[object, int]]
"""Values that a peer may use but once, each with the exchange and the connection that it was used for."""

_MOST = 16
"""How many hypotheses are kept; beyond these the least likely go."""


class Tracker:
    """Follows one exchange of any number of clients with one peer; times are epoch seconds.

    Call `opened`, `answered`, `sent`, `received`, `closed`, `we_closed` and `dropped` as these happen, in their order,
    and `advance` when time has passed; `deadline` says when that may matter next. `knocked`, `pinged`, `ponged`,
    `finished`, `strained` and `deafened` are for what goes on below the messages. Exchanges with one peer share `used`.
    """

    def __init__(self, machine: Machine, slack: Slack | None = None, used: Used | None = None) -> None:
        self.machine = machine
        self.document = machine.document
        self.hypotheses = [Hypothesis(World())]
        self._follower = Follower(machine, slack or Slack())
        self._diagnosis = Diagnosis(self._follower)
        self._ears: dict[tuple[str, str], Ear] = {}
        self._content = Content(self.document)
        self._used = {} if used is None else used
        self._races = Races(self.document, self._late, self._ends)
        self._beats = _beats(self.document)

    @property
    def patience(self) -> float:
        """How long, in seconds, what is due without a deadline of its own may take, as this observer sees it."""
        return self._follower.within + self._follower.slack.lateness

    # -------------------------------------------------------------------------------------------------- verdict

    @property
    def findings(self) -> list[Finding]:
        """The findings of the best hypothesis; empty while some hypothesis explains everything."""
        return self._best().findings

    @property
    def covered(self) -> set[str]:
        """The rules that outputs observed so far were due by."""
        return self._best().covered

    @property
    def visited(self) -> set[str]:
        """The states that connections were in."""
        return self._best().visited

    @property
    def transitions(self) -> set[str]:
        """The rows and cases of the document (JSON Pointers) that decided what was observed."""
        return self._best().transitions

    @property
    def firings(self) -> list[Firing]:
        """The timers that were seen to fire, and those that did not when they had to."""
        return self._best().firings

    @property
    def failed(self) -> bool:
        """Whether the exchange cannot be followed any further."""
        return any(finding.hard for finding in self.findings)

    def _best(self) -> Hypothesis:
        return self.hypotheses[0] if len(self.hypotheses) == 1 else min(self.hypotheses, key=_badness)

    def settled(self, now: float) -> bool:
        """Whether, by some hypothesis, nothing is due any more and no timer's moment has come."""
        every = [one for h in self.hypotheses for one in (self._races.flushed(h.copy()) if h.waiting else [h])]
        return any(all(self._quiet(h, view, now) for view in h.views.values()) for h in every)

    def _quiet(self, h: Hypothesis, view: View, now: float) -> bool:
        return all(debt.latest == math.inf for debt in view.debts) and all(
            due.at > now for _, due in self._follower.timers(h, view)
        )

    def running(self, client: str, timer: str | None = None) -> bool:
        """Whether a timer (any, or the named one) of the client's connection still runs by every hypothesis."""
        return all(self._dues(h, client, timer) for h in self.hypotheses)

    def fired_since(self, client: str, timer: str | None, moment: float | None) -> bool:
        """Whether a timer that was due at a moment runs no more, or runs anew, by some hypothesis."""
        every = (self._dues(h, client, timer) for h in self.hypotheses)
        return any(all(moment is not None and due > moment for due in dues) for dues in every)

    def due_at(self, client: str, timer: str | None = None) -> float | None:
        """When the client's running timer is due at the earliest, or None."""
        return min(self._dues(self._best(), client, timer), default=None)

    def _dues(self, h: Hypothesis, client: str, timer: str | None) -> list[float]:
        view = h.views.get(client)
        timers = self._follower.timers(h, view) if view is not None else []
        # Timers beside the states, and those that talk restarts, may run as long as the connection; they are waited for
        # by their names alone.
        return [
            due.at
            for (state, name), due in timers
            if timer == name
            or (timer is None and state and state[0] != "@" and not self.document.timer(state, name).restarts)
        ]

    def deadline(self) -> float | None:
        """The next moment at which `advance` may find something, or None."""
        moments: list[float] = []
        for h in self.hypotheses:
            moments += [waiting.latest for waiting in h.waiting]
            for view in h.views.values():
                moments += [debt.latest for debt in view.debts]
                timers = self._follower.timers(h, view)
                moments += [self._follower.latest(h, due) + self._follower.within for _, due in timers]
        return min(moments, default=None)

    # --------------------------------------------------------------------------------------------- observations

    def secret(self, text: str, moments: Iterable[float] = (), public: Iterable[str] = ()) -> None:
        """Note a token that must not be quoted, the moments at which its verdict changes, and what it may say."""
        self._content.secret(text, public)
        self._follower.boundaries.extend(moments)

    def opened(self, client: str, request: Request, at: float, focus: tuple[str, ...] = ()) -> None:
        """A client sent an upgrade request."""
        self._ears[client, "client"], self._ears[client, "server"] = self.machine.ear(), Ear(self.document, "server")

        def apply(h: Hypothesis, moment: float) -> None:
            view = h.views[client] = View(status="requested", focus=focus)
            view.answer = self.machine.open(h.world, request, moment)

        self._each(lambda h: self._follower.consume(h, client, at, apply))

    def requested(self, client: str, request: Request, at: float, focus: tuple[str, ...] = ()) -> None:
        """A client sent a request for an endpoint beside the upgrade; `answered` tells of the answer."""
        name = self.machine.endpoint(request)
        assert name is not None, request.target

        def apply(h: Hypothesis, moment: float) -> None:
            view = h.views[client] = View(status="requested", focus=focus)
            view.answer = answer = self.machine.request(h.world, name, request, moment)
            if answer.link is not None:
                h.made[client] = answer.link
            self._follower.owe(h, answer.outputs, at + self._follower.within, focus)

        self._each(lambda h: self._follower.consume(h, client, at, apply))

    def answered(self, client: str, answer: Answer, at: float) -> None:
        """The HTTP answer to a client's request arrived."""
        leaks = self._content.leaks(client, answer.texts(), at)
        self._each(lambda h: [self._answered(h, client, answer, at, leaks)])

    def sent(
        self,
        client: str,
        frame: Frame | None,
        at: float,
        focus: tuple[str, ...] = (),
        *,
        otherwise: tuple[Frame | None, ...] = (),
    ) -> None:
        """A client sent a message, or what the peer may as well take for something else, or for nothing (None)."""
        ear = self._ears[client, "client"]
        # What it may as well be taken for changes nothing of how the peer reads on.
        ways = [*(self._heard(ear.copy(), client, way) for way in otherwise)]
        ways.insert(0, self._heard(ear, client, frame))
        self._each(lambda h: [one for way in ways for one in self._handled(_own(h, ways), client, way, at, focus)])

    def _heard(self, ear: Ear, client: str, frame: Frame | None) -> Sequence[Read | Breach]:
        """The inputs that the peer makes of a frame."""
        if frame is None or isinstance(frame, Breach):
            return [] if frame is None else [frame]
        if isinstance(frame, Text):
            self._diagnosis.said.append((client, frame.text))
        return ear.hear(frame)

    def _handled(
        self, h: Hypothesis, client: str, inputs: Sequence[Read | Breach], at: float, focus: tuple[str, ...]
    ) -> list[Hypothesis]:
        if h.views[client].status == "open" and inputs and self._races.waits(h, client, inputs):
            h.views[client].focus = focus
            h.waiting.append(Waiting(client, tuple(inputs), at, at + self.patience, focus))
            return [h]
        return self._handle(h, client, inputs, at, focus)

    def _ends(self, h: Hypothesis, client: str, inputs: Sequence[Read | Breach]) -> bool:
        """Whether a connection ends with inputs of its client."""
        world, number = h.world.copy(), h.views[client].number or 0
        for one in inputs:
            self.machine.receive(world, number, one, 0.0)
        return number not in world.connections

    def _late(self, h: Hypothesis, waiting: Waiting) -> list[Hypothesis]:
        """Let the peer handle what has waited."""
        if waiting.inputs is not None:
            return self._handle(h, waiting.client, waiting.inputs, waiting.at, waiting.focus, gone=True)
        self._gone(h, h.views[waiting.client].number or 0, waiting.at)
        return [h]

    def _gone(self, h: Hypothesis, number: int, at: float | None) -> None:
        """A connection is no more, and others may hear of that."""
        outputs = self.machine.ended(h.world, number, at)
        if outputs:
            self._follower.owe(h, outputs, h.world.clock + self._follower.within, ())

    def _handle(
        self,
        h: Hypothesis,
        client: str,
        inputs: Sequence[Read | Breach],
        at: float,
        focus: tuple[str, ...],
        *,
        gone: bool = False,
    ) -> list[Hypothesis]:
        def apply(h: Hypothesis, moment: float) -> None:
            view = h.views[client]
            view.focus = focus
            if view.number is None or not (view.status == "open" or gone) or not inputs:
                return
            parting = tuple(self.machine.unsolicited(h.world, view.number))
            alive = view.number in h.world.connections
            outputs: list[Output] = []
            for one in inputs:
                before = self.machine.standing(h.world, view.number) if self.machine.guards else None
                fresh = self.machine.receive(h.world, view.number, one, moment)
                outputs += fresh
                h.focuses[h.world.causes] = focus
                self._follower.owe(h, fresh, at + self._follower.within, focus)
                if before is not None:
                    self._follower.crossed(h, view, before, h.world.waived)
                if isinstance(one, Breach) and outputs:
                    view.parting = parting
            # Where nothing comes of what was sent, the rules by which that is so are broken by what comes.
            silent = h.world.decided if alive else view.last_rules
            view.last_rules = next((o.rules for o in outputs if o.connection == view.number), silent)

        return self._follower.consume(h, client, at, apply)

    def received(self, client: str, text: str, at: float) -> None:
        """A text message arrived at a client."""
        for read in self._ears[client, "server"].hear(Text(text, len(text))):
            self._came(client, read, text, at)

    def _came(self, client: str, read: Read, text: str, at: float) -> None:
        common = self._content.findings(client, read, text, at)
        self._each(lambda h: self._seen(h, client, read, at, common))

    def received_binary(self, client: str, size: int, at: float) -> None:
        """A binary message arrived at a client; the JSON binding has none."""
        rules = self.document.envelope.server.rules
        finding = Finding("message", rules, f"a binary message of {size} bytes came", client, at)
        self._each(lambda h: [_with(h, [finding])])

    def closed(self, client: str, code: int | None, reason: str, at: float) -> None:
        """The peer's close frame arrived (code 1005: without a code), or the transport ended without one (None)."""
        leaks = self._content.leaks(client, [reason], at)
        self._each(lambda h: self._seen_closed(_with(h, leaks), client, code, reason, at))

    def we_closed(self, client: str, at: float, focus: tuple[str, ...] = ()) -> None:
        """A client sent a close frame, which is to be answered with another."""

        def apply(h: Hypothesis) -> list[Hypothesis]:
            view = h.views[client]
            if view.status == "open" and view.number is not None:
                self._leave(h, client, at)
                answer = Closing(view.number, 0, None, self.document.answer_close, 0)
                view.focus = focus or view.focus
                view.debts = [Debt(answer, ("own", view.number), at + self._follower.within, view.focus)]
                view.status = "closing"
            return [h]

        self._each(apply)

    def dropped(self, client: str, at: float | None = None) -> None:
        """A client dropped its transport; the peer owes it nothing."""

        def apply(h: Hypothesis) -> list[Hypothesis]:
            self._end(h, client, "gone", at)
            return [h]

        self._each(apply)

    # -------------------------------------------------------------------------------------- below the messages

    def knocked(self, client: str, answer: Answer | None, at: float, *, ended: bool = True, due: bool = True) -> None:
        """What came to a request that is no valid handshake: an answer, an end, or nothing in time (not `ended`).

        Where nothing is `due`, the request was only begun, and is not judged.
        """
        rules = self.document.framing.get("handshake", ()) if due else ()
        found = self._content.leaks(client, answer.texts(), at) if answer is not None else []
        if answer is not None and answer.status == 101:
            found.append(Finding("accepted", rules, "what is no valid handshake was upgraded", client, at))
        elif answer is None and due and not ended:
            late = (*rules, *self.document.due_rules)
            text = "what is no valid handshake was neither answered nor its connection ended"
            found.append(Finding("missing", late, text, client, at, timed=True))

        def apply(h: Hypothesis) -> list[Hypothesis]:
            h.views[client] = View(status="refused")
            h.covered.update(rules if answer is not None or ended else ())
            return [_with(h, found)]

        self._each(apply)

    def mentioned(self, client: str, text: str) -> None:
        """A client sent a text that nothing may come of: if something does, it is known whose it was."""
        self._diagnosis.said.append((client, text))

    def pinged(self, client: str, data: bytes, at: float, focus: tuple[str, ...] = ()) -> None:
        """A client sent a ping; only the last of several must be answered (RFC 6455 section 5.5.3)."""
        rules = self.document.framing.get("ping", ())

        def apply(h: Hypothesis, moment: float) -> None:
            view = h.views[client]
            if view.status == "open" and view.number in h.world.connections and rules:
                others = [debt for debt in view.debts if not isinstance(debt.output, Pong)]
                latest = at + self._follower.within + self._follower.slack.lateness
                pong = Pong(view.number, data, rules)
                view.debts = [*others, Debt(pong, ("pong", view.number), latest, focus)]

        self._each(lambda h: self._follower.consume(h, client, at, apply))

    def ponged(self, client: str, data: bytes) -> None:
        """A pong arrived; one that answers nothing is lawful, and no answer."""

        def apply(h: Hypothesis) -> list[Hypothesis]:
            view = h.views[client]
            for debt in [d for d in view.debts if isinstance(d.output, Pong) and d.output.data == data]:
                view.debts.remove(debt)
                h.covered.update(debt.rules)
            return [h]

        self._each(apply)

    def finished(self, client: str, at: float) -> None:
        """A client ended its side of the transport, and still reads: it is no member, and nothing is due to it."""

        def apply(h: Hypothesis, moment: float) -> None:
            view = h.views[client]
            if view.status == "closing":
                view.debts = [_loosened(debt) for debt in view.debts]
            if view.status != "open" or view.number not in h.world.connections:
                return
            view.parting = tuple(self.machine.unsolicited(h.world, view.number))
            self._gone(h, view.number, at)
            end = Closing(view.number, 0, None, self.document.forget, 0, how="may")
            # It need not come, and is waited for all the same: before it, others may be heard.
            latest = at + self._follower.within + self._follower.slack.lateness
            view.last_rules, view.debts = self.document.forget, [Debt(end, ("own", view.number), latest, ())]

        def behind(h: Hypothesis) -> list[Hypothesis]:
            flushed = self._races.flushed(h, client)
            return [later for one in flushed for later in self._follower.consume(one, client, at, apply)]

        self._each(behind)

    def strained(self, client: str) -> None:
        """A client asked for so much that the peer may end its connection from now on, at any time."""

        def apply(h: Hypothesis) -> list[Hypothesis]:
            view = h.views[client]
            if view.status == "open" and view.number is not None:
                end = Closing(view.number, 0, None, (), 0, how="may")
                view.debts.append(Debt(end, ("may", view.number), math.inf, ()))
            return [h]

        self._each(apply)

    def deafened(self, client: str) -> None:
        """A client reads no more: what comes of its connection is seen, and judged, no longer."""

        def apply(h: Hypothesis) -> list[Hypothesis]:
            flushed = self._races.flushed(h, client)
            for one in flushed:
                view = one.views[client]
                view.status, view.debts = "deaf", []
                connection = one.world.connections.get(view.number or 0)
                if connection is not None:
                    connection.timers.clear()
            return flushed

        self._each(apply)

    # -------------------------------------------------------------------------------------------------- silence

    def advance(self, now: float) -> None:
        """Nothing more was observed until `now`: what was due before is missing."""

        def apply(h: Hypothesis) -> list[Hypothesis]:
            late = self._races.flushed(h, before=now)
            for one in late:
                self._diagnosis.overdue(one, now)
            return late

        self._each(apply)

    # ----------------------------------------------------------------------------------------------- hypotheses

    def _each(self, apply: Callable[[Hypothesis], list[Hypothesis]]) -> None:
        """Apply an event to every hypothesis; those that do not explain it go, unless none does."""
        successors = [successor for h in self.hypotheses for successor in apply(h)]
        clean = [h for h in successors if not h.findings]
        self.hypotheses = (clean or sorted(successors, key=_badness))[:_MOST]

    def _answered(self, h: Hypothesis, client: str, answer: Answer, at: float, leaks: list[Finding]) -> Hypothesis:
        view = h.views[client]
        expected = view.answer
        assert expected is not None
        findings = answer_findings(self.document, expected, answer, client, at, view.focus, h.bound)
        if isinstance(expected, Refusal) and answer.status == expected.status:
            findings += self._chose(h, expected, body_of(answer), client, at)
        _with(h, [*leaks, *findings])
        if not findings:
            h.covered.update(view.focus, expected.rules, expected.header_rules, self._content.leak_rules)
            h.transitions.add(expected.pointer)
        if isinstance(expected, Refusal) or answer.status != 101:
            view.status = "refused"
            return h
        view.number, view.status, view.last_rules = expected.connection, "open", expected.rules
        for _, due in self._follower.timers(h, view):
            h.seen[due.cause] = at
        self._follower.note_state(h, view)
        self._follower.owe(h, expected.outputs, at + self._follower.within, view.focus)
        return h

    def _chose(
        self, h: Hypothesis, expected: Refusal, body: Mapping[str, Any], client: str, at: float
    ) -> list[Finding]:
        """Note what the peer chose in an answer, from which on it is known; and what is wrong with it."""
        found: list[Finding] = []
        learned: dict[int, Any] = {}
        for number, choice, value in choices(expected.body, body):
            if not isinstance(value, str) or number in h.bound:
                continue
            h.bound[number] = learned[number] = value
            other = h.bound.get(choice.unlike.number or 0) if choice.unlike is not None else None
            if isinstance(other, str) and tells_of(value, other):
                text = f"{short(value)} tells of {short(other)}"
                found.append(Finding("message", choice.rules, text, client, at))
            elif choice.unique is not None and self._is_used(choice, value):
                found.append(Finding("message", choice.rules, f"{short(value)} was used before", client, at))
            else:
                h.covered.update(choice.rules)
        h.world.links.learn(learned)
        return found

    def _is_used(self, choice: Choice, value: str) -> bool:
        """Whether a value that is used but once was used for another owner."""
        return self._used.setdefault(value, (self, choice.owner)) != (self, choice.owner)

    def link(self, client: str) -> Mapping[str, Any]:
        """The fields of the link that a client's request has made, as far as they are known."""
        number = self._best().made.get(client)
        link = self._best().world.links.numbered(number) if number is not None else None
        return {} if link is None else {n: v for n, v in link.fields.items() if isinstance(v, str)}

    def _seen(self, h: Hypothesis, client: str, read: Read, at: float, common: list[Finding]) -> list[Hypothesis]:
        """What a message says of the orders in which inputs can have been handled, and of the peer."""
        h.covered.update(self._content.always_judged)
        if h.views[client].status == "left" and isinstance(read.body, dict) and read.input not in self._beats:
            debt = self._follower.exact(h, h.views[client], read.body)
            if debt is None:
                return [self._diagnosis.message(h, client, read.body, at)]
            self._follower.pay(h, h.views[client], debt, read.body, at)
            return [_with(h, common)]
        if h.views[client].status != "open" or not isinstance(read.body, dict):
            return [_with(h, common)]
        again = self._id_again(h.views[client], read.body, client, at)
        found = [*common, *again]
        explaining = self._races.explaining(h, lambda one: self._explained(one, client, read, at, found))
        if explaining:
            return explaining
        return [self._diagnosed(one, client, read, at, common, again) for one in self._races.flushed(h)]

    def _explained(self, h: Hypothesis, client: str, read: Read, at: float, found: list[Finding]) -> Hypothesis | None:
        """The hypothesis behind a message that it explains."""
        view = h.views[client]
        for tried in self._follower.explanations(h, client, at):
            if self._follower.farewell(tried, client, read.body, at):
                return _with(tried, found)
            debt = self._follower.exact(tried, tried.views[client], read.body)
            if debt is not None:
                used = self._used_before(tried, debt, read.body, client, at)
                self._follower.pay(tried, tried.views[client], debt, read.body, at)
                always = self._diagnosis.always(tried, client, read.body, at)
                return _with(tried, [*found, *used, *([always] if always else [])])
        return _with(h, found) if self._follower.free(h, view, read.body, at) else None

    def _diagnosed(
        self, h: Hypothesis, client: str, read: Read, at: float, common: list[Finding], again: list[Finding]
    ) -> Hypothesis:
        known = len(h.findings)
        diagnosed = self._diagnosis.message(h, client, read.body, at)
        # A message that came twice has its id twice; that is not a second breach.
        doubled = any(finding.check == "double" and finding.at == at for finding in diagnosed.findings)
        # What is wrong in a message that was due comes before how it differs; in one that was not, behind that.
        found = diagnosed.findings[known:]
        known_type = self._diagnosis.type(read.body) in self.document.messages
        due = not known_type or any(f.check in {"code", "message"} for f in found)
        diagnosed.findings[known:] = [*common, *found] if due else [*found, *common]
        return diagnosed if doubled else _with(diagnosed, again)

    def _id_again(self, view: View, body: Mapping[str, Any], client: str, at: float) -> list[Finding]:
        found = []
        for pointer, entry in self.document.envelope.server.chosen.items():
            value = pointer_get(body, pointer)
            if entry.get("unique") != "connection" or not isinstance(value, str):
                continue
            if value in view.ids:
                text = f"{pointer.lstrip('/')} {short(value)} was used before on this connection"
                found.append(Finding("message", tuple(entry.get("rules", ())), text, client, at))
            view.ids = view.ids | {value}
        return found

    def _used_before(self, h: Hypothesis, debt: Debt, body: Mapping[str, Any], client: str, at: float) -> list[Finding]:
        """What the peer chose anew, and had used before."""
        if not isinstance(debt.output, Emission):
            return []
        found = []
        for number, choice, value in choices(debt.output.body, body):
            if choice.unique is None or number in h.bound or not isinstance(value, str):
                continue
            if self._is_used(choice, value):
                text = f"{short(value)} was used before for another connection"
                found.append(Finding("message", choice.rules, text, client, at))
        return found

    def _seen_closed(self, h: Hypothesis, client: str, code: int | None, reason: str, at: float) -> list[Hypothesis]:
        """The hypotheses behind the end of a connection.

        Where the peer ended it, what its client sent and was not handled then is no more.
        """
        if not h.waiting or h.views[client].status != "open":
            return [self._closed(h, client, code, reason, at)]
        due = self._races.explaining(h, lambda one: one if self._is_due(one, client, code) else None)
        return [self._closed(_abandoned(one, client), client, code, reason, at) for one in due or [h]]

    def _is_due(self, h: Hypothesis, client: str, code: int | None) -> bool:
        if h.views[client].status == "left":
            return True
        closing = h.views[client].closing(code)
        if closing is None or not isinstance(closing.output, Closing):
            return False
        return closing.output.how != "frame" or closing.output.fits(code)

    def _leave(self, h: Hypothesis, client: str, at: float | None) -> None:
        """A connection is no more, behind all that its client sent."""
        moment = h.world.clock if at is None else at
        if self._races.departs(h, client):
            h.waiting.append(Waiting(client, None, moment, moment + self.patience))
        else:
            self._gone(h, h.views[client].number or 0, at)

    def _closed(self, h: Hypothesis, client: str, code: int | None, reason: str, at: float) -> Hypothesis:
        for tried in self._follower.explanations(h, client, at):
            if tried.views[client].closing(code) is not None:
                self._diagnosis.close(tried, client, code, reason, at)
                self._end(tried, client, "closed", at)
                return tried
        if h.views[client].status == "open":
            _with(h, [self._diagnosis.unexpected_close(h, client, code, reason, at)])
        self._end(h, client, "closed", at)
        return h

    def _end(self, h: Hypothesis, client: str, status: str, at: float | None) -> None:
        view = h.views[client]
        if view.number is not None:
            self._leave(h, client, at)
        view.status, view.debts = status, []


def _with(h: Hypothesis, findings: Iterable[Finding]) -> Hypothesis:
    h.findings.extend(findings)
    return h


def _abandoned(h: Hypothesis, client: str) -> Hypothesis:
    """The hypothesis without what waits of a client."""
    h.waiting = [waiting for waiting in h.waiting if waiting.client != client]
    return h


def _loosened(debt: Debt) -> Debt:
    """The same debt, where the bare end of the transport pays it too."""
    return evolve(debt, output=evolve(debt.output, how="end")) if isinstance(debt.output, Closing) else debt


def _own(h: Hypothesis, ways: Sequence[Any]) -> Hypothesis:
    """The hypothesis, or one of its own for each of several ways to go on from it."""
    return h.copy() if len(ways) > 1 else h


def _badness(h: Hypothesis) -> tuple[bool, int]:
    return any(finding.hard for finding in h.findings), len(h.findings)


@lru_cache(16)
def _beats(document: Document) -> frozenset[str]:
    """The messages that tell of nothing but that the transport is up."""
    timed = {e.message for t in document.timers for c in t.expire for e in c.do if isinstance(e, Emit)}
    return frozenset(timed | {allowed.message for state in document.states.values() for allowed in state.may_send})
