"""The signature algorithms of RFC 7518, as PyJWT and the standard library compute them."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jwt.algorithms import Algorithm

SYMMETRIC = frozenset({"HS256"})
ASYMMETRIC = frozenset({"RS256", "ES256"})
ALGORITHMS = SYMMETRIC | ASYMMETRIC

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def sign(alg: str, material: bytes, data: bytes) -> bytes:
    """Sign octets.

    Args:
        alg: An `alg` of RFC 7518 section 3.1: the algorithms of keys, or another of their kind.
        material: A secret, or a private key as PEM.
        data: The JWS signing input.

    Returns:
        The signature as JWS carries it; for ECDSA the 64 octets R and S (RFC 7518 section 3.4).
    """
    if alg in _DIGESTS:
        return hmac.digest(material, data, _DIGESTS[alg])
    return bytes(_algorithm(alg).sign(data, _private(material)))


def verify(alg: str, material: bytes, data: bytes, signature: bytes) -> bool:
    """Tell whether a signature is that of the octets.

    Args:
        alg: One of `ALGORITHMS`.
        material: A secret, or a public key as PEM.
        data: The JWS signing input.
        signature: Any octets.
    """
    if alg in _DIGESTS:
        return hmac.compare_digest(hmac.digest(material, data, _DIGESTS[alg]), signature)
    return bool(_algorithm(alg).verify(data, _public(material), signature))


def asn1(signature: bytes) -> bytes:
    """Write an ECDSA signature, R and S side by side, as ASN.1 does (RFC 3279 section 2.2.3)."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))


# PyJWT and cryptography take 100 ms to import, which `handfast --help` and HS256 need not pay.
@lru_cache(maxsize=64)
def _algorithm(alg: str) -> Algorithm:
    from jwt.algorithms import get_default_algorithms

    return get_default_algorithms()[alg]


@lru_cache(maxsize=64)
def _private(pem: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, None)


@lru_cache(maxsize=64)
def _public(pem: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    return load_pem_public_key(pem)
