"""What a page can do with one protocol, read off its document: paths, credentials, messages with examples, endpoints.

Values that are not known before they are needed are words, which `symbols` puts values in place of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reference_server.hub import Hub
from reference_server.site import Mount
from spec.authoring.diffing.samples import sample
from spec.expressions import pointer_put
from spec.machine import Refusal, Request
from spec.model import Case, Decide, Document, Emit, Endpoint, Fact, Fail, Form, Guard, Message
from spec.parameters import holds

__all__ = ["catalogue"]

_QUERY = re.compile(r"\$query\.(\w+)$")
_UPGRADE = (
    ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "aGFuZGZhc3QgYXNrcyBpdA=="),
)  # fmt: skip


def catalogue(mount: Mount, hub: Hub, *, mints: bool) -> dict[str, Any]:
    """Everything about a protocol that does not change while it is served."""
    document = mount.document
    guards = [row.when for row in document.opening]
    credentials = list(_credentials(document, guards))
    query = {**document.query, **_query(document, guards)}
    return {
        "name": document.name,
        "version": document.version,
        "title": document.title,
        "summary": document.summary,
        "path": mount.prefix + document.path,
        "names": re.findall(r"\{(\w+)\}", document.path),
        "query": query,
        "subprotocols": [
            version.subprotocol
            for version in document.versions
            if version.subprotocol and holds(version.applies, mount.parameters)
        ],
        "credentials": credentials,
        "credential": 0 if credentials and _needs_credential(mount, hub, query) else None,
        "messages": [_message(document, message) for message in document.messages.values() if message.client],
        "endpoints": [_endpoint(document, mount.prefix, endpoint) for endpoint in document.http.values()],
        "deployment": [name for name in document.deployment if mount.deployment.get(name)],
        "mints": mints,
        "claims": _claims(document),
    }


def _claims(document: Document) -> dict[str, str]:
    """The claims that a token needs, beside times, with values to begin with."""
    subject = document.claims.get("subject", "sub")
    others = [name for name in document.claims.get("required", ()) if name not in {"exp", "iat", "nbf", subject}]
    # What examples of requests name, a token of the same may be asked for.
    examples = [endpoint.examples[0] for endpoint in document.http.values() if endpoint.examples]
    known = {name: value for example in examples for name, value in example.items()}
    return {subject: "ana", **{name: str(known.get(name, f"{name}-1")) for name in others}}


def _needs_credential(mount: Mount, hub: Hub, query: Mapping[str, str]) -> bool:
    """Whether a request without credentials is refused for that."""
    path = re.sub(r"\{\w+\}", "x", mount.document.path)
    text = "&".join(f"{name}={value}" for name, value in query.items())
    answer = hub.preview(Request("GET", f"{path}?{text}", _UPGRADE, ""))
    return isinstance(answer, Refusal) and answer.status == 401


# ------------------------------------------------------------------------------------------------ what guards ask


def _asked(document: Document, guards: Iterable[Guard]) -> Iterator[Fact]:
    """The facts that guards ask for, with those that these stand on."""
    pending = [name for guard in guards for name in guard]
    seen: set[str] = set()
    while pending:
        name = pending.pop(0)
        if name in seen or name not in document.facts:
            continue
        seen.add(name)
        fact = document.facts[name]
        yield fact
        pending += [name for when, _ in fact.options.get("rows", ()) for name in when]
        sources = (fact.options.get(option) for option in ("of", "left", "right"))
        pending += [re.split(r"[.#]", source[1:])[0] for source in sources if isinstance(source, str)]


def _credentials(document: Document, guards: Iterable[Guard]) -> Iterator[dict[str, Any]]:
    """Where a request may bring what it is let in by, and what that is."""
    asked = list(_asked(document, guards))
    given = {f"${fact.name}" for fact in asked if fact.kind == "credentials"}
    for fact in asked:
        if fact.kind in {"token", "secret"} and fact.options.get("of") in given:
            value = "$token" if fact.kind == "token" else str(fact.options["equals"])
            for place in document.facts[fact.options["of"][1:]].options["places"]:
                yield {**place, "value": value}


def _query(document: Document, guards: Iterable[Guard]) -> dict[str, str]:
    """The query parameters that guards ask for; of a link, the key that the last answer gave."""
    found = {}
    for fact in _asked(document, guards):
        match = _QUERY.match(str(fact.options.get("key", fact.options.get("of", ""))))
        if match is None:
            continue
        if fact.kind == "number":
            found[match[1]] = str(int(fact.options.get("limit", 0)) + 1)
        elif fact.kind == "link" and (pointer := _answered(document, fact.options["link"])) is not None:
            found[match[1]] = f"$answer#{pointer}"
    return found


def _answered(document: Document, link: str) -> str | None:
    """Where an endpoint's answer has the key of a link that it makes."""
    key = f"${link}.{document.links[link].key}"
    bodies = [row.body for endpoint in document.http.values() for row in endpoint.rows]
    return next((f"/{name}" for body in bodies for name, value in body.items() if value == key), None)


def _endpoint(document: Document, prefix: str, endpoint: Endpoint) -> dict[str, Any]:
    guards = [row.when for row in endpoint.rows]
    methods = [
        str(method)
        for fact in _asked(document, guards)
        for method in fact.options.get("allowed", ())
        if fact.kind == "method"
    ]
    query = {name: value for name, value in _query(document, guards).items() if not value.startswith("$answer")}
    return {
        "name": endpoint.name,
        "method": endpoint.method if endpoint.method != "any" else next(iter(methods), "POST"),
        "path": prefix + endpoint.path,
        "query": query,
        "credentials": list(_credentials(document, guards)),
        "body": endpoint.examples[0] if endpoint.examples else sample(endpoint.schema),
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------- messages


def _message(document: Document, message: Message) -> dict[str, Any]:
    form = message.client
    assert form is not None
    return {
        "name": message.name,
        "text": form.text,
        "schema": form.schema,
        "body": _body(document, message.name, form),
    }


def _body(document: Document, name: str, form: Form) -> dict[str, Any]:
    """An example of a message in its envelope; the type stands first, as people read."""
    envelope = document.envelope
    body: dict[str, Any] = {}
    pointer_put(body, envelope.discriminator, name)
    properties = envelope.client.schema.get("properties", {})
    for member in envelope.client.schema.get("required", ()):
        if member not in body and f"/{member}" not in (envelope.id, envelope.payload):
            body[member] = (
                "$now"
                if properties.get(member, {}).get("format") == "date-time"
                else sample(properties.get(member, {}))
            )
    if envelope.names_id and (
        envelope.id[1:] in envelope.client.schema.get("required", ()) or _is_answered(document, name)
    ):
        pointer_put(body, envelope.id, "$fresh")
    payload = form.examples[0] if form.examples else sample(form.schema)
    if envelope.payload or isinstance(payload, dict):
        pointer_put(body, envelope.payload, _worded(payload))
    return body


def _worded(value: Any) -> Any:
    """An example with a name for each room that it leaves open."""
    match value:
        case Mapping():
            return {name: _worded(member) for name, member in value.items()}
        case list():
            return [_worded(item) for item in value]
        case str() if value.startswith("$room."):
            return f"{value.removeprefix('$room.')}-1"
        case str() if value.startswith("$token."):
            return "$token"
    return value


def _is_answered(document: Document, name: str) -> bool:
    """Whether some state answers a message by its id."""
    tables = (document.receive, *(state.receive for state in document.states.values()))
    return any(
        (isinstance(effect, Emit) and effect.reply == "must")
        or (isinstance(effect, Fail) and effect.in_reply == "must")
        for table in tables
        for effect in _effects(table.get(name, ()))
    )


def _effects(cases: Iterable[Case]) -> Iterator[object]:
    for case in cases:
        for effect in case.do:
            yield effect
            if isinstance(effect, Decide):
                yield from _effects(effect.cases)
