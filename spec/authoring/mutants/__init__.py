"""Mutants: documents with one fault each, made from a correct one by a catalogue of operators."""

from spec.authoring.equivalence import Endless, Original
from spec.authoring.mutants.catalogue import OPERATORS, Operator, mutants
from spec.authoring.mutants.mutant import Mutant

__all__ = ["OPERATORS", "Endless", "Mutant", "Operator", "Original", "mutants"]
