"""Abstractions: what is finite about a document, and complete suites of tests for it."""

from spec.abstraction.connection import CLOSED, START, Answer, Countdown, Layer, abstract, merged
from spec.abstraction.inputs import LONG, SHORT, Input
from spec.abstraction.mealy import Mealy, difference
from spec.abstraction.suites import NotMinimal, hsi, identifiers, transition_cover

__all__ = [
    "CLOSED",
    "LONG",
    "SHORT",
    "START",
    "Answer",
    "Countdown",
    "Input",
    "Layer",
    "Mealy",
    "NotMinimal",
    "abstract",
    "difference",
    "hsi",
    "identifiers",
    "merged",
    "transition_cover",
]
