"""The `html` report: one page that needs no other file, no network and, but for its filter, no script."""

from __future__ import annotations

from conformance.reporting.html.page import render

__all__ = ["render"]
