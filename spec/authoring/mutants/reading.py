"""A document's data as operators read it: its decisions in order, and which rules carry what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field, frozen

from spec.authoring.mutants.patches import Patch, add
from spec.expressions import pointer_get
from spec.loading.nodes import join
from spec.parameters import format_value
from spec.references.names import fact_values, section, word

__all__ = ["Draft", "Row", "joined", "literal", "values_of", "within"]

Rules = tuple[str, ...]


def joined(*groups: Any) -> Rules:
    """Rules of several elements, each once, in the order of the groups."""
    return tuple(dict.fromkeys(rule for group in groups for rule in group))


def literal(kind: str, value: Any) -> tuple[Patch, str]:
    """A value where only an expression may stand: a parameter of its own that nobody sets, and what reads it."""
    entry = {"type": kind, "default": value, "text": "What a mutant has in place of the document's own value."}
    return add("/parameters/mutant", entry), "$parameters.mutant"


def values_of(wanted: Any) -> tuple[str, ...]:
    """The values that a guard asks of one fact."""
    return tuple(str(word(value)) for value in (wanted if isinstance(wanted, list) else [wanted]))


@frozen
class Row:
    """A row of a decision.

    `kind` is `opening`, `case`, `expiry` or `table`; `at` its JSON Pointer; `list_at`, `index` and `size` say where it
    stands among others; `state` is the dotted path whose list it is in, empty for the connection's and elsewhere.
    """

    kind: str
    at: str
    value: Mapping[str, Any] = field(repr=False)
    list_at: str
    index: int
    size: int
    state: str = ""
    name: str = ""

    @property
    def rules(self) -> Rules:
        return joined(self.value.get("rules", ()), self.value.get("upgrade", {}).get("rules", ()))

    @property
    def when(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.value.get("when", {})
        return found

    @property
    def do(self) -> list[dict[str, Any]]:
        return list(self.value.get("do", ()))

    @property
    def noun(self) -> str:
        return {"opening": "row", "table": "row of the table"}.get(self.kind, "case")


@define
class Draft:
    """The data of a document that is about to be edited, and the parameters of the deployment that it is for."""

    data: dict[str, Any]
    parameters: Mapping[str, Any]
    opening: list[Row] = field(init=False)
    cases: list[Row] = field(init=False)
    tables: list[Row] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.opening = list(_rows("opening", ("opening", "rows"), self.data["opening"]["rows"]))
        connection = self.data["connection"]
        self.cases = list(_lists(("connection",), connection, ""))
        self.tables = [
            row
            for name, fact in self.data["facts"].items()
            if fact["kind"] == "table"
            for row in _rows("table", ("facts", name, "rows"), fact["rows"], name=name)
        ]

    @property
    def rows(self) -> list[Row]:
        """The rows and cases that cite rules: those of the opening, then those of the connection."""
        return [*self.opening, *self.cases]

    # ----------------------------------------------------------------------------------------------------- rules

    def behind(self, row: Row) -> Rules:
        """The rules of the rows behind one in its list: what those decide that it would take from them."""
        later = [other for other in (*self.rows, *self.tables) if other.list_at == row.list_at]
        return joined(*(self.rules_of(other) for other in later if other.index > row.index))

    def misled(self, row: Row) -> Rules:
        """The rules that show that a case, and not one behind it, decided: those of the states that they lead to."""
        if row.kind != "case":
            return ()
        behind = [other for other in self.cases if other.list_at == row.list_at and other.index >= row.index]
        leaves = dict.fromkeys(self.enter(other.value["to"]) for other in behind if "to" in other.value)
        return joined(*(self.told_by(one, other) for one in leaves for other in leaves if one != other))

    def rules_of(self, row: Row) -> Rules:
        """The rules that a row carries out; those of a table are carried out by the rows that ask for it."""
        if row.kind != "table":
            return row.rules
        given, asking = row.value["is"], [other for other in self.rows if row.name in other.when]
        found = [other for other in asking if given in values_of(other.when[row.name])]
        if not found:
            # Nobody asks for this value: those behind the last who asks for another decide.
            last = {other.list_at: other.index for other in asking}
            found = [other for other in self.rows if other.index > last.get(other.list_at, other.index)]
        return joined(*(other.rules for other in found))

    def asking(self, fact: str) -> list[Row]:
        """The rows and cases whose guards ask for a fact, or for a table over it."""
        through = {row.name for row in self.tables if fact in row.when}
        return [row for row in self.rows if {fact, *through} & set(row.when)]

    def raising(self, code: str) -> list[Row]:
        """The cases that answer with an error."""
        return [row for row in self.rows if any(effect.get("error") == code for effect in row.do)]

    def may_come(self, row: Row, message: str) -> bool:
        """Whether a message may be sent at any time in the state that a row or case leads to, or leaves as it is."""
        upgrade = row.value.get("upgrade", {})
        to = upgrade.get("to") or row.value.get("to") or row.state
        allowed = [
            state
            for state, (_, body) in self.states.items()
            for may in body.get("may_send", ())
            if may["message"] == message
        ]
        return any(within(leaf, state) for state in allowed for leaf in self.within(to))

    def timer_rules(self, state: str) -> Rules:
        """The rules of the timers of a state and of those within it."""
        return joined(*(row.rules for row in self.cases if row.kind == "expiry" and within(row.state, state)))

    def forbidding(self, message: str) -> Rules:
        """The rules by which a message must not come: invariants, and the isolation of broadcasts."""
        never = [i["rules"] for i in self.data.get("invariants", ()) if message in _named(i.get("never"))]
        effects = [effect for row in self.rows for effect in row.do if effect.get("broadcast") == message]
        return joined(*never, *(effect.get("isolation", ()) for effect in effects), self.always(message))

    def always(self, message: str, pointer: str | None = None) -> Rules:
        """The rules of what every message of a type carries, at one pointer into the payload or anywhere."""
        found = [i for i in self.data.get("invariants", ()) if message in _named(i.get("always"))]
        return joined(*(i["rules"] for i in found if pointer is None or pointer in i.get("with", {})))

    def leaking(self) -> Rules:
        """The rules by which no token is quoted."""
        return joined(*(i["rules"] for i in self.data.get("invariants", ()) if "never_quoted" in i))

    def form_rules(self, message: str, role: str = "server") -> Rules:
        """The rules that the form of a role's message cites, then those of the role's envelope."""
        form = section(self.data, "messages", message, role)
        return joined(form.get("rules", ()), section(self.data, "wire", "envelope", role).get("rules", ()))

    def readers(self, name: str) -> Rules:
        """The rules of what reads a variable, a memory or a room: that it was written shows in nothing else."""
        read = f"${name}"
        facts = [fact for fact, entry in self.data["facts"].items() if {read, name} & set(_texts(entry))]
        kept = [memory for memory, entry in self.data.get("memories", {}).items() if read in _texts(entry)]
        rows = [row for row in self.rows if {read, name} & set(_texts([row.do, row.value.get("refuse")]))]
        timers = [row for row in self.cases if row.kind == "expiry" and read in _texts(self._timer(row))]
        always = [i["rules"] for i in self.data.get("invariants", ()) if read in _texts(i.get("with", {}))]
        found = [joined(row.rules, self.behind(row)) for fact in facts for row in self.asking(fact)]
        found += [row.rules for row in (*rows, *timers) if not {"join", "remember"} & {k for e in row.do for k in e}]
        return joined(*found, *always, *(self.readers(memory) for memory in kept))

    def _timer(self, row: Row) -> Any:
        return pointer_get(self.data, row.list_at.removesuffix("/expire"))

    # ---------------------------------------------------------------------------------------------------- states

    def told_by(self, right: str, wrong: str) -> Rules:
        """The rules of what an innermost state does otherwise than another, and of the other's timers.

        It shows in nothing else which of the two a connection is in.
        """
        names = dict.fromkeys(row.name for row in self.cases if row.kind == "case")
        pairs = [(self._decides(right, name), self._decides(wrong, name)) for name in names]
        found = [row.rules for mine, other in pairs for row in mine if row not in other]
        timers = [row for row in self.cases if row.kind == "expiry"]
        return joined(*found, *(row.rules for row in timers if within(right, row.state) != within(wrong, row.state)))

    def _decides(self, leaf: str, name: str) -> list[Row]:
        """The cases that decide an input in an innermost state."""
        for wanted in (name, "other"):
            listed = [r for r in self.cases if r.kind == "case" and r.name == wanted and within(leaf, r.state)]
            innermost = max((len(row.state) for row in listed), default=0)
            if listed:
                return [r for r in listed if len(r.state) == innermost and within(leaf, r.value.get("in", ""))]
        return []

    def within(self, state: str) -> list[str]:
        """The innermost states within a state, itself included."""
        return [leaf for leaf in self.leaves if within(leaf, state)]

    @property
    def states(self) -> dict[str, tuple[str, Mapping[str, Any]]]:
        """Every state by its dotted path, with its pointer and its data."""
        return dict(_states(self.data["connection"]["states"], "", "/connection/states"))

    @property
    def leaves(self) -> list[str]:
        """The innermost states."""
        return [path for path, (_, state) in self.states.items() if not state.get("states")]

    def enter(self, path: str) -> str:
        """The innermost state that is entered when a state is."""
        state = self.states[path][1]
        return self.enter(f"{path}.{state['initial']}") if state.get("states") else path

    def closes(self, code: str, state: str) -> bool:
        """Whether an error closes in a state; in one of several within it, where the state is not innermost."""
        close = self.data["errors"]["codes"][code]["close"]
        if isinstance(close, Mapping):
            return any(within(state, other) or within(other, state) for other in close)
        return bool(close != "none")

    def ends(self, row: Row) -> bool:
        """Whether a case closes the connection."""
        return any(
            "close" in effect or ("error" in effect and self.closes(effect["error"], row.state)) for effect in row.do
        )

    def values(self, fact: str) -> tuple[str, ...]:
        """The values that a fact can have."""
        return fact_values(self.data["facts"][fact], self.data) or ()

    def parameter(self, expression: Any) -> Any:
        """The deployed value of an expression that reads a parameter, parsed; None for any other."""
        name = str(expression).removeprefix("$parameters.")
        return self.parameters.get(name) if str(expression).startswith("$parameters.") else None

    def told(self, expression: Any) -> str:
        """The same as text."""
        return format_value(self.parameter(expression))


def within(state: str, ancestor: str) -> bool:
    """Whether a state is another, or within it; every state is within that without a name."""
    return not ancestor or state == ancestor or state.startswith(ancestor + ".")


def _texts(value: Any) -> list[str]:
    """Every text in a value, keys left out."""
    if isinstance(value, str):
        return [value]
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for member in members for text in _texts(member)]


def _named(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _rows(kind: str, path: tuple[str, ...], entries: list[Any], state: str = "", name: str = "") -> Iterator[Row]:
    at = join(path)
    for index, entry in enumerate(entries):
        yield Row(kind, f"{at}/{index}", entry, at, index, len(entries), state, name)


def _lists(path: tuple[str, ...], level: Mapping[str, Any], state: str) -> Iterator[Row]:
    for name, entries in level.get("receive", {}).items():
        yield from _rows("case", (*path, "receive", name), entries, state, name)
    for name, timer in level.get("timers", {}).items():
        yield from _rows("expiry", (*path, "timers", name, "expire"), timer["expire"], state, name)
    for name, inner in level.get("states", {}).items():
        yield from _lists((*path, "states", name), inner, f"{state}.{name}" if state else name)


def _states(
    states: Mapping[str, Any], parent: str, pointer: str
) -> Iterator[tuple[str, tuple[str, Mapping[str, Any]]]]:
    for name, body in states.items():
        path, at = (f"{parent}.{name}" if parent else name), f"{pointer}/{name}"
        yield path, (at, body)
        yield from _states(body.get("states", {}), path, f"{at}/states")
