"""Every binding, by the name that documents call it by."""

from __future__ import annotations

from collections.abc import Mapping

from spec.bindings.json import JSON
from spec.bindings.packets import SocketIO
from spec.bindings.seam import Binding
from spec.bindings.signalr.wire import SignalR

__all__ = ["BINDINGS"]

BINDINGS: Mapping[str, Binding] = {"json": JSON(), "socketio": SocketIO(), "signalr": SignalR()}
