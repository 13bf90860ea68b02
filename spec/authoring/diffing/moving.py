"""From abstract inputs to steps: what a client that knows one document does, so that two servers can be shown it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, evolve, field

from spec.abstraction import SHORT, Input, Layer
from spec.authoring.diffing.playing import Play, Step, Steps, token
from spec.authoring.diffing.samples import completed, sample
from spec.expressions import compile_expression, pointer_parts, pointer_put
from spec.messages import reader_of
from spec.model import Document, Form

__all__ = ["FAR", "PEER", "WHO", "Mover", "Unplayable", "spoiled"]

WHO, PEER, FAR, _BEFORE = "ana", "carol", "dan", "eve"
"""The client that is looked at; a member of its room; one of another room; and one who was there before."""

_PLACE, _ELSEWHERE, _APART = "soup", "cake", "stew"
_LONG = 86400.0


class Unplayable(Exception):
    """An input that no exchange of ours makes real; the text says which, and why."""


@define
class Mover:
    """Makes steps by what one document says: its path, its places of credentials, its messages, its claims.

    `start` is a play of the document that nobody has connected to.
    """

    document: Document
    parameters: Mapping[str, Any]
    layer: Layer
    start: Play
    _known: dict[Any, Steps] = field(factory=dict)

    def steps(self, wanted: Input, play: Play, number: int) -> Steps:
        """The steps of an input for the client `WHO`, in the state that a play is in; raises Unplayable."""
        match wanted.kind:
            case "open":
                return (self._open(wanted, WHO, _PLACE),)
            case "wait":
                due = play.due(WHO)
                return (wait(WHO, due if due is not None else 1.0),)
            case "close":
                return (Step(WHO, "close", "closes", {}),)
            case "hear":
                return (self._spoken(FAR if wanted.elsewhere else PEER, wanted.name, number),)
        return (*self._before(wanted), self._receive(wanted, WHO, number))

    def member(self, client: str, room: str) -> Steps:
        """The shortest way by which a client becomes a member of a room; raises Unplayable where there is none."""
        for word in self.layer.exact.cover().values():
            try:
                steps = self._way(word, client, room)
            except Unplayable:
                continue
            play = self.start.copy()
            try:
                for step in steps:
                    play.step(step)
            except (ArithmeticError, LookupError, TypeError, ValueError):
                # A server of a faulty document cannot go on this way; another way may do.
                continue
            found = play.connection(client)
            if found is not None and found.rooms:
                return steps
        raise Unplayable("nobody becomes a member of a room")

    def friends(self) -> tuple[Steps, Steps]:
        """How a member of the same room and one of another come there; empty where there are no rooms."""
        try:
            return self.member(PEER, _PLACE), self.member(FAR, _ELSEWHERE)
        except Unplayable:
            return (), ()

    def _way(self, word: tuple[Input, ...], client: str, room: str) -> Steps:
        found: list[Step] = []
        for number, wanted in enumerate(word):
            if wanted.kind not in {"open", "receive"} or wanted.life == SHORT:
                raise Unplayable(str(wanted))
            step = self._open(wanted, client, room) if wanted.kind == "open" else self._receive(wanted, client, number)
            found.append(step)
        return tuple(found)

    # ----------------------------------------------------------------------------------------------- facts

    def _kinds(self, wanted: Input) -> dict[str, str]:
        return {self.document.facts[fact].kind: value for fact, value in wanted.facts}

    def _token(self, verdict: str, subject: str, life: str) -> Any:
        """A token of a verdict: it fails the first step of the ladder that gives it."""
        claims = set(self.document.claims.get("required", ())) - {"exp"}
        if verdict == "valid":
            return token(subject, None, self._short() if life == SHORT else self._life(), claims)
        known = [step for step, given in self.document.verdicts.items() if given == verdict and step != "absent"]
        step = next((step for step in ("signature", "expired") if step in known), known[0] if known else None)
        if step is None:
            raise Unplayable(f"no token is `{verdict}`")
        return token(subject, step, self._life(), claims)

    def _leads(self) -> list[float]:
        return [
            c.lead for timers in self.layer.countdowns.values() for c in timers if c.lead is not None and c.lead > 0
        ]

    def _life(self) -> float:
        return _LONG + max(self._leads(), default=0.0)

    def _short(self) -> float:
        return min(30.0, min(self._leads(), default=60.0) / 2)

    def _before(self, wanted: Input) -> Steps:
        """What must have happened for a key to be remembered: the same message was accepted of the same subject."""
        if self._kinds(wanted).get("memory") != "seen":
            return ()
        subject = "ben" if self._kinds(wanted).get("same") == "other" else WHO
        key = ("before", wanted.name, subject)
        if key not in self._known:
            self._known[key] = self._remembered(wanted, subject)
        return self._known[key]

    def _remembered(self, wanted: Input, subject: str) -> Steps:
        plain = {"token": "valid", "payload": "valid", "limit": "within", "same": "same"}
        kinds = {fact: self.document.facts[fact].kind for fact, _ in wanted.facts}
        good = evolve(wanted, facts=tuple((f, plain.get(kinds[f], v)) for f, v in wanted.facts if kinds[f] != "memory"))
        for word in self.layer.exact.cover().values():
            try:
                way = self._way(word, _BEFORE, _APART)
            except Unplayable:
                continue
            sent = [evolve(step, data=_as_before(self.document, step.data, subject)) for step in way]
            play = self.start.copy()
            for step in sent:
                play.step(step)
            if not any(play.world.memories.values()) and play.connection(_BEFORE) is not None:
                last = self._receive(good, _BEFORE, 0, "seen")
                sent.append(evolve(last, data=_as_before(self.document, last.data, subject)))
                play.step(sent[-1])
            if any(play.world.memories.values()):
                return tuple(sent)
        raise Unplayable(f"{wanted}: nothing is remembered")

    # --------------------------------------------------------------------------------------------- openings

    def _open(self, wanted: Input, client: str, room: str) -> Step:
        data: dict[str, Any] = {"target": self._path(self.document.path, room)}
        said = ["asks for an upgrade"]
        for fact, value in wanted.facts:
            match self.document.facts[fact].kind, value:
                case "path", "other":
                    data["target"] = self._path(self._elsewhere(), room)
                    said.append(f"at {data['target']}")
                case "upgrade", "none":
                    data["websocket"] = False
                    said = ["sends a plain request"]
                case "origin", "forbidden":
                    data["headers"] = [*data.get("headers", ()), ["Origin", "https://evil.example"]]
                    said.append("from another origin")
                case "offer", _:
                    data["offer"] = {"none": [], "other": ["handfast.unknown"]}.get(value, value.split("+"))
                    said.append(f"offers {', '.join(data['offer']) or 'no subprotocol'}")
                case "credentials", _:
                    self._present(data, said, value, wanted, client)
        return Step(client, "open", ", ".join(said), data)

    def _elsewhere(self) -> str:
        if not self.document.other_paths:
            raise Unplayable("the document names no other path")
        return self.document.other_paths[0]

    def _path(self, template: str, room: str) -> str:
        before, brace, rest = template.partition("{")
        return before + (room + self._path(rest.partition("}")[2], room) if brace else "")

    def _present(self, data: dict[str, Any], said: list[str], value: str, wanted: Input, client: str) -> None:
        verdict = next((v for f, v in wanted.facts if self.document.facts[f].kind == "token"), "valid")
        count = {"none": 0, "one": 1}.get(value, 2)
        places = self.document.credential_places()
        for place in (places * 2)[:count]:
            symbol = self._token(verdict, client, wanted.life)
            if "header" in place:
                data["headers"] = [*data.get("headers", ()), [place["header"], {"$bearer": [place["scheme"], symbol]}]]
            else:
                data["query"] = [*data.get("query", ()), [place["query"], symbol]]
            where = place.get("header") or f"?{place['query']}"
            said.append(f"{verdict} token in {where}")

    # --------------------------------------------------------------------------------------------- messages

    def _oversize(self, client: str, number: int) -> Step:
        """The last message of clients, filled so that it is over what this document takes."""
        size = int(compile_expression(self.document.largest)({"parameters": self.parameters})) + 1
        name = [message.name for message in self.document.messages.values() if message.client is not None][-1]
        step = self._receive(Input("receive", name), client, number)
        return evolve(step, text=f"{step.text} in {size} bytes", data={**step.data, "pad_to": size})

    def _receive(self, wanted: Input, client: str, number: int, name: str | None = None) -> Step:
        match wanted.name:
            case "oversize":
                return self._oversize(client, number)
            case "binary":
                return Step(client, "raw", "sends a binary message", {"kind": "binary"})
            case "not_utf8":
                return Step(client, "raw", "sends text that is not UTF-8", {"kind": "not_utf8"})
            case "malformed":
                return Step(client, "raw", "sends what is no message", {"kind": "malformed"})
            case "other":
                return self.send(client, "handfast_unknown", {}, name or f"{client}-{number}")
        message = self.document.messages.get(wanted.name)
        if message is None or message.client is None:
            raise Unplayable(f"`{wanted.name}` is no message of clients")
        kinds = self._kinds(wanted)
        mine = "ben" if kinds.get("same") == "other" else client
        verdict = kinds.get("token", "valid")
        payload = self._filled(self._example(message.client), verdict, mine, wanted.life)
        if kinds.get("payload") == "invalid":
            payload = spoiled(self.document, wanted.name, payload)
        identifier = name or ("seen" if kinds.get("memory") == "seen" else f"{client}-{number}")
        said = [f"{fact}={value}" for fact, value in wanted.facts if value not in {"valid", "within", "fresh", "same"}]
        return self.send(client, wanted.name, payload, identifier, ", ".join(said))

    def send(self, client: str, name: str, payload: Any, identifier: str, note: str = "") -> Step:
        """A message with a payload as it stands."""
        envelope = self.document.envelope
        body: dict[str, Any] = {}
        pointer_put(body, envelope.discriminator, name)
        pointer_put(body, envelope.id, identifier)
        pointer_put(body, envelope.payload, payload)
        completed(body, envelope.client.schema)
        return Step(client, "send", f"sends {name}" + (f" ({note})" if note else ""), {"body": body})

    def accepted(self, name: str, payload: Any, number: int) -> Step:
        """The same of a payload whose tokens are to be valid: they are put where the form says that they are."""
        form = self.document.messages[name].client
        assert form is not None
        filled = copy.deepcopy(payload)
        for pointer in form.secret:
            if isinstance(filled, dict) and _has(filled, pointer):
                pointer_put(filled, pointer, self._token("valid", WHO, "long"))
        return self.send(WHO, name, filled, f"{WHO}-w{number}")

    def _example(self, form: Form) -> Any:
        if form.examples:
            return form.examples[0]
        return sample(form.schema)

    def _filled(self, value: Any, verdict: str, subject: str, life: str) -> Any:
        if isinstance(value, str) and value.startswith("$token."):
            return self._token(verdict, subject, life)
        if isinstance(value, Mapping):
            return {name: self._filled(member, verdict, subject, life) for name, member in value.items()}
        return [self._filled(member, verdict, subject, life) for member in value] if isinstance(value, list) else value

    def _spoken(self, client: str, heard: str, number: int) -> Step:
        """What a member says so that others hear a message."""
        key = ("spoken", client, heard)
        if key not in self._known:
            self._known[key] = (self._speak(client, heard, number),)
        return self._known[key][0]

    def _speak(self, client: str, heard: str, number: int) -> Step:
        play = self.start.copy()
        for step in self.member(client, _PLACE):
            play.step(step)
        for wanted in self.layer.exact.alphabet():
            if wanted.kind == "receive" and wanted.name in self.document.messages and wanted.life != SHORT:
                step = self._receive(wanted, client, number)
                came = play.copy().step(step)
                if any(one.broadcast and one.name == heard for one in came):
                    return step
        raise Unplayable(f"nobody makes others hear `{heard}`")


def wait(client: str, seconds: float) -> Step:
    """A step in which time passes."""
    return Step(client, "wait", f"waits {seconds:g} s", {"seconds": seconds})


def spoiled(document: Document, name: str, payload: Any) -> Any:
    """A payload of a message that its schema refuses, made of a valid one by one fault."""
    reader = reader_of(document, "client")
    form = document.messages[name].client
    assert form is not None
    for candidate in _faults(form.schema, payload):
        body: dict[str, Any] = {}
        pointer_put(body, document.envelope.discriminator, name)
        pointer_put(body, document.envelope.id, "x")
        pointer_put(body, document.envelope.payload, _texts(candidate))
        completed(body, document.envelope.client.schema)
        read = reader.read_value(body)
        if read.input == name and not read.valid:
            return candidate
    raise Unplayable(f"every payload of `{name}` fits its schema")


_WRONG: tuple[Any, ...] = (7.5, "", [], {}, None, True, "x" * 5000)


def _faults(schema: Mapping[str, Any], payload: Any) -> Iterator[Any]:
    if isinstance(payload, Mapping):
        yield from ({key: value for key, value in payload.items() if key != name} for name in payload)
        for name in schema.get("properties", {}):
            yield from ({**payload, name: wrong} for wrong in _WRONG)
        yield {**payload, "handfast_unknown": True}


def _texts(value: Any) -> Any:
    """A value with its tokens as some text, as a schema sees them."""
    if isinstance(value, Mapping):
        return "token" if set(value) == {"$token"} else {name: _texts(member) for name, member in value.items()}
    return [_texts(member) for member in value] if isinstance(value, list) else value


def _has(value: Any, pointer: str) -> bool:
    for part in pointer_parts(pointer):
        if not (isinstance(value, Mapping) and part in value):
            return False
        value = value[part]
    return True


def _as_before(document: Document, data: Mapping[str, Any], subject: str) -> dict[str, Any]:
    """A message under the id that is to be remembered, and with a token of the subject that is looked at."""
    found = dict(_owned(copy.deepcopy(dict(data)), subject))
    if "body" in found:
        pointer_put(found["body"], document.envelope.id, "seen")
    return found


def _owned(value: Any, subject: str) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"$token"}:
            return {"$token": {**value["$token"], "subject": subject}}
        return {name: _owned(member, subject) for name, member in value.items()}
    return [_owned(member, subject) for member in value] if isinstance(value, list) else value
