"""The ladder: the checks of a token in their order, of which the first that fails decides (ALL-TOKEN-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from spec.tokens.policy import Policy, Verdict
from spec.tokens.reading import Malformed, Parts, read

_TIMES = ("exp", "iat", "nbf")

# Behind the signature's rung somebody stands behind the claims.
_UNVOUCHED = frozenset({"absent", "malformed", "algorithm", "signature"})

_NOTHING = Parts({}, {}, b"", b"")


@frozen
class Case:
    """A token under judgement.

    Attributes:
        token: The token, or None where there is none.
        parts: The token taken apart; empty where it cannot be.
        problem: Why it cannot be taken apart.
        policy: What is asked of it.
        now: Wall-clock seconds.
    """

    token: str | None
    parts: Parts
    problem: str | None
    policy: Policy
    now: float


def judge(token: str | None, policy: Policy, now: float) -> Verdict:
    """Judge a token.

    Args:
        token: The token as presented, None where it is absent; an empty one is malformed.
        policy: What the deployment asks of it.
        now: Wall-clock seconds since the epoch.

    Returns:
        The verdict. No text makes this raise.
    """
    case = _case(token, policy, now)
    for step in policy.ladder:
        reason = CHECKS[step](case)
        if reason is not None:
            return Verdict(step, reason, {} if step in _UNVOUCHED else case.parts.claims)
    return Verdict("valid", "every check passed", case.parts.claims)


def expires_at(claims: Mapping[str, object], leeway: float) -> float | None:
    """Give the wall-clock second from which a token is expired, `exp` plus some leeway; None without a usable `exp`."""
    exp = _number(claims, "exp")
    return None if exp is None else exp + leeway


def next_change(claims: Mapping[str, object], policy: Policy, now: float) -> float | None:
    """Give the next moment at which the verdict of a token will be another.

    Args:
        claims: The claims of the token's verdict (empty for one that was refused at its signature or before).
        policy: What the deployment asks.
        now: Wall-clock seconds since the epoch.

    Returns:
        A second later than `now`, or None where the verdict stands for good.
    """
    case = Case("", Parts({}, claims, b"", b""), None, policy, now)
    if _claims(case) is not None or _issuer(case) is not None:
        return None
    starts = [start for name in ("nbf", "iat") if (start := _number(claims, name)) is not None and start > now]
    if starts:
        return max(starts)
    exp = _number(claims, "exp")
    ends = [exp + policy.reach(step) for step in _EXPIRING if step in policy.ladder] if exp is not None else []
    return min((end for end in ends if end > now), default=None)


def _case(token: str | None, policy: Policy, now: float) -> Case:
    if token is None:
        return Case(None, _NOTHING, None, policy, now)
    try:
        return Case(token, read(token, policy), None, policy, now)
    except Malformed as problem:
        return Case(token, _NOTHING, str(problem), policy, now)


def _absent(case: Case) -> str | None:
    return "no token" if case.token is None else None


def _malformed(case: Case) -> str | None:
    return case.problem


def _algorithm(case: Case) -> str | None:
    alg = case.parts.header.get("alg")
    accepted = isinstance(alg, str) and alg in case.policy.algorithms()
    return None if accepted else "the algorithm is not accepted"


def _signature(case: Case) -> str | None:
    header = case.parts.header
    keys = [key for key in case.policy.keys if key.alg == header.get("alg")]
    if case.policy.names() and "kid" in header:
        keys = [key for key in keys if key.kid == header["kid"]]
    if any(key.verify(case.parts.signed, case.parts.signature) for key in keys):
        return None
    return "no key made the signature"


def _claims(case: Case) -> str | None:
    claims = case.parts.claims
    for name in case.policy.required:
        if name not in claims:
            return f"no {name}"
    for name in case.policy.strings:
        if name in claims and not (isinstance(claims[name], str) and claims[name]):
            return f"{name} is not a string, or is empty"
    for name in _TIMES:
        if name in claims and _number(claims, name) is None:
            return f"{name} is not a number"
    return None


def _issuer(case: Case) -> str | None:
    claims, policy = case.parts.claims, case.policy
    if policy.issuer is not None and claims.get("iss") != policy.issuer:
        return "another issuer"
    if policy.audience is not None and not _is_for(claims.get("aud"), policy.audience):
        return "another audience"
    return None


def _is_for(aud: object, audience: str) -> bool:
    # RFC 7519 section 4.1.3: one string, or a list of strings.
    if isinstance(aud, list):
        return all(isinstance(one, str) for one in aud) and audience in aud
    return aud == audience


def _not_yet_valid(case: Case) -> str | None:
    for name in ("nbf", "iat"):
        start = _number(case.parts.claims, name)
        if start is not None and start > case.now:
            return f"{name} is in the future"
    return None


def _subject(case: Case) -> str | None:
    known = case.policy.exists(case.parts.claims.get(case.policy.subject))
    return None if known else "the subject does not exist"


def _ended(step: str) -> Callable[[Case], str | None]:
    """The check that the moment of a step, counted from `exp`, has not come."""

    def check(case: Case) -> str | None:
        end = expires_at(case.parts.claims, case.policy.reach(step))
        return "expired" if end is not None and case.now >= end else None

    return check


def _number(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    # To Python a truth value is a number, to JSON it is not.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


_EXPIRING = ("expired", "grace")

CHECKS: Mapping[str, Callable[[Case], str | None]] = {
    "absent": _absent,
    "malformed": _malformed,
    "algorithm": _algorithm,
    "signature": _signature,
    "claims": _claims,
    "issuer": _issuer,
    "not_yet_valid": _not_yet_valid,
    **{step: _ended(step) for step in _EXPIRING},
    "subject": _subject,
}
