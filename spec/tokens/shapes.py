"""The octets of a header or claims set: an object's members, written well or badly."""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence

from spec.tokens import base64url

# Names with the JSON text of their values, in order and possibly doubled.
Members = Sequence[tuple[str, str]]


def _plain(members: Members) -> bytes:
    return _object(members, json.dumps)


def _spaced(members: Members) -> bytes:
    inner = " ,\r\n\t".join(f"{json.dumps(name)} : {text}" for name, text in members)
    return f" {{\n{inner} }}\n".encode()


def _escaped(members: Members) -> bytes:
    return _object(members, lambda name: '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"')


def _object(members: Members, write: Callable[[str], str]) -> bytes:
    return ("{" + ",".join(f"{write(name)}:{text}" for name, text in members) + "}").encode()


def _single_quoted(members: Members) -> bytes:
    return _object(members, lambda name: f"'{name}'")


def _not_utf8(members: Members) -> bytes:
    return _plain(members)[:-1] + b',"note":"\xff"}'


def _control(members: Members) -> bytes:
    return _plain(members)[:-1] + b',"note":"\n"}'


def _deflated(members: Members) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)  # RFC 7516 section 4.1.3: raw DEFLATE.
    return packer.compress(_plain(members)) + packer.flush()


def _inner_token(members: Members) -> bytes:
    """Give an unsecured token that holds the members (RFC 7519 sections 5.2 and 6)."""
    header = base64url.encode(b'{"alg":"none"}')
    return f"{header}.{base64url.encode(_plain(members))}.".encode()


SHAPES: Mapping[str, Callable[[Members], bytes]] = {
    "plain": _plain,
    "spaced": _spaced,
    "escaped": _escaped,
    "array": lambda members: b"[" + _plain(members) + b"]",
    "string": lambda members: json.dumps(_plain(members).decode()).encode(),
    "null": lambda members: b"null",
    "words": lambda members: b"not JSON",
    "truncated": lambda members: _plain(members)[:-1],
    "trailing": lambda members: _plain(members) + b"{}",
    "trailing_comma": lambda members: _plain(members)[:-1] + b",}",
    "comment": lambda members: _plain(members)[:-1] + b"/**/}",
    "single_quoted": _single_quoted,
    "not_utf8": _not_utf8,
    "control": _control,
    "deflated": _deflated,
    "inner_token": _inner_token,
    "nested": lambda members: b"[" * 400 + b"]" * 400,
}
