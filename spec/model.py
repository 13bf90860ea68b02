"""The model of a document: frozen values, names resolved, text forms parsed; nothing here knows time or sockets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from attrs import field, frozen

from spec.parameters import Parameter

__all__ = [
    "Add",
    "Append",
    "Attach",
    "Broadcast",
    "Case",
    "Close",
    "Create",
    "Decide",
    "Document",
    "Effect",
    "Emit",
    "Endpoint",
    "EndpointRow",
    "Envelope",
    "ErrorCode",
    "Expel",
    "Fact",
    "Fail",
    "Forget",
    "Form",
    "Group",
    "HeaderRule",
    "Indistinguishable",
    "Invariant",
    "Join",
    "LadderStep",
    "Leave",
    "Log",
    "Members",
    "Memory",
    "Message",
    "OpeningRow",
    "Permission",
    "Put",
    "Read",
    "Recipe",
    "Register",
    "Remember",
    "Remove",
    "Role",
    "Rule",
    "Set",
    "Start",
    "State",
    "Stop",
    "Tell",
    "TimerRule",
    "Vacate",
    "Version",
    "Waive",
    "Write",
]

Guard = Mapping[str, tuple[str, ...]]
"""Fact name -> the values of it that pass."""

Ends = int | str | tuple[int, ...]
"""How a connection ends: with a code, with any of several, or as a word says."""


@frozen
class Rule:
    """One normative sentence, and where it stands; its identifier is part of the product's interface."""

    id: str
    level: str
    observe: str
    text: str
    applies: Mapping[str, Any] = field(factory=dict)
    reason: str | None = None
    file: str = ""
    line: int = 0


@frozen
class Fact:
    """A classification with finitely many values; `options` is what its kind needs."""

    name: str
    kind: str
    options: Mapping[str, Any]
    values: tuple[str, ...]


@frozen
class Set:
    """Set variables of the connection, or as `room.variable` of a room, from expressions."""

    values: Mapping[str, Any]


@frozen
class Add:
    """Add to variables that are lists what is not in them yet."""

    values: Mapping[str, Any]


@frozen
class Remove:
    """Remove from variables that are lists."""

    values: Mapping[str, Any]


@frozen
class Waive:
    """Let what is still due `per` a value be sent no more."""

    of: Any


@frozen
class Join:
    """Become a member of a room, or of one for `each` item of a list; `key` where it is not the connection's own."""

    room: str
    key: Any = None
    each: Any = None


@frozen
class Leave:
    """Stop being a member of a room."""

    room: str
    key: Any = None


@frozen
class Members:
    """The members of a room: `key` None is the event's own; `spares` leaves out those whose variables have values."""

    room: str
    key: Any = None
    spares: Mapping[str, Any] = field(factory=dict)


@frozen
class Remember:
    """Keep a key in a memory: the event's own or, with `of`, that of each member of a room.

    `key` where it is not the memory's; `spare` is for whom it does not count.
    """

    memory: str
    key: tuple[Any, ...] | None = None
    of: Members | None = None
    spare: Any = None


@frozen
class Append:
    """Store the items of a list in a log, all or none."""

    log: str
    items: Any


@frozen
class Read:
    """Read the entries of a log behind a number; `fewer` says that some may be left for the next time."""

    log: str
    after: Any
    most: Any
    fewer: bool


@frozen
class Emit:
    """Send one message to the connection itself; `reply` says whether it names the message that it answers.

    `members` are what stands in it beside the payload, by name. With `each`, a list, one is sent for each element.
    What is sent `per` a value comes in order, and in any order with what else is due.
    """

    message: str
    payload: Any
    reply: str
    members: Mapping[str, Any] = {}
    each: Any = None
    per: Any = None


@frozen
class Permission:
    """A message that a server may send at any time where the guard, which reads the message itself, passes.

    `rules` are broken where it comes and nothing makes it due.
    """

    message: str
    payload: Any
    when: Guard
    do: tuple[Effect, ...]
    rules: tuple[str, ...] = ()


@frozen
class Broadcast:
    """Send one message to every member of a room; `in_reply` says whose copy names the message that it answers.

    `key` says which room of the kind, where that is not the connection's own.
    `each` is a list, for each element of which one is sent; `others` leaves the sender out. `order` are the rules on
    the order of one sender's messages or, where it is `per` a log, on that of the log's entries. The place of one that
    stands `apart` among what else comes of the event is free.
    """

    message: str
    room: str
    payload: Any
    in_reply: str
    isolation: tuple[str, ...]
    order: tuple[str, ...]
    key: Any = None
    each: Any = None
    others: bool = False
    per: str | None = None
    apart: bool = False
    any_order: bool = False


@frozen
class Tell:
    """Send one message to the holder of a role."""

    message: str
    role: str
    payload: Any


@frozen
class Expel:
    """End the connections of members all at once, each behind a message where there is one."""

    members: Members
    ends: int | str
    message: str | None
    payload: Any


@frozen
class Vacate:
    """Have another member chosen for a role."""

    role: str


@frozen
class Write:
    """Store a write in a register, and append what is stored to a log."""

    register: str
    log: str


@frozen
class Forget:
    """End the life of a room."""

    room: str


@frozen
class Decide:
    """A decision within a case."""

    cases: tuple[Case, ...]


@frozen
class Start:
    """Start a timer of the connection, or as `room.timer` of a room, or start it anew."""

    timer: str


@frozen
class Stop:
    """Stop a timer of the connection, or as `room.timer` of a room."""

    timer: str


@frozen
class Put:
    """Keep a value in a record; `key` None is the record's own."""

    record: str
    key: tuple[Any, ...] | None
    value: Any


@frozen
class Create:
    """Make a link, with fields from expressions."""

    link: str
    fields: Mapping[str, Any]


@frozen
class Attach:
    """Give the link with a key to the connection, in a state of its own."""

    link: str
    key: Any
    to: str


@frozen
class Update:
    """Change fields of the link that the connection holds: set them, or add to lists and remove from them."""

    link: str
    set: Mapping[str, Any]
    add: Mapping[str, Any]
    remove: Mapping[str, Any]


@frozen
class Drop:
    """Forget a link, by an expression that gives it."""

    link: Any


@frozen
class Holder:
    """Effects on the connection that holds a link, if one does."""

    link: Any
    do: tuple[Effect, ...]


@frozen
class Fail:
    """Send the error message with a code, and close where the code closes in the present state.

    `in_reply` says whether the message names the one that it answers: must, may, readable, none or sender; None is
    what the document says of all errors. With a
    `room` that is done to each of its members. With a `form`, that is how it is told, and how the connection ends.
    """

    code: str
    in_reply: str | None
    room: str | None = None
    form: str | None = None


@frozen
class Close:
    """Close the connection with a code or one of several, or as a word says (`any`, `disconnect`, `leave`, `may`)."""

    code: Ends


Effect = (
    Set
    | Add
    | Remove
    | Waive
    | Create
    | Attach
    | Update
    | Drop
    | Holder
    | Join
    | Leave
    | Remember
    | Append
    | Read
    | Start
    | Stop
    | Put
    | Emit
    | Broadcast
    | Tell
    | Expel
    | Vacate
    | Write
    | Forget
    | Decide
    | Fail
    | Close
)


@frozen
class Case:
    """One row of a decision: the first whose guard passes decides."""

    when: Guard
    inside: str | None
    do: tuple[Effect, ...]
    to: str | None
    rules: tuple[str, ...]
    pointer: str


@frozen
class TimerRule:
    """A countdown that starts when its state is entered and stops when it is left.

    Either `after` (a duration) or `at` (a moment, moved by `before` and each of `plus`); all are expressions. One of
    the connection, whose state has no name, runs beside the states; where it is `asked` for, only effects start it.
    One of a room, whose state is `@` and the room's name, waits `plus` so many `times`, may fire `late`, and runs while
    there are so many `members`.
    """

    name: str
    state: str
    after: Any
    at: Any
    before: Any
    plus: tuple[Any, ...]
    expire: tuple[Case, ...]
    asked: bool = False
    restarts: tuple[str, ...] = ()
    times: Any = 1
    late: Any = None
    members: int = 0

    @property
    def rules(self) -> tuple[str, ...]:
        return self.expire[0].rules


@frozen
class State:
    """One state; `path` is its dotted name from the top."""

    path: str
    text: str
    initial: str | None
    timers: tuple[TimerRule, ...]
    receive: Mapping[str, tuple[Case, ...]]
    may_send: tuple[Permission, ...]

    @cached_property
    def chain(self) -> tuple[str, ...]:
        """The state and its ancestors, innermost first."""
        parts = self.path.split(".")
        return tuple(".".join(parts[:end]) for end in range(len(parts), 0, -1))


@frozen
class Form:
    """What one role's messages of a type look like.

    `secret` and `echoed` are pointers into the payload, `chosen` and `times` (with the rules on these) into the whole
    message. `answered_by` is the message
    with which a receiver that is there answers at once; one that `replies` is sent only to answer a message with an id.
    """

    schema: Mapping[str, Any]
    rules: tuple[str, ...]
    chosen: Mapping[str, Mapping[str, Any]]
    secret: tuple[str, ...]
    echoed: tuple[str, ...]
    ignores_unknown: bool
    unknown_rules: tuple[str, ...]
    examples: tuple[Any, ...]
    text: str
    answered_by: str | None = None
    replies: bool = False
    times: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


@frozen
class Message:
    """A message type and its form in each direction, by the role that sends it."""

    name: str
    client: Form | None
    server: Form | None


@frozen
class Envelope:
    """Where the parts of a message are (JSON Pointers), and what each role's envelope must satisfy."""

    discriminator: str
    id: str
    reply_to: str
    payload: str
    client: Form
    server: Form

    @cached_property
    def names_id(self) -> bool:
        """Whether every message of a client's has an id; elsewhere those have one whose own schema names it."""
        schema: Any = self.client.schema
        for part in self.id.split("/")[1:]:
            schema = schema.get("properties", {}).get(part)
            if schema is None:
                return False
        return True


@frozen
class ErrorCode:
    """An error: how the connection ends with it (a code, or a code by state, or not at all)."""

    code: str
    close: Ends | Mapping[str, Ends] | None
    retryable: bool | None
    text: str

    def closes(self, state: str) -> Ends | None:
        """How it ends the connection in a state (a dotted path), or None where that stays open."""
        if isinstance(self.close, Mapping):
            for prefix, code in self.close.items():
                if state == prefix or state.startswith(prefix + "."):
                    return code
            return None
        return self.close


@frozen
class ErrorForm:
    """Another form in which errors are told: a message, and the close that follows."""

    message: str
    payload: Any
    close: Ends | None


@frozen
class Version:
    """A version of the protocol that the document covers; it is served where `applies` holds."""

    name: str
    subprotocol: str | None
    applies: Mapping[str, Any]
    deprecated: bool


@frozen
class OpeningRow:
    """One row of the opening table: an HTTP answer, or an upgrade into a state.

    `subprotocol_rules` are those of the `rules` that say which subprotocol is answered.
    """

    when: Guard
    rules: tuple[str, ...]
    pointer: str
    status: int
    code: str | None = None
    body: Mapping[str, Any] = field(factory=dict)
    headers: Mapping[str, str] = field(factory=dict)
    subprotocol: str | None = None
    to: str | None = None
    do: tuple[Effect, ...] = ()
    subprotocol_rules: tuple[str, ...] = ()


@frozen
class EndpointRow:
    """One row of an endpoint's table: a refusal with a code, or effects and an answer.

    `names_fault` says that the body of a refusal has a text of the server's own.
    """

    when: Guard
    rules: tuple[str, ...]
    pointer: str
    status: int
    body: Mapping[str, Any]
    code: str | None = None
    do: tuple[Effect, ...] = ()


@frozen
class Endpoint:
    """A path beside the upgrade; `schema` is that of the bodies that it takes."""

    name: str
    method: str
    path: str
    schema: Mapping[str, Any]
    examples: tuple[Any, ...]
    error_body: Mapping[str, Any]
    rows: tuple[EndpointRow, ...]


@frozen
class LinkField:
    """A field of a link: a list, a value that the server chooses (as `chosen` says), or one that begins as `first`."""

    is_list: bool = False
    chosen: Mapping[str, Any] | None = None
    first: Any = None


@frozen
class LinkState:
    """A state of a link: it `lasts` the sum of durations, `then` is another or none.

    `unheld` is where it goes with its holder's end.
    """

    lasts: tuple[Any, ...] = ()
    then: str | None = None
    unheld: str | None = None


@frozen
class Link:
    """What outlives connections: fields, one of which is the key, states, and the shape that clients read."""

    name: str
    key: str
    fields: Mapping[str, LinkField]
    initial: str
    states: Mapping[str, LinkState]
    shape: Any


@frozen
class Group:
    """A room with a life of its own: variables with what they begin as, and timers."""

    name: str
    variables: Mapping[str, Any]
    timers: tuple[TimerRule, ...]


@frozen
class Role:
    """What one member of a room holds: `prefer` are variables and the order of their values, the best first."""

    name: str
    room: str
    prefer: tuple[tuple[Any, tuple[str, ...]], ...]
    elected: tuple[Case, ...]


@frozen
class Register:
    """Values under names with vector clocks; all but `resolve` are expressions over a write."""

    name: str
    key: Any
    entry: Any
    value: Any
    clock: Any
    origin: Any
    resolve: tuple[str, ...]


@frozen
class HeaderRule:
    """Headers that some answers to an upgrade carry; `ordered` names dates none of which lies before the last."""

    when: Guard
    statuses: tuple[int, ...]
    set: Mapping[str, Any]
    ordered: tuple[str, ...]
    rules: tuple[str, ...]


@frozen
class Memory:
    """Keys that are remembered until a moment."""

    name: str
    key: tuple[Any, ...]
    until: Any


@frozen
class Log:
    """Entries in order, one for each identity; `entry` is a template over `$item`, `number` the member that counts.

    `identity` is a pointer into an item (None: every item is stored), `chosen` maps pointers into an entry to what the
    server chooses, `keep` is how many are kept. `lacking` are members that entries kept before these existed have not,
    and what is read for them (over `$item`, the entry).
    """

    name: str
    key: Any
    identity: str | None
    number: str
    entry: Any
    chosen: Mapping[str, Mapping[str, Any]]
    lives: str
    rules: tuple[str, ...]
    lacking: Mapping[str, Any] = {}
    keep: Any = None


@frozen
class LadderStep:
    """A check of tokens, by expressions: `plus` moves its moment, `known` and `never` are subjects.

    Where a verdict `accepts`, the claims of a token can be read.
    """

    name: str
    verdict: str
    rules: tuple[str, ...]
    accepts: bool = False
    plus: Any = None
    known: Any = None
    never: tuple[Any, ...] = ()


@frozen
class Invariant:
    """Something that holds across states: `kind` is never, always or never_quoted.

    `members` maps pointers into the whole message to expressions.
    """

    kind: str
    messages: tuple[str, ...]
    states: tuple[str, ...]
    members: Mapping[str, Any]
    characters: int
    rules: tuple[str, ...]


@frozen
class Indistinguishable:
    """Two exchanges whose durations must not tell them apart."""

    text: str
    rules: tuple[str, ...]
    samples: int
    within: float
    state: str
    first: Mapping[str, Any]
    second: Mapping[str, Any]


@frozen
class Recipe:
    """How a test mints a token that ends on a rung of the ladder; `data` is what the mint reads."""

    name: str
    step: str
    level: str
    rules: tuple[str, ...]
    data: Mapping[str, Any]


@frozen(eq=False)
class Document:
    """A whole protocol; equal to itself alone, so that what is compiled of it can be kept beside it.

    `framing` maps kinds of WebSocket frames to the rules on them; `chosen` variables to how the server chooses
    them; `timers` run beside the states; `farewell` is the message that disconnects, with the seconds within which it
    is due; `query` is in every opening; `cited` are the rules that anything cites, `frame_rules` those on how frames
    carry messages.
    """

    name: str
    version: int
    title: str
    summary: str
    digest: str
    rules: Mapping[str, Rule]
    parameters: Mapping[str, Parameter]
    versions: tuple[Version, ...]
    binding: str
    largest: Any
    framing: Mapping[str, tuple[str, ...]]
    envelope: Envelope
    messages: Mapping[str, Message]
    error_message: str
    error_payload: Any
    close_rules: tuple[str, ...]
    close_reasons: Mapping[int, Any]
    errors: Mapping[str, ErrorCode]
    claims: Mapping[str, Any]
    ladder: tuple[LadderStep, ...]
    recipes: tuple[Recipe, ...]
    facts: Mapping[str, Fact]
    memories: Mapping[str, Memory]
    rooms: Mapping[str, Any]
    logs: Mapping[str, Log]
    path: str
    other_paths: tuple[str, ...]
    refusal_body: Any
    header_rules: tuple[HeaderRule, ...]
    opening: tuple[OpeningRow, ...]
    variables: Mapping[str, Any]
    chosen: Mapping[str, Mapping[str, Any]]
    ordered: tuple[str, ...]
    timely: tuple[str, ...]
    due_within: Any
    due_rules: tuple[str, ...]
    answer_close: tuple[str, ...]
    forget: tuple[str, ...]
    shutdown_code: int
    shutdown_rules: tuple[str, ...]
    receive: Mapping[str, tuple[Case, ...]]
    states: Mapping[str, State]
    invariants: tuple[Invariant, ...]
    indistinguishable: tuple[Indistinguishable, ...]
    scenarios: Mapping[str, Any]
    timers: tuple[TimerRule, ...] = ()
    farewell: tuple[str, float] | None = None
    query: Mapping[str, str] = field(factory=dict)
    records: Mapping[str, tuple[Any, ...]] = field(factory=dict)
    deployment: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    http: Mapping[str, Endpoint] = field(factory=dict)
    links: Mapping[str, Link] = field(factory=dict)
    error_forms: Mapping[str, ErrorForm] = field(factory=dict)
    error_in_reply: str = "must"
    groups: Mapping[str, Group] = field(factory=dict)
    roles: Mapping[str, Role] = field(factory=dict)
    registers: Mapping[str, Register] = field(factory=dict)
    cited: frozenset[str] = frozenset()
    frame_rules: tuple[str, ...] = ()

    @cached_property
    def verdicts(self) -> Mapping[str, str]:
        """The verdict of each step of the ladder, in its order."""
        return {step.name: step.verdict for step in self.ladder}

    @cached_property
    def accepting(self) -> frozenset[str]:
        """The verdicts by which a token is accepted."""
        return frozenset({"valid", *(step.verdict for step in self.ladder if step.accepts)})

    def credential_places(self) -> list[Mapping[str, str]]:
        """Where a request's credentials may stand: headers with their scheme, and query parameters."""
        return [p for fact in self.facts.values() if fact.kind == "credentials" for p in fact.options["places"]]

    def leaf(self, path: str) -> str:
        """The innermost state entered when `path` is entered."""
        state = self.states[path]
        return self.leaf(f"{path}.{state.initial}") if state.initial else path

    def leaves(self) -> Iterator[State]:
        """The states that a connection can be in."""
        return (state for state in self.states.values() if state.initial is None)

    def timer(self, state: str, name: str) -> TimerRule:
        """The timer `name` of a state, of the connection where the state has no name, or of the room behind an `@`."""
        if state.startswith("@"):
            timers = self.groups[state[1:]].timers
        else:
            timers = self.states[state].timers if state else self.timers
        return next(timer for timer in timers if timer.name == name)
