"""What a recipe needs of a deployment in order to mean something there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from spec.tokens.algorithms import ALGORITHMS, ASYMMETRIC
from spec.tokens.keys import SigningKey
from spec.tokens.policy import Policy

if TYPE_CHECKING:
    from spec.tokens.recipes import Recipe

_Need = tuple[Callable[[SigningKey, Policy], bool], str]

NEEDS: Mapping[str, _Need] = {
    "asymmetric": (lambda key, policy: key.alg in ASYMMETRIC, "the key is a shared secret"),
    "symmetric": (lambda key, policy: key.alg not in ASYMMETRIC, "the key is asymmetric"),
    "rsa": (lambda key, policy: key.alg == "RS256", "the key is no RSA key"),
    "elliptic": (lambda key, policy: key.alg == "ES256", "the key is on no curve"),
    "alien": (lambda key, policy: policy.algorithms() < ALGORITHMS, "every algorithm is accepted"),
    "issuer": (lambda key, policy: policy.issuer is not None, "no issuer is configured"),
    "audience": (lambda key, policy: policy.audience is not None, "no audience is configured"),
    "kid": (lambda key, policy: key.kid is not None, "the key has no name"),
    "nameless": (lambda key, policy: not policy.names(), "the keys have names"),
    "sibling": (lambda key, policy: policy.other_name(key, alike=True) is not None, "no other such key has a name"),
    "cousin": (lambda key, policy: policy.other_name(key, alike=False) is not None, "keys are of one algorithm"),
    "exp": (lambda key, policy: "exp" in policy.required, "exp is not required"),
    "iat": (lambda key, policy: "iat" in policy.required, "iat is not required"),
    "subject": (lambda key, policy: policy.subject in policy.required, "no subject is required"),
    "subject-string": (
        lambda key, policy: {policy.subject} <= {*policy.required} & {*policy.strings},
        "the subject need not be a string",
    ),
}


def why_not_applicable(recipe: Recipe, key: SigningKey, policy: Policy) -> str | None:
    """Tell why a recipe means nothing to a deployment.

    Args:
        recipe: The recipe.
        key: The key that would sign.
        policy: What the deployment accepts.

    Returns:
        A reason, or None where the recipe applies.
    """
    for need in recipe.needs:
        met, reason = NEEDS[need]
        if not met(key, policy):
            return reason
    return None
