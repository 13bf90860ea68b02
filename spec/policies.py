"""From a document, its parameters and a deployment's keys to the policy that tokens are judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spec.expressions import compile_expression
from spec.model import Document
from spec.tokens import Policy, VerifyKey

__all__ = ["policy_for"]


def policy_for(
    document: Document,
    parameters: Mapping[str, Any],
    keys: Iterable[VerifyKey],
    *,
    issuer: str | None = None,
    audience: str | None = None,
) -> Policy:
    """What a server of the document accepts: the document says which claims and checks, the deployment which keys."""
    claims, scope = document.claims, {"parameters": parameters}
    plus = {step.name: compile_expression(step.plus)(scope) for step in document.ladder if step.plus is not None}
    known = next((compile_expression(step.known)(scope) for step in document.ladder if step.known is not None), ())
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
        plus=plus,
        known=tuple(known),
        never=tuple(compile_expression(one)(scope) for step in document.ladder for one in step.never),
    )
