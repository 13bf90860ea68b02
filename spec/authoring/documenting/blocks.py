"""What a page is made of, whatever it is written as; in texts, `backticks` mark what is to be typed as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import field, frozen

__all__ = ["Anchor", "Block", "Code", "Figure", "Heading", "Inline", "Items", "Page", "Ref", "Strong", "Table", "Text"]


@frozen
class Ref:
    """A link to a page of the documentation, or to an anchor on it."""

    text: str
    page: str
    anchor: str = ""


@frozen
class Strong:
    """Words that stand out; `tone` says what they tell: good, bad or plain."""

    text: str
    tone: str = "plain"


@frozen
class Anchor:
    """A text that links lead to."""

    text: str
    anchor: str


Piece = str | Ref | Strong | Anchor
Inline = Piece | Sequence[Piece]


@frozen
class Heading:
    """A heading within a page; level 1 is right below the page's title."""

    level: int
    text: str
    anchor: str


@frozen
class Text:
    """A paragraph."""

    inline: Inline


@frozen
class Items:
    """A list of short texts."""

    items: Sequence[Inline]


@frozen
class Table:
    """A table; the first cell of a row is its heading, and the caption says what the table tells."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Inline]]


@frozen
class Code:
    """A text as it stands; where `summary` is given, it is unfolded by who wants it."""

    text: str
    language: str
    summary: str | None = None


@frozen
class Figure:
    """A drawing; `says` are its words for who does not see it, `mermaid` its source."""

    svg: str
    mermaid: str
    caption: str
    says: str


Block = Heading | Text | Items | Table | Code | Figure


@frozen
class Page:
    """A page: in HTML a section, in Markdown a file of its own; its pages within are the same below it."""

    slug: str
    title: str
    blocks: Sequence[Block]
    pages: Sequence[Page] = field(factory=tuple)

    def every(self) -> Iterator[Page]:
        """The page and those within it."""
        yield self
        for page in self.pages:
            yield from page.every()
