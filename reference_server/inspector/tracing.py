"""What happens in a hub, as entries for the pages that look on: read once more, and without secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reference_server.hub import Hub
from reference_server.inspector.masking import Mask
from spec.machine import Breach, Closing, Emission, Output, Refusal, Request, Upgrade
from spec.machine.values import Frame
from spec.messages import Ear, Read

__all__ = ["MARK", "Tracer"]

MARK = "handfast-inspector"
"""The header by which a client of a page is known again; what it holds is chosen anew for each."""

_FAULTS = 3


class Tracer:
    """Watches one hub; `show` takes its entries, and `stirred` is called when the world may have changed."""

    def __init__(
        self,
        hub: Hub,
        place: int,
        mask: Mask,
        show: Callable[[Mapping[str, Any]], None],
        opened: Callable[[str, int], None],
        stirred: Callable[[int], None],
    ) -> None:
        self._hub = hub
        self._place = place
        self._mask = mask
        self._show = show
        self._opened = opened
        self._stirred = stirred
        self._ears: dict[int, Ear] = {}

    def answered(self, request: Request, answer: Refusal | Upgrade, endpoint: str | None) -> None:
        path = request.target.partition("?")[0]
        if isinstance(answer, Upgrade):
            for mark in request.header(MARK):
                self._opened(mark, answer.connection)
            name = f"upgrade {path}"
            self._entry(answer.connection, "opened", name, None, rules=answer.rules, pointer=answer.pointer)
            return
        name = f"{request.method} {path}" if endpoint else f"upgrade {path}"
        body = self._mask.value({"status": answer.status, "body": answer.body})
        self._entry(None, "answered" if endpoint else "refused", name, body, rules=answer.rules, pointer=answer.pointer)

    def heard(self, number: int, frame: Frame) -> None:
        if number not in self._ears:
            # What was said before anybody looked on may decide how this is read.
            ear = self._hub.ear(number)
            if ear is None:
                return
            self._ears[number] = ear
        if isinstance(frame, Breach):
            self._entry(number, "in", frame.kind, None)
            return
        for read in self._ears[number].hear(frame):
            self._entry(number, "in", _called(read, self._hub), *self._read(read, frame))

    def ended(self, number: int) -> None:
        self._ears.pop(number, None)
        if number in self._hub.world.connections:
            self._entry(number, "ended", "the client has gone", None)

    def told(self, output: Output, body: Any) -> None:
        match output:
            case Emission():
                shown = self._mask.message("server", output.message, body)
                self._entry(
                    output.connection, "out", output.message, shown, rules=output.rules, pointer=output.pointer,
                    timer=output.timer,
                )  # fmt: skip
            case Closing():
                name = f"close {output.code}" if output.code else "close"
                self._entry(
                    output.connection, "close", name, None, rules=output.rules, pointer=output.pointer,
                    timer=output.timer,
                )  # fmt: skip

    def settled(self) -> None:
        self._stirred(self._place)

    def _read(self, read: Read, frame: Any) -> tuple[Any, str]:
        """What is shown of a message, and what is wrong with it. What cannot be read may be anything, a secret too."""
        if read.body is None or read.input == "malformed":
            return None, f"{getattr(frame, 'size', 0)} bytes that are no message"
        body = self._mask.message("client", read.input, read.body)
        # The texts of faults quote what they are about.
        where = ", ".join(fault.pointer or "/" for fault in read.faults[:_FAULTS])
        return body, f"does not fit its schema at {where}" if where else ""

    def _entry(
        self,
        number: int | None,
        kind: str,
        name: str,
        body: Any,
        note: str = "",
        *,
        rules: tuple[str, ...] = (),
        pointer: str = "",
        timer: str | None = None,
    ) -> None:
        entry = {
            "place": self._place, "at": self._hub.now(), "connection": number, "kind": kind, "name": name, "body": body,
            "note": note, "rules": list(rules), "pointer": pointer, "timer": timer,
        }  # fmt: skip
        self._show(entry)


def _called(read: Read, hub: Hub) -> str:
    """The type of a message as it was written, where that may be shown: one that clients send."""
    return read.input if read.input in hub.document.messages else f"({read.input})"
