"""Scripts: what a case does, as plain frozen data that a file can hold and another machine can play.

Values that only a run knows are symbols, mappings with one key that begins with `$`:

`{"$token": {"recipe": "valid", "subject": "ana", "left": 600}}` a token, minted when first needed (same symbol, same
token); `{"$id": "first"}` a message id, fresh in each run; `{"$room": "a"}` a name of a room; `{"$join": [...]}` texts
put together; `{"$fill": {"text": "x", "times": 4000}}` a text repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import NOTHING, asdict, field, fields, frozen

__all__ = [
    "Case",
    "Close",
    "Expire",
    "Extent",
    "Fragment",
    "Idle",
    "Open",
    "Ping",
    "Raw",
    "Reset",
    "Send",
    "Settle",
    "Step",
    "case_from_data",
    "case_to_data",
    "extent",
    "token",
]


@frozen
class Open:
    """Send an upgrade request.

    `path` replaces the protocol's own path (relative to the target's base); `room` names the path's parameters;
    `address` names a source address that clients share; without it, each client has its own.
    """

    client: str
    room: Any = "a"
    path: Any = None
    offer: tuple[str, ...] = ()
    headers: tuple[tuple[str, Any], ...] = ()
    query: tuple[tuple[str, Any], ...] = ()
    websocket: bool = True
    address: str | None = None
    rules: tuple[str, ...] = ()


@frozen
class Send:
    """Send a message.

    `change` edits its envelope by JSON Pointer, `drop` removes members, `pad_to` fills it to so many bytes.
    """

    client: str
    message: str
    payload: Any = field(factory=dict)
    id: Any = None
    change: Mapping[str, Any] = field(factory=dict)
    drop: tuple[str, ...] = ()
    pad_to: int | None = None
    pad_with: str = "x"
    fragments: int = 1
    rules: tuple[str, ...] = ()


@frozen
class Raw:
    """Send one frame as it stands: `text`, or bytes in hexadecimal with `binary` or `not_utf8`."""

    client: str
    text: Any = None
    binary: str | None = None
    not_utf8: str | None = None
    rules: tuple[str, ...] = ()


@frozen
class Fragment:
    """Send the beginning of a text message, and never its end."""

    client: str
    text: str = "{"
    first: bool = True


@frozen
class Ping:
    """Send a ping frame."""

    client: str
    data: str = ""


@frozen
class Settle:
    """Wait until nothing is due."""


@frozen
class Expire:
    """Wait until a timer of a client's connection (the named one, or all of them) runs no more."""

    client: str
    timer: str | None = None


@frozen
class Idle:
    """Let time pass, in seconds; None is the calibrated quiet period."""

    seconds: float | None = None


@frozen
class Close:
    """Send a close frame and wait for the answer."""

    client: str
    code: int | None = 1000


@frozen
class Reset:
    """Drop the transport: with RST, or with FIN where `gently`."""

    client: str
    gently: bool = False


Step = Open | Send | Raw | Fragment | Ping | Settle | Expire | Idle | Close | Reset

_STEPS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind for kind in (Open, Send, Raw, Fragment, Ping, Settle, Expire, Idle, Close, Reset)
}


@frozen
class Case:
    """One case: `rules` are those it is there for, first the one it is first about.

    `alone` asks for a run with nothing else under way, `wait` estimates its waiting in seconds, `quiet` listens for
    what should not come at the end, and `level` is that of what it is about (whether a failure only warns is decided by
    the rule that was broken).
    """

    id: str
    family: str
    rules: tuple[str, ...]
    steps: tuple[Step, ...]
    text: str = ""
    level: str = "must"
    wait: float = 0.0
    alone: bool = False
    quiet: bool = True
    measure: Mapping[str, Any] | None = None

    @property
    def timed(self) -> bool:
        """Whether the case rests on when things happen, or on a limit that others of its clients share."""
        return any(isinstance(s, Idle | Expire) or (isinstance(s, Open) and s.address is not None) for s in self.steps)


@frozen
class Extent:
    """How long a script is for its reader: `steps` without those that only wait for what is due, and `clients`."""

    steps: int
    clients: int

    def __str__(self) -> str:
        steps, clients = ("" if number == 1 else "s" for number in (self.steps, self.clients))
        return f"{self.steps} step{steps} of {self.clients} client{clients}"


def extent(steps: Iterable[Step]) -> Extent:
    """The extent of a script."""
    acting = [step for step in steps if not isinstance(step, Settle)]
    return Extent(len(acting), len({step.client for step in acting if hasattr(step, "client")}))


def token(recipe: str = "valid", subject: str = "ana", **more: Any) -> dict[str, Any]:
    """The symbol of a token; `left` is the life it has, `label` tells two tokens apart."""
    return {"$token": {"recipe": recipe, "subject": subject, **more}}


def case_to_data(case: Case) -> dict[str, Any]:
    """A case as plain data."""
    data = asdict(case, filter=lambda attribute, value: attribute.name != "steps")
    data["steps"] = [{"do": type(step).__name__.lower(), **_trimmed(step)} for step in case.steps]
    return data


def _trimmed(step: Step) -> dict[str, Any]:
    """A step's values without those that are as they would be anyway."""
    kind = type(step)
    named = {a.name: getattr(step, a.name) for a in fields(kind) if a.default is NOTHING}
    plain = asdict(kind(**named))
    return {name: value for name, value in asdict(step).items() if name in named or value != plain[name]}


def case_from_data(data: Mapping[str, Any]) -> Case:
    """A case from plain data; raises ValueError with a readable text where it is none."""
    try:
        steps = tuple(_step(entry) for entry in data["steps"])
        rest = {key: _frozen(value) if key == "rules" else value for key, value in data.items() if key != "steps"}
        return Case(**rest, steps=steps)
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise ValueError(f"not a case of this version: {problem}") from None


def _step(entry: Mapping[str, Any]) -> Step:
    kind = _STEPS[entry["do"]]
    values = {key: value for key, value in entry.items() if key != "do"}
    for key in ("offer", "rules", "drop"):
        if key in values:
            values[key] = tuple(values[key])
    for key in ("headers", "query"):
        if key in values:
            values[key] = tuple((name, value) for name, value in values[key])
    step: Step = kind(**values)
    return step


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
