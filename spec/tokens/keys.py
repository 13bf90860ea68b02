"""Keys that sign and verify tokens; each is bound to one algorithm (RFC 8725 section 3.1)."""

from __future__ import annotations

from functools import lru_cache

from attrs import evolve, field, frozen

from spec.tokens import algorithms
from spec.tokens.algorithms import SYMMETRIC


class KeyProblem(ValueError):
    """A key cannot be used. The text is one line and never shows key material."""


@frozen
class VerifyKey:
    """A key that verifies signatures.

    Attributes:
        alg: HS256, RS256 or ES256.
        material: The secret, or the public key as PEM (SubjectPublicKeyInfo).
        kid: The key's name, where it has one.
    """

    alg: str
    material: bytes = field(repr=False)
    kid: str | None = None

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Tell whether `signature` is this key's signature of the JWS signing input `data`."""
        return algorithms.verify(self.alg, self.material, data, signature)

    def named(self, kid: str | None) -> VerifyKey:
        """Give the same key another name, or none."""
        return evolve(self, kid=kid)


@frozen
class SigningKey:
    """A key that signs.

    Attributes:
        alg: HS256, RS256 or ES256.
        material: The secret, or the private key as PEM (PKCS 8, not encrypted).
        kid: The key's name, where it has one; tokens then carry it.
    """

    alg: str
    material: bytes = field(repr=False)
    kid: str | None = None

    def sign(self, data: bytes) -> bytes:
        """Sign the JWS signing input `data`."""
        return algorithms.sign(self.alg, self.material, data)

    def verifier(self) -> VerifyKey:
        """Give the key that verifies what this one signs: the same secret, or the public half."""
        material = self.material if self.alg in SYMMETRIC else _public_pem(self.material)
        return VerifyKey(self.alg, material, self.kid)

    def named(self, kid: str | None) -> SigningKey:
        """Give the same key another name, or none."""
        return evolve(self, kid=kid)


def hmac_key(secret: str | bytes, kid: str | None = None) -> SigningKey:
    """Make an HS256 key of a shared secret; a text counts as its UTF-8.

    A secret shorter than the 32 octets of RFC 7518 section 3.2 is taken: a deployment that has one can still be
    checked.

    Raises:
        KeyProblem: The secret is empty, or is an asymmetric key by mistake (RFC 8725 section 2.1).
    """
    material = secret.encode() if isinstance(secret, str) else secret
    if not material:
        raise KeyProblem("the secret is empty")
    if b"-----BEGIN " in material:
        raise KeyProblem("the secret is a PEM file; name the key's own algorithm, RS256 or ES256")
    return SigningKey("HS256", material, kid)


# Reading an RSA key checks it, which takes longer than signing does.
@lru_cache(maxsize=64)
def _public_pem(private_pem: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    public = load_pem_private_key(private_pem, None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
