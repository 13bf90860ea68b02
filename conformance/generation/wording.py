"""Wording: drawn messages as steps of a script, valid ones and others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define, evolve, field

from conformance.generation.drawing import Draw
from conformance.plan import Plan
from conformance.scripts import Raw, Send
from spec.bindings.json import encode
from spec.bindings.spelling import ESCAPES, ORDERS, spell
from spec.expressions import compile_expression, pointer_get, pointer_parts, pointer_put
from spec.strategies import Bodies, broken, texts

__all__ = ["Speaker", "Wording"]

_STAND_IN, _ROOM, _TIME = "stand-in", "stand-in-room", "2026-01-01T00:00:00Z"
"""What stands in a drawn body for an id or a token, for a room, which only a run knows, and for the time of sending."""

_MISSING = object()
_SPACES = ("", " ", "\n", "\t", "\r\n  ", "      ")
_SIZES = (125, 126, 127, 65535, 65536)
"""Where the length of a frame is written in another way (RFC 6455 section 5.2)."""

_FRAGMENTS = (2, 3, 7)
_TOKEN = 8192
"""How many bytes are kept free for a token where a message is to be written at length."""

_PREFIX = 40
"""How many characters of an id are left to a run, so that no two runs use the same."""


@define
class Speaker:
    """A client as a script knows it: its subject, and the ids that it has used."""

    client: str
    subject: str
    ids: list[Any] = field(factory=list)

    @property
    def label(self) -> str:
        """A label that no other input of the client has."""
        return f"{self.client}{len(self.ids)}"

    def fresh(self, suffix: str = "") -> Any:
        """An id that was not used before."""
        symbol: dict[str, Any] = {"$id": self.label}
        self.ids.append({"$join": [symbol, suffix]} if suffix else symbol)
        return self.ids[-1]


class Wording:
    """Draws the client messages of a plan's document."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._bodies = Bodies(plan.document)
        self._envelope = plan.document.envelope
        self.largest = int(compile_expression(plan.document.largest)({"parameters": plan.parameters}))
        self._times = dict.fromkeys(self._envelope.client.times[0], _TIME)
        self._time_rules = self._envelope.client.times[1]
        self._secrets: dict[str, list[str]] = {}
        for name, pointer in plan.secrets():
            self._secrets.setdefault(name, []).append(pointer)
        self._clients = [message.name for message in plan.client_messages()]

    def carries_token(self, name: str) -> bool:
        """Whether a message has a place for a token."""
        return name in self._secrets

    # ------------------------------------------------------------------------------------------------------- drawn

    def valid(self, draw: Draw, speaker: Speaker, name: str, token: Mapping[str, Any] | None = None) -> Send:
        """A valid message with at most one thing that must not matter, so that a failure can be explained by it."""
        turn, plain = draw.below(100), self._plain(name)
        if turn < 20:
            body = draw(self._bodies.sprinkled(name, self.body(name)))
            return self._send(speaker, name, body, token, self._unknown_rules(name))
        if turn < 30 and self._times:
            return self._send(speaker, name, self._with_drawn(draw, name, self._times), token, self._time_rules)
        if turn < 40 and token is None:
            # An id that is the same in every run would be remembered where tokens are.
            return self._send(speaker, name, self._with_drawn(draw, name, [self._envelope.id]))
        send = self._send(speaker, name, draw(self._bodies.valid(name, plain)), token)
        if turn < 60:
            return self._spelled(draw, send)
        if turn < 65:
            return evolve(send, fragments=draw.among(_FRAGMENTS))
        if turn < 70 and self._ignores_unknown(name):
            sizes = [size for size in (*_SIZES, self.largest - 1, self.largest) if size <= self.largest]
            return evolve(send, pad_to=draw.among(sizes))
        return send

    def _with_drawn(self, draw: Draw, name: str, pointers: Iterable[str]) -> dict[str, Any]:
        """The plainest body, with drawn values where pointers say."""
        body = self.body(name)
        for pointer in pointers:
            values = self._bodies.member(name, pointer)
            if values is not None:
                pointer_put(body, pointer, draw(values))
        return body

    def mutated(self, draw: Draw, speaker: Speaker, name: str, token: Mapping[str, Any] | None = None) -> Send:
        """A message with one fault in its envelope or its payload."""
        # An example may lack what need not be there; most of what can be wrong is in it.
        whole = self.body(name) if draw.percent(50) else draw(self._bodies.valid(name, self._plain(name)))
        body, _ = draw(self._bodies.mutated(name, whole))
        send = self._send(speaker, name, body, token)
        return self._spelled(draw, send) if draw.percent(20) else send

    def malformed(self, draw: Draw, speaker: Speaker) -> Raw:
        """A text that is no JSON object."""
        return Raw(speaker.client, text=draw(broken(encode(self.body(draw.among(self._clients))))))

    def unknown(self, draw: Draw, speaker: Speaker) -> Send:
        """A valid envelope of a type that clients do not send."""
        alike = [form for n in self._clients for form in (n.upper(), f"{n} ", f" {n}", f"{n}\u0000", n[:-1], f"{n}s")]
        others = [message.name for message in self._plan.server_only()]
        kind = draw(texts(0, 40)) if draw.percent(40) else draw.among([*alike, *others, *others, "constructor"])
        message = self._plan.document.messages.get(kind) or draw.among(list(self._plan.document.messages.values()))
        form = message.server or message.client
        payload = form.examples[0] if form is not None and form.examples else {}
        return Send(speaker.client, f"{kind}!" if kind in self._clients else kind, payload)

    def id_suffix(self, draw: Draw) -> str:
        """What may stand behind the part of an id that a run makes its own; mostly nothing."""
        schema: Any = self._envelope.client.schema
        for part in pointer_parts(self._envelope.id):
            schema = schema.get("properties", {}).get(part, {})
        room = schema.get("maxLength", 128) - _PREFIX
        return draw(texts(0, room)) if room > 0 and not {"pattern", "format"} & set(schema) and draw.percent(20) else ""

    # ------------------------------------------------------------------------------------------------------- plain

    def body(self, name: str) -> dict[str, Any]:
        """The plainest body of a message, with stand-ins for what only a run knows."""
        body: dict[str, Any] = {}
        pointer_put(body, self._envelope.payload, dict(self._plan.send("x", name).payload))
        for pointer, value in {self._envelope.discriminator: name, **self._plain(name)}.items():
            pointer_put(body, pointer, value)
        return body

    def plainest(self, speaker: Speaker, name: str, token: Mapping[str, Any] | None = None) -> Send:
        """That body as a step."""
        return self._send(speaker, name, self.body(name), token)

    def _plain(self, name: str) -> dict[str, Any]:
        """What is not drawn: the id, the times and the tokens."""
        secrets = {self._envelope.payload + pointer: _STAND_IN for pointer in self._secrets.get(name, ())}
        rooms = {f"{self._envelope.payload}/{member}": _ROOM for member in self._rooms(name)}
        return {self._envelope.id: _STAND_IN, **self._times, **secrets, **rooms}

    def _rooms(self, name: str) -> list[str]:
        """The members of a message that name a room: one is fresh in each run."""
        payload = self._plan.send("x", name).payload
        return [member for member, value in payload.items() if isinstance(value, dict) and set(value) == {"$room"}]

    def _ignores_unknown(self, name: str) -> bool:
        form = self._plan.message(name).client
        return form is not None and form.ignores_unknown and self._envelope.client.ignores_unknown

    def _unknown_rules(self, name: str) -> tuple[str, ...]:
        form = self._plan.message(name).client
        assert form is not None
        return tuple(dict.fromkeys((*form.unknown_rules, *self._envelope.client.unknown_rules)))

    def _spelled(self, draw: Draw, send: Send) -> Send:
        """The message in another spelling, unless that would make it too large."""
        written = {"space": draw.among(_SPACES), "escapes": draw.among([*ESCAPES]), "order": draw.among([*ORDERS])}
        size = len(spell({"payload": send.payload, "change": send.change, "id": send.id}, **written).encode())
        return evolve(send, written=written) if size + _TOKEN < self.largest else send

    # ------------------------------------------------------------------------------------------------------- steps

    def _send(
        self,
        speaker: Speaker,
        name: str,
        body: dict[str, Any],
        token: Mapping[str, Any] | None = None,
        rules: tuple[str, ...] = (),
    ) -> Send:
        """A body as a step: what differs from what `Send` does of itself is changed, and what lacks is dropped."""
        envelope = self._envelope
        usual = {envelope.discriminator: name, envelope.id: _STAND_IN, **self._times}
        found = {pointer: pointer_get(body, pointer, _MISSING) for pointer in usual}
        change = {p: value for p, value in found.items() if value is not _MISSING and value != usual[p]}
        drop = [pointer for pointer, value in found.items() if value is _MISSING]
        rest = {key: value for key, value in body.items() if _pointer(key) not in usual}
        payload: Any = rest
        if envelope.payload:
            payload = pointer_get(body, envelope.payload, _MISSING)
            change |= {_pointer(key): value for key, value in rest.items() if _pointer(key) != envelope.payload}
            if payload is _MISSING:
                drop.append(envelope.payload)
            elif not isinstance(payload, dict):
                change[envelope.payload] = payload
        own = change.pop(envelope.id) if isinstance(change.get(envelope.id), str) else None
        if not envelope.names_id and isinstance(payload, dict) and found[envelope.id] is not _MISSING:
            # It is the message's own: `Send` gives it to those that have one.
            payload = {**payload, pointer_parts(envelope.id)[0]: {"$id": None}}
        drop = [pointer for pointer in drop if envelope.names_id or pointer != envelope.id]
        if isinstance(payload, dict) and token is not None:
            payload = self._with_token(name, payload, token)
        if isinstance(payload, dict):
            payload = {key: {"$room": "a"} if value == _ROOM else value for key, value in payload.items()}
        return Send(
            speaker.client,
            name,
            payload if isinstance(payload, dict) else {},
            own,
            change,
            tuple(drop),
            rules=rules,
        )

    def _with_token(self, name: str, payload: dict[str, Any], token: Mapping[str, Any]) -> dict[str, Any]:
        payload = dict(payload)
        for pointer in self._secrets[name]:
            if pointer_get(payload, pointer) == _STAND_IN:
                pointer_put(payload, pointer, dict(token))
        return payload


def _pointer(member: str) -> str:
    """The JSON Pointer to a member (RFC 6901 section 3)."""
    return "/" + member.replace("~", "~0").replace("/", "~1")
