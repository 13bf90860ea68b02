"""A run as reports read it: the events of its stream, counted and grouped once for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from conformance.scripts import SAVED
from conformance.verdicts import VERDICTS

__all__ = ["NO_RULE", "SHOWN", "Event", "Run", "clocks_in_words", "plural", "read_run"]

Event = Mapping[str, Any]

SHOWN = ("error", "fail", "warn", "flaky", "inconclusive")
"""The verdicts whose exchanges people are shown, the worst first."""

NO_RULE = "(no rule)"
_CUT_OFF = "the run was cut off: its stream has no footer"


@frozen
class Run:
    """A run: its header, its cases by identifier, and how it ended; `footer` is None where the stream was cut off."""

    header: Event
    calibration: Event | None
    cases: Sequence[Event]
    footer: Event | None
    counts: Mapping[str, int]

    @property
    def cut_off(self) -> bool:
        """Whether the stream ends before the run did."""
        return self.footer is None

    @property
    def verdict(self) -> str:
        """`conformant`, `nonconformant`, `inconclusive` or `error`."""
        return str(self.footer["verdict"]) if self.footer else "error"

    @property
    def complete(self) -> bool:
        return bool(self.footer and self.footer["complete"])

    @property
    def reason(self) -> str:
        """Why the run is not complete; empty where it is."""
        return str(self.footer["reason"]) if self.footer else _CUT_OFF

    @property
    def duration(self) -> float | None:
        """How long it took, in seconds."""
        return self.footer["duration_s"] if self.footer else None

    @property
    def title(self) -> str:
        """What was checked, in a few words."""
        return f"{self.header['protocol']} {self.header['version']}".strip()

    @property
    def coverage(self) -> Mapping[str, Any]:
        """Rules, states and transitions by what became of them; empty where the run was cut off."""
        return self.footer["coverage"] if self.footer else {}

    @property
    def guarantee(self) -> dict[str, Any]:
        """What was guaranteed, and whether it holds."""
        return {**(self.header.get("guarantee") or {}), "holds": bool(self.footer and self.footer.get("guaranteed"))}

    @property
    def misfits(self) -> Sequence[str]:
        """The entries of the baseline that do not fit what happened."""
        return list((self.baseline or {}).get("misfits", ()))

    @property
    def baseline(self) -> Event | None:
        return self.footer.get("baseline") if self.footer else None

    @property
    def unreached(self) -> Mapping[str, str]:
        """The rules that apply and that no case showed, where that counts against the run."""
        return self.coverage.get("rules", {}).get("unreached", {}) if self.complete else {}

    def by_verdict(self, *verdicts: str) -> list[Event]:
        """The cases of some verdicts, by identifier."""
        return [case for case in self.cases if case["verdict"] in verdicts]

    def by_rule(self, *verdicts: str) -> list[tuple[str, list[Event]]]:
        """The cases of some verdicts by the rule that was broken, of each rule the shortest exchange first."""
        groups: dict[str, list[Event]] = {}
        for case in self.by_verdict(*verdicts):
            groups.setdefault(case["rules"][0] if case["rules"] else NO_RULE, []).append(case)
        return sorted((rule, sorted(group, key=_size)) for rule, group in groups.items())

    def rule(self, name: str) -> Event:
        """A rule of the document; empty for one that it has not."""
        found = self.header["rules"].get(name, {})
        assert isinstance(found, Mapping)
        return found

    def level(self, name: str) -> str:
        """A rule's level as people write it."""
        return str(self.rule(name).get("level", "")).upper().replace("_", " ")


def read_run(events: Iterable[Event]) -> Run:
    """The run that events tell of."""
    header, *others = events
    cases = sorted((e for e in others if e["event"] == "case"), key=lambda event: str(event["id"]))
    counts = Counter(case["verdict"] for case in cases)
    footer = next((e for e in others if e["event"] == "footer"), None)
    calibration = next((e for e in others if e["event"] == "calibration"), None)
    return Run(header, calibration, cases, footer, {verdict: counts[verdict] for verdict in VERDICTS})


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _size(case: Event) -> tuple[bool, bool, int, str]:
    return case["family"] != SAVED, "shrunk" not in case, len(case.get("transcript", ())), case["id"]


def clocks_in_words(clock: Event | None) -> str:
    """What is known of the target's clock beside ours."""
    if clock is None:
        return "taken to agree with the target's, none of whose answers has a date"
    apart, within = clock["skew_s"], f"give or take {_seconds(clock['within_s'])}, by its {clock['source']}"
    if not apart:
        return f"agrees with the target's ({within})"
    side = "ahead of" if apart > 0 else "behind"
    return f"the target's is {_seconds(abs(apart))} {side} ours ({within}); tokens are made and judged by it"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
