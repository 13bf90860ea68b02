"""Hypothesis strategies for what a document declares: texts, values of a schema, whole messages, and faults in them.

Importing Hypothesis costs a quarter of a second, so nothing imports this unless something is to be drawn. Strategies
only aim: whether a message is valid is for the document's own reader to say.

A primitive draw costs Hypothesis about 20 µs, so values are drawn in few and coarse pieces: a text is one draw of bytes
and not one of each character.
"""

from spec.strategies.broken import broken
from spec.strategies.messages import Bodies
from spec.strategies.texts import texts

__all__ = ["Bodies", "broken", "texts"]
