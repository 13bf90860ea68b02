"""Operators on what a server remembers: memories, limits, rooms, and what a connection keeps."""

from __future__ import annotations

from collections.abc import Iterator

from spec.authoring.mutants.mutant import Edit
from spec.authoring.mutants.patches import remove, replace
from spec.authoring.mutants.reading import Draft, Rules, joined, literal
from spec.parameters import Rate, format_value

__all__ = [
    "constant_variable",
    "limit_count",
    "limit_key",
    "limit_window",
    "memory_forgets",
    "memory_keeps",
    "memory_key",
    "one_room",
]


def _facts(draft: Draft, kind: str) -> Iterator[tuple[str, dict[str, str]]]:
    for name, fact in draft.data["facts"].items():
        if fact["kind"] == kind:
            yield name, fact


def _asking(draft: Draft, fact: str) -> Rules:
    """The rules of who asks for a fact, then of what is done where it is otherwise."""
    rows = draft.asking(fact)
    return joined(*(row.rules for row in rows), *(draft.behind(row) for row in rows))


def _memories(draft: Draft) -> Iterator[tuple[str, str, Rules]]:
    for fact, entry in _facts(draft, "memory"):
        yield entry["memory"], f"/memories/{entry['memory']}", _asking(draft, fact)


def memory_forgets(draft: Draft) -> Iterator[Edit]:
    """What is remembered is forgotten at once."""
    declared, reads = literal("integer", 0)
    for name, at, rules in _memories(draft):
        yield Edit(f"{at}/until", rules, f"`{name}` forgets at once", (declared, replace(f"{at}/until", reads)))


def memory_keeps(draft: Draft) -> Iterator[Edit]:
    """What is remembered is never forgotten."""
    declared, reads = literal("integer", 2**40)
    for name, at, rules in _memories(draft):
        yield Edit(f"{at}/until", rules, f"`{name}` never forgets", (declared, replace(f"{at}/until", reads)))


def memory_key(draft: Draft) -> Iterator[Edit]:
    """A part of a key is left out: what differs only in it is taken for the same."""
    for name, at, rules in _memories(draft):
        key = draft.data["memories"][name]["key"]
        for index, part in enumerate(key) if len(key) > 1 else ():
            place = f"{at}/key/{index}"
            yield Edit(place, rules, f"`{name}` does not look at `{part}`", (remove(place),))


def _limits(draft: Draft) -> Iterator[tuple[str, str, Rules, Rate]]:
    for name, fact in _facts(draft, "limit"):
        rate = draft.parameter(fact["rate"])
        if isinstance(rate, Rate):
            yield name, f"/facts/{name}", _asking(draft, name), rate


def limit_count(draft: Draft) -> Iterator[Edit]:
    """A limit lets one through more, or one less."""
    for name, at, rules, rate in _limits(draft):
        for count in (rate.count + 1, rate.count - 1):
            declared, reads = literal("rate", format_value(Rate(max(1, count), rate.window)))
            patch = (declared, replace(f"{at}/rate", reads))
            yield Edit(f"{at}/rate", rules, f"`{name}` lets {count} through, and not {rate.count}", patch, str(count))


def limit_window(draft: Draft) -> Iterator[Edit]:
    """A limit looks back over half the time, or twice."""
    for name, at, rules, rate in _limits(draft):
        for word, factor in (("shorter", 0.5), ("longer", 2.0)):
            declared, reads = literal("rate", format_value(Rate(rate.count, rate.window * factor)))
            patch = (declared, replace(f"{at}/rate", reads))
            yield Edit(f"{at}/rate", rules, f"the window of `{name}` is {word}", patch, word)


def limit_key(draft: Draft) -> Iterator[Edit]:
    """A limit counts everybody together, or by something else."""
    for name, at, rules, _ in _limits(draft):
        declared, reads = literal("text", "everybody")
        patch = (declared, replace(f"{at}/key", reads))
        yield Edit(f"{at}/key", rules, f"`{name}` counts everybody together", patch, "everybody")
        for variable, entry in draft.data["connection"]["variables"].items():
            if "from" in entry:
                text = f"`{name}` counts by `{variable}`"
                yield Edit(f"{at}/key", rules, text, (replace(f"{at}/key", f"${variable}"),), variable)


def _isolation(draft: Draft, room: str) -> Rules:
    effects = [effect for row in draft.rows for effect in row.do if effect.get("to") == room and "broadcast" in effect]
    return joined(*(effect.get("isolation", ()) for effect in effects))


def one_room(draft: Draft) -> Iterator[Edit]:
    """All rooms of a kind are one, or each belongs to something else."""
    for name in draft.data.get("rooms", {}):
        at = f"/rooms/{name}/key"
        effects = [row.rules for row in draft.rows for effect in row.do if effect.get("to") == name]
        declared, reads = literal("text", "one")
        yield Edit(at, _isolation(draft, name), f"everybody is in one `{name}`", (declared, replace(at, reads)), "one")
        for variable in draft.data["connection"]["variables"]:
            if f"${variable}" != draft.data["rooms"][name]["key"]:
                rules = joined(_isolation(draft, name), *effects)
                yield Edit(
                    at, rules, f"`{name}` is told apart by `{variable}`", (replace(at, f"${variable}"),), variable
                )


def constant_variable(draft: Draft) -> Iterator[Edit]:
    """What a connection keeps from its request is the same for all."""
    for name, entry in draft.data["connection"]["variables"].items():
        if "from" in entry:
            at, reads = f"/connection/variables/{name}/from", f"${name}"
            always = [i["rules"] for i in draft.data.get("invariants", ()) if reads in i.get("with", {}).values()]
            rooms = [_isolation(draft, r) for r, room in draft.data.get("rooms", {}).items() if room["key"] == reads]
            declared, constant = literal("text", "one")
            rules = joined(*always, *rooms)
            yield Edit(at, rules, f"`{name}` is the same for everybody", (declared, replace(at, constant)))
