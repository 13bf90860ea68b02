"""`handfast docs`: the documentation of a protocol."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from spec.cli import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spec.authoring.documenting.blocks import Page
    from spec.authoring.outlining import Outline
    from spec.authoring.written import Written
    from spec.loading import Source

__all__ = ["DOCS"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC", help="a packaged protocol by name, or a document's path")
    parser.add_argument("--html", metavar="FILE", help="write one page of HTML that needs nothing beside it")
    parser.add_argument("--markdown", metavar="FOLDER", help="write a tree of Markdown")
    parser.add_argument(
        "--since",
        metavar="OLD",
        help="tell what changed since this document (default: v1.yaml beside v2.yaml; `none`: nothing)",
    )
    parser.add_argument(
        "--trace",
        metavar="FILE",
        action="append",
        default=[],
        help="draw the failures of a saved file or a jsonl report (repeatable)",
    )
    parser.add_argument("--cases", action="store_true", help="count the suite's cases for each rule (takes seconds)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where what is there is stale")


def _run(arguments: argparse.Namespace) -> int:
    from spec.authoring.documenting.contents import pages
    from spec.authoring.outlining import outline
    from spec.authoring.reading import read_document
    from spec.authoring.written import put, stale
    from spec.exits import Exit, Stop

    if arguments.html is None and arguments.markdown is None:
        raise Stop(Exit.USAGE, "what is to be written?", "say `--html FILE` or `--markdown FOLDER`, or both")
    source = read_document(arguments.document)
    document = outline(source)
    more = (_changes(source, arguments.since), _failures(document, arguments.trace))
    every = pages(document, _counted(arguments.document) if arguments.cases else None, more)
    files = _written(document, every, arguments.html, arguments.markdown)
    if arguments.check:
        return stale(files, document.digest)
    put(files)
    return Exit.CONFORMANT


def _changes(source: Source, since: str | None) -> Page | None:
    """What changed since the document that is named, or since the version before where its file lies beside."""
    from spec.authoring.diffing.locating import document_at
    from spec.authoring.documenting.changelog import page
    from spec.loading import read

    if since == "none":
        return None
    if since is not None:
        return page(document_at(since), source)
    version = source.data["version"]
    own = source.files[0] if source.files else None
    before = own.with_name(f"v{version - 1}{own.suffix}") if own is not None and own.stem == f"v{version}" else None
    return page(read(before), source) if before is not None and before.is_file() else None


def _failures(document: Outline, files: Sequence[str]) -> Page | None:
    from pathlib import Path

    from spec.authoring.documenting.traces import page, read_traces

    return page(document, [trace for file in files for trace in read_traces(Path(file))])


def _counted(name: str) -> dict[str, dict[str, int]]:
    """The cases of whatever suite is installed, which this package does not know."""
    from importlib.metadata import entry_points

    found: dict[str, dict[str, int]] = {}
    for suite in entry_points(group="handfast.cases"):
        found |= suite.load()(name)
    return found


def _written(document: Outline, every: Sequence[Page], page: str | None, folder: str | None) -> list[Written]:
    from spec.authoring.documenting.html import html
    from spec.authoring.documenting.markdown import markdown
    from spec.authoring.exporting.stamp import stamp
    from spec.authoring.written import Written

    made = f"Made from `{stamp(document)}` by `handfast docs`; do not edit it, make it anew."
    files = [Written(page, html(document, every, made))] if page is not None else []
    if folder is not None:
        tree = markdown(document, every, made)
        files += [Written(f"{folder.rstrip('/')}/{path}", text) for path, text in tree.items()]
    return files


DOCS = Command("docs", "the documentation of a protocol, as HTML and Markdown", _arguments, _run)
