"""Findings: what an observed peer did that no hypothesis explains."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Finding"]

_SOFT = {"status", "code", "message", "reason", "header", "body", "leak", "late", "double"}


@frozen
class Finding:
    """One breach of the rules.

    `check` says what was compared: `refused` and `accepted` (was the door open at all), `status`, `code`, `message`,
    `close`, `reason`, `early`, `late`, `missing`, `stray`, `order`, `double`, `isolation`, `leak`, `header`, `body`,
    and, seen beside the exchange, `fetched`.
    `rules` are those by which the output was due (or forbidden), `focus` those that the step that caused it was there
    for. `timed` says that the finding rests on silence or on timing. `shadow` names the (check, rule) of the plainer
    finding that this one follows from, if that is found elsewhere.
    """

    check: str
    rules: tuple[str, ...]
    text: str
    client: str
    at: float
    timed: bool = False
    focus: tuple[str, ...] = ()
    shadow: tuple[str, str] | None = None

    @property
    def blamed(self) -> tuple[str, ...]:
        """The rules, the one that was broken first: what the step was there for goes before what was due anyway."""
        return tuple(dict.fromkeys((*self.focus, *self.rules)))

    @property
    def key(self) -> tuple[str, str]:
        """What kind of finding this is: the check and the rule by which the output was due."""
        return self.check, (self.rules or ("",))[0]

    @property
    def hard(self) -> bool:
        """Whether the exchange cannot be followed any further."""
        return self.check not in _SOFT
