"""The `sarif` report: SARIF 2.1.0, with the requirements of the document as rules and their lines as locations.

A result is what did not pass: `fail` for a broken rule, `review` for what is flaky, `open` for what could not be
decided (sections 3.27.9 and 3.27.10). What the baseline knows is suppressed (section 3.35), and what the suite itself
did wrong is a notification of the invocation (section 3.20.21). Passes are counted in the run's properties.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from conformance.reporting.run import Event, Run, read_run
from spec.exits import Exit

__all__ = ["SCHEMA", "render"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_LEVELS = {"must": "error", "must_not": "error", "should": "warning", "should_not": "warning", "may": "note"}
_RESULTS = {"fail": "fail", "warn": "fail", "known": "fail", "flaky": "review", "inconclusive": "open"}
"""The kind of a result by the verdict; the level of any other kind than `fail` is none (section 3.27.10)."""


def render(events: list[dict[str, Any]]) -> str:
    """The report."""
    run = read_run(events)
    index = {name: number for number, name in enumerate(run.header["rules"])}
    name, _, version = str(run.header["tool"]).partition(" ")
    driver = {"name": name, "rules": [_rule(name, rule) for name, rule in run.header["rules"].items()]}
    found = {
        "tool": {"driver": driver | ({"version": version} if version else {})},
        "automationDetails": {"id": f"handfast/{run.header['protocol']}/{run.header['version']}/"},
        "invocations": [_invocation(run)],
        "results": [_result(run, case, index) for case in run.cases if case["verdict"] in _RESULTS],
        "columnKind": "unicodeCodePoints",
        "properties": {
            "verdict": run.verdict,
            "counts": dict(run.counts),
            "target": run.header["target"],
            "document": run.header["document"],
        },
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [found]}
    return json.dumps(log, indent=1, ensure_ascii=True, allow_nan=False, default=str) + "\n"


def _rule(name: str, rule: Event) -> dict[str, Any]:
    return {
        "id": name,
        "shortDescription": {"text": rule["text"]},
        "defaultConfiguration": {"level": _LEVELS.get(rule["level"], "warning")},
        "properties": {"level": rule["level"], "observe": rule["observe"]},
    }


def _invocation(run: Run) -> dict[str, Any]:
    footer = run.footer or {}
    told = [f"{case['id']}: {case['message']}" for case in run.by_verdict("error")]
    told += [f"baseline: {misfit}" for misfit in run.misfits]
    told += [f"no case showed {rule}: {why}" for rule, why in run.unreached.items()]
    told += [run.reason] if run.reason else []
    found: dict[str, Any] = {"executionSuccessful": run.complete and not run.counts["error"]}
    if footer.get("exit") is not None:
        found |= {"exitCode": footer["exit"], "exitCodeDescription": Exit(footer["exit"]).meaning}
    if told:
        found["toolExecutionNotifications"] = [{"level": "error", "message": {"text": text}} for text in told]
    return found


def _result(run: Run, case: Event, index: dict[str, int]) -> dict[str, Any]:
    rule, kind = (case["rules"] or [""])[0], _RESULTS[case["verdict"]]
    found: dict[str, Any] = {
        "ruleId": rule,
        "kind": kind,
        "level": _LEVELS.get(str(run.rule(rule).get("level")), "warning") if kind == "fail" else "none",
        "message": {"text": case["message"] or case["verdict"]},
        "locations": [_location(run, rule, case)],
        "partialFingerprints": {"handfast/v1": _fingerprint(rule, case)},
        "properties": {"verdict": case["verdict"], "family": case["family"], "rules": case["rules"]},
    }
    if rule in index:
        found["ruleIndex"] = index[rule]
    if case["verdict"] == "known":
        found["suppressions"] = [{"kind": "external", "justification": case["known"]}]
    return found


def _location(run: Run, rule: str, case: Event) -> dict[str, Any]:
    found: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": case["id"], "kind": "member"}]}
    known = run.rule(rule)
    if known.get("file") and known.get("line"):
        place = {"artifactLocation": {"uri": known["file"]}, "region": {"startLine": known["line"]}}
        found["physicalLocation"] = place
    return found


def _fingerprint(rule: str, case: Event) -> str:
    """The same for the same failure in another run: what is broken where, not how it is worded."""
    checks = [finding["check"] for finding in case.get("findings", ())][:1]
    return hashlib.sha256("\n".join((rule, case["id"], *checks)).encode()).hexdigest()[:32]
