"""The edges of a document as a diagram shows them: one arrow between two states, with all that takes it."""

from __future__ import annotations

from attrs import frozen

from spec.authoring.outlining.outline import CLOSED, START, Edge, Outline

__all__ = ["Arrow", "arrows"]


@frozen
class Arrow:
    """An arrow of a diagram; a source that is empty is any state."""

    source: str
    target: str
    labels: tuple[str, ...]


def arrows(document: Outline) -> tuple[Arrow, ...]:
    """The arrows of a document; those that end the connection say with what, the others what was received."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for edge in document.edges:
        labels = found.setdefault((edge.source, edge.target), {})
        labels.update(dict.fromkeys(_labels(edge)))
    return tuple(Arrow(source, target, tuple(labels)) for (source, target), labels in found.items())


def _labels(edge: Edge) -> tuple[str, ...]:
    if edge.target == CLOSED and edge.source != START:
        return edge.reasons if edge.source else tuple(f"{edge.trigger}: {reason}" for reason in edge.reasons)
    if edge.target == CLOSED:
        return edge.reasons
    return (f"after {edge.trigger}" if edge.kind == "timer" else edge.trigger,)
