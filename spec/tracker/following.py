"""Following a peer: what a hypothesis makes due, when, and how it goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from attrs import evolve, frozen

from spec.expressions import compile_expression, pointer_get, pointer_parts
from spec.machine import Closing, Emission, Output
from spec.machine.machine import Machine, Standing
from spec.machine.world import Connection, Due
from spec.model import Document, Emit
from spec.tracker.findings import Finding
from spec.tracker.hypothesis import Debt, Firing, Hypothesis, View
from spec.tracker.matching import Difference, choices, differences, reply_differences

__all__ = ["Follower", "Slack"]

TimerKey = tuple[str, str]


@frozen
class Slack:
    """What an observer cannot know, in seconds.

    `flight` bounds the time between a send and its handling, and between an output and its sight; `early` is the grain
    of clocks; `lateness` is how late the observer itself may be.
    """

    flight: float = 0.05
    early: float = 0.005
    lateness: float = 0.05


class Follower:
    """Moves hypotheses on by the machine of a document; holds no hypothesis itself."""

    def __init__(self, machine: Machine, slack: Slack) -> None:
        self.machine = machine
        self.document = machine.document
        self.slack = slack
        self.boundaries: list[float] = []
        self.within = float(compile_expression(self.document.due_within)({"parameters": machine.parameters}))
        self.grace = self.within / 2
        self._beats = _beats(machine.document)

    # ---------------------------------------------------------------------------------------------------- timers

    def timers(self, h: Hypothesis, view: View) -> list[tuple[TimerKey, Due]]:
        """The timers that run for a view's connection, and those of the rooms that it is a member of."""
        return [(key, due) for party in self._parties(h, view) for key, due in party.timers.items()]

    def party(self, h: Hypothesis, view: View, key: TimerKey) -> Connection:
        """The connection, or the room, that a timer of a view is of."""
        return next(party for party in self._parties(h, view) if key in party.timers)

    def _parties(self, h: Hypothesis, view: View) -> list[Connection]:
        connection = h.world.connections.get(view.number) if view.number is not None else None
        if connection is None:
            return []
        # What a room does, one who reads no more does not see.
        return [connection, *(h.world.groups_of(connection) if view.status == "open" else ())]

    def catch_up(self, h: Hypothesis, at: float) -> None:
        """Let timers of rooms expire in which nobody is to see it."""
        for place, group in list(h.world.groups.items()):
            for key, due in sorted(group.timers.items(), key=lambda item: item[1].at):
                if due.at <= at and not h.world.rooms.get(place) and key in group.timers:
                    self.machine.fire(h.world, group.number, *key, due.at)

    def latest(self, h: Hypothesis, due: Due) -> float:
        """When a timer's first output must have been seen: its start may be as late as the first sight of it."""
        shift = max(0.0, h.seen.get(due.cause, due.started + self.within) - due.started)
        return due.at + shift + self.machine.timer_tolerance(due) + self.slack.flight + self.slack.lateness

    def fired(self, h: Hypothesis, client: str, key: TimerKey, at: float) -> Hypothesis:
        """A copy in which a timer has fired; what it sends first is due by the timer's own bound."""
        fired = h.copy()
        view = fired.views[client]
        party = self.party(fired, view, key)
        due = party.timers[key]
        # What it starts may have been started as early as that, whenever its output was seen.
        outputs = self.machine.fire(fired.world, party.number, *key, due.at)
        view.last_rules = outputs[0].rules if outputs else view.last_rules
        bound, focus = max(at, self.latest(h, due)), h.focuses.get(due.cause, ())
        # Of what a room's timer says to each of its members, all is the first.
        first = len(outputs) if party.number < 0 else 1
        self.owe(fired, outputs[:first], bound, focus)
        self.owe(fired, outputs[first:], bound + self.within, focus)
        return fired

    def note_firing(self, h: Hypothesis, client: str, key: TimerKey, due: Due, seen: float | None) -> None:
        """Note when a timer was seen to fire, or that it did not."""
        earliest, latest = due.at - self.slack.early - due.started, self.latest(h, due) - due.started
        after = None if seen is None else seen - due.started
        h.firings.append(Firing(client, *key, due.at - due.started, earliest, latest, after))

    def timer_rules(self, key: TimerKey) -> tuple[str, ...]:
        """The rules of when a timer fires, those of all timers first."""
        return tuple(dict.fromkeys((*self.document.timely, *self.document.timer(*key).rules)))

    def explanations(self, h: Hypothesis, client: str, at: float) -> Iterable[Hypothesis]:
        """The hypothesis as it is, then with each timer fired whose moment has come, the soonest first."""
        yield h
        for key, due in sorted(self.timers(h, h.views[client]), key=lambda item: item[1].at):
            if at < due.at - self.slack.early:
                continue
            fired = self.fired(h, client, key, at)
            self.note_firing(fired, client, key, due, at)
            latest = self.latest(h, due)
            if at > latest:
                text = f"`{key[1]}` fired {at - due.at:.3f} s after it was due; {latest - due.at:.3f} s is allowed"
                focus = h.focuses.get(due.cause, ())
                fired.findings.append(Finding("late", self.timer_rules(key), text, client, at, True, focus))
            fired.findings.extend(self._passed_over(h, client, key, at))
            yield fired

    def _passed_over(self, h: Hypothesis, client: str, fired: TimerKey, at: float) -> Iterable[Finding]:
        """Timers that should have fired before one that did, and whose time is over."""
        for key, due in self.timers(h, h.views[client]):
            if key != fired and self.latest(h, due) < at:
                text = f"`{key[1]}` was due {at - due.at:.3f} s ago and did not fire"
                yield Finding(
                    "missing", self.document.timer(*key).rules, text, client, at, True, h.focuses.get(due.cause, ())
                )

    # ---------------------------------------------------------------------------------------------------- inputs

    def consume(
        self, h: Hypothesis, client: str, at: float, apply: Callable[[Hypothesis, float], None]
    ) -> list[Hypothesis]:
        """Let the peer handle an input: before or after its open timers, at the earliest moment or the latest."""
        if h.world.groups:
            self.catch_up(h, at)
        flown = at + self.slack.flight
        moments = [at, flown] if any(at < b <= flown for b in self.boundaries) else [at]
        view = h.views.get(client)
        timers = self.timers(h, view) if view is not None else []
        opened = [(key, due) for key, due in timers if due.at - self.slack.early <= flown]
        if not opened and len(moments) == 1:
            # Nothing is in doubt, and the hypothesis itself goes on.
            apply(h, at)
            return [h]
        variants: list[tuple[Hypothesis, float]] = []
        for moment in moments:
            if all(at <= self.latest(h, due) for _, due in opened):
                variants.append((h.copy(), moment))
            variants += [(self.fired(h, client, key, at), moment) for key, _ in opened]
        for variant, moment in variants:
            apply(variant, moment)
        return [variant for variant, _ in variants]

    # ----------------------------------------------------------------------------------------------------- debts

    def owe(self, h: Hypothesis, outputs: Iterable[Output], latest: float, focus: tuple[str, ...]) -> None:
        """Note what is due to the clients of the exchange."""
        for output in outputs:
            client = h.client_of(output.connection)
            if client is None or h.views[client].status in {"deaf", "closing", "closed", "gone"}:
                continue
            view = h.views[client]
            other = output.source if isinstance(output, Emission) and output.source != output.connection else None
            domain: tuple[Any, ...] = ("own", output.connection) if other is None else ("from", other)
            if isinstance(output, Emission) and output.stream is not None and other is not None:
                domain = ("stream", *output.stream)
            if isinstance(output, Emission) and output.source is None and output.broadcast is not None:
                # What is posted reaches a room in the order posted only where a rule says so.
                domain = ("post", output.message if output.order else output.cause)
            if isinstance(output, Emission) and output.apart:
                domain = ("apart", output.message)
            if isinstance(output, Emission) and output.any_order:
                domain = ("any", output.connection)
            if isinstance(output, Emission) and output.per is not None:
                domain = ("per", output.per)
            if isinstance(output, Closing) and output.how == "left":
                # What others caused before may still be on its way.
                view.debts = [evolve(d, latest=math.inf) for d in view.debts if isinstance(d.output, Emission)]
                view.status, view.last_rules = "left", output.rules
                h.transitions.add(output.pointer)
                continue
            if isinstance(output, Closing) and output.how == "may":
                view.debts.append(Debt(output, ("may", output.connection), math.inf, focus))
                continue
            if isinstance(output, Closing) and output.how in {"disconnect", "leave"}:
                assert self.document.farewell is not None
                latest += self.document.farewell[1] - self.within
            if isinstance(output, Closing):
                # What others caused may be cut off by the close; what this connection caused comes before it.
                own = ("own", output.connection)
                # A heartbeat that was sent before may still be on its way.
                view.parting = (*view.parting, *(evolve(beat, connection=output.connection) for beat in self._beats))
                view.debts = [d if d.domain == own else evolve(d, latest=math.inf) for d in view.debts]
            view.debts.append(Debt(output, domain, latest + self.slack.lateness, focus))

    def pay(self, h: Hypothesis, view: View, debt: Debt, body: Mapping[str, Any], at: float) -> None:
        """Note that a debt was paid by a message."""
        view.debts.remove(debt)
        assert isinstance(debt.output, Emission)
        h.findings.extend(self.lateness(debt, h.client_of(debt.output.connection) or "", at))
        view.paid.append(debt.output)
        h.bound.update({number: value for number, _, value in choices(debt.output.body, body)})
        h.seen.setdefault(debt.output.cause, at)
        h.covered.update(debt.rules, debt.output.order, self.document.due_rules)
        form = self.document.messages[debt.output.message].server
        chosen = form.chosen.values() if form is not None else ()
        h.covered.update(rule for entry in chosen for rule in entry.get("rules", ()))
        h.transitions.add(debt.output.pointer)
        self._handled(view, debt.output)
        self.note_state(h, view)

    def farewell(self, h: Hypothesis, client: str, body: Mapping[str, Any], at: float) -> bool:
        """Note a farewell that a client was due, or may have before its end; False where it is none."""
        view, document = h.views[client], self.document
        debt = view.closing()
        name = pointer_get(body, document.envelope.discriminator)
        if debt is None or document.farewell is None or name != document.farewell[0]:
            return False
        closing = debt.output
        own = [d for d in view.debts if d.domain == debt.domain]
        if not isinstance(closing, Closing) or closing.how not in {"disconnect", "leave"} or own[0] is not debt:
            return False
        h.findings.extend(self.lateness(debt, client, at))
        h.covered.update(debt.rules)
        h.transitions.add(closing.pointer)
        view.last_rules = debt.rules
        if closing.how == "leave":
            view.debts, view.status = [], "left"
        else:
            end = Debt(evolve(closing, how="any"), debt.domain, at + self.within + self.slack.lateness, debt.focus)
            view.debts[view.debts.index(debt)] = end
        return True

    def crossed(self, h: Hypothesis, view: View, before: Standing, waived: Iterable[Any]) -> None:
        """Note what an input has changed: what the peer sent before it handled that may still be on its way."""
        assert view.number is not None
        cause, letting = h.world.causes, {("per", value) for value in waived}
        view.debts = [
            evolve(d, latest=math.inf, waived=cause) if d.domain in letting and d.waived is None else d
            for d in view.debts
        ]
        if self.machine.standing(h.world, view.number) != before:
            view.former = (*view.former, (cause, before))

    def _handled(self, view: View, output: Emission) -> None:
        """What answers a message shows that those before it were handled, and nothing older is on its way."""
        if output.source == output.connection and (view.former or any(d.waived is not None for d in view.debts)):
            view.former = tuple(one for one in view.former if one[0] > output.cause)
            view.debts = [d for d in view.debts if d.waived is None or d.waived > output.cause]

    def lateness(self, debt: Debt, client: str, at: float) -> Iterable[Finding]:
        """What is to be said of a debt that is paid only now."""
        if debt.overdue:
            late = at - debt.latest + self.grace
            rules = tuple(dict.fromkeys((*self.document.due_rules, *debt.output.rules)))
            text = f"what was due came {late:.3f} s later than it may"
            yield Finding("late", rules, text, client, at, True, debt.focus)

    def note_state(self, h: Hypothesis, view: View) -> None:
        """Note the state that a view's connection is in."""
        connection = h.world.connections.get(view.number) if view.number is not None else None
        if connection is not None:
            h.visited.add(connection.state)

    def exact(self, h: Hypothesis, view: View, body: Mapping[str, Any]) -> Debt | None:
        """The debt that a message pays."""
        for debt in view.heads():
            if isinstance(debt.output, Emission) and not self.differences(h, debt.output, body):
                return debt
        return None

    def differences(self, h: Hypothesis, emission: Emission, body: Mapping[str, Any]) -> list[Difference]:
        """Where a message is not an expected one."""
        found = differences(self._judged(emission), body, "", h.bound)
        return found + reply_differences(self.document, emission, body)

    def _judged(self, emission: Emission) -> Mapping[str, Any]:
        """The members that are compared by value; a reply member that is left open is none of them."""
        if emission.reply != "free":
            return emission.body
        [reply] = pointer_parts(self.document.envelope.reply_to)
        return {name: value for name, value in emission.body.items() if name != reply}

    def free(self, h: Hypothesis, view: View, body: Mapping[str, Any], at: float) -> bool:
        """Whether a message may come at any time; timers that what is sent restarts then start anew."""
        assert view.number is not None
        allowed = self.machine.unsolicited(h.world, view.number, body) or view.parting
        if any(not self.differences(h, emission, body) for emission in allowed):
            self.machine.volunteered(h.world, view.number, body, at)
            return True
        former = (self.machine.unsolicited(h.world, view.number, body, before) for _, before in view.former)
        return any(not self.differences(h, emission, body) for crossing in former for emission in crossing)


@lru_cache(16)
def _beats(document: Document) -> tuple[Emission, ...]:
    """What timers beside the states send, whatever else goes on."""
    sent = {effect.message for t in document.timers for c in t.expire for effect in c.do if isinstance(effect, Emit)}
    kind = document.envelope.discriminator.lstrip("/")
    return tuple(Emission(0, name, {kind: name}, "free", None, (), 0) for name in sorted(sent))
