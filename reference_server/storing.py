"""Durable logs: one SQLite file for the logs of every protocol served that outlive the process.

What `append` has returned for is on the disk: a push is one transaction, in the write-ahead log and synced before it is
acknowledged (`synchronous=FULL`). The file is one server's alone while that runs; whoever else opens it is refused.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spec.exits import Exit, Stop
from spec.machine.logs import Entry, Logs, Page, Place, Store, filler
from spec.model import Document

__all__ = ["Database", "open_database"]

_KIND = "sqlite:"
_APPLICATION = 0x48464C47
"""What tells a file of ours from any other database (`PRAGMA application_id`)."""
_FORMAT = 1
_FURTHEST = 2**62
"""No log has so many entries; SQLite's integers end at 2**63."""

_SCHEMA = """
CREATE TABLE entry (
    protocol TEXT NOT NULL, log TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL,
    identity TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (protocol, log, key, number), UNIQUE (protocol, log, key, identity)
) WITHOUT ROWID
"""
_HEAD = "SELECT max(number) FROM entry WHERE (protocol, log, key) = (?, ?, ?)"
_INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (protocol, log, key, identity) DO NOTHING"
_FORGET = "DELETE FROM entry WHERE (protocol, log, key) = (?, ?, ?)"
_UPDATE = "UPDATE entry SET value = ? WHERE (protocol, log, key, number) = (?, ?, ?, ?)"
_BEHIND = """
SELECT number, identity, value FROM entry WHERE (protocol, log, key) = (?, ?, ?) AND number > ? ORDER BY number LIMIT ?
"""


def open_database(where: str, *, create: bool = True) -> Database:
    """Open what `--store` names, such as `sqlite:events.db`.

    Raises:
        Stop: it names no file of ours, or another process uses it.
    """
    if not where.startswith(_KIND) or where == _KIND:
        raise Stop(Exit.USAGE, f"`{where}` names no store", "write `sqlite:PATH`")
    path = Path(where.removeprefix(_KIND))
    if not create and not path.exists():
        raise Stop(Exit.USAGE, f"there is no store `{path}`")
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=0)
        _claim(connection, path)
    except sqlite3.Error as problem:
        raise Stop(Exit.USAGE, *_told(path, problem)) from None
    return Database(connection)


def _told(path: Path, problem: sqlite3.Error) -> tuple[str, str]:
    if problem.sqlite_errorname == "SQLITE_BUSY":
        return f"the store `{path}` is in use", "stop the server that has it open"
    return f"the store `{path}` cannot be opened: {problem}", "name a file that a server wrote, or one yet to be made"


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """Make the file this process's own, and a store where it is new."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if not connection.execute("SELECT 1 FROM sqlite_schema").fetchone() and not application:
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_FORMAT}")
        connection.execute(_SCHEMA)
    elif application != _APPLICATION:
        connection.close()
        raise Stop(Exit.USAGE, f"`{path}` is a database, and no store of handfast", "name another file")
    elif version != _FORMAT:
        connection.close()
        text = f"the store `{path}` has format {version}, and this handfast knows {_FORMAT}"
        raise Stop(Exit.USAGE, text, "use the handfast that wrote it, or a newer one")
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


class Database:
    """An open store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def logs(self, document: Document) -> Callable[[int], Store]:
        """What makes the logs of a protocol, by how many bytes one page of them may hold."""
        durable = {name for name, log in document.logs.items() if log.lives == "durable"}
        return lambda page_bytes: _Logs(self, document.name, durable, page_bytes)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is done in it, or nothing."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def attribute(self, document: Document) -> tuple[int, int]:
        """Give entries the members that they lack; gives how many lacked any, and how many entries there are.

        Safe at any time and any number of times: what an entry has is left alone.
        """
        changed = total = 0
        with self.transaction():
            for log in document.logs.values():
                whole = filler(log.lacking)
                rows = self.execute(
                    "SELECT key, number, value FROM entry WHERE (protocol, log) = (?, ?)", (document.name, log.name)
                ).fetchall()
                for key, number, text in rows:
                    total += 1
                    value = json.loads(text)
                    if (mended := whole(value)) is not value:
                        changed += 1
                        self.execute(_UPDATE, (json.dumps(mended), document.name, log.name, key, number))
        return changed, total

    def close(self) -> None:
        self._connection.close()


class _Logs:
    """The logs of one protocol: those that outlive the process in the database, the others in memory."""

    def __init__(self, database: Database, protocol: str, durable: set[str], page_bytes: int) -> None:
        self._database, self._protocol, self._durable = database, protocol, durable
        self._page_bytes = page_bytes
        self._memory = Logs(page_bytes)

    def head(self, place: Place) -> int:
        if place[0] not in self._durable:
            return self._memory.head(place)
        [number] = self._database.execute(_HEAD, self._where(place)).fetchone()
        return int(number or 0)

    def append(
        self, place: Place, items: Sequence[tuple[str | None, Mapping[str, Any]]], keep: int | None = None
    ) -> tuple[Entry, ...]:
        if place[0] not in self._durable:
            return self._memory.append(place, items, keep)
        stored = []
        with self._database.transaction():
            head = self.head(place)
            for identity, value in items:
                # An entry without an identity is its number: no text is one.
                own = json.dumps(head + 1 if identity is None else identity)
                row = (*self._where(place), head + 1, own, json.dumps(value))
                if self._database.execute(_INSERT, row).rowcount:
                    head += 1
                    stored.append(Entry(head, identity, value))
        return tuple(stored)

    def read(self, place: Place, after: int, most: int) -> Page:
        if place[0] not in self._durable:
            return self._memory.read(place, after, most)
        values = (*self._where(place), min(after, _FURTHEST), min(most, _FURTHEST))
        entries: list[Entry] = []
        left = self._page_bytes
        for number, identity, text in self._database.execute(_BEHIND, values):
            left -= len(text)
            if entries and left < 0:
                break
            entries.append(Entry(number, json.loads(identity), json.loads(text)))
        last = entries[-1].number if entries else after
        return Page(tuple(entries), last < self.head(place))

    def forget(self, place: Place) -> None:
        if place[0] not in self._durable:
            self._memory.forget(place)
            return
        self._database.execute(_FORGET, self._where(place))

    def copy(self) -> Store:
        raise NotImplementedError("what is kept is kept once")

    def _where(self, place: Place) -> tuple[str, str, str]:
        name, key = place
        # ASCII throughout: a text of JSON may hold what is no Unicode.
        return self._protocol, name, json.dumps(key, sort_keys=True)
