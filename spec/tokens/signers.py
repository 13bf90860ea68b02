"""Who signs a minted token, and with what."""

from __future__ import annotations

import base64
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


def _of_family(change: Callable[[str], str]) -> Callable[[SigningKey, ForeignKeys], Signer]:
    """The deployment's key, used for another algorithm of its kind."""

    def signer(key: SigningKey, others: ForeignKeys) -> Signer:
        alg = change(key.alg)
        return Signer(alg, lambda data: algorithms.sign(alg, key.material, data))

    return signer


def _empty(key: SigningKey, others: ForeignKeys) -> Signer:
    return Signer("HS256", lambda data: algorithms.sign("HS256", b"", data))


def _public(write: Callable[[bytes], bytes]) -> Callable[[SigningKey, ForeignKeys], Signer]:
    """RFC 8725 section 2.1: a verifier that lets the token choose takes its public key for a secret."""

    def signer(key: SigningKey, others: ForeignKeys) -> Signer:
        public = write(key.verifier().material)
        return Signer("HS256", lambda data: algorithms.sign("HS256", public, data))

    return signer


def _der(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def _asn1(key: SigningKey, others: ForeignKeys) -> Signer:
    # What most libraries give for ECDSA; JWS has R and S side by side (RFC 7518 section 3.4).
    return Signer(key.alg, lambda data: algorithms.asn1(key.sign(data)))


def _none(key: SigningKey, others: ForeignKeys) -> Signer:
    return Signer(key.alg, lambda data: b"")


def _zeros(key: SigningKey, others: ForeignKeys) -> Signer:
    # CVE-2022-21449: an ECDSA verifier that forgets the range of R and S takes zeros for anybody's.
    return Signer(key.alg, lambda data: bytes(len(key.sign(data))))


SIGNERS: Mapping[str, Callable[[SigningKey, ForeignKeys], Signer]] = {
    "own": _own,
    "other": _other,
    "alien": _alien,
    "sha384": _of_family(lambda alg: alg.replace("256", "384")),
    "sha512": _of_family(lambda alg: alg.replace("256", "512")),
    "pss": _of_family(lambda alg: "PS256"),
    "asn1": _asn1,
    "empty": _empty,
    "public_pem": _public(bytes),
    "public_pem_bare": _public(bytes.strip),
    "public_der": _public(_der),
    "none": _none,
    "zeros": _zeros,
}
