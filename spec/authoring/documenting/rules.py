"""The index of rules: each with its text, where the document carries it out, and how a suite tests that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from spec.authoring.documenting.blocks import Anchor, Block, Inline, Page, Piece, Ref, Strong, Table, Text
from spec.authoring.documenting.words import anchor, applies, level
from spec.authoring.outlining import Outline
from spec.authoring.outlining.decisions import plainly

__all__ = ["Cases", "page"]

_MOST = 6

Cases = Mapping[str, Mapping[str, int]]
"""Rule -> family of cases -> how many of it are there for the rule."""


@frozen
class _Cited:
    """A place that cites a rule: what it is called, where it is shown, and how a suite tests what stands there."""

    name: str
    page: str
    anchor: str
    tested: str


def page(document: Outline, cases: Cases | None = None) -> Page:
    """Every rule, in the document's order, with the number of a suite's cases for it where those are given."""
    cited: dict[str, dict[_Cited, int]] = {}
    for pointer, rule in _citations(document.data, ()):
        places = cited.setdefault(rule, {})
        place = _place(document, pointer)
        places[place] = places.get(place, 0) + 1
    rows = [
        _row(name, rule, cited.get(name, {}), None if cases is None else cases.get(name, {}))
        for name, rule in document.section("rules").items()
    ]
    told = (
        "A rule is tested through the places that carry it out. What a suite runs for a rule: `handfast explain RULE`; "
        "what a server does about it: `handfast check URL`."
    )
    blocks: list[Block] = [
        Text(told),
        Table("The rules", ("Rule", "Says", "Level", "Holds", "Carried out by", "Tested by"), rows),
    ]
    return Page("rules", "Rules", blocks)


def _row(
    name: str, rule: Mapping[str, Any], cited: Mapping[_Cited, int], cases: Mapping[str, int] | None
) -> tuple[Inline, ...]:
    places: list[Piece] = []
    for place, times in list(cited.items())[:_MOST]:
        many = f" ({times} times)" if times > 1 else ""
        places += [", "] if places else []
        places += [Ref(place.name, place.page, place.anchor) if place.page else place.name, many]
    if len(cited) > _MOST:
        places.append(f" and {len(cited) - _MOST} more")
    return (
        Anchor(name, anchor("rule", name)),
        plainly(rule.get("text", "")),
        Strong(level(plainly(rule.get("level", "")))),
        applies(rule.get("applies", {})),
        places or "nothing",
        _tested(rule, cited) + ("" if cases is None else _counted(cases)),
    )


def _counted(cases: Mapping[str, int]) -> str:
    """How many cases there are for a rule, by family, the most first."""
    told = ", ".join(f"{many} {family}" for family, many in sorted(cases.items(), key=lambda both: (-both[1], both[0])))
    return f" ({sum(cases.values())} cases: {told})" if cases else " (no case)"


def _tested(rule: Mapping[str, Any], cited: Mapping[_Cited, int]) -> str:
    seen = rule.get("observe", "wire")
    if seen == "excluded":
        return f"not tested: {plainly(rule.get('reason', 'no reason is given'))}"
    how = ", ".join(dict.fromkeys(place.tested for place in cited if place.tested))
    if seen == "process":
        return "in the server's own logs or metrics"
    if seen == "control":
        return f"with a hook of the deployment{f': {how}' if how else ''}"
    return how or "every exchange"


def _citations(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every place that cites a rule; a place is the path without what names the citation itself."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            if not path and key == "rules":
                continue
            if key in _CITING and isinstance(member, list):
                yield from ((path, rule) for rule in member if isinstance(rule, str))
            else:
                yield from _citations(member, (*path, str(key)))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _citations(member, (*path, str(index)))


_CITING = {"rules", "isolation", "close_rules", "ordered", "timely", "order"}


def _place(document: Outline, path: tuple[str, ...]) -> _Cited:
    match path:
        case ("opening", "rows", number, *_):
            row = str(int(number) + 1)
            return _Cited(f"opening {row}", "opening", anchor("opening", row), "requests of every class")
        case ("opening", *_):
            return _Cited("headers of answers", "opening", "", "requests of every class")
        case ("http", name, *_) if name in document.endpoints:
            return _Cited(f"endpoint {name}", "endpoints", anchor("endpoint", name), "requests of every class")
        case ("tokens", "recipes", *_) | ("tokens", "ladder", *_):
            return _Cited("the token ladder", "tokens", "", "tokens made to end on each check")
        case ("framing", kind, *_):
            return _Cited(
                f"frames: {kind.replace('_', ' ')}",
                "more",
                anchor("section", "framing"),
                "frames sent below the messages",
            )
        case ("messages", name, role, *_):
            return _Cited(f"{name} of the {role}", f"messages/{role}-{name}", "", "every message of the type")
        case ("wire", *_):
            return _Cited("the envelope", "messages", "", "every message")
        case ("invariants" | "indistinguishable", *_):
            tested = "everything that is received" if path[0] == "invariants" else "times of many exchanges"
            return _Cited("invariants", "more", anchor("invariants"), tested)
        case ("errors", *_):
            return _Cited("closes", "errors", "", "every close")
        case ("scenarios", name, *_):
            return _Cited(f"scenario {name}", "scenarios", anchor("scenario", name), "the scenario itself")
        case ("connection", *inner):
            return _inner(document, tuple(inner))
    return _Cited(" › ".join(path) or "the document", "", "", "")


def _inner(document: Outline, path: tuple[str, ...]) -> _Cited:
    """A place within the machine of a connection."""
    states: list[str] = []
    while len(path) > 1 and path[0] == "states":
        states.append(path[1])
        path = path[2:]
    state = ".".join(states)
    where, at = (state, anchor("state", state)) if state else ("any state", "")
    match path:
        case ("timers", name, *_):
            return _Cited(f"timer {name}", "timers", anchor("timer", state, name), "waiting: not early, not late")
        case ("receive", wanted, *_):
            return _Cited(f"{wanted} in {where}", "states", at, "every input in every state")
        case ("may_send", *_):
            return _Cited(f"permission in {where}", "states", at, "everything that is received")
        case ("ending", what, *_):
            return _Cited(f"ending: {what.replace('_', ' ')}", "", "", "connections that end")
        case ("due", *_):
            return _Cited("every answer", "", "", "every answer in time")
    told = re.sub(r"_", " ", " ".join(path)) or "the connection"
    return _Cited(f"{told} in {where}" if states else told, "states" if at else "", at, "every exchange")
