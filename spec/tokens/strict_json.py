"""JSON objects, read as strictly as I-JSON (RFC 7493) allows."""

import json
import math


def read_object(data: bytes) -> dict[str, object]:
    """Read octets as one JSON object.

    Returns:
        The object's members. Every number in it is finite as a double, and every text can be written as UTF-8.

    Raises:
        ValueError: The octets are not UTF-8 (or start with a byte order mark), are not JSON, are not an object,
            nest too deeply to be read, or have doubled members, unpaired surrogates or numbers that a double
            cannot hold. The message never quotes them.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_no_constant,
        )
        # A parser takes an unpaired surrogate from its escape, and only writing it fails.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except _Refusal as refusal:
        raise ValueError(str(refusal)) from None
    except (ValueError, OverflowError):
        raise ValueError("not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


class _Refusal(ValueError):
    """What this module refuses by itself; its text is fixed, so that it can be shown."""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refusal("doubled members")
    return members


def _integer(text: str) -> int:
    # 1.8e308 is the largest double, so that no integer of more digits fits. The test comes before
    # the conversion because its cost grows with the square of the length.
    if len(text) > 310 or not math.isfinite(float(text)):
        raise _Refusal("a number that a double cannot hold")
    return int(text)


def _fraction(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refusal("a number that a double cannot hold")
    return number


def _no_constant(_: str) -> object:
    # Python takes NaN and Infinity; RFC 8259 section 6 does not know them.
    raise _Refusal("a number that JSON does not know")
