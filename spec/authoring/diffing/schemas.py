"""Schemas compared as what senders may write and receivers accept: member by member, and by containment.

Containment decides; the walk over members explains. What one side sends is only what its own schema names, so the
sender's schema is closed before it is asked whether the receiver's covers it: to add a member to an open object is no
loss of values. `jsonschema_rs.canonicalize` (experimental; pinned, and wrapped here alone) answers yes, no or unknown,
and only its yes is relied on: a no is shown by a value, and what has neither is told as undecided.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs
from attrs import frozen

from spec.authoring.diffing.samples import edges

__all__ = ["Sub", "closed", "covers", "refused", "subs", "values_refused"]

Schema = Mapping[str, Any]


@frozen
class Sub:
    """One difference between two schemas: the row of the catalogue, where (a pointer into the value), and in words."""

    row: str
    at: str
    text: str


def closed(schema: Any) -> Any:
    """The schema of what a sender writes: objects whose members are named have no others."""
    if not isinstance(schema, Mapping):
        return schema
    found = {key: _closed_member(key, value) for key, value in schema.items()}
    if "properties" in found and not isinstance(found.get("additionalProperties"), Mapping):
        found["additionalProperties"] = False
    return found


def _closed_member(key: str, value: Any) -> Any:
    if key in ("properties", "definitions") and isinstance(value, Mapping):
        return {name: closed(inner) for name, inner in value.items()}
    if key in ("items", "additionalProperties"):
        return closed(value)
    return [closed(option) for option in value] if key in ("anyOf", "oneOf") else value


def covers(receiver: Schema, sender: Schema) -> str:
    """Whether a receiver's schema admits every value of a sender's: `yes`, `no` or `unknown`; never a wrong yes.

    A no is one that `refused` shows, since the library's own may be undecided.
    """
    if receiver == sender or _contains(_text(receiver), _text(sender)):
        return "yes"
    return "no" if refused(receiver, sender) is not None else "unknown"


def _text(schema: Schema) -> str:
    return json.dumps(schema, sort_keys=True)


@lru_cache(512)
def _contains(receiver: str, sender: str) -> bool:
    try:
        whole = jsonschema_rs.canonicalize(json.loads(receiver), validate_formats=True)
        part = jsonschema_rs.canonicalize(json.loads(sender), validate_formats=True)
        return str(whole.covers(part)).rpartition(".")[2].lower() == "yes"
    except Exception:
        # An experimental library that cannot canonicalize a schema leaves the question open, whatever it raises.
        return False


def refused(receiver: Schema, sender: Schema) -> tuple[Any] | None:
    """A value that a sender's schema admits and a receiver's refuses, in a tuple, or None where none was found."""
    takes, writes = _check(receiver), _check(sender)
    return next(((value,) for value in _candidates(sender, receiver) if writes(value) and not takes(value)), None)


def values_refused(receiver: Schema, sender: Schema, members: list[str]) -> Iterator[Any]:
    """The same values, one after the other: first those that are refused for what these members (nested) are."""
    takes, writes = _check(receiver), _check(sender)
    validator = jsonschema_rs.validator_for(dict(receiver), validate_formats=True)
    found = (value for value in _candidates(sender, receiver) if writes(value) and not takes(value))
    others: list[Any] = []
    for value in found:
        if _is_about(validator, value, members):
            yield value
        elif len(others) < 12:
            others.append(value)
    yield from others


def _is_about(validator: Any, value: Any, members: list[str]) -> bool:
    for error in validator.iter_errors(value):
        path = [str(part) for part in error.instance_path]
        if path[: len(members)] == members or (path == members[:-1] and f'"{members[-1]}"' in error.message):
            return True
    return not members


def _candidates(sender: Schema, receiver: Schema) -> Iterator[Any]:
    yield from edges(sender)
    yield from edges(receiver)
    yield from _around(sender, receiver)


def _around(sender: Schema, receiver: Schema) -> Iterator[Any]:
    """Values of the sender's schema with a member at the edges of the receiver's, and just beyond them."""
    base = next(iter(edges(sender)), None)
    if not isinstance(base, dict):
        yield from _beyond(receiver)
        return
    for name, inner in receiver.get("properties", {}).items():
        mine = sender.get("properties", {}).get(name)
        if isinstance(inner, Mapping) and isinstance(mine, Mapping):
            options = [*_beyond(inner), *_around(mine, inner)] if mine.get("type") == "object" else _beyond(inner)
            yield from ({**base, name: value} for value in options)


def _beyond(schema: Schema) -> list[Any]:
    found: list[Any] = [None, True, 0, 0.5, "", "a", [], {}, "other", 10**9, -(10**9)]
    for key, over in (("maxLength", 1), ("minLength", -1)):
        if isinstance(schema.get(key), int) and 0 <= schema[key] + over <= 100_000:
            found.append("x" * (schema[key] + over))
    for key, over in (("maxItems", 1), ("minItems", -1)):
        if isinstance(schema.get(key), int) and 0 <= schema[key] + over <= 5000:
            inner = next(iter(edges(schema.get("items", {}))), "a")
            found.append([inner] * (schema[key] + over))
    found += [schema[key] + over for key, over in (("maximum", 1), ("minimum", -1)) if key in schema]
    return found


def _check(schema: Schema) -> Callable[[Any], bool]:
    validator = jsonschema_rs.validator_for(dict(schema), validate_formats=True)

    def check(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except (ValueError, UnicodeError):
            return False

    return check


def subs(old: Schema, new: Schema) -> list[Sub]:
    """The differences between two schemas of one member or message, each with its row of the catalogue.

    Rows are those of the table by what becomes of the values: `M04` a required member is new, `M06` it is gone, and so
    on; `M10` fewer values, `M11` more, both where values were exchanged, `M19` where nobody can say.
    """
    return list(_walk(old, new, "", old, new))


def _resolved(schema: Any, root: Schema) -> Any:
    for _ in range(20):
        if not (isinstance(schema, Mapping) and "$ref" in schema):
            return schema
        schema = root.get("definitions", {}).get(schema["$ref"].rpartition("/")[2], {})
    return schema


def _walk(old: Any, new: Any, at: str, old_root: Schema, new_root: Schema) -> Iterator[Sub]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    if old == new and (not _refers(old) or old_root.get("definitions") == new_root.get("definitions")):
        return
    if not (isinstance(old, Mapping) and isinstance(new, Mapping) and _object(old) and _object(new)):
        yield from _values(old, new, at, old_root, new_root)
        return
    yield from _members(old, new, at, old_root, new_root)
    rest = ("properties", "required", "definitions")
    mine, other = ({k: v for k, v in s.items() if k not in rest} for s in (old, new))
    if mine != other:
        if "additionalProperties" in {k for k in {**mine, **other} if mine.get(k) != other.get(k)}:
            yield from _others(old, new, at)
        mine.pop("additionalProperties", None), other.pop("additionalProperties", None)
        if mine != other:
            yield from _values(mine, other, at, old_root, new_root)


def _refers(schema: Any) -> bool:
    return "$ref" in json.dumps(schema)


def _object(schema: Schema) -> bool:
    return "properties" in schema or (schema.get("type") == "object" and not {"anyOf", "oneOf"} & set(schema))


def _members(old: Schema, new: Schema, at: str, old_root: Schema, new_root: Schema) -> Iterator[Sub]:
    mine, other = old.get("properties", {}), new.get("properties", {})
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    for name in dict.fromkeys((*mine, *other, *sorted(needed | needs))):
        where = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        was, is_ = name in mine or name in needed, name in other or name in needs
        if not was:
            yield Sub("M04" if name in needs else "M05", where, f"`{name}` is new")
        elif not is_:
            yield Sub("M06" if name in needed else "M07", where, f"`{name}` is gone")
        else:
            if (name in needed) != (name in needs):
                text = "is required" if name in needs else "may be left out"
                yield Sub("M08" if name in needs else "M09", where, f"`{name}` {text}")
            yield from _walk(mine.get(name, {}), other.get(name, {}), where, old_root, new_root)


def _others(old: Schema, new: Schema, at: str) -> Iterator[Sub]:
    before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
    where = at or "/"
    if after is False:
        yield Sub("M15.refused", where, "members that are not named are refused")
    elif before is False:
        yield Sub("M15.ignored", where, "members that are not named are let through")
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _values(before, after, f"{at}/*", old, new)
    else:
        yield Sub("M10" if isinstance(after, Mapping) else "M11", f"{at}/*", "the schema of other members was changed")


def _values(old: Any, new: Any, at: str, old_root: Schema, new_root: Schema) -> Iterator[Sub]:
    """Values of a member, by containment both ways."""
    one, other = _whole(old, old_root), _whole(new, new_root)
    if isinstance(one.get("enum"), list) and isinstance(other.get("enum"), list) and _bare(one) == _bare(other):
        gone = [value for value in one["enum"] if value not in other["enum"]]
        more = [value for value in other["enum"] if value not in one["enum"]]
        yield from (Sub("M13", at, f"{json.dumps(value)} is gone") for value in gone)
        yield from (Sub("M12", at, f"{json.dumps(value)} is new") for value in more)
        return
    wider, narrower = covers(other, one), covers(one, other)
    text = _told(one, other)
    if wider == "yes" and narrower == "yes":
        return
    if "unknown" in (wider, narrower) and "no" not in (wider, narrower):
        yield Sub("M19", at, f"{text}, and nobody can say which values that changes")
        return
    # Unknown beside a no: the values that are lost may be some, so both are told.
    if wider != "yes":
        yield Sub("M10", at, text)
    if narrower != "yes":
        yield Sub("M11", at, text)


def _whole(schema: Any, root: Schema) -> dict[str, Any]:
    found = dict(schema) if isinstance(schema, Mapping) else {}
    return {**found, "definitions": root["definitions"]} if "definitions" in root else found


def _bare(schema: Schema) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ("enum", "definitions")}


def _told(old: Schema, new: Schema) -> str:
    names = [k for k in dict.fromkeys((*old, *new)) if k != "definitions" and old.get(k) != new.get(k)]
    parts = [f"{name} {_shown(old.get(name))} → {_shown(new.get(name))}" for name in names]
    return ", ".join(parts) or "what it refers to"


def _shown(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
