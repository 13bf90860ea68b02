"""Checks of a token, in the order that the protocol gives them; the first that fails decides."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jws import JWSRegistry

from .faults import Faults
from .settings import Settings

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
Members = dict[str, Any]


class TokenRefusedError(Exception):
    """The token was refused, with the error code that says how."""

    def __init__(self, code: str = "TOKEN_INVALID") -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Token:
    """An accepted token. It expires at ``ends``, which is ``exp`` plus leeway."""

    subject: str
    exp: float
    ends: float


@dataclass(frozen=True)
class Verifier:
    """Checks the tokens of one deployment, which are signed with HS256."""

    secret: str = field(repr=False)
    settings: Settings
    fault: Faults

    def check(self, text: str | None, now: float) -> Token:
        """The token, or the refusal of the first check that fails."""
        if text is None:
            raise TokenRefusedError("AUTH_REQUIRED")
        if len(text) > self.settings.token_bytes:
            raise TokenRefusedError
        header, claims = self._parse(text)
        if self.fault("expiry-before-signature"):
            self._check_expiry(claims, now)
        self._check_signature(header, text)
        self._check_claims(claims)
        self._check_parties(claims)
        if max(_number(claims.get("nbf") or 0), _number(claims.get("iat") or 0)) > now:
            raise TokenRefusedError
        self._check_expiry(claims, now)
        exp = _number(claims["exp"])
        return Token(claims["sub"], exp, exp + self.settings.leeway)

    def _parse(self, text: str) -> tuple[Members, Members]:
        parts = text.split(".")
        if len(parts) != 3:
            raise TokenRefusedError
        header, claims, _ = (_octets(part) for part in parts)
        members = _members(header), _members(claims)
        self._check_header(members[0])
        return members

    def _check_header(self, header: Members) -> None:
        typ = header.get("typ")
        if not isinstance(header.get("alg"), str) or "crit" in header or "zip" in header:
            raise TokenRefusedError
        if typ is not None and not (isinstance(typ, str) and typ.upper() == "JWT"):
            raise TokenRefusedError

    def _check_signature(self, header: Members, text: str) -> None:
        if self.fault("none-accepted") and header["alg"].lower() == "none":
            return
        signed, _, signature = text.rpartition(".")
        if header["alg"] != "HS256":
            raise TokenRefusedError
        try:
            algorithm = JWSRegistry.algorithms["HS256"]
            genuine = algorithm.verify(signed.encode(), _octets(signature), OctKey.import_key(self.secret))
        except JoseError:
            genuine = False
        if not genuine:
            raise TokenRefusedError

    def _check_claims(self, claims: Members) -> None:
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise TokenRefusedError
        _number(claims.get("exp"))
        for name in ("iat", "nbf"):
            if claims.get(name) is not None:
                _number(claims[name])

    def _check_parties(self, claims: Members) -> None:
        issuer, audience, named = self.settings.issuer, self.settings.audience, claims.get("aud")
        if issuer is not None and claims.get("iss") != issuer:
            raise TokenRefusedError
        if audience is not None and audience not in (named if isinstance(named, list) else [named]):
            raise TokenRefusedError

    def _check_expiry(self, claims: Members, now: float) -> None:
        if now >= _number(claims.get("exp")) + self.settings.leeway and not self.fault("expired-accepted"):
            raise TokenRefusedError("TOKEN_EXPIRED")


def _octets(part: str) -> bytes:
    """Base64url without padding and with no stray bits behind the last octet."""
    if not _BASE64URL.fullmatch(part) or len(part) % 4 == 1:
        raise TokenRefusedError
    octets = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(octets).decode().rstrip("=") != part:
        raise TokenRefusedError
    return octets


def _members(octets: bytes) -> Members:
    try:
        value = json.loads(octets.decode(), object_pairs_hook=_distinct, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise TokenRefusedError from None
    if not isinstance(value, dict):
        raise TokenRefusedError
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> Members:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise TokenRefusedError
    return members


def _refused(constant: str) -> Any:
    raise TokenRefusedError


def _number(value: object) -> float:
    """A JSON number that a double can hold; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefusedError
    try:
        number = float(value)
    except OverflowError:
        raise TokenRefusedError from None
    if not math.isfinite(number):
        raise TokenRefusedError
    return number
