"""A token taken apart, or why it is malformed (ALL-TOKEN-2, ALL-TOKEN-3)."""

from collections.abc import Callable, Mapping

from attrs import frozen

from spec.tokens import base64url, strict_json
from spec.tokens.policy import Policy


class Malformed(ValueError):
    """A token cannot be read; the text never quotes it."""


@frozen
class Parts:
    """A token taken apart (RFC 7515 section 7.1).

    Attributes:
        header: The JOSE header.
        claims: The claims set, which nothing vouches for yet.
        signed: The signing input.
        signature: The signature, possibly empty.
    """

    header: Mapping[str, object]
    claims: Mapping[str, object]
    signed: bytes
    signature: bytes


def read(token: str, policy: Policy) -> Parts:
    """Take a token apart.

    Raises:
        Malformed: The token is malformed.
    """
    # Before all else, so that nobody pays for parsing what is too long.
    if len(token) > policy.token_bytes:
        raise Malformed("more characters than token_bytes")
    texts = token.split(".")
    if len(texts) != 3:
        raise Malformed("not three parts")
    header = _object(texts[0], "header")
    for check in HEADER_CHECKS:
        problem = check(header, policy)
        if problem is not None:
            raise Malformed(problem)
    claims = _object(texts[1], "claims set")
    signed = f"{texts[0]}.{texts[1]}".encode("ascii")
    return Parts(header, claims, signed, _octets(texts[2], "signature"))


def _octets(text: str, part: str) -> bytes:
    try:
        return base64url.decode(text)
    except ValueError as problem:
        raise Malformed(f"the {part} is {problem}") from None


def _object(text: str, part: str) -> dict[str, object]:
    data = _octets(text, part)
    try:
        return strict_json.read_object(data)
    except ValueError as problem:
        raise Malformed(f"the {part} cannot be taken: {problem}") from None


def _no_none(header: Mapping[str, object], policy: Policy) -> str | None:
    alg = header.get("alg")
    return "alg is none" if isinstance(alg, str) and alg.strip().lower() == "none" else None


def _no_crit(header: Mapping[str, object], policy: Policy) -> str | None:
    # RFC 7515 section 4.1.11: the list is not empty and names extensions. None is understood here.
    return "crit names what is not understood, or nothing" if "crit" in header else None


def _no_compression(header: Mapping[str, object], policy: Policy) -> str | None:
    # `zip` belongs to JWE (RFC 7516 section 4.1.3).
    return "zip is set" if "zip" in header else None


def _encoded_claims(header: Mapping[str, object], policy: Policy) -> str | None:
    # RFC 7797 section 7: a JWT does not use an unencoded payload.
    return "b64 is not true" if header.get("b64", True) is not True else None


def _type(header: Mapping[str, object], policy: Policy) -> str | None:
    # RFC 8725 section 3.11: tokens made for another purpose name it here.
    typ = header.get("typ", "JWT")
    return None if isinstance(typ, str) and typ.lower() == "jwt" else "typ is not JWT"


def _known_kid(header: Mapping[str, object], policy: Policy) -> str | None:
    if "kid" not in header:
        return None
    kid = header["kid"]
    if not isinstance(kid, str):
        return "kid is not a string"
    names = policy.names()
    return "kid names no key" if names and kid not in names else None


def _not_nested(header: Mapping[str, object], policy: Policy) -> str | None:
    # RFC 7519 section 5.2: the payload would be a token, not a claims set.
    cty = header.get("cty", "")
    return None if isinstance(cty, str) and not cty.lower().endswith("jwt") else "cty announces a nested token"


# `jwk`, `jku`, `x5c` and `x5u` are never looked at (ALL-TOKEN-4), nor is any other member.
HEADER_CHECKS: tuple[Callable[[Mapping[str, object], Policy], str | None], ...] = (
    _no_none,
    _no_crit,
    _no_compression,
    _encoded_claims,
    _type,
    _known_kid,
    _not_nested,
)
