"""Facts: the finite classes that guards ask for, each decided at most once per event and only when asked."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from attrs import define, field, frozen

from spec.bindings.json import decode
from spec.expressions import Evaluate, compile_expression, compile_key, root_of
from spec.machine.groups import RoleKind
from spec.machine.links import UNKNOWN, LinkKind
from spec.machine.registers import RegisterKind
from spec.machine.values import Request
from spec.machine.world import World
from spec.messages import Validator
from spec.model import Document, Endpoint, Fact
from spec.parameters import Rate, format_value

__all__ = ["Classifier", "Judge", "JudgedToken", "Question", "match_path", "offered", "queried"]


class JudgedToken(Protocol):
    """What a judge says of a token: the verdict's group, and the claims where they could be read."""

    @property
    def group(self) -> str: ...

    @property
    def claims(self) -> Mapping[str, Any]: ...


Judge = Callable[[str | None, float], JudgedToken]
"""Judges a token at a moment in epoch seconds."""


@define
class Question:
    """One event for which facts are asked; what is known already stands in `known`."""

    world: World
    now: float
    scope: dict[str, Any]
    request: Request | None = None
    payload_valid: bool = True
    endpoint: Endpoint | None = None
    connection: int = 0
    known: dict[str, str] = field(factory=dict)


@frozen
class _Token:
    """A judged token as expressions read it: its claims, and `expiry`, its `exp` plus leeway."""

    claims: Mapping[str, Any]
    leeway: float

    def __getattr__(self, name: str) -> Any:
        if name == "expiry":
            return self.claims["exp"] + self.leeway
        return self.claims.get(name)


class Classifier:
    """Decides facts for a document and the parameters of a deployment."""

    def __init__(
        self,
        document: Document,
        parameters: Mapping[str, Any],
        judge: Judge,
        links: Mapping[str, LinkKind] | None = None,
    ) -> None:
        self._document = document
        self._links = links or {}
        self.roles = {name: RoleKind(role, document.rooms[role.room]) for name, role in document.roles.items()}
        self.registers = {name: RegisterKind(register) for name, register in document.registers.items()}
        self._parameters = parameters
        self._judge = judge
        self._leeway = float(parameters.get("leeway", 0.0))
        self._deciders: dict[str, Callable[[Question], str]] = {
            name: _KINDS[fact.kind](self, fact) for name, fact in document.facts.items()
        }

    def passes(self, guard: Mapping[str, tuple[str, ...]], question: Question) -> bool:
        """Whether every fact of the guard has one of its values, asked in the order written."""
        for fact, values in guard.items():  # noqa: SIM110  # Asked for each row: `all` would take twice as long.
            if self.decide(fact, question) not in values:
                return False
        return True

    def decide(self, name: str, question: Question) -> str:
        """The value of one fact."""
        value = question.known.get(name)
        if value is None:
            value = question.known[name] = self._deciders[name](question)
        return value

    # Each of the following makes the decider of one kind.

    def _running(self, fact: Fact) -> Callable[[Question], str]:
        return lambda question: "stopping" if question.world.stopping else "running"

    def _path(self, fact: Fact) -> Callable[[Question], str]:
        def decide(question: Question) -> str:
            found = match_path(self._document.path, _request(question).target)
            question.scope["path"] = found or {}
            return "other" if found is None else "served"

        return decide

    def _upgrade(self, fact: Fact) -> Callable[[Question], str]:
        def decide(question: Question) -> str:
            request = _request(question)
            asked = request.method == "GET" and _names(request, "upgrade", "websocket")
            return "websocket" if asked and _names(request, "connection", "upgrade") else "none"

        return decide

    def _origin(self, fact: Fact) -> Callable[[Question], str]:
        allowed = compile_expression(fact.options["allowed"])

        def decide(question: Question) -> str:
            origins, wanted = _request(question).header("origin"), allowed(question.scope)
            return "acceptable" if not wanted or all(origin in wanted for origin in origins) else "forbidden"

        return decide

    def _parameter(self, fact: Fact) -> Callable[[Question], str]:
        value = format_value(self._parameters[fact.options["parameter"]])
        return lambda question: value

    def _offer(self, fact: Fact) -> Callable[[Question], str]:
        names = fact.options["of"]

        def decide(question: Question) -> str:
            offer = offered(_request(question))
            return "+".join(name for name in names if name in offer) or ("other" if offer else "none")

        return decide

    def _credentials(self, fact: Fact) -> Callable[[Question], str]:
        def decide(question: Question) -> str:
            found = credentials(fact.options["places"], _request(question))
            question.scope[fact.name] = found[0] if found else None
            return ("none", "one", "several")[min(len(found), 2)]

        return decide

    def _token(self, fact: Fact) -> Callable[[Question], str]:
        evaluate = compile_expression(fact.options["of"])
        source = self._document.facts.get(root_of(fact.options["of"]))
        credential = source.name if source is not None and source.kind == "credentials" else None

        def decide(question: Question) -> str:
            if credential is not None and question.request is not None:
                self.decide(credential, question)
            judged: JudgedToken = self._judge(_textual(evaluate(question.scope)), question.now)
            if judged.group in self._document.accepting:
                question.scope[fact.name] = _Token(judged.claims, self._leeway)
            return str(judged.group)

        return decide

    def _table(self, fact: Fact) -> Callable[[Question], str]:
        rows: tuple[tuple[Mapping[str, tuple[str, ...]], str], ...] = fact.options["rows"]

        def decide(question: Question) -> str:
            return next(value for guard, value in rows if self.passes(guard, question))

        return decide

    def _payload(self, fact: Fact) -> Callable[[Question], str]:
        return lambda question: "valid" if question.payload_valid else "invalid"

    def _limit(self, fact: Fact) -> Callable[[Question], str]:
        rate, key = compile_expression(fact.options["rate"]), compile_expression(fact.options["key"])

        def decide(question: Question) -> str:
            limit: Rate = rate(question.scope)
            place = (fact.name, key(question.scope))
            taken = question.world.take(place, limit.count, limit.window, question.now)
            return "within" if taken else "exceeded"

        return decide

    def _memory(self, fact: Fact) -> Callable[[Question], str]:
        memory = self._document.memories[fact.options["memory"]]
        parts = [compile_expression(part) for part in fact.options.get("key", memory.key)]
        at, spared = (compile_expression(fact.options.get(name)) for name in ("at", "spared"))

        def decide(question: Question) -> str:
            key = tuple(part(question.scope) for part in parts)
            moment = at(question.scope)
            when = question.now if moment is None else moment
            seen = question.world.remembers(memory.name, key, when, spared(question.scope))
            return "seen" if seen else "fresh"

        return decide

    def _same(self, fact: Fact) -> Callable[[Question], str]:
        left: Evaluate = compile_expression(fact.options["left"])
        right: Evaluate = compile_expression(fact.options["right"])
        return lambda question: "same" if left(question.scope) == right(question.scope) else "other"

    def _role(self, fact: Fact) -> Callable[[Question], str]:
        role = self.roles[fact.options["role"]]

        def decide(question: Question) -> str:
            tenure = question.world.tenures.get((role.name, role.key(question.scope)))
            return "holder" if tenure is not None and tenure.holder == question.connection else "other"

        return decide

    def _register(self, fact: Fact) -> Callable[[Question], str]:
        register = self.registers[fact.options["register"]]
        return lambda question: register.verdict(question.world, question.scope)

    def _history(self, fact: Fact) -> Callable[[Question], str]:
        log, after = self._document.logs[fact.options["log"]], compile_expression(fact.options["after"])
        key, keep = compile_key(log.key), compile_expression(log.keep)

        def decide(question: Question) -> str:
            number, head = after(question.scope), question.world.logs.head((log.name, key(question.scope)))
            kept = keep(question.scope)
            if number > head:
                return "beyond"
            return "covered" if kept is None or number >= head - kept else "cut"

        return decide

    def _room(self, fact: Fact) -> Callable[[Question], str]:
        name = fact.options["room"]
        key = compile_key(fact.options.get("key", self._document.rooms[name]))

        def decide(question: Question) -> str:
            place = (name, key(question.scope))
            members = len(question.world.rooms.get(place, ()))
            if not members:
                return "empty" if place in question.world.groups else "new"
            return "one" if members == 1 else "several"

        return decide

    def _present(self, fact: Fact) -> Callable[[Question], str]:
        value = compile_expression(fact.options["of"])
        return lambda question: "absent" if value(question.scope) is None else "present"

    def _order(self, fact: Fact) -> Callable[[Question], str]:
        left, right = compile_expression(fact.options["left"]), compile_expression(fact.options["right"])

        def decide(question: Question) -> str:
            one, other = left(question.scope), right(question.scope)
            if one is None or other is None:
                return "unset"
            return "equal" if one == other else "before" if one < other else "after"

        return decide

    def _named(self, fact: Fact) -> Callable[[Question], str]:
        token, claim = compile_expression(fact.options["of"]), self._document.claims.get("subject", "sub")

        def decide(question: Question) -> str:
            claims = self._judge(_textual(token(question.scope)), question.now).claims
            named = isinstance(claims.get(claim), str) and claims[claim] != ""
            question.scope[fact.name] = claims if named else {}
            return "somebody" if named else "nobody"

        return decide

    def _method(self, fact: Fact) -> Callable[[Question], str]:
        allowed = fact.options["allowed"]
        return lambda question: "allowed" if _request(question).method in allowed else "other"

    def _number(self, fact: Fact) -> Callable[[Question], str]:
        given, limit = compile_expression(fact.options["of"]), fact.options["limit"]

        def decide(question: Question) -> str:
            text = given(question.scope)
            if text is None:
                return "absent"
            if not (text.isascii() and text.isdecimal()):
                return "other"
            # Longer than any limit, and than Python reads.
            digits = text.lstrip("0")
            return "within" if len(digits) < 16 and int(digits or "0") <= limit else "above"

        return decide

    def _link(self, fact: Fact) -> Callable[[Question], str]:
        key = compile_expression(fact.options["key"])

        def decide(question: Question) -> str:
            kind = self._links[fact.options["link"]]
            link = kind.find(question.world.links, key(question.scope), question.now)
            question.scope[fact.name] = link
            return UNKNOWN if link is None else link.state

        return decide

    def _in_list(self, fact: Fact) -> Callable[[Question], str]:
        items, value = compile_expression(fact.options["list"]), compile_expression(fact.options["value"])
        return lambda question: "in" if value(question.scope) in (items(question.scope) or ()) else "out"

    def _one_of(self, fact: Fact) -> Callable[[Question], str]:
        of = compile_expression(fact.options["of"])
        values = [(name, compile_expression(value)) for name, value in fact.options["values"].items()]

        def decide(question: Question) -> str:
            given = of(question.scope)
            return next((name for name, value in values if value(question.scope) == given), "other")

        return decide

    def _secret(self, fact: Fact) -> Callable[[Question], str]:
        given, wanted = compile_expression(fact.options["of"]), compile_expression(fact.options["equals"])
        source = self._document.facts.get(root_of(fact.options["of"]))

        def decide(question: Question) -> str:
            if source is not None and source.kind == "credentials":
                self.decide(source.name, question)
            credential, secret = given(question.scope), wanted(question.scope)
            if credential is None:
                return "absent"
            same = hmac.compare_digest(str(credential).encode("utf-8", "replace"), str(secret).encode())
            return "valid" if same and secret else "invalid"

        return decide

    def _size(self, fact: Fact) -> Callable[[Question], str]:
        limit = compile_expression(fact.options["limit"])
        return lambda question: "over" if len(_request(question).body) > limit(question.scope) else "within"

    def _body(self, fact: Fact) -> Callable[[Question], str]:
        validators = {name: Validator(endpoint.schema) for name, endpoint in self._document.http.items()}

        def decide(question: Question) -> str:
            assert question.endpoint is not None
            try:
                body = decode(_request(question).body.decode())
            except ValueError:
                question.scope["fault"] = "the body is no JSON"
                return "invalid"
            question.scope["request"] = {"body": body}
            faults = validators[question.endpoint.name].faults(body)
            if faults:
                # What was sent is not quoted, only where it is wrong.
                question.scope["fault"] = f"the body does not fit its schema at `{faults[0].pointer or '/'}`"
            return "invalid" if faults else "valid"

        return decide

    def _record(self, fact: Fact) -> Callable[[Question], str]:
        name = fact.options["record"]
        parts = [compile_expression(part) for part in self._document.records[name]]

        def decide(question: Question) -> str:
            key = (name, tuple(part(question.scope) for part in parts))
            if key not in question.world.records:
                return "absent"
            question.scope[fact.name] = {"value": question.world.records[key]}
            return "present"

        return decide


_KINDS: dict[str, Callable[[Classifier, Fact], Callable[[Question], str]]] = {
    "running": Classifier._running,
    "path": Classifier._path,
    "upgrade": Classifier._upgrade,
    "origin": Classifier._origin,
    "parameter": Classifier._parameter,
    "offer": Classifier._offer,
    "credentials": Classifier._credentials,
    "token": Classifier._token,
    "table": Classifier._table,
    "payload": Classifier._payload,
    "limit": Classifier._limit,
    "memory": Classifier._memory,
    "same": Classifier._same,
    "secret": Classifier._secret,
    "size": Classifier._size,
    "body": Classifier._body,
    "record": Classifier._record,
    "method": Classifier._method,
    "number": Classifier._number,
    "link": Classifier._link,
    "in_list": Classifier._in_list,
    "one_of": Classifier._one_of,
    "role": Classifier._role,
    "register": Classifier._register,
    "history": Classifier._history,
    "room": Classifier._room,
    "present": Classifier._present,
    "order": Classifier._order,
    "named": Classifier._named,
}


def _textual(token: Any) -> str | None:
    """A token as it is judged; one of another JSON type is malformed, as an empty one is."""
    return token if token is None or isinstance(token, str) else ""


def _names(request: Request, header: str, wanted: str) -> bool:
    """Whether a header's list of tokens has one, in any letter case."""
    return any(token.strip().lower() == wanted for value in request.header(header) for token in value.split(","))


def _request(question: Question) -> Request:
    if question.request is None:
        raise LookupError("a fact of a request was asked of a message")
    return question.request


def queried(request: Request) -> dict[str, str]:
    """The query parameters of a request; of one that stands there twice the first."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(request.target.partition("?")[2], keep_blank_values=True):
        found.setdefault(name, value)
    return found


def match_path(template: str, target: str) -> dict[str, str] | None:
    """The path's parameters, percent-decoded, where the request target fits the template, else None.

    A parameter is one segment that is not empty (RFC 3986 section 3.3); an encoded slash belongs to its segment.
    """
    wanted, given = template.split("/"), target.partition("?")[0].split("/")
    if len(wanted) != len(given):
        return None
    found: dict[str, str] = {}
    for name, segment in zip(wanted, given, strict=True):
        try:
            value = unquote(segment, errors="strict")
        except UnicodeDecodeError:
            # Bytes that are no UTF-8 name nothing: read as replacement characters, two names would become one.
            return None
        if name.startswith("{"):
            if not value:
                return None
            found[name[1:-1]] = value
        elif name != value:
            return None
    return found


def offered(request: Request) -> list[str]:
    """The subprotocols that a request offers (RFC 6455 section 11.3.4: the header may be repeated)."""
    return [
        name.strip() for value in request.header("sec-websocket-protocol") for name in value.split(",") if name.strip()
    ]


@lru_cache
def _scheme(name: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(name)}(?:\s+(.*))?", re.I | re.S)


def credentials(places: list[Mapping[str, str]], request: Request) -> list[str]:
    """Every credential in the declared places; an empty one counts, another scheme does not."""
    found: list[str] = []
    for place in places:
        if "header" in place:
            for value in request.header(place["header"]):
                match = _scheme(place["scheme"]).fullmatch(value.strip())
                if match:
                    found.append((match[1] or "").strip())
        else:
            query = request.target.partition("?")[2]
            found.extend(value for name, value in parse_qsl(query, keep_blank_values=True) if name == place["query"])
    return found
