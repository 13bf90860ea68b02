"""Negotiation over HTTP, versions 0 and 1, for both roles (TransportProtocols.md, "POST [endpoint-base]/negotiate")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from attrs import frozen

from spec.bindings.signalr.messages import Malformed

__all__ = [
    "Answer",
    "Negotiated",
    "Redirected",
    "Refused",
    "Transport",
    "encode_answer",
    "read_answer",
    "served_version",
]

NEWEST = 1


@frozen
class Transport:
    """A way to connect, and what its frames may be: `Text`, `Binary`."""

    name: str = "WebSockets"
    formats: Sequence[str] = ("Text",)


@frozen
class Negotiated:
    """A connection that may be made. In version 0 it has no token of its own: its id stands for it."""

    connection_id: str
    connection_token: str | None
    transports: Sequence[Transport] = (Transport(),)

    @property
    def version(self) -> int:
        """0 or 1."""
        return 0 if self.connection_token is None else 1

    @property
    def ticket(self) -> str:
        """What the request that connects has as its `id`."""
        return self.connection_id if self.connection_token is None else self.connection_token


@frozen
class Redirected:
    """Negotiate there, with this token where there is one."""

    url: str
    access_token: str | None = None


@frozen
class Refused:
    """No connection; told with status 200."""

    error: str


Answer: TypeAlias = Negotiated | Redirected | Refused


def served_version(asked: str | None) -> int | None:
    """The version that answers a `negotiateVersion`: none asked is 0, one above the newest the newest.

    None for what is no number from 0 on, in ASCII digits.
    """
    if asked is None:
        return 0
    if not (asked.isascii() and asked.isdecimal()):
        return None
    digits = asked.lstrip("0")
    return NEWEST if len(digits) > 1 else min(int(digits or "0"), NEWEST)


def encode_answer(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer. In version 0 a server writes the number of the version, as the text shows it."""
    match answer:
        case Refused(error=error):
            return {"error": error}
        case Redirected(url=url, access_token=None):
            return {"url": url}
        case Redirected(url=url, access_token=token):
            return {"url": url, "accessToken": token}
        case Negotiated(connection_id=name, connection_token=token):
            own = {} if token is None else {"connectionToken": token}
            transports = [
                {"transport": transport.name, "transferFormats": [*transport.formats]}
                for transport in answer.transports
            ]
            return {"connectionId": name, **own, "negotiateVersion": answer.version, "availableTransports": transports}


def read_answer(body: Any) -> Answer:
    """Read the JSON value of an answer. Raises Malformed.

    An error decides before all else and a redirection before a connection, as in real clients. A version that is not
    named is 0, since servers that know no other name none.
    """
    if not isinstance(body, dict):
        raise Malformed("the answer is no JSON object")
    if "error" in body:
        return Refused(_string(body, "error"))
    if "url" in body:
        return Redirected(_string(body, "url"), _string(body, "accessToken") if "accessToken" in body else None)
    version = body.get("negotiateVersion", 0)
    if isinstance(version, bool) or version not in (0, NEWEST):
        raise Malformed("`negotiateVersion` is neither 0 nor 1")
    name = _string(body, "connectionId")
    return Negotiated(name, _string(body, "connectionToken") if version else None, _transports(body))


def _string(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"`{name}` is no string with anything in it")
    return value


def _transports(body: Mapping[str, Any]) -> tuple[Transport, ...]:
    listed = body.get("availableTransports")
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise Malformed("`availableTransports` is no array of objects")
    return tuple(Transport(_string(entry, "transport"), _formats(entry)) for entry in listed)


def _formats(entry: Mapping[str, Any]) -> tuple[str, ...]:
    formats = entry.get("transferFormats")
    if not isinstance(formats, list) or not all(isinstance(name, str) for name in formats):
        raise Malformed("`transferFormats` is no array of strings")
    return tuple(formats)
