"""The keys of deployments: a secret, a key pair or a key set; what a server is given of them, and what the suite."""

from __future__ import annotations

import json
from pathlib import Path

from attrs import frozen
from joserfc.jwk import ECKey, KeySet, RSAKey

__all__ = ["DEPLOYMENTS", "Deployment", "deployment"]

DEPLOYMENTS = ("HS256", "RS256", "ES256", "JWKS")

_SECRET = ("--secret", "env:MATRIX_SECRET")


@frozen
class Deployment:
    """Flags that give keys: to a foreign server, to the reference server, and to the suite."""

    foreign: tuple[str, ...]
    reference: tuple[str, ...]
    suite: tuple[str, ...]


def deployment(kind: str, folder: Path) -> Deployment:
    """Fresh keys of a kind, in files of a folder."""
    if kind == "HS256":
        return Deployment(_SECRET, _SECRET, _SECRET)
    return _key_set(folder) if kind == "JWKS" else _pair(kind, folder)


def _pair(algorithm: str, folder: Path) -> Deployment:
    key = RSAKey.generate_key(2048) if algorithm == "RS256" else ECKey.generate_key("P-256")
    (folder / "private.pem").write_bytes(key.as_pem(private=True))
    (folder / "public.pem").write_bytes(key.as_pem(private=False))
    return Deployment(
        ("--public-key", f"{algorithm}={folder / 'public.pem'}"),
        ("--key", f"file:{folder / 'public.pem'}"),
        ("--key", f"file:{folder / 'private.pem'}"),
    )


def _key_set(folder: Path) -> Deployment:
    """Two keys of one algorithm, as while one takes the other's place, and one of another."""
    keys = KeySet(
        [
            RSAKey.generate_key(2048, {"kid": "2026-01", "alg": "RS256", "use": "sig"}),
            RSAKey.generate_key(2048, {"kid": "2026-02", "alg": "RS256", "use": "sig"}),
            ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"}),
        ]
    )
    (folder / "private.json").write_text(json.dumps(keys.as_dict(private=True)))
    (folder / "public.json").write_text(json.dumps(keys.as_dict(private=False)))
    return Deployment(
        ("--jwks", str(folder / "public.json")),
        ("--key", f"file:{folder / 'public.json'}"),
        ("--key", f"file:{folder / 'private.json'}"),
    )
