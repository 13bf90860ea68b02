"""The tutorial `docs/authoring.md`, executed: every command with what it prints, every edit as it is shown."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, field

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "authoring.md"
ADDRESS = "ws://127.0.0.1:8080"
PATIENCE = 300.0
"""Seconds after which a command that should have ended is killed, and the test fails."""


@define
class Reader:
    """Somebody who does in a folder what a page says, line by line."""

    folder: Path
    environment: dict[str, str] = field(factory=lambda: {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"})
    server: subprocess.Popen[str] | None = None
    url: str = ADDRESS

    def console(self, block: str) -> None:
        """Run the commands of a block and hold what they print to what stands below each; `…` stands for anything."""
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, expected = part.partition("\n")
            found = self.run(command)
            assert matches(expected, found), f"$ {command}\n{found}\n--- but the page says\n{expected}"

    def run(self, command: str) -> str:
        """What a command prints, with its exit code where that is not 0."""
        words = shlex.split(command)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.environment[name] = value
            return ""
        if words[0] == "kill":
            self.stop()
            return ""
        assert words[0] == "handfast", command
        line = [sys.executable, "-m", "spec", *(word.replace(ADDRESS, self.url) for word in words[1:])]
        if words[-1] == "&":
            return self.serve(line[:-1])
        done = subprocess.run(
            line, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        code = f"[exit {done.returncode}]\n" if done.returncode else ""
        # Of a command that does what it is for, standard error has its progress, which is nobody's result.
        told = done.stderr if done.returncode > 1 else ""
        return (done.stdout + told + code).replace(self.url, ADDRESS)

    def serve(self, line: list[str]) -> str:
        """Start a server, on a port that is free here."""
        line[line.index("--port") + 1] = "0"
        self.server = subprocess.Popen(
            line, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.server.stdout is not None
        said = self.server.stdout.readline()
        self.url = said.removeprefix("listening on ").strip()
        return said.replace(self.url, ADDRESS)

    def stop(self) -> None:
        """End the server, if one runs."""
        if self.server is not None:
            self.server.kill()
            self.server.communicate()
            self.server = None

    def diff(self, block: str) -> None:
        """Edit the document: the lines that stay and go are in it once, those that stay and come replace them."""
        lines = block.splitlines()
        old = "\n".join(line[1:] for line in lines if line[:1] != "+")
        new = "\n".join(line[1:] for line in lines if line[:1] != "-")
        path = self.folder / "lamp.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"the document has this {text.count(old)} times:\n{old}"
        path.write_text(text.replace(old, new), encoding="utf-8")


def matches(expected: str, found: str) -> bool:
    """Whether a text is as expected, where `…` stands for anything on a line, and alone on a line for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in expected.strip("\n").splitlines()
    )
    return re.fullmatch(pattern, found if not found or found.endswith("\n") else f"{found}\n") is not None


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page, by their language."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.M | re.S)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    found = Reader(tmp_path)
    yield found
    found.stop()


def test_the_tutorial_does_what_it_says(reader: Reader) -> None:
    """From an empty folder to a gate that shuts and opens."""
    for language, block in blocks(PAGE.read_text(encoding="utf-8")):
        if language in {"console", "diff"}:
            getattr(reader, language)(block)
        else:
            assert language == "sh"


def test_the_gate_runs_what_was_run() -> None:
    """Every command of the pipeline stands on the page before it, or is one of it with other reports."""
    text = PAGE.read_text(encoding="utf-8")
    run = [line for language, block in blocks(text) if language == "console" for line in block.splitlines()]
    [gate] = [block for language, block in blocks(text) if language == "sh"]

    for line in gate.splitlines():
        command = line.partition(' "$URL"')[0]
        assert any(done.startswith(f"$ {command}") for done in run), line


@pytest.mark.parametrize(
    ("expected", "found", "fits"),
    [
        ("", "", True),
        ("", "a\n", False),
        ("a\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("a …\n", "a b c\n", True),
        ("a …\n", "a\nb\n", False),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nb\nc\n", False),
        ("[exit 1]\n", "", False),
    ],
)
def test_what_is_printed_is_held_to_the_page(expected: str, found: str, fits: bool) -> None:
    """Line by line, with anything for `…`."""
    assert matches(expected, found) is fits
