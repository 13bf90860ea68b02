"""From a document and a policy to a judge of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from spec.machine.facts import Judge
from spec.model import Document
from spec.tokens import Policy, judge

__all__ = ["judge_by"]


@frozen
class _Judged:
    group: str
    claims: Mapping[str, Any]


def judge_by(document: Document, policy: Policy) -> Judge:
    """A judge of tokens for an engine: the policy says which check fails, the document what that means."""

    def judged(token: str | None, now: float) -> _Judged:
        verdict = judge(token, policy, now)
        return _Judged(document.verdicts.get(verdict.step, verdict.group), verdict.claims)

    return judged
