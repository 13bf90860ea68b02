"""Keys that a deployment does not know, for tokens that it must refuse."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import frozen

from spec.tokens import base64url
from spec.tokens.algorithms import SYMMETRIC
from spec.tokens.keys import SigningKey, VerifyKey, hmac_key

# RFC 2606: nothing answers there. A suite that watches for fetches names an address of its own.
NOWHERE = "https://keys.invalid/jwks.json"


@frozen
class ForeignKeys:
    """Keys of a stranger.

    Attributes:
        other: A key of the deployment's algorithm.
        alien: A key of an algorithm that the deployment does not accept, where there is one.
        url: Where `jku` and `x5u` point.
    """

    other: SigningKey
    alien: SigningKey
    url: str = NOWHERE


def foreign_keys(alg: str, *, accepted: Collection[str] = ()) -> ForeignKeys:
    """Make fresh keys beside a deployment's; for RS256 this takes a tenth of a second.

    Args:
        alg: The algorithm of the deployment's key.
        accepted: Other algorithms that it accepts.
    """
    strange = [one for one in ("ES256", "HS256", "RS256") if one != alg]
    alien = next((one for one in strange if one not in accepted), strange[0])
    return ForeignKeys(_fresh(alg), _fresh(alien))


def jwk(key: SigningKey) -> dict[str, object]:
    """Give the key that verifies `key`'s signatures as a JWK; for HS256 that is the secret itself."""
    if key.alg in SYMMETRIC:
        return {"kty": "oct", "alg": key.alg, "k": base64url.encode(key.material)}
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    public = _public(key.verifier())
    writer = RSAAlgorithm if key.alg == "RS256" else ECAlgorithm
    members = writer.to_jwk(public, as_dict=True)
    return {name: value for name, value in members.items() if name != "key_ops"} | {"alg": key.alg}


def certificate(key: SigningKey, now: float) -> str:
    """Give a self-signed certificate of an asymmetric key, as `x5c` carries it (RFC 7515 section 4.1.6)."""
    import base64

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    private: Any = serialization.load_pem_private_key(key.material, None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    start = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(start).not_valid_after(start + timedelta(days=365))
    der = signed.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return base64.b64encode(der).decode("ascii")


def _fresh(alg: str) -> SigningKey:
    if alg == "HS256":
        return hmac_key(os.urandom(32))
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = rsa.generate_private_key(65537, 2048) if alg == "RS256" else ec.generate_private_key(ec.SECP256R1())
    return SigningKey(alg, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _public(key: VerifyKey) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    return load_pem_public_key(key.material)
