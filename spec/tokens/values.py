"""Values in recipes: plain JSON, or one of these operations.

| operation | value |
| --- | --- |
| `{now: S}` | S seconds from now, rounded down to a second where S is an integer |
| `{now: S, as: text}`, `{now: S, as: exponent}` | the same as a string, or in scientific notation |
| `{now: S, fails: STEP}` | an `exp` with which that step fails S seconds from now; may have `as` too |
| `{never: subject}` | a subject that never exists |
| `{base: NAME, prefix: P, suffix: P, as: lower}` | the member of that name that a valid token has, edited as a string |
| `{json: TEXT}` | the text itself in place of a JSON value |
| `{name_of: sibling}`, `{name_of: cousin}` | the name of another key of the deployment, of its algorithm or another |
| `{embed: jwk}`, `{embed: x5c}`, `{embed: url}` | the stranger's key, its certificate, the address of its keys |

Operations other than `json` may stand inside lists and objects.
"""

import json
import math
from collections.abc import Callable, Mapping

from attrs import field, frozen

from spec.tokens.algorithms import SYMMETRIC
from spec.tokens.foreign import ForeignKeys, certificate, jwk
from spec.tokens.policy import Policy
from spec.tokens.problems import RecipeProblem


@frozen
class Surroundings:
    """What operations refer to.

    Attributes:
        base: The members of a valid token's header or claims.
        now: Wall-clock seconds.
        others: The stranger's keys.
        names: The names of other keys of the deployment, by relation.
        policy: What the deployment accepts.
    """

    base: Mapping[str, object]
    now: float
    others: ForeignKeys
    names: Mapping[str, str] = field(factory=dict)
    policy: Policy | None = None


_WRITER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def write(value: object, around: Surroundings) -> str:
    """Write a value as JSON.

    Raises:
        RecipeProblem: An operation is none of the vocabulary, or does not fit what it refers to.
    """
    if type(value) in {str, int, float}:
        return _WRITER.encode(value)
    if isinstance(value, Mapping):
        text = value.get("json")
        if isinstance(text, str) and len(value) == 1:
            return text
        if set(value) <= {"now", "as", "fails"} and value.get("as") == "exponent":
            return f"{_seconds(value, around):.9e}"
    return _WRITER.encode(_resolved(value, around))


def _resolved(value: object, around: Surroundings) -> object:
    if isinstance(value, list | tuple):
        return [_resolved(one, around) for one in value]
    if not isinstance(value, Mapping):
        return value
    for name, (members, operation) in _OPERATIONS.items():
        if name in value:
            if not set(value) <= members:
                raise RecipeProblem(f"an operation `{name}` has members {sorted(set(value) - members)}")
            return operation(value, around)
    return {str(name): _resolved(one, around) for name, one in value.items()}


def _now(value: Mapping[str, object], around: Surroundings) -> object:
    seconds = _seconds(value, around)
    form = value.get("as", "number")
    if form not in ("number", "text"):
        raise RecipeProblem(f"`now` has no form {form!r} here")
    return seconds if form == "number" else str(seconds)


def _seconds(value: Mapping[str, object], around: Surroundings) -> int | float:
    distance = value["now"]
    if isinstance(distance, bool) or not isinstance(distance, int | float):
        raise RecipeProblem("`now` takes seconds")
    behind = 0.0
    if "fails" in value:
        if around.policy is None:
            raise RecipeProblem("`fails` needs a policy")
        behind = around.policy.reach(str(value["fails"]))
        behind = int(behind) if behind == int(behind) else behind
    return math.floor(around.now) + distance - behind


def _never(value: Mapping[str, object], around: Surroundings) -> object:
    if around.policy is None or not around.policy.never:
        raise RecipeProblem("the deployment has no subject that never exists")
    return around.policy.never[0]


def _base(value: Mapping[str, object], around: Surroundings) -> object:
    name = value["base"]
    if name not in around.base:
        raise RecipeProblem(f"a valid token has no member {name!r}")
    base = around.base[str(name)]
    if set(value) == {"base"}:
        return base
    if not isinstance(base, str):
        raise RecipeProblem(f"the member {name!r} of a valid token is not a string")
    text = f"{value.get('prefix', '')}{base}{value.get('suffix', '')}"
    return text.lower() if value.get("as") == "lower" else text


def _embed(value: Mapping[str, object], around: Surroundings) -> object:
    what, others = value["embed"], around.others
    if what == "jwk":
        return jwk(others.other)
    if what == "x5c":
        if others.other.alg in SYMMETRIC:
            raise RecipeProblem("a shared secret has no certificate")
        return [certificate(others.other, around.now)]
    if what == "url":
        return others.url
    raise RecipeProblem(f"`embed` does not know {what!r}")


def _name_of(value: Mapping[str, object], around: Surroundings) -> object:
    relation = value["name_of"]
    if relation not in around.names:
        raise RecipeProblem(f"the deployment has no key that is a {relation!r}")
    return around.names[str(relation)]


_Operation = Callable[[Mapping[str, object], Surroundings], object]

_OPERATIONS: Mapping[str, tuple[frozenset[str], _Operation]] = {
    "now": (frozenset({"now", "as", "fails"}), _now),
    "never": (frozenset({"never"}), _never),
    "base": (frozenset({"base", "prefix", "suffix", "as"}), _base),
    "name_of": (frozenset({"name_of"}), _name_of),
    "embed": (frozenset({"embed"}), _embed),
}
