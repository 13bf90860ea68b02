"""The kinds of exports, each a function from an outline to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from attrs import frozen

from spec.authoring.outlining import Outline

__all__ = ["KINDS", "Kind", "export"]


@frozen
class Kind:
    """A kind of export: the module whose `text` makes it, and how its files end."""

    name: str
    module: str
    suffix: str
    text: str

    def make(self, document: Outline) -> str:
        """The export of a document."""
        # Loaded when asked for, so that a command does not pay for the kinds that it does not write.
        write: Callable[[Outline], str] = import_module(f"spec.authoring.exporting.{self.module}").text
        return write(document)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("jsonschema", "jsonschema", ".schema.json", "JSON Schema 2020-12 of every message, as one bundle"),
        Kind("asyncapi", "asyncapi", ".asyncapi.json", "AsyncAPI 3.0"),
        Kind("typescript", "typescript", ".ts", "types of messages, codes and states for TypeScript"),
        Kind("python", "python", ".py", "types of messages, codes and states for Python"),
        Kind("mermaid", "mermaid", ".mmd", "the states as a Mermaid `stateDiagram-v2`"),
        Kind("dot", "dot", ".dot", "the states as a Graphviz graph"),
        Kind("xstate", "xstate", ".xstate.json", "the states as a machine of XState 5"),
    )
}


def export(document: Outline, kind: str) -> str:
    """The export of a document in one of `KINDS`; the same document gives the same text."""
    return KINDS[kind].make(document)
