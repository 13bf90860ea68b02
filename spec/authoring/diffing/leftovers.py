"""What differs between two documents and no change tells of: written otherwise, or not known to be safe.

A reader of both documents can name what tells them apart (`spec.authoring.equivalence`). Where a change was
found at such a place, it explains it; what nothing explains is told as such, so that silence always means that nothing
differs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from spec.authoring.diffing.behaviour import UNSURE, Behaviour
from spec.authoring.diffing.changes import Change, change
from spec.authoring.diffing.judging import list_of, state_at

__all__ = ["SCHEMAS", "SPELLED", "leftovers"]

SCHEMAS = r"/messages/[^/]+/(client|server)/payload(/.*)?|/wire/envelope/(client|server)/schema(/.*)?"
"""What containment alone decides: an engine has one value of each class, and these are about which values there are."""

SPELLED = {"D01", "D02"}
"""Rules whose changes are no part of any exchange."""


def leftovers(
    seen: Behaviour,
    changes: list[Change],
    rest: list[str],
    readers: Mapping[str, list[str]],
    read: Collection[str] = (),
) -> list[Change]:
    """The changes that `rest`, the places that differ, still needs beside those that were found.

    `readers` are the places of either document that read a parameter, by its name; `read` are places of `rest` where
    only one reads one: what is the same by default is another where somebody sets it.
    """
    known = {place for one in changes if one.rule.id not in SPELLED for place in (one.old_at, one.new_at) if place}
    places = known | {place for place in seen.touched if place}
    untold = [at for at in rest if not _told(at, changes) and not _told_of_form(at, changes)]
    strange = [name for name in seen.tells if not _explained(name, places, seen)]
    if seen.unplayed is not None:
        return [change("X01", at, at, f"what servers do was not compared: {seen.unplayed}") for at in untold[:1]]
    if strange:
        text = f"nothing that was played shows what this changes: {'; '.join(strange[:4])}"
        return [change("X01", rest[0], rest[0], text)]
    found: dict[str, Change] = {}
    for at in untold:
        rule = _leftover(at, places, readers, seen)
        rule = "X01" if rule in ("S09", "S18") and at in read else rule
        if rule is not None:
            found.setdefault(_list(at), change(rule, _list(at), _list(at), _WORDS[rule]))
    return list(found.values())


_WORDS = {
    "X01": "nothing that was played shows what this changes",
    "S09": "written otherwise",
    "S18": "changed where no exchange leads",
}

_DECLARED = r"/version|/rules/.*|/parameters/[^/]+(/(min|max|values|type).*)?"
"""What the comparison of declarations tells of, whatever it is."""

_CASE = r"(/\d+(/(when|in|do|to|rules)(/.*)?)?)?"
_COVERED = (
    r"/(facts|definitions|memories|versions|refusals|errors|messages|invariants)(/.*)?",
    r"/wire(/(binding|envelope(/.*)?|frames(/largest)?))?",
    r"/tokens(/(claims(/.*)?|ladder(/\d+(/(step|verdict|text))?)?|recipes(/.*)?))?",
    r"/rooms(/[^/]+(/key)?)?",
    r"/opening(/(rows|headers|body|path)(/.*)?)?",
    r"/connection/variables(/.*)?",
    r"/connection(/states/[^/]+)*(/(states|initial|may_send(/.*)?))?",
    rf"/connection(/states/[^/]+)*/receive(/[^/]+{_CASE})?",
    rf"/connection(/states/[^/]+)*/timers(/[^/]+(/(after|at|before|plus|expire{_CASE})(/.*)?)?)?",
)
"""Places of which a reader of both documents could name what differs; of others nobody can say that nothing does."""


def _leftover(at: str, places: Collection[str], readers: Mapping[str, list[str]], seen: Behaviour) -> str | None:
    """The rule of a place that no change tells of, None where a change that was found comes of it."""
    parameter = re.fullmatch(r"/parameters/([^/]+)/default(/.*)?", at)
    if parameter is not None:
        used = [_list(place) for place in readers.get(parameter[1], ())]
        if any(place.startswith(one) or one.startswith(place) for one in used for place in places):
            return None
        return "X01" if used else "S09"
    if re.fullmatch(_DECLARED, at):
        return None
    if not any(re.fullmatch(pattern, at) for pattern in _COVERED):
        return "X01"
    if seen.tells:
        return None
    return "S18" if _unreached(at, seen) else "S09"


def _told_of_form(at: str, changes: list[Change]) -> bool:
    """Whether a place is in a schema that changes tell of: these name members, and not the lists that require them."""
    found = re.match(SCHEMAS.replace("(/.*)?", ""), at)
    return found is not None and any((one.new_at or one.old_at).startswith(found[0]) for one in changes)


def _list(at: str) -> str:
    """The list or table that a place is in."""
    found = re.match(r"(/opening/\w+|/facts/[^/]+|/connection(?:/states/[^/]+)*(?:/(?:receive|timers)/[^/]+)?)", at)
    return found[1] if found else at


def _unreached(at: str, seen: Behaviour) -> bool:
    state = ".".join(re.findall(r"/states/([^/]+)", at))
    return bool(state) and not any(f"{reached}.".startswith(f"{state}.") for reached in seen.reached)


_EXPLAINS: tuple[tuple[str, str], ...] = (
    (r"the envelope", r"/wire/envelope.*"),
    (r"what is chosen in every message", r"/wire/envelope/server.*"),
    (r"the schema of the envelope", r"/wire/envelope/client.*"),
    (r"(?:the schema of|what is chosen in) (.+)", r"/messages/{0}(/.*)?"),
    (r"the largest message", r"/wire/frames/largest"),
    (r"the checks of tokens", r"/tokens/.*"),
    (r"memories", r"/memories/.*"),
    (r"the fact (.+)", r"(/facts/{0}(/.*)?|/opening/.*|/versions)"),
    (r"timers beside the states", r"/connection/timers/.*"),
    (r"variables|rooms", r"/connection/.*|/opening/.*"),
    (r"links", r"/links/.*"),
    (r"the path", r"/opening/path"),
    (r"versions", r"/versions|/opening/.*"),
    (r"refusals", r"/opening/body"),
    (r"errors|permissions", r"/(errors|connection)/.*"),
    (r"close reasons", r"/errors/close_reasons"),
    (r"opening", r"/opening/.*|/versions|/facts/.*"),
    (r"([\w.]+)", r"{state}(/.*)?"),
    (UNSURE, r"/.*"),
)
"""What tells two documents apart, and the places of changes that explain it."""


def _explained(name: str, places: Collection[str], seen: Behaviour) -> bool:
    if (name in seen.documents[0].states) != (name in seen.documents[1].states):
        # A state that only one of them has shows in the ways into it.
        return any(place.startswith(("/connection/", "/opening/")) for place in places)
    decision = re.fullmatch(r"(?:timer (\S+) of (\S+)|(\S+)) in ([\w.]+)", name)
    if decision is not None:
        return _decision_explained(decision, places, seen)
    for pattern, wanted in _EXPLAINS:
        found = re.fullmatch(pattern, name)
        if found is not None:
            inner = [part.replace("~", "~0").replace("/", "~1") for part in found.groups()]
            first = inner[0] if inner else ""
            at = wanted.replace("{state}", state_at(first)).replace("{0}", re.escape(first))
            return any(re.fullmatch(at, place) for place in places)
    return False


def _decision_explained(decision: re.Match[str], places: Collection[str], seen: Behaviour) -> bool:
    """Whether the list by which either document decides an input or a timer is one that was seen to differ."""
    timer, of, name, leaf = decision.groups()
    if timer is not None:
        lists = {f"{state_at(of)}/timers/{timer}"}
    else:
        lists = {list_of(document, leaf, name) for document in seen.documents}
    return any(place == at or place.startswith(f"{at}/") for at in lists for place in places) or any(
        place == f"/messages/{name}/client" for place in places
    )


def _told(at: str, changes: list[Change]) -> bool:
    """Whether a change tells of a place, or of one that it is within."""
    known = (one for one in changes if one.rule.id not in SPELLED)
    places = [place for one in known for place in (one.old_at, one.new_at) if place]
    return any(at == place or at.startswith(f"{place}/") for place in places)
