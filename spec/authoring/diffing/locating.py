"""Where a document of a comparison is: a packaged protocol, a path, or a path as a git revision has it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from spec.authoring.reading import read_document
from spec.exits import Exit, Stop
from spec.loading import DocumentError, Problem, Source, read
from spec.loading.parsing import parse

__all__ = ["document_at", "in_revision"]

_MOST_FILES = 21


def document_at(name: str) -> Source:
    """The document that `chat`, `chat@1`, `path.yaml` or `git:REVISION:PATH` names.

    A path of git is relative to the working directory, as all paths are; what the document includes is taken from the
    same revision.

    Raises:
        Stop: with every problem of the document, or what keeps it from being read.
    """
    if not name.startswith("git:"):
        return read_document(name)
    revision, colon, path = name.removeprefix("git:").partition(":")
    if not (revision and colon and path) or revision.startswith("-"):
        raise Stop(
            Exit.USAGE, f"`{name}` names no document of git", "write `git:REVISION:PATH`, as in `git:main:v2.yaml`"
        )
    top = Path(_git("rev-parse", "--show-toplevel").strip())
    try:
        inner = PurePosixPath(Path(path).resolve().relative_to(top.resolve()))
    except ValueError:
        raise Stop(Exit.USAGE, f"`{path}` lies outside the repository {top}") from None
    with tempfile.TemporaryDirectory() as folder:
        _take(revision, inner, Path(folder))
        try:
            return read(Path(folder) / inner)
        except DocumentError as error:
            told = "\n".join(str(problem).replace(f"{folder}/", f"{revision}:") for problem in error.problems)
            raise Stop(Exit.USAGE, f"`{name}` cannot be used:\n{told}") from None


def in_revision(revision: str, path: str) -> bool:
    """Whether git has a path, relative to the working directory, in a revision; raises Stop for one it has not."""
    if revision.startswith("-") or not revision:
        raise Stop(Exit.USAGE, f"`{revision}` names no revision of git")
    return bool(_git("ls-tree", "--name-only", revision, "--", path).strip())


def _take(revision: str, path: PurePosixPath, folder: Path) -> None:
    """Write a file of a revision, and those that it includes, at their places within a folder."""
    pending, done = [path], set[PurePosixPath]()
    while pending and len(done) <= _MOST_FILES:
        one = pending.pop()
        if one in done:
            continue
        done.add(one)
        text = _git("show", f"{revision}:{one}")
        target = folder / one
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        pending += [_joined(one.parent, included) for included in _includes(text)]


def _joined(base: PurePosixPath, path: str) -> PurePosixPath:
    parts: list[str] = []
    for part in (base / path).parts:
        if part == ".." and parts:
            parts.pop()
        elif part not in ("..", "."):
            parts.append(part)
    return PurePosixPath(*parts)


def _includes(text: str) -> Iterator[str]:
    """The files of its repository that a text includes; whatever is wrong with it is told when the document is read."""
    problems: list[Problem] = []
    root = parse(text, "", problems)
    entry = root.value.get("include") if root is not None and isinstance(root.value, dict) else None
    items = entry.value.value if entry is not None and isinstance(entry.value.value, list) else []
    named = (item.value for item in items if isinstance(item.value, str))
    # A packaged file is no file of the repository, and is read as it is today.
    yield from (name for name in named if not name.startswith("handfast:"))


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        raise Stop(Exit.USAGE, "there is no git to ask", "install git, or give a path") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["git failed"])[0]
        raise Stop(Exit.USAGE, f"git: {said.removeprefix('fatal: ')}")
    return done.stdout
