"""Scripts: what a case does, as plain frozen data that a file can hold and another machine can play.

Values that only a run knows are symbols, mappings with one key that begins with `$`:

`{"$token": {"recipe": "valid", "subject": "ana", "left": 600}}` a token, minted when first needed (same symbol, same
token); `{"$id": "first"}` a message id, fresh in each run; `{"$room": "a"}` a name of a room; `{"$join": [...]}` texts
put together; `{"$fill": {"text": "x", "times": 4000}}` a text repeated; `{"$path": "a"}` the request path of a room;
`{"$deployed": "service_token"}` what the deployment gave; `{"$link": {"of": "ana", "field": "token"}}` a field of the
link that a request of this client has made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from attrs import NOTHING, Attribute, asdict, field, fields, frozen

from conformance.shapes import built
from spec.bindings.spelling import ESCAPES, ORDERS

__all__ = [
    "SAVED",
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
    "Post",
    "Raw",
    "Release",
    "Reset",
    "Send",
    "Settle",
    "Stall",
    "Step",
    "Stream",
    "case_from_data",
    "case_to_data",
    "extent",
    "token",
    "unopened",
]


def _hexadecimal(step: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is not None:
        try:
            bytes.fromhex(value)
        except ValueError:
            raise ValueError(f"`{attribute.name}` is not hexadecimal") from None


def _level(case: Any, attribute: Attribute[Any], value: Any) -> None:
    if value not in {"must", "should"}:
        raise ValueError(f"`level` is `{value}`, and neither `must` nor `should`")


def _some(step: Any, attribute: Attribute[Any], value: Any) -> None:
    if not value:
        raise ValueError(f"`{attribute.name}` is empty")


def _spelling(step: Any, attribute: Attribute[Any], value: Any) -> None:
    known = {"escapes": ESCAPES, "order": ORDERS}
    for name, option in value.items():
        if not (option.strip(" \t\r\n") == "" if name == "space" else option in known[name]):
            raise ValueError(f"`{attribute.name}` has `{option}` for `{name}`")


def _within(low: float, high: float) -> Callable[[Any, Attribute[Any], Any], None]:
    def check(step: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None and not low <= value <= high:
            raise ValueError(f"`{attribute.name}` is {value}, and not from {low} to {high}")

    return check


_LARGEST = 2**26
"""No message is filled to more bytes than this, or sent in more pieces."""


@frozen
class Open:
    """Send an upgrade request.

    `path` replaces the protocol's own path (relative to the target's base); `room` names the path's parameters;
    `address` names a source address that clients share; without it, each client has its own. `each` writes the request
    so many bytes at a time; `narrow` asks for small buffers, so that it is soon felt when the client stops reading.
    Without `waits`, the script goes on before the answer has come. A `silent` client leaves unanswered what a
    client that is there answers at once.
    """

    client: str
    room: Any = "a"
    path: Any = None
    offer: tuple[str, ...] = ()
    headers: tuple[tuple[str, Any], ...] = ()
    query: tuple[tuple[str, Any], ...] = ()
    websocket: bool = True
    address: str | None = None
    each: int | None = field(default=None, validator=_within(1, _LARGEST))
    narrow: bool = False
    waits: bool = True
    rules: tuple[str, ...] = ()
    silent: bool = False


@frozen
class Knock:
    """Send what is no valid handshake: lines of a head, or bytes in hexadecimal.

    `ended` writes the empty line behind the lines; `due` waits for the refusal or the end that must come.
    """

    client: str
    lines: tuple[Any, ...] = ()
    hex: str | None = field(default=None, validator=_hexadecimal)
    ended: bool = True
    due: bool = True


@frozen
class Send:
    """Send a message.

    `change` edits its envelope by JSON Pointer, `drop` removes members, `pad_to` fills it to so many bytes; `around` is
    written before and behind it; `written` has the options of `spec.bindings.spelling.spell` by which it is spelled.
    """

    client: str
    message: str
    payload: Any = field(factory=dict)
    id: Any = None
    change: Mapping[str, Any] = field(factory=dict)
    drop: tuple[str, ...] = ()
    pad_to: int | None = field(default=None, validator=_within(0, _LARGEST))
    pad_with: str = field(default="x", validator=_some)
    around: tuple[str, str] = ("", "")
    fragments: int = field(default=1, validator=_within(1, _LARGEST))
    written: Mapping[str, str] = field(factory=dict, validator=_spelling)
    rules: tuple[str, ...] = ()


@frozen
class Post:
    """Send a request to an endpoint, and read its answer.

    `body` is JSON, or `text` stands in its place; `pad_to` fills it with a member to so many bytes. `credential` is
    what stands behind `Bearer`, None for no header. `method` is another than the endpoint's own.
    """

    client: str
    endpoint: str
    body: Any = field(factory=dict)
    text: Any = None
    credential: Any = None
    headers: tuple[tuple[str, Any], ...] = ()
    query: tuple[tuple[str, Any], ...] = ()
    method: str | None = None
    pad_to: int | None = field(default=None, validator=_within(0, _LARGEST))
    rules: tuple[str, ...] = ()


@frozen
class Stream:
    """Send messages as one text that is cut into frames of so many characters, or into none (None)."""

    client: str
    messages: tuple[Send, ...] = field(validator=_some)
    each: int | None = field(default=None, validator=_within(1, _LARGEST))
    rules: tuple[str, ...] = ()


@frozen
class Raw:
    """Send one frame as it stands: `text`, or bytes in hexadecimal with `binary` or `not_utf8`."""

    client: str
    text: Any = None
    binary: str | None = field(default=None, validator=_hexadecimal)
    not_utf8: str | None = field(default=None, validator=_hexadecimal)
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

    opcode: int = field(default=1, validator=_within(0, 15))
    text: Any = None
    hex: str | None = field(default=None, validator=_hexadecimal)
    take: int | None = None
    final: bool = True
    reserved: int = field(default=0, validator=_within(0, 7))
    mask: str | None = field(default=None, validator=_hexadecimal)
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
    each: int | None = field(default=None, validator=_within(1, _LARGEST))
    times: int = field(default=1, validator=_within(1, _LARGEST))
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

    seconds: float | None = field(default=None, validator=_within(0, math.inf))


@frozen
class Close:
    """Send a close frame and wait for the answer."""

    client: str
    code: int | None = field(default=1000, validator=_within(0, 65535))
    rules: tuple[str, ...] = ()


@frozen
class Reset:
    """Drop the transport: with RST, or with FIN where `gently`."""

    client: str
    gently: bool = False


_Talk = Open | Knock | Post | Send | Stream | Raw | Fragment | Frames | Ping | Close
Step = _Talk | Hold | Release | Stall | HalfClose | Reset | Settle | Expire | Idle

_STEPS: dict[str, type[Any]] = {kind.__name__.lower(): kind for kind in get_args(Step)}


SAVED = "saved"
"""The family of the cases that earlier runs saved."""


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
    level: str = field(default="must", validator=_level)
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


def unopened(steps: Iterable[Step]) -> int | None:
    """The index of the first step of a client that no step before it opens, or None."""
    opened: set[str | None] = {None}
    for index, step in enumerate(steps):
        client = getattr(step, "client", None)
        if isinstance(step, Open | Knock | Post):
            opened.add(client)
        elif client not in opened:
            return index
    return None


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


def case_from_data(data: Any) -> Case:
    """A case from plain data; raises ValueError with a readable text where it is none."""
    try:
        if not isinstance(data, Mapping) or not isinstance(data.get("steps"), list):
            raise ValueError("it has no list of steps")
        steps = tuple(_step(entry, f"step {number}") for number, entry in enumerate(data["steps"], 1))
        stranger = unopened(steps)
        if stranger is not None:
            raise ValueError(f"step {stranger + 1} is of a client that no step before it opens")
        if not _measures(data.get("measure")):
            raise ValueError(f"its `measure` has not what one needs: {', '.join(_MEASURE)}")
        return built(Case, {name: value for name, value in data.items() if name != "steps"}, "the case", steps=steps)
    except ValueError as problem:
        raise ValueError(f"not a case of this version: {problem}") from None
    except RecursionError:
        raise ValueError("not a case of this version: it is nested too deeply") from None


def _step(entry: Any, where: str) -> Step:
    name = entry.get("do") if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or name not in _STEPS:
        raise ValueError(f"{where} does none of {', '.join(_STEPS)}")
    step: Step = built(_STEPS[name], {key: value for key, value in entry.items() if key != "do"}, f"{where} ({name})")
    return step


_MEASURE: dict[str, type | tuple[type, ...]] = {
    "samples": int,
    "within": (int, float),
    "first": str,
    "second": str,
    "rules": (list, tuple),
}


def _measures(measure: Any) -> bool:
    if measure is None or not isinstance(measure, Mapping):
        return measure is None
    typed = all(isinstance(measure.get(name), kind) for name, kind in _MEASURE.items())
    return typed and measure["samples"] > 0 and all(isinstance(rule, str) for rule in measure["rules"])
