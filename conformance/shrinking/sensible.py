"""Which candidates are worth a play: those that are smaller, and that ask nothing of which the rules do not speak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from conformance.exploring import Explorer, example
from conformance.scripts import Case, Close, Fragment, Frames, Hold, Ping, Raw, Release, Send, Step, unopened
from conformance.shrinking.edits import Edit
from conformance.shrinking.plainer import tokens
from conformance.shrinking.sizes import measure, same_as

__all__ = ["Standing", "plain_payload"]


_WORTHWHILE = 8
"""How much plainer a candidate must be, where a play takes as long as a missing answer may."""


@frozen
class Standing:
    """A case, what rehearsing it tells, and so what a smaller one must keep to."""

    case: Case
    explorer: Explorer
    size: tuple[int, ...]
    unheard: int
    repeated: Mapping[str, int]

    @classmethod
    def of(cls, case: Case, explorer: Explorer) -> Standing:
        """Rehearse a case."""
        rehearsal = explorer.rehearse_once(case.steps)
        case = evolve(case, wait=rehearsal.elapsed)
        size = measure(case, lambda step: plain_payload(explorer, step))
        return cls(case, explorer, size, rehearsal.unheard, _repeated(case))

    def with_edit(self, edit: Edit) -> Standing | None:
        """The case with a change, or None where that is not smaller or makes no sense."""
        after = edit.applied(self.case)
        if not after.steps or unopened(after.steps) is not None:
            return None
        if not _told_apart(self.case, edit) or not _well_framed(self.case, after):
            return None
        # The same token twice on one connection is judged by nobody.
        if any(count > self.repeated.get(client, 0) for client, count in _repeated(after).items()):
            return None
        new = Standing.of(after, self.explorer)
        # A candidate that waits longer costs more than it can show, and talking to nobody shows nothing.
        if new.case.wait > self.case.wait + 0.001 or new.unheard > self.unheard:
            return None
        return new if new.size < self.size else None

    def clearly_below(self, other: Standing) -> bool:
        """Whether there is so much less to read or to wait for than in a larger case that a slow play is worth it."""
        return self.size[:4] < other.size[:4] or self.size[4] <= other.size[4] - _WORTHWHILE


def plain_payload(explorer: Explorer, step: Send) -> Mapping[str, Any]:
    """The example of a message, its token as fresh as the step's own; of an unknown message, nothing."""
    message = explorer.document.messages.get(step.message)
    if message is None or message.client is None or not message.client.examples:
        return {}
    fresh = [{"label": found["label"]} for found in tokens(step)[:1] if "label" in found]
    payload: Mapping[str, Any] = example(message, subject=step.client, **(fresh[0] if fresh else {}))
    return payload


def _told_apart(case: Case, edit: Edit) -> bool:
    """Whether messages that differ still differ: the tracker and the reader tell them apart by what they say."""
    pairs = [(step, edit.steps.get(index, step)) for index, step in enumerate(case.steps)]
    sends = [(old, new) for old, new in pairs if isinstance(old, Send) and isinstance(new, Send)]
    return len({_said(new) for _, new in sends}) >= len({_said(old) for old, _ in sends})


_PIECES = Fragment | Frames | Hold | Release
"""Steps that may leave a client in the middle of a message, and so decide what its next bytes amount to."""


def _well_framed(before: Case, after: Case) -> bool:
    """Whether what every client sends still amounts to what it says.

    Of a client's pieces of messages all are left, or none, or only the first ones, behind which it says nothing more:
    else we would break the framing ourselves, and blame the server for noticing.
    """
    old, new = _pieces(before), _pieces(after)
    for client, pieces in new.items():
        left = [step for step, _ in pieces]
        if left != [step for step, _ in old[client]][: len(left)]:
            return False
        if len(left) < len(old[client]) and any(talks for _, talks in pieces[-1:]):
            return False
    return True


def _pieces(case: Case) -> dict[str, list[tuple[Step, bool]]]:
    """The steps of each client that send pieces, each with whether the client says anything whole behind it."""
    found: dict[str, list[tuple[Step, bool]]] = {}
    for step in case.steps:
        client = getattr(step, "client", "")
        if isinstance(step, _PIECES):
            found.setdefault(client, []).append((step, False))
        elif isinstance(step, Send | Raw | Ping | Close) and client in found:
            last, _ = found[client][-1]
            found[client][-1] = (last, True)
    return found


def _said(step: Send) -> str:
    return same_as((step.message, step.payload))


def _repeated(case: Case) -> Mapping[str, int]:
    """How often each client presents a token that it has presented before."""
    seen: Counter[tuple[str, str]] = Counter()
    for step in case.steps:
        seen.update((getattr(step, "client", ""), same_as(token)) for token in tokens(step))
    found: Counter[str] = Counter()
    for (client, _), count in seen.items():
        found[client] += count - 1
    return found
