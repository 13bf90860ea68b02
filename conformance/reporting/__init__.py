"""Reports: folds over the stream of a run, while it is fresh or from a file; one module for each kind.

The kinds are data, so that the command line, the documentation and the tests speak of the same ones. A kind's module is
imported when it is asked for.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from spec.exits import Exit, Stop

__all__ = ["KINDS", "Kind", "unknown_kind"]

Events = list[dict[str, Any]]

_SCHEMAS = Path(__file__).parent.parent / "schemas"


@frozen
class Kind:
    """A kind of report: the module that renders it, the version of its format, and the schema that it satisfies.

    `version` changes when something that a program may rely on goes or changes its meaning; what is added changes
    nothing. `schema` names a file of `conformance/schemas`, or the standard that others keep.
    """

    name: str
    module: str
    version: str
    schema: str
    text: str

    @property
    def schema_file(self) -> Path | None:
        """The JSON Schema of ours that reports of the kind satisfy."""
        return _SCHEMAS / self.schema if self.schema.endswith(".json") else None

    def __call__(self, events: Events) -> str:
        """The report of a run."""
        render = importlib.import_module(f"conformance.reporting.{self.module}").render
        return str(render(events))


_KINDS = (
    Kind("terminal", "terminal", "-", "-", "what `check` prints, without colours; for people, and free to change"),
    Kind("jsonl", "jsonl", "1", "jsonl.schema.json", "the stream itself, an event on each line, written as it comes"),
    Kind("json", "summary", "1", "json.schema.json", "the run as one value"),
    Kind("junit", "junit", "1", "JUnit XML as Jenkins reads it", "a suite for each rule, a test for each case"),
    Kind("sarif", "sarif", "2.1.0", "SARIF 2.1.0", "a result for each case that did not pass, placed in the document"),
    Kind("github", "github", "1", "GitHub workflow commands", "annotations of what is new, and the step's summary"),
    Kind("markdown", "markdown", "1", "GitHub Flavored Markdown", "a summary for people, to be put anywhere"),
    Kind("html", "html", "1", "HTML 5", "everything, on one page without any other file"),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _KINDS}


def unknown_kind(kind: str, known: Iterable[str] = tuple(KINDS)) -> Stop:
    """What is said of a kind of report that there is not."""
    near = difflib.get_close_matches(kind, known, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
    return Stop(Exit.USAGE, f"there is no report of kind `{kind}`", hint)
