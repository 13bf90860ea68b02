"""Inputs: every kind of thing that a client can do, plainly for a rehearsal and drawn for a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from attrs import evolve, frozen

from conformance.generation.drawing import Draw
from conformance.generation.wording import Speaker, Wording
from conformance.plan import Plan
from conformance.scripts import Close, Ping, Raw, Reset, Send, Step, token
from spec.bindings.json import encode
from spec.machine.world import CLOSED
from spec.model import Recipe

__all__ = ["Inputs", "Kind"]

_NOT_UTF8 = ("ff", "80", "c328", "c080", "e28028", "eda080", "f4908080", "f8888080", "e282", "f09f8d")
_CODES = (1000, 1001, None, 3000, 4999)
_SHORT = 30.0
"""The life of a token that is due to be renewed wherever tokens are renewed at all."""


@frozen
class Kind:
    """A kind of input: `plain` makes the one that is rehearsed for all, `drawn` any other.

    `proves` says that it carries a token, `ends` that it ends the connection wherever it comes, `leaves` that this is
    the client's own wish.
    """

    name: str
    plain: Callable[[Speaker], Step]
    drawn: Callable[[Draw, Speaker], Step]
    proves: bool = False
    ends: bool = False
    leaves: bool = False


class Inputs:
    """The inputs of a plan's document, and which of them keep a connection open in which state."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.wording = Wording(plan)
        self._recipes: dict[str, list[Recipe]] = {}
        for recipe in plan.document.recipes:
            group = plan.document.verdicts.get(recipe.step)
            if group is not None and recipe.level == "must" and plan.book.applicable(recipe) is None:
                self._recipes.setdefault(group, []).append(recipe)
        self.kinds = {kind.name: kind for kind in (*self._frames(), *self._messages())}
        self.talk = [name for name in self.kinds if name.startswith("valid:")]
        self.leaving = [kind.name for kind in self.kinds.values() if kind.leaves]
        self.second_uses = [name for name in self.kinds if name.startswith("seen:")]
        self.keepers = cache(self._keepers)

    def _keepers(self, state: str) -> tuple[str, ...]:
        """The kinds that keep a connection open in a state."""
        return tuple(name for name, kind in self.kinds.items() if not kind.ends and self._keeps(state, kind))

    def _keeps(self, state: str, kind: Kind) -> bool:
        ana = Speaker("ana", "ana")
        stage = self.plan.stage(self.plan.routes[state].steps("ana", id=ana.fresh()))
        stage.step(kind.plain(ana))
        return stage.state("ana") != CLOSED

    # ------------------------------------------------------------------------------------------------------ frames

    def _frames(self) -> Iterator[Kind]:
        yield Kind("malformed", lambda s: Raw(s.client, text="{"), self.wording.malformed)
        yield Kind("unknown", lambda s: Send(s.client, "handfast_unknown"), self.wording.unknown)
        yield Kind("ping", lambda s: Ping(s.client), lambda draw, s: Ping(s.client, "x" * draw.among((0, 1, 125))))
        yield Kind("binary", lambda s: Raw(s.client, binary=""), self._binary, ends=True)
        yield Kind("not-utf8", lambda s: Raw(s.client, not_utf8="ff"), self._not_utf8, ends=True)
        yield Kind("oversize", self._oversize, self._too_large, ends=True)
        yield Kind("close", lambda s: Close(s.client), self._close, ends=True, leaves=True)
        yield Kind("reset", lambda s: Reset(s.client), self._reset, ends=True, leaves=True)

    def _binary(self, draw: Draw, speaker: Speaker) -> Raw:
        data = self._some_text(draw).encode() if draw.percent(50) else bytes(range(draw.below(64)))
        return Raw(speaker.client, binary=data.hex())

    def _not_utf8(self, draw: Draw, speaker: Speaker) -> Raw:
        """A message with a member that is not UTF-8: at its end, or within."""
        before, bad = f'{self._some_text(draw)[:-1]},"x":"'.encode(), bytes.fromhex(draw.among(_NOT_UTF8))
        return Raw(speaker.client, not_utf8=(before + bad + (b'"}' if draw.percent(70) else b"")).hex())

    def _close(self, draw: Draw, speaker: Speaker) -> Close:
        return Close(speaker.client, draw.among(_CODES))

    def _reset(self, draw: Draw, speaker: Speaker) -> Reset:
        return Reset(speaker.client, gently=draw.percent(50))

    def _oversize(self, speaker: Speaker) -> Send:
        name = self.plan.client_messages()[-1].name
        return evolve(self.wording.plainest(speaker, name), pad_to=self.wording.largest + 1)

    def _too_large(self, draw: Draw, speaker: Speaker) -> Send:
        """A message over the limit by a little or by much, perhaps in bytes only."""
        by, sign = draw.among((1, 2, 300, self.wording.largest)), draw.among(("x", "é", "🍲"))
        return evolve(self._oversize(speaker), pad_to=self.wording.largest + by, pad_with=sign)

    def _some_text(self, draw: Draw) -> str:
        return encode(self.wording.body(draw.among(self.plan.client_messages()).name))

    # ---------------------------------------------------------------------------------------------------- messages

    def _messages(self) -> Iterator[Kind]:
        for message in self.plan.client_messages():
            name = message.name
            yield Kind(f"mutated:{name}", partial(self._misshapen, name), partial(self._mutated, name))
            if self.wording.carries_token(name):
                yield from self._proofs(name)
            else:
                plain = partial(self.wording.plainest, name=name)
                yield Kind(f"valid:{name}", plain, partial(self.wording.valid, name=name))

    def _misshapen(self, name: str, speaker: Speaker) -> Send:
        """The message without its payload or, where it is the payload, without its id."""
        envelope = self.plan.document.envelope
        return evolve(self.wording.plainest(speaker, name), drop=(envelope.payload or envelope.id,))

    def _mutated(self, name: str, draw: Draw, speaker: Speaker) -> Send:
        proof = None
        if self.wording.carries_token(name):
            proof = token(subject=speaker.subject, label=speaker.label)
            speaker.fresh()
        return self.wording.mutated(draw, speaker, name, proof)

    def _proofs(self, name: str) -> Iterator[Kind]:
        """The ways to present a token: valid, soon to be renewed, with an id used before, another's, and refused."""
        choices: dict[str, dict[str, Any]] = {
            "proof": {},
            "short": {"left": _SHORT},
            "seen": {"seen": True},
            "other": {"other": True},
            **{group: {"group": group} for group in self._recipes},
        }
        for label, choice in choices.items():
            plain = partial(self._proof, name, **choice)
            yield Kind(f"{label}:{name}", plain, _turned(partial(self._proof, name, **choice)), proves=True)

    def _proof(
        self,
        name: str,
        speaker: Speaker,
        draw: Draw | None = None,
        *,
        group: str = "",
        left: float | None = None,
        seen: bool = False,
        other: bool = False,
    ) -> Send:
        known, wanted = tuple(speaker.ids), {"label": speaker.label, **({"left": left} if left is not None else {})}
        recipe = "valid"
        if group:
            recipe = (draw.among(self._recipes[group]) if draw else self._recipes[group][0]).name
            wanted |= {"keyless": True} if self.plan.book.keyless(recipe) else {}
        symbol = token(recipe, f"{speaker.subject}-other" if other else speaker.subject, **wanted)
        own = speaker.fresh(self.wording.id_suffix(draw) if draw else "")
        if seen and known:
            own = draw.among(known) if draw else known[-1]
        send = self.wording.valid(draw, speaker, name, symbol) if draw else self.wording.plainest(speaker, name, symbol)
        return evolve(send, id=own)


def _turned(make: Callable[[Speaker, Draw], Step]) -> Callable[[Draw, Speaker], Step]:
    return lambda draw, speaker: make(speaker, draw)
