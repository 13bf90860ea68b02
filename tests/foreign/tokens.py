"""Tokens that servers must refuse, each with one thing wrong, and the faults that let them in."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from tests.foreign.kit import SECRET, token

__all__ = ["TOKEN_FAULTS", "answers", "compact", "judged"]

_OTHER_KEY = "another-secret-that-the-server-does-not-know"

TOKEN_FAULTS = frozenset(
    {
        "expiry-before-signature",
        "alg-none-accepted",
        "hs512-accepted",
        "crit-ignored",
        "embedded-key-trusted",
        "string-times-accepted",
        "empty-claim-accepted",
        "issuer-unchecked",
        "audience-unchecked",
        "nbf-unchecked",
        "future-iat-accepted",
        "token-doubled-members",
        "token-padding-accepted",
        "token-typ-unchecked",
        "token-size-unchecked",
    }
)
"""What `answers` shows of a server that tells expired tokens from invalid ones."""


def compact(claims: str, header: str = '{"alg":"HS256"}') -> str:
    """A token of exactly these JSON texts, signed with the server's key."""
    signed = b".".join(urlsafe_b64encode(part.encode()).rstrip(b"=") for part in (header, claims))
    signature = urlsafe_b64encode(hmac.digest(SECRET.encode(), signed, sha256)).rstrip(b"=")
    return (signed + b"." + signature).decode()


def answers(ask: Callable[[str], Any], claims: Mapping[str, Any], subject: str) -> dict[str, Any]:
    """What is answered to tokens with these claims; `subject` names one that is a required string."""
    now = time.time()
    held = {"exp": now + 60, **claims}
    embedded = {"jwk": {"kty": "oct", "k": urlsafe_b64encode(_OTHER_KEY.encode()).rstrip(b"=").decode()}}
    doubled = json.dumps(held)[:-1] + f',"{subject}":{json.dumps(held[subject])}' + "}"
    given = {
        "good": token(**held),
        "no typ": compact(json.dumps(held)),
        "forged and expired": token(key=_OTHER_KEY, **{**held, "exp": now - 9}),
        "none": token("none", **held),
        "HS512": token("HS512", **held),
        "crit": token(headers={"crit": ["x"], "x": 1}, **held),
        "jwk": token(key=_OTHER_KEY, headers=embedded, **held),
        "exp as string": compact(json.dumps({**held, "exp": str(int(now + 60))})),
        "empty claim": token(**{**held, subject: ""}),
        "claim of another type": compact(json.dumps({**held, subject: 1})),
        "issuer": token(**{**held, "iss": "https://else.example"}),
        "audience": token(**{**held, "aud": "urn:else"}),
        "nbf": token(**{**held, "nbf": now + 60}),
        "iat": token(**{**held, "iat": now + 60}),
        "doubled": compact(doubled),
        "padding": token(**held) + "=",
        "typ": token(headers={"typ": "other"}, **held),
        "size": token(**{**held, "long": "x" * 4000}),
        "two parts": token(**held).rpartition(".")[0],
        "text": "nothing like a token",
    }
    return {name: ask(text) for name, text in given.items()}


def judged(good: Any, bad: Any) -> dict[str, Any]:
    """What `answers` gives of a server that answers good tokens and bad ones like this."""
    names = answers(str, {"subject": "any"}, "subject")
    return {name: good if name in {"good", "no typ"} else bad for name in names}
