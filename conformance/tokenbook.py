"""The tokens of a run: minted for symbols, and judged by what they were minted to be.

The suite never asks a ladder of checks about its own tokens: each recipe says on which rung its token ends, so a
fault in the ladder that the reference server uses cannot hide here.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from spec.model import Document
from spec.model import Recipe as Entry
from spec.tokens import ForeignKeys, Recipe, SigningKey, foreign_keys, mint, why_not_applicable
from spec.tokens.policy import Policy

__all__ = ["Minted", "TokenBook", "Unavailable"]


class Unavailable(Exception):
    """The target file gives no way to get this token; the text says what is missing."""


@frozen
class Minted:
    """A token and what it is: `step` is `valid` or the rung on which it ends."""

    text: str = field(repr=False)
    step: str
    group: str
    claims: Mapping[str, Any]


@frozen
class _Verdict:
    group: str
    claims: Mapping[str, Any]


class TokenBook:
    """Mints the tokens of a deployment, or hands out the one that it was given."""

    def __init__(
        self,
        document: Document,
        *,
        key: SigningKey | None = None,
        given: str | None = None,
        policy: Policy,
        leeway: float = 0.0,
        token_bytes: int = 4096,
        skew: float = 0.0,
    ) -> None:
        self.document = document
        self.key = key
        self.given = given
        self.policy = policy
        self.leeway = leeway
        self.skew = skew
        self._token_bytes = token_bytes
        self._recipes = {entry.name: Recipe.from_entry(entry.data) for entry in document.recipes}
        self._groups = document.verdicts
        self._known: dict[str, Minted] = {}
        # Tokens that fail before their signature is looked at need a key, but not the deployment's.
        self._stand_in = foreign_keys(key.alg if key else "HS256")
        self._foreign: ForeignKeys = foreign_keys(key.alg) if key else self._stand_in

    @property
    def tier(self) -> str:
        """What of tokens can be had: `nothing`, `token` or `mint`."""
        return "mint" if self.key else "token" if self.given else "nothing"

    def keyless(self, name: str) -> bool:
        """Whether a recipe needs no key of the deployment: it fails before or at the signature."""
        recipe = self._recipes[name]
        return recipe.step == "malformed" or (recipe.step == "signature" and recipe.sign == "other")

    def applicable(self, entry: Entry) -> str | None:
        """Why a recipe means nothing to this deployment, or None."""
        return why_not_applicable(self._recipes[entry.name], self.key.alg if self.key else "HS256", self.policy)

    def only_message(self, entry: Entry) -> bool:
        """Whether a recipe's token cannot stand in a header or a query."""
        return self._recipes[entry.name].only == "message"

    def get(self, wanted: Mapping[str, Any], subject: str, now: float) -> Minted:
        """The token that a symbol asks for, with a life of at least `left` seconds from now.

        Raises Unavailable where this deployment's tokens cannot be had.
        """
        name = wanted["recipe"]
        if self.key is None and not self.keyless(name):
            if self.given is None:
                raise Unavailable("no token can be had: give --secret, or [tokens] in the target file")
            if name != "valid" or "left" in wanted:
                raise Unavailable("the token that was given cannot be changed; a minting key is needed")
            return self._note(self.given, "valid", _claims(self.given))
        return self.mint(wanted, subject, now)

    def mint(self, wanted: Mapping[str, Any], subject: str, now: float) -> Minted:
        """Mint a token, with a key of our own where the deployment's is not known: enough for a rehearsal."""
        name = wanted["recipe"]
        recipe = self._recipes[name]
        claims = self._base(subject, wanted, now + self.skew)
        key = self.key or self._stand_in.other
        text = mint(
            recipe,
            key,
            claims,
            now + self.skew,
            others=self._foreign,
            token_bytes=self._token_bytes,
            subject=self.document.claims.get("subject", "sub"),
        )
        return self._note(text, recipe.step, {**claims, **_claims(text)} if recipe.step == "valid" else claims)

    def _base(self, subject: str, wanted: Mapping[str, Any], now: float) -> dict[str, Any]:
        left = float(wanted.get("left", 3600.0))
        # `exp` is rounded up to a whole second unless a fraction is asked for: a NumericDate with a fraction is a
        # case of its own, and no timer is to be judged by how a server rounds.
        expires: float = now + left if wanted.get("fraction") else math.ceil(now + left)
        claims: dict[str, Any] = {
            self.document.claims.get("subject", "sub"): subject,
            "iat": int(now) - 1,
            "exp": expires,
            "jti": str(wanted.get("label", "")),
        }
        if self.policy.issuer is not None:
            claims["iss"] = self.policy.issuer
        if self.policy.audience is not None:
            claims["aud"] = self.policy.audience
        return claims

    def _note(self, text: str, step: str, claims: Mapping[str, Any]) -> Minted:
        group = "valid" if step == "valid" else self._groups.get(step, "invalid")
        self._known[text] = minted = Minted(text, step, group, claims)
        return minted

    def judge(self, text: str | None, now: float) -> _Verdict:
        """What the rules say of a token of this book at a moment; one that it does not know is malformed."""
        if text is None:
            return _Verdict("absent", {})
        minted = self._known.get(text)
        if minted is None:
            return _Verdict("invalid", {})
        expires = minted.claims.get("exp")
        if minted.group == "valid" and isinstance(expires, int | float) and now + self.skew >= expires + self.leeway:
            return _Verdict("expired", minted.claims)
        claims = dict(minted.claims)
        if isinstance(expires, int | float):
            # The machine runs on the suite's clock; the claims are written in the server's.
            claims["exp"] = expires - self.skew
        return _Verdict(minted.group, claims)

    def moments(self, minted: Minted) -> list[float]:
        """When the verdict of a token changes, on the suite's clock."""
        expires = minted.claims.get("exp")
        return [expires - self.skew + self.leeway] if isinstance(expires, int | float) else []


def _claims(text: str) -> dict[str, Any]:
    """The claims of a compact JWS, unverified: the suite reads what it minted or was given."""
    try:
        part = text.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}
