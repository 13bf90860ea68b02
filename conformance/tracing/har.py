"""HAR files with WebSocket messages, as browsers save them.

HAR 1.2 knows no WebSocket; browsers add `_webSocketMessages` to the entry of the request: `type` (`send`, `receive`),
`time` (epoch seconds), `opcode` and `data`. No browser writes close frames into it, so how a connection ended is not
known.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from conformance.player import Entry
from conformance.tracing.reading import Found
from conformance.tracing.recording import Event, Recording, answer_of, request_of
from spec.bindings.json import NotJSON, decode
from spec.exits import Exit, Stop
from spec.expressions import pointer_get, read_moment
from spec.machine import Binary, Request, Text
from spec.machine.machine import Machine

__all__ = ["recording"]

_MILLISECONDS = 1e11
"""A moment above this is told in milliseconds."""

_CREDENTIALS = ("authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key")

_SHOWN = {"sent": ">", "received": "<", "answer": "<", "request": ">", "post": ">"}


def recording(whole: Found, name: str, machine: Machine, prefix: str) -> Recording:
    """The exchange that a HAR holds; `prefix` is what stands before the document's path in its URLs.

    Raises:
        Stop: for what is no HAR, or holds no WebSocket.
    """
    entries = whole.member("log").member("entries")
    if not isinstance(entries.value, list):
        raise Stop(Exit.USAGE, f"{whole.where} is no HAR: it has no `log.entries`")
    events: list[Event] = []
    secrets: set[str] = set()
    number = 0
    for entry in entries.items():
        url = entry.member("request").member("url").text("")
        upgrades = url.startswith(("ws:", "wss:")) or entry.member("_webSocketMessages").value is not None
        try:
            asked = _request(entry, url, prefix, upgrade=upgrades)
        except ValueError:
            raise Stop(Exit.USAGE, f"{entry.where}: its URL is none") from None
        if not upgrades and machine.endpoint(asked) is None:
            continue
        number += 1
        client = f"client {number}"
        events += _opening(entry, client, asked, upgrade=upgrades)
        events += _messages(entry.member("_webSocketMessages"), client) if upgrades else ()
        secrets |= set(_carried(entry, asked, machine))
    if not any(event.kind == "request" for event in events):
        raise Stop(
            Exit.NOTHING, f"{whole.where} holds no WebSocket", "save the HAR with the tab's WebSocket open in it"
        )
    # What a client's messages keep secret, a server may have thrown back in any of its own.
    secrets |= {token for event in events if event.kind == "sent" for token in _spoken(event, machine)}
    events.sort(key=lambda event: event.at)
    shown = [_entry(event, events[0].at) for event in events]
    return Recording(name, tuple(events), tuple(shown), events[-1].at, secrets=frozenset(secrets), silent=True)


def _request(entry: Found, url: str, prefix: str, *, upgrade: bool) -> Request:
    asked, parts = entry.member("request"), urlsplit(url)
    path = (parts.path or "/").removeprefix(prefix.rstrip("/"))
    target = path + (f"?{parts.query}" if parts.query else "")
    headers = tuple(_headers(asked.member("headers")))
    if upgrade:
        return request_of(target, headers, "the browser")
    body = asked.member("postData").member("text").text("")
    return Request(asked.member("method").text("GET"), target, headers, "the browser", body.encode())


def _headers(headers: Found) -> Iterator[tuple[str, str]]:
    for header in headers.items():
        name = header.member("name").text("")
        if name and not name.startswith(":"):
            yield name, header.member("value").text("")


def _opening(entry: Found, client: str, asked: Request, *, upgrade: bool) -> Iterator[Event]:
    started = read_moment("time", entry.member("startedDateTime").text())
    if started is None:
        raise Stop(Exit.USAGE, f"{entry.where}: startedDateTime is no time")
    yield Event(started, client, "request" if upgrade else "post", asked)
    answer = entry.member("response")
    status = int(answer.member("status").moment(0))
    if status < 100:
        yield Event(started, client, "closed", (None, ""))
        return
    took = min(max(0.0, entry.member("time").moment(0)), 60_000) / 1000
    said = [_moment(message) for message in entry.member("_webSocketMessages").items()]
    at = min([started + took, *said])
    headers, body = tuple(_headers(answer.member("headers"))), answer.member("content").member("text").text("")
    yield Event(max(started, at), client, "answer", answer_of(status, headers, body))


def _messages(messages: Found, client: str) -> Iterator[Event]:
    for message in messages.items():
        at, sent = _moment(message), message.member("type").text() == "send"
        data, opcode = message.member("data").text(""), int(message.member("opcode").moment(1))
        if opcode == 1:
            yield (
                Event(at, client, "sent", Text(data, len(data.encode("utf-8", "surrogatepass"))))
                if sent
                else Event(at, client, "received", data)
            )
        elif opcode == 2:
            raw = _binary(data)
            yield Event(at, client, "sent", Binary(len(raw), raw)) if sent else Event(at, client, "binary", len(raw))


def _moment(message: Found) -> float:
    at = message.member("time").number(None)
    return Found(at / 1000 if at > _MILLISECONDS else at, f"{message.where}: time").moment()


def _binary(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return data.encode("utf-8", "surrogatepass")


def _carried(entry: Found, asked: Request, machine: Machine) -> Iterator[str]:
    """What the headers and the query of a request carry in confidence."""
    for found in (entry.member("request"), entry.member("response")):
        for name, value in _headers(found.member("headers")):
            if name.lower() in _CREDENTIALS:
                yield from (value, *value.replace(";", " ").split(), *value.replace(";", "=").split("="))
    named = {place["query"] for place in machine.document.credential_places() if "query" in place}
    pairs = parse_qsl(urlsplit(asked.target).query, keep_blank_values=True)
    yield from (value for name, value in pairs if name in named or "token" in name.lower())


def _spoken(event: Event, machine: Machine) -> Iterator[str]:
    """The secrets in a client's message; in one that is of no known type, every text that may be one."""
    if not isinstance(event.value, Text):
        return
    for read in machine.ear().hear(event.value):
        message = machine.document.messages.get(read.input)
        pointers = message.client.secret if message is not None and message.client is not None else ()
        for pointer in pointers:
            found = pointer_get(read.body, machine.document.envelope.payload + pointer)
            if isinstance(found, str):
                yield found
    try:
        yield from _named(decode(event.value.text))
    except NotJSON:
        return


def _named(value: object, name: str = "") -> Iterator[str]:
    """Texts that are called like secrets, wherever they stand."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _named(member, key)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, name)
    elif isinstance(value, str) and any(word in name.lower() for word in ("token", "secret", "password", "jwt")):
        yield value


def _entry(event: Event, began: float) -> Entry:
    value = event.value
    match event.kind:
        case "request" | "post":
            told = f"{value.method} {value.target}"
        case "answer":
            told = f"{value.status} {value.header('sec-websocket-protocol') or value.body[:200]}".rstrip()
        case "sent":
            told = value.text if isinstance(value, Text) else f"a binary message of {value.size} bytes"
        case "received":
            told = value
        case "binary":
            told = f"a binary message of {value} bytes"
        case _:
            told = "no answer came"
    return Entry(event.at - began, event.client, _SHOWN.get(event.kind, "."), told)
