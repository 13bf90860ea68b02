"""Parameters: what a deployment may change, in the text forms in which people write them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

__all__ = ["Parameter", "ParameterProblem", "Rate", "Tolerance", "format_value", "holds", "parse_value", "resolve"]


class ParameterProblem(ValueError):
    """A parameter that does not exist, or a value that does not fit it; the text says what to write instead."""


@frozen
class Rate:
    """At most `count` events in any window of `window` seconds."""

    count: int
    window: float


@frozen
class Tolerance:
    """How late a timer may be: the greater of `seconds` and `share` of the timer's own length."""

    seconds: float
    share: float

    def of(self, duration: float) -> float:
        """The tolerance in seconds for a timer of `duration` seconds."""
        return max(self.seconds, self.share * duration)


@frozen
class Parameter:
    """One parameter of a protocol as the document declares it; values are already parsed."""

    name: str
    type: str
    default: Any
    text: str
    minimum: Any = None
    maximum: Any = None
    quick: Any = None
    values: tuple[str, ...] = ()


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "kB": 1000, "MB": 1000**2}


def _duration(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", str(value).strip())
    if not found:
        raise ValueError(f"{value!r} is no duration; write `500ms`, `5s`, `24h` or bare seconds")
    return float(found[1]) * _UNITS[found[2] or "s"]


def _size(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = re.fullmatch(r"(\d+)\s*(B|KiB|MiB|GiB|kB|MB)?", str(value).strip())
    if not found:
        raise ValueError(f"{value!r} is no size; write `64KiB` or bytes")
    return int(found[1]) * _SIZES[found[2] or ""]


def _rate(value: Any) -> Rate:
    found = re.fullmatch(r"(\d+)\s*/\s*(.+)", str(value).strip())
    if not found:
        raise ValueError(f"{value!r} is no rate; write `10/60s` or `10/60`")
    count, window = int(found[1]), _duration(found[2])
    if count < 1 or window <= 0:
        raise ValueError(f"{value!r} is no rate; both numbers must be above zero")
    return Rate(count, window)


def _tolerance(value: Any) -> Tolerance:
    text = str(value).strip()
    duration, _, share = text.partition("/")
    found = re.fullmatch(r"(\d+(?:\.\d+)?)%", share.strip()) if share else None
    if share and not found:
        raise ValueError(f"{value!r} is no tolerance; write `250ms/10%` or a duration")
    return Tolerance(_duration(duration), float(found[1]) / 100 if found else 0.0)


def _list(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(str(item) for item in value)
    return tuple(item.strip() for item in str(value).split(",") if item.strip())


def _date(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(f"{value!r} is no date; write `2026-01-31` or `2026-01-31T12:00:00Z`") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).strip().lower() in {"true", "false"}:
        return str(value).strip().lower() == "true"
    raise ValueError(f"{value!r} is no switch; write `true` or `false`")


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value).strip()):
        raise ValueError(f"{value!r} is no whole number")
    return int(value)


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "duration": _duration,
    "size": _size,
    "rate": _rate,
    "tolerance": _tolerance,
    "list": _list,
    "date": _date,
    "switch": _switch,
    "integer": _integer,
    "choice": str,
    "text": str,
}


def parse_value(type: str, text: Any) -> Any:  # noqa: A002 - the word of the format
    """Parse a parameter's value from its text form.

    Returns seconds for durations, bytes for sizes, a `Rate`, a `Tolerance`, a tuple of strings for lists, an aware
    `datetime` for dates, and plain values otherwise. Raises ValueError with a readable text.
    """
    return _PARSERS[type](text)


def holds(condition: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a condition on parameters (`applies` of the format) holds for the values of a deployment.

    Each parameter must have one of the values named for it, or not be empty where `configured` is asked for.
    """
    return all(_has(values.get(name), wanted) for name, wanted in condition.items())


def _has(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool):
        return value is wanted
    if wanted == "configured":
        return bool(value)
    return str(value) in (wanted if isinstance(wanted, list | tuple) else (wanted,))


def format_value(value: Any) -> str:
    """The text form of a parsed value, such that `parse_value` gives the same value back."""
    match value:
        case Rate(count, window):
            return f"{count}/{_seconds(window)}"
        case Tolerance(seconds, share):
            return f"{_seconds(seconds)}/{share * 100:g}%" if share else _seconds(seconds)
        case tuple():
            return ",".join(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case bool():
            return str(value).lower()
        case float():
            return _seconds(value)
    return str(value)


def _seconds(value: float) -> str:
    return f"{value * 1000:g}ms" if 0 < value < 1 else f"{value:g}s"


def resolve(parameters: Mapping[str, Parameter], given: Mapping[str, Any], *, quick: bool = False) -> dict[str, Any]:
    """The values that a deployment runs with: defaults (or quick-test values) overlaid by what is given.

    Raises ParameterProblem for an unknown name, a value of the wrong form, or one out of bounds.
    """
    values = {
        name: parameter.quick if quick and parameter.quick is not None else parameter.default
        for name, parameter in parameters.items()
    }
    for name, text in given.items():
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, n=1, cutoff=0.5)
            hint = f"; did you mean `{near[0]}`?" if near else f"; known: {', '.join(sorted(parameters))}"
            raise ParameterProblem(f"there is no parameter `{name}`{hint}")
        values[name] = _fitting(parameters[name], text)
    return values


def _fitting(parameter: Parameter, text: Any) -> Any:
    try:
        value = parse_value(parameter.type, text)
    except ValueError as problem:
        raise ParameterProblem(f"`{parameter.name}`: {problem}") from None
    if parameter.values and value not in parameter.values:
        near = difflib.get_close_matches(str(value), parameter.values, n=1, cutoff=0.4)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        raise ParameterProblem(f"`{parameter.name}` is one of {', '.join(parameter.values)}, not {value!r}{hint}")
    low, high = parameter.minimum, parameter.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise ParameterProblem(
            f"`{parameter.name}` lies between {_bound(low, parameter)} and {_bound(high, parameter)}, not {text}"
        )
    return value


def _bound(value: Any, parameter: Parameter) -> str:
    if value is None:
        return "any value"
    return format_value(value) if parameter.type != "size" else f"{value} bytes"
