"""Tokens: keys, the ladder of checks that judges a token, and recipes that mint tokens for each rung.

Everything here is pure. Times are wall-clock seconds since the epoch and always an argument.
"""

from spec.tokens.foreign import ForeignKeys, foreign_keys
from spec.tokens.keys import KeyProblem, SigningKey, VerifyKey, hmac_key
from spec.tokens.ladder import expires_at, judge, next_change
from spec.tokens.loading import from_jwk, from_jwks, from_pem, read_keys
from spec.tokens.minting import mint
from spec.tokens.needs import why_not_applicable
from spec.tokens.policy import LADDER, Policy, Verdict
from spec.tokens.recipes import Recipe, RecipeProblem, read_recipes

__all__ = [
    "LADDER",
    "ForeignKeys",
    "KeyProblem",
    "Policy",
    "Recipe",
    "RecipeProblem",
    "SigningKey",
    "Verdict",
    "VerifyKey",
    "expires_at",
    "foreign_keys",
    "from_jwk",
    "from_jwks",
    "from_pem",
    "hmac_key",
    "judge",
    "mint",
    "next_change",
    "read_keys",
    "read_recipes",
    "why_not_applicable",
]
