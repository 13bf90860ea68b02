"""Checks of a token, in the order that the protocol gives them; the first that fails decides."""

from __future__ import annotations

import base64
import binascii
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from . import forgeries
from .faults import Faults
from .settings import Settings
from .strict_json import NotJsonError, is_unicode, loads

INVALID = "TOKEN_INVALID"
EXPIRED = "TOKEN_EXPIRED"

Material = OctKey | RSAKey | ECKey
Members = dict[str, Any]

_KEY_TYPES: dict[str, type[RSAKey] | type[ECKey]] = {"RS256": RSAKey, "ES256": ECKey}
_ALGORITHMS = {"oct": "HS256", "RSA": "RS256", "EC": "ES256"}
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


class TokenRefusedError(Exception):
    """The token was refused, with the error code that says how."""

    def __init__(self, code: str = INVALID) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Token:
    """An accepted token. It expires at ``ends``, which is ``exp`` plus leeway."""

    subject: str
    exp: float
    ends: float
    text: str = field(repr=False)


@dataclass(frozen=True)
class Key:
    """One of the deployment's keys, with the one algorithm that it is for, and its name if it has one."""

    algorithm: str
    material: Material
    name: str | None = None

    def made(self, signature: bytes, signed: bytes) -> bool:
        """Whether the signature is this key's."""
        return JWSRegistry.algorithms[self.algorithm].verify(signed, signature, self.material)


def shared_secret(secret: str) -> Key:
    """The key of HS256."""
    return Key("HS256", OctKey.import_key(secret.encode()))


def key_set(path: str) -> list[Key]:
    """The keys of a JWKS."""
    try:
        keys = KeySet.import_key_set(loads(Path(path).read_text("utf-8"), distinct=True)).keys
    except (JoseError, NotJsonError, KeyError, TypeError) as problem:
        raise ValueError(f"no key set: {problem}") from None
    return [Key(_ALGORITHMS[key.key_type], key, key.kid) for key in keys if isinstance(key, Material)]


def public_key(option: str) -> Key:
    """A key given as ``ALG=PATH``."""
    algorithm, _, path = option.partition("=")
    if algorithm not in _KEY_TYPES:
        raise ValueError("a public key is for RS256 or ES256")
    try:
        key = _KEY_TYPES[algorithm].import_key(Path(path).read_bytes())
        JWSRegistry.algorithms[algorithm].check_key(key)
    except JoseError as problem:
        raise ValueError(str(problem)) from None
    return Key(algorithm, key)


class Verifier:
    """Checks tokens for one deployment."""

    def __init__(self, keys: list[Key], settings: Settings, fault: Faults) -> None:
        self._keys = keys
        self._names = {key.name for key in keys} - {None}
        self._settings = settings
        self._fault = fault

    def check(self, text: str, now: float) -> Token:
        """The token, or the refusal of the first check that fails."""
        if len(text) > self._settings.token_bytes and not self._fault("should-be-malformed-accepted"):
            raise TokenRefusedError
        header, claims, signed, signature = self._parse(text)
        if self._fault("expiry-before-signature"):
            self._check_expiry(claims, now)
        self._check_signature(header, signed, signature)
        exp = self._check_claims(claims)
        self._check_parties(claims)
        if not self._fault("nbf-ignored") and _number(claims.get("nbf", 0)) > now:
            raise TokenRefusedError
        if _number(claims["iat"]) > now:
            raise TokenRefusedError
        self._check_expiry(claims, now)
        return Token(claims["sub"], exp, exp + self._settings.leeway, text)

    def _parse(self, text: str) -> tuple[Members, Members, bytes, bytes]:
        parts = text.split(".")
        if len(parts) != 3:
            raise TokenRefusedError
        lenient = self._fault("should-be-malformed-accepted")
        header, claims, signature = (_decode(part.rstrip("=") if lenient else part) for part in parts)
        claims = forgeries.inflated(claims) if lenient else claims
        distinct = not self._fault("doubled-claims-accepted") and not lenient
        members = _object(header, distinct=not lenient), _object(claims, distinct=distinct)
        self._check_header(members[0])
        return *members, f"{parts[0]}.{parts[1]}".encode(), signature

    def _check_header(self, header: Members) -> None:
        algorithm, typ, kid = header.get("alg"), header.get("typ"), header.get("kid")
        # No extension is understood, so every `crit` is either empty or names one that is not.
        if "crit" in header and not self._fault("crit-ignored"):
            raise TokenRefusedError
        if not isinstance(algorithm, str):
            raise TokenRefusedError
        if not self._fault("should-be-malformed-accepted"):
            if "zip" in header:
                raise TokenRefusedError
            if typ is not None and not (isinstance(typ, str) and typ.upper() == "JWT"):
                raise TokenRefusedError
        if kid is not None and not isinstance(kid, str):
            raise TokenRefusedError
        if kid is not None and self._names and kid not in self._names and not self._fault("kid-ignored"):
            raise TokenRefusedError

    def _check_signature(self, header: Members, signed: bytes, signature: bytes) -> None:
        if self._fault("none-accepted") and header["alg"].lower() == "none":
            return
        if self._fault("keys-fetched"):
            forgeries.fetch(header)
        confused = self._fault("public-key-as-secret") and header["alg"] == "HS256"
        try:
            genuine = confused and any(forgeries.by_public_text(k.material, signature, signed) for k in self._keys)
            genuine = genuine or any(key.made(signature, signed) for key in self._candidates(header))
        except (JoseError, ValueError):
            raise TokenRefusedError from None
        if not genuine:
            raise TokenRefusedError

    def _candidates(self, header: Members) -> list[Key]:
        """The keys that may have signed: those of the algorithm, and of these the named one where keys have names."""
        algorithm, kid = header["alg"], header.get("kid")
        if self._fault("embedded-key-trusted") and "jwk" in header:
            return [Key(algorithm, forgeries.embedded(header["jwk"], _ALGORITHMS))]
        keys = [key for key in self._keys if key.algorithm == algorithm]
        if self._fault("algorithm-family-accepted"):
            keys = [Key(algorithm, k.material, k.name) for k in self._keys if forgeries.akin(algorithm, k.algorithm)]
        if kid is None or not self._names or self._fault("kid-ignored"):
            return keys
        return [key for key in keys if key.name == kid]

    def _check_claims(self, claims: Members) -> float:
        """Required claims and types. A `nbf` of null is absent: it is optional."""
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject or not is_unicode(subject):
            raise TokenRefusedError
        if claims.get("nbf") is None:
            claims.pop("nbf", None)
        for name in ("iat", "nbf"):
            _number(claims.get(name, None if name == "iat" else 0))
        return _number(claims.get("exp"))

    def _check_parties(self, claims: Members) -> None:
        issuer, audience = self._settings.issuer, self._settings.audience
        if issuer is not None and claims.get("iss") != issuer:
            raise TokenRefusedError
        if audience is None:
            return
        named = claims.get("aud")
        audiences = named if isinstance(named, list) else [named]
        if audience not in audiences or not all(isinstance(one, str) for one in audiences):
            raise TokenRefusedError

    def _check_expiry(self, claims: Members, now: float) -> None:
        if now >= _number(claims.get("exp")) + self._settings.leeway:
            raise TokenRefusedError(INVALID if self._fault("expired-as-invalid") else EXPIRED)


def _decode(part: str) -> bytes:
    """Base64url without padding and with no stray bits behind the last octet."""
    if not _BASE64URL.fullmatch(part):
        raise TokenRefusedError
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise TokenRefusedError from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part.encode():
        raise TokenRefusedError
    return raw


def _object(raw: bytes, *, distinct: bool) -> Members:
    try:
        value = loads(raw.decode(), distinct=distinct)
    except (NotJsonError, UnicodeDecodeError):
        raise TokenRefusedError from None
    if not isinstance(value, dict):
        raise TokenRefusedError
    return value


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
