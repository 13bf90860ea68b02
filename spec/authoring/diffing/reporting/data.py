"""For programs: everything that is known, by the schema `spec/format/diff.schema.json`."""

from __future__ import annotations

import json
from typing import Any

from spec.authoring.diffing.changes import Change, Witness
from spec.authoring.diffing.policy import Finding, Judgement
from spec.authoring.diffing.reporting.words import as_data

__all__ = ["as_data_of", "as_json"]


def as_json(judgement: Judgement, names: tuple[str, str]) -> str:
    """The judgement as one JSON object."""
    return json.dumps(as_data_of(judgement, names), ensure_ascii=False, indent=2) + "\n"


def as_data_of(judgement: Judgement, names: tuple[str, str]) -> dict[str, Any]:
    """The same as plain data."""
    comparison, policy = judgement.comparison, judgement.policy
    return {
        "format": "handfast-diff/1",
        "protocol": comparison.protocol,
        "old": _document(names[0], comparison.versions[0], comparison.digests[0]),
        "new": _document(names[1], comparison.versions[1], comparison.digests[1]),
        "profile": policy.profile,
        "order": policy.order,
        "stages": list(comparison.stages),
        "counts": judgement.counted(),
        "changes": [_finding(finding) for finding in judgement.findings],
        "stale": list(judgement.stale),
        "left_out": list(comparison.left_out),
    }


def _document(name: str, version: int, digest: str) -> dict[str, Any]:
    return {"name": name, "version": version, "digest": digest}


def _finding(finding: Finding) -> dict[str, Any]:
    found: Change = finding.change
    return {
        "id": found.id,
        "fingerprint": found.fingerprint,
        "rule": found.rule.id,
        "title": found.rule.title,
        "text": found.text,
        "severity": finding.level,
        "ignored": finding.ignored,
        "old_at": found.old_at or None,
        "new_at": found.new_at or None,
        "server_first": found.server_first,
        "clients_first": found.clients_first,
        "security": found.rule.security,
        "stages": list(found.stages),
        "fix": found.rule.fix or None,
        "witnesses": [_witness(witness) for witness in found.witnesses],
    }


def _witness(witness: Witness) -> dict[str, Any]:
    data: dict[str, Any] = {
        "kind": witness.kind,
        "order": witness.order,
        "settings": {"old": dict(witness.settings[0]), "new": dict(witness.settings[1])},
    }
    if witness.kind == "message":
        return {**data, "message": witness.message, "body": as_data(witness.body)}
    steps = [{"client": s.client, "do": s.do, "text": s.text, "data": as_data(s.data)} for s in witness.steps]
    said = {"message": witness.message} if witness.message else {}
    return {**data, "steps": steps, "expected": list(witness.expected), "actual": list(witness.actual), **said}
