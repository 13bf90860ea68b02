"""A document laid out for readers: what its pages and exports are made from.

All of it is read from the document's checked data and not from its model, and what a construct means that is not known
here is shown as it is written, so that a document that says more than another still has pages and exports.
"""

from spec.authoring.outlining.decisions import Decision, Outcome
from spec.authoring.outlining.legality import Legality, legality
from spec.authoring.outlining.outline import CLOSED, FRAMES, START, Edge, Outline, Row, State, Timer, outline
from spec.authoring.outlining.shapes import definitions, message_schema, side_name

__all__ = [
    "CLOSED",
    "FRAMES",
    "START",
    "Decision",
    "Edge",
    "Legality",
    "Outcome",
    "Outline",
    "Row",
    "State",
    "Timer",
    "definitions",
    "legality",
    "message_schema",
    "outline",
    "side_name",
]
