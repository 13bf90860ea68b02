"""The sieve: the last thing that everything passes before it is written.

Players replace their tokens by names where they note what happened. What they cannot know of, such as a key that a
server throws back, a token in the text of an error, or one of another case, is caught here: whole, in the ways in which
secrets are written, and in part, since whoever quotes something may cut it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["Sieve", "without_runs"]

_RUN = 16
"""A run of so many characters of a token gives it away."""

_SHORTEST = 8
"""A shorter secret is not looked for: it would be found where it is not meant."""

_RUN = 16
"""How many characters of a secret, one behind the other, are a part of it that must not be shown."""

_STEP = _RUN // 2

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}")
"""What begins as every compact token does whose header is written without spaces (RFC 7515 section 3.1)."""


class Sieve:
    """Replaces secrets, however they are written, parts of them, and whatever looks like a token."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._spelled: set[str] = set()
        self._secrets: re.Pattern[str] | None = None
        self._marks: set[str] = set()
        self._runs: set[str] = set()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Replace these too from now on."""
        for written in {one for secret in secrets if len(secret) >= _SHORTEST for one in _spellings(secret)}:
            self._spelled.add(written)
            # Every run of a secret holds one of the marks that stand in it at even distances, and these are few.
            self._marks |= {written[at : at + _STEP] for at in range(0, len(written) - _STEP + 1, _STEP)}
            self._runs |= {written[at : at + _RUN] for at in range(len(written) - _RUN + 1)}
        longest_first = sorted(self._spelled, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def clean(self, value: Any) -> Any:
        """The same value, in all of whose texts nothing secret is left."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self._text(str(name)): self.clean(member) for name, member in value.items()}
        return [self.clean(member) for member in value] if isinstance(value, list | tuple) else value

    def _text(self, text: str) -> str:
        if self._secrets is not None:
            text = self._secrets.sub("<a secret>", text)
        if any(text[at : at + _STEP] in self._marks for at in range(len(text) - _STEP + 1)):
            text = _without(text, self._runs, "<part of a secret>")
        return _TOKEN.sub("<a token>", text) if "eyJ" in text else text


def without_runs(text: str, tokens: Iterable[str]) -> str:
    """A text without any run of characters that a token has too."""
    runs = {token[start : start + _RUN] for token in tokens for start in range(len(token) - _RUN + 1)}
    return _without(text, runs, "<part of a token>")


def _without(text: str, runs: Collection[str], name: str) -> str:
    hidden, position = [], 0
    while position < len(text):
        end = position
        while text[end : end + _RUN] in runs:
            end += 1
        hidden.append(name if end > position else text[position])
        position = end + _RUN - 1 if end > position else position + 1
    return "".join(hidden)


def _spellings(secret: str) -> set[str]:
    """A secret as it stands, as JSON escapes it, as URLs do, and in base64 and hexadecimal digits."""
    data = secret.encode("utf-8", "surrogatepass")
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    urls = {quote(data, safe=""), quote(data), quote_plus(data)}
    return {secret, *escaped, *urls, *_base64(data), data.hex(), data.hex().upper()}


def _base64(data: bytes) -> Iterator[str]:
    """What of some data stands in base64 (RFC 4648 sections 4 and 5), wherever in a longer text of it they begin."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data)
        # The first signs and the last one hold bits of what stands beside it too.
        end = len(encoded) if (before + len(data)) % 3 == 0 else encoded.index(b"=") - 1
        found = encoded[(0, 2, 3)[before] : end].decode()
        yield from (found, found.replace("+", "-").replace("/", "_"))
