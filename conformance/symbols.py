"""Symbols made real: the names, ids, tokens and texts of one run of a case."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

from conformance import scripts
from conformance.framing import describe, encode_shape
from conformance.sieve import without_runs
from conformance.tokenbook import Minted
from spec.bindings.json import encode
from spec.bindings.registry import BINDINGS
from spec.bindings.spelling import spell
from spec.expressions import pointer_get, pointer_parts, pointer_put, rfc3339, root_of
from spec.machine import Request
from spec.model import Document, Endpoint, Set

if TYPE_CHECKING:
    from conformance.target import Target

__all__ = ["UPGRADE", "Symbols", "room_claim"]

UPGRADE = (("Upgrade", "websocket"), ("Connection", "Upgrade"))


@lru_cache(16)
def room_claim(document: Document) -> str | None:
    """The claim that says which room a client belongs to, where no path does; who it is, is another thing."""
    names = {root_of(str(key)) for key in document.rooms.values()}
    cases = [case for state in document.states.values() for cases in state.receive.values() for case in cases]
    for effect in (effect for case in cases for effect in case.do):
        for name, value in effect.values.items() if isinstance(effect, Set) else ():
            fact = document.facts.get(root_of(value)) if isinstance(value, str) and value.startswith("$") else None
            claim = str(value).partition(".")[2]
            if name in names and fact is not None and fact.kind == "token" and claim != document.claims.get("subject"):
                return claim
    return None


class Symbols:
    """Gives every symbol of a case its value; the same symbol has the same value throughout."""

    def __init__(
        self,
        target: Target,
        clock: Callable[[], float],
        number: int,
        mint: Callable[[Mapping[str, Any], str, float], Minted],
        minted: Callable[[Minted], None] = lambda minted: None,
    ) -> None:
        self._target = target
        self._clock = clock
        self._prefix = f"{target.tag}-{number}"
        self._ids = 0
        self._speaker = ""
        self._mint, self._told = mint, minted
        self._tokens: dict[str, Minted] = {}
        self._links: dict[str, Mapping[str, Any]] = {}

    def learn(self, client: str, fields: Mapping[str, Any]) -> None:
        """Note the fields of the link that a client's request has made, once they are known."""
        if fields:
            self._links[client] = fields

    def copy(self, clock: Callable[[], float]) -> Symbols:
        """The same values so far, in a time of its own."""
        other = Symbols(self._target, clock, 0, self._mint, self._told)
        other._prefix, other._ids, other._tokens = self._prefix, self._ids, dict(self._tokens)
        other._links = dict(self._links)
        return other

    def value(self, value: Any) -> Any:
        """A value with its symbols replaced."""
        if isinstance(value, Mapping):
            if len(value) == 1:
                name, inner = next(iter(value.items()))
                if isinstance(name, str) and name in _SYMBOLS:
                    return _SYMBOLS[name](self, inner)
            return {name: self.value(member) for name, member in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(member) for member in value]
        return value

    def request(self, step: scripts.Open, address: str) -> Request:
        """The request that a step sends, its target without the base URL's prefix."""
        headers = [(name, str(self.value(value))) for name, value in step.headers]
        if step.offer:
            headers.append(("Sec-WebSocket-Protocol", ", ".join(step.offer)))
        query = [*self._target.document.query.items()]
        query += [(name, str(self.value(value))) for name, value in step.query]
        path = self._path(step) + (f"?{urlencode(query)}" if query else "")
        return Request("GET", path, (*headers, *(UPGRADE if step.websocket else ())), address)

    def _path(self, step: scripts.Open) -> str:
        if step.path is not None:
            return str(self.value(step.path))
        name = self.value({"$room": step.room} if isinstance(step.room, str) else step.room)
        path = self._target.document.path
        while "{" in path:
            before, _, rest = path.partition("{")
            path = before + quote(str(name), safe="") + rest.partition("}")[2]
        return path

    def post(self, step: scripts.Post, address: str) -> Request:
        """The request that a step sends to an endpoint."""
        endpoint = self._target.document.http[step.endpoint]
        headers = [("Content-Type", "application/json")]
        if step.credential is not None:
            headers.append(("Authorization", f"Bearer {self.value(step.credential)}".rstrip()))
        # White space around a value is none of it (RFC 9110 section 5.5).
        headers += [(name, str(self.value(value)).strip()) for name, value in step.headers]
        body = self.value(step.body)
        text = encode(body) if step.text is None else str(self.value(step.text))
        if step.pad_to is not None:
            room = max(0, step.pad_to - len(encode({**body, "padding": ""}).encode()))
            text = encode({**body, "padding": "x" * room})
        data = text.encode("utf-8", "surrogatepass")
        query = [(name, str(self.value(value))) for name, value in step.query]
        path = endpoint.path + (f"?{urlencode(query)}" if query else "")
        return Request(step.method or self._method(endpoint), path, tuple(headers), address, data)

    def _method(self, endpoint: Endpoint) -> str:
        """The method that an endpoint takes, or the first of those that it is said to allow."""
        facts = [fact for fact in self._target.document.facts.values() if fact.kind == "method"]
        return endpoint.method if endpoint.method != "any" else str(facts[0].options["allowed"][0])

    def _link(self, wanted: Mapping[str, str]) -> str:
        # Where no request has made one there is nothing that could be found.
        known = self._links.get(wanted["of"], {})
        return str(known.get(wanted["field"], f"{self._prefix}-no-such-link"))

    def _parameter(self, name: Any) -> Any:
        return self._target.parameters[name]

    def _deployed(self, name: Any) -> str:
        return self._target.deployment.get(name, "handfast")

    def message(self, step: scripts.Send) -> str:
        """The text of the message that a step sends."""
        self._speaker = step.client
        envelope = self._target.document.envelope
        body: dict[str, Any] = {}
        pointer_put(body, envelope.discriminator, step.message)
        binding = BINDINGS[self._target.document.binding]
        given = {"$id": None} if step.id is None else step.id
        if envelope.names_id:
            own = self.value(given)
            pointer_put(body, envelope.id, binding.identifier(own) if isinstance(own, str) else own)
        for pointer in envelope.client.times[0]:
            pointer_put(body, pointer, rfc3339(self._clock()))
        pointer_put(body, envelope.payload, self.value(step.payload))
        if step.id is not None and not envelope.names_id and pointer_get(body, envelope.id) is not None:
            pointer_put(body, envelope.id, self.value(step.id))
        for pointer, value in step.change.items():
            pointer_put(body, pointer, self.value(value))
        for pointer in step.drop:
            _remove(body, pointer)
        if step.pad_to is not None:
            padded = body if binding.members else body.setdefault(envelope.payload.lstrip("/"), {})
            padded["padding"] = ""
            room = max(0, step.pad_to + len(binding.ends) - len(binding.encode(body, encode).encode()))
            wide, rest = divmod(room, len(step.pad_with.encode()))
            padded["padding"] = step.pad_with * wide + "x" * rest
        # A token in other letters would be hidden nowhere.
        tokens = {minted.text for minted in self._tokens.values()} if step.written else ()
        write = partial(spell, **step.written, keep=tokens) if step.written else encode
        text = binding.encode(body, write)
        before, behind = step.around
        return f"{before}{text}{behind}"

    def knock(self, step: scripts.Knock) -> bytes:
        """The bytes that stand where a request should."""
        if step.hex is not None:
            return bytes.fromhex(step.hex)
        text = "\r\n".join(str(self.value(line)) for line in step.lines)
        return (text + ("\r\n\r\n" if step.ended else "")).encode("latin-1", "replace")

    def frames(self, step: scripts.Frames) -> tuple[bytes, str]:
        """The bytes of frames, and what they are in words."""
        text = self.message(step.of) if step.of is not None else ""
        left, data, told = text.encode("utf-8", "surrogatepass"), b"", []
        for shape in step.frames:
            if shape.hex is not None:
                payload = bytes.fromhex(shape.hex)
            elif shape.text is not None:
                payload = str(self.value(shape.text)).encode("utf-8", "surrogatepass")
            else:
                size = len(left) if shape.take is None else shape.take
                payload, left = left[:size], left[size:]
            data += encode_shape(shape, payload)
            told.append(describe(shape, len(payload)))
        data = (data * step.times)[: step.cut]
        return data, _framed(step, told, len(data)) + (f" of {text}" if text else "")

    def hide(self, text: str) -> str:
        """A text with every token of the case replaced by a name for it."""
        for name, minted in self.named().items():
            if len(minted.text) > 8:
                for written in _spellings(minted.text):
                    text = text.replace(written, name)
        return text

    def named(self) -> dict[str, Minted]:
        """The tokens of the case by what they are called where they may not be shown; several alike are numbered."""
        found: dict[str, Minted] = {}
        for key, minted in self._tokens.items():
            wanted = json.loads(key)
            told = f"token {wanted['recipe']} of {wanted.get('subject', 'ana')}"
            alike = sum(name.startswith((f"<{told}>", f"<{told}, ")) for name in found)
            found[f"<{told}, number {alike + 1}>" if alike else f"<{told}>"] = minted
        return found

    def plain(self, text: str) -> str:
        """A text without tokens and without the names of this run: the same in every run of the case."""
        return self.hide(text).replace(self._prefix, "*")

    def hide_parts(self, text: str) -> str:
        """A text without any run of characters that a token of the case has too."""
        return without_runs(text, (minted.text for minted in self._tokens.values()))

    def _id(self, label: Any) -> str:
        self._ids += label is None
        return f"{self._prefix}-{label if label is not None else self._ids}"

    def _self(self, inner: Any) -> str:
        return f"{self._prefix}-{self._speaker}"

    def _target_of(self, room: Any) -> str:
        path = self._path(scripts.Open("", room=room))
        return self._target.endpoint.prefix + path

    def _room(self, label: Any) -> str:
        return f"handfast-{self._prefix}-{label}"

    def _subject(self, label: Any) -> str:
        # Whoever folds cases tells it otherwise than the token does.
        return f"H{self._room(label)[1:]}"

    def _join(self, parts: Any) -> str:
        return "".join(str(self.value(part)) for part in parts)

    def _fill(self, wanted: Any) -> str:
        return str(wanted["text"]) * int(wanted["times"])

    def _quote(self, inner: Any) -> str:
        return quote(str(self.value(inner)), safe="")

    def _token(self, wanted: Mapping[str, Any]) -> str:
        key = json.dumps(wanted, sort_keys=True)
        if key not in self._tokens:
            claim = room_claim(self._target.document)
            if claim is not None:
                room = wanted.get("room", "a")
                name = self.value({"$room": room} if isinstance(room, str) else room)
                wanted = {**wanted, "claims": {claim: name, **wanted.get("claims", {})}}
            subject = self._subject(wanted.get("subject", "ana"))
            self._tokens[key] = minted = self._mint(wanted, subject, self._clock())
            self._told(minted)
        return self._tokens[key].text


_SYMBOLS: dict[str, Callable[[Symbols, Any], Any]] = {
    "$token": Symbols._token,
    "$id": Symbols._id,
    "$self": Symbols._self,
    "$room": Symbols._room,
    "$path": Symbols._target_of,
    "$deployed": Symbols._deployed,
    "$parameter": Symbols._parameter,
    "$link": Symbols._link,
    "$subject": Symbols._subject,
    "$join": Symbols._join,
    "$fill": Symbols._fill,
    "$quote": Symbols._quote,
}


def _framed(step: scripts.Frames, told: list[str], size: int) -> str:
    """Frames in words: runs of the same as one, then how they are sent."""
    runs = [(name, len(list(same))) for name, same in itertools.groupby(told)]
    text = ", ".join(name if count == 1 else f"{count} × {name}" for name, count in runs)
    text += f", {step.times} times" if step.times > 1 else ""
    text += f", cut off after {size} bytes" if step.cut is not None else ""
    return text + (f", {step.each} bytes at a time" if step.each is not None else "")


def _spellings(text: str) -> set[str]:
    """A text as it stands, as JSON escapes it and as a query does."""
    quoted = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return {text, *quoted, *(form(text.encode("utf-8", "surrogatepass")) for form in (quote, quote_plus))}


def _remove(body: dict[str, Any], pointer: str) -> None:
    *outer, last = pointer_parts(pointer)
    inner: Any = body
    for part in outer:
        inner = inner.get(part, {}) if isinstance(inner, dict) else {}
    if isinstance(inner, dict):
        inner.pop(last, None)
