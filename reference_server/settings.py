"""What an operator may bound; none of it is a protocol's."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Settings"]


@frozen
class Settings:
    """Limits of the shell, in bytes and seconds."""

    max_connections: int = 10_000
    head_bytes: int = 16 * 1024
    head_within: float = 10.0
    answer_within: float = 10.0
    close_within: float = 3.0
    linger: float = 2.0
    outbox_messages: int = 4096
    outbox_bytes: int = 4 * 1024 * 1024
    backlog: int = 1024
    operations: bool = True
    """Whether `/healthz` and `/metrics` are answered beside the protocol."""
