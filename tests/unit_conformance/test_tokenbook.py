"""The tokens of a run: what can be had in each tier, and what the book says of its own tokens over time."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from attrs import frozen

from conformance.tokenbook import TokenBook, Unavailable
from conformance.tokensources import Given
from spec.tokens import SigningKey, foreign_keys, hmac_key, judge
from spec.tokens.policy import Policy
from tests.unit_conformance.kit import SECRET, arranged

NOW = 1_800_000_000.0
KEY = hmac_key(SECRET)
# As another party minted it: it expires five minutes from now.
GIVEN = jwt.encode({"sub": "given", "iat": NOW - 10, "exp": NOW + 300}, SECRET, "HS256")


@frozen
class Fixed:
    """A source that gives one token for ever."""

    given: Given
    name = "env"
    renews = False
    secrets = ()

    def fetch(self) -> Given:
        return self.given


def book(*keys: SigningKey, token: str | None = None, leeway: float = 0.0, **more: Any) -> TokenBook:
    """A book of chat."""
    policy = Policy(tuple(key.verifier() for key in keys), ("sub", "exp", "iat"), ("sub",), "iss", "aud", leeway)
    source = Fixed(Given(token)) if token else None
    return TokenBook(arranged().target.document, keys=keys, source=source, policy=policy, **more)


def test_with_a_key_every_recipe_can_be_had() -> None:
    """Each token is of the group that its recipe names, and those that should be are as the ladder judges them."""
    mint = book(KEY)
    assert mint.tier == "mint"
    seen: dict[str, int] = {}
    for entry in mint.document.recipes:
        if mint.applicable(entry) is not None:
            continue
        minted = mint.get({"recipe": entry.name}, "ana", NOW)
        verdict = judge(minted.text, mint.policy, NOW)
        assert mint.judge(minted.text, NOW).group == minted.group == verdict.group, entry.name
        assert minted.step == verdict.step, entry.name
        seen[minted.group] = seen.get(minted.group, 0) + 1

    assert set(seen) == {"valid", "invalid", "expired"}
    assert min(seen.values()) > 3


def test_every_key_of_a_deployment_mints() -> None:
    """By its number, with its name and algorithm; recipes about other keys find one, of its algorithm or another."""
    first, second = (foreign_keys("ES256").other.named(name) for name in ("first", "second"))
    several = book(first, second, KEY.named("third"))
    assert several.one_of_each() == [0, 2]
    headers = [jwt.get_unverified_header(several.get({"recipe": "valid", "key": n}, "ana", NOW).text) for n in range(3)]

    assert [(header["alg"], header["kid"]) for header in headers] == [
        ("ES256", "first"),
        ("ES256", "second"),
        ("HS256", "third"),
    ]
    assert several.get({"recipe": "valid"}, "ana", NOW).text.startswith(
        several.get({"recipe": "valid", "key": 0}, "ana", NOW).text.partition(".")[0]
    ), "the first where none is asked for"
    named = {
        recipe: jwt.get_unverified_header(several.get({"recipe": recipe, "key": 1}, "ana", NOW).text)["kid"]
        for recipe in ("kid-of-other-key", "kid-of-other-algorithm")
    }
    assert named == {"kid-of-other-key": "first", "kid-of-other-algorithm": "third"}
    why = {entry.name: several.applicable(entry, 2) for entry in several.document.recipes}
    assert why["kid-of-other-key"] == "no other such key has a name"
    assert why["kid-of-other-algorithm"] is None


def test_a_key_that_is_not_given_cannot_sign() -> None:
    """A failure that was saved with more keys than a replay has is not applicable there, and no fault of the suite."""
    with pytest.raises(Unavailable, match="key 3 is not given"):
        book(KEY).get({"recipe": "valid", "key": 2}, "ana", NOW)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_recipe_by_every_key(number: int) -> None:
    """What the book says of a token is what the ladder says of it, whichever of several keys signed."""
    keys = (foreign_keys("RS256").other.named("a"), foreign_keys("RS256").other.named("b"))
    several = book(*keys, foreign_keys("ES256").other.named("c"))
    for entry in several.document.recipes:
        if several.applicable(entry, number) is None:
            minted = several.get({"recipe": entry.name, "key": number}, "ana", NOW)
            assert judge(minted.text, several.policy, NOW).step == minted.step, entry.name


def test_rehearsals_share_their_tokens() -> None:
    """The same words at the same moment give the same token, and a run's own tokens are others."""
    minting = book(foreign_keys("ES256").other)
    first, again = (minting.rehearse({"recipe": "valid"}, "ana", NOW) for _ in range(2))

    assert first is again
    assert minting.rehearse({"recipe": "valid"}, "ana", NOW + 1).text != first.text
    assert minting.get({"recipe": "valid"}, "ana", NOW).text != first.text, "ECDSA signs differently each time"


def test_a_minted_token_is_for_its_subject_and_its_deployment() -> None:
    """It names the subject, the issuer and the audience, is signed with the key, and lives as long as was asked."""
    minted = book(KEY).get({"recipe": "valid", "left": 30.0, "label": "first"}, "ana", NOW + 0.4)
    claims = jwt.decode(
        minted.text,
        SECRET,
        ["HS256"],
        options={"verify_exp": False, "verify_iat": False},
        audience="aud",
    )

    assert (claims["sub"], claims["iss"], claims["aud"]) == ("ana", "iss", "aud")
    assert claims["exp"] == NOW + 31, "rounded up to a whole second"
    assert claims["iat"] == NOW - 1
    exact = book(KEY).get({"recipe": "valid", "left": 30.0, "fraction": True}, "ana", NOW + 0.25)
    assert exact.claims["exp"] == NOW + 30.25


def test_tokens_of_different_words_are_different() -> None:
    """A label tells two tokens apart that are otherwise the same."""
    minting = book(KEY)
    texts = {minting.get({"recipe": "valid", "label": label}, "ana", NOW).text for label in ("", "a", "b")}

    assert len(texts) == 3


def test_with_a_token_that_was_given_only_it_can_be_had() -> None:
    """It stands for every valid token, as it is; nothing can be changed of it, and forged ones need no key."""
    given = book(token=GIVEN)
    assert given.tier == "token"
    minted = given.get({"recipe": "valid", "subject": "whoever"}, "whoever", NOW)
    assert (minted.text, minted.claims["sub"], minted.claims["exp"]) == (GIVEN, "given", NOW + 300)
    assert given.get({"recipe": "valid", "label": "again"}, "ana", NOW).text == GIVEN
    for wanted in ({"recipe": "valid", "left": 5}, {"recipe": "expired"}, {"recipe": "not-yet-valid"}):
        with pytest.raises(Unavailable, match="cannot be changed; a minting key is needed"):
            given.get(wanted, "ana", NOW)
    for name in ("malformed", "wrong-key"):
        assert given.get({"recipe": name}, "ana", NOW).group == "invalid"


def test_with_nothing_only_what_needs_no_key_can_be_had() -> None:
    """The rest says what to give."""
    nothing = book()
    assert nothing.tier == "nothing"
    for name in ("malformed", "wrong-key", "alg-none"):
        assert nothing.get({"recipe": name}, "ana", NOW).group == "invalid"
    for name in ("valid", "expired", "not-yet-valid", "subject-absent"):
        with pytest.raises(Unavailable, match="give --secret or --key"):
            nothing.get({"recipe": name}, "ana", NOW)


def test_what_needs_no_key_is_never_signed_with_a_deployments() -> None:
    """A recipe that is had without a key ends at its signature or before, whatever the key."""
    minting = book(KEY)
    able = [entry.name for entry in minting.document.recipes if minting.applicable(entry) is None]
    keyless = [name for name in able if minting.keyless(name)]
    steps = {minting.rehearse({"recipe": name}, "ana", NOW).step for name in keyless}

    assert steps == {"malformed", "signature"}
    assert "valid" not in keyless
    assert "expired" not in keyless


def test_a_rehearsal_mints_without_a_key() -> None:
    """So that a plan can be made of every case; such a token never goes out by `get`."""
    nothing = book()

    assert nothing.rehearse({"recipe": "valid"}, "ana", NOW).group == "valid"


def test_a_token_expires_by_time() -> None:
    """At `exp` plus leeway, and not a moment before; one that was refused for something else stays so."""
    minting = book(KEY, leeway=2.0)
    minted = minting.get({"recipe": "valid", "left": 10.0}, "ana", NOW)
    forged = minting.get({"recipe": "wrong-key", "left": 10.0}, "ana", NOW)

    assert minting.judge(minted.text, NOW + 11.999).group == "valid"
    assert minting.judge(minted.text, NOW + 12.0).group == "expired"
    assert minting.moments(minted) == [NOW + 12.0]
    assert minting.judge(forged.text, NOW + 100.0).group == "invalid"
    assert minting.judge(minted.text, NOW).claims["exp"] == NOW + 10.0


def test_a_given_token_expires_by_time() -> None:
    """Its own `exp` is read, unverified."""
    given = book(token=GIVEN)
    minted = given.get({"recipe": "valid"}, "ana", NOW)

    assert given.judge(GIVEN, NOW + 299.0).group == "valid"
    assert given.judge(GIVEN, NOW + 300.0).group == "expired"
    assert given.moments(minted) == [NOW + 300.0]


def test_a_given_token_that_cannot_be_read_is_taken_as_it_is() -> None:
    """An opaque one has no claims and no moments, and counts as valid: whoever gave it says so."""
    given = book(token="opaque")
    minted = given.get({"recipe": "valid"}, "ana", NOW)

    assert (minted.group, dict(minted.claims), given.moments(minted)) == ("valid", {}, [])


def test_what_the_book_does_not_know() -> None:
    """No token is absent; any other text is invalid."""
    assert book(KEY).judge(None, NOW).group == "absent"
    assert book(KEY).judge("", NOW).group == "invalid"
    assert book(KEY).judge(GIVEN, NOW).group == "invalid"


def test_tokens_are_minted_and_judged_by_one_clock() -> None:
    """That of whoever asks, which is set by the target's: claims stand in the machine as the target reads them."""
    minting = book(KEY)
    minted = minting.get({"recipe": "valid", "left": 30.0}, "ana", NOW)

    assert minted.claims["exp"] == NOW + 30.0
    assert minting.judge(minted.text, NOW).claims["exp"] == NOW + 30.0
    assert minting.judge(minted.text, NOW + 29.9).group == "valid"
    assert minting.judge(minted.text, NOW + 30.0).group == "expired"
    assert minting.moments(minted) == [NOW + 30.0]


def test_no_token_shows_in_a_representation() -> None:
    """Not even where a value is printed by accident."""
    minted = book(KEY).get({"recipe": "valid"}, "ana", NOW)

    assert minted.text not in repr(minted)
    assert SECRET not in repr(KEY)
