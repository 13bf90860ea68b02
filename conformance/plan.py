"""The plan: what families build cases from, for one protocol and one deployment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve

from conformance.exploring import Explorer, Rehearsal, Route, Stage, example, in_room
from conformance.scripts import Case, Open, Send, Settle, Step
from spec.abstraction import Input, abstract, hsi, merged, transition_cover
from spec.bindings.registry import BINDINGS
from spec.machine import Emission
from spec.machine.world import CLOSED
from spec.model import Case as Row
from spec.model import Document, Emit, Fail, Message

if TYPE_CHECKING:
    from conformance.target import Target
    from conformance.tokenbook import TokenBook

__all__ = ["NOT_OWNED", "SOON", "Plan", "Secret"]

SOON = 0.6
"""What is left of a timer that is waited for, in seconds: it must outlast the steps before it.

A token's life may be up to a second longer, since `exp` is a whole second.
"""

NOT_OWNED = "only a target on loopback is attacked, or one that is said to be owned: --i-own-this-target"
"""Why attacks below the messages are not played."""

_LONGEST = 4.0
"""No case waits longer than this, in seconds, for a timer that a token could bring nearer."""

_BEHIND = 2.0
"""How much longer a case may last than the longest timer that it must wait for, in seconds."""

Secret = tuple[str, str]
"""A client message that carries a token, and the JSON Pointer into its payload."""


class Plan:
    """The document and the deployment, with routes into the states and the small words of scripts."""

    def __init__(self, target: Target, level: str = "complete") -> None:
        self.target = target
        self.level = level
        self.deep = level == "deep"
        self.document: Document = target.document
        self.binding = BINDINGS[target.document.binding]
        self.parameters = target.parameters
        self.book: TokenBook = target.book
        self.explorer = Explorer(target)
        self.routes = self.explorer.routes
        self.members = self.explorer.members
        self.untried: dict[str, str] = {}
        self.left_out: list[str] = []
        if not self.binding.enveloped:
            self.left_out.append(f"drawn examples: none are drawn yet for the binding {target.document.binding}")
        self.layer = merged(abstract(target.document, target.parameters))
        self._broadcasts: list[tuple[str, str]] | None = None
        self._probes = {state: self._find_probe(route) for state, route in self.routes.items()}

    # --------------------------------------------------------------------------------------------------- cases

    def case(
        self,
        family: str,
        name: str,
        steps: Iterable[Step],
        *,
        rules: tuple[str, ...] = (),
        text: str = "",
        level: str = "must",
        alone: bool = False,
    ) -> Case:
        """A case; its rules are those given, those its steps are there for, and those of its last exchange."""
        script = tuple(steps)
        rehearsal = self.explorer.rehearse(script)
        focus = tuple(rule for step in script for rule in getattr(step, "rules", ()))
        every = tuple(dict.fromkeys((*rules, *focus, *rehearsal.rules)))
        alone |= rehearsal.shared
        return Case(f"{family}/{name}", family, every, script, text, level, rehearsal.elapsed, alone)

    # -------------------------------------------------------------------------------------------------- states

    def leaves(self) -> Iterator[tuple[str, Route]]:
        """Every state that can be reached, by the order in which clients come to them."""
        yield from self.routes.items()

    def words(self) -> list[tuple[Input, ...]]:
        """The suite of the connection's machine at the plan's level."""
        machine = self.layer.machine
        return transition_cover(machine) if self.level == "smoke" else hsi(machine, int(self.deep), _cost)

    @property
    def longest(self) -> float:
        """How long a case may wait, in seconds: past the longest timer that no token brings nearer."""
        timers = [c.seconds for state in self.layer.countdowns.values() for c in state if c.lead is None]
        return max([_LONGEST, *(seconds + _BEHIND for seconds in timers)])

    def message(self, name: str) -> Message:
        return self.document.messages[name]

    def client_messages(self) -> list[Message]:
        """The messages that clients send."""
        return [message for message in self.document.messages.values() if message.client is not None]

    def server_only(self) -> list[Message]:
        """The messages that only servers send."""
        return [message for message in self.document.messages.values() if message.client is None]

    def secrets(self) -> list[Secret]:
        """The client messages that carry tokens."""
        return [(m.name, pointer) for m in self.client_messages() if m.client for pointer in m.client.secret]

    def send(self, client: str, message: str, **more: Any) -> Send:
        """A valid message, made of the first example; `token` words go into its token."""
        kinds = ("left", "label", "subject", "recipe", "room")
        words: dict[str, Any] = {str(key): more.pop(key) for key in kinds if key in more}
        room = more.pop("room", "a")
        payload = example(self.message(message), **{"subject": client, **_but(words, "recipe")})
        payload = in_room(payload, room) if room != "a" else payload
        if "recipe" in words:
            payload = _with_recipe(payload, words["recipe"])
        return Send(client, message, payload, **more)

    def opens(self, route: Route, **more: Any) -> Open:
        """The opening of a route, for one client."""
        first = next(step for step in route.steps("ana") if isinstance(step, Open))
        return evolve(first, **more)

    def entry(self, opening: Open, subject: str | None = None, way: int = 0) -> tuple[Step, ...]:
        """An opening, behind the request that makes its link where there is one to take up."""
        return self.explorer.entry(opening, subject, way)

    def broadcasts(self) -> list[tuple[str, str]]:
        """Every (state, client message) by which a member of a room speaks to it."""
        if self._broadcasts is None:
            self._broadcasts = self._find_broadcasts()
        return self._broadcasts

    def _find_broadcasts(self) -> list[tuple[str, str]]:
        found = []
        for state, route in self.members.items():
            for message in self.client_messages():
                if any(e.broadcast and e.connection != e.source for e in self.said(route, message.name)):
                    found.append((state, message.name))
        return found

    def said(self, route: Route, message: str) -> list[Emission]:
        """What comes of a client's message in a state, to itself and to another member of its room."""
        both = (*route.steps("ana"), *route.steps("ben"), self.send("ana", message))
        return [output for output in self.explorer.rehearse(both).outputs if isinstance(output, Emission)]

    def words_for(self, verdict: str) -> dict[str, Any]:
        """The words of a token of a verdict: the plainest that can be had of it."""
        usual = {"valid": "valid", "expired": "expired", "invalid": "wrong-key"}.get(verdict)
        known = {recipe.name for recipe in self.document.recipes}
        fitting = (
            recipe.name
            for recipe in self.document.recipes
            if self.document.verdicts.get(recipe.step) == verdict and self.book.applicable(recipe) is None
        )
        name = usual if usual in known else next(fitting)
        return {"recipe": name, "keyless": True} if self.book.keyless(name) else {"recipe": name}

    # -------------------------------------------------------------------------------------------------- probes

    def _find_probe(self, route: Route) -> str | None:
        """A message that is accepted in a state: one that carries no token before one that does."""
        secret = {name for name, _ in self.secrets()}
        plain = {message.name for message in self.client_messages() if self._only_replies(route.state, message.name)}
        for message in sorted(self.client_messages(), key=lambda one: (one.name in secret, one.name not in plain)):
            rehearsal = self.explorer.rehearse([*route.steps("ana"), self.send("ana", message.name)])
            refused = any(isinstance(o, Emission) and o.code is not None for o in rehearsal.outputs)
            if rehearsal.states.get("ana", CLOSED) != CLOSED and rehearsal.outputs and not refused:
                return message.name
        return None

    def cases_of(self, state: str, message: str) -> tuple[Row, ...]:
        """The cases that decide a message in a state, none where it is handled as a stranger."""
        for path in self.document.states[state].chain:
            if message in self.document.states[path].receive:
                return self.document.states[path].receive[message]
        return self.document.receive.get(message, ())

    def _only_replies(self, state: str, message: str) -> bool:
        """Whether nothing comes of a message but an answer."""
        effects = [effect for case in self.cases_of(state, message) for effect in case.do]
        return all(
            isinstance(effect, Fail) or (isinstance(effect, Emit) and effect.reply == "must") for effect in effects
        )

    def probe(self, steps: Iterable[Step], client: str, rules: tuple[str, ...] = ()) -> tuple[Step, ...]:
        """Steps that show that a client's connection still works after others, empty where it does not live."""
        return self.probe_in(self.explorer.rehearse(steps).states.get(client, CLOSED), client, rules)

    def probe_in(self, state: str, client: str, rules: tuple[str, ...] = ()) -> tuple[Step, ...]:
        """Those steps for a client in a state."""
        message = self._probes.get(state)
        if message is None:
            return ()
        return (self.send(client, message, rules=rules, label="probe"), Settle())

    def probed(self, steps: Iterable[Step], client: str, rules: tuple[str, ...] = ()) -> tuple[Step, ...]:
        """The steps, and behind them those of `probe`."""
        script = tuple(steps)
        return (*script, *self.probe(script, client, rules))

    def rehearse(self, steps: Iterable[Step]) -> Rehearsal:
        """What steps lead to by the rules."""
        return self.explorer.rehearse(steps)

    def stage(self, steps: Iterable[Step] = ()) -> Stage:
        """A rehearsal of steps that can be gone on with."""
        return self.explorer.behind(steps).copy()


def _cost(wanted: Input) -> float:
    """What an input costs where it only tells states apart: a wait takes time, and other members connections."""
    return {"wait": 50.0, "hear": 5.0}.get(wanted.kind, 1.0)


def _but(words: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in words.items() if key != name}


def _with_recipe(value: Any, recipe: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        if "$token" in value:
            return {"$token": {**value["$token"], **recipe}}
        return {name: _with_recipe(member, recipe) for name, member in value.items()}
    return [_with_recipe(member, recipe) for member in value] if isinstance(value, list) else value


_ = asdict
