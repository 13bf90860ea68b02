"""What a recipe needs of a deployment in order to mean something there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from spec.tokens.algorithms import ALGORITHMS, ASYMMETRIC
from spec.tokens.keys import SigningKey
from spec.tokens.policy import Policy

if TYPE_CHECKING:
    from spec.tokens.recipes import Recipe


@frozen
class Need:
    """What a deployment must have.

    Attributes:
        met: Whether a deployment has it, by the key that would sign and by what it accepts.
        reason: What is said where it has not.
        where: Which deployments have it.
    """

    met: Callable[[SigningKey, Policy], bool]
    reason: str
    where: str


def _has_subject(key: SigningKey, policy: Policy) -> bool:
    return {policy.subject} <= {*policy.required} & {*policy.strings}


NEEDS: Mapping[str, Need] = {
    "asymmetric": Need(lambda key, policy: key.alg in ASYMMETRIC, "the key is a shared secret", "RS256 and ES256"),
    "symmetric": Need(lambda key, policy: key.alg not in ASYMMETRIC, "the key is asymmetric", "HS256"),
    "rsa": Need(lambda key, policy: key.alg == "RS256", "the key is no RSA key", "RS256"),
    "elliptic": Need(lambda key, policy: key.alg == "ES256", "the key is on no curve", "ES256"),
    "alien": Need(
        lambda key, policy: policy.algorithms() < ALGORITHMS, "every algorithm is accepted", "not every algorithm"
    ),
    "issuer": Need(lambda key, policy: policy.issuer is not None, "no issuer is configured", "with an issuer"),
    "audience": Need(lambda key, policy: policy.audience is not None, "no audience is configured", "with an audience"),
    "kid": Need(lambda key, policy: key.kid is not None, "the key has no name", "keys with names"),
    "nameless": Need(lambda key, policy: not policy.names(), "the keys have names", "keys without names"),
    "sibling": Need(
        lambda key, policy: policy.other_name(key, alike=True) is not None,
        "no other such key has a name",
        "named keys, two of one algorithm",
    ),
    "cousin": Need(
        lambda key, policy: policy.other_name(key, alike=False) is not None,
        "keys are of one algorithm",
        "named keys of two algorithms",
    ),
    "exp": Need(lambda key, policy: "exp" in policy.required, "exp is not required", "`exp` required"),
    "iat": Need(lambda key, policy: "iat" in policy.required, "iat is not required", "`iat` required"),
    "subject": Need(
        lambda key, policy: policy.subject in policy.required, "no subject is required", "a subject required"
    ),
    "users": Need(lambda key, policy: bool(policy.known), "any subject exists", "where not every subject exists"),
    "subject-string": Need(_has_subject, "the subject need not be a string", "a subject required that is a string"),
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
        if not NEEDS[need].met(key, policy):
            return NEEDS[need].reason
    return None
