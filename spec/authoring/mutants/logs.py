"""Operators on what connections share and keep: logs, who hears of them, who is put out, and who is accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import remove, replace
from spec.authoring.mutants.reading import Draft, Row, joined, literal
from spec.references.names import section

__all__ = [
    "log_entry",
    "log_identity",
    "log_time",
    "one_choice",
    "one_log",
    "page_bound",
    "put_out",
    "rung_accepts",
    "rung_moment",
    "rung_subjects",
    "to_sender_too",
]


def _effects(draft: Draft, kind: str) -> Iterator[tuple[Row, str, dict[str, Any]]]:
    for row in draft.rows:
        for index, effect in enumerate(row.do):
            if kind in effect:
                yield row, f"{row.at}/do/{index}", effect


def _rules(draft: Draft, log: str) -> tuple[str, ...]:
    """The rules on a log, and on what is said of it."""
    appending = [row.rules for row, _, effect in _effects(draft, "append") if effect["append"] == log]
    reading = [row.rules for row, _, effect in _effects(draft, "read") if effect["read"] == log]
    heard = [effect.get("isolation", ()) for _, _, effect in _effects(draft, "broadcast")]
    return joined(draft.data["logs"][log].get("rules", ()), *appending, *reading, *heard)


def one_log(draft: Draft) -> Iterator[Edit]:
    """All logs of a kind are one."""
    for name in section(draft.data, "logs"):
        declared, reads = literal("text", "one")
        at = f"/logs/{name}/key"
        yield Edit(at, _rules(draft, name), f"there is one log `{name}` for all", (declared, replace(at, reads)))


def log_identity(draft: Draft) -> Iterator[Edit]:
    """What is kept once only is told apart by another member."""
    for name, log in section(draft.data, "logs").items():
        for member in section(log, "entry").get("event", {}) or {}:
            if f"/{member}" != log["identity"]:
                at = f"/logs/{name}/identity"
                text = f"entries of `{name}` are told apart by `{member}`"
                yield Edit(at, _rules(draft, name), text, (replace(at, f"/{member}"),), member)


def _leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _leaves(member, f"{at}/{name}")
    else:
        yield at, value


def log_entry(draft: Draft) -> Iterator[Edit]:
    """A member of what is kept is left out, is a constant, or is what a client says of itself."""
    for name, log in section(draft.data, "logs").items():
        for pointer, value in _leaves(log["entry"]):
            at, rules = f"/logs/{name}/entry{pointer}", _rules(draft, name)
            yield Edit(at, rules, f"`{pointer}` is not kept", (remove(at),), "none")
            if value == "$chosen":
                continue
            yield Edit(at, rules, f"`{pointer}` is always the same", (replace(at, "handfast"),), "constant")
            if not str(value).startswith("$item"):
                said = f"$item#{pointer}"
                yield Edit(at, rules, f"`{pointer}` is what the client says", (replace(at, said),), "client")


def log_time(draft: Draft) -> Iterator[Edit]:
    """A moment that is kept is another, or no time in UTC."""
    for name, log in section(draft.data, "logs").items():
        for pointer, chosen in section(log, "chosen").items():
            at = f"/logs/{name}/chosen/{pointer.replace('~', '~0').replace('/', '~1')}"
            for form in ("2026-01-01T01:00:00+01:00", "2020-01-01T00:00:00Z") if chosen["kind"] == "time" else ():
                constant = {"kind": "value", "sample": form}
                rules = joined(chosen.get("rules", ()), _rules(draft, name))
                yield Edit(at, rules, f"`{pointer}` is {form}", (replace(at, constant),), form[:4] + form[-1])


def page_bound(draft: Draft) -> Iterator[Edit]:
    """A page holds as many entries as there are, or begins where it does not begin."""
    for row, at, effect in _effects(draft, "read"):
        if "most" in effect:
            yield Edit(at, row.rules, "a page has no bound", (remove(f"{at}/most"),), "most")
            declared, reads = literal("integer", 1)
            patch = (declared, replace(f"{at}/most", reads), remove(f"{at}/fewer")) if "fewer" in effect else ()
            if patch:
                yield Edit(at, row.rules, "a page holds one entry", patch, "one")
        declared, reads = literal("integer", 0)
        yield Edit(
            at, row.rules, "a page begins at the first entry", (declared, replace(f"{at}/after", reads)), "after"
        )


def to_sender_too(draft: Draft) -> Iterator[Edit]:
    """Who caused a broadcast hears it too."""
    for row, at, effect in _effects(draft, "broadcast"):
        if "except" in effect:
            yield Edit(at, row.rules, "the sender hears it too", (remove(f"{at}/except"),))


def put_out(draft: Draft) -> Iterator[Edit]:
    """An error for all of a room reaches its sender alone, or all of another room."""
    for row, at, effect in _effects(draft, "error"):
        if "to" not in effect:
            continue
        alone = {"error": effect["error"]}
        yield Edit(at, row.rules, "its sender alone is put out", (replace(at, alone),), "alone")
        for room in section(draft.data, "rooms"):
            if room != effect["to"]:
                yield Edit(at, row.rules, f"all of `{room}` are put out", (replace(f"{at}/to", room),), room)


def one_choice(draft: Draft) -> Iterator[Edit]:
    """What a server chooses for a connection is the same for all."""
    for name, entry in draft.data["connection"]["variables"].items():
        if "chosen" in entry:
            at = f"/connection/variables/{name}/chosen"
            rules = joined(entry["chosen"].get("rules", ()), draft.readers(name))
            constant = {"kind": "value", "sample": "handfast"}
            yield Edit(at, rules, f"`{name}` is always the same", (replace(at, constant),))


def _rungs(draft: Draft) -> Iterator[tuple[str, dict[str, Any], tuple[str, ...]]]:
    facts = {name for name, fact in draft.data["facts"].items() if fact["kind"] == "token"}
    for index, rung in enumerate(draft.data["tokens"]["ladder"]):
        asking = [row.rules for row in draft.rows if facts & set(row.when)]
        yield f"/tokens/ladder/{index}", rung, joined(rung.get("rules", ()), *asking)


def rung_moment(draft: Draft) -> Iterator[Edit]:
    """The moment of a check is not moved."""
    for at, rung, rules in _rungs(draft):
        if "plus" in rung:
            yield Edit(at, rules, f"`{rung['step']}` comes at once", (remove(f"{at}/plus"),))


def rung_subjects(draft: Draft) -> Iterator[Edit]:
    """Subjects are taken for known that are not."""
    for at, rung, rules in _rungs(draft):
        for key in ("known", "never"):
            if key in rung:
                yield Edit(at, rules, f"`{rung['step']}` does not look at `{key}`", (remove(f"{at}/{key}"),), key)


def rung_accepts(draft: Draft) -> Iterator[Edit]:
    """What a token says that is accepted cannot be read."""
    for at, rung, rules in _rungs(draft):
        if rung.get("accepts"):
            yield Edit(at, rules, f"a token that is `{rung['verdict']}` says nothing", (remove(f"{at}/accepts"),))
