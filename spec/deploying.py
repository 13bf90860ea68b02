"""What a document asks of a deployment beside parameters and keys, as flags and target files give it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from spec.exits import Exit, Stop
from spec.secrets import read_secret

if TYPE_CHECKING:
    from spec.model import Document

__all__ = ["fresh_deployment", "read_deployment"]


def fresh_deployment(document: Document, prefix: str) -> list[str]:
    """An entry for everything that a document asks of a deployment, for processes that this one starts.

    Each names an environment variable that begins with `prefix`; the first call for it sets it to a fresh secret.
    """
    variables = {name: f"{prefix}_{name.upper()}" for name in document.deployment}
    for variable in variables.values():
        os.environ.setdefault(variable, secrets.token_urlsafe(32))
    return [f"{name}=env:{variable}" for name, variable in variables.items()]


def read_deployment(document: Document, given: Iterable[str], *, complete: bool = True) -> dict[str, str]:
    """Read entries `NAME=env:VARIABLE` or `NAME=file:PATH`; a missing one stops where all are needed.

    Raises:
        Stop: a name that the document does not know, one that is missing, or a secret that cannot be read.
    """
    found: dict[str, str] = {}
    known = ", ".join(document.deployment) or "none"
    for entry in given:
        name, equals, reference = entry.partition("=")
        if not equals:
            raise Stop(Exit.USAGE, f"`--with {name}` gives nothing", "write `--with NAME=env:VARIABLE`")
        if name not in document.deployment:
            raise Stop(Exit.USAGE, f"`{document.name}` asks for nothing called `{name}`", f"known: {known}")
        found[name] = read_secret(reference).reveal()
    missing = [name for name in document.deployment if name not in found]
    if missing and complete:
        text = f"`{document.name}` needs {', '.join(f'`{name}`' for name in missing)}"
        raise Stop(Exit.USAGE, text, f"write `--with {missing[0]}=env:VARIABLE`")
    return found
