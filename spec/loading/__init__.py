"""The strict loader of protocol documents: YAML 1.2 with positions, validated whole, every problem told at once."""

from __future__ import annotations

from spec.loading.packaged import Packaged, UnknownProtocol, available, find, shown
from spec.loading.problems import DocumentError, Place, Problem
from spec.loading.reading import OPTIONAL, read, read_data, read_text
from spec.loading.source import Source, digest_of

__all__ = [
    "OPTIONAL",
    "DocumentError",
    "Packaged",
    "Place",
    "Problem",
    "Source",
    "UnknownProtocol",
    "available",
    "digest_of",
    "find",
    "read",
    "read_data",
    "read_text",
    "shown",
]
