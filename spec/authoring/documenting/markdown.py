"""The pages as a tree of Markdown, with drawings as Mermaid, which code hosts show."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from spec.authoring.documenting.blocks import (
    Anchor,
    Block,
    Code,
    Figure,
    Heading,
    Inline,
    Items,
    Page,
    Piece,
    Ref,
    Strong,
    Table,
    Text,
)
from spec.authoring.outlining import Outline

__all__ = ["markdown"]

_INDEX = "README.md"


def markdown(document: Outline, pages: Sequence[Page], made: str) -> dict[str, str]:
    """The text of each file, by its path; the first page is the index."""
    title = f"{document.data['title']}, version {document.version}"
    files = {}
    for page in pages:
        for inner in page.every():
            path = _file(inner.slug, pages)
            lines = [f"# {title}" if path == _INDEX else f"# {inner.title}", ""]
            lines += _body(inner, path, pages)
            if path == _INDEX:
                lines += ["## Contents", "", *_contents(pages), ""]
            elif inner.pages:
                lines += [*(f"- [{_plain(p.title)}]({_way(path, p.slug, '', pages)})" for p in inner.pages), ""]
            files[path] = "\n".join([*lines, "---", "", made]) + "\n"
    return files


def _file(slug: str, pages: Sequence[Page]) -> str:
    return _INDEX if slug == pages[0].slug else f"{re.sub(r'[^0-9A-Za-z_./-]', '-', slug)}.md"


def _way(here: str, slug: str, anchor: str, pages: Sequence[Page]) -> str:
    """A link from one file to another."""
    there = _file(slug, pages)
    way = "" if there == here and anchor else posixpath.relpath(there, posixpath.dirname(here) or ".")
    return way + (f"#{anchor}" if anchor else "")


def _contents(pages: Sequence[Page]) -> Iterator[str]:
    for page in pages[1:]:
        yield f"- [{_plain(page.title)}]({_way(_INDEX, page.slug, '', pages)})"
        yield from (f"  - [{_plain(p.title)}]({_way(_INDEX, p.slug, '', pages)})" for p in page.pages)


def _body(page: Page, here: str, pages: Sequence[Page]) -> Iterator[str]:
    for block in page.blocks:
        yield from _block(block, here, pages)
        yield ""


def _block(block: Block, here: str, pages: Sequence[Page]) -> Iterator[str]:
    match block:
        case Heading():
            yield f'<a id="{block.anchor}"></a>'
            yield ""
            yield f"{'#' * (block.level + 1)} {_plain(block.text)}"
        case Text():
            yield _inline(block.inline, here, pages)
        case Items():
            yield from (f"- {_inline(item, here, pages)}" for item in block.items)
        case Table():
            yield "| " + " | ".join(map(_plain, block.head)) + " |"
            yield "| " + " | ".join("---" for _ in block.head) + " |"
            for row in block.rows:
                yield "| " + " | ".join(_cell(_inline(cell, here, pages)) for cell in row) + " |"
        case Code():
            yield from _fenced(block.text, block.language, block.summary)
        case Figure():
            yield from _fenced(block.mermaid, "mermaid", None)
            yield ""
            yield _inline(block.caption, here, pages)


def _fenced(text: str, language: str, summary: str | None) -> Iterator[str]:
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall(r"`+", text)), default=0))
    if summary is not None:
        yield from (f"<details><summary>{_plain(summary)}</summary>", "")
    yield from (f"{fence}{language}", text.rstrip(), fence)
    if summary is not None:
        yield from ("", "</details>")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _inline(inline: Inline, here: str, pages: Sequence[Page]) -> str:
    pieces = [inline] if isinstance(inline, str | Ref | Strong | Anchor) else inline
    return "".join(_piece(piece, here, pages) for piece in pieces)


def _piece(piece: Piece, here: str, pages: Sequence[Page]) -> str:
    match piece:
        case Ref():
            return f"[{_plain(piece.text)}]({_way(here, piece.page, piece.anchor, pages)})"
        case Strong():
            return f"**{_plain(piece.text)}**"
        case Anchor():
            return f'<a id="{piece.anchor}"></a>{_plain(piece.text)}'
    return _plain(piece)


def _plain(text: str) -> str:
    """A text without what Markdown takes for its own signs; what stands in backticks is left alone."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if number % 2 else re.sub(r"([\\*_<>\[\]])", r"\\\1", part) for number, part in enumerate(parts)
    )
