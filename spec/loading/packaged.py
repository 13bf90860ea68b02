"""The protocols that come with the package, and finding a document by name or path."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

from spec.loading.problems import did_you_mean

__all__ = ["Packaged", "UnknownProtocol", "available", "find", "shown"]

_PROTOCOLS = Path(__file__).parent.parent / "protocols"


@frozen
class Packaged:
    """A packaged document; it is found as `name`, if it is the newest, and as `name@version`."""

    name: str
    version: int
    path: Path


class UnknownProtocol(LookupError):
    """No packaged protocol and no file has that name; the text says which come near."""

    def __str__(self) -> str:
        return str(self.args[0])


def available() -> list[Packaged]:
    """The packaged protocols, by name and version."""
    found = [
        Packaged(path.parent.name, int(version[1]), path)
        for path in _PROTOCOLS.glob("*/v*.yaml")
        if (version := re.fullmatch(r"v([0-9]{1,9})", path.stem))
    ]
    return sorted(found, key=lambda entry: (entry.name, entry.version))


def shown(file: str) -> str:
    """A document's file as it is told: a packaged one by its path in the package, another as it was named."""
    root = _PROTOCOLS.parent.parent
    return Path(file).relative_to(root).as_posix() if Path(file).is_relative_to(root) else file


def find(name: str) -> Path:
    """The document that `chat` (the newest version), `chat@2` or a path to a `.yaml` names.

    Raises:
        UnknownProtocol: where there is none.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name:
        return _file(name)
    wanted, _, version = name.partition("@")
    packaged = available()
    versions = {str(entry.version): entry.path for entry in packaged if entry.name == wanted}
    if not versions:
        raise UnknownProtocol(_unknown(f"there is no protocol `{wanted}`", wanted, {entry.name for entry in packaged}))
    version = version if "@" in name else list(versions)[-1]
    if version not in versions:
        raise UnknownProtocol(_unknown(f"there is no version `{version}` of `{wanted}`", version, set(versions)))
    return versions[version]


def _file(name: str) -> Path:
    path = Path(name)
    try:
        if path.is_file():
            return path
        names = {entry.name for entry in path.parent.glob("*.y*ml")}
    except (OSError, ValueError):
        names = set()
    raise UnknownProtocol(_unknown(f"there is no file `{name}`", path.name, names))


def _unknown(message: str, name: str, known: set[str]) -> str:
    hint = did_you_mean(name, sorted(known))
    return f"{message} ({hint})" if hint else message
