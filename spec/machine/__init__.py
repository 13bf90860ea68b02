"""The interpreter of documents: sans-IO, time as an argument, and no notion of which side is us."""

from spec.machine.engine import Engine
from spec.machine.values import (
    Binary,
    Breach,
    Closing,
    Emission,
    NotUTF8,
    Output,
    Pong,
    Refusal,
    Request,
    Text,
    Upgrade,
)

__all__ = [
    "Binary",
    "Breach",
    "Closing",
    "Emission",
    "Engine",
    "NotUTF8",
    "Output",
    "Pong",
    "Refusal",
    "Request",
    "Text",
    "Upgrade",
]
