"""Shrinking: from a failing case to a smaller one that fails alike, whichever family it is of."""

from conformance.shrinking.searching import kind
from conformance.shrinking.shrinker import Shrinker, shortest_first

__all__ = ["Shrinker", "kind", "shortest_first"]
