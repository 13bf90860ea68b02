"""Where two results of one script differ, who is wrong by the rules, and which differences have one cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from attrs import field, frozen

from conformance.observing import Form, Observed, Observer, differing_members
from conformance.scripts import Case, Close, HalfClose, Idle, Reset, Settle
from conformance.verdicts import Result

__all__ = ["ALIKE", "Difference", "Group", "comparable", "contrast", "grouped", "texts_apart"]

ALIKE = ("alike", "alike, and both break a rule")

_COMPARABLE = {"pass", "fail", "warn", "flaky"}


@frozen
class Difference:
    """One script that two servers answer differently.

    `culprits` are those that break a rule: `a`, `b`, both, or none where no rule decides. `rules` are the broken ones,
    `events` what only that side showed first, empty where it showed nothing of its own; `until` is the script's step up
    to which that is seen.
    """

    case: Case
    results: tuple[Result, Result]
    culprits: str
    rules: tuple[str, str]
    events: tuple[str, str]
    until: int

    @property
    def key(self) -> tuple[str, ...]:
        """What differences of one cause have in common."""
        return (self.culprits, *self.rules, *self.events)

    @property
    def text(self) -> str:
        """What each side did that the other did not, in a line."""
        broken = [r.message if side in self.culprits else "" for side, r in zip("ab", self.results, strict=True)]
        told = zip("AB", broken if any(broken) else self.events, strict=True)
        return "; ".join(f"{name}: {said}" for name, said in told if said)

    @property
    def size(self) -> tuple[int, int, str]:
        return len(self.case.steps), sum(len(result.observed) for result in self.results), self.case.id


@frozen
class Group:
    """Differences of one cause; `shown` is the one with the shortest script."""

    shown: Difference
    cases: tuple[str, ...] = field(factory=tuple)


def comparable(one: Result, other: Result) -> str:
    """Why two results cannot be compared, or nothing."""
    for name, result in (("A", one), ("B", other)):
        if result.verdict not in _COMPARABLE:
            return f"{name}: {result.verdict}" + (f" ({result.message})" if result.message else "")
    return ""


def contrast(observer: Observer, one: Result, other: Result) -> Difference | str:
    """The difference between two results of one script, or one of `ALIKE`."""
    broken = (_broken(one), _broken(other))
    events, step = _apart(observer, one, other)
    if broken[0] == broken[1] and events == ("", ""):
        return ALIKE[bool(broken[0])]
    culprits = "".join(side for side, found in zip("ab", broken, strict=True) if found)
    rules = tuple(
        result.rules[0] if found and result.rules else "" for result, found in zip((one, other), broken, strict=True)
    )
    return Difference(one.case, (one, other), culprits, (rules[0], rules[1]), events, step)


def grouped(differences: Iterable[Difference]) -> list[list[Difference]]:
    """Differences by their cause, the shortest of each first; first the causes that a rule decides."""
    groups: dict[tuple[str, ...], list[Difference]] = {}
    for difference in differences:
        groups.setdefault(difference.key, []).append(difference)
    found = [sorted(group, key=lambda difference: difference.size) for group in groups.values()]
    return sorted(found, key=lambda group: (not group[0].culprits, group[0].key))


def texts_apart(observer: Observer, pairs: Iterable[tuple[Result, Result]]) -> dict[str, tuple[str, str]]:
    """Texts that servers word as they like and that the two word differently: an example of each."""
    apart: dict[str, tuple[str, str]] = {}
    for one, other in pairs:
        first, second = (
            {k: v for e in result.observed for k, v in observer.texts(e).items()} for result in (one, other)
        )
        for name in first.keys() & second.keys() - apart.keys():
            if first[name] != second[name]:
                apart[name] = (first[name], second[name])
    return dict(sorted(apart.items()))


def _broken(result: Result) -> frozenset[tuple[str, str, str]]:
    """The kinds of breach in a result: two results with the same kinds break the rules alike.

    Whom a finding blames depends on what else was found at that server, and its text quotes the run's own names; what
    was checked, at whom, and the text's first word (the message, the header) are the same in both.
    """
    if result.verdict not in {"fail", "warn"}:
        return frozenset()
    found = frozenset((finding.check, finding.client, finding.text.partition(" ")[0]) for finding in result.findings)
    return found or frozenset({("measured", "", "")})


def _apart(observer: Observer, one: Result, other: Result) -> tuple[tuple[str, str], int]:
    """What either side showed that the other did not, the first of each, and up to which step that shows.

    Order is not compared: where the rules demand one, a breach of it is a finding, and where they leave it open it is
    a race. A side on which a rule was broken may have been played no further than that; what the other showed later
    is no difference, and where both were, only what contradicts is. What a timer sent where no finding says that it was
    early, late or missing came by chance before the script's end or its next step; what a client still hears when it
    leaves is chance, too.
    """
    clients = dict.fromkeys(event.client for result in (one, other) for event in result.observed)
    cut = [_reached(result) for result in (one, other) if _broken(result)]
    until = min(cut, default=len(one.case.steps))
    found: list[tuple[int, tuple[str, str], int]] = []
    for client in clients:
        first, second = (
            [(e, form) for e in result.observed if _heard(e, client, until) and (form := observer.form(e))]
            for result in (one, other)
        )
        mine, theirs = _extra(first, second, one.case.timed), _extra(second, first, one.case.timed)
        settled = _settled(one.case, client)
        mine, theirs = (pair if pair is not None and pair[0].step <= settled else None for pair in (mine, theirs))
        if len(cut) == 2 and (mine is None or theirs is None):
            continue
        if not cut and any(pair is not None and pair[1].clocked for pair in (mine, theirs)):
            continue
        if mine is not None or theirs is not None:
            steps = [pair[0].step for pair in (mine, theirs) if pair is not None]
            found.append((min(steps), _labels(mine, theirs), _waited(one, max(steps))))
    if not found:
        return ("", ""), min(_reached(result) for result in (one, other))
    _, labels, last = min(found)
    return labels, last


def _settled(case: Case, client: str) -> int:
    """The last step up to which it is no race what a client hears: the last wait before it leaves of its own accord."""
    leaves = next(
        (i for i, s in enumerate(case.steps) if isinstance(s, Close | HalfClose | Reset) and s.client == client), None
    )
    if leaves is None:
        return len(case.steps)
    return max((i for i, step in enumerate(case.steps[:leaves]) if isinstance(step, Settle)), default=-1)


def _heard(event: Observed, client: str, until: int) -> bool:
    return event.heard and event.client == client and event.step <= until


_Event = tuple[Observed, Form]


def _extra(events: list[_Event], others: list[_Event], timed: bool) -> _Event | None:
    """The first event that the others have no equal for; where the script waits, how often each came is no matter.

    Tokens expire on whole seconds, so that it is chance between which two steps of a script a timer fires.
    """
    left = Counter(form.content for _, form in others)
    for event, form in events:
        if not left[form.content]:
            return event, form
        left[form.content] -= not timed
    return None


def _labels(mine: _Event | None, theirs: _Event | None) -> tuple[str, str]:
    first, second = (pair[1].label if pair is not None else "nothing" for pair in (mine, theirs))
    if mine is not None and theirs is not None and first == second:
        members = " ".join(pointer.lstrip("/").replace("/", ".") for pointer in differing_members(mine[1], theirs[1]))
        return f"{first} ({members})", f"{second} ({members})"
    return first, second


def _reached(result: Result) -> int:
    """The last step of the script that was played."""
    return _waited(result, max((event.step for event in result.observed), default=0))


def _waited(result: Result, last: int) -> int:
    """The last of the steps behind one that only wait."""
    steps = result.case.steps
    while last + 1 < len(steps) and isinstance(steps[last + 1], Settle | Idle):
        last += 1
    return last
