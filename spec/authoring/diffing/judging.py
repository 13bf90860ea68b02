"""Which change a difference in behaviour is: from what two servers answer to the row of the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from spec.authoring.diffing.moving import WHO
from spec.authoring.diffing.playing import Heard
from spec.authoring.diffing.refining import Apart, Side
from spec.authoring.diffing.structure import sunset_passed
from spec.model import Document

__all__ = ["Judged", "judged", "list_of", "state_at"]

_GRAIN = 1e-6


@frozen
class Judged:
    """The rule of a difference, and the places in the old and in the new document that decide it."""

    rule: str
    old_at: str
    new_at: str


@frozen
class _Outcome:
    """What one server's answer comes to: `code` is that of an error or a refusal, `closed` that of a close."""

    side: Side
    heard: tuple[Heard, ...]

    @property
    def mine(self) -> list[Heard]:
        return [one for one in self.heard if one.client == WHO]

    @property
    def others(self) -> list[Heard]:
        return [one for one in self.heard if one.client != WHO]

    @property
    def errors(self) -> list[str]:
        name = self.side.document.error_message
        return [str(_code(one)) for one in self.mine if one.what == "message" and one.name == name]

    @property
    def closed(self) -> str | None:
        return next((one.name for one in self.mine if one.what == "closed"), None)

    @property
    def refused(self) -> Heard | None:
        return next((one for one in self.mine if one.what == "refused"), None)

    @property
    def upgraded(self) -> Heard | None:
        return next((one for one in self.mine if one.what == "upgraded"), None)

    @property
    def rejects(self) -> bool:
        return bool(self.errors or self.closed or self.refused)

    @property
    def pointer(self) -> str:
        return next((one.pointer for one in (*self.mine, *self.others) if one.pointer), "")


def judged(apart: Apart, old: Side, new: Side, *, server_first: bool) -> Judged | None:
    """The rule and places of a difference; `server_first` says that the client of it is the old document's.

    None where the message itself is valid by one document and not by the other: that is for the schemas.
    """
    pair = (apart.expected, apart.actual) if server_first else (apart.actual, apart.expected)
    one, other = _Outcome(old, pair[0]), _Outcome(new, pair[1])
    states = apart.states if server_first else apart.states[::-1]
    fork = (apart.fork if server_first else apart.fork[::-1]) if apart.fork else None
    reached = apart.reached if server_first else apart.reached[::-1]
    return _Judging(apart, one, other, states, reached, fork).judged()


@frozen
class _Judging:
    apart: Apart
    old: _Outcome
    new: _Outcome
    states: tuple[str, ...]
    reached: tuple[str, ...]
    fork: tuple[str, ...] | None

    def judged(self) -> Judged | None:
        moved = self._moved_envelope()
        if moved is not None:
            return moved
        if self._other_schema():
            return None
        if self.apart.bearing and self.old.rejects and self.new.rejects and self._other_tokens():
            # Which of two checks tells is for the ladder.
            return None
        if self.fork is not None:
            found = self._forked(self.fork)
            if found is not None:
                return found
        if self.apart.unsolicited:
            return self._unsolicited()
        if self.old.refused and self.new.refused and self.old.side.document.path != self.new.side.document.path:
            # At another path nothing else is asked; what is let in at one of them tells it.
            return None
        if self.old.refused and self.new.refused and self._lost() | self._gained():
            # Refusals name what is served, and of what is not nothing else is asked.
            return None
        if self.apart.bearing and self.old.rejects and self.new.rejects and self._unlisted():
            return None
        declared = self._declared()
        if declared is not None:
            return declared
        kind = self.apart.wanted.kind
        rule = {"open": self._open, "wait": self._wait, "hear": self._hear}.get(kind, self._receive)()
        return Judged(rule, *self._places(rule))

    def _moved_envelope(self) -> Judged | None:
        """Nothing is understood where a part of every message is somewhere else; all that follows comes of it."""
        one, other = self.old.side.document, self.new.side.document
        for part in ("discriminator", "id", "reply_to", "payload"):
            if getattr(one.envelope, part) != getattr(other.envelope, part) and self.apart.wanted.kind != "open":
                return Judged("M03", f"/wire/envelope/{part}", f"/wire/envelope/{part}")
        return None

    def _other_tokens(self) -> bool:
        one, other = self.old.side.document, self.new.side.document
        return one.claims != other.claims or list(one.verdicts.items()) != list(other.verdicts.items())

    def _unlisted(self) -> bool:
        """Whether one of them takes the message for one that it does not know: that shows where it is accepted."""
        return ("/receive/other/" in self.old.pointer) != ("/receive/other/" in self.new.pointer)

    def _other_schema(self) -> bool:
        """Whether what was sent is valid for one document and not for the other, which both know it."""
        last = self.apart.steps[-1] if self.apart.steps else None
        if last is None or last.do != "send" or "pad_to" in last.data:
            return False
        reads = [side.reads(last) for side in (self.old.side, self.new.side)]
        names = {read.input for read in reads}
        known = all(_client(side.document, self.apart.wanted.name) for side in (self.old.side, self.new.side))
        return reads[0].valid != reads[1].valid and (known or "malformed" in names)

    def _places(self, rule: str) -> tuple[str, str]:
        name = self.apart.wanted.name
        if rule.startswith("M16"):
            return "/wire/frames/largest", "/wire/frames/largest"
        if rule.startswith("A05") and self.old.side.document.claims != self.new.side.document.claims:
            return "/tokens/claims/required", "/tokens/claims/required"
        if rule.startswith("A05") and self.old.side.document.verdicts != self.new.side.document.verdicts:
            return "/tokens/ladder", "/tokens/ladder"
        if rule in ("V01.removed", "V05.early", "V05.late") and self._lost():
            return "/versions", ""
        if rule == "V01.added" and self._gained():
            return "", "/versions"
        if rule.startswith(("A01", "A04", "V06")):
            return self._credentials(), self._credentials()
        if rule.startswith(("M01.", "M02.")):
            at = f"/messages/{name}/client"
            return (at, "") if rule.startswith("M01") else ("", at)
        if rule.startswith("V07") and self.old.side.document.path != self.new.side.document.path:
            return "/opening/path", "/opening/path"
        if self.apart.wanted.kind == "hear":
            # What somebody else said was decided by a case for that one, which may be heard on one side only.
            heard = self.old.pointer or self.new.pointer
            return heard, heard
        return self._pointer(self.old, 0), self._pointer(self.new, 1)

    def _lost(self) -> set[str]:
        return _names(self.old.side.document) - _names(self.new.side.document)

    def _gained(self) -> set[str]:
        return _names(self.new.side.document) - _names(self.old.side.document)

    def _credentials(self) -> str:
        facts = self.old.side.document.facts.values()
        return next((f"/facts/{fact.name}/places" for fact in facts if fact.kind == "credentials"), "")

    def _carried(self) -> str | None:
        """The rule where a request has credentials and the documents take these from other places."""
        if not self._presented():
            return None
        one, other = (side.document.credential_places() for side in (self.old.side, self.new.side))
        gone, more = [p for p in one if p not in other], [p for p in other if p not in one]
        if one == other:
            return None
        return "A04" if gone and more else "A01.removed" if gone else "A01.added" if more else "V06"

    def _pointer(self, outcome: _Outcome, index: int) -> str:
        """The decision: what was heard tells it, or else the list that the state has for the input."""
        if outcome.pointer:
            return outcome.pointer
        return list_of(outcome.side.document, self.states[index], self.apart.wanted.name)

    # ------------------------------------------------------------------------------- what is declared elsewhere

    def _unsolicited(self) -> Judged:
        name = self.apart.unsolicited[0]
        before, after = (self._may(side, name) for side in (self.old.side, self.new.side))
        rule = "C01" if before and after else "S13.allowed" if after else "S13.withdrawn"
        return Judged(rule, before, after)

    def _may(self, side: Side, name: str) -> str:
        """Where a document permits a message at any time, in the state that it is about."""
        state = self.states[0 if side is self.old.side else 1]
        if state not in side.document.states:
            return ""
        for path in side.document.states[state].chain:
            for index, allowed in enumerate(side.document.states[path].may_send):
                if allowed.message == name:
                    return f"{state_at(path)}/may_send/{index}"
        return ""

    def _forked(self, fork: tuple[str, ...]) -> Judged | None:
        """The transition by which the two came into states that act otherwise; None where a state was renamed."""
        before, after = self.states
        old_only, new_only = before not in self.new.side.document.states, after not in self.old.side.document.states
        if old_only and new_only:
            return None
        if new_only:
            rule = "S06"
        elif old_only:
            rule = "S07"
        else:
            rule = "S17" if fork[0].startswith("/opening") else "S08"
        return Judged(rule, fork[0], fork[1])

    def _declared(self) -> Judged | None:
        """A difference that comes of what is said once for many: errors, refusals, bodies, reasons."""
        one, other = self.old.side.document, self.new.side.document
        if self.old.errors and self.old.errors == self.new.errors:
            code = self.old.errors[0]
            mine, theirs = one.errors.get(code), other.errors.get(code)
            if one.error_payload != other.error_payload:
                return Judged("E08", "/errors/payload", "/errors/payload")
            if mine is not None and theirs is not None and mine != theirs:
                at = f"/errors/codes/{code}"
                if mine.retryable != theirs.retryable and self.old.closed == self.new.closed:
                    return Judged("E03", at, at)
                if self.old.closed != self.new.closed:
                    return Judged(self._closing(), at, at)
            if self.old.closed == self.new.closed and one.close_reasons != other.close_reasons:
                return Judged("E08", "/errors/close_reasons", "/errors/close_reasons")
        refused, answered = self.old.refused, self.new.refused
        if refused is not None and answered is not None and _code(refused) == _code(answered):
            code = _code(refused)
            if refused.name != answered.name:
                return Judged("E05", f"/refusals/{code}", f"/refusals/{code}")
            if one.refusal_body != other.refusal_body:
                return Judged("E08", "/opening/body", "/opening/body")
        return None

    def _closing(self) -> str:
        if self.old.closed is None:
            return "E04.closes"
        return "E04.stays" if self.new.closed is None else "E05"

    # ------------------------------------------------------------------------------------------------- openings

    def _open(self) -> str:
        old, new = self.old.refused, self.new.refused
        carried = self._carried()
        if carried is not None:
            return carried
        if old is not None and new is not None:
            if (old.name, _code(old)) == (new.name, _code(new)):
                return self._headers(old, new) or "E08"
            return "E07" if self._several_wrong() else "E05" if _code(old) == _code(new) else "E10"
        if old is None and new is not None:
            return self._barred(new)
        if old is not None:
            return self._let_in(old)
        return self._welcomed()

    def _several_wrong(self) -> bool:
        bad = {"none", "other", "forbidden", "several", "absent", "invalid", "expired", "seen", "exceeded"}
        asked = [(fact, v) for fact, v in self.apart.wanted.facts if self.old.side.document.facts.get(fact) is not None]
        return sum(value in bad for _, value in asked) > 1

    def _asked(self, outcome: _Outcome) -> set[str]:
        """The kinds of facts that the deciding row asks for, those behind its tables too."""
        document = outcome.side.document
        row = next((row for row in document.opening if row.pointer == outcome.pointer), None)
        kinds: set[str] = set()
        for name in row.when if row is not None else ():
            fact = document.facts[name]
            behind = {inner for guard, _ in fact.options["rows"] for inner in guard} if fact.kind == "table" else {name}
            kinds |= {document.facts[inner].kind for inner in behind} | ({"table"} if fact.kind == "table" else set())
        return kinds

    def _barred(self, answer: Heard) -> str:
        asked = self._asked(self.new)
        if {"path", "origin"} & asked:
            return "V07.tightened"
        gone = self._offered() - _names(self.new.side.document)
        if gone:
            deprecated = any(v.deprecated for v in self.old.side.document.versions if v.subprotocol in gone)
            late = "V05.late" if sunset_passed(self.old.side.document) else "V05.early"
            return late if deprecated else "V01.removed"
        if self.apart.bearing and self._bears():
            return "A05.tightened" if "token" in asked else "V01.removed" if {"offer", "table"} & asked else "S01"
        return "A02.required" if "token" in asked else "V01.removed" if "offer" in asked else "S01"

    def _let_in(self, answer: Heard) -> str:
        asked = self._asked(self.old)
        if {"path", "origin"} & asked:
            return "V07.loosened"
        if self._offered() - _names(self.old.side.document):
            return "V01.added"
        if "token" in asked:
            return "A05.loosened" if self._presented() else "A02.relaxed"
        return "V01.added" if "offer" in asked else "S03"

    def _offered(self) -> set[str]:
        found = [v for f, v in self.apart.wanted.facts if self._kind(f) == "offer" and v not in ("none", "other")]
        return {name for value in found for name in value.split("+")}

    def _kind(self, fact: str) -> str:
        for side in (self.old.side, self.new.side):
            if fact in side.document.facts:
                return side.document.facts[fact].kind
        return ""

    def _presented(self) -> bool:
        return any(self._kind(f) == "credentials" and v != "none" for f, v in self.apart.wanted.facts)

    def _bears(self) -> bool:
        return any(self._kind(f) == "token" and v == "valid" for f, v in self.apart.wanted.facts)

    def _welcomed(self) -> str:
        old, new = self.old.upgraded, self.new.upgraded
        assert old is not None
        assert new is not None
        if old.name != new.name:
            return "V03" if self._offered() else "V02"
        if _counted(self.old.mine) != _counted(self.new.mine):
            return "S17" if not self.apart.joins else self._outputs("S17")
        return self._headers(old, new) or self._outputs("C01")

    def _headers(self, old: Heard, new: Heard) -> str | None:
        before, after = set(_headers(old)), set(_headers(new))
        if before - after:
            return "V11.removed"
        if after - before:
            return "V11.added"
        return "C01" if _headers(old) != _headers(new) else None

    # ------------------------------------------------------------------------------------------------- messages

    def _receive(self) -> str:
        name = self.apart.wanted.name
        if name == "oversize" and self.old.side.largest != self.new.side.largest:
            return "M16.raised" if self.new.side.largest > self.old.side.largest else "M16.lowered"
        known = [_client(side.document, name) for side in (self.old.side, self.new.side)]
        declared = name in self.old.side.document.messages or name in self.new.side.document.messages
        if declared and known == [True, False]:
            return "M01.client"
        if declared and known == [False, True]:
            return "M02.client"
        if self.old.rejects and self.new.rejects:
            return self._refused_both()
        if self.new.rejects:
            return self._tokens("A07.removed", "A05.tightened") or "S01"
        if self.old.rejects:
            if self._judges_token():
                return "A05.loosened"
            return self._tokens("A07.added", "A05.loosened") or (
                "S02" if "/receive/other" in self.old.pointer else "S03"
            )
        return self._outputs("C01")

    def _tokens(self, again: str, first: str) -> str | None:
        """The rule where the message brings a valid token: to prove who is there, or to replace one."""
        if not (self.apart.bearing and self._bears()):
            return None
        if self._other_tokens():
            return first
        # Where nobody was known on entry, a token proves who is there; elsewhere it replaces one.
        entered = {
            self.old.side.document.leaf(row.to) for row in self.old.side.document.opening if row.to and not row.do
        }
        return None if self._reasons() else first if self.states[0] in entered else again

    def _reasons(self) -> set[str]:
        """The kinds of facts of the input that could have been refused for themselves."""
        bad = {"invalid", "exceeded", "seen", "other"}
        return {self._kind(f) for f, v in self.apart.wanted.facts if v in bad}

    def _judges_token(self) -> bool:
        return any(self._kind(f) == "token" and v != "valid" for f, v in self.apart.wanted.facts)

    def _refused_both(self) -> str:
        if self.old.errors != self.new.errors:
            return "E07" if self._several_wrong() else "E10"
        return self._closing() if self.old.closed != self.new.closed else "E08"

    def _outputs(self, otherwise: str) -> str:
        """Which outputs are more, fewer or other: to the client itself, then to the others."""
        if self._elsewhere():
            return "S08"
        joins = self.apart.joins
        for mine, theirs, own in (
            (self.old.mine, self.new.mine, True),
            (self.old.others, self.new.others, False),
        ):
            before, after = _counted(mine), _counted(theirs)
            more, fewer = after - before, before - after
            if (more or fewer) and not (more and fewer):
                return self._outnumbered(theirs if more else mine, more or fewer, bool(more), own, joins)
        return otherwise

    def _elsewhere(self) -> bool:
        """Whether only what timers said at once differs, since another state was entered."""
        by_input = [[one for one in outcome.mine if not one.timer] for outcome in (self.old, self.new)]
        return self.reached[0] != self.reached[1] and _counted(by_input[0]) == _counted(by_input[1])

    def _outnumbered(
        self, heard: list[Heard], names: Counter[tuple[str, str]], more: bool, own: bool, joins: bool
    ) -> str:
        spoken = any(one.broadcast for one in heard if (one.client, one.name) in names)
        if joins:
            return ("R03." if own and not spoken else "R04.") + ("added" if more else "removed")
        if spoken or not own:
            return "R01" if more else "R02"
        return "S04" if more else "S05"

    def _hear(self) -> str:
        if bool(self.old.mine) != bool(self.new.mine):
            return "R01" if self.new.mine else "R02"
        return "C01"

    # --------------------------------------------------------------------------------------------------- timers

    def _wait(self) -> str:
        old, new = self.old.mine, self.new.mine
        first, second = (old[0] if old else None), (new[0] if new else None)
        if first is None or second is None:
            return self._one_timer(first, second)
        if (first.what, first.name, _code(first)) != (second.what, second.name, _code(second)):
            return self._consequence(first, second)
        if abs(first.at - second.at) > _GRAIN:
            return self._moved(first, second)
        if (self.old.closed is None) != (self.new.closed is None):
            return "T06.escalated" if self.old.closed is None else "T06.eased"
        if self.old.closed != self.new.closed:
            return "T06.changed"
        return "C01" if len(old) == len(new) else "S04" if len(new) > len(old) else "S05"

    def _one_timer(self, first: Heard | None, second: Heard | None) -> str:
        ends = self.new.rejects if first is None else self.old.rejects
        if first is None:
            return "T02.added" if ends else "S04"
        return "T02.removed" if ends else "S05"

    def _consequence(self, first: Heard, second: Heard) -> str:
        """Another thing comes first: an expiry is told otherwise, or one of two timers is another or gone."""
        if abs(first.at - second.at) > _GRAIN:
            ends = (_ends(self.old, first), _ends(self.new, second))
            if first.at < second.at:
                return "T02.removed" if ends[0] else "S05"
            return "T02.added" if ends[1] else "S04"
        by_token = any(self._timer(o, h)[0] for o, h in ((self.old, first), (self.new, second)))
        if bool(self.old.closed) == bool(self.new.closed):
            return "A08" if by_token else "T06.changed"
        return "T06.escalated" if self.new.closed else "T06.eased"

    def _moved(self, first: Heard, second: Heard) -> str:
        kinds = self._timer(self.old, first), self._timer(self.new, second)
        if kinds[0][0] != kinds[1][0]:
            return "T07"
        sooner = second.at < first.at
        if not _ends(self.old, first):
            return "T03.shortened" if sooner else "T03.lengthened"
        if kinds[0][0]:
            return "A06.shortened" if sooner else "A06.lengthened"
        return "T01.shortened" if sooner else "T01.lengthened"

    def _timer(self, outcome: _Outcome, heard: Heard) -> tuple[bool, str]:
        """Whether the timer that fired counts by a moment of the token, and what it counts from."""
        for state in outcome.side.document.states.values():
            for timer in state.timers:
                if heard.pointer.startswith(f"{state_at(state.path)}/timers/{timer.name}/"):
                    return timer.at is not None, str(timer.at)
        return False, ""


def _ends(outcome: _Outcome, heard: Heard) -> bool:
    return heard.what == "closed" or heard.name == outcome.side.document.error_message


def _code(heard: Heard) -> Any:
    body = heard.body if isinstance(heard.body, Mapping) else {}
    inner = body.get("payload", body)
    return inner.get("code", body.get("code")) if isinstance(inner, Mapping) else None


def _headers(heard: Heard) -> Mapping[str, Any]:
    found = heard.body.get("headers", {}) if isinstance(heard.body, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _counted(heard: list[Heard]) -> Counter[tuple[str, str]]:
    return Counter((one.client, one.name) for one in heard)


def _names(document: Document) -> set[str]:
    return {version.subprotocol for version in document.versions if version.subprotocol is not None}


def _client(document: Document, name: str) -> bool:
    found = document.messages.get(name)
    return found is not None and found.client is not None


def state_at(path: str) -> str:
    """The JSON Pointer of a state."""
    return "/connection" + "".join(f"/states/{part}" for part in path.split("."))


def list_of(document: Document, state: str, name: str) -> str:
    """The JSON Pointer of the list of cases that decides an input in a state."""
    if state not in document.states:
        return "/opening/rows"
    for wanted in (name, "other"):
        for path in document.states[state].chain:
            if wanted in document.states[path].receive:
                return f"{state_at(path)}/receive/{wanted}"
        if wanted in document.receive:
            return f"/connection/receive/{wanted}"
    return state_at(state)
