"""Shapes: whether plain data is what a class says it holds, and whether the symbols in it can be made real.

Files of failures are written by machines and edited by people; what does not fit is said by place.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from attrs import NOTHING, fields, has

__all__ = ["built", "symbols"]

T = TypeVar("T")

_LARGEST = 2**26
"""No text that a symbol describes is longer than this."""


def built(kind: type[T], data: Any, where: str, **given: Any) -> T:
    """A value of an attrs class from plain data; raises ValueError that says where the data does not fit."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} is no object")
    hints = get_type_hints(kind)
    known = {attribute.name: attribute for attribute in fields(kind)}  # type: ignore[arg-type]
    for name in data:
        if name not in known or name in given:
            raise ValueError(f"{where} has an unknown member `{name}`")
    for name, attribute in known.items():
        if attribute.default is NOTHING and name not in data and name not in given:
            raise ValueError(f"{where} has no `{name}`")
    values = {name: _typed(hints[name], value, f"`{name}` of {where}") for name, value in data.items()}
    for name, value in values.items():
        _check_symbols(value, f"`{name}` of {where}")
    try:
        return kind(**values, **given)
    except ValueError as problem:
        raise ValueError(f"{where}: {str(problem.args[0]) if problem.args else problem}") from None


_NAMES: dict[Any, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", None: "null"}


def _typed(wanted: Any, value: Any, where: str) -> Any:
    """A value as its type wants it: lists become tuples where those are wanted."""
    origin = get_origin(wanted)
    if wanted is Any:
        return value
    if origin in {Union, types.UnionType}:
        return _one_of(get_args(wanted), value, where)
    if origin is tuple and isinstance(value, list | tuple):
        return _tuple(get_args(wanted), value, where)
    if origin is not None and origin is not tuple and isinstance(value, Mapping):
        return dict(value)
    if has(wanted):
        return built(wanted, value, where)
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    if wanted in {str, int, bool} and type(value) is wanted:
        return value
    if wanted is types.NoneType and value is None:
        return None
    raise ValueError(f"{where} is not {_said(wanted)}")


def _one_of(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    for choice in choices:
        if has(choice) and isinstance(value, Mapping):
            return built(choice, value, where)
        try:
            return _typed(choice, value, where)
        except ValueError:
            continue
    raise ValueError(f"{where} is not {' or '.join(_said(choice) for choice in choices)}")


def _tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if inner[-1] is Ellipsis:
        return tuple(_typed(inner[0], member, f"a member of {where}") for member in value)
    if len(inner) != len(value):
        raise ValueError(f"{where} has {len(value)} values and not {len(inner)}")
    return tuple(_typed(one, member, where) for one, member in zip(inner, value, strict=True))


def _said(wanted: Any) -> str:
    if wanted is types.NoneType:
        return "null"
    return _NAMES.get(wanted, "a list" if get_origin(wanted) is tuple else "an object")


# ------------------------------------------------------------------------------------------------------- symbols


def symbols(value: Any, name: str) -> Iterator[Any]:
    """What stands in every symbol of a name in a value."""
    if isinstance(value, Mapping):
        if set(value) == {name}:
            yield value[name]
        for member in value.values():
            yield from symbols(member, name)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from symbols(member, name)


def _check_symbols(value: Any, where: str) -> None:
    for name, fits in _FITTING.items():
        for inner in symbols(value, name):
            if not fits(inner):
                raise ValueError(f"{where} has a symbol `{name}` that is none")


def _token(inner: Any) -> bool:
    if not isinstance(inner, Mapping) or "recipe" not in inner:
        return False
    try:
        for name, wanted in (("recipe", str), ("subject", str), ("left", float)):
            _typed(wanted, inner.get(name, wanted()), "")
    except ValueError:
        return False
    return True


def _link(inner: Any) -> bool:
    return (
        isinstance(inner, Mapping)
        and inner.keys() == {"of", "field"}
        and all(isinstance(inner[name], str) for name in inner)
    )


def _fill(inner: Any) -> bool:
    if not isinstance(inner, Mapping) or inner.keys() != {"text", "times"}:
        return False
    text, times = inner["text"], inner["times"]
    return isinstance(text, str) and type(times) is int and times >= 0 and len(text) * times <= _LARGEST


_FITTING: dict[str, Callable[[Any], bool]] = {
    "$token": _token,
    "$fill": _fill,
    "$link": _link,
    "$join": lambda inner: isinstance(inner, list | tuple),
    **dict.fromkeys(("$id", "$room", "$subject", "$path"), lambda inner: inner is None or isinstance(inner, str | int)),
}
