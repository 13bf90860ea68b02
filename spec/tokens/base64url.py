"""Base64url without padding (RFC 7515 section 2), read strictly."""

import base64
import re

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    """Write octets as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Read the one text that `encode` would write.

    Raises:
        ValueError: The text has a character outside the alphabet, an impossible length, or bits set behind the
            last octet. RFC 4648 section 3.5 lets a decoder refuse such bits; taking them would give one token
            several spellings.
    """
    if _ALPHABET.fullmatch(text) is None or len(text) % 4 == 1:
        raise ValueError("not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
