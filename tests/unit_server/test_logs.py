"""Logs: events without secrets, and a net below that."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import trio.testing
from trio.testing import MockClock

from reference_server.logs import BackgroundLines, failure, make_log, redact, silent_log
from tests.unit_server.kit import Journal, clients, connect, memory_server, token


@pytest.mark.parametrize(
    "secret", [token(), token() + "\n", token().rpartition(".")[0] + ".", "abcdef1.ghijkl2.mnopqr3"]
)
def test_what_looks_like_a_token_is_redacted(secret: str) -> None:
    """Wherever it stands: in texts, keys, lists, bytes, or the text of an object."""
    event = redact(
        None,
        "info",
        {"a": f"?token={secret}&b", "b": [secret, {secret: (secret,)}], "c": secret.encode(), "d": ValueError(secret)},
    )

    assert "[redacted]" in str(event["a"])
    assert not any(secret.strip()[at : at + 16] in str(event) for at in range(len(secret.strip()) - 15))


def test_what_is_no_token_stays() -> None:
    """Addresses, codes, times and numbers are not touched."""
    event = {
        "address": "192.0.2.7",
        "code": 1008,
        "at": ["machine.py:12"],
        "when": "2027-01-15T08:00:00.123456Z",
        "x": None,
    }

    assert redact(None, "info", dict(event)) == event


@pytest.mark.parametrize("style", ["text", "json"])
def test_both_forms_are_redacted(style: str) -> None:
    """People and machines read the same."""
    journal = Journal()
    make_log("json" if style == "json" else "text", journal).info("odd", token=token())

    assert "[redacted]" in journal.getvalue()
    assert "eyJ" not in journal.getvalue()


def test_a_failure_is_told_by_type_and_place() -> None:
    """Its text may quote a message, so it is not told, not even from inside a group."""
    with pytest.raises(ExceptionGroup) as caught:
        raise ExceptionGroup("several", [ValueError("SENSITIVE")])

    told = failure(caught.value)
    assert told["error"] == "ValueError"
    assert "SENSITIVE" not in json.dumps(told)


def test_silence_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """The default logger of a server in a program writes nothing."""
    silent_log().error("nobody hears")

    assert capfd.readouterr() == ("", "")


def test_lines_are_written_in_the_background(tmp_path: Path) -> None:
    """All of them, in order, once the file is closed."""
    with (tmp_path / "log").open("wb") as file:
        lines = BackgroundLines(file.fileno())
        for number in range(1000):
            lines.write(f"{number}\n")
        lines.close()

    assert (tmp_path / "log").read_text().split() == [str(number) for number in range(1000)]
    assert lines.lost == 0


def test_a_reader_that_stalls_costs_lines_but_no_time() -> None:
    """Nobody reads the pipe: what does not fit is lost and counted, and writing does not wait."""
    reader, writer = os.pipe()
    lines = BackgroundLines(writer, limit=10)
    for _ in range(1000):
        lines.write("x" * 1024)
    lines.close(within=0.01)

    assert lines.lost > 800
    os.close(reader)
    lines._thread.join()
    os.close(writer)


@pytest.mark.trio
async def test_a_conversation_leaves_no_content_in_the_log(autojump_clock: MockClock) -> None:
    """Openings, errors and closes are told with their codes, but nothing that anybody said."""
    journal, good, bad = Journal(), token(), token("eve", secret="another secret of at least 32 bytes")
    async with memory_server(journal=journal) as server, clients(server) as nursery:
        ana, eve = await connect(server, nursery), await connect(server, nursery)
        await ana.send("auth", token=good)
        await ana.receive()
        await ana.send("chat_message", content="a private word")
        await ana.receive()
        await eve.send("auth", token=bad)
        assert await eve.error() == "TOKEN_INVALID"
        await eve.closed()
        await ana.connection.aclose(4001)
        await trio.testing.wait_all_tasks_blocked()
        text = journal.getvalue()

    for secret in (good, bad):
        assert not any(secret[at : at + 16] in text for at in range(len(secret) - 15))
    assert "private" not in text
    assert [event["code"] for event in journal.events("message.refused")] == ["TOKEN_INVALID"]
    assert [(event["code"], event["by"]) for event in journal.events("connection.closed")] == [
        (1008, "server"),
        (4001, "client"),
    ]
