"""The tokens of a run: minted for symbols, and judged by what they were minted to be.

The suite never asks a ladder of checks about its own tokens: each recipe says on which rung its token ends, so a
fault in the ladder that the reference server uses cannot hide here.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from conformance.sieve import Sieve
from conformance.tokensources import Given, Source
from spec.model import Document
from spec.model import Recipe as Entry
from spec.tokens import ForeignKeys, Recipe, SigningKey, foreign_keys, hmac_key, mint, why_not_applicable
from spec.tokens.algorithms import SYMMETRIC
from spec.tokens.policy import Policy

__all__ = ["Lapsed", "Minted", "TokenBook", "Unavailable", "claims_of"]


_BY_TIME = ("expired", "grace")
_UNVOUCHED = frozenset({"malformed", "algorithm", "signature"})
"""The steps at which nobody stands behind a token's claims yet."""

_BY_CLAIMS = ("valid", "subject", *_BY_TIME)
"""The steps of a ladder that ask for the time, and those on which a token ends that is otherwise as it should be."""


class Unavailable(Exception):
    """The target file gives no way to get this token; the text says what is missing."""


class Lapsed(Exception):
    """The token that was given has expired, and no other could be had."""


@frozen
class Minted:
    """A token and what it is: `step` is `valid` or the rung on which it ends."""

    text: str = field(repr=False)
    subject: str
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
        keys: Sequence[SigningKey] = (),
        source: Source | None = None,
        policy: Policy,
        points_to: Callable[[str], str | None] = lambda subject: None,
    ) -> None:
        self.document = document
        self.keys = tuple(keys)
        self.source = source
        self.given: str | None = None
        self.unrenewed: str | None = None
        self.policy = policy
        self.ahead = 0.0
        """How far the clock by which the book is asked is ahead of this machine's."""
        self._points_to = points_to
        self._recipes = {entry.name: Recipe.from_entry(entry.data) for entry in document.recipes}
        self._groups = document.verdicts
        self._known: dict[str, Minted] = {}
        # Tokens that fail before their signature is looked at need a key, but not the deployment's.
        self._stand_in = hmac_key(os.urandom(32))
        self._strangers: dict[str, ForeignKeys] = {}
        self._rehearsed: dict[tuple[str, str, float], Minted] = {}
        self._claims: Mapping[str, Any] = {}
        self._ours: float | None = None
        self.sieve = Sieve(key.material.decode(errors="replace") for key in self.keys if key.alg in SYMMETRIC)
        if source is not None:
            self.sieve.add(source.secrets)
            self.renew(source.fetch())

    def renew(self, given: Given) -> None:
        """Hand out another token from now on; the sieve keeps the one before too."""
        self.sieve.add([given.text])
        self.given, self.unrenewed, self._ours = given.text, None, given.ours
        claims = claims_of(given.text)
        # What no server can read off the token, its issuer may have told.
        self._claims = claims if given.theirs is None or "exp" in claims else {**claims, "exp": given.theirs}

    @property
    def expires(self) -> float | None:
        """When the token that was given expires, on the suite's clock; None where nobody says."""
        end = self._claims.get("exp")
        if isinstance(end, int | float):
            return end
        return None if self._ours is None else self._ours + self.ahead

    def lapsed(self, now: float) -> str | None:
        """Why nothing can be said by the token that was given, where that is so: it has expired."""
        if self.given is None or self.expires is None or now < self.expires:
            return None
        return f"the token that was given has expired: {self.unrenewed or 'give one that is valid, or its source'}"

    @property
    def issued(self) -> tuple[Any, Any, float | None]:
        """What the token that was given says of its issuer's clock: `iat` and `exp`, and the latter by our clock."""
        return self._claims.get("iat"), self._claims.get("exp"), self._ours

    @property
    def tier(self) -> str:
        """What of tokens can be had: `nothing`, `token` or `mint`."""
        return "mint" if self.keys else "token" if self.given else "nothing"

    def one_of_each(self) -> list[int]:
        """The numbers of the first keys of their algorithms."""
        algorithms = [key.alg for key in self.keys]
        return [number for number, alg in enumerate(algorithms) if alg not in algorithms[:number]]

    def keyless(self, name: str) -> bool:
        """Whether a recipe needs no key of the deployment: it fails before or at the signature."""
        recipe = self._recipes[name]
        return recipe.step == "malformed" or (recipe.step == "signature" and recipe.sign == "other")

    def applicable(self, entry: Entry, number: int = 0) -> str | None:
        """Why a recipe means nothing to this deployment when signed with its key of a number, or None."""
        return why_not_applicable(self._recipes[entry.name], self._key(number), self.policy)

    def only_message(self, entry: Entry) -> bool:
        """Whether a recipe's token cannot stand in a header or a query."""
        return self._recipes[entry.name].only == "message"

    def get(self, wanted: Mapping[str, Any], subject: str, now: float) -> Minted:
        """The token that a symbol asks for, with a life of at least `left` seconds from now.

        `key` is the number of the key that signs it, 0 where none is asked for.

        Raises Unavailable where this deployment's tokens cannot be had, Lapsed where they could be had before.
        """
        name = wanted["recipe"]
        if not self.keys and not self.keyless(name):
            if self.given is None:
                raise Unavailable("no token can be had: give --secret or --key, or [tokens] in the target file")
            if name != "valid" or "left" in wanted:
                raise Unavailable("the token that was given cannot be changed; a minting key is needed")
            return self._hand_out(subject, now)
        number = int(wanted.get("key", 0))
        if number and number >= len(self.keys):
            raise Unavailable(f"the deployment's key {number + 1} is not given; its private half is needed")
        return self._mint(wanted, subject, now)

    def _hand_out(self, subject: str, now: float) -> Minted:
        """The token that was given; one that has expired would only show how expired ones are refused."""
        assert self.given is not None
        if why := self.lapsed(now):
            raise Lapsed(why)
        claims = self._claims
        if "exp" not in claims and self._ours is not None:
            claims = {**claims, "exp": self.expires}
        return self._note(self.given, subject, "valid", claims)

    def rehearse(self, wanted: Mapping[str, Any], subject: str, now: float) -> Minted:
        """The token that a rehearsal asks for, with a key of our own where the deployment's is not known.

        Rehearsals begin at one moment and ask for the same tokens again and again; asymmetric signatures take time.
        """
        asked = (json.dumps(wanted, sort_keys=True), subject, now)
        if asked not in self._rehearsed:
            self._rehearsed[asked] = self._mint(wanted, subject, now)
        return self._rehearsed[asked]

    def _key(self, number: int) -> SigningKey:
        return self.keys[number] if self.keys else self._stand_in

    def _others(self, key: SigningKey, subject: str) -> ForeignKeys:
        if key.alg not in self._strangers:
            self._strangers[key.alg] = foreign_keys(key.alg, accepted=self.policy.algorithms())
        found = self._strangers[key.alg]
        address = self._points_to(subject)
        return found if address is None else evolve(found, url=address)

    @property
    def fetching(self) -> tuple[str, ...]:
        """The rules that a target breaks which fetches keys from where a token points."""
        return tuple(dict.fromkeys(r for recipe in self._recipes.values() if recipe.points for r in recipe.rules))

    def _mint(self, wanted: Mapping[str, Any], subject: str, now: float) -> Minted:
        recipe = self._recipes[wanted["recipe"]]
        claims = self._base(subject, wanted, recipe.step, now)
        key = self._key(int(wanted.get("key", 0)))
        text = mint(
            recipe,
            key,
            claims,
            now,
            others=self._others(key, subject),
            policy=self.policy,
            token_bytes=self.policy.token_bytes,
            subject=self.document.claims.get("subject", "sub"),
        )
        vouched = recipe.step in _BY_CLAIMS
        return self._note(text, subject, recipe.step, {**claims, **claims_of(text)} if vouched else claims)

    def _base(self, subject: str, wanted: Mapping[str, Any], step: str, now: float) -> dict[str, Any]:
        left = float(wanted.get("left", 3600.0))
        if self._groups.get(step) in self.document.accepting:
            # Its time is over but for a while, the end of which `left` counts to.
            past = self.policy.reach("expired")
            left = min(left, past - self.policy.reach(step) - 1.0) if "left" not in wanted else left
            left -= past
        # `exp` is rounded up to a whole second unless a fraction is asked for: a NumericDate with a fraction is a
        # case of its own, and no timer is to be judged by how a server rounds.
        expires: float = now + left if wanted.get("fraction") else math.ceil(now + left)
        claims: dict[str, Any] = {
            self.document.claims.get("subject", "sub"): subject,
            "iat": min(int(now), math.floor(expires)) - 1,
            "exp": expires,
            "jti": str(wanted.get("label", "")),
        }
        for name in self.document.claims.get("strings", ()):
            claims.setdefault(name, f"handfast-{name}")
        claims |= wanted.get("claims", {})
        if self.policy.issuer is not None:
            claims["iss"] = self.policy.issuer
        if self.policy.audience is not None:
            claims["aud"] = self.policy.audience
        return claims

    def _note(self, text: str, subject: str, step: str, claims: Mapping[str, Any]) -> Minted:
        group = "valid" if step == "valid" else self._groups.get(step, "invalid")
        self._known[text] = minted = Minted(text, subject, step, group, claims)
        return minted

    def judge(self, text: str | None, now: float) -> _Verdict:
        """What the rules say of a token of this book at a moment; one that it does not know is malformed."""
        if text is None:
            return _Verdict("absent", {})
        minted = self._known.get(text)
        if minted is None:
            return _Verdict("invalid", {})
        if minted.step in _UNVOUCHED:
            return _Verdict(minted.group, {})
        if minted.step not in _BY_CLAIMS:
            return _Verdict(minted.group, claims_of(text))
        return _Verdict(self._by_claims(minted, now), dict(minted.claims))

    def _by_claims(self, minted: Minted, now: float) -> str:
        """The verdict on a token of which only time and subject are in question."""
        expires = minted.claims.get("exp")
        subject = minted.claims.get(self.policy.subject)
        for step, verdict in self._groups.items():
            over = isinstance(expires, int | float) and now >= expires + self.policy.reach(step)
            if (over and step in _BY_TIME) or (step == "subject" and not self.policy.exists(subject)):
                return verdict
        return "valid"

    def learn(self, text: str, step: str, claims: Mapping[str, Any]) -> None:
        """Take a token that others minted for what they tell of it: the step that it ends on, and its claims."""
        self._note(text, str(claims.get(self.policy.subject, "")), step, claims)

    def known(self) -> Mapping[str, Minted]:
        """Every token of the book."""
        return dict(self._known)

    def moments(self, minted: Minted) -> list[float]:
        """When the verdict of a token changes."""
        expires = minted.claims.get("exp")
        if not isinstance(expires, int | float):
            return []
        return [expires + self.policy.reach(step) for step in self._groups if step in _BY_TIME]


def claims_of(text: str) -> dict[str, Any]:
    """The claims of a compact JWS, unverified; none of what is none."""
    try:
        part = text.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}
