"""From a document, its parameters and a deployment's keys to the policy that tokens are judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from spec.machine.facts import Judge
from spec.model import Document
from spec.tokens import Policy, VerifyKey, judge

__all__ = ["judge_by", "policy_for"]


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


def policy_for(
    document: Document,
    parameters: Mapping[str, Any],
    keys: Iterable[VerifyKey],
    *,
    issuer: str | None = None,
    audience: str | None = None,
) -> Policy:
    """What a server of the document accepts: the document says which claims and checks, the deployment which keys."""
    claims = document.claims
    return Policy(
        keys=tuple(keys),
        required=tuple(claims.get("required", ())),
        strings=tuple(claims.get("strings", ())),
        issuer=issuer,
        audience=audience,
        leeway=float(parameters.get("leeway", 0.0)),
        token_bytes=int(parameters.get("token_bytes", 4096)),
        subject=claims.get("subject", "sub"),
        ladder=tuple(document.verdicts),
    )
