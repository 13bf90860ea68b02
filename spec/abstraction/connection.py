"""The connection layer of a document as a finite machine: its rows and cases over classes of requests and messages.

States are the innermost states of the document, with the rooms that a connection is in; times, ids, names and contents
are abstracted away. `start` is before the upgrade, `closed` behind every close and refusal.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import asdict, define, evolve, field, frozen

from spec import model
from spec.abstraction.classes import Classes, list_of
from spec.abstraction.inputs import LONG, SHORT, Input
from spec.abstraction.mealy import Mealy
from spec.expressions import compile_expression, root_of

__all__ = ["CLOSED", "START", "Answer", "Countdown", "Layer", "abstract", "merged"]

START, CLOSED = "start", "closed"

FRAMES = ("oversize", "binary", "not_utf8", "malformed", "other")
"""What can arrive instead of a message of a known type."""

_MOST = 64
"""How many combinations of classes one message may have."""


@frozen
class Answer:
    """What comes of an input: `seen` is what its client observes, in order; `detail` all that the document says of it.

    Two machines whose details agree everywhere cannot be told apart by any behaviour of the connection layer. `sets`
    names the connection's variables that get a new value, `pointers` the rows and cases that decide.
    """

    seen: tuple[str, ...]
    detail: str
    sets: frozenset[str] = field(eq=False)
    rules: tuple[str, ...] = field(eq=False)
    pointers: tuple[str, ...] = field(eq=False)


@frozen
class Countdown:
    """A timer as a state meets it: `lead` is how long before the end of a token it fires, in seconds (negative where it
    fires behind it), None where it runs for `seconds` from the entry of its state, whatever token there is.
    """

    name: str
    state: str
    lead: float | None
    seconds: float


@frozen
class Layer:
    """A layer of a document under a deployment's parameters.

    `exact` is its machine, `countdowns` the timers of each of its states, the next one first, `spoken` the rooms of the
    messages that members hear of each other, and `left_out` says what the machine does not hold, and why.
    """

    name: str
    exact: Mealy[Input, Answer]
    countdowns: Mapping[str, tuple[Countdown, ...]]
    spoken: Mapping[str, str]
    left_out: tuple[str, ...]

    @property
    def machine(self) -> Mealy[Input, tuple[str, ...]]:
        """The machine as its client sees it."""
        return Mealy(
            self.exact.initial,
            {key: (state, answer.seen) for key, (state, answer) in self.exact.table.items()},
            self.exact.final,
        )

    def onward(self, state: str, wanted: Input) -> tuple[str, Answer | None]:
        """Where an input leads and what the document says of it, for words that go on where the document ends.

        An input that ends the connection, or that a state is not asked, leaves the state as it is.
        """
        target, answer = self.exact.table.get((state, wanted), (state, None))
        return (state if target in self.exact.final else target), answer

    def answer(self, state: str, wanted: Input) -> Answer:
        """What the document says of an input in a state."""
        return self.exact.table[state, wanted][1]


def abstract(document: model.Document, parameters: Mapping[str, Any]) -> Layer:
    """The connection layer of a document."""
    return _Connection(document, parameters).layer()


def merged(layer: Layer) -> Layer:
    """The layer with states that behave alike taken as one, so that suites exist for it; what was taken is told.

    States can be alike under one deployment's parameters and not under another's; alike under all, they are one state
    written twice.
    """
    same: dict[str, str] = {}
    for first, second in sorted(layer.machine.twins()):
        same.setdefault(second, same.get(first, first))
    told = [f"`{second}` behaves as `{first}` does and is taken for it" for second, first in same.items()]
    return evolve(layer, exact=layer.exact.merged(same), left_out=(*layer.left_out, *told))


@frozen
class _Place:
    """Where a connection is: its state, its rooms, and the timers of the state that have fired (each fires once).

    `listed` are the lists of its link that have what the examples of its client's messages add to them.
    """

    leaf: str
    rooms: frozenset[str] = frozenset()
    spent: frozenset[tuple[str, str]] = frozenset()
    listed: frozenset[str] = frozenset()


@define
class _Event:
    """One input being answered."""

    place: _Place
    life: str
    known: Mapping[str, str] = field(factory=dict)
    seen: list[str] = field(factory=list)
    detail: list[Any] = field(factory=list)
    sets: set[str] = field(factory=set)
    rules: list[str] = field(factory=list)
    pointers: list[str] = field(factory=list)
    over: bool = False

    def say(self, shown: str, *detail: Any) -> None:
        self.seen.append(shown)
        self.detail.append([shown, *detail])

    def answer(self) -> Answer:
        text = json.dumps(self.detail, sort_keys=True, default=str)
        rules = tuple(dict.fromkeys(self.rules))
        return Answer(tuple(self.seen), text, frozenset(self.sets), rules, tuple(self.pointers))


class _Connection:
    def __init__(self, document: model.Document, parameters: Mapping[str, Any]) -> None:
        self._document = document
        self._parameters = parameters
        self._classes = Classes(document, parameters)
        self._leaves = list(document.leaves())
        self._left_out: dict[str, None] = {}

    def layer(self) -> Layer:
        table: dict[tuple[str, Input], tuple[str, Answer]] = {}
        names = _Names()
        pending: deque[_Place] = deque()

        def note(state: str, wanted: Input, event: _Event) -> None:
            target = CLOSED if event.over else names.of(event.place)
            table[state, wanted] = (target, event.answer())
            if target not in known:
                known.add(target)
                pending.append(event.place)

        known = {CLOSED}
        for wanted, event in self._openings():
            note(START, wanted, event)
        inputs = self._inputs()
        while pending:
            place = pending.popleft()
            for wanted in inputs:
                note(names.of(place), wanted, self._respond(place, wanted))
        out = [f"{what}: {why}" for what, why in self._classes.left_out.items()]
        _without_idle_lives(table)
        countdowns = {names.of(place): self._countdowns(place.leaf) for place in names.places()}
        machine = Mealy(START, table, frozenset({CLOSED}))
        return Layer("connection", machine, countdowns, self._spoken(), (*out, *self._left_out))

    def _countdowns(self, leaf: str) -> tuple[Countdown, ...]:
        return tuple(
            Countdown(t.name, t.state, None if t.at is None else self._offset(t), self._seconds(t.after))
            for t in self._running(leaf)
        )

    # ------------------------------------------------------------------------------------------------- openings

    def _openings(self) -> Iterator[tuple[Input, _Event]]:
        for known, row in self._classes.paths(self._document.opening):
            assert isinstance(row, model.OpeningRow)
            facts = tuple(known.items())
            bearing = self._bears(known)
            for life in self._lives() if bearing and row.to is not None else (LONG,):
                yield Input("open", "", facts, life), self._opened(row, known, life)

    def _bears(self, known: Mapping[str, str]) -> bool:
        """Whether classes are those of a token that is accepted."""
        accepting = self._document.accepting
        return any(self._document.facts[f].kind == "token" and value in accepting for f, value in known.items())

    def _opened(self, row: model.OpeningRow, known: Mapping[str, str], life: str) -> _Event:
        event = _Event(_Place(""), life)
        headers = self._headers(row, known)
        event.rules += [*row.rules, *(rule for header in headers for rule in header.rules)]
        event.pointers.append(row.pointer)
        carried = [asdict(header, filter=_unruled) for header in headers]
        if row.to is None:
            event.say(f"{row.status} {row.code}", row.body, dict(row.headers), carried, self._document.refusal_body)
            event.over = True
            return event
        event.say(f"101 {row.subprotocol or '(no subprotocol)'}", carried)
        self._run(event, row.do)
        self._enter(event, row.to, ())
        return event

    def _headers(self, row: model.OpeningRow, known: Mapping[str, str]) -> list[model.HeaderRule]:
        found = []
        for rule in self._document.header_rules:
            try:
                passes = self._classes.decide([rule], known) is not None
            except LookupError:
                passes = False
            if row.status in rule.statuses and passes:
                found.append(rule)
        return found

    # --------------------------------------------------------------------------------------------------- inputs

    def _inputs(self) -> list[Input]:
        """Every input of an open connection."""
        found = [Input("receive", name) for name in FRAMES]
        for message in self._document.messages.values():
            if message.client is not None:
                found += self._messages(message.name)
        found.append(Input("wait"))
        found.append(Input("close"))
        for name in self._spoken():
            found += [Input("hear", name), Input("hear", name, elsewhere=True)]
        return found

    def _messages(self, name: str) -> Iterator[Input]:
        lists = [self._cases(leaf, name) for leaf in self._leaves]
        products = self._classes.products(lists, self._document.messages[name].client)
        if len(products) > _MOST:
            self._left_out[f"{name}: {len(products)} combinations of classes are more than {_MOST}"] = None
            products = products[:_MOST]
        for known in products:
            starts = self._bears(known) and any(self._starts(cases, known) for cases in lists)
            for life in self._lives() if starts else (LONG,):
                yield Input("receive", name, tuple(known.items()), life)

    def _starts(self, cases: Sequence[model.Case], known: Mapping[str, str]) -> bool:
        """Whether some case of a list that these classes pass sets variables, and with them timers."""
        return any(
            any(isinstance(effect, model.Set) for effect in case.do)
            for case in cases
            if self._classes.decide([case], known) is not None
        )

    def _lives(self) -> tuple[str, ...]:
        leads = any(self._offset(timer) > 0 for state in self._document.states.values() for timer in state.timers)
        return (LONG, SHORT) if leads else (LONG,)

    def _spoken(self) -> dict[str, str]:
        """The messages that members of a room hear of each other, each with its room."""
        names = [message.name for message in self._document.messages.values() if message.client is not None]
        said = [effect for name in names for case in self._met(name) for effect in case.do]
        return {effect.message: effect.room for effect in said if isinstance(effect, model.Broadcast)}

    def _met(self, name: str) -> Iterator[model.Case]:
        """The cases of a message that some combination of classes comes to."""
        lists = [self._cases(leaf, name) for leaf in self._leaves]
        for known in self._classes.products(lists)[:_MOST]:
            for cases in lists:
                case = self._classes.decide(cases, known)
                if isinstance(case, model.Case):
                    yield case

    def _cases(self, leaf: model.State, name: str) -> tuple[model.Case, ...]:
        """The cases that decide an input in a state: those of the innermost level that has any."""
        levels = [*(self._document.states[path].receive for path in leaf.chain), self._document.receive]
        for wanted in (name, "other"):
            for level in levels:
                if wanted in level:
                    return tuple(
                        case for case in level[wanted] if case.inside is None or _within(leaf.path, case.inside)
                    )
        return ()

    # ------------------------------------------------------------------------------------------------ responses

    def _respond(self, place: _Place, wanted: Input) -> _Event:
        event = _Event(place, wanted.life)
        match wanted.kind:
            case "wait":
                self._wait(event)
            case "close":
                event.say("close answered")
                event.rules += self._document.answer_close
                event.over = True
            case "hear":
                self._hear(event, wanted)
            case _:
                cases = self._cases(self._document.states[place.leaf], wanted.name)
                self._decide(event, cases, {**wanted.classes, **self._lists(place)})
        return event

    def _lists(self, place: _Place) -> dict[str, str]:
        """Whether what a client's example names is in a list, as the place says."""
        found = {}
        for fact in self._document.facts.values():
            if fact.kind == "in_list" and list_of(fact) in self._classes.roomy:
                found[fact.name] = "in" if list_of(fact) in place.listed else "out"
        return found

    def _decide(self, event: _Event, cases: Sequence[model.Case], known: Mapping[str, str]) -> None:
        case = self._classes.decide(cases, known)
        assert isinstance(case, model.Case), f"no case decides in {event.place.leaf}"
        event.rules += case.rules
        event.pointers.append(case.pointer)
        event.known = known
        self._run(event, case.do)
        if case.to is not None and not event.over:
            self._move(event, case.to)

    def _run(self, event: _Event, effects: Iterable[model.Effect]) -> None:
        for effect in effects:
            self._effect(event, effect)

    def _effect(self, event: _Event, effect: model.Effect) -> None:
        match effect:
            case model.Emit(message, payload, reply):
                event.say(message, payload, reply)
            case model.Broadcast(message, room):
                detail = asdict(effect, filter=_unruled), self._document.rooms[room]
                if effect.key is None and room in event.place.rooms and not effect.others:
                    event.say(message, *detail)
                else:
                    event.detail.append(detail)
            case model.Fail(code, in_reply, room, form):
                event.detail += [["to", room, self._document.rooms[room]]] if room is not None else []
                if room is None or room in event.place.rooms:
                    self._fail(event, code, in_reply or self._document.error_in_reply, form)
            case model.Update(_, _, added, removed):
                listed = ((event.place.listed | {*added}) - {*removed}) & self._classes.roomy
                event.place = evolve(event.place, listed=listed)
                event.detail.append(["update", asdict(effect)])
            case model.Create() | model.Attach() | model.Drop() | model.Holder() | model.Join(each=str()):
                # What becomes of links, and of who held them, lies beside this layer.
                event.detail.append([type(effect).__name__, asdict(effect)])
            case model.Append(log) | model.Read(log):
                event.detail.append([asdict(effect), asdict(self._document.logs[log], filter=_unruled)])
            case model.Close("may") | model.Start() | model.Stop():
                # Timers of the connection, and what a server may do, lie beside this layer.
                event.detail.append(asdict(effect))
            case model.Add() | model.Remove() | model.Waive():
                # A list has what an input is said to find in it.
                event.detail.append([type(effect).__name__, asdict(effect)])
            case model.Put():
                event.detail.append(["put", asdict(effect)])
            case model.Close(code):
                event.say(f"close {_written(code)}")
                event.over = True
            case model.Join(room):
                if room not in event.place.rooms or not self._constant(self._document.rooms[room]):
                    event.detail.append(["join", room, self._document.rooms[room]])
                event.place = evolve(event.place, rooms=event.place.rooms | {room})
            case model.Leave(room):
                event.place = evolve(event.place, rooms=event.place.rooms - {room})
                event.detail.append(["leave", room, self._document.rooms[room]])
            case model.Set(values):
                event.sets.update(values)
                changed = {name: value for name, value in values.items() if not self._same(event, name, value)}
                event.detail += [["set", changed]] if changed else []
            case model.Remember(memory):
                event.detail.append(["remember", asdict(self._document.memories[memory]), asdict(effect)])
            case model.Decide() | model.Expel() | model.Tell() | model.Vacate() | model.Write() | model.Forget():
                # What clients share lies beside this layer.
                event.detail.append([type(effect).__name__, asdict(effect, filter=_unruled)])

    def _constant(self, expression: Any) -> bool:
        """Whether an expression reads a variable that no effect sets."""
        effects = [effect for row in self._document.opening for effect in row.do]
        for leaf in self._leaves:
            for path in leaf.chain:
                state = self._document.states[path]
                tables = [*state.receive.values(), *(timer.expire for timer in state.timers)]
                effects += [effect for cases in tables for case in cases for effect in case.do]
        changed = {name for effect in effects if isinstance(effect, model.Set) for name in effect.values}
        name = root_of(str(expression))
        return name in self._document.variables and name not in changed

    def _same(self, event: _Event, name: str, value: Any) -> bool:
        """Whether a variable is set to what it is found to be already."""
        pairs = (
            {fact.options["left"], fact.options["right"]}
            for fact in self._document.facts.values()
            if fact.kind == "same" and event.known.get(fact.name) == "same"
        )
        return isinstance(value, str) and any(pair == {value, f"${name}"} for pair in pairs)

    def _fail(self, event: _Event, code: str, in_reply: str, form: str | None) -> None:
        error = self._document.errors[code]
        told = self._document.error_forms[form] if form is not None else None
        message = self._document.error_message if told is None else told.message
        payload = self._document.error_payload if told is None else told.payload
        event.say(f"{message} {code}", in_reply, error.retryable, payload)
        closing = error.closes(event.place.leaf) if told is None else told.close
        if closing is not None:
            event.say(
                f"close {_written(closing)}",
                self._document.close_reasons.get(closing) if isinstance(closing, int) else None,
            )
            event.rules += self._document.close_rules
            event.over = True

    def _hear(self, event: _Event, wanted: Input) -> None:
        room = self._spoken()[wanted.name]
        if room in event.place.rooms and not wanted.elsewhere:
            event.say(wanted.name)
        said = [
            effect
            for leaf in self._leaves
            for name in self._document.messages
            for case in self._cases(leaf, name)
            for effect in case.do
            if isinstance(effect, model.Broadcast) and effect.message == wanted.name
        ]
        event.rules += dict.fromkeys(rule for e in said for rule in (e.isolation if wanted.elsewhere else e.order))

    # --------------------------------------------------------------------------------------------------- timers

    def _offset(self, timer: model.TimerRule) -> float:
        """How long before its moment a timer fires, in seconds; negative where it fires behind it."""
        if timer.at is None:
            return 0.0
        return self._seconds(timer.before) - sum(map(self._seconds, timer.plus))

    def _seconds(self, value: Any) -> float:
        found = compile_expression(value)({"parameters": self._parameters}) if value is not None else None
        return float(found or 0.0)

    def _running(self, leaf: str) -> list[model.TimerRule]:
        """The timers of a state, the next one first: those that a token brings near, then the others."""
        timers = [timer for path in self._document.states[leaf].chain for timer in self._document.states[path].timers]
        moments = sorted((t for t in timers if t.at is not None), key=lambda timer: -self._offset(timer))
        return [*moments, *sorted((t for t in timers if t.at is None), key=lambda timer: self._seconds(timer.after))]

    def _wait(self, event: _Event) -> None:
        timers = [t for t in self._running(event.place.leaf) if (t.state, t.name) not in event.place.spent]
        if not timers:
            return
        if timers[0].at is not None and timers[-1].at is None:
            self._left_out[f"`{timers[-1].name}` in {event.place.leaf}: `{timers[0].name}` can come first"] = None
        self._fire(event, timers[0])

    def _fire(self, event: _Event, timer: model.TimerRule) -> None:
        moment = [timer.name, timer.after, timer.at, timer.before, timer.plus]
        event.detail.append(["timer", *moment, self._offset(timer), self._seconds(timer.after)])
        cases = [c for c in timer.expire if c.inside is None or _within(event.place.leaf, c.inside)]
        event.place = evolve(event.place, spent=event.place.spent | {(timer.state, timer.name)})
        self._decide(event, cases, {})

    def _move(self, event: _Event, to: str) -> None:
        here, leaf = event.place.leaf, self._document.leaf(to)
        reenters = _within(here, to)
        kept = [p for p in self._document.states[here].chain if _within(leaf, p) and not (reenters and _within(p, to))]
        self._enter(event, to, kept)

    def _enter(self, event: _Event, to: str, kept: Sequence[str]) -> None:
        leaf = self._document.leaf(to)
        started = [path for path in self._document.states[leaf].chain if path not in kept]
        spent = frozenset((path, name) for path, name in event.place.spent if path in kept)
        event.place = evolve(event.place, leaf=leaf, spent=spent)
        timers = sorted(timer.name for timer in self._running(leaf) if timer.state in started)
        event.detail += [["start", *timers]] if timers else []
        if event.life == SHORT:
            self._fire_at_once(event, started)

    def _fire_at_once(self, event: _Event, started: Sequence[str]) -> None:
        """A timer whose moment has passed when it starts fires behind what started it."""
        for timer in self._running(event.place.leaf):
            if timer.state in started and timer.at is not None and self._offset(timer) > 0 and not event.over:
                here = event.place.leaf
                self._fire(event, timer)
                if event.place.leaf != here:
                    return


@define
class _Names:
    """Names of places: a state's own, with its rooms where one state is met with different ones."""

    known: dict[str, list[_Place]] = field(factory=dict)

    def of(self, place: _Place) -> str:
        places = self.known.setdefault(place.leaf, [])
        if place not in places:
            places.append(place)
        number = places.index(place)
        if number == 0:
            return place.leaf
        behind = f" behind {'+'.join(sorted(name for _, name in place.spent))}" if place.spent else ""
        listed = f" with {'+'.join(sorted(place.listed))}" if place.listed else ""
        return f"{place.leaf} in {'+'.join(sorted(place.rooms)) or 'no room'}{listed}{behind}"

    def places(self) -> list[_Place]:
        """Every place that was named."""
        return [place for places in self.known.values() for place in places]


def _without_idle_lives(table: dict[tuple[str, Input], tuple[str, Answer]]) -> None:
    """Leave out short-lived tokens with which every state answers as it does without."""
    short = {wanted for _, wanted in table if wanted.life == SHORT}
    differing = {
        wanted for (state, wanted), step in table.items() if wanted in short and step != table[state, _long(wanted)]
    }
    for key in [key for key in table if key[1] in short - differing]:
        del table[key]


def _written(close: model.Ends) -> str:
    return " or ".join(map(str, close)) if isinstance(close, tuple) else str(close)


def _long(wanted: Input) -> Input:
    return evolve(wanted, life=LONG)


def _unruled(attribute: Any, value: Any) -> bool:
    return attribute.name not in {"rules", "isolation", "order", "pointer"}


def _within(state: str, ancestor: str) -> bool:
    return state == ancestor or state.startswith(ancestor + ".")
