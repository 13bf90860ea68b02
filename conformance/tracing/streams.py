"""Exchanges that the suite wrote down: cases of a `jsonl` stream, and files of failures.

Their tokens stand there by names, with what each is beside them. What a transcript cuts is filled up again to the same
length, alike on both sides. Headers of answers are not in it, and what is below the messages ends the judgement.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from attrs import define, field

from conformance.player import Entry
from conformance.tracing.reading import Found, read_json
from conformance.tracing.recording import Event, Recording, Token, answer_of, request_of
from spec.exits import Exit, Stop
from spec.expressions import read_moment
from spec.machine import Binary, NotUTF8, Request, Text
from spec.machine.machine import Machine

__all__ = ["header_of", "of_failure", "of_stream"]

_TOKEN = re.compile(r"<token ([\w-]+) of (.+?)(?:, number \d+)?>")
_CUT = re.compile(r"… \((\d+) characters\)")
_HEADER = re.compile(r" ([A-Z][A-Za-z0-9-]*): (.*?)(?= [A-Z][A-Za-z0-9-]*: |$)")
_CLOSE = re.compile(r"close (?:(\d{4})|\(no code\))(?: (.*))?", re.DOTALL)
_ANSWER = re.compile(r"(\d{3})(?: Sec-WebSocket-Protocol: (\S+)| (.*))?", re.DOTALL)
_BINARY = re.compile(r"a binary message of (\d+) bytes")
_BELOW = ("an unfinished fragment", "what was held back", "FIN, and reads on")
_FRAME = re.compile(r"(binary|not UTF-8) (b['\"].*)", re.DOTALL)
_FRAGMENTS = re.compile(r" \(in \d+ fragments\)$")

_HOUR, _NEAR = 3600.0, 0.05


def header_of(text: str, where: str) -> Found:
    """The first event of a stream, which says what ran.

    Raises:
        Stop: where there is none.
    """
    found = read_json(text.partition("\n")[0], f"{where}, line 1")
    if found.member("event").value != "header":
        raise Stop(Exit.USAGE, f"{where} is no stream of the suite: its first line is no header")
    return found


def of_stream(text: str, where: str, machine: Machine, globs: list[str]) -> Iterator[Recording]:
    """The cases of a stream that have transcripts and fit a glob, where globs are given."""
    flight = _NEAR
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        event = read_json(line, f"{where}, line {number}")
        match event.member("event").value:
            case "calibration":
                flight = max(_NEAR, 4 * event.member("round_trip_s").moment(0.0))
            case "case" if isinstance(event.member("transcript").value, list):
                name = event.member("id").text()
                if not globs or any(fnmatchcase(name, glob) for glob in globs):
                    yield _recording(name, event, machine, flight)


def of_failure(saved: Found, machine: Machine) -> Recording:
    """The exchange of a failure's file."""
    name = saved.member("case").member("id").text("the failure")
    return _recording(name, saved, machine, _NEAR)


def _recording(name: str, event: Found, machine: Machine, flight: float) -> Recording:
    began = event.member("began_s").moment(0.0) or _told(event)
    entries = tuple(
        Entry(
            line.member("at").moment(),
            line.member("client").text(""),
            _direction(line.member("direction")),
            line.member("text").text(""),
        )
        for line in event.member("transcript").items()
    )
    reader = _Lines(machine, began)
    events = tuple(one for entry in entries for one in reader.read(entry))
    ends = max([0.0, event.member("duration_s").moment(0.0), *(entry.at for entry in entries)])
    return Recording(
        name,
        tuple(sorted(events, key=lambda one: one.at)),
        entries,
        began + ends,
        tokens=_tokens(event.member("tokens").value, entries, machine, began),
        flight=flight,
        unrecorded=frozenset({"header"}),
    )


def _direction(found: Found) -> str:
    """Who did what a line tells: `>` a client, `<` the server, `.` nobody."""
    if found.text(".") not in (">", "<", "."):
        raise Stop(Exit.USAGE, f"{found.where} is none of `>`, `<` and `.`")
    return found.text(".")


def _told(event: Found) -> float:
    """When an exchange began that does not say so: as its first timestamp tells."""
    for line in event.member("transcript").items():
        found = re.search(r'"timestamp":\s*"([^"]+)"', line.member("text").text(""))
        moment = read_moment("time", found[1]) if found else None
        if moment is not None:
            return moment - line.member("at").moment(0.0)
    return 1_800_000_000.0


def _tokens(told: Any, entries: tuple[Entry, ...], machine: Machine, began: float) -> dict[str, Token]:
    """The tokens that lines name; of one of which nothing is told, what its recipe makes for an hour."""
    known = told if isinstance(told, dict) else {}
    steps = {recipe.name: recipe.step for recipe in machine.document.recipes}
    found: dict[str, Token] = {}
    for entry in entries:
        for match in _TOKEN.finditer(entry.text):
            said = known.get(match[0])
            if isinstance(said, dict) and isinstance(said.get("claims"), dict) and isinstance(said.get("step"), str):
                found[match[0]] = Token(said["step"], said["claims"])
            else:
                claims = {machine.document.claims.get("subject", "sub"): match[2], "iat": began, "exp": began + _HOUR}
                found.setdefault(match[0], Token(steps.get(match[1], "malformed"), claims))
    return found


@define
class _Lines:
    """Reads lines of a transcript; `asked` are the clients whose request has not been answered yet."""

    machine: Machine
    began: float
    asked: dict[str, str] = field(factory=dict)

    def read(self, entry: Entry) -> Iterator[Event]:
        at, client, text = self.began + entry.at, entry.client, _filled(entry.text)
        if text.endswith("…"):
            yield Event(at, client, "beyond", "a text that the transcript cuts")
        elif entry.direction == ">" and text != "ping":
            yield self._sent(at, client, text)
        elif entry.direction == "<":
            yield self._came(at, client, text)
        elif text.startswith(("stops", "holds")):
            yield Event(at, client, "beyond", text)
        elif entry.direction == "." and not text.startswith(("waits", "answers")):
            yield Event(at, client, "closed", (None, ""))

    def _sent(self, at: float, client: str, text: str) -> Event:
        method, _, rest = text.partition(" ")
        if method == "GET" and client not in self.asked and rest.startswith("/"):
            self.asked[client] = "request"
            return Event(at, client, "request", _request(rest, client))
        target, _, body = rest.partition(" ")
        posted = Request(method, target, (("Content-Type", "application/json"),), client, body.encode())
        if target.startswith("/") and self.machine.endpoint(posted) is not None:
            self.asked[client] = "post"
            # The credential of a post is not written down, so what it is answered cannot be judged.
            return Event(at, client, "beyond", text)
        if text in ("FIN", "RST"):
            return Event(at, client, "dropped")
        if _CLOSE.fullmatch(text):
            return Event(at, client, "left")
        if text.startswith(_BELOW) or client not in self.asked:
            return Event(at, client, "beyond", text)
        if (frame := _FRAME.fullmatch(text)) is not None:
            return Event(at, client, "sent", _frame(frame[1], frame[2]))
        whole = _FRAGMENTS.sub("", text)
        return Event(at, client, "sent", Text(whole, len(whole.encode("utf-8", "surrogatepass"))))

    def _came(self, at: float, client: str, text: str) -> Event:
        if self.asked.get(client) in ("request", "post") and (answer := _ANSWER.fullmatch(text)):
            kind, self.asked[client] = self.asked[client], "answered"
            headers = (("Sec-WebSocket-Protocol", answer[2]),) if answer[2] else ()
            return (
                Event(at, client, "answer", answer_of(int(answer[1]), headers, answer[3] or ""))
                if (kind == "request")
                else Event(at, client, "beyond", text)
            )
        if (closed := _CLOSE.fullmatch(text)) is not None:
            return Event(at, client, "closed", (int(closed[1] or 1005), closed[2] or ""))
        if (binary := _BINARY.fullmatch(text)) is not None:
            return Event(at, client, "binary", int(binary[1]))
        return Event(at, client, "received", text)


def _frame(kind: str, written: str) -> Binary | NotUTF8:
    """A frame of bytes as a transcript writes it; of one that is cut, the beginning."""
    try:
        data = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        data = b""
    size = len(data) if isinstance(data, bytes) else 0
    return Binary(size, data) if kind == "binary" else NotUTF8(size)


def _request(rest: str, client: str) -> Request:
    plain = rest.removesuffix(" (no upgrade)")
    target, _, said = plain.partition(" ")
    headers = tuple((match[1], match[2]) for match in _HEADER.finditer(f" {said}")) if said else ()
    return request_of(target, headers, client, upgrade=plain == rest)


def _filled(text: str) -> str:
    """A text whose cut values are as long again as they were."""
    if "… (" not in text or not text.startswith("{"):
        return text
    try:
        body = json.loads(text)
    except ValueError:
        return text
    return json.dumps(_whole(body), ensure_ascii=False, separators=(",", ":"))


def _whole(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, str) and (cut := _CUT.search(value)) is not None and cut.end() == len(value):
        before = value[: cut.start()]
        return before + "x" * max(0, min(int(cut[1]), 1 << 20) - len(before))
    return value
