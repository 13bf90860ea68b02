"""A judgement of changes, told in several formats: each is a function of it and of the names of the documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spec.authoring.diffing.policy import Judgement

__all__ = ["KINDS", "render"]

KINDS: Mapping[str, str] = {
    "text": "spec.authoring.diffing.reporting.text:text",
    "json": "spec.authoring.diffing.reporting.data:as_json",
    "markdown": "spec.authoring.diffing.reporting.markdown:markdown",
    "html": "spec.authoring.diffing.reporting.page:html",
    "github": "spec.authoring.diffing.reporting.annotations:github",
    "junit": "spec.authoring.diffing.reporting.annotations:junit",
    "sarif": "spec.authoring.diffing.reporting.annotations:sarif",
}
"""Where each format is made; loaded when asked for."""


def render(kind: str, judgement: Judgement, names: tuple[str, str]) -> str:
    """A judgement in a format; `names` are the documents as they were named."""
    from importlib import import_module

    module, _, name = KINDS[kind].partition(":")
    made: Callable[[Judgement, tuple[str, str]], str] = getattr(import_module(module), name)
    return made(judgement, names)
