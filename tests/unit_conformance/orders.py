"""A small protocol, served in this process: by a server that keeps it, and by one that does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from reference_server.server import Server, serve
from reference_server.site import Mount
from spec.authoring.starting.command import started
from spec.compiling import load
from spec.model import Document
from spec.parameters import resolve
from spec.policies import policy_for
from spec.tokens import hmac_key
from tests.unit_conformance.kit import SECRET

__all__ = ["BROKEN", "mount", "serving", "written"]

BROKEN = "messages/say/authenticating/valid/id-shortest"
"""A case that the broken server fails: it closes by another code where nobody has authenticated."""


def written(folder: Path) -> Mapping[str, Path]:
    """The documents `good` and `broken` as files."""
    text = started("orders", "orders.yaml")
    wrong = text.replace("AUTH_REQUIRED: {close: 1008", "AUTH_REQUIRED: {close: 1011")
    assert wrong != text
    paths = {name: folder / f"{name}.yaml" for name in ("good", "broken")}
    paths["good"].write_text(text, encoding="utf-8")
    paths["broken"].write_text(wrong, encoding="utf-8")
    return paths


def mount(document: Document) -> Mount:
    """A deployment at default parameters, with the tests' secret."""
    values = resolve(document.parameters, {})
    return Mount(document, values, policy_for(document, values, [hmac_key(SECRET).verifier()]))


@contextmanager
def serving(documents: Mapping[str, Path]) -> Iterator[Mapping[str, str]]:
    """Documents served on loopback from a thread; gives their URLs."""
    ready, found, ends = threading.Event(), dict[str, str](), list[Any]()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for name, path in documents.items():
                server: Server = await nursery.start(partial(serve, mount(load(str(path)))))
                found[name] = f"ws://127.0.0.1:{server.ports[0]}"
            token = trio.lowlevel.current_trio_token()
            ends.append(lambda: token.run_sync_soon(nursery.cancel_scope.cancel))
            ready.set()

    thread = threading.Thread(target=trio.run, args=(main,), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield found
    finally:
        ends[0]()
        thread.join()
