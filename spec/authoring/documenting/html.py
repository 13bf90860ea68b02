"""The pages as one file of HTML that needs nothing beside it: no script, no font, no picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

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

__all__ = ["html"]

_CSS = Path(__file__).with_name("page.css")
_COMPACT, _LONG = 28, 24
"""How many letters a row's heading of one word may have and still not break, and a word until it may."""


def html(document: Outline, pages: Sequence[Page], made: str) -> str:
    """The page; `made` says of which document it was made."""
    title = f"{document.data['title']}, version {document.version}"
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{_CSS.read_text(encoding='utf-8')}</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#main">To the content</a>',
        f'<header><p class="kind">WebSocket protocol</p><h1>{escape(title)}</h1></header>',
        '<div class="columns">',
        *_contents(pages),
        '<main id="main">',
        *(line for page in pages for line in _page(page, 2)),
        "</main>",
        "</div>",
        f"<footer><p>{_text(made)}</p></footer>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _contents(pages: Sequence[Page]) -> Iterator[str]:
    yield '<nav aria-label="Contents"><details open><summary>Contents</summary><ul>'
    for page in pages:
        below = "".join(f'<li><a href="#{_id(inner.slug)}">{escape(inner.title)}</a></li>' for inner in page.pages)
        below = f"<ul>{below}</ul>" if below else ""
        yield f'<li><a href="#{_id(page.slug)}">{escape(page.title)}</a>{below}</li>'
    yield "</ul></details></nav>"


def _page(page: Page, level: int) -> Iterator[str]:
    name = _id(page.slug)
    yield f'<section aria-labelledby="{name}">'
    yield f'<h{level} id="{name}">{escape(page.title)}</h{level}>'
    for block in page.blocks:
        yield from _block(block, level)
    for inner in page.pages:
        yield from _page(inner, level + 1)
    yield "</section>"


def _id(slug: str) -> str:
    return f"page-{re.sub(r'[^0-9A-Za-z_.-]', '-', slug)}"


def _block(block: Block, level: int) -> Iterator[str]:
    match block:
        case Heading():
            yield f'<h{level + block.level} id="{escape(block.anchor)}">{escape(block.text)}</h{level + block.level}>'
        case Text():
            yield f"<p>{_inline(block.inline)}</p>"
        case Items():
            yield "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in block.items) + "</ul>"
        case Table():
            yield from _table(block)
        case Code():
            yield from _code(block)
        case Figure():
            yield from _figure(block)


def _table(table: Table) -> Iterator[str]:
    # Focusable, so that it can be scrolled without a mouse; named, since what takes the focus must say what it is.
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.caption)}"><table>'
    yield f"<caption>{escape(table.caption)}</caption>"
    yield (
        "<thead><tr>" + "".join(f'<th scope="col">{escape(name)}</th>' for name in table.head) + "</tr></thead><tbody>"
    )
    for first, *others in table.rows:
        cells = "".join(f"<td>{_inline(cell)}</td>" for cell in others)
        heading = _inline(first)
        words = re.sub(r"<[^>]*>", "", heading)
        key = ' class="key"' if " " not in words and len(words) <= _COMPACT else ""
        yield f'<tr><th scope="row"{key}>{heading}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def _code(code: Code) -> Iterator[str]:
    label = escape(code.summary or "Example")
    block = f'<pre tabindex="0" aria-label="{label}"><code>{escape(code.text.rstrip())}</code></pre>'
    yield f"<details><summary>{label}</summary>{block}</details>" if code.summary else block


def _figure(figure: Figure) -> Iterator[str]:
    yield f'<figure><div class="scroll" role="region" tabindex="0" aria-label="{escape(figure.caption)}">'
    yield f"{figure.svg}</div><figcaption>{_inline(figure.caption)}</figcaption>"
    yield from _code(Code(figure.mermaid, "mermaid", "Source for Mermaid"))
    yield "</figure>"


def _inline(inline: Inline) -> str:
    return "".join(map(_piece, [inline] if isinstance(inline, str | Ref | Strong | Anchor) else inline))


def _piece(piece: Piece) -> str:
    match piece:
        case Ref():
            return f'<a href="#{escape(piece.anchor or _id(piece.page))}">{_text(piece.text)}</a>'
        case Strong():
            return f'<strong class="{piece.tone}">{_text(piece.text)}</strong>'
        case Anchor():
            return f'<span id="{escape(piece.anchor)}">{_text(piece.text)}</span>'
    return _text(piece)


def _text(text: str) -> str:
    """A text with what stands in backticks as code; long words may break behind their signs."""
    parts = re.split(r"`([^`]*)`", text)
    return "".join(
        f"<code>{_breaking(part)}</code>" if number % 2 else _breaking(part) for number, part in enumerate(parts)
    )


def _breaking(text: str) -> str:
    return "".join(_word(part) for part in re.split(r"(\s+)", text))


def _word(word: str) -> str:
    if len(word) <= _LONG:
        return escape(word)
    return "<wbr>".join(map(escape, re.split(r"(?<=[._/-])(?=\w)", word)))
