"""Diagnosis: which rule a message or a close breaks that no hypothesis explains, the most telling first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from attrs import evolve

from spec.bindings.json import NotJSON, decode
from spec.expressions import compile_expression, pointer_get, pointer_parts
from spec.machine import Closing, Emission, Pong
from spec.model import Broadcast, Document, Fail
from spec.tracker.findings import Finding
from spec.tracker.following import Follower
from spec.tracker.hypothesis import Debt, Hypothesis, View
from spec.tracker.matching import differences, short

__all__ = ["Diagnosis"]

Body = Mapping[str, Any]


class Diagnosis:
    """Words findings, and says whom to blame."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._document = follower.document
        self.said: list[tuple[str, str]] = []
        envelope = self._document.envelope
        # Where the payload is the message itself, these members say nothing of what a message is about.
        members = () if envelope.payload else (envelope.discriminator, envelope.id, envelope.reply_to)
        self._envelope_names = frozenset(pointer_parts(member)[0] for member in members)
        self._timed_codes, self._raised, self._telling, self._broadcasts = _causes(self._document)

    # -------------------------------------------------------------------------------------------------- messages

    def message(self, h: Hypothesis, client: str, body: Body, at: float) -> Hypothesis:
        """The hypothesis with what a message breaks that nothing explains."""
        steps = (self._ended, self._out_of_order, self._uninvited, self._doubled, self._strayed_from_room)
        for step in (*steps, self._forbidden, self._foreign):
            finding = step(h, client, body, at)
            if finding is not None:
                h.findings.append(finding)
                return h
        for tried in self._follower.explanations(h, client, at):
            similar = next((d for d in tried.views[client].heads() if self._similar(d, body)), None)
            if similar is not None:
                tried.findings.append(
                    self.always(tried, client, body, at) or self._mismatch(tried, similar, body, client, at)
                )
                self._follower.pay(tried, tried.views[client], similar, body, at)
                return tried
        found = self._early(h, client, body, at) or self.always(h, client, body, at)
        what = f"`{self.type(body)}`{self.code(body)} came"
        # What is repeated of a refused message is the fault of how that message was handled.
        speaker = self._speaker(body) or client
        blamed = h.views[client] if h.views[client].claims() else h.views[speaker]
        stray = self._stray(blamed, client, what, at, "accepted")
        # What a timer sends may have crossed an input that the peer was slow to read: that rests on timing.
        stray = evolve(stray, timed=self.code(body).strip() in self._timed_codes)
        # The rules by which this error would have been right stand behind those by which it is wrong, unless it tells
        # what the peer takes for true: that time is up, or what happened before. That time went on where something else
        # was due is the fault of what did not come.
        claimed, telling = (codes.get(self.code(body).strip(), ()) for codes in (self._raised, self._telling))
        ahead, behind = ((), telling) if stray.timed and blamed.claims() else (telling, ())
        # Where nothing was due but what timers send, what comes is a fault of its own rules too.
        known = self._document.messages.get(self.type(body))
        idle = all(getattr(debt.output, "timer", None) is not None for debt in blamed.claims())
        form = known.server if known is not None and idle else None
        own = form.rules if form is not None else ()
        rules = tuple(dict.fromkeys((*ahead, *stray.rules, *behind, *claimed, *own)))
        if found is not None and found.check == "early":
            # What looks like a timer's may as well have come instead of an answer.
            instead = tuple(rule for debt in h.views[client].claims() for rule in debt.output.rules)
            found = evolve(found, rules=tuple(dict.fromkeys((*found.rules, *instead))))
        h.findings.append(found or evolve(stray, rules=rules))
        return h

    def always(self, h: Hypothesis, client: str, body: Body, at: float) -> Finding | None:
        """What every message of a type must carry in this connection."""
        number = h.views[client].number
        connection = h.world.connections.get(number) if number is not None else None
        if connection is None:
            return None
        for invariant in self._document.invariants:
            if invariant.kind != "always" or self.type(body) not in invariant.messages:
                continue
            for pointer, expression in invariant.members.items():
                wanted, got = compile_expression(expression)(connection.variables), pointer_get(body, pointer)
                if wanted != got:
                    text = f"`{self.type(body)}` has {pointer.lstrip('/')} {short(got)}, expected {short(wanted)}"
                    return Finding("isolation", invariant.rules, text, client, at)
        return None

    def type(self, body: Body) -> str:
        """The type of a message."""
        return str(pointer_get(body, self._document.envelope.discriminator))

    def code(self, body: Body) -> str:
        """The code of an error message, with a space before it, else nothing."""
        if self.type(body) != self._document.error_message:
            return ""
        payload = pointer_get(body, self._document.envelope.payload)
        code = payload.get("code") if isinstance(payload, Mapping) else None
        return f" {code}" if isinstance(code, str) else ""

    def name(self, debt: Debt) -> str:
        """What a debt is, in words."""
        match debt.output:
            case Emission(message=message, body=body):
                return f"`{message}`{self.code(body)}"
            case Closing(how="end" | "may" | "any" | "disconnect"):
                return "the end of the connection"
            case Closing(how="leave"):
                return "a disconnection"
            case Closing(code=0):
                return "the answer to the close frame"
            case Closing() as closing:
                return f"the close with {_codes(closing)}"
            case Pong(data=data):
                return f"the pong to the ping {short(data.decode('latin-1'))}"
        raise TypeError(debt.output)

    def _similar(self, debt: Debt, body: Body) -> bool:
        return isinstance(debt.output, Emission) and debt.output.message == self.type(body)

    def _mismatch(self, h: Hypothesis, debt: Debt, body: Body, client: str, at: float) -> Finding:
        assert isinstance(debt.output, Emission)
        found = self._follower.differences(h, debt.output, body)
        check = "code" if any(d.pointer.endswith("/code") for d in found) else "message"
        text = f"`{debt.output.message}` differs: " + "; ".join(str(d) for d in found)
        timed = self.code(body).strip() in self._timed_codes
        return Finding(check, debt.output.rules, text, client, at, timed, debt.focus)

    def _ended(self, h: Hypothesis, client: str, body: Body, at: float) -> Finding | None:
        """Anything on a connection that was to be failed, or that its client had ended."""
        view = h.views[client]
        what, due = f"`{self.type(body)}`{self.code(body)} came", view.closing()
        how = due.output.how if due is not None and isinstance(due.output, Closing) else "may"
        if due is not None and how == "end":
            text = f"{what} where {self.name(due)} was due"
            return Finding("accepted", due.output.rules, text, client, at, focus=due.focus)
        if view.status == "left":
            return Finding("stray", view.last_rules, f"{what} behind the disconnection", client, at)
        if how == "may" and view.number not in h.world.connections:
            return Finding("stray", view.last_rules, f"{what} behind the end of the connection", client, at)
        return None

    def _out_of_order(self, h: Hypothesis, client: str, body: Body, at: float) -> Finding | None:
        heads = h.views[client].heads()
        for debt in h.views[client].debts:
            if debt in heads or not isinstance(debt.output, Emission) or not self._answers(h, debt.output, body):
                continue
            before = h.views[client].before(debt)
            first = before or next(head for head in h.views[client].debts if head.domain == debt.domain)
            text = f"`{self.type(body)}`{self.code(body)} came before {self.name(first)}, which was due first"
            one_sender = isinstance(first.output, Emission) and first.output.order == debt.output.order
            one_sender |= before is not None
            order = debt.output.order if one_sender else ()
            rules = tuple(dict.fromkeys((*order, *self._document.ordered, *first.output.rules)))
            shadow = ("missing", first.output.rules[0])
            return Finding("order", rules, text, client, at, focus=debt.focus, shadow=shadow)
        return None

    def _answers(self, h: Hypothesis, emission: Emission, body: Body) -> bool:
        """Whether a message is an expected one, or at least an answer to the same message of the client's."""
        replies = emission.reply == "must" and pointer_get(body, self._document.envelope.reply_to) == emission.reply_to
        return replies or not self._follower.differences(h, emission, body)

    def _uninvited(self, h: Hypothesis, client: str, body: Body, at: float) -> Finding | None:
        """A message that may come at any time for what it names, and what it names is over."""
        view = h.views[client]
        said = [debt.output for debt in view.debts if isinstance(debt.output, Emission)]
        if view.number is None or any(self._answers(h, emission, body) for emission in said):
            return None
        rules = self._follower.machine.uninvited(h.world, view.number, body)
        text = f"`{self.type(body)}`{self.code(body)} came for what is over, or never was"
        return Finding("stray", rules, text, client, at) if rules else None

    def _doubled(self, h: Hypothesis, client: str, body: Body, at: float) -> Finding | None:
        answered = pointer_get(body, self._document.envelope.reply_to)
        own = [d.output for d in h.views[client].heads() if isinstance(d.output, Emission) and d.output.reply == "must"]
        if any(answered is not None and answered == output.reply_to for output in own):
            # Of two messages with one id, this answers the one that still waits for its answer.
            return None
        for emission in h.views[client].paid:
            told_apart = emission.broadcast is not None or emission.timer is not None or emission.reply == "must"
            # The answer to a message whose id was used before is the answer to that one too; what is due decides.
            answers = [debt.output for debt in h.views[client].heads() if isinstance(debt.output, Emission)]
            if emission.reply == "must" and any(due.reply_to == emission.reply_to for due in answers):
                continue
            if told_apart and emission.message == self.type(body) and not differences(emission.body, body, "", h.bound):
                text = f"`{emission.message}`{self.code(body)} came a second time"
                return Finding("double", emission.rules, text, client, at)
        return None

    def _strayed_from_room(self, h: Hypothesis, client: str, body: Body, at: float) -> Finding | None:
        """A broadcast of a room that this client is no member of, or from which it should have been left out."""
        payload = self._document.envelope.payload
        if any(self._same_payload(h, debt, body) for debt in h.views[client].debts):
            return None
        for name, view in h.views.items():
            for emission in (*(debt.output for debt in view.debts), *view.paid):
                if not isinstance(emission, Emission) or emission.broadcast is None or name == client:
                    continue
                same = not differences(pointer_get(emission.body, payload), pointer_get(body, payload), "", h.bound)
                if same and emission.message == self.type(body):
                    forbidden = self._forbidden(h, client, body, at)
                    rules = forbidden.rules if forbidden else (*emission.isolation, *emission.rules)
                    text = f"`{emission.message}` came, which was for {name}'s room and not for this connection"
                    return Finding("isolation", rules, text, client, at)
        return None

    def _same_payload(self, h: Hypothesis, debt: Debt, body: Body) -> bool:
        payload = self._document.envelope.payload
        return self._similar(debt, body) and not differences(
            pointer_get(debt.output.body, payload) if isinstance(debt.output, Emission) else None,
            pointer_get(body, payload),
            "",
            h.bound,
        )

    def _foreign(self, h: Hypothesis, client: str, body: Body, at: float) -> Finding | None:
        """A broadcast that has nothing in common with any that this exchange knows: rooms are fresh in each."""
        rules = self._broadcasts.get(self.type(body))
        if rules is None:
            return None
        got = pointer_get(body, self._document.envelope.payload)
        for debt in h.views[client].debts:
            if self._similar(debt, body) and isinstance(debt.output, Emission) and isinstance(got, Mapping):
                wanted = pointer_get(debt.output.body, self._document.envelope.payload)
                told = {name: value for name, value in wanted.items() if name not in self._envelope_names}
                if any(not differences(value, got.get(name), "", h.bound) for name, value in told.items()):
                    return None
        if self._speaker(body) is not None:
            return None
        text = f"`{self.type(body)}` came, which nobody of this connection's room sent"
        return Finding("isolation", rules, text, client, at)

    def _speaker(self, body: Body) -> str | None:
        """The client whose message, valid or not, a broadcast repeats."""
        got = pointer_get(body, self._document.envelope.payload)
        if not isinstance(got, Mapping) or self.type(body) not in self._broadcasts:
            return None
        return next((client for client, text in reversed(self.said) if self._shares(got, text)), None)

    def _shares(self, payload: Body, text: str) -> bool:
        """Whether a text that a client sent, valid or not, holds a value of a payload."""
        try:
            sent = pointer_get(decode(text), self._document.envelope.payload)
        except NotJSON:
            return False
        if not isinstance(sent, dict):
            return False
        return any(sent.get(name) == value for name, value in payload.items() if name not in self._envelope_names)

    def _forbidden(self, h: Hypothesis, client: str, body: Body, at: float) -> Finding | None:
        number = h.views[client].number
        connection = h.world.connections.get(number) if number is not None else None
        if connection is None or any(self._similar(debt, body) for debt in h.views[client].debts):
            return None
        chain = set(self._document.states[connection.state].chain)
        for invariant in self._document.invariants:
            if invariant.kind == "never" and self.type(body) in invariant.messages and chain & set(invariant.states):
                text = f"`{self.type(body)}` came in state {connection.state}"
                rules = tuple(dict.fromkeys((*invariant.rules, *h.views[client].last_rules)))
                return Finding("isolation", rules, text, client, at)
        return None

    def _early(self, h: Hypothesis, client: str, body: Body, at: float) -> Finding | None:
        for key, due in self._follower.timers(h, h.views[client]):
            if at >= due.at - self._follower.slack.early:
                continue
            fired = self._follower.fired(h, client, key, at)
            outputs = [d.output for d in fired.views[client].debts if isinstance(d.output, Emission)]
            if any(o.timer == key[1] and not differences(o.body, body, "", h.bound) for o in outputs):
                text = f"`{key[1]}` fired {due.at - at:.3f} s early"
                self._follower.note_firing(h, client, key, due, at)
                focus = h.focuses.get(due.cause, ())
                return Finding("early", self._follower.timer_rules(key), text, client, at, True, focus)
        return None

    def _stray(self, view: View, client: str, what: str, at: float, check: str) -> Finding:
        heads = view.claims()
        if heads:
            text = f"{what} where {self.name(heads[0])} was due"
            return Finding(check, heads[0].output.rules, text, client, at, focus=heads[0].focus)
        return Finding("stray", view.last_rules, f"{what} where nothing was due", client, at, focus=view.focus)

    # --------------------------------------------------------------------------------------------------- closing

    def close(self, h: Hypothesis, client: str, code: int | None, reason: str, at: float) -> None:
        """Compare a close with the one that is due; `code` None is an end without a close frame."""
        view = h.views[client]
        debt = view.closing(code)
        assert debt is not None
        assert isinstance(debt.output, Closing)
        closing = debt.output
        h.findings.extend(self._follower.lateness(debt, client, at))
        if closing.how in {"end", "may"}:
            if closing.how == "end":
                h.covered.update(debt.rules)
            return
        before = [d for d in view.debts if d is not debt and d.domain == debt.domain]
        if before and view.status != "closing":
            # The close that an error causes may not come before it; another close is none that it causes.
            groups = (self._document.close_rules, before[0].output.rules)
            groups = groups if closing.fits(code) or closing.how != "frame" else groups[::-1]
            rules = tuple(dict.fromkeys(rule for group in groups for rule in group))
            text = f"the connection ended before {self.name(before[0])} came"
            h.findings.append(Finding("missing", rules, text, client, at, code is None, before[0].focus))
        if closing.how != "frame":
            h.covered.update(debt.rules)
            h.transitions.add(closing.pointer)
        elif not closing.fits(code):
            assert closing.code or code is None
            came = "the transport ended without a close frame" if code is None else f"closed with {_code_name(code)}"
            text = f"{came}, expected {'a close frame' if not closing.code else f'close {_codes(closing)}'}"
            # An end without a close frame may be the network's doing, or the death of the peer.
            h.findings.append(Finding("close", closing.rules, text, client, at, code is None, debt.focus))
        elif closing.reason is not None and reason != closing.reason:
            rules = tuple(dict.fromkeys((*self._document.close_rules, *closing.rules)))
            text = f"closed with reason {short(reason)}, expected {short(closing.reason)}"
            h.findings.append(Finding("reason", rules, text, client, at, focus=debt.focus))
        else:
            h.covered.update(debt.rules)
            h.transitions.add(closing.pointer)

    def unexpected_close(self, h: Hypothesis, client: str, code: int | None, reason: str, at: float) -> Finding:
        """A close that no rule makes due now."""
        view = h.views[client]
        what = "the transport ended without a close frame" if code is None else f"closed with {_code_name(code)}"
        what += f" {short(reason)}" if reason else ""
        timers = self._follower.timers(h, view)
        for key, due in timers:
            debt = self._follower.fired(h, client, key, at).views[client].closing()
            closing = debt.output if debt is not None else None
            fits = isinstance(closing, Closing) and (closing.how != "frame" or closing.fits(code))
            if fits and isinstance(closing, Closing) and closing.reason in {None, reason}:
                text = f"{what}: `{key[1]}` fired {due.at - at:.3f} s early"
                self._follower.note_firing(h, client, key, due, at)
                focus = h.focuses.get(due.cause, ())
                return Finding("early", self._follower.timer_rules(key), text, client, at, True, focus)
        told = [e for e in view.paid if reason and isinstance(e, Emission) and self.code(e.body).strip() == reason]
        if told:
            # An error that should have left the connection open.
            return Finding("close", told[-1].rules, f"{what} behind {told[-1].message} {reason}", client, at)
        stray = self._stray(view, client, what, at, "close")
        rules = tuple(dict.fromkeys((*self._telling.get(reason, ()), *stray.rules)))
        finding = evolve(stray, rules=rules, timed=code is None)
        if finding.rules or finding.focus:
            return finding
        return evolve(finding, rules=tuple(rule for key, _ in timers for rule in self._document.timer(*key).rules))

    # --------------------------------------------------------------------------------------------------- silence

    def overdue(self, h: Hypothesis, now: float) -> None:
        """Note what should have come before now, and let go of it."""
        for client, view in h.views.items():
            late = next((debt for debt in view.debts if debt.latest < now), None)
            if late is not None and isinstance(late.output, Closing) and late.output.how == "may":
                view.debts.remove(late)
            elif late is not None and self._awaited(late).latest >= now:
                view.debts[view.debts.index(late)] = self._awaited(late)
            elif late is not None:
                rules = tuple(dict.fromkeys((*late.output.rules, *self._document.due_rules)))
                text = f"{self.name(late)} did not come"
                h.findings.append(Finding("missing", rules, text, client, now, timed=True, focus=late.focus))
                view.debts.remove(late)
            for key, due in self._follower.timers(h, view):
                if self._follower.latest(h, due) + self._follower.within < now:
                    text = f"`{key[1]}` was due {now - due.at:.3f} s ago and did not fire"
                    self._follower.note_firing(h, client, key, due, None)
                    rules, focus = self._document.timer(*key).rules, h.focuses.get(due.cause, ())
                    h.findings.append(Finding("missing", rules, text, client, now, True, focus))
                    del self._follower.party(h, view, key).timers[key]

    def _awaited(self, debt: Debt) -> Debt:
        """What is overdue, waited for a little longer; timers have rules of their own, and pongs none of when."""
        if debt.overdue or isinstance(debt.output, Pong) or debt.output.timer is not None:
            return debt
        return evolve(debt, latest=debt.latest + self._follower.grace, overdue=True)


_Cited = Mapping[str, tuple[str, ...]]

Causes = tuple[frozenset[str], _Cited, _Cited, _Cited]

_HISTORY = frozenset({"limit", "memory", "same"})
"""Kinds of facts about what happened before."""


@lru_cache(16)
def _causes(document: Document) -> Causes:
    """What causes what: the codes that timers send; the rules by which each code is sent for a message; those of codes
    that only time or history explains; and those of each broadcast.
    """
    handled = [
        (case, effect)
        for state in document.states.values()
        for cases in state.receive.values()
        for case in cases
        for effect in case.do
    ]
    expired = [
        (case, effect)
        for state in document.states.values()
        for timer in state.timers
        for case in timer.expire
        for effect in case.do
    ]
    raised: dict[str, tuple[str, ...]] = {}
    for case, effect in handled:
        if isinstance(effect, Fail):
            raised[effect.code] = (*raised.get(effect.code, ()), *case.rules)
    broadcasts = {e.message: (*e.isolation, *case.rules) for case, e in handled if isinstance(e, Broadcast)}
    timed = {effect.code: case.rules for case, effect in expired if isinstance(effect, Fail)}
    telling = {code: rules for code, rules in timed.items() if code not in raised}
    for code, rules in raised.items():
        whens = [case.when for case, effect in handled if isinstance(effect, Fail) and effect.code == code]
        if code not in timed and all(any(document.facts[f].kind in _HISTORY for f in when) for when in whens):
            telling[code] = rules
    return frozenset(timed), raised, telling, broadcasts


def _codes(closing: Closing) -> str:
    return " or ".join(map(str, (closing.code, *closing.also)))


def _code_name(code: int | None) -> str:
    return "no code" if code == 1005 else str(code)
