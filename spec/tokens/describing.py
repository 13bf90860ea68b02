"""Recipes in words, made of what they say themselves: what is told of a vector cannot differ from what is minted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from spec.tokens.needs import NEEDS
from spec.tokens.recipes import Recipe

__all__ = ["PHRASES", "deployments", "describe"]

PHRASES: Mapping[str, Mapping[str, str]] = {
    "sign": {
        "other": "signed with a stranger's key of the same algorithm",
        "alien": "signed with a stranger's key of an algorithm that is not accepted",
        "sha384": "signed with our key and SHA-384",
        "sha512": "signed with our key and SHA-512",
        "pss": "signed with our key and RSASSA-PSS",
        "asn1": "the signature in ASN.1",
        "empty": "signed with an empty secret",
        "public_pem": "HS256 with our public key's PEM file as the secret",
        "public_pem_bare": "HS256 with our public key's PEM text, without the last newline, as the secret",
        "public_der": "HS256 with our public key's DER as the secret",
        "none": "the signature empty",
        "zeros": "the signature all zeros",
    },
    "mangle": {
        "no_signature": "no third part, nor the dot before it",
        "blank_signature": "the third part empty",
        "blank_header": "the first part empty",
        "blank_claims": "the second part empty",
        "flipped_bit": "one bit of the signature flipped",
        "short_signature": "half of the signature cut off",
        "long_signature": "an octet of zeros behind the signature",
        "swapped_claims": "the claims changed after signing",
        "swapped_header": "the header changed after signing",
        "malleated": "a bit set behind the signature's last octet",
        "padded_signature": "the signature padded with `=`",
        "extra_part": "a fourth part",
        "extra_dot": "a dot behind it",
        "leading_dot": "a dot before it",
        "space_inside": "a space inside",
        "space_before": "a space before it",
        "newline_behind": "a newline behind it",
        "newline_inside": "a line end inside",
        "null_behind": "a NUL behind it",
        "bearer": "`Bearer ` before it",
        "quoted": "in quotation marks",
        "non_ascii": "an `é` behind it",
        "full_width": "full-width dots between its parts",
        "jwe": "five parts, as a JWE has",
        "flattened_json": "in the flattened JSON serialization",
        "general_json": "in the general JSON serialization",
    },
    "shape": {
        "spaced": "white space between its members",
        "escaped": "the names of its members escaped",
        "array": "in an array",
        "string": "in a string",
        "null": "`null`",
        "words": "not JSON",
        "truncated": "its last brace missing",
        "trailing": "a second object behind it",
        "trailing_comma": "a comma before its last brace",
        "comment": "a comment in it",
        "single_quoted": "its names in single quotation marks",
        "not_utf8": "an octet in it that is not UTF-8",
        "control": "a raw newline in a string",
        "deflated": "deflated",
        "inner_token": "another token",
        "nested": "400 nested arrays",
    },
    "encoding": {
        "padded": "padded with `=`",
        "standard": "in the alphabet of plain base64",
        "raw": "not encoded",
    },
    "size": {"limit": "as many characters as allowed", "over": "one character more than allowed"},
}
"""By the key of a recipe, what each word of its vocabulary does, but for the word that stands for nothing unusual."""


def describe(recipe: Recipe) -> str:
    """What is unusual about a recipe's token, in Markdown on one line."""
    if recipe.text is not None:
        return f"the text {_code(recipe.text)}" if recipe.text else "nothing at all"
    return "; ".join(_parts(recipe)) or "nothing unusual"


def _parts(recipe: Recipe) -> Iterator[str]:
    for part, one, members, dropped in (
        ("header", "header", recipe.header, recipe.drop_header),
        ("claims", "claim", recipe.claims, recipe.drop_claims),
    ):
        yield from (f"{_member(one, name)}: {_value(value)}" for name, value in members.items())
        yield from (f"no {_member(one, name)}" for name in dropped)
        first = recipe.doubled.get(part, {})
        yield from (f"{_member(one, name)} twice, the first {_value(value)}" for name, value in first.items())
        for key, words in (("shape", recipe.shape), ("encoding", recipe.encoding)):
            if part in words:
                yield f"the {part}: {PHRASES[key][words[part]]}"
    yield from (PHRASES[key][word] for key, word in _whole(recipe) if word in PHRASES[key])


def _member(kind: str, name: str) -> str:
    return "subject" if name == "$subject" else f"{kind} {_code(name)}"


def _whole(recipe: Recipe) -> Iterator[tuple[str, str]]:
    yield "sign", recipe.sign
    yield "mangle", recipe.mangle
    if recipe.size is not None:
        yield "size", recipe.size


def deployments(recipe: Recipe) -> str:
    """For which deployments a recipe means something, in words."""
    return ", ".join(NEEDS[need].where for need in recipe.needs) or "all"


def _value(value: object) -> str:
    match value:
        case {"now": seconds, "as": form}:
            return f"{_moment(seconds)}, as {'text' if form == 'text' else 'a number with an exponent'}"
        case {"now": seconds, "fails": step}:
            return f"{'expired' if step == 'expired' else f'over for the check `{step}`'} {_moment(seconds)}"
        case {"now": seconds}:
            return _moment(seconds)
        case {"never": "subject"}:
            return "a subject that never exists"
        case {"base": name, **edits}:
            before, behind = edits.get("prefix", ""), edits.get("suffix", "")
            around = [f"{_code(str(before))} before it"] * bool(before) + [f"{_code(str(behind))} behind it"] * bool(
                behind
            )
            lower = ["in lower case"] * ("as" in edits)
            return f"our {_code(str(name))}" + "".join(f", {edit}" for edit in (*around, *lower))
        case {"name_of": "sibling"}:
            return "the name of another key of the same algorithm"
        case {"name_of": _}:
            return "the name of a key of another algorithm"
        case {"embed": "url"}:
            return "the address of a stranger's keys"
        case {"embed": "x5c"}:
            return "the certificate of a stranger's key"
        case {"embed": _}:
            return "a stranger's key"
        case {"json": text}:
            return _code(str(text))
        case list() | tuple() if any(isinstance(member, Mapping) for member in value):
            return f"a list of {' and '.join(_value(member) for member in value)}"
        case Mapping() if any(isinstance(member, Mapping) for member in value.values()):
            return f"an object that holds {' and '.join(_value(member) for member in value.values())}"
    return _code(json.dumps(value, ensure_ascii=False))


def _moment(seconds: object) -> str:
    assert isinstance(seconds, int | float)
    distance = abs(seconds)
    amount = f"{distance / 31_536_000:g} years" if distance > 31_536_000 else f"{distance:,g} s"
    return f"{amount} {'ago' if seconds < 0 else 'ahead'}"


def _code(text: str) -> str:
    return f"`{text}`"
