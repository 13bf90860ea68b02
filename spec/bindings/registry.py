"""Every binding, by the name that documents call it by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from spec.bindings.seam import Binding

__all__ = ["BINDINGS"]

_MADE = {
    "json": "spec.bindings.json:JSON",
    "socketio": "spec.bindings.packets:SocketIO",
    "signalr": "spec.bindings.signalr.wire:SignalR",
}


class _Bindings(Mapping[str, Binding]):
    """Bindings are loaded when they are first asked for: most commands meet one wire, and each takes its time."""

    def __init__(self) -> None:
        self._known: dict[str, Binding] = {}

    def __getitem__(self, name: str) -> Binding:
        if name not in self._known:
            module, _, made = _MADE[name].partition(":")
            self._known[name] = getattr(import_module(module), made)()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_MADE)

    def __len__(self) -> int:
        return len(_MADE)


BINDINGS: Mapping[str, Binding] = _Bindings()
"""Every binding; what is not there raises KeyError."""
