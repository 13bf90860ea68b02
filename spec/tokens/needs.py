"""What a recipe needs of a deployment in order to mean something there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from spec.tokens.algorithms import ASYMMETRIC
from spec.tokens.policy import Policy

if TYPE_CHECKING:
    from spec.tokens.recipes import Recipe

_Need = tuple[Callable[[str, Policy], bool], str]

NEEDS: Mapping[str, _Need] = {
    "asymmetric": (lambda alg, policy: alg in ASYMMETRIC, "the key is a shared secret"),
    "symmetric": (lambda alg, policy: alg not in ASYMMETRIC, "the key is asymmetric"),
    "issuer": (lambda alg, policy: policy.issuer is not None, "no issuer is configured"),
    "audience": (lambda alg, policy: policy.audience is not None, "no audience is configured"),
    "kid": (lambda alg, policy: bool(policy.names()), "the keys have no names"),
    "nameless": (lambda alg, policy: not policy.names(), "the keys have names"),
    "exp": (lambda alg, policy: "exp" in policy.required, "exp is not required"),
    "iat": (lambda alg, policy: "iat" in policy.required, "iat is not required"),
    "subject": (lambda alg, policy: policy.subject in policy.required, "no subject is required"),
    "subject-string": (
        lambda alg, policy: {policy.subject} <= {*policy.required} & {*policy.strings},
        "the subject need not be a string",
    ),
}


def why_not_applicable(recipe: Recipe, alg: str, policy: Policy) -> str | None:
    """Tell why a recipe means nothing to a deployment.

    Args:
        recipe: The recipe.
        alg: The algorithm of the key that would sign.
        policy: What the deployment accepts.

    Returns:
        A reason, or None where the recipe applies.
    """
    for need in recipe.needs:
        met, reason = NEEDS[need]
        if not met(alg, policy):
            return reason
    return None
