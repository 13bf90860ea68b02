"""Reference servers of sync that start fast: everything is imported once, and each server is a fork of that.

`python -m tests.durability.forking STORE` starts one server for every line that it reads, and tells `PID PORT` of each.
The next may be asked for once the last is dead.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing

import trio

from reference_server.server import serve
from reference_server.site import Mount
from reference_server.storing import open_database
from spec.compiling import load
from spec.keyring import keyring
from spec.parameters import resolve
from spec.policies import policy_for
from spec.tokens import SigningKey

__all__: list[str] = []

_SYNC = load("sync")


def _mount() -> Mount:
    parameters = resolve(_SYNC.parameters, {})
    keys = [key.verifier() if isinstance(key, SigningKey) else key for key in keyring("env:FORKING_SECRET", (), None)]
    return Mount(_SYNC, parameters, policy_for(_SYNC, parameters, keys, issuer=None, audience=None))


async def _serve(mount: Mount) -> None:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, mount)
        print(os.getpid(), server.ports[0], flush=True)


def _child(store: str, mount: Mount) -> None:
    with closing(open_database(store)) as database:
        logs = database.logs(_SYNC)
        trio.run(_serve, Mount(mount.document, mount.parameters, mount.policy, logs=logs))


def main() -> None:
    """Start a server for each line of standard input."""
    mount = _mount()
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            _child(sys.argv[1], mount)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
