"""Logs that outlive the process: what a store keeps, what it refuses, and what it gives to entries older than it."""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.attributing import ATTRIBUTE
from reference_server.storing import open_database
from spec.compiling import load
from spec.exits import Stop
from spec.machine.logs import Logs, Store

_SYNC = load("sync")
_ONE, _TWO = ("events", "one"), ("events", "two")
_PAGE = 200
OLD = {"event": {"id": "a", "name": "n", "args": None, "localTimestamp": "2020-02-03T04:05:06+01:00"}}


def _value(text: str) -> dict[str, Any]:
    return {"event": {"id": text}, "metadata": {"userId": "ana"}}


def test_what_was_stored_is_there_after_the_process(tmp_path: Path) -> None:
    """In its order, once, and whoever comes later finds ids taken."""
    where = f"sqlite:{tmp_path / 'events.db'}"
    with closing(open_database(where)) as database:
        database.logs(_SYNC)(_PAGE).append(_ONE, [("b", _value("b")), ("a", _value("a")), ("b", _value("again"))])
    with closing(open_database(where)) as database:
        logs = database.logs(_SYNC)(_PAGE)
        stored = logs.append(_ONE, [("a", _value("again")), ("c", _value("c"))])
        page = logs.read(_ONE, 0, 10)

        assert [(entry.number, entry.identity) for entry in stored] == [(3, "c")]
        assert [(entry.number, entry.value) for entry in page.entries] == [
            *((1, _value("b")), (2, _value("a")), (3, _value("c")))
        ]
        assert (logs.head(_ONE), logs.head(_TWO)) == (3, 0)


def test_items_are_stored_all_or_none(tmp_path: Path) -> None:
    """One that cannot be written takes the others with it."""
    with closing(open_database(f"sqlite:{tmp_path / 'events.db'}")) as database:
        logs = database.logs(_SYNC)(_PAGE)
        with pytest.raises(TypeError):
            logs.append(_ONE, [("a", _value("a")), ("b", {"event": object()})])
        logs.append(_ONE, [("c", _value("c"))])

        assert [entry.identity for entry in logs.read(_ONE, 0, 10).entries] == ["c"]


_PLACES = st.sampled_from([_ONE, _TWO])
_TEXTS = st.sampled_from(["a", "b", "ä", "\ud800", "c" * 150])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), _PLACES, st.lists(_TEXTS, max_size=4)),
        st.tuples(st.just("read"), _PLACES, st.integers(0, 6) | st.just(10**30), st.integers(1, 5)),
    ),
    max_size=8,
)


@given(_STEPS)
def test_a_store_does_what_memory_does(steps: list[Any]) -> None:
    """Whatever is stored and read, in pages of any size."""
    with closing(open_database("sqlite::memory:")) as database:
        stored: Store = database.logs(_SYNC)(10_000)
        memory: Store = Logs(10_000)
        for kind, place, *rest in steps:
            if kind == "append":
                items = [(text, _value(text)) for text in rest[0]]
                assert stored.append(place, items) == memory.append(place, items)
            else:
                assert stored.read(place, *rest) == memory.read(place, *rest)


def test_a_page_holds_so_many_bytes_but_one_entry(tmp_path: Path) -> None:
    """`more` says that there are others."""
    with closing(open_database(f"sqlite:{tmp_path / 'events.db'}")) as database:
        logs = database.logs(_SYNC)(_PAGE)
        logs.append(_ONE, [(str(number), _value("x" * 90)) for number in range(3)])
        logs.append(_TWO, [(str(number), _value("x" * 900)) for number in range(3)])

        assert [len(logs.read(place, 0, 9).entries) for place in (_ONE, _TWO)] == [1, 1]
        assert [logs.read(_ONE, after, 9).more for after in (0, 2)] == [True, False]


def _other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (a)")


def _newer(path: Path) -> None:
    open_database(f"sqlite:{path}").close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text("no database" * 100), "cannot be opened"),
        (Path.mkdir, "cannot be opened"),
        (_other_database, "no store of handfast"),
        (_newer, "has format 2"),
    ],
)
def test_what_is_no_store_of_ours_is_refused(make: Any, says: str, tmp_path: Path) -> None:
    """It is told so, and left as it was."""
    path = tmp_path / "events.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""

    with pytest.raises(Stop, match=says):
        open_database(f"sqlite:{path}")
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize("where", ["events.db", "sqlite:", "postgres:x"])
def test_what_names_no_store_is_refused(where: str) -> None:
    """With the form that it should have."""
    with pytest.raises(Stop, match="names no store"):
        open_database(where)


def test_a_store_has_one_server(tmp_path: Path) -> None:
    """A second one would number events anew."""
    where = f"sqlite:{tmp_path / 'events.db'}"
    with closing(open_database(where)), pytest.raises(Stop, match="is in use"):
        open_database(where)


def test_older_events_are_attributed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command may run again, and leaves alone what has its metadata (SYNC-EVT-8)."""
    where = f"sqlite:{tmp_path / 'events.db'}"
    with closing(open_database(where)) as database:
        database.logs(_SYNC)(_PAGE).append(_ONE, [("a", OLD), ("b", _value("b"))])
    for _ in range(2):
        ATTRIBUTE.run(argparse.Namespace(store=where, protocol="sync"))
    with closing(open_database(where)) as database:
        first, second = database.logs(_SYNC)(10_000).read(_ONE, 0, 9).entries

    said = capsys.readouterr().out.splitlines()
    assert said == ["2 entries, 1 of them attributed now", "2 entries, 0 of them attributed now"]
    assert first.value["metadata"] == {
        "userId": "anonymous",
        "timestamp": OLD["event"]["localTimestamp"],
        "connectionId": None,
    }
    assert second.value == _value("b")


@pytest.mark.parametrize(
    ("protocol", "says"), [("chat", "lack nothing"), ("nonesuch", "nonesuch"), ("sync", "there is no store")]
)
def test_what_cannot_be_attributed_is_told(protocol: str, says: str, tmp_path: Path) -> None:
    """And no store is made for it."""
    path = tmp_path / "events.db"
    with pytest.raises(Stop, match=says):
        ATTRIBUTE.run(argparse.Namespace(store=f"sqlite:{path}", protocol=protocol))
    assert not path.exists()
