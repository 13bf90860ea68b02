"""Minting: from a recipe and a valid token's claims to a token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from spec.tokens import base64url
from spec.tokens.foreign import ForeignKeys
from spec.tokens.keys import SigningKey
from spec.tokens.mangles import ENCODINGS, MANGLES, Minted
from spec.tokens.policy import Policy
from spec.tokens.problems import RecipeProblem
from spec.tokens.recipes import Recipe
from spec.tokens.shapes import SHAPES
from spec.tokens.signers import SIGNERS, Signer
from spec.tokens.values import Surroundings, write

_Part = list[tuple[str, str]]


def mint(
    recipe: Recipe,
    key: SigningKey,
    claims: Mapping[str, object],
    now: float,
    *,
    others: ForeignKeys,
    policy: Policy | None = None,
    token_bytes: int = 4096,
    subject: str = "sub",
) -> str:
    """Mint a token.

    Args:
        recipe: What to mint.
        key: The deployment's key; a name that it has goes into the header.
        claims: The claims of a valid token, with `iss` and `aud` where the deployment looks at them.
        now: Wall-clock seconds since the epoch.
        others: A stranger's keys.
        policy: What the deployment accepts, for recipes that refer to its other keys, its times or its subjects.
        token_bytes: The most characters that a token may have.
        subject: The claim that names the subject.

    Returns:
        The token. It is not always ASCII: see `Recipe.only`.

    Raises:
        RecipeProblem: The recipe refers to what a valid token does not have, or cannot be made so short.
    """
    if recipe.text is not None:
        return recipe.text
    signer = SIGNERS[recipe.sign](key, others)
    names = {} if policy is None else _other_names(policy, key)
    header = _header(recipe, key, signer, Surroundings(_base_header(key, key.alg), now, others, names))
    body = _claims(recipe, subject, Surroundings(claims, now, others, policy=policy))
    draft = _Draft(recipe, signer, header, body)
    if recipe.size is not None:
        target = token_bytes + (1 if recipe.size == "over" else 0)
        draft = _filled(draft, target, at_least=recipe.size == "over")
    return MANGLES[recipe.mangle](draft.minted())


@frozen
class _Draft:
    recipe: Recipe
    signer: Signer
    header: _Part
    claims: _Part

    def minted(self) -> Minted:
        header = self._encoded("header", self.header)
        claims = self._encoded("claims", self.claims)
        signature = self.signer.sign(f"{header}.{claims}".encode())
        return Minted(header, claims, base64url.encode(signature))

    def _encoded(self, part: str, members: _Part) -> str:
        octets = SHAPES[self.recipe.shape.get(part, "plain")](members)
        return ENCODINGS[self.recipe.encoding.get(part, "base64url")](octets)

    def with_fill(self, in_header: int, in_claims: int) -> _Draft:
        header = [*self.header, ("fill", f'"{"x" * in_header}"')]
        claims = [*self.claims, ("fill", f'"{"x" * in_claims}"')]
        return _Draft(self.recipe, self.signer, header, claims)


def _base_header(key: SigningKey, alg: str) -> dict[str, object]:
    # RFC 7519 section 5.1 recommends the capital letters.
    base: dict[str, object] = {"alg": alg, "typ": "JWT"}
    return base if key.kid is None else base | {"kid": key.kid}


def _other_names(policy: Policy, key: SigningKey) -> dict[str, str]:
    found = {"sibling": policy.other_name(key, alike=True), "cousin": policy.other_name(key, alike=False)}
    return {relation: name for relation, name in found.items() if name is not None}


def _header(recipe: Recipe, key: SigningKey, signer: Signer, around: Surroundings) -> _Part:
    members = _base_header(key, signer.alg) | dict(recipe.header)
    return _part(members, recipe.drop_header, recipe.doubled.get("header", {}), around)


def _claims(recipe: Recipe, subject: str, around: Surroundings) -> _Part:
    def named(names: Iterable[str]) -> list[str]:
        return [subject if name == "$subject" else name for name in names]

    edits = dict(zip(named(recipe.claims), recipe.claims.values(), strict=True))
    first = recipe.doubled.get("claims", {})
    doubled = dict(zip(named(first), first.values(), strict=True))
    return _part(dict(around.base) | edits, named(recipe.drop_claims), doubled, around)


def _part(
    members: Mapping[str, object],
    dropped: Iterable[str],
    doubled: Mapping[str, object],
    around: Surroundings,
) -> _Part:
    gone = frozenset(dropped)
    kept = [(name, value) for name, value in members.items() if name not in gone]
    return [(name, write(value, around)) for name, value in (*doubled.items(), *kept)]


def _filled(draft: _Draft, target: int, *, at_least: bool) -> _Draft:
    """Fill a token up to a length; one that is longer already may stay so where `at_least`."""
    bare = len(draft.with_fill(0, 0).minted().compact())
    if bare > target and at_least:
        return draft
    # Four characters carry three octets, and some lengths of a part do not exist; a few octets in the
    # header move the claims to a length that does.
    guess = max(0, (target - bare) * 3 // 4)
    for in_header in range(3):
        for in_claims in range(max(0, guess - 4), guess + 3):
            filled = draft.with_fill(in_header, in_claims)
            if len(filled.minted().compact()) == target:
                return filled
    raise RecipeProblem(f"no token of {target} characters can be made of these claims")
