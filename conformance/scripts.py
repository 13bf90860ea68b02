"""Scripts: what a case does, as plain frozen data that a file can hold and another machine can play.

Values that only a run knows are symbols, mappings with one key that begins with `$`:

`{"$token": {"recipe": "valid", "subject": "ana", "left": 600}}` a token, minted when first needed (same symbol, same
token); `{"$id": "first"}` a message id, fresh in each run; `{"$room": "a"}` a name of a room; `{"$join": [...]}` texts
put together; `{"$fill": {"text": "x", "times": 4000}}` a text repeated; `{"$path": "a"}` the request path of a room.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from attrs import NOTHING, asdict, field, fields, frozen

__all__ = [
    "Case",
    "Close",
    "Expire",
    "Extent",
    "Fragment",
    "Frame",
    "Frames",
    "HalfClose",
    "Hold",
    "Idle",
    "Knock",
    "Open",
    "Ping",
    "Raw",
    "Release",
    "Reset",
    "Send",
    "Settle",
    "Stall",
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
    `address` names a source address that clients share; without it, each client has its own. `each` writes the request
    so many bytes at a time; `narrow` asks for small buffers, so that it is soon felt when the client stops reading.
    """

    client: str
    room: Any = "a"
    path: Any = None
    offer: tuple[str, ...] = ()
    headers: tuple[tuple[str, Any], ...] = ()
    query: tuple[tuple[str, Any], ...] = ()
    websocket: bool = True
    address: str | None = None
    each: int | None = None
    narrow: bool = False
    rules: tuple[str, ...] = ()


@frozen
class Knock:
    """Send what is no valid handshake: lines of a head, or bytes in hexadecimal.

    `ended` writes the empty line behind the lines; `due` waits for the refusal or the end that must come.
    """

    client: str
    lines: tuple[Any, ...] = ()
    hex: str | None = None
    ended: bool = True
    due: bool = True


@frozen
class Send:
    """Send a message.

    `change` edits its envelope by JSON Pointer, `drop` removes members, `pad_to` fills it to so many bytes; `around` is
    written before and behind it.
    """

    client: str
    message: str
    payload: Any = field(factory=dict)
    id: Any = None
    change: Mapping[str, Any] = field(factory=dict)
    drop: tuple[str, ...] = ()
    pad_to: int | None = None
    pad_with: str = "x"
    around: tuple[str, ...] = ("", "")
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
class Frame:
    """One frame of `Frames`, whatever it is (RFC 6455 section 5.2).

    Its payload is `text`, or `hex`, or `take` bytes of the message that is sent (negative: all but so many of what is
    left), or else all that is left of it. `mask` is a key in hexadecimal, empty for none; `bits` (7, 16 or 64) says how
    the length is written, and `length` what is written of it.
    """

    opcode: int = 1
    text: Any = None
    hex: str | None = None
    take: int | None = None
    final: bool = True
    reserved: int = 0
    mask: str | None = None
    bits: int | None = None
    length: int | None = None


@frozen
class Frames:
    """Send frames as they stand, into which the message `of` is cut.

    All bytes, or the first `cut` of them (negative: all but so many), go out in one piece or so many at a time
    (`each`); `times` repeats them, and where that `strains` a peer, it may hang up.
    """

    client: str
    frames: tuple[Frame, ...]
    of: Send | None = None
    cut: int | None = None
    each: int | None = None
    times: int = 1
    strains: bool = False
    rules: tuple[str, ...] = ()


@frozen
class Hold:
    """Keep back what a client sends, until `Release`."""

    client: str


@frozen
class Release:
    """Send what was held back, in one piece."""

    client: str


@frozen
class Stall:
    """Stop reading; what comes of the connection is not judged any more."""

    client: str


@frozen
class HalfClose:
    """End the sending side of the transport (FIN), and go on reading."""

    client: str


@frozen
class Ping:
    """Send a ping frame."""

    client: str
    data: str = ""
    rules: tuple[str, ...] = ()


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
    rules: tuple[str, ...] = ()


@frozen
class Reset:
    """Drop the transport: with RST, or with FIN where `gently`."""

    client: str
    gently: bool = False


_Talk = Open | Knock | Send | Raw | Fragment | Frames | Ping | Close
Step = _Talk | Hold | Release | Stall | HalfClose | Reset | Settle | Expire | Idle

_STEPS: dict[str, type[Any]] = {kind.__name__.lower(): kind for kind in get_args(Step)}


@frozen
class Case:
    """One case: `rules` are those it is there for, first the one it is first about.

    `alone` asks for a run with nothing else under way, `wait` estimates its waiting in seconds, `quiet` listens for
    what should not come at the end, and `level` is that of what it is about (whether a failure only warns is decided by
    the rule that was broken). A `hostile` one may harm a target that is not robust.
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
    hostile: bool = False

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
    if kind is Frames:
        values["frames"] = tuple(Frame(**frame) for frame in values["frames"])
        values["of"] = _step({"do": "send", **values["of"]}) if values.get("of") is not None else None
    for key in ("offer", "rules", "drop", "around", "lines"):
        if key in values:
            values[key] = tuple(values[key])
    for key in ("headers", "query"):
        if key in values:
            values[key] = tuple((name, value) for name, value in values[key])
    step: Step = kind(**values)
    return step


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
