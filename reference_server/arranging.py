"""From the flags of `handfast serve` to what is mounted: documents, parameters, keys, prefixes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve

from reference_server.site import Clash, Mount, check_site
from reference_server.storing import open_database
from spec.compiling import compile_source, load
from spec.deploying import read_deployment
from spec.exits import Exit, Stop
from spec.keyring import keyring
from spec.loading import DocumentError, UnknownProtocol, read
from spec.model import Document
from spec.parameters import ParameterProblem, resolve
from spec.policies import policy_for
from spec.tokens import SigningKey, VerifyKey

__all__ = ["mounted_by", "mounts_of"]

_DEFAULT = "chat"


@contextmanager
def mounted_by(arguments: argparse.Namespace) -> Iterator[list[Mount]]:
    """What the flags of `handfast serve` ask for, with its store open; raises Stop for what does not fit."""
    mounts = mounts_of(arguments)
    if arguments.store is None:
        yield mounts
        return
    if not any(log.lives == "durable" for mount in mounts for log in mount.document.logs.values()):
        names = " and ".join(f"`{mount.document.name}`" for mount in mounts)
        raise Stop(Exit.USAGE, f"{names} keeps nothing that outlives the server", "leave `--store` out")
    with closing(open_database(arguments.store)) as database:
        yield [evolve(mount, logs=database.logs(mount.document)) for mount in mounts]


def mounts_of(arguments: argparse.Namespace) -> list[Mount]:
    """What the flags of `handfast serve` ask for, with logs in memory; raises Stop for what does not fit."""
    documents = _documents(arguments)
    keys = _keys(arguments, needed=any(document.ladder for document, _ in documents))
    given = _given(arguments.parameters)
    asked = _whose(arguments.deployment, [document for document, _ in documents])
    mounts = []
    for document, prefix in documents:
        parameters = _parameters(document, given, quick=arguments.quick)
        policy = policy_for(document, parameters, keys, issuer=arguments.issuer, audience=arguments.audience)
        mounts.append(Mount(document, parameters, policy, prefix, read_deployment(document, asked[document.name])))
    _refuse_unknown(given, [document for document, _ in documents])
    try:
        check_site(mounts)
    except Clash as clash:
        name = mounts[-1].document.name
        raise Stop(Exit.USAGE, str(clash), f"put one of them below a prefix: `{name}=/{name}`") from None
    return mounts


def _documents(arguments: argparse.Namespace) -> list[tuple[Document, str]]:
    try:
        if arguments.document is not None:
            if arguments.protocols:
                raise Stop(Exit.USAGE, "a protocol and a document cannot both be served", "leave one of them out")
            return [(compile_source(read(Path(arguments.document))), "")]
        asked = [_below(text) for text in arguments.protocols or [_DEFAULT]]
        return [(load(name), prefix) for name, prefix in asked]
    except DocumentError as problem:
        raise Stop(Exit.USAGE, str(problem)) from None
    except UnknownProtocol as problem:
        raise Stop(Exit.USAGE, str(problem), "`handfast list` names the packaged ones") from None
    except OSError as problem:
        raise Stop(Exit.USAGE, f"the document `{arguments.document}` cannot be read: {problem.strerror}") from None


def _below(text: str) -> tuple[str, str]:
    """A protocol and the prefix below which it is served."""
    name, equals, prefix = text.partition("=")
    if not equals:
        return name, ""
    if not prefix.startswith("/") or any(character in prefix for character in "?#{} "):
        raise Stop(Exit.USAGE, f"`{text}`: {prefix!r} is no prefix", f"write `{name}=/{name}`")
    return name, prefix.rstrip("/")


def _given(entries: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals or not name:
            raise Stop(Exit.USAGE, f"`--set {entry}` sets nothing", "write `--set NAME=VALUE`")
        values[name.strip()] = value.strip()
    return values


def _parameters(document: Document, given: Mapping[str, str], *, quick: bool) -> dict[str, Any]:
    """What is given of a document's parameters; a name that says the protocol goes before one that does not."""
    own = {name: f"{document.name}.{name}" for name in document.parameters}
    values = {name: given[name] for name in own if name in given}
    return _resolved(document, values | {name: given[own[name]] for name in own if own[name] in given}, quick=quick)


def _whose(entries: list[str], documents: list[Document]) -> dict[str, list[str]]:
    """Entries of `--with` by the documents that ask for them; the first is told what nobody asks for."""
    found: dict[str, list[str]] = {document.name: [] for document in documents}
    for entry in entries:
        name = entry.partition("=")[0]
        for document in [one for one in documents if name in one.deployment] or documents[:1]:
            found[document.name].append(entry)
    return found


def _refuse_unknown(given: Mapping[str, str], documents: list[Document]) -> None:
    """Let a document say what is wrong with a name that none of them has."""
    known = {name for one in documents for plain in one.parameters for name in (plain, f"{one.name}.{plain}")}
    for name, value in given.items():
        if name not in known:
            own = next((one for one in documents if name.startswith(f"{one.name}.")), documents[0])
            _resolved(own, {name.removeprefix(f"{own.name}."): value})


def _resolved(document: Document, given: Mapping[str, str], *, quick: bool = False) -> dict[str, Any]:
    try:
        return resolve(document.parameters, given, quick=quick)
    except ParameterProblem as problem:
        raise Stop(Exit.USAGE, str(problem)) from None


def _keys(arguments: argparse.Namespace, *, needed: bool) -> list[VerifyKey]:
    """The keys that tokens are verified with; only where no protocol has tokens there may be none."""
    keys = keyring(arguments.secret, arguments.key or (), arguments.kid)
    if needed and not keys:
        raise Stop(
            Exit.USAGE,
            "no key: the server could verify no token",
            "write `--secret env:NAME` (HS256) or `--key file:PATH` (a PEM file, a JWK or a JWKS)",
        )
    return [key.verifier() if isinstance(key, SigningKey) else key for key in keys]
