"""Who is where, and what is said there."""

from __future__ import annotations

import asyncio
import posixpath
import unicodedata
from collections import defaultdict
from typing import Protocol

from .faults import Faults
from .messages import Writer, encode

_TOO_LATE = 2.4
"""Seconds after which what was due within two, as by default, is late and not yet given up."""

_MANY = 6
"""So many rooms are no load yet."""


class Member(Protocol):
    """A connection, as a room sees it."""

    @property
    def gone(self) -> bool:
        """Whether its connection has ended."""

    @property
    def behind(self) -> bool:
        """Whether its peer leaves much unread."""

    def deliver(self, text: bytes) -> None:
        """Send without waiting."""


class Rooms:
    """All rooms, by recipe. Nothing here waits for a receiver."""

    def __init__(self, writer: Writer, fault: Faults) -> None:
        self._rooms: defaultdict[str, list[Member]] = defaultdict(list)
        self._writer = writer
        self._fault = fault
        self._said = 0

    def join(self, recipe: str, member: Member) -> None:
        """From now on it gets what is said; joining twice is fine."""
        room = self._rooms[self._key(recipe)]
        if member not in room or self._fault("reauth-joins-twice"):
            room.append(member)

    def leave(self, recipe: str, member: Member) -> None:
        """From now on it does not; leaving twice is fine."""
        key = self._key(recipe)
        room = [other for other in self._rooms[key] if other is not member]
        if room:
            self._rooms[key] = room
        else:
            del self._rooms[key]

    def say(self, recipe: str, sender: Member, user: str, content: str, reply_to: str) -> None:
        """One message to every member; only the sender's copy answers."""
        message = self._writer.message("chat_message", {"content": content, "user_id": user})
        answer, copy = encode(message, reply_to), encode(message)
        if self._fault("reply-to-leaked"):
            copy = answer
        copies = [(one, answer if one is sender else copy) for one in self._audience(recipe, sender)]
        self._said += 1
        if self._fault("messages-reordered") and self._said % 2:
            asyncio.get_running_loop().call_later(0.05, _deliver, copies)
        elif self._fault("answers-late"):
            asyncio.get_running_loop().call_later(_TOO_LATE, _deliver, copies)
        elif self._fault("room-waits-for-slow-reader"):
            _deliver_when_read(copies)
        else:
            _deliver(copies)

    def _key(self, recipe: str) -> str:
        """What tells one recipe's room from another's: the id as it is."""
        if self._fault("rooms-normalized"):
            return unicodedata.normalize("NFKC", recipe).strip()
        if self._fault("rooms-as-paths"):
            return posixpath.normpath(recipe.replace("\\", "/")).lstrip("/")
        return recipe

    def _audience(self, recipe: str, sender: Member) -> list[Member]:
        members = list(self._rooms[self._key(recipe)])
        if self._fault("broadcast-to-all-rooms"):
            members = [member for room in self._rooms.values() for member in room]
        if self._fault("leaks-under-load") and len(self._rooms) > _MANY and self._said % 5 == 0:
            members += [room[0] for key, room in self._rooms.items() if key != self._key(recipe) and room][:1]
        if self._fault("sender-gets-no-copy"):
            members.remove(sender)
        gone = next((place for place, member in enumerate(members) if member.gone), None)
        # Members that have gone have left; where they have not, the first one ends the round.
        return members[:gone]


def _deliver_when_read(copies: list[tuple[Member, bytes]]) -> None:
    if any(member.behind for member, _ in copies):
        asyncio.get_running_loop().call_later(0.05, _deliver_when_read, copies)
    else:
        _deliver(copies)


def _deliver(copies: list[tuple[Member, bytes]]) -> None:
    for member, text in copies:
        member.deliver(text)
