"""What is done to the three parts of a token: how they are encoded, and how they are put together."""

import base64
import json
from collections.abc import Callable, Mapping

from attrs import frozen

from spec.tokens import base64url


@frozen
class Minted:
    """The encoded parts of a token.

    Attributes:
        header: The header's text.
        claims: The claims set's text.
        signature: The signature's text.
    """

    header: str
    claims: str
    signature: str

    def compact(self) -> str:
        """Give the compact serialization (RFC 7515 section 7.1)."""
        return f"{self.header}.{self.claims}.{self.signature}"


def _padded(data: bytes) -> str:
    # White space behind JSON is JSON still, and makes sure that there is something to pad.
    data += b"" if len(data) % 3 else b" "
    return base64.urlsafe_b64encode(data).decode("ascii")


def _standard(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii").rstrip("=")


# What a header or claims set is written in before it is signed.
ENCODINGS: Mapping[str, Callable[[bytes], str]] = {
    "base64url": base64url.encode,
    "padded": _padded,
    "standard": _standard,
    "raw": bytes.decode,
}


def _flipped_bit(token: Minted) -> str:
    signature = bytearray(base64url.decode(token.signature))
    signature[len(signature) // 2] ^= 1
    return Minted(token.header, token.claims, base64url.encode(bytes(signature))).compact()


def _short_signature(token: Minted) -> str:
    signature = base64url.decode(token.signature)
    return Minted(token.header, token.claims, base64url.encode(signature[: len(signature) // 2])).compact()


def _long_signature(token: Minted) -> str:
    signature = base64url.decode(token.signature) + b"\0"
    return Minted(token.header, token.claims, base64url.encode(signature)).compact()


def _swapped_claims(token: Minted) -> str:
    claims = json.loads(base64url.decode(token.claims))
    other = base64url.encode(json.dumps(claims | {"swapped": True}).encode())
    return Minted(token.header, other, token.signature).compact()


def _swapped_header(token: Minted) -> str:
    header = json.loads(base64url.decode(token.header))
    other = base64url.encode(json.dumps(header | {"swapped": True}).encode())
    return Minted(other, token.claims, token.signature).compact()


def _malleated(token: Minted) -> str:
    """Set a bit of the last character that stands for no octet (RFC 4648 section 3.5)."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(token.signature[-1]) ^ 1]
    return token.compact()[:-1] + last


def _padded_signature(token: Minted) -> str:
    return token.compact() + "=" * (-len(token.signature) % 4)


def _jwe(token: Minted) -> str:
    header = base64url.encode(b'{"alg":"dir","enc":"A256GCM"}')
    return f"{header}..{token.signature[:16]}.{token.claims}.{token.signature[:22]}"


def _flattened(token: Minted) -> str:
    """Give the flattened JSON serialization (RFC 7515 section 7.2.2)."""
    members = {"protected": token.header, "payload": token.claims, "signature": token.signature}
    return json.dumps(members, separators=(",", ":"))


def _general(token: Minted) -> str:
    """Give the general JSON serialization (RFC 7515 section 7.2.1)."""
    signatures = [{"protected": token.header, "signature": token.signature}]
    return json.dumps({"payload": token.claims, "signatures": signatures}, separators=(",", ":"))


MANGLES: Mapping[str, Callable[[Minted], str]] = {
    "none": Minted.compact,
    "no_signature": lambda token: f"{token.header}.{token.claims}",
    "blank_signature": lambda token: f"{token.header}.{token.claims}.",
    "blank_header": lambda token: f".{token.claims}.{token.signature}",
    "blank_claims": lambda token: f"{token.header}..{token.signature}",
    "flipped_bit": _flipped_bit,
    "short_signature": _short_signature,
    "long_signature": _long_signature,
    "swapped_claims": _swapped_claims,
    "swapped_header": _swapped_header,
    "malleated": _malleated,
    "padded_signature": _padded_signature,
    "extra_part": lambda token: token.compact() + ".eyJ9",
    "extra_dot": lambda token: token.compact() + ".",
    "leading_dot": lambda token: "." + token.compact(),
    "space_inside": lambda token: f"{token.header}. {token.claims}.{token.signature}",
    "space_before": lambda token: " " + token.compact(),
    "newline_behind": lambda token: token.compact() + "\n",
    "newline_inside": lambda token: f"{token.header}.\r\n{token.claims}.{token.signature}",
    "null_behind": lambda token: token.compact() + "\0",
    "bearer": lambda token: "Bearer " + token.compact(),
    "quoted": lambda token: f'"{token.compact()}"',
    "non_ascii": lambda token: token.compact() + "é",
    "full_width": lambda token: f"{token.header}．{token.claims}．{token.signature}",
    "jwe": _jwe,
    "flattened_json": _flattened,
    "general_json": _general,
}
