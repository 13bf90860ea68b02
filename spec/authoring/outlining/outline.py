"""The machine of a document, laid out: its states, what decides in each, its timers, and its edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from attrs import frozen

from spec.authoring.outlining.decisions import Decision, closing, decisions, plainly, verb, within
from spec.loading import Source

__all__ = ["CLOSED", "FRAMES", "START", "Edge", "Outline", "Row", "State", "Timer", "outline"]

START, CLOSED = "start", "closed"
FRAMES = ("malformed", "other", "oversize", "binary", "not_utf8")
"""What can arrive in place of a message of a known type."""

_MOMENT = ("after", "at", "before", "plus")


@frozen
class Timer:
    """A countdown of a state; `options` are all that the document says of it but what is done when it fires."""

    name: str
    state: str
    options: Mapping[str, Any]
    expire: tuple[Decision, ...]

    @property
    def moment(self) -> str:
        """When it fires, in words."""
        after, at, before, plus = (self.options.get(name) for name in _MOMENT)
        if at is None:
            return f"{plainly(after)} after the state is entered" if after is not None else "see its options"
        told = f"{plainly(before)} before {plainly(at)}" if before is not None else plainly(at)
        return told + (f" plus {plainly(plus)}" if plus is not None else "")

    @property
    def aside(self) -> str:
        """What else the document says of it."""
        return "; ".join(f"{name}: {plainly(v)}" for name, v in self.options.items() if name not in _MOMENT)


@frozen
class State:
    """One state, by its dotted path; `receive` holds what it lists itself."""

    path: str
    text: str
    initial: str | None
    timers: tuple[Timer, ...]
    receive: Mapping[str, tuple[Decision, ...]]
    may_send: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def parent(self) -> str:
        return self.path.rpartition(".")[0]

    @cached_property
    def chain(self) -> tuple[str, ...]:
        """The state and its ancestors, innermost first."""
        parts = self.path.split(".")
        return tuple(".".join(parts[:end]) for end in range(len(parts), 0, -1))


@frozen
class Row:
    """A row of the opening table."""

    decision: Decision
    answer: str
    status: int | None
    code: str | None
    subprotocol: str | None


@frozen
class Edge:
    """A way from one state to another; `START`, `CLOSED` and "" (any state) stand for themselves.

    `kind` is `open`, `receive` or `timer`, `trigger` the input or timer; `reasons` are the errors and close codes with
    which a connection ends, and empty where it does not.
    """

    source: str
    target: str
    kind: str
    trigger: str
    decision: Decision
    reasons: tuple[str, ...] = ()


@frozen(eq=False)
class Outline:
    """A document laid out; `data` is all that it says, `everywhere` are the timers that run in every state."""

    data: Mapping[str, Any]
    digest: str
    states: Mapping[str, State]
    receive: Mapping[str, tuple[Decision, ...]]
    everywhere: tuple[Timer, ...] = ()

    @property
    def name(self) -> str:
        return str(self.data["protocol"])

    @property
    def version(self) -> int:
        return int(self.data["version"])

    @property
    def errors(self) -> Mapping[str, Any]:
        """The errors by their codes."""
        return self.section("errors", "codes")

    def section(self, *names: str) -> Mapping[str, Any]:
        """A mapping of the document, by the keys that lead to it; an empty one where there is none."""
        value: Any = self.data
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value if isinstance(value, Mapping) else {}

    def messages(self, role: str) -> dict[str, Mapping[str, Any]]:
        """The forms of the messages that a role sends, by name."""
        return {name: entry[role] for name, entry in self.section("messages").items() if role in entry}

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """The states that a connection can be in."""
        return tuple(path for path, state in self.states.items() if state.initial is None)

    def leaf(self, path: str) -> str:
        """The innermost state that is entered where `path` is."""
        while (state := self.states.get(path)) is not None and state.initial is not None:
            path = f"{path}.{state.initial}"
        return path

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Every input: the messages that clients send, then what can arrive instead of one."""
        levels = [*(state.receive for state in self.states.values()), self.receive]
        named = [*self.messages("client"), *FRAMES, *(name for level in levels for name in level)]
        sent = {name for level in levels for name in level} | set(self.messages("client"))
        return tuple(name for name in dict.fromkeys(named) if name in sent)

    def deciding(self, leaf: str, wanted: str) -> tuple[Decision, ...]:
        """The rows that decide an input in an innermost state: those of the innermost level that lists it."""
        levels = [*(self.states[path].receive for path in self.states[leaf].chain), self.receive]
        for name in (wanted, "other") if wanted in self.messages("client") else (wanted,):
            for level in levels:
                if name in level:
                    return tuple(row for row in level[name] if row.inside is None or within(leaf, row.inside))
        return ()

    def timers(self, leaf: str) -> tuple[Timer, ...]:
        """The timers that run in an innermost state."""
        own = (timer for path in self.states[leaf].chain for timer in self.states[path].timers)
        return (*own, *self.everywhere)

    @property
    def every_timer(self) -> tuple[Timer, ...]:
        """All timers; the state of one that runs everywhere is empty."""
        return (*self.everywhere, *(timer for state in self.states.values() for timer in state.timers))

    @cached_property
    def endpoints(self) -> Mapping[str, tuple[Row, ...]]:
        """The tables of the HTTP endpoints beside the upgrade, by name."""
        found = self.section("http")
        return {
            name: tuple(self._row(row) for row in entry.get("rows", ()) if isinstance(row, Mapping))
            for name, entry in found.items()
            if isinstance(entry, Mapping)
        }

    @cached_property
    def opening(self) -> tuple[Row, ...]:
        """The opening table."""
        return tuple(self._row(entry) for entry in self.section("opening").get("rows", ()))

    def _row(self, entry: Mapping[str, Any]) -> Row:
        entered = {**entry, "to": entry.get("upgrade", {}).get("to", entry.get("to"))}
        [decision] = decisions([entered], self.section("errors", "forms"))
        if "refuse" in entry:
            code = plainly(entry["refuse"].get("code", ""))
            status = self.section("refusals").get(code)
            return Row(decision, f"HTTP {status or '?'} {code}".strip(), status, code, None)
        if "upgrade" not in entry:
            status = entry.get("answer", {}).get("status", 200) if isinstance(entry.get("answer"), Mapping) else 200
            return Row(decision, f"HTTP {plainly(status)}", status if isinstance(status, int) else None, None, None)
        upgrade = entry.get("upgrade", {})
        spoken = upgrade.get("subprotocol", "none")
        answer = "101 Switching Protocols" + (f", {spoken}" if spoken != "none" else ", no subprotocol")
        return Row(decision, answer, 101, None, None if spoken == "none" else str(spoken))

    # ------------------------------------------------------------------------------------------------------ edges

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every way between states, where the document declares it; what leaves no state is none."""
        return (*self._openings(), *self._moves())

    def _openings(self) -> Iterator[Edge]:
        for row in self.opening:
            if row.decision.to is not None:
                yield Edge(START, row.decision.to, "open", row.subprotocol or "no subprotocol", row.decision)
            elif row.status != 101:
                yield Edge(START, CLOSED, "open", "refused", row.decision, (row.answer.removeprefix("HTTP "),))

    def _moves(self) -> Iterator[Edge]:
        for wanted, rows in self.receive.items():
            yield from self._leading("", "receive", wanted, rows)
        for timer in self.everywhere:
            yield from self._leading("", "timer", timer.name, timer.expire)
        for state in self.states.values():
            for wanted, rows in state.receive.items():
                yield from self._leading(state.path, "receive", wanted, rows)
            for timer in state.timers:
                yield from self._leading(state.path, "timer", timer.name, timer.expire)

    def _leading(self, source: str, kind: str, trigger: str, rows: tuple[Decision, ...]) -> Iterator[Edge]:
        for row in rows:
            begin = row.inside or source
            ends = [effect for effect in row.effects if self._ends(effect, begin)]
            if ends:
                reasons = tuple(_reason(effect) for effect in ends)
                yield Edge(begin, CLOSED, kind, trigger, row, reasons)
            elif row.to is not None:
                yield Edge(begin, row.to, kind, trigger, row)

    def _ends(self, effect: Mapping[str, Any], state: str) -> bool:
        """Whether an effect ends the connection in a state or in one within it."""
        inner = [path for path in self.leaves if within(path, state)]
        return any(closing(effect, path, self.errors) for path in inner)


def _reason(effect: Mapping[str, Any]) -> str:
    """Why a connection ends, in a word: the error's code, or how it is closed."""
    told = plainly(effect[verb(effect)])
    return f"close {told}" if verb(effect) == "close" else told


def outline(source: Source) -> Outline:
    """The outline of a document that was read."""
    connection = source.data.get("connection", {})
    forms = source.data.get("errors", {}).get("forms", {})
    states = {state.path: state for state in _states(connection.get("states", {}), "", forms)}
    everywhere = tuple(_timer(name, "", entry, forms) for name, entry in connection.get("timers", {}).items())
    return Outline(source.data, source.digest, states, _receive(connection, forms), everywhere)


def _states(entries: Mapping[str, Any], parent: str, forms: Mapping[str, Any]) -> Iterator[State]:
    for name, body in entries.items():
        path = f"{parent}.{name}" if parent else name
        body = body or {}
        permitted = (entry.get("message") for entry in body.get("may_send", ()))
        yield State(
            path,
            body.get("text", ""),
            body.get("initial"),
            tuple(_timer(key, path, timer, forms) for key, timer in body.get("timers", {}).items()),
            _receive(body, forms),
            tuple(name for name in permitted if isinstance(name, str)),
        )
        yield from _states(body.get("states", {}), path, forms)


def _receive(body: Mapping[str, Any], forms: Mapping[str, Any]) -> dict[str, tuple[Decision, ...]]:
    return {name: decisions(rows, forms) for name, rows in body.get("receive", {}).items()}


def _timer(name: str, state: str, entry: Mapping[str, Any], forms: Mapping[str, Any]) -> Timer:
    options = {key: value for key, value in entry.items() if key != "expire"}
    return Timer(name, state, options, decisions(entry.get("expire", ()), forms))
