"""From the flags of `handfast serve` to whether and how the server is inspected."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reference_server.site import Mount
from spec.exits import Exit, Stop
from spec.keyring import keyring
from spec.secrets import read_secret
from spec.tokens import SigningKey

if TYPE_CHECKING:
    from reference_server.inspector.serving import Inspection

__all__ = ["inspection_of"]


def inspection_of(arguments: argparse.Namespace, mounts: Sequence[Mount], *, secure: bool) -> Inspection | None:
    """What the flags ask for, None where that is no inspector; raises Stop for what would be open to everybody."""
    if not arguments.inspect:
        if arguments.inspect_password is not None:
            raise Stop(Exit.USAGE, "`--inspect-password` is for the inspector alone", "write `--inspect` too")
        return None
    from reference_server.inspector.access import is_loopback
    from reference_server.inspector.serving import ROOT, Inspection

    for mount in mounts:
        if any(f"{mount.prefix}{path}/".startswith(f"{ROOT}/") for path in mount.paths):
            raise Stop(Exit.USAGE, f"`{mount.document.name}` is served where the inspector is, at {ROOT}/")
    password = None if arguments.inspect_password is None else read_secret(arguments.inspect_password)
    local = is_loopback(arguments.host)
    if password is None and not local:
        text = f"on {arguments.host} anybody could use the inspector"
        raise Stop(Exit.USAGE, text, "write `--inspect-password env:NAME`, or `--host 127.0.0.1`")
    keys = keyring(arguments.secret, arguments.key or (), arguments.kid)
    signing = tuple(key for key in keys if isinstance(key, SigningKey))
    return Inspection(password, signing, local, secure)
