"""Reading keys from PEM (RFC 7468), JWK and JWKS (RFC 7517)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spec.tokens import base64url, strict_json
from spec.tokens.keys import KeyProblem, SigningKey, VerifyKey, hmac_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

Key = SigningKey | VerifyKey

_ALGORITHM_OF_TYPE = {"oct": "HS256", "RSA": "RS256", "EC": "ES256"}

# RFC 7518 section 3.3.
_RSA_BITS = 2048


def read_keys(data: bytes) -> tuple[Key, ...]:
    """Read a PEM file, a JWK or a JWKS, whichever it is.

    Raises:
        KeyProblem: It is none of these, or holds no key that can be used.
    """
    if b"-----BEGIN " in data:
        return (from_pem(data),)
    try:
        members = strict_json.read_object(data)
    except ValueError:
        raise KeyProblem("it is no PEM file, JWK or JWKS") from None
    return from_jwks(members) if "keys" in members else (from_jwk(members),)


def from_pem(pem: bytes, kid: str | None = None) -> Key:
    """Read a private key (PKCS 8, PKCS 1 or SEC 1) or a public one (SubjectPublicKeyInfo).

    Args:
        pem: One PEM block; an RSA key is for RS256, one on the curve P-256 for ES256.
        kid: The name to give the key.

    Returns:
        A `SigningKey` for a private key, a `VerifyKey` for a public one.

    Raises:
        KeyProblem: The file is no such key, or is encrypted.
    """
    private = b"PRIVATE KEY-----" in pem
    try:
        key = _load_private(pem) if private else _load_public(pem)
    except Exception:  # cryptography raises many kinds, and their texts may quote what they read.
        raise KeyProblem("the PEM file cannot be read as a key without a password") from None
    return _checked("RS256" if _is_rsa(key) else "ES256", key, kid, private=private)


def from_jwk(jwk: Mapping[str, object]) -> Key:
    """Read one JSON Web Key.

    Args:
        jwk: The members of a key of type `oct`, `RSA` or `EC` (P-256); `alg` may be left out, `kid` names it.

    Returns:
        A `SigningKey` for a secret or a private key, a `VerifyKey` for a public one.

    Raises:
        KeyProblem: A member is missing, has the wrong type, or names what is not supported.
    """
    kid = jwk.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise KeyProblem("the JWK's kid is not a string")
    if jwk.get("use", "sig") != "sig":
        raise KeyProblem("the JWK's use is not sig")
    alg = _algorithm(jwk)
    if alg == "HS256":
        return hmac_key(_secret(jwk), kid)
    private = "d" in jwk
    return _checked(alg, _load_jwk(alg, jwk), kid, private=private)


def from_jwks(jwks: Mapping[str, object]) -> tuple[Key, ...]:
    """Read a JSON Web Key Set.

    Keys of types, uses or algorithms that are not supported are passed over (RFC 7517 section 5).

    Raises:
        KeyProblem: There is no list `keys`, or none of its keys can be used.
    """
    entries = jwks.get("keys")
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise KeyProblem("the JWKS has no list of keys")
    keys: list[Key] = []
    problems: list[str] = []
    for entry in entries:
        try:
            keys.append(from_jwk(entry))
        except KeyProblem as problem:
            problems.append(str(problem))
    if not keys:
        raise KeyProblem(f"the JWKS has no usable key ({problems[0] if problems else 'it is empty'})")
    return tuple(keys)


def _algorithm(jwk: Mapping[str, object]) -> str:
    kind = jwk.get("kty")
    alg = _ALGORITHM_OF_TYPE.get(kind) if isinstance(kind, str) else None
    if alg is None:
        raise KeyProblem("the JWK's kty is none of oct, RSA, EC")
    if jwk.get("alg", alg) != alg:
        raise KeyProblem(f"the JWK's alg is not {alg}, which is supported for its kty")
    return alg


def _secret(jwk: Mapping[str, object]) -> bytes:
    secret = jwk.get("k")
    if not isinstance(secret, str):
        raise KeyProblem("the JWK has no k")
    try:
        return base64url.decode(secret)
    except ValueError:
        raise KeyProblem("the JWK's k is not base64url") from None


def _checked(alg: str, key: Any, kid: str | None, *, private: bool) -> Key:
    from cryptography.hazmat.primitives import serialization as form

    public = key.public_key() if private else key
    if not _fits(alg, public):
        raise KeyProblem(f"the key does not fit {alg}, which needs {_NEEDED[alg]}")
    if private:
        arguments = (form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        return SigningKey(alg, key.private_bytes(*arguments), kid)
    return VerifyKey(alg, key.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo), kid)


_NEEDED = {"RS256": f"an RSA key of {_RSA_BITS} bits or more", "ES256": "a key on the curve P-256"}


def _is_rsa(key: object) -> bool:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey)


def _fits(alg: str, public: object) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if alg == "RS256":
        return isinstance(public, rsa.RSAPublicKey) and public.key_size >= _RSA_BITS
    return isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)


def _load_private(pem: bytes) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, None)


def _load_public(pem: bytes) -> PublicKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    return load_pem_public_key(pem)


def _load_jwk(alg: str, jwk: Mapping[str, object]) -> object:
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    reader = RSAAlgorithm if alg == "RS256" else ECAlgorithm
    try:
        return reader.from_jwk(dict(jwk))
    except Exception:  # Members of the wrong type escape PyJWT as several kinds.
        raise KeyProblem("the JWK's members do not make a key") from None
