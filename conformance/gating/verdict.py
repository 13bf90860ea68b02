"""Why a server may not go out: each reason a sentence for who decides, with the exit code that it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from conformance.coverage import WITHHELD
from conformance.gating.changes import Changes
from conformance.gating.checking import Checked
from conformance.gating.file import COVERAGE, TIERS, Demands, Site
from conformance.reporting.run import Run, plural
from conformance.trends import Trend
from spec.exits import Exit

__all__ = ["FIRST", "Reason", "Result", "exit_of", "reached", "reasons_of"]

FIRST = (Exit.INTERRUPTED, Exit.USAGE, Exit.NONCONFORMANT, Exit.UNREACHABLE, Exit.INTERNAL, Exit.NOTHING)
"""Which exit code a gate ends with where several apply: what is certain before what was not seen."""

_TIERS = {"nothing": "without any token", "token": "with one token that was given", "mint": "with a key to mint with"}


@frozen
class Reason:
    """One reason to stop: what kind it is, the sentence, and which target it is about where it is about one.

    `detail` is what others said, documents, servers and files: no reader may take it for more than text.
    """

    kind: str
    text: str
    exit: Exit
    detail: str = ""
    target: str | None = None

    @property
    def whole(self) -> str:
        """The sentence with its detail."""
        return f"{self.text}: {self.detail}" if self.detail else self.text


@frozen
class Result:
    """What a target came to, and how that compares with the last release's run, which may have been cut off."""

    site: Site
    checked: Checked
    run: Run | None = None
    trend: Trend | None = None
    last_complete: bool = True


def exit_of(reasons: Iterable[Reason]) -> Exit:
    """The exit code that reasons come to."""
    codes = {reason.exit for reason in reasons}
    return next((code for code in FIRST if code in codes), Exit.CONFORMANT)


def reasons_of(
    problems: Sequence[str], changes: Changes | None, results: Sequence[Result], demands: Demands
) -> list[Reason]:
    """Every reason to stop; without one the server may go out. `problems` are those of the documents."""
    found = []
    if problems:
        text = f"The documents have {plural(len(problems), 'problem')}, so what they ask for cannot be relied on"
        found.append(Reason("document", text, Exit.USAGE, _cut(problems[0])))
    if changes is not None:
        found += _of_changes(changes)
    for result in results:
        name = result.site.name
        found += [
            Reason(kind, f"{name} {text}", code, detail, name) for kind, text, code, detail in _of(result, demands)
        ]
    return found


def _of_changes(changes: Changes) -> Iterator[Reason]:
    breaking = changes.breaking
    if breaking:
        old, new = changes.judgement.comparison.versions
        versions = f"from version {old} to {new}" if old != new else f"within version {new}"
        many, them = ("1 change", "it") if len(breaking) == 1 else (f"{len(breaking)} changes", "them")
        text = f"{many} {versions} would stop clients that work today, and nobody has allowed {them}"
        titles = dict.fromkeys(one.change.rule.title for one in breaking)
        yield Reason("changes", text, Exit.NONCONFORMANT, _cut("; ".join(titles)))
    for told in changes.stale:
        yield Reason("allowance", "The list of allowed changes does not fit any more", Exit.NONCONFORMANT, told)


Told = tuple[str, str, Exit, str]


def _of(result: Result, demands: Demands) -> Iterator[Told]:
    """Why a target stops the gate: kind, what is to stand behind its name, exit code, detail."""
    run, code = result.run, Exit(result.checked.exit)
    if run is not None and run.footer is not None and (run.cases or code is Exit.CONFORMANT):
        yield from _of_run(run, code)
        if run.complete:
            yield from _demanded(run, demands)
        return
    # The run ended before its first case, or was cut off.
    why = _cut(run.reason) if run is not None and run.footer is not None else _said(result.checked.said)
    if result.checked.interrupted or code is Exit.INTERRUPTED:
        yield "interrupted", "was not checked, since the gate was interrupted", Exit.INTERRUPTED, ""
    elif code is Exit.UNREACHABLE:
        yield "unreachable", "is not there, or does not serve what the file says", code, why
    elif code in (Exit.USAGE, Exit.NOTHING):
        yield "configuration", "could not be checked as the file says", code, why
    else:
        yield "internal", "could not be checked, by a fault of handfast", Exit.INTERNAL, why


def _of_run(run: Run, code: Exit) -> Iterator[Told]:
    if code is Exit.INTERRUPTED:
        yield "interrupted", "was not checked whole, since the gate was interrupted", code, ""
    elif code is Exit.UNREACHABLE:
        yield "died", "stopped answering while it was checked", code, _cut(run.reason)
    for verdict, must in (("fail", "must"), ("warn", "should")):
        broken = run.by_rule(verdict)
        if broken and (verdict == "fail" or run.header["fail_on"] == "should"):
            rule, cases = broken[0]
            text = f"breaks {plural(len(broken), 'rule')} that it {must} keep, the first is {rule}"
            yield "conformance", text, Exit.NONCONFORMANT, _cut(run.rule(rule).get("text") or cases[0]["message"])
    if run.misfits:
        text = "does not fit its list of known failures any more"
        yield "baseline", text, Exit.NONCONFORMANT, _cut(run.misfits[0])
    if not run.complete:
        return
    errors, unclear = run.by_verdict("error"), run.by_verdict("inconclusive")
    if errors:
        text = f"met {plural(len(errors), 'fault')} of handfast itself"
        yield "internal", text, Exit.INTERNAL, _cut(errors[0]["message"])
    if unclear:
        text = f"left {plural(len(unclear), 'case')} without a conclusion"
        yield "inconclusive", text, Exit.NOTHING, _cut(unclear[0]["message"])
    if run.unreached:
        text = f"was not seen to keep {plural(len(run.unreached), 'rule')} that it is bound to, the first is"
        yield "inconclusive", text, Exit.NOTHING, next(iter(run.unreached))


def _demanded(run: Run, demands: Demands) -> Iterator[Told]:
    """What the policy asks for and the run did not reach."""
    tier = str(run.header["tier"])
    # A tier that is not known here is one with more than these.
    if tier in TIERS and TIERS.index(tier) < TIERS.index(demands.tier):
        text = f"was checked {_TIERS[tier]}, and the policy asks for a check {_TIERS[demands.tier]}"
        yield "tier", text, Exit.NOTHING, ""
    for kind in COVERAGE:
        if kind in demands.coverage:
            done, every = reached(run, kind)
            if 100 * done < demands.coverage[kind] * every:
                text = (
                    f"showed {done} of {every} {_COVERED[kind]}, and the policy asks for {demands.coverage[kind]:g} %"
                )
                yield "coverage", text, Exit.NOTHING, ""


_COVERED = {"rules": "rules that apply", "states": "states", "transitions": "rows and cases of the document"}


def reached(run: Run, kind: str) -> tuple[int, int]:
    """How many rules, states or transitions were reached, and of how many.

    Rules that apply and that the run left out, for its globs or for want of tokens, count as not reached.
    """
    found: Mapping[str, Any] = run.coverage.get(kind, {})
    if kind == "states":
        return len(found.get("reached", ())), len(found.get("all", ()))
    left = [why for why in found.get("not applicable", {}).values() if why in WITHHELD] if kind == "rules" else []
    done = len(found.get("reached", ()))
    return done, done + len(found.get("unreached", ())) + len(left)


def _said(text: str) -> str:
    """The first line of what a process said, without the name that commands begin with."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _cut(lines[0].removeprefix("handfast: ")) if lines else "it did not say why"


def _cut(text: str, most: int = 240) -> str:
    said = " ".join(text.split())
    return said if len(said) <= most else f"{said[: most - 1]}…"
