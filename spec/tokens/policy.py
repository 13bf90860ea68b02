"""What a deployment asks of a token, and what came of asking."""

from collections.abc import Mapping

from attrs import field, frozen

from spec.tokens.keys import SigningKey, VerifyKey

# ALL-TOKEN-1: the order of the checks, as far as all protocols have them.
LADDER = (
    "absent",
    "malformed",
    "algorithm",
    "signature",
    "claims",
    "issuer",
    "not_yet_valid",
    "expired",
)

STEPS = (*LADDER, "subject", "grace")
"""Every check that a ladder may have: who is known, and whether a token has expired at all that is still in grace."""

_GROUPS = {"absent": "absent", "expired": "expired", "valid": "valid"}


@frozen
class Policy:
    """What a deployment accepts.

    Attributes:
        keys: The keys; their algorithms are the accepted ones.
        required: The claims that must be present.
        strings: The claims that, where present, must be non-empty strings.
        issuer: The only `iss` accepted, or None where it is not looked at.
        audience: What `aud` must be or contain, or None where it is not looked at.
        leeway: Seconds after `exp` during which a token is not yet expired.
        token_bytes: The most characters that a token may have.
        subject: The claim that names who the token is for.
        ladder: The checks in their order; a mutant of a document may have fewer or another order.
        plus: By step, how many seconds later than leeway says its moment comes.
        known: The subjects that exist; empty where any does.
        never: Those that do not, whatever `known` says.
    """

    keys: tuple[VerifyKey, ...]
    required: tuple[str, ...] = ("sub", "exp")
    strings: tuple[str, ...] = ("sub",)
    issuer: str | None = None
    audience: str | None = None
    leeway: float = 0.0
    token_bytes: int = 4096
    subject: str = "sub"
    ladder: tuple[str, ...] = LADDER
    plus: Mapping[str, float] = field(factory=dict)
    known: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def reach(self, step: str) -> float:
        """Give how many seconds after `exp` a step that asks for the time begins to fail."""
        return self.leeway + self.plus.get(step, 0.0)

    def exists(self, subject: object) -> bool:
        """Tell whether a subject is one that exists."""
        return subject not in self.never and (not self.known or subject in self.known)

    def algorithms(self) -> frozenset[str]:
        """Give the algorithms that are accepted."""
        return frozenset(key.alg for key in self.keys)

    def names(self) -> frozenset[str]:
        """Give the names of the keys; empty where keys have none."""
        return frozenset(key.kid for key in self.keys if key.kid is not None)

    def other_name(self, key: SigningKey, *, alike: bool) -> str | None:
        """Give the name of another key than this named one, of the same algorithm or of another, if there is one."""
        others = (one.kid for one in self.keys if (one.alg == key.alg) is alike and one.kid != key.kid)
        return None if key.kid is None else next((kid for kid in others if kid is not None), None)


@frozen
class Verdict:
    """How a token was judged.

    Attributes:
        step: The first rung that the token fails, or `valid`.
        reason: Why, for a log; it never quotes the token.
        claims: The claims of a token whose signature holds, else nothing: nobody stands behind them.
    """

    step: str
    reason: str
    claims: Mapping[str, object] = field(factory=dict, repr=False)

    @property
    def group(self) -> str:
        """What a protocol tells apart: `absent`, `invalid`, `expired` or `valid`."""
        return _GROUPS.get(self.step, "invalid")
