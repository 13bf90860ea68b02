"""Small words that several pages say alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spec.authoring.documenting.blocks import Inline, Piece, Ref
from spec.authoring.outlining import Outline, State
from spec.authoring.outlining.decisions import plainly

__all__ = ["anchor", "applies", "coded", "level", "message_ref", "rule_refs", "separated", "state_ref", "value"]


def anchor(*parts: str) -> str:
    """A name for an anchor that is one word, and different for different parts."""
    return "-".join(re.sub(r"[^0-9A-Za-z_.]", lambda sign: f"_{ord(sign[0]):x}", part) for part in parts)


def coded(text: Any) -> str:
    """A text as it is typed."""
    return f"`{plainly(text)}`"


def separated(pieces: Iterable[Inline], between: str = ", ") -> list[Piece]:
    """Pieces with a text between them."""
    found: list[Piece] = []
    for piece in pieces:
        found += [between] if found else []
        found += piece if isinstance(piece, Sequence) and not isinstance(piece, str) else [piece]
    return found


def rule_refs(document: Outline, rules: Iterable[str]) -> list[Piece]:
    """Links to rules; one that the document does not have is a text."""
    known = document.section("rules")
    return separated(Ref(rule, "rules", anchor("rule", rule)) if rule in known else rule for rule in rules)


def state_ref(document: Outline, path: str) -> Piece:
    """A link to a state; a state that is not there, a text."""
    return Ref(path, "states", anchor("state", path)) if path in document.states else path


def message_ref(document: Outline, role: str, name: str) -> Piece:
    """A link to a message as a role sends it."""
    return Ref(name, f"messages/{role}-{name}") if name in document.messages(role) else coded(name)


def applies(condition: Mapping[str, Any]) -> str:
    """A condition on parameters, in words."""
    told = (
        f"`{name}` is set" if wanted == "configured" else f"`{name}` is {plainly(wanted).replace(', ', ' or ')}"
        for name, wanted in condition.items()
    )
    return " and ".join(told) or "everywhere"


def level(name: str) -> str:
    """A rule's level as RFC 2119 writes it."""
    return name.upper().replace("_", " ")


def value(found: Any) -> str:
    """A value of a document in a cell; nothing is a dash."""
    return "–" if found is None or found == "" or found == [] or found == {} else coded(found)


def named(state: State) -> str:
    """A state by its path, with what it is in words."""
    return f"{state.path}: {state.text}" if state.text else state.path
