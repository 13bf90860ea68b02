"""Who signs a minted token, and with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from spec.tokens import algorithms
from spec.tokens.foreign import ForeignKeys
from spec.tokens.keys import SigningKey


@frozen
class Signer:
    """How a recipe has its token signed.

    Attributes:
        alg: The `alg` that the header names unless the recipe says otherwise.
        sign: From the signing input to the signature.
    """

    alg: str
    sign: Callable[[bytes], bytes]


def _own(key: SigningKey, others: ForeignKeys) -> Signer:
    return Signer(key.alg, key.sign)


def _other(key: SigningKey, others: ForeignKeys) -> Signer:
    return Signer(others.other.alg, others.other.sign)


def _alien(key: SigningKey, others: ForeignKeys) -> Signer:
    return Signer(others.alien.alg, others.alien.sign)


def _sha512(key: SigningKey, others: ForeignKeys) -> Signer:
    alg = key.alg.replace("256", "512")
    return Signer(alg, lambda data: algorithms.sign(alg, key.material, data))


def _empty(key: SigningKey, others: ForeignKeys) -> Signer:
    return Signer("HS256", lambda data: algorithms.sign("HS256", b"", data))


def _public_pem(key: SigningKey, others: ForeignKeys) -> Signer:
    # RFC 8725 section 2.1: a verifier that lets the token choose takes its public key for a secret.
    public = key.verifier().material
    return Signer("HS256", lambda data: algorithms.sign("HS256", public, data))


def _none(key: SigningKey, others: ForeignKeys) -> Signer:
    return Signer(key.alg, lambda data: b"")


def _zeros(key: SigningKey, others: ForeignKeys) -> Signer:
    # CVE-2022-21449: an ECDSA verifier that forgets the range of R and S takes zeros for anybody's.
    return Signer(key.alg, lambda data: bytes(len(key.sign(data))))


SIGNERS: Mapping[str, Callable[[SigningKey, ForeignKeys], Signer]] = {
    "own": _own,
    "other": _other,
    "alien": _alien,
    "sha512": _sha512,
    "empty": _empty,
    "public_pem": _public_pem,
    "none": _none,
    "zeros": _zeros,
}
