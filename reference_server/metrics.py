"""Metrics in Prometheus' text format, in a registry of the server's own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

__all__ = ["Metrics"]

# RFC 6455 section 7.4.1. A peer may send thousands of other codes; they share one label.
_REGISTERED = frozenset({1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class Metrics:
    """What a server counts. Labels come from the document or are bounded, never a client's own words."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._opened = Counter(
            "handfast_connections_opened", "Connections opened.", ["version"], registry=self.registry
        )
        self._deprecated = Counter(
            "handfast_deprecated_connections",
            "Connections opened in a deprecated version.",
            ["version"],
            registry=self.registry,
        )
        self._open = Gauge("handfast_connections_open", "Connections open now.", registry=self.registry)
        self._refused = Counter("handfast_refusals", "Requests refused.", ["code"], registry=self.registry)
        self._closed = Counter("handfast_closes", "Connections ended.", ["code", "by"], registry=self.registry)
        self._errors = Counter("handfast_errors", "Error messages sent.", ["code"], registry=self.registry)
        messages = Counter("handfast_messages", "Messages handled.", ["direction"], registry=self.registry)
        self._received, self._sent = messages.labels("in"), messages.labels("out")

    def opened(self, version: str, *, deprecated: bool) -> None:
        self._opened.labels(version).inc()
        self._open.inc()
        if deprecated:
            self._deprecated.labels(version).inc()

    def closed(self, code: int, by: str) -> None:
        self._open.dec()
        known = by == "server" or code in _REGISTERED
        self._closed.labels(str(code) if known else "other", by).inc()

    def refused(self, code: str) -> None:
        self._refused.labels(code).inc()

    def error(self, code: str) -> None:
        self._errors.labels(code).inc()

    def received(self) -> None:
        self._received.inc()

    def sent(self) -> None:
        self._sent.inc()

    def text(self) -> bytes:
        """Everything, in the text format 0.0.4."""
        return generate_latest(self.registry)
