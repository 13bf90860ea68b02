"""A deployment's keys as flags name them: `--secret`, `--key` and `--kid`, alike for the server and the suite."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from spec.exits import Exit, Stop
from spec.secrets import read_secret

if TYPE_CHECKING:
    from spec.tokens import SigningKey, VerifyKey

__all__ = ["key_arguments", "keyring"]


def key_arguments(parser: argparse._ActionsContainer) -> None:
    """The flags by which keys are given."""
    parser.add_argument("--secret", metavar="env:NAME", help="the shared secret for HS256: env:NAME or file:PATH")
    parser.add_argument(
        "--key",
        metavar="file:PATH",
        action="append",
        help="a key for RS256 or ES256: a PEM file, a JWK, or a JWKS with several; file:PATH or env:NAME (repeatable)",
    )
    parser.add_argument("--kid", metavar="NAME", help="the name of the one key that is given and has none of its own")


def keyring(secret: str | None, references: Iterable[str], kid: str | None) -> tuple[SigningKey | VerifyKey, ...]:
    """Read the keys that references name, the shared secret first.

    Raises:
        Stop: A reference leads nowhere, or to what is no key; or `kid` does not say which key it names.
    """
    from spec.tokens import KeyProblem, hmac_key, read_keys

    keys: list[SigningKey | VerifyKey] = []
    source = secret
    try:
        if secret is not None:
            keys.append(hmac_key(read_secret(secret).reveal()))
        for source in references:
            keys += read_keys(read_secret(source).reveal().encode())
    except KeyProblem as problem:
        raise Stop(Exit.USAGE, f"the key of {source}: {problem}") from None
    if kid is None or not keys:
        return tuple(keys)
    if len(keys) > 1 or keys[0].kid not in {None, kid}:
        text = f"`{kid}` names a single key that has no name of its own; here are {len(keys)}, or it has one"
        raise Stop(Exit.USAGE, text, "the keys of a JWKS are named by their own `kid`")
    return (keys[0].named(kid),)
