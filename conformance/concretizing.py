"""From abstract words to scripts: tokens, ids, members and waits that make each abstract input real."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from conformance.edges import invalid_payloads
from conformance.exploring import Route, credential, taken_up
from conformance.plan import SOON, Plan
from conformance.scripts import Close, Expire, Idle, Open, Raw, Send, Settle, Step, token
from spec.abstraction import LONG, Answer, Input
from spec.abstraction.classes import list_of
from spec.expressions import compile_expression, pointer_get, root_of, with_member
from spec.model import Add, Effect, Fact, Update

__all__ = ["WHO", "Concretizer", "Script"]

_LEAST = 0.2
"""The shortest life of a token, in seconds."""

WHO, _OTHER, _PEER, _FAR, _BEFORE = "ana", "ben", "carol", "dan", "eve"
"""The client of a word; another subject; a member of its room, one of another room, and one who was there before."""

Word = Sequence[Input]


@frozen
class Script:
    """A word made real: what must be there before, and the steps of each input."""

    setup: tuple[Step, ...]
    moves: tuple[tuple[Step, ...], ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in their order."""
        return (*self.setup, *(step for move in self.moves for step in move))


class Concretizer:
    """Makes scripts of words over the inputs of a plan's layer."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._layer = plan.layer
        self._document = plan.document
        # The variables that say whose connection it is.
        self._holding = {root_of(fact.options["right"]) for fact in plan.document.facts.values() if fact.kind == "same"}
        self._largest = int(compile_expression(plan.document.largest)({"parameters": plan.parameters}))

    def script(self, word: Word) -> Script:
        """The script of a word that begins with an opening.

        Where a server goes on that should have ended the connection, so does the script, as if nothing had been asked.
        """
        setup: list[Step] = []
        moves: list[tuple[Step, ...]] = []
        state, held = self._layer.exact.initial, None
        for index, wanted in enumerate(word):
            target, answer = self._layer.onward(state, wanted)
            subject = self._subject(wanted, held)
            setup += [step for step in self._before(wanted, subject) if step not in setup]
            left = self._left(word[index + 1 :], target, wanted, accepted=_accepted(answer))
            moves.append(tuple(self._move(wanted, state, subject, f"word-{index}", left)))
            if self._bears(wanted) and answer is not None and answer.sets & self._holding:
                held = subject
            state = target
        return Script(tuple(setup), tuple(moves))

    # ------------------------------------------------------------------------------------------ whose, how long

    def _bears(self, wanted: Input) -> bool:
        """Whether an input brings a token that is accepted."""
        return self._verdict(wanted) in self._document.accepting

    def _verdict(self, wanted: Input) -> str | None:
        return next((value for fact, value in wanted.facts if self._kind(fact) == "token"), None)

    def _kind(self, fact: str) -> str:
        return self._document.facts[fact].kind

    def _subject(self, wanted: Input, held: str | None) -> str:
        other = any(value == "other" and self._kind(fact) == "same" for fact, value in wanted.facts)
        mine = held or WHO
        return mine if not other else _OTHER if mine == WHO else WHO

    def _left(self, rest: Word, state: str, wanted: Input, *, accepted: bool) -> float | None:
        """The life of a token, in seconds: what a wait needs that comes before the next token, else what is usual.

        A token that the document refuses, and a server may take, is as near its next timer and still of its class.
        """
        for following in rest:
            timers = self._layer.countdowns.get(state, ())
            if following.kind == "wait":
                if not accepted:
                    return max(_LEAST, (max(self._leads(), default=0.0) if wanted.life == LONG else 0.0) + SOON)
                if timers and timers[0].lead is not None:
                    # What has expired already lives until its grace ends, by which its life is counted.
                    past = self._plan.book.policy.reach("expired") if self._verdict(wanted) != "valid" else 0.0
                    return max(_LEAST, timers[0].lead + past + SOON)
                break
            state, answer = self._layer.onward(state, following)
            if self._bears(following) and _accepted(answer):
                break
        return None if wanted.life == LONG else self._short()

    def _leads(self) -> list[float]:
        return [c.lead for timers in self._layer.countdowns.values() for c in timers if c.lead is not None]

    def _short(self) -> float:
        """A life within every lead that there is."""
        return min(30.0, min(lead for lead in self._leads() if lead > 0) / 2)

    # ---------------------------------------------------------------------------------------------------- setup

    def _before(self, wanted: Input, subject: str) -> Iterator[Step]:
        """What must have happened before the word for an input to be of its classes."""
        if wanted.kind == "hear":
            state, _ = self._speaker(wanted.name)
            who, room = (_FAR, "b") if wanted.elsewhere else (_PEER, "a")
            yield from self._plan.members[state].steps(who, room=room)
        elif any(value == "seen" and self._kind(fact) == "memory" for fact, value in wanted.facts):
            yield from self._accepted(wanted.name, subject)

    def _accepted(self, message: str, subject: str) -> Iterator[Step]:
        """A client of the same subject, in a room of its own, whose message of this id was accepted."""
        who = f"{_BEFORE}-{subject}"
        routes = sorted(self._plan.routes.values(), key=lambda route: not self._sends(route, message))
        route = next(route for route in routes if route.sends or route.opening.headers or route.opening.query)
        seen = {"$id": f"seen-{subject}"}
        if self._sends(route, message):
            yield from route.steps(who, room="c", subject=subject, id=seen)
            return
        yield from route.steps(who, room="c", subject=subject)
        yield from (self._plan.send(who, message, subject=subject, label="seen", id=seen), Settle())

    def _sends(self, route: Route, message: str) -> bool:
        return any(send.message == message for send in route.sends)

    def _speaker(self, heard: str) -> tuple[str, str]:
        """A state and the client message by which a member of it makes others hear a message."""
        for state, message in self._plan.broadcasts():
            if any(said.message == heard for said in self._plan.said(self._plan.members[state], message)):
                return state, message
        raise LookupError(f"no state that a client can reach makes others hear {heard}")

    # ---------------------------------------------------------------------------------------------------- moves

    def _move(self, wanted: Input, state: str, subject: str, label: str, left: float | None) -> Iterator[Step]:
        match wanted.kind:
            case "open":
                yield from self._entered(wanted, subject, left)
            case "wait":
                timers = self._layer.countdowns.get(state, ())
                yield Expire(WHO, timers[0].name) if timers else Idle(None)
            case "close":
                yield Close(WHO)
            case "hear":
                who, room = (_FAR, "b") if wanted.elsewhere else (_PEER, "a")
                yield self._plan.send(who, self._speaker(wanted.name)[1], room=room)
            case _:
                yield from self._listed(wanted, label)
                yield self._receive(wanted, subject, label, left)
        yield Settle()

    def _listed(self, wanted: Input, label: str) -> Iterator[Step]:
        """What puts into a list the name that an input is to find there."""
        for fact, value in wanted.facts:
            if self._kind(fact) == "in_list" and value == "in":
                name = list_of(self._document.facts[fact])
                for message, pointer in self._adding(name):
                    yield _naming(self._plan.send(WHO, message), pointer, label)
                    yield Settle()
                    break

    def _adding(self, name: str) -> Iterator[tuple[str, str]]:
        """The messages that add to a list, each with the pointer to what it adds."""
        for state in self._document.states.values():
            for message, cases in state.receive.items():
                added = [e[name] for case in cases for e in map(_additions, case.do) if name in e]
                yield from ((message, str(item).partition("#")[2]) for item in added)

    def _entered(self, wanted: Input, subject: str, left: float | None) -> Iterator[Step]:
        """The opening; where it takes up a link, it is one that its client has made, or one that there is not."""
        opening = self._open(wanted, subject, left)
        name = taken_up(self._document)
        unknown = any(value == "unknown" and self._kind(fact) == "link" for fact, value in wanted.facts)
        if unknown and name is not None:
            yield evolve(opening, query=(*opening.query, (name, {"$id": "no-such-link"})))
        else:
            yield from self._plan.entry(opening, WHO)

    def _open(self, wanted: Input, subject: str, left: float | None) -> Open:
        opening = Open(WHO)
        for fact, value in wanted.facts:
            match self._kind(fact), value:
                case "path", "other":
                    opening = evolve(opening, path=self._other_path())
                case "upgrade", "none":
                    opening = evolve(opening, websocket=False)
                case "origin", "forbidden":
                    opening = evolve(opening, headers=(*opening.headers, ("Origin", "https://evil.example")))
                case "offer", _:
                    opening = evolve(opening, offer=_offer(value))
                case "credentials", _:
                    opening = self._presenting(opening, value, wanted, subject, left)
        return opening

    def _other_path(self) -> Any:
        first = self._document.other_paths[0]
        before, brace, rest = first.partition("{")
        return {"$join": [before, {"$room": "a"}, rest.partition("}")[2]]} if brace else first

    def _presenting(self, opening: Open, value: str, wanted: Input, subject: str, left: float | None) -> Open:
        places = self._document.credential_places()
        judged = self._verdict(wanted) or "valid"
        more: dict[str, Any] = {**self._plan.words_for(judged), **({} if left is None else {"left": left})}
        symbol = token(subject=subject, **more)
        count = {"none": 0, "one": 1}.get(value, 2)
        for place in (places * 2)[:count]:
            parts = credential(place, symbol)
            merged: dict[str, Any] = {key: (*getattr(opening, key), *added) for key, added in parts.items()}
            opening = evolve(opening, **merged)
        return opening

    def _receive(self, wanted: Input, subject: str, label: str, left: float | None) -> Step:
        match wanted.name:
            case "oversize":
                return self._plan.send(WHO, self._plan.client_messages()[-1].name, pad_to=self._largest + 1)
            case "binary":
                return Raw(WHO, binary=b'{"type":"auth"}'.hex())
            case "not_utf8":
                return Raw(WHO, not_utf8="c328")
            case "malformed":
                return Raw(WHO, text="{")
            case "other":
                return Send(WHO, "handfast_unknown")
        return self._message(wanted, subject, label, left)

    def _message(self, wanted: Input, subject: str, label: str, left: float | None) -> Send:
        classes = {self._kind(fact): value for fact, value in wanted.facts}
        words: dict[str, Any] = {"subject": subject, "label": label, **({} if left is None else {"left": left})}
        verdict = classes.get("token", "absent")
        if verdict != "absent":
            words["recipe"] = self._plan.words_for(verdict)
        identifier = {"$id": f"seen-{subject}"} if classes.get("memory") == "seen" else None
        send = self._plan.send(WHO, wanted.name, id=identifier, **words)
        for fact in (self._document.facts[name] for name, _ in wanted.facts):
            if fact.kind == "in_list":
                send = _naming(send, str(fact.options["value"]).partition("#")[2], label)
            if fact.kind == "present" and wanted.classes[fact.name] == "present":
                send = _holding(send, str(fact.options["of"]).partition("#")[2])
            if fact.kind == "one_of":
                send = self._valued(send, fact, wanted.classes[fact.name])
        if verdict == "absent" and "token" in classes:
            send = self._bare(send)
        send = evolve(send, payload=self._differing(wanted, send.payload))
        if self._elsewhere(wanted):
            send = evolve(send, change={**send.change, "/namespace": "/handfast"})
        return self._spoiled(send) if classes.get("payload") == "invalid" else send

    def _valued(self, send: Send, fact: Fact, value: str) -> Send:
        """The message with the value of which a fact is asked."""
        pointer = str(fact.options["of"]).partition("#")[2]
        given = compile_expression(fact.options["values"].get(value, "handfast"))
        member = given({"parameters": self._plan.parameters})
        return evolve(send, payload=with_member(send.payload, pointer, member))

    def _elsewhere(self, wanted: Input) -> bool:
        """Whether an input is of another namespace: its document compares one of the message's own members."""
        others = [self._document.facts[fact] for fact, value in wanted.facts if value == "other"]
        return any(str(f.options.get("left", "")) == "$message.namespace" for f in others if f.kind == "same")

    def _differing(self, wanted: Input, payload: Any) -> Any:
        """The payload, with another value where the document compares a member and it is to differ."""
        for name, value in wanted.facts:
            fact = self._document.facts[name]
            pointer = str(fact.options.get("left", "")).removeprefix("$message.payload#")
            if fact.kind != "same" or value != "other" or not pointer.startswith("/"):
                continue
            given = pointer_get(payload, pointer)
            other = given + 7 if isinstance(given, int) else {"$join": [given, "-another"]}
            payload = with_member(payload, pointer, other)
        return payload

    def _bare(self, send: Send) -> Send:
        """The message without its token."""
        form = self._plan.message(send.message).client
        assert form is not None
        return evolve(send, drop=tuple(self._document.envelope.payload + pointer for pointer in form.secret))

    def _spoiled(self, send: Send) -> Send:
        form = self._plan.message(send.message).client
        assert form is not None
        spoiled = next(iter(invalid_payloads(form, send.payload).values()), None)
        if spoiled is None:
            return evolve(send, change={self._document.envelope.payload: "handfast"})
        return evolve(send, payload=spoiled)


def _naming(send: Send, pointer: str, label: str) -> Send:
    """The message with a name of its own where a pointer says."""
    return evolve(send, payload=with_member(send.payload, pointer, {"$id": label}))


def _holding(send: Send, pointer: str) -> Send:
    """The message with something where a pointer says."""
    return evolve(send, payload=with_member(send.payload, pointer, "handfast")) if pointer else send


def _additions(effect: Effect) -> Mapping[str, Any]:
    """What an effect adds to lists, by their names."""
    if isinstance(effect, Update):
        return effect.add
    return effect.values if isinstance(effect, Add) else {}


def _accepted(answer: Answer | None) -> bool:
    """Whether the document takes what an input brings."""
    return answer is not None and bool(answer.sets)


def _offer(value: str) -> tuple[str, ...]:
    return {"none": (), "other": ("handfast.unknown",)}.get(value, tuple(value.split("+")))
