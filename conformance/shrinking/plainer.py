"""Plainer contents: messages nearer to their examples, shorter texts, fewer headers, tokens that are simply valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import evolve

from conformance.scripts import Case, Open, Raw, Send, Step
from conformance.shrinking.sizes import Plain, plain_members, same_as, step_weight

__all__ = ["plainer", "sooner", "tokens"]

Changed = dict[int, Step | None]
Pairs = tuple[tuple[str, Any], ...]

_SOON = 1.2
"""No token's life is shortened until less than this, in seconds, is waited for: it must outlast the steps before."""

_NOTHING: Any = object()


def plainer(case: Case, plain: Plain) -> Iterator[Changed]:
    """Changes that leave the steps as they are and make what one of them says plainer.

    A step that is there for a rule keeps something of what it says for it: were all of that gone, the exchange would
    show another fault than the one that is blamed.
    """
    for index, step in enumerate(case.steps):
        focused = bool(getattr(step, "rules", ())) and step_weight(step, plain) > 0
        for simpler in _steps(step, plain):
            if not (focused and step_weight(simpler, plain) == 0):
                yield {index: simpler}
    yield from _one_room(case)


def _steps(step: Step, plain: Plain) -> Iterator[Step]:
    if isinstance(step, Send):
        yield Send(step.client, step.message, plain(step), rules=step.rules)
    yield from (evolve(step, **{name: value}) for name, value in plain_members(step).items())
    match step:
        case Send():
            yield from _sends(step, plain(step))
        case Open():
            yield from _openings(step)
        case Raw(text=text) if text is not None:
            yield from (evolve(step, text=shorter) for shorter in _values(text, _NOTHING, step.client))
        case Raw(binary=binary) if binary:
            yield evolve(step, binary=binary[: len(binary) // 4 * 2])


def _sends(step: Send, payload: Mapping[str, Any]) -> Iterator[Step]:
    if step.pad_to is not None:
        yield evolve(step, pad_to=step.pad_to // 2)
    if step.id is not None:
        yield from (evolve(step, id=shorter) for shorter in _values(step.id, _NOTHING, step.client))
    yield from (evolve(step, drop=tuple(d for d in step.drop if d != pointer)) for pointer in step.drop)
    for pointer in step.change:
        yield evolve(step, change={name: value for name, value in step.change.items() if name != pointer})
    for pointer, value in step.change.items():
        for shorter in _values(value, _NOTHING, step.client):
            yield evolve(step, change={**step.change, pointer: shorter})
    yield from (evolve(step, payload=shorter) for shorter in _values(step.payload, payload, step.client))


def _openings(step: Open) -> Iterator[Step]:
    if step.path is not None:
        yield from (evolve(step, path=shorter) for shorter in _values(step.path, _NOTHING, step.client))
    if not isinstance(step.room, str):
        yield evolve(step, room="a")
    for index in range(len(step.offer)):
        yield evolve(step, offer=step.offer[:index] + step.offer[index + 1 :])
    yield from (evolve(step, headers=fewer) for fewer in _pairs(step.headers, step.client))
    yield from (evolve(step, query=fewer) for fewer in _pairs(step.query, step.client))


def _pairs(pairs: Pairs, client: str) -> Iterator[Pairs]:
    yield from (pairs[:index] + pairs[index + 1 :] for index in range(len(pairs)))
    for index, (name, value) in enumerate(pairs):
        for shorter in _values(value, _NOTHING, client):
            yield (*pairs[:index], (name, shorter), *pairs[index + 1 :])


def _one_room(case: Case) -> Iterator[Changed]:
    """Everybody in the room of the first; what is addressed otherwise stays where it is."""
    openings = {index: step for index, step in enumerate(case.steps) if isinstance(step, Open)}
    first = next(iter(openings.values()), None)
    elsewhere = {index: step for index, step in openings.items() if first is not None and step.room != first.room}
    if first is not None and elsewhere:
        yield {index: evolve(step, room=first.room) for index, step in elsewhere.items()}


# -------------------------------------------------------------------------------------------------------- values


def _values(value: Any, plain: Any, client: str) -> Iterator[Any]:
    """Values a little simpler than one, the plain one first; symbols stay symbols."""
    if value == plain:
        return
    if plain is not _NOTHING and not (isinstance(value, Mapping) and isinstance(plain, Mapping)):
        yield plain
    match value:
        case {"$token": token}:
            yield from ({"$token": simpler} for simpler in _tokens(token, client))
        case {"$fill": {"text": text, "times": times}}:
            yield from (
                {"$fill": {"text": text, "times": fewer}} for fewer in (1, int(times) // 2) if 0 < fewer < times
            )
        case {"$join": list() | tuple() as parts}:
            yield from ({"$join": others} for others in _lists(list(parts), client))
        case Mapping():
            if not any(str(name).startswith("$") for name in value):
                yield from _mappings(value, plain, client)
        case str():
            yield from _texts(value)
        case list():
            yield from _lists(value, client)
        case bool() | None:
            pass
        case int() | float() if value:
            yield 0
            yield int(value / 2)


def _texts(text: str) -> Iterator[str]:
    half = len(text) // 2
    yield from (part for part in dict.fromkeys(("a", text[:half], text[half:])) if part and len(part) < len(text))


def _mappings(value: Mapping[str, Any], plain: Any, client: str) -> Iterator[Any]:
    known = plain if isinstance(plain, Mapping) else {}
    if known:
        yield known
    for name in value:
        if name not in known:
            yield {other: member for other, member in value.items() if other != name}
    for name, member in value.items():
        for simpler in _values(member, known.get(name, _NOTHING), client):
            yield {**value, name: simpler}


def _lists(value: list[Any], client: str) -> Iterator[list[Any]]:
    yield from (value[:index] + value[index + 1 :] for index in range(len(value)))
    for index, member in enumerate(value):
        for simpler in _values(member, _NOTHING, client):
            yield [*value[:index], simpler, *value[index + 1 :]]


def _tokens(token: Mapping[str, Any], client: str) -> Iterator[Mapping[str, Any]]:
    """Simpler tokens; the label stays, since it tells one token from another."""
    if token.get("recipe") != "valid":
        yield {"recipe": "valid", **{name: value for name, value in token.items() if name not in {"recipe", "keyless"}}}
    for name in ("left", "fraction"):
        if name in token:
            yield {other: value for other, value in token.items() if other != name}
    if token.get("subject", "ana") != client:
        yield {**token, "subject": client}


# ---------------------------------------------------------------------------------------------------------- time


def sooner(case: Case) -> Iterator[Changed]:
    """Changes by which tokens live as much shorter as leaves `_SOON` of the case's waiting, or half of it."""
    lives = {same_as(token): token for step in case.steps for token in tokens(step) if "left" in token}
    for token in lives.values():
        for less in (case.wait - _SOON, case.wait / 2):
            left = round(float(token["left"]) - less, 3)
            if less > 0.1 and left > 0 and case.wait - less >= _SOON - 0.001:
                yield _replaced(case, token, {**token, "left": left})


def tokens(step: Step) -> list[Mapping[str, Any]]:
    """What the token symbols of a step ask for."""
    found: list[Mapping[str, Any]] = []

    def note(token: Mapping[str, Any]) -> Mapping[str, Any]:
        found.append(token)
        return token

    _with_tokens(step, note)
    return found


def _replaced(case: Case, old: Mapping[str, Any], new: Mapping[str, Any]) -> Changed:
    changed = {
        index: _with_tokens(step, lambda token: new if token == old else token) for index, step in enumerate(case.steps)
    }
    return {index: step for index, step in changed.items() if step != case.steps[index]}


def _with_tokens(step: Step, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Step:
    """A step with every token symbol of it changed."""
    match step:
        case Send():
            return evolve(step, payload=_inside(step.payload, change), change=_inside(step.change, change))
        case Open():
            headers = tuple((name, _inside(value, change)) for name, value in step.headers)
            query = tuple((name, _inside(value, change)) for name, value in step.query)
            return evolve(step, headers=headers, query=query)
        case Raw(text=text):
            return evolve(step, text=_inside(text, change))
    return step


def _inside(value: Any, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Any:
    match value:
        case {"$token": Mapping() as token}:
            return {"$token": change(token)}
        case Mapping():
            return {name: _inside(member, change) for name, member in value.items()}
        case list() | tuple():
            return [_inside(member, change) for member in value]
    return value
