"""Two runs compared: which rules got worse or better since the one before, and which cases fail that did not.

Rules are compared by the worst that became of them, since cases come and go with documents and seeds. Where one of the
runs could say nothing of a rule, since it did not apply there, nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from conformance.coverage import WITHHELD
from conformance.reporting.run import Event, Run
from conformance.scripts import SAVED

__all__ = ["STANDINGS", "Moved", "Trend", "standings", "trend"]

STANDINGS = ("holds", "not shown", "unclear", "flaky", "warns", "fails")
"""What can become of a rule in a run, the best first."""

_BY_VERDICT = {"fail": "fails", "warn": "warns", "flaky": "flaky", "inconclusive": "unclear", "error": "unclear"}
_FAILED = ("fail", "warn")


@frozen
class Moved:
    """A rule of which something else became than before."""

    rule: str
    was: str
    now: str

    @property
    def worse(self) -> bool:
        return STANDINGS.index(self.now) > STANDINGS.index(self.was)


@frozen
class Trend:
    """What changed between two runs.

    `new` are cases that fail and did not, `fixed` those that failed and pass, `gone` those that failed and were not
    played again; `still` counts those that fail as before. A failure that a baseline knows has failed all the same.
    """

    worse: Sequence[Moved]
    better: Sequence[Moved]
    new: Sequence[Event]
    fixed: Sequence[Event]
    gone: Sequence[Event]
    still: int

    @property
    def quiet(self) -> bool:
        """Whether nothing changed."""
        return not (self.worse or self.better or self.new or self.fixed or self.gone)


def trend(before: Run, after: Run) -> Trend:
    """Compare two runs of one protocol."""
    was, now = standings(before), standings(after)
    moved = [Moved(rule, was[rule], now[rule]) for rule in sorted(was.keys() & now.keys()) if was[rule] != now[rule]]
    failed, fails = _failures(before), _failures(after)
    played = {str(case["id"]): case for case in after.cases if case["verdict"] != "not applicable"}
    return Trend(
        [one for one in moved if one.worse],
        [one for one in moved if not one.worse],
        [case for name, case in fails.items() if name not in failed],
        [case for name, case in failed.items() if name in played and name not in fails],
        [case for name, case in failed.items() if name not in played],
        len(failed.keys() & fails.keys()),
    )


def standings(run: Run) -> dict[str, str]:
    """What became of each rule that applies; of a run that was cut off, of those rules that a case broke."""
    rules: Mapping[str, Mapping[str, str]] = run.coverage.get("rules", {})
    found = dict.fromkeys(rules.get("reached", ()), "holds")
    found |= dict.fromkeys(rules.get("unreached", ()), "not shown")
    found |= {rule: "not shown" for rule, why in rules.get("not applicable", {}).items() if why in WITHHELD}
    for case in run.cases:
        became = _BY_VERDICT.get(str(case.get("excused") or case["verdict"]))
        if became and case["rules"]:
            rule = case["rules"][0]
            found[rule] = max(found.get(rule, "holds"), became, key=STANDINGS.index)
    return found


def _failures(run: Run) -> dict[str, Event]:
    """The cases that failed; a saved failure is not told beside the case that it came from."""
    return {
        str(case["id"]): case
        for case in run.cases
        if (case.get("excused") or case["verdict"]) in _FAILED and case["family"] != SAVED
    }
