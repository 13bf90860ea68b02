"""For a browser: one page without scripts, readable on a phone, in the dark and in print."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from spec.authoring.diffing.policy import Finding, Judgement
from spec.authoring.diffing.reporting.words import SIDES, headline, level_of, place, summary, witness_lines

__all__ = ["html"]

_STYLE = """
:root { color-scheme: light dark; --line: #8888; --error: #b00020; --warning: #8a5a00; --info: #2f6f3e; }
@media (prefers-color-scheme: dark) { :root { --error: #ff8a8a; --warning: #f0b95a; --info: #8fd19e; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1, h2 { line-height: 1.25; } h2 { font-size: 1.1rem; }
article { border-top: 1px solid var(--line); padding-block: .75rem; break-inside: avoid; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--line); padding: .5rem; }
code { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: .25rem 0; }
dd { margin: 0; overflow-wrap: anywhere; }
.error { color: var(--error); } .warning { color: var(--warning); } .info, .ignored { color: var(--info); }
@media (max-width: 30rem) { dl { display: block; } dt { font-weight: 600; } }
""".strip()


def html(judgement: Judgement, names: tuple[str, str]) -> str:
    """The judgement as one self-contained page."""
    return "\n".join(_lines(judgement, names)) + "\n"


def _lines(judgement: Judgement, names: tuple[str, str]) -> Iterator[str]:
    comparison = judgement.comparison
    title = escape(f"{comparison.protocol} {comparison.versions[0]} → {comparison.versions[1]}")
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title><style>{_STYLE}</style></head><body><main>"
    yield f"<h1>{title}</h1>"
    yield f"<p><code>{escape(names[0])}</code> → <code>{escape(names[1])}</code>: {escape(summary(judgement))}.</p>"
    for one in judgement.findings:
        yield from _article(one)
    for heading, entries in (("Stale exceptions", judgement.stale), ("Not played", comparison.left_out)):
        if entries:
            yield f"<h2>{heading}</h2><ul>"
            yield from (f"<li>{escape(entry)}</li>" for entry in entries)
            yield "</ul>"
    yield "</main></body></html>"


def _article(one: Finding) -> Iterator[str]:
    found, level = one.change, level_of(one)
    yield f'<article id="{found.fingerprint}">'
    yield f'<h2><span class="{level}">{level}</span> <code>{found.rule.id}</code> {escape(headline(found))}</h2>'
    yield "<dl>"
    yield f"<dt>at</dt><dd><code>{escape(place(found))}</code></dd>"
    yield from (f"<dt>{side}</dt><dd>{found.verdict(order)}</dd>" for order, side in SIDES.items())
    if found.stages:
        yield f"<dt>where</dt><dd>{escape(' or '.join(found.stages))}</dd>"
    if one.ignored:
        yield f"<dt>ignored</dt><dd>{escape(one.ignored)}</dd>"
    if found.rule.fix:
        yield f"<dt>instead</dt><dd>{escape(found.rule.fix)}</dd>"
    yield "</dl>"
    for witness in found.witnesses:
        lines = "\n".join(witness_lines(witness))
        yield f"<p>{SIDES[witness.order].capitalize()}:</p><pre>{escape(lines)}</pre>"
    yield "</article>"
