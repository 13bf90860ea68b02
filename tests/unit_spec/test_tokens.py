"""Tokens: the ladder, the recipes of the documents, and keys."""

import json
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from attrs import evolve
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk as jose_jwk
from joserfc import jwt as jose_jwt
from ruamel.yaml import YAML

from spec import tokens
from spec.compiling import load
from spec.loading.packaged import available
from spec.tokens import (
    LADDER,
    ForeignKeys,
    KeyProblem,
    Policy,
    Recipe,
    RecipeProblem,
    SigningKey,
    VerifyKey,
    base64url,
    foreign_keys,
    hmac_key,
    judge,
    mint,
    next_change,
    why_not_applicable,
)
from spec.tokens.describing import PHRASES, deployments, describe
from spec.tokens.foreign import certificate, jwk
from spec.tokens.mangles import ENCODINGS, MANGLES, Minted
from spec.tokens.needs import NEEDS
from spec.tokens.shapes import SHAPES
from spec.tokens.signers import SIGNERS

NOW = 1_800_000_000.25
ALGORITHMS = ("HS256", "RS256", "ES256")
ISSUER, AUDIENCE = "https://issuer.example", "handfast"
COMMON = Path(__file__).parents[2] / "spec" / "protocols" / "common.yaml"
SECTION: Mapping[str, Any] = YAML(typ="safe", pure=True).load(COMMON)["tokens"]
RULES: Mapping[str, Any] = YAML(typ="safe", pure=True).load(COMMON)["rules"]
RECIPES = tokens.read_recipes(SECTION["recipes"])
BY_NAME = {recipe.name: recipe for recipe in RECIPES}


@lru_cache
def own(alg: str) -> SigningKey:
    """The deployment's key."""
    return foreign_keys(alg).other


@lru_cache
def strangers(alg: str, accepted: frozenset[str] = frozenset()) -> ForeignKeys:
    """A stranger's keys."""
    return foreign_keys(alg, accepted=accepted)


def deployment(alg: str, *, named: bool, strict: bool = True, several: bool = False) -> tuple[SigningKey, Policy]:
    """A key and what its deployment asks; with several keys, one more of the algorithm and one of another."""
    key = own(alg).named("key-1" if named else None)
    issuer, audience = (ISSUER, AUDIENCE) if strict else (None, None)
    keys = (key.verifier(), *(others(alg) if several else ()))
    return key, Policy(keys, ("sub", "exp", "iat"), ("sub",), issuer, audience)


@lru_cache
def others(alg: str) -> tuple[VerifyKey, ...]:
    """Further keys of a deployment; no secret is among them but with HS256."""
    cousin = foreign_keys("RS256" if alg == "ES256" else "ES256").other
    return foreign_keys(alg).other.verifier().named("key-2"), cousin.verifier().named("key-3")


def good(policy: Policy) -> dict[str, object]:
    """The claims of a valid token."""
    claims: dict[str, object] = {"sub": "ana", "iat": int(NOW) - 60, "exp": int(NOW) + 3600}
    return claims | {
        name: value for name, value in (("iss", policy.issuer), ("aud", policy.audience)) if value is not None
    }


def make(recipe: Recipe, key: SigningKey, policy: Policy) -> str:
    """Mint by a recipe."""
    strange = strangers(key.alg, policy.algorithms())
    return mint(recipe, key, good(policy), NOW, others=strange, policy=policy, token_bytes=policy.token_bytes)


def token_of(claims: Mapping[str, object], key: SigningKey, header: Mapping[str, object] | None = None) -> str:
    """A signed token, made without the minting under test."""
    head = json.dumps({"alg": key.alg, **(header or {})}).encode()
    signed = f"{base64url.encode(head)}.{base64url.encode(json.dumps(claims).encode())}"
    return f"{signed}.{base64url.encode(key.sign(signed.encode()))}"


# By algorithm, and whether keys have names, issuer and audience are demanded, and there are several (named) keys.
DEPLOYMENTS = tuple(
    (alg, named, strict, several)
    for alg, named, strict, several in product(ALGORITHMS, (False, True), (False, True), (False, True))
    if named or not several
)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_ends_on_its_step(recipe: Recipe) -> None:
    """Minted for every deployment to which it applies, and for one at least, a token ends on the declared rung."""
    verdicts = set()
    for alg, named, strict, several in DEPLOYMENTS:
        key, policy = deployment(alg, named=named, strict=strict, several=several)
        if why_not_applicable(recipe, key, policy) is None:
            verdict = judge(make(recipe, key, policy), policy, NOW)
            verdicts.add((verdict.step, verdict.group))

    assert verdicts == {(recipe.step, _group(recipe.step))}


def _group(step: str) -> str:
    verdicts = {rung["step"]: rung["verdict"] for rung in SECTION["ladder"]}
    return str({**verdicts, "valid": "valid"}[step])


def test_the_document_has_the_ladder_of_the_code() -> None:
    """The document's rungs are the judge's, in order, and every rung but `absent` has a recipe."""
    assert tuple(rung["step"] for rung in SECTION["ladder"]) == LADDER
    assert {recipe.step for recipe in RECIPES} == {*LADDER[1:], "valid"}
    assert {recipe.name for recipe in RECIPES} >= {"valid", "expired", "not-yet-valid", "wrong-key", "malformed"}


def test_the_levels_of_recipes_are_those_of_their_rules() -> None:
    """A recipe is a SHOULD exactly where ALL-TOKEN-3 is the rule at stake, and cites rules that exist."""
    for recipe in RECIPES:
        assert (recipe.level == "should") == (recipe.rules == ("ALL-TOKEN-3",)), recipe.name
        assert set(recipe.rules) <= set(RULES), recipe.name


def test_the_whole_vocabulary_is_used_or_accounted_for() -> None:
    """A word that no recipe says is not in the vocabulary, save the one whose case the rules leave open."""
    shapes = {name for recipe in RECIPES for name in recipe.shape.values()}
    assert set(SHAPES) - shapes == {"plain"}
    assert set(SIGNERS) == {recipe.sign for recipe in RECIPES}
    assert set(MANGLES) - {recipe.mangle for recipe in RECIPES} == {"malleated"}
    everywhere = [recipe for packaged in available() for recipe in load(packaged.path).recipes]
    assert set(NEEDS) == {need for recipe in everywhere for need in recipe.data.get("needs", ())}


def test_every_word_of_the_vocabulary_has_a_phrase() -> None:
    """But for the word that stands for nothing unusual; and no two recipes are told alike."""
    words = {"sign": SIGNERS, "mangle": MANGLES, "shape": SHAPES, "encoding": ENCODINGS}
    usual = {"sign": "own", "mangle": "none", "shape": "plain", "encoding": "base64url"}
    for key, known in words.items():
        assert set(PHRASES[key]) == set(known) - {usual[key]}, key
    told = Counter((describe(recipe), deployments(recipe)) for recipe in RECIPES)
    assert [text for text, times in told.items() if times > 1] == []
    assert all("\n" not in text for text, _ in told)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("valid", "nothing unusual"),
        ("empty", "nothing at all"),
        ("malformed", "the text `not-a-token`"),
        ("order-none-expired", 'header `alg`: `"none"`; claim `exp`: expired 3,600 s ago; the signature empty'),
        ("doubled-exp-last-past", "claim `exp`: expired 3,600 s ago; claim `exp` twice, the first 3,600 s ahead"),
        ("alg-lower-case", "header `alg`: our `alg`, in lower case"),
        ("audience-within", "claim `aud`: our `aud`, `x ` before it, ` x` behind it"),
        ("audience-object", "claim `aud`: an object that holds our `aud`"),
        ("subject-absent", "no subject"),
        ("kid-of-other-key", "header `kid`: the name of another key of the same algorithm"),
        ("exp-nan", "claim `exp`: `NaN`"),
        ("claims-comment", "the claims: a comment in it"),
        ("size-over", "one character more than allowed"),
    ],
)
def test_a_recipe_in_words(name: str, told: str) -> None:
    """What is unusual about it, from what it says itself."""
    assert describe(BY_NAME[name]) == told


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe.only is None], ids=lambda r: r.name)
def test_a_recipe_for_any_place_is_visible_ascii(recipe: Recipe) -> None:
    """What may stand in a header or a query has no control character, no space and nothing beyond ASCII."""
    named = bool({"kid", "sibling", "cousin"} & {*recipe.needs})
    alg = "HS256" if "symmetric" in recipe.needs else "RS256" if "rsa" in recipe.needs else "ES256"
    key, policy = deployment(alg, named=named, several=named)

    assert all("!" <= letter <= "~" for letter in make(recipe, key, policy))


# -------------------------------------------------------------------------------------------- other implementations


# What neither library looks at in its simplest strict use.
BLIND = {
    **dict.fromkeys(("kid-unknown", "kid-longer", "kid-path", "kid-sql", "kid-empty"), "kid is for the caller"),
    **dict.fromkeys(("doubled-alg", "doubled-alg-same", "doubled-subject"), "json takes the last"),
    "doubled-exp-first-past": "json takes the last",
    **dict.fromkeys(("typ-other", "typ-access-token", "typ-empty"), "typ is for the caller"),
    "size-over": "there is no limit",
}


# Where joserfc is alone with its opinion.
ALONE = {
    "header-unknown-member": "it refuses members that it does not know",
    "size-limit": "it has a limit of its own",
    "crit-empty": "it asks only for names that it does not know",
}


def _pyjwt_takes(token: str, alg: str, key: VerifyKey) -> bool:
    try:
        pyjwt.decode(
            token,
            key.material,
            algorithms=[alg],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["sub", "exp", "iat"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except (pyjwt.PyJWTError, ValueError, TypeError, AttributeError):
        return False
    return True


def _jose(key: VerifyKey) -> Any:
    parameters: Any = {} if key.kid is None else {"kid": key.kid}
    if key.alg == "HS256":
        return jose_jwk.OctKey.import_key(key.material, parameters)
    kind = jose_jwk.RSAKey if key.alg == "RS256" else jose_jwk.ECKey
    return kind.import_key(key.material, parameters)


def _joserfc_takes(token: str, algorithms: list[str], keys: Any) -> bool:
    registry = jose_jwt.JWTClaimsRegistry(
        now=int(NOW),
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        registry.validate(jose_jwt.decode(token, keys, algorithms=algorithms).claims)
    except Exception:  # The library lets what its parsers raise escape.
        return False
    return True


# PyJWT reads the real clock, so that it is only asked for what does not depend on time.
_TIMED = frozenset({"not_yet_valid", "expired"})


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe.step not in _TIMED], ids=lambda r: r.name)
def test_another_library_with_several_keys(recipe: Recipe, alg: str) -> None:
    """Where keys are chosen by name, joserfc judges as the recipe says, or the reason is known."""
    key, policy = deployment(alg, named=True, several=True)
    if why_not_applicable(recipe, key, policy) is not None:
        return
    keys = jose_jwk.KeySet([_jose(one) for one in policy.keys])
    taken = _joserfc_takes(make(recipe, key, policy), sorted(policy.algorithms()), keys)

    assert taken == (recipe.step == "valid") or recipe.name in BLIND | ALONE


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe.step not in _TIMED], ids=lambda r: r.name)
def test_other_libraries_where_they_agree(recipe: Recipe, alg: str) -> None:
    """Where PyJWT and joserfc are of one opinion about a token, the judge shares it, or the reason is known."""
    key, policy = deployment(alg, named=True)
    if why_not_applicable(recipe, key, policy) is not None:
        key, policy = deployment(alg, named=False)
    if why_not_applicable(recipe, key, policy) is not None:
        return
    token = make(recipe, key, policy)
    opinions = {_pyjwt_takes(token, alg, key.verifier()), _joserfc_takes(token, [alg], _jose(key.verifier()))}

    if len(opinions) == 1:
        assert opinions == {recipe.step == "valid" or recipe.name in BLIND}


@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES if recipe.step in _TIMED])
def test_joserfc_shares_the_opinion_about_time(name: str) -> None:
    """A library with a clock of our choice refuses what is early or late."""
    key, policy = deployment("ES256", named=True)
    token = make(BY_NAME[name], key, policy)

    assert not _joserfc_takes(token, ["ES256"], _jose(key.verifier()))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_tokens_of_another_library_are_taken(alg: str) -> None:
    """A token that PyJWT signs is valid here."""
    key, policy = deployment(alg, named=True)
    token = pyjwt.encode(good(policy), key.material, algorithm=alg, headers={"kid": "key-1"})

    assert judge(token, policy, NOW).step == "valid"


# ------------------------------------------------------------------------------------------------------- the judge


@given(st.one_of(st.none(), st.text(), st.lists(st.text(), min_size=3, max_size=3).map(".".join)))
def test_no_text_makes_the_judge_raise(token: str | None) -> None:
    """Any text gets a verdict, and none of them is valid."""
    policy = deployment("ES256", named=True)[1]

    assert judge(token, policy, NOW).step in ("absent", "malformed")


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_HEADER_NAMES = st.sampled_from(["alg", "typ", "kid", "crit", "zip", "b64", "cty", "jwk", "x"])
_CLAIM_NAMES = st.sampled_from(["sub", "exp", "iat", "nbf", "iss", "aud", "x"])


@given(st.dictionaries(_HEADER_NAMES, _JSON), st.dictionaries(_CLAIM_NAMES, _JSON), st.sampled_from(ALGORITHMS))
def test_no_json_makes_the_judge_raise(header: dict[str, object], claims: dict[str, object], alg: str) -> None:
    """Well-signed tokens with any members get a verdict, and the next change of it is later than now."""
    key, policy = deployment(alg, named=True)
    verdict = judge(token_of(good(policy) | claims, key, header), policy, NOW)

    assert verdict.step in {*LADDER[1:], "valid"}
    change = next_change(verdict.claims, policy, NOW)
    assert change is None or change > NOW


@given(st.binary(max_size=300), st.sampled_from(ALGORITHMS))
def test_no_signature_is_valid_by_chance(signature: bytes, alg: str) -> None:
    """Any octets as a signature end on that rung."""
    key, policy = deployment(alg, named=False)
    head = token_of(good(policy), key).rsplit(".", 1)[0]

    assert judge(f"{head}.{base64url.encode(signature)}", policy, NOW).step == "signature"


# One fault per rung, from the first to the last; together they are every pair of faults.
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "malformed": {"header": {"zip": "DEF"}},
    "algorithm": {"header": {"alg": "HS384"}},
    "signature": {"forged": True},
    "claims": {"claims": {"sub": ""}},
    "issuer": {"claims": {"aud": "somebody"}},
    "not_yet_valid": {"claims": {"nbf": int(NOW) + 60}},
    "expired": {"claims": {"exp": int(NOW) - 60}},
}


@pytest.mark.parametrize("second", list(FAULTS))
@pytest.mark.parametrize("first", list(FAULTS))
def test_the_earlier_fault_decides(first: str, second: str) -> None:
    """Of two faults in one token, the one on the earlier rung is the verdict."""
    key, policy = deployment("ES256", named=False)
    faults = [FAULTS[first], FAULTS[second]]
    header = {name: value for fault in faults for name, value in fault.get("header", {}).items()}
    claims = {name: value for fault in faults for name, value in fault.get("claims", {}).items()}
    signer = strangers("ES256").other if any(fault.get("forged") for fault in faults) else key

    verdict = judge(token_of(good(policy) | claims, signer, header), policy, NOW)

    assert verdict.step == min(first, second, key=LADDER.index)


def test_an_absent_token_is_not_an_empty_one() -> None:
    """None is absent, an empty text malformed."""
    policy = deployment("HS256", named=False)[1]

    assert [judge(token, policy, NOW).group for token in (None, "")] == ["absent", "invalid"]


def test_a_rung_can_be_left_out() -> None:
    """A policy with a shorter ladder does not check what it lacks, and one with another order decides by it."""
    policy = deployment("ES256", named=False)[1]
    forged = token_of(good(policy) | {"exp": 1}, strangers("ES256").other)
    careless = evolve(policy, ladder=tuple(step for step in LADDER if step != "signature"))

    assert judge(forged, policy, NOW).step == "signature"
    assert judge(forged, careless, NOW).step == "expired"


@pytest.mark.parametrize("leeway", [0.0, 30.0])
def test_leeway_counts_behind_exp_only(leeway: float) -> None:
    """A token expires at `exp` plus leeway, to the moment, and starts at `nbf` and `iat` without it."""
    key, policy = deployment("HS256", named=False)
    policy = evolve(policy, leeway=leeway)
    token = token_of(good(policy) | {"exp": 2000.5, "nbf": 1000, "iat": 990}, key)

    assert judge(token, policy, 999.9).step == "not_yet_valid"
    assert judge(token, policy, 1000).step == "valid"
    assert judge(token, policy, 2000.4 + leeway).step == "valid"
    assert judge(token, policy, 2000.5 + leeway).step == "expired"


def test_the_next_change_of_a_verdict() -> None:
    """A verdict stands until the last start is reached, then until expiry, then for good."""
    key, policy = deployment("HS256", named=False)
    policy = evolve(policy, leeway=10.0)
    claims = good(policy) | {"iat": 100, "nbf": 200, "exp": 300}
    token = token_of(claims, key)
    changes = [next_change(claims, policy, now) for now in (0.0, 150.0, 200.0, 309.0, 310.0)]

    assert changes == [200, 200, 310, 310, None]
    for change in (200.0, 310.0):
        assert judge(token, policy, change - 0.001).step != judge(token, policy, change).step
    assert next_change({**claims, "aud": "somebody"}, policy, 0.0) is None
    assert next_change({}, policy, 0.0) is None


def test_only_vouched_claims_are_handed_on() -> None:
    """A verdict carries claims once the signature held, also where the token has expired."""
    key, policy = deployment("ES256", named=False)
    verdicts = {
        name: judge(make(BY_NAME[name], key, policy), policy, NOW) for name in ("wrong-key", "expired", "valid")
    }

    assert not verdicts["wrong-key"].claims
    assert verdicts["expired"].claims["sub"] == verdicts["valid"].claims["sub"] == "ana"


def test_reasons_quote_nothing() -> None:
    """No reason has anything of the token in it, nor has the verdict's text."""
    key, policy = deployment("HS256", named=False)
    marked = {"mark": "MARKED", "nbf": "MARKED", "exp": "MARKED", "sub": "MARKED"}
    headers: list[dict[str, object]] = [
        {},
        {"typ": "MARKED"},
        {"kid": ["MARKED"]},
        {"alg": "MARKED"},
        {"crit": ["MARKED"]},
    ]

    for header in headers:
        assert "MARKED" not in repr(judge(token_of(good(policy) | marked, key, header), policy, NOW))
    assert "MARKED" not in repr(judge("MARKED.MARKED.MARKED", policy, NOW))


HARD = {
    "a byte order mark": b'\xef\xbb\xbf{"sub":"ana"}',
    "an unpaired surrogate": b'{"sub":"\\ud800"}',
    "an unpaired surrogate in a name": b'{"\\udfff":1}',
    "a number beyond a double": b'{"exp":1e400}',
    "an integer beyond a double": b'{"exp":1' + b"0" * 400 + b"}",
    "doubled members deep down": b'{"a":[{"b":1,"b":1}]}',
    "doubled members by escape": b'{"sub":"ana","\\u0073ub":"bob"}',
    "UTF-16": '{"sub":"ana"}'.encode("utf-16"),
    "deep nesting": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("octets", HARD.values(), ids=HARD)
def test_what_no_recipe_says_is_refused_too(octets: bytes) -> None:
    """The judge is as strict as I-JSON, also where the rules bind nobody."""
    key, policy = deployment("HS256", named=False)
    policy = evolve(policy, token_bytes=1_000_000)
    header = base64url.encode(b'{"alg":"HS256"}')
    signed = f"{header}.{base64url.encode(octets)}"

    assert judge(f"{signed}.{base64url.encode(key.sign(signed.encode()))}", policy, NOW).step == "malformed"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_token_has_one_spelling(alg: str) -> None:
    """Bits behind the last octet of the signature make a token malformed."""
    key, policy = deployment(alg, named=False)
    parts = token_of(good(policy), key).split(".")

    assert judge(MANGLES["malleated"](Minted(*parts)), policy, NOW).step == "malformed"


def test_names_choose_among_keys() -> None:
    """A token with a key's name is checked by that key alone, one without a name by all."""
    one, two = hmac_key(b"1" * 32, "one"), hmac_key(b"2" * 32, "two")
    policy = Policy((one.verifier(), two.verifier()))
    claims = {"sub": "ana", "exp": NOW + 60}

    assert judge(token_of(claims, two, {"kid": "two"}), policy, NOW).step == "valid"
    assert judge(token_of(claims, two, {"kid": "one"}), policy, NOW).step == "signature"
    assert judge(token_of(claims, two), policy, NOW).step == "valid"


def test_algorithms_do_not_mix() -> None:
    """A deployment of two algorithms verifies each by its own keys."""
    secret, private = hmac_key(b"1" * 32), own("ES256")
    policy = Policy((secret.verifier(), private.verifier()))
    confused = hmac_key(b"x").named(None)
    confused = evolve(confused, material=private.verifier().material)

    assert judge(token_of({"sub": "ana", "exp": NOW + 60}, private), policy, NOW).step == "valid"
    assert judge(token_of({"sub": "ana", "exp": NOW + 60}, confused), policy, NOW).step == "signature"


# --------------------------------------------------------------------------------------------------------- recipes


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "x", "step": "malformed", "rules": ["R"], "heder": {}},
        {"name": "x", "step": "nowhere", "rules": ["R"]},
        {"name": "x", "step": "valid", "rules": "R"},
        {"name": "x", "step": "valid", "rules": ["R"], "sign": "nobody"},
        {"name": "x", "step": "valid", "rules": ["R"], "needs": ["luck"]},
        {"name": "x", "step": "valid", "rules": ["R"], "shape": {"signature": "array"}},
        {"name": "x", "step": "valid", "rules": ["R"], "doubled": {"claims": 1}},
        {"name": "x", "step": "valid"},
    ],
)
def test_an_entry_outside_the_vocabulary_is_a_problem(entry: dict[str, object]) -> None:
    """A wrong entry is refused by name."""
    with pytest.raises(RecipeProblem, match="'x'"):
        Recipe.from_entry(entry)


def test_two_recipes_of_one_name_are_a_problem() -> None:
    """Names are unique."""
    entry = {"name": "x", "step": "valid", "rules": ["R"]}
    with pytest.raises(RecipeProblem, match="two recipes"):
        tokens.read_recipes([entry, entry])


@pytest.mark.parametrize(
    "value", [{"now": "x"}, {"now": 1, "as": "hex"}, {"base": "nothing"}, {"embed": "x"}, {"now": 1, "x": 1}]
)
def test_an_operation_outside_the_vocabulary_is_a_problem(value: object) -> None:
    """A wrong operation is refused when minting."""
    key, policy = deployment("HS256", named=False)
    with pytest.raises(RecipeProblem):
        make(evolve(BY_NAME["valid"], claims={"x": value}), key, policy)


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("token_bytes", [900, 901, 902, 903, 4096])
def test_sizes_are_exact(alg: str, token_bytes: int) -> None:
    """The longest token allowed has exactly as many characters, the shortest too long one more."""
    key, policy = deployment(alg, named=True)
    policy = evolve(policy, token_bytes=token_bytes)

    assert len(make(BY_NAME["size-limit"], key, policy)) == token_bytes
    assert len(make(BY_NAME["size-over"], key, policy)) == token_bytes + 1


def test_another_subject_claim() -> None:
    """Where another claim names the subject, the recipes edit that one."""
    key = own("HS256")
    policy = Policy((key.verifier(),), ("userId", "exp"), ("userId",), subject="userId")
    claims = {"userId": "ana", "exp": NOW + 60}
    for recipe in (BY_NAME[name] for name in ("subject-absent", "subject-empty", "doubled-subject")):
        token = mint(recipe, key, claims, NOW, others=strangers("HS256"), subject="userId")

        assert judge(token, policy, NOW).step == recipe.step


def test_a_recipe_says_why_it_does_not_apply() -> None:
    """A need that is not met has a reason."""
    policy = deployment("HS256", named=False, strict=False)[1]
    reasons = Counter(why_not_applicable(recipe, own("HS256"), policy) for recipe in RECIPES)

    assert set(reasons) == {
        None,
        "the key is a shared secret",
        "the key is no RSA key",
        "the key is on no curve",
        "no issuer is configured",
        "no audience is configured",
        "the key has no name",
        "no other such key has a name",
        "keys are of one algorithm",
    }
    keys = tuple(own(alg).verifier() for alg in ALGORITHMS)
    assert why_not_applicable(BY_NAME["alg-alien"], own("HS256"), Policy(keys)) == "every algorithm is accepted"


# ------------------------------------------------------------------------------------------------------------ keys


def _pem(key: Any, *, public: bool) -> bytes:
    if public:
        return bytes(key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    return bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()))


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_both_halves_of_a_pem_key_fit(alg: str) -> None:
    """What a private PEM signs, the public one verifies, and it is the private one's verifier."""
    key: Any = rsa.generate_private_key(65537, 2048) if alg == "RS256" else ec.generate_private_key(ec.SECP256R1())
    private = tokens.from_pem(_pem(key, public=False), "k")
    public = tokens.from_pem(_pem(key, public=True), "k")

    assert isinstance(private, SigningKey)
    assert private.alg == alg
    assert public == private.verifier()
    assert private.verifier().verify(b"data", private.sign(b"data"))
    assert not private.verifier().verify(b"date", private.sign(b"data"))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_keys_come_back_from_a_jwk(alg: str) -> None:
    """A key written as a JWK is read as the same verifier."""
    read = tokens.from_jwk(jwk(own(alg)) | {"kid": "k"})

    assert (read.verifier() if isinstance(read, SigningKey) else read) == own(alg).verifier().named("k")


def test_a_private_jwk_signs() -> None:
    """A JWK with its private member is a signing key."""
    members = jose_jwk.ECKey.generate_key("P-256").as_dict(private=True)
    key = tokens.from_jwk(members)

    assert isinstance(key, SigningKey)
    assert key.verifier().verify(b"data", key.sign(b"data"))


def test_a_file_of_keys_says_itself_what_it_is() -> None:
    """A PEM file, a JWK and a JWKS are told apart by their content; a JWK's name is the key's."""
    one, two = jwk(own("ES256")) | {"kid": "one"}, jwk(own("RS256")) | {"kid": "two"}

    assert [key.alg for key in tokens.read_keys(own("RS256").material)] == ["RS256"]
    assert [key.kid for key in tokens.read_keys(json.dumps(one).encode())] == ["one"]
    assert [(key.alg, key.kid) for key in tokens.read_keys(json.dumps({"keys": [one, two]}).encode())] == [
        ("ES256", "one"),
        ("RS256", "two"),
    ]


def test_a_set_passes_over_what_is_not_supported() -> None:
    """Of a JWKS the usable keys are taken; with none it is a problem."""
    stranger = {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}

    assert len(tokens.from_jwks({"keys": [stranger, jwk(own("ES256"))]})) == 1
    unusable: list[dict[str, object]] = [{"keys": [stranger]}, {"keys": []}, {"keys": 1}, {}]
    for empty in unusable:
        with pytest.raises(KeyProblem):
            tokens.from_jwks(empty)


_EC384 = ec.generate_private_key(ec.SECP384R1())
_ED25519 = ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    "load",
    [
        lambda: hmac_key(""),
        lambda: hmac_key(own("ES256").verifier().material),
        lambda: tokens.from_pem(b"SECRETSECRET"),
        lambda: tokens.from_pem(b"-----BEGIN PRIVATE KEY-----\nSECRETSECRET\n-----END PRIVATE KEY-----"),
        lambda: tokens.from_pem(_pem(_EC384, public=True)),
        lambda: tokens.from_pem(_pem(_ED25519, public=True)),
        lambda: tokens.read_keys(b"SECRETSECRET"),
        lambda: tokens.read_keys(b"[]"),
        lambda: tokens.read_keys(b"{}"),
        lambda: tokens.read_keys(b'{"keys": "SECRETSECRET"}'),
        lambda: tokens.read_keys(b'{"kty": "oct", "k": "SECRETSECRET", "k": "SECRETSECRET"}'),
        lambda: tokens.from_jwk({"kty": "oct", "k": "SECRETSECRET="}),
        lambda: tokens.from_jwk({"kty": "oct", "k": ["SECRETSECRET"]}),
        lambda: tokens.from_jwk({"kty": "oct", "k": "AAAA", "alg": "SECRETSECRET"}),
        lambda: tokens.from_jwk({"kty": "RSA", "n": "SECRETSECRET"}),
        lambda: tokens.from_jwk({"kty": "EC", "crv": "P-256", "x": 1, "y": {}}),
        lambda: tokens.from_jwk({"kty": ["oct"]}),
        lambda: tokens.from_jwk({"kty": "oct", "k": "AAAA", "kid": 1}),
        lambda: tokens.from_jwk({"kty": "oct", "k": "AAAA", "use": "enc"}),
    ],
)
def test_a_bad_key_is_one_line_without_material(load: Any) -> None:
    """Whatever is wrong with a key, the text is one line, shows none of it, and hides no cause that does."""
    with pytest.raises(KeyProblem) as caught:
        load()

    text = str(caught.value)
    assert text
    assert "\n" not in text
    assert "SECRET" not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_keys_do_not_show_themselves() -> None:
    """The text of a key has no material in it."""
    key = hmac_key("SECRETSECRETSECRETSECRETSECRETSECRET")

    assert "SECRET" not in repr(key) + repr(key.verifier()) + repr(Policy((key.verifier(),)))


def test_a_certificate_is_of_its_key() -> None:
    """What `x5c` carries is a certificate for the stranger's key."""
    import base64

    from cryptography import x509

    key = own("RS256")
    public = x509.load_der_x509_certificate(base64.b64decode(certificate(key, NOW))).public_key()

    assert public.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo) == key.verifier().material
