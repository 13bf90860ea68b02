"""Runtime expressions: `$message.payload#/content`, `$token.sub`, `$recipe_id`, and templates made of them.

An expression names a root, then members, then a JSON Pointer (RFC 6901) into the value, as OpenAPI and AsyncAPI write
them. Anything that is not a string beginning with `$` stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from math import floor
from typing import Any

from attrs import frozen

__all__ = [
    "ABSENT",
    "CHOSEN",
    "MOMENT_FORMS",
    "Chosen",
    "Counts",
    "Evaluate",
    "Moment",
    "OneOf",
    "Open",
    "Scope",
    "Unordered",
    "compile_expression",
    "compile_key",
    "compile_template",
    "pointer_get",
    "pointer_parts",
    "pointer_put",
    "read_moment",
    "rfc3339",
    "root_of",
    "spans",
    "summed",
    "with_member",
]

Scope = Mapping[str, Any]
"""What an expression may read: root name -> value; variables of the connection are roots too."""

Evaluate = Callable[[Scope], Any]


@frozen
class Chosen:
    """Stands in a message for a value that its sender chooses; the receiver binds it when first seen."""

    kind: str = "value"
    sample: Any = None


CHOSEN = Chosen()


class Unordered(list[Any]):
    """A list whose items may come in any order."""

    __slots__ = ()


class OneOf(str):
    """A text in place of which others may stand as well; who sends it takes the first of them."""

    __slots__ = ("options",)

    options: tuple[str, ...]

    @classmethod
    def of(cls, options: Iterable[str]) -> OneOf:
        texts = tuple(options)
        made = cls(texts[0])
        made.options = texts
        return made


class Counts(dict[str, Any]):
    """An object of numbers, in which one that is missing counts 0."""

    __slots__ = ()


class Open:
    """A value that somebody else has chosen, and that is not known yet."""

    def written(self, form: str) -> Any:
        """The same value in another form."""
        raise NotImplementedError


@frozen
class Absent:
    """Stands in a message for a member that is not there."""


ABSENT = Absent()

_CONSTANTS = {"$chosen": CHOSEN, "$absent": ABSENT}
_MISSING = object()


@lru_cache(1024)
def pointer_parts(pointer: str) -> tuple[str, ...]:
    """The reference tokens of a JSON Pointer, unescaped (RFC 6901 section 4); the empty one names the whole value."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is no JSON Pointer")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def pointer_get(value: Any, pointer: str, default: Any = None) -> Any:
    """The value that a JSON Pointer names, or `default` where there is none."""
    for part in pointer_parts(pointer):
        if isinstance(value, dict):
            if part not in value:
                return default
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return default
    return value


def pointer_put(body: dict[str, Any], pointer: str, value: Any) -> None:
    """Put a value where a JSON Pointer says; the root merges a mapping into the body.

    Objects on the way are made; where something else than an object stands on it, nothing is put.
    """
    parts = pointer_parts(pointer)
    if not parts:
        body.update(value)
        return
    inner: Any = body
    for part in parts[:-1]:
        inner = inner.setdefault(part, {})
        if not isinstance(inner, dict):
            return
    inner[parts[-1]] = value


def with_member(value: Any, pointer: str, member: Any) -> Any:
    """A copy of a value that has something else where a pointer says, in objects and lists that are there."""
    parts = pointer_parts(pointer)
    if not parts:
        return member
    rest = "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts[1:])
    if isinstance(value, list):
        place = int(parts[0])
        return [*value[:place], with_member(value[place], rest, member), *value[place + 1 :]]
    inner = value.get(parts[0]) if isinstance(value, Mapping) else None
    return {**(value if isinstance(value, Mapping) else {}), parts[0]: with_member(inner, rest, member)}


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


def root_of(text: str) -> str:
    """The root of an expression, without its `$`."""
    return text[1:].partition("#")[0].partition(".")[0]


def compile_expression(text: Any) -> Evaluate:
    """Compile one expression; a text that is no expression evaluates to itself."""
    if not (isinstance(text, str) and text.startswith("$")):
        return lambda scope: text
    return _compile(text)


@lru_cache(1024)
def _compile(text: str) -> Evaluate:
    if text in _CONSTANTS:
        constant = _CONSTANTS[text]
        return lambda scope: constant
    path, _, pointer = text[1:].partition("#")
    root, *members = path.split(".")
    if not (members or pointer):
        return lambda scope: scope.get(root)

    def evaluate(scope: Scope) -> Any:
        value = scope.get(root)
        for name in members:
            value = _member(value, name)
        return pointer_get(value, pointer) if pointer else value

    return evaluate


def compile_key(key: Any) -> Evaluate:
    """Compile what tells things of a kind apart: one expression, or a list of them, whose values come as a tuple."""
    if not isinstance(key, list | tuple):
        return compile_expression(key)
    parts = [compile_expression(part) for part in key]
    return lambda scope: tuple(part(scope) for part in parts)


def rfc3339(moment: float) -> str:
    """Epoch seconds as RFC 3339 in UTC with milliseconds, ending in `Z`."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Moment(str):
    """A moment as text that still knows what it says, so that a reader may compare times and not spellings."""

    __slots__ = ("form", "seconds")

    form: str
    seconds: float

    @classmethod
    def write(cls, form: str, value: Any, later: float = 0.0) -> Moment:
        """Write epoch seconds (or an aware datetime), or a moment `later`, in one of the forms of `MOMENT_FORMS`."""
        seconds = (value.timestamp() if isinstance(value, datetime) else float(value)) + later
        moment = cls(MOMENT_FORMS[form](seconds))
        moment.form, moment.seconds = form, seconds
        return moment


MOMENT_FORMS: dict[str, Callable[[float], str]] = {
    # RFC 3339; RFC 9651 section 3.3.7 (used by RFC 9745); RFC 9110 section 5.6.7.
    "time": rfc3339,
    "structured_date": lambda seconds: f"@{int(seconds)}",
    "http_date": lambda seconds: format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True),
}


def read_moment(form: str, text: str) -> float | None:
    """Epoch seconds of a moment written in a form, or None where the text is not of that form."""
    try:
        if form == "structured_date":
            return float(text[1:]) if re.fullmatch(r"@-?\d{1,15}", text) else None
        if form == "http_date":
            # The three forms of RFC 9110 section 5.6.7 differ; senders must write the first, with GMT.
            return parsedate_to_datetime(text).timestamp() if text.endswith(" GMT") else None
        # A leap second has no epoch seconds of its own; it is read as the second before it.
        return datetime.fromisoformat(re.sub(r":60(?=[.Zz+-])", ":59", text).upper()).timestamp()
    except (ValueError, TypeError):
        return None


def spans(value: Any) -> tuple[Any, ...]:
    """Durations to be added up, as they are written: none, one, or a list of them."""
    return () if value is None else tuple(value) if isinstance(value, list) else (value,)


def summed(parts: tuple[Any, ...]) -> Callable[[Scope], float]:
    """The sum of durations, which are expressions; that of none is nothing."""
    compiled = [compile_expression(part) for part in parts]
    return lambda scope: sum((part(scope) for part in compiled), 0.0)


def _milliseconds(seconds: Any) -> Any:
    return seconds.written("milliseconds") if isinstance(seconds, Open) else round(1000 * seconds)


def compile_template(template: Any) -> Evaluate:
    """Compile a template: mappings and lists of expressions, with `{time: …}` and its like for moments.

    `{milliseconds: x}` writes seconds as a whole number; `{first: x}` is the first item of a list, or null;
    `{sum: [a, b]}` adds; `{merge: [a, b]}` lays objects over each other, the later wins; `{concat: [a, b]}` is a text
    of several, `{unordered: [a, b]}` a list whose items may come in any order, `{with: [list, item]}` a list that has
    the item, `{next_second: moment}` the first whole second behind a moment, `{one_of: [a, b]}` any of several texts.
    """
    if isinstance(template, dict):
        form = next(iter(template), "")
        if form in MOMENT_FORMS and set(template) <= {form, "plus"}:
            value, later = compile_expression(template[form]), summed(spans(template.get("plus")))
            return lambda scope: Moment.write(form, value(scope), later(scope))
        if set(template) == {"milliseconds"}:
            seconds = compile_expression(template["milliseconds"])
            return lambda scope: _milliseconds(seconds(scope))
        if set(template) == {"first"}:
            whole = compile_expression(template["first"])
            return lambda scope: next(iter(whole(scope) or ()), None)
        if set(template) == {"sum"}:
            terms = [compile_expression(term) for term in template["sum"]]
            return lambda scope: sum(term(scope) for term in terms)
        if set(template) == {"next_second"}:
            moment = compile_expression(template["next_second"])
            return lambda scope: floor(moment(scope)) + 1.0
        if set(template) == {"one_of"}:
            texts = [compile_expression(text) for text in template["one_of"]]
            return lambda scope: OneOf.of(text(scope) for text in texts)
        if set(template) == {"concat"}:
            pieces = [compile_expression(piece) for piece in template["concat"]]
            return lambda scope: "".join(str(piece(scope)) for piece in pieces)
        if set(template) == {"unordered"}:
            found = [compile_template(item) for item in template["unordered"]]
            return lambda scope: Unordered(item(scope) for item in found)
        if set(template) == {"with"}:
            listed, added = map(compile_expression, template["with"])
            return lambda scope: [*(one for one in listed(scope) or () if one != added(scope)), added(scope)]
        if set(template) == {"merge"}:
            layers = [compile_template(layer) for layer in template["merge"]]
            return lambda scope: {name: value for layer in layers for name, value in layer(scope).items()}
        members = {key: compile_template(value) for key, value in template.items()}
        return lambda scope: {key: evaluate(scope) for key, evaluate in members.items()}
    if isinstance(template, list):
        items = [compile_template(item) for item in template]
        return lambda scope: [evaluate(scope) for evaluate in items]
    return compile_expression(template)
