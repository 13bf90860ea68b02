"""Declarations that no exchange on the engines shows: heartbeats, what restarts timers, links, defaults, queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from spec.authoring.closes import unsendable
from spec.expressions import spans

if TYPE_CHECKING:
    from spec.authoring.diffing.structure import Pair
    from spec.model import Document

__all__ = ["LOOKS"]

_Data = Mapping[str, Any]


def _heartbeats(pair: Pair) -> None:
    """Timers beside the states: those that send are heartbeats, those that end a connection give clients time."""
    old, new = (data["connection"].get("timers", {}) for data in (pair.old, pair.new))
    for name in dict.fromkeys((*old, *new)):
        at, before, after = f"/connection/timers/{name}", old.get(name), new.get(name)
        if before is None or after is None:
            if _does(before or after, "close", "error"):
                rule, side = ("T02.added", "new") if before is None else ("T02.removed", "old")
                pair.say(rule, at, f"`{name}` ends a connection", only=side)
            continue
        one, other = (pair.value(index, timer.get("after"), "duration") for index, timer in enumerate((before, after)))
        if one is None or other is None or one == other:
            continue
        told = f"`{name}` {one:g} s → {other:g} s"
        if _does(after, "send"):
            pair.say("T04.lengthened" if other > one else "T04.shortened", f"{at}/after", told)
        elif _does(after, "close", "error"):
            pair.say("T01.lengthened" if other > one else "T01.shortened", f"{at}/after", told)


def _does(timer: Any, *verbs: str) -> bool:
    rows = timer.get("expire", ()) if isinstance(timer, Mapping) else ()
    return any(verb in effect for row in rows for effect in row.get("do", ()) for verb in verbs)


def _restarts(pair: Pair) -> None:
    """What of a client keeps a timer from firing."""
    before, after = (dict(_timers(data["connection"], "/connection")) for data in (pair.old, pair.new))
    for at in before.keys() & after.keys():
        one, other = ("received" in timers[at].get("restarts", ()) for timers in (before, after))
        if one != other:
            told = "what a client sends restarts it" + ("" if other else " no longer")
            pair.say("T05.enlarged" if other else "T05.shrunk", f"{at}/restarts", told)


def _timers(level: _Data, at: str) -> Iterator[tuple[str, _Data]]:
    yield from ((f"{at}/timers/{name}", timer) for name, timer in level.get("timers", {}).items())
    for name, state in level.get("states", {}).items():
        yield from _timers(state, f"{at}/states/{name}")


def _links(pair: Pair) -> None:
    """How long what outlives a connection can be taken up again."""
    for link, entry in pair.old.get("links", {}).items():
        for state, before in entry["states"].items():
            after = pair.new.get("links", {}).get(link, {}).get("states", {}).get(state, {})
            sums = [_sum(pair, index, one.get("lasts")) for index, one in enumerate((before, after))]
            if None not in sums and sums[0] != sums[1]:
                rule = "T12.lengthened" if sums[1] > sums[0] else "T12.shortened"  # type: ignore[operator]
                told = f"`{link}` is `{state}` for {sums[0]:g} s → {sums[1]:g} s"
                pair.say(rule, f"/links/{link}/states/{state}/lasts", told)


def _sum(pair: Pair, index: int, lasts: Any) -> float | None:
    values = [pair.value(index, span, "duration") for span in spans(lasts)]
    return sum(values) if values and all(isinstance(value, int | float) for value in values) else None


def _defaults(pair: Pair) -> None:
    """What a member means that is left out."""
    for name, message in pair.old["messages"].items():
        for role, form in message.items():
            other = pair.new["messages"].get(name, {}).get(role)
            if other is not None:
                at = f"/messages/{name}/{role}/payload"
                for where, one, two in _differing(form["payload"], other["payload"], at):
                    pair.say(f"M14.{role}", where, f"`{where.split('/')[-2]}` left out means {one!r} → {two!r}")


def _differing(one: Any, other: Any, at: str) -> Iterator[tuple[str, Any, Any]]:
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return
    if one.get("default") != other.get("default"):
        yield f"{at}/default", one.get("default"), other.get("default")
    for name, schema in one.get("properties", {}).items():
        yield from _differing(schema, other.get("properties", {}).get(name), f"{at}/properties/{name}")
    yield from _differing(one.get("items"), other.get("items"), f"{at}/items")


def _query(pair: Pair) -> None:
    """What every request has in its query."""
    old, new = (data["opening"].get("query", {}) for data in (pair.old, pair.new))
    for name in dict.fromkeys((*old, *new)):
        at = f"/opening/query/{name}"
        if name not in old:
            pair.say("V04.required", at, f"every request has `{name}`", only="new")
        elif name not in new:
            pair.say("V04.dropped", at, f"a request need not have `{name}`", only="old")
        elif old[name] != new[name]:
            pair.say("V04.changed", at, f"`{name}` is {old[name]!r} → {new[name]!r}")


def _closes(pair: Pair) -> None:
    """Close codes that nobody can send, and that were not there before."""
    known = {code for _, code, _ in unsendable(pair.old)}
    for path, code, why in unsendable(pair.new):
        if code not in known:
            pair.say("E09", "".join(f"/{part}" for part in path), f"nobody can close with {code}: {why}", only="new")


def _stopping(pair: Pair) -> None:
    """What a server that stops answers: no engine that is played ever stops."""
    one, other = (list(_until_stopped(pair.documents[index])) for index in (0, 1))
    if one != other:
        pair.say("X01", "/opening/rows", "a server that stops answers otherwise, which no exchange shows")


def _until_stopped(document: Document) -> Iterator[Any]:
    """The rows that can decide while a server stops, up to one that decides whatever else is asked."""
    asked = {name for name, fact in document.facts.items() if fact.kind == "running"}
    for row in document.opening:
        if all("stopping" in wanted for name, wanted in row.when.items() if name in asked):
            yield row.when, row.status, row.code, row.body, row.headers, row.to
            if set(row.when) <= asked:
                return


LOOKS = (_heartbeats, _restarts, _links, _defaults, _query, _closes, _stopping)
"""Each tells the changes of one kind of declaration."""
