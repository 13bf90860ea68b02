"""What every message is judged by, whatever the state: its schema, its times, and that it quotes no token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spec.expressions import pointer_get, read_moment
from spec.messages import Read
from spec.model import Document
from spec.tracker.findings import Finding
from spec.tracker.matching import quotes, short

__all__ = ["Content"]


class Content:
    """Judges messages one by one; knows the tokens that must not be quoted."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._quotes = next((i for i in document.invariants if i.kind == "never_quoted"), None)
        self._secrets: set[str] = set()
        chosen = document.envelope.server.chosen.values()
        self.leak_rules = self._quotes.rules if self._quotes else ()
        self.always_judged = {
            *document.envelope.server.rules,
            *(rule for entry in chosen for rule in entry.get("rules", ())),
            *self.leak_rules,
        }

    def secret(self, text: str, public: Iterable[str] = ()) -> None:
        """Note a token; what is public, such as its subject, is no secret where it stands in it in plain text."""
        pieces = [text]
        for part in public:
            if self._quotes is not None and len(part) >= self._quotes.characters:
                pieces = [piece for whole in pieces for piece in whole.split(part)]
        self._secrets.update(pieces)

    def findings(self, client: str, read: Read, text: str, at: float) -> list[Finding]:
        """What is wrong with one message of the server's."""
        return self.leaks(client, self._texts(read, text), at) + self._schema(client, read, at)

    def leaks(self, client: str, texts: Iterable[str], at: float) -> list[Finding]:
        """Whether a token is quoted in texts."""
        if self._quotes is None:
            return []
        size = self._quotes.characters
        long = [text for text in texts if len(text) >= size]
        if not any(quotes(text, token, size) for text in long for token in self._secrets):
            return []
        text = f"{size} or more characters of a token are quoted"
        return [Finding("leak", self._quotes.rules, text, client, at)]

    def _schema(self, client: str, read: Read, at: float) -> list[Finding]:
        envelope = self._document.envelope.server
        if read.input == "other":
            kind = pointer_get(read.body, self._document.envelope.discriminator)
            return [Finding("message", envelope.rules, f"a message of type {short(kind)} came", client, at)]
        found = []
        message = self._document.messages.get(read.input)
        form = message.server.rules if message and message.server else ()
        chosen = {**envelope.chosen, **(message.server.chosen if message and message.server else {})}
        for fault in read.faults[:3]:
            entry = chosen.get(fault.pointer, {})
            rules = tuple(dict.fromkeys((*entry.get("rules", ()), *envelope.rules, *form)))
            text = f"{fault.pointer.lstrip('/') or 'the message'}: {fault.text}"
            found.append(Finding("message", rules, text, client, at))
        return found + self._unzoned(client, read, chosen, at)

    def _unzoned(self, client: str, read: Read, chosen: Mapping[str, Mapping[str, Any]], at: float) -> list[Finding]:
        """Times that are RFC 3339 and yet not in UTC with a `Z`."""
        found = []
        for pointer, entry in chosen.items():
            value = pointer_get(read.body, pointer)
            if entry["kind"] != "time" or not isinstance(value, str) or read_moment("time", value) is None:
                continue
            if not value.endswith("Z"):
                text = f"{pointer.lstrip('/')} is {short(value)}, which does not end in Z"
                found.append(Finding("message", tuple(entry.get("rules", ())), text, client, at))
        return found

    def _texts(self, read: Read, text: str) -> list[str]:
        """The texts of a message in which a token must not stand: all but what clients chose and is echoed."""
        message = self._document.messages.get(read.input)
        if message is None or message.server is None or not isinstance(read.body, dict):
            return [text]
        exempt = {self._document.envelope.payload + pointer for pointer in message.server.echoed}
        exempt.add(self._document.envelope.reply_to)
        return list(_texts(read.body, "", exempt))


def _texts(value: Any, pointer: str, exempt: set[str]) -> Iterable[str]:
    if pointer in exempt:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield name
            yield from _texts(member, f"{pointer}/{name}", exempt)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _texts(member, f"{pointer}/{index}", exempt)
