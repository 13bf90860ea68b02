"""The events of a YAML text, from ruamel.yaml's parser with shorter ways through its two hottest places.

Nearly all of the time that a document takes to load is spent in the pure scanner, and `handfast check` must start at
once. What these classes do is what their bases do (a test compares the events of both), only sooner: a token is asked
for once and not once per question, and a plain scalar that ends where it began is matched and not walked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.parser import Parser
from ruamel.yaml.scanner import Scanner
from ruamel.yaml.tokens import ScalarToken

__all__ = ["events"]

# Words without indicators on one line, up to what certainly ends a plain scalar: in flow context a `,` or bracket, in
# both a `:` before space. Everything else is left to the base: comments, line breaks, `a:b`, `a,b`.
_WORDS = r"[^\s:#,?\[\]{}\0\ufeff]+(?: +[^\s:#,?\[\]{}\0\ufeff]+)*"
_IN_FLOW = re.compile(_WORDS + r"(?=[,\]}]|:[ \n])")
_IN_BLOCK = re.compile(_WORDS + r"(?=:[ \n])")


class _Scanner(Scanner):
    """Holds the next token, and the reader that the base looks up each time."""

    reader: Any = None

    def __init__(self, loader: Any) -> None:
        self.reader = loader.reader
        self.held: Any = None
        super().__init__(loader=loader)

    def peek_token(self) -> Any:
        if self.held is None:
            self.held = super().get_token()
        return self.held

    def check_token(self, *choices: Any) -> bool:
        token = self.held
        if token is None:
            token = self.held = super().get_token()
        return token is not None and (not choices or isinstance(token, choices))

    def get_token(self) -> Any:
        token = self.peek_token()
        self.held = None
        return token

    def scan_plain(self) -> Any:
        reader = self.reader
        found = (_IN_FLOW if self.flow_context else _IN_BLOCK).match(reader.buffer, reader.pointer)
        if found is None:
            return super().scan_plain()
        start, text = reader.get_mark(), found[0]
        reader.pointer += len(text)
        reader.index += len(text)
        reader.column += len(text)
        self.allow_simple_key = False
        return ScalarToken(text, True, start, reader.get_mark())


class _Parser(Parser):
    """Holds the scanner that the base looks up each time."""

    scanner: Any = None

    def __init__(self, loader: Any) -> None:
        self.scanner = loader.scanner
        super().__init__(loader=loader)


def events(text: str) -> Iterator[Any]:
    """The parser's events, as they are read; a text that is not YAML raises what the parser raises."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _Scanner
    yaml.Parser = _Parser
    return iter(yaml.parse(text))
