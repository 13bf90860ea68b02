"""Finding the way: which steps lead a client into each state, found by running the machine without a wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from conformance.framing import Closed, Receiver, Took
from conformance.scripts import (
    Close,
    Expire,
    Fragment,
    Frames,
    HalfClose,
    Idle,
    Open,
    Post,
    Raw,
    Reset,
    Send,
    Settle,
    Step,
    Stream,
    token,
)
from conformance.symbols import Symbols
from spec.bindings.registry import BINDINGS
from spec.machine import Binary, Emission, NotUTF8, Output, Refusal, Text, Upgrade
from spec.machine.values import Breach, Choice, Frame
from spec.machine.world import CLOSED, World
from spec.messages import Ear
from spec.model import Attach, Create, Document, Message

if TYPE_CHECKING:
    from conformance.target import Target

__all__ = [
    "Endless",
    "Explorer",
    "Rehearsal",
    "Route",
    "Stage",
    "credential",
    "example",
    "in_room",
    "of_client",
    "opened",
    "queried_by",
    "symbolic",
    "taken_up",
    "ticket",
]

_MOST_FIRED = 100
"""How many timers may fire while a script waits for one moment: more fire without end."""


@frozen
class Rehearsal:
    """What a script leads to by the rules.

    `outputs` are those of the last step that sent anything; `states` are the clients' states, `dues` their timers;
    `unheard` counts the steps of clients that by the rules have no connection then; `shared` says that a message
    reaches a room which is not this script's alone, `made` that the last request made a link.
    """

    answer: Refusal | Upgrade | None
    outputs: tuple[Output, ...]
    states: Mapping[str, str]
    dues: Mapping[str, Mapping[str, float]]
    rules: tuple[str, ...]
    elapsed: float
    unheard: int = 0
    shared: bool = False
    made: bool = False


@frozen
class Route:
    """How a client comes into a state: requests that make its link, an opening, then messages with a token or not."""

    state: str
    opening: Open
    sends: tuple[Send, ...] = ()
    short: bool = False
    _left: float = field(default=30.0, alias="left")
    before: tuple[Post, ...] = ()

    def steps(
        self,
        client: str,
        *,
        room: Any = "a",
        subject: str | None = None,
        left: float | None = None,
        id: Any = None,  # noqa: A002
        address: str | None = None,
        label: str | None = None,
    ) -> tuple[Step, ...]:
        """The route's steps for a client; the last token on the way lives `left` seconds."""
        life = left if left is not None else self._left if self.short else None
        more: dict[str, Any] = {}
        if life is not None:
            more["left"] = life
        if label is not None:
            more["label"] = label
        if room != "a":
            more["room"] = room
        wanted = token("valid", subject or client, **more)
        opening = evolve(
            self.opening,
            client=client,
            room=room,
            address=address,
            headers=_with_token(self.opening.headers, wanted),
            query=of_client(_with_token(self.opening.query, wanted), client),
        )
        steps: list[Step] = [
            evolve(
                post,
                client=client,
                headers=_with_token(post.headers, wanted),
                query=_with_token(post.query, wanted),
            )
            for post in self.before
        ]
        steps += [opening, Settle()]
        for send in self.sends:
            payload = in_room(_with_token(send.payload, wanted), room)
            steps += [evolve(send, client=client, id=id, payload=payload), Settle()]
        return tuple(steps)


def opened(steps: Iterable[Step], **changed: Any) -> tuple[Step, ...]:
    """A route's steps with another opening."""
    return tuple(evolve(step, **changed) if isinstance(step, Open) else step for step in steps)


def _with_token(value: Any, wanted: Mapping[str, Any]) -> Any:
    """Replace every token symbol in a value by the one wanted, of the recipe that it names."""
    if isinstance(value, Mapping):
        if set(value) == {"$token"}:
            return {"$token": {**wanted["$token"], "recipe": value["$token"]["recipe"]}}
        return {k: _with_token(v, wanted) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(_with_token(member, wanted) for member in value)
    return [_with_token(member, wanted) for member in value] if isinstance(value, list) else value


def of_client(value: Any, client: str) -> Any:
    """Replace whose link a symbol names."""
    if isinstance(value, Mapping):
        if set(value) == {"$link"}:
            return {"$link": {**value["$link"], "of": client}}
        return {name: of_client(member, client) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(of_client(member, client) for member in value)
    return value


def in_room(value: Any, room: Any) -> Any:
    """Replace the name of every room in a value by the one wanted, a label or a symbol."""
    if isinstance(value, Mapping):
        if set(value) == {"$room"}:
            return {"$room": room} if isinstance(room, str) else room
        return {name: in_room(member, room) for name, member in value.items()}
    return [in_room(member, room) for member in value] if isinstance(value, list) else value


def example(message: Message, index: int = 0, **more: Any) -> Any:
    """An example of a client's message, as symbols."""
    assert message.client is not None
    return symbolic(message.client.examples[index], more)


def symbolic(value: Any, more: Mapping[str, Any]) -> Any:
    """A value of a document whose `$token.…`, `$room.…`, `$parameters.…`, `$fresh` and `$self` are made symbols."""
    if isinstance(value, str) and value.startswith("$token."):
        return token(value.removeprefix("$token."), **more)
    if isinstance(value, str) and value.startswith("$room."):
        return {"$room": "a"}
    if isinstance(value, str) and value.startswith("$parameters."):
        return {"$parameter": value.removeprefix("$parameters.")}
    if value == "$fresh":
        return {"$id": None}
    if value == "$self":
        return {"$self": None}
    if isinstance(value, Mapping):
        return {name: symbolic(member, more) for name, member in value.items()}
    return [symbolic(member, more) for member in value] if isinstance(value, list) else value


class Explorer:
    """Rehearses scripts on the machine, and finds a route into every state that can be reached."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.document = target.document
        self._stage = Stage(target)
        self.ways = [post for post in negotiations(target.document) if self.rehearse([post]).made]
        self.routes = self._explore()
        self.members = {state: self._member(route) for state, route in self.routes.items()}

    def rehearse(self, steps: Iterable[Step]) -> Rehearsal:
        """Play steps on the machine in a time of its own."""
        return self.behind(steps).rehearsal

    def behind(self, steps: Iterable[Step]) -> Stage:
        """How things stand behind steps; it is shared, so go on with a copy."""
        stage = self._stage
        for step in steps:
            # A rehearsal owes nothing that could be waited for.
            if not isinstance(step, Settle):
                stage = stage.behind(step)
        return stage

    def rehearse_once(self, steps: Iterable[Step]) -> Rehearsal:
        """The same for steps that no other script begins with: nothing is kept of it."""
        stage = Stage(self.target)
        for step in steps:
            stage.step(step)
        return stage.rehearsal

    def entry(self, opening: Open, subject: str | None = None, way: int = 0) -> tuple[Step, ...]:
        """An opening, behind the request that makes its link where there is one to take up."""
        name = taken_up(self.document)
        if name is None or not self.ways:
            return (opening,)
        made = evolve(self.ways[way], client=opening.client)
        wanted = token("valid", subject or opening.client)
        post = evolve(made, headers=_with_token(made.headers, wanted), query=_with_token(made.query, wanted))
        return (post, evolve(opening, query=(*opening.query, ticket(self.document, opening.client))))

    def _openings(self) -> list[Open]:
        """Ways to ask for an upgrade, the plainest of the newest version first."""
        offers = [(version.subprotocol,) for version in self.document.versions if version.subprotocol] + [()]
        places = self.document.credential_places()
        plain = [Open("x", offer=offer) for offer in offers]
        bearing = [evolve(Open("x", offer=offer), **credential(place, token())) for offer in offers for place in places]
        return plain + bearing

    def _explore(self) -> dict[str, Route]:
        routes: dict[str, Route] = {}
        frontier = []
        for opening in self._openings():
            *before, entering = self.entry(opening, "ana")
            assert isinstance(entering, Open)
            state = self.rehearse([*before, entering]).states.get("x")
            if state is not None and state != CLOSED and state not in routes:
                posts = tuple(step for step in before if isinstance(step, Post))
                routes[state] = Route(state, entering, before=posts)
                frontier.append(routes[state])
        while frontier:
            route = frontier.pop(0)
            for send, short in self._moves(route):
                found = Route("", route.opening, (*route.sends, send), short, before=route.before)
                state = self.rehearse(found.steps("x")).states.get("x", CLOSED)
                if state != CLOSED and state not in routes:
                    routes[state] = evolve(found, state=state)
                    frontier.append(routes[state])
        return self._by_short_tokens(routes)

    def _member(self, route: Route) -> Route:
        """The way to a state as a member of a room, where one more message makes the client one."""
        if self.behind(route.steps("x")).members():
            return route
        for send, short in self._moves(route):
            found = evolve(route, sends=(*route.sends, send), short=short)
            stage = self.behind(found.steps("x"))
            if stage.state("x") == route.state and stage.members():
                return found
        return route

    def _moves(self, route: Route) -> Iterable[tuple[Send, bool]]:
        for message in self.document.messages.values():
            for index in range(len(message.client.examples) if message.client is not None else 0):
                yield Send("x", message.name, example(message, index)), route.short

    def _by_short_tokens(self, routes: dict[str, Route]) -> dict[str, Route]:
        """States that only a token with little life left leads to at once."""
        for route in tuple(routes.values()):
            brief = evolve(route, short=True)
            state = self.rehearse(brief.steps("x")).states.get("x", CLOSED)
            if state != CLOSED and state not in routes:
                routes[state] = evolve(brief, state=state)
        return routes


def credential(place: Mapping[str, str], value: Any) -> dict[str, Any]:
    """The part of an `Open` that puts a credential in a place."""
    if "header" in place:
        return {"headers": ((place["header"], {"$join": [f"{place['scheme']} ", value]}),)}
    return {"query": ((place["query"], value),)}


def taken_up(document: Document) -> str | None:
    """The query parameter by which an opening takes up a link, None where it takes up none."""
    attached = [e for row in document.opening for e in row.do if isinstance(e, Attach)]
    return next((name for effect in attached if (name := queried_by(effect.key)) is not None), None)


def queried_by(expression: Any) -> str | None:
    """The query parameter that an expression reads, None where it reads something else."""
    text = str(expression)
    return text.removeprefix("$query.") if text.startswith("$query.") else None


def ticket(document: Document, client: str) -> tuple[str, Any]:
    """The part of a query that takes up the link that a request of a client has made."""
    effect = next(e for row in document.opening for e in row.do if isinstance(e, Attach))
    return str(taken_up(document)), {"$link": {"of": client, "field": document.links[effect.link].key}}


def negotiations(document: Document) -> list[Post]:
    """Requests that may make a link, the plainest for the newest version first."""
    found = []
    for endpoint in document.http.values():
        if any(isinstance(effect, Create) for row in endpoint.rows for effect in row.do):
            facts = [document.facts[name] for name in dict.fromkeys(n for row in endpoint.rows for n in row.when)]
            versions: list[tuple[tuple[str, Any], ...]] = [()]
            for fact in facts:
                name = queried_by(fact.options.get("of")) if fact.kind == "number" else None
                if name is not None:
                    limit = int(fact.options["limit"])
                    versions = [((name, str(limit + 1)),), (), ((name, str(limit)),)]
            plain = Post("x", endpoint.name, dict(endpoint.examples[0]))
            for version in versions:
                for place in document.credential_places():
                    parts = credential(place, token())
                    query = (*version, *parts.pop("query", ()))
                    found.append(evolve(plain, query=query, **parts))
    return found


class Endless(Exception):
    """Timers that fire at once start each other: a server of such a document would do nothing else."""


class Stage:
    """How things stand behind the beginning of a script: a world, and a clock that moves only to let timers expire.

    Scripts share their beginnings, which are the routes: the stages `behind` each step are kept, and none of these
    changes once it was made. Who goes on by steps that nobody shares does so with a `copy`. Behind a step, `spoke`
    says whether a room heard of it; `touched` has the rules of all steps and of what came of them; `heard` is what
    came since the copy: moments since the beginning, each with an answer or an output.
    """

    def __init__(self, target: Target) -> None:
        self.heard: list[tuple[float, Refusal | Upgrade | Output]] = []
        self._target = target
        self._machine = target.machine
        self._world = World()
        self._now = self._epoch = target.epoch
        self._symbols = Symbols(target, self._clock, 0, target.book.rehearse)
        self._numbers: dict[str, int] = {}
        self._answer: Refusal | Upgrade | None = None
        self._outputs: list[Output] = []
        self._rules: tuple[str, ...] = ()
        self._unheard = 0
        self._shared = False
        self._behind: dict[str, Stage] = {}
        self._receivers: dict[str, Receiver] = {}
        self._ears: dict[str, Ear] = {}
        self._silent: set[int] = set()
        self.spoke = False
        self.touched: dict[str, None] = {}

    def behind(self, step: Step) -> Stage:
        """The stage behind one step more."""
        # Steps hold JSON, in which 1 is not true; to Python they are equal, and their texts are not.
        key = repr(step)
        if key not in self._behind:
            self._behind[key] = stage = self.copy()
            stage.step(step)
        return self._behind[key]

    def step(self, step: Step) -> None:
        """Go on by a step, here."""
        before = self._outputs
        self._step(step)
        mine = self._outputs if self._outputs is not before else []
        self.spoke = any(isinstance(output, Emission) and output.broadcast for output in mine)
        sends = isinstance(step, Open | Post | Send | Stream | Raw)
        rules = (*getattr(step, "rules", ()), *(self._rules if sends else ()), *(r for o in mine for r in o.rules))
        before = self._outputs
        self._tick(self._now)
        fired = self._outputs if self._outputs is not before else []
        self.touched.update(dict.fromkeys((*rules, *(rule for output in fired for rule in output.rules))))

    def copy(self) -> Stage:
        """A stage that may change without this one."""
        other = Stage(self._target)
        other._world, other._now, other._numbers = self._world.copy(), self._now, dict(self._numbers)
        other._symbols = self._symbols.copy(other._clock)
        other._answer, other._outputs, other._rules = self._answer, self._outputs, self._rules
        other._unheard, other._shared = self._unheard, self._shared
        other._silent = set(self._silent)
        other._ears = {name: ear.copy() for name, ear in self._ears.items()}
        other._receivers = deepcopy(self._receivers) if self._receivers else {}
        other.spoke, other.touched = self.spoke, dict(self.touched)
        return other

    def state(self, client: str) -> str:
        """The state of a client's connection."""
        found = self._world.connections.get(self._numbers.get(client, 0))
        return found.state if found else CLOSED

    def members(self) -> dict[tuple[str, Any], frozenset[str]]:
        """The clients in each room that has any."""
        names = {number: name for name, number in self._numbers.items()}
        return {room: frozenset(names[number] for number in found) for room, found in self._world.rooms.items()}

    def _clock(self) -> float:
        return self._now

    @cached_property
    def rehearsal(self) -> Rehearsal:
        """What the steps up to here lead to."""
        connections = {name: self._world.connections.get(number) for name, number in self._numbers.items()}
        return Rehearsal(
            self._answer,
            tuple(self._outputs),
            {name: found.state if found else CLOSED for name, found in connections.items()},
            {
                name: {timer: due.at - self._now for (_, timer), due in found.timers.items()} if found else {}
                for name, found in connections.items()
            },
            self._rules,
            self._now - self._epoch,
            self._unheard,
            self._shared,
            isinstance(self._answer, Refusal) and self._answer.link is not None,
        )

    def _step(self, step: Step) -> None:
        client = getattr(step, "client", None)
        connected = self._numbers.get(client or "") in self._world.connections
        if isinstance(step, Fragment | Frames):
            self._silent.add(self._numbers.get(client or "", 0))
        self._unheard += client is not None and not connected and not isinstance(step, Open | Post)
        match step:
            case Open(client=client):
                request = self._symbols.request(step, step.address or client)
                self._answer = answer = self._machine.open(self._world, request, self._now)
                self._rules = answer.rules + answer.header_rules
                self._hear([answer])
                if isinstance(answer, Upgrade):
                    self._numbers[client], self._ears[client] = answer.connection, self._machine.ear()
                    self._outputs = list(answer.outputs)
                    self._silent |= {answer.connection} if step.silent else set()
                    self._hear(self._outputs)
            case Post(client=client):
                self._post(step)
            case Send(client=client):
                text = self._symbols.message(step)
                self._hear_frame(client, Text(text, len(text.encode("utf-8", "surrogatepass"))))
            case Stream(client=client, messages=messages):
                text = "".join(map(self._symbols.message, messages))
                self._hear_frame(client, Text(text, len(text.encode("utf-8", "surrogatepass"))))
            case Raw(client=client, text=text, binary=binary, not_utf8=bad):
                if text is not None:
                    plain = str(self._symbols.value(text))
                    self._hear_frame(client, Text(plain, len(plain.encode("utf-8", "surrogatepass"))))
                else:
                    data = bytes.fromhex(binary or bad or "")
                    self._hear_frame(client, NotUTF8(len(data)) if binary is None else Binary(len(data), data))
            case Frames(client=client):
                self._frames(step)
            case Expire(client=client, timer=timer):
                self._expire(client, timer)
            case Close(client=client) | Reset(client=client) | HalfClose(client=client):
                self._end(client)
            case Idle(seconds=seconds):
                self._tick(self._now + (seconds or 0.0))
            case _:
                pass

    def _post(self, step: Post) -> None:
        request = self._symbols.post(step, step.client)
        self._answer = answer = self._machine.request(self._world, step.endpoint, request, self._now)
        self._rules, self._outputs = answer.rules, list(answer.outputs)
        self._hear([answer, *answer.outputs])
        link = self._world.links.numbered(answer.link) if answer.link is not None else None
        if link is not None:
            open_ = [value for value in link.fields.values() if isinstance(value, Choice) and value.number is not None]
            self._world.links.learn({c.number: f"handfast-chosen-{c.number}" for c in open_ if c.number is not None})
            self._symbols.learn(step.client, {n: v for n, v in link.fields.items() if isinstance(v, str)})

    def _end(self, client: str) -> None:
        if client in self._numbers:
            self._outputs = self._machine.ended(self._world, self._numbers[client], self._now)
            self._hear(self._outputs)

    def _frames(self, step: Frames) -> None:
        """What frames amount to, where that is open, as a server takes them that takes the first way."""
        ended = bool(BINDINGS[self._target.document.binding].ends)
        receiver = self._receivers.setdefault(step.client, Receiver(self._machine.largest, ended))
        # What is repeated amounts to the same the hundredth time.
        data, _ = self._symbols.frames(evolve(step, times=min(step.times, 2)))
        for event in receiver.feed(data):
            if isinstance(event, Closed):
                self._end(step.client)
            elif isinstance(event, Took) and event.ways and event.ways[0] is not None:
                self._hear_frame(step.client, event.ways[0])

    def _hear_frame(self, client: str, frame: Frame) -> None:
        """A client's frame came: its inputs are handled."""
        if client in self._numbers:
            number = self._numbers[client]
            inputs = [frame] if isinstance(frame, Breach) else self._ears[client].hear(frame)
            self._outputs = [
                output for heard in inputs for output in self._machine.receive(self._world, number, heard, self._now)
            ]
            self._hear(self._outputs)
            rooms = [o.expelled[1] for o in self._outputs if isinstance(o, Emission) and o.expelled is not None]
            self._shared |= any(self._target.tag not in str(room) for room in rooms)
            own = [output.rules for output in self._outputs if output.connection == number]
            self._rules = own[0] if own else ()
            orders = [o.order + o.isolation for o in self._outputs if isinstance(o, Emission)]
            self._rules += orders[0] if orders else ()

    def _expire(self, client: str, timer: str | None) -> None:
        dues = self._dues(client, timer)
        while dues:
            self._tick(min(dues))
            dues = self._dues(client, timer) if timer is None else []

    def _dues(self, client: str, timer: str | None) -> list[float]:
        connection = self._world.connections.get(self._numbers.get(client, 0))
        parties = [connection, *self._world.groups_of(connection)] if connection else []
        timers = [one for party in parties for one in party.timers.items()]
        rule = self._machine.document.timer
        # What runs beside the states, and in rooms, is waited for by its name alone.
        return [
            due.at
            for (state, name), due in timers
            if timer == name or (timer is None and state[:1] not in {"", "@"} and not rule(state, name).restarts)
        ]

    def _attend(self, output: Output) -> None:
        """Answer what a client that is there answers at once."""
        form = self._target.document.messages[output.message].server if isinstance(output, Emission) else None
        if form is not None and form.answered_by is not None and output.connection not in self._silent:
            read = self._machine.reader.read_value({"type": form.answered_by})
            self._machine.receive(self._world, output.connection, read, self._now)

    def _hear(self, came: Iterable[Refusal | Upgrade | Output]) -> None:
        self.heard += [(self._now - self._epoch, one) for one in came]

    def _tick(self, until: float) -> None:
        for _ in range(_MOST_FIRED):
            due = min(
                (
                    (due.at, party.number, key)
                    for party in (*self._world.connections.values(), *self._world.groups.values())
                    for key, due in party.timers.items()
                    if due.at <= until
                ),
                default=None,
            )
            if due is None:
                self._now = max(self._now, until)
                return
            self._now = max(self._now, due[0])
            self._outputs = self._machine.fire(self._world, due[1], *due[2], self._now)
            self._hear(self._outputs)
            for output in self._outputs:
                self._attend(output)
        raise Endless
