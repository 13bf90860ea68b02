"""Development tokens: signed with the deployment's key, told by their claims, and never given out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from attrs import field, frozen

from spec.tokens import Policy, SigningKey

__all__ = ["Token", "brought", "mint"]


@frozen
class Token:
    """A token of a page; only its claims are shown."""

    text: str = field(repr=False)
    claims: Mapping[str, Any]
    minted: bool


def mint(keys: Sequence[SigningKey], policy: Policy, claims: Mapping[str, Any], life: float, now: float) -> Token:
    """A token that the server takes, with these claims, for so many seconds; the claims' own times go first."""
    own: dict[str, Any] = {"iat": int(now), "exp": int(now + life)}
    own |= {} if policy.issuer is None else {"iss": policy.issuer}
    own |= {} if policy.audience is None else {"aud": policy.audience}
    every = {**own, **claims}
    key = keys[0]
    text = jwt.encode(every, key.material, key.alg, None if key.kid is None else {"kid": key.kid})
    return Token(text, every, minted=True)


def brought(text: str) -> Token:
    """A token that somebody brings, whatever it is."""
    try:
        claims = jwt.decode(text, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        claims = {}
    return Token(text, claims, minted=False)
