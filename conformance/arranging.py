"""From flags and the target file to a target: flags come before the file, the file before the defaults."""

from __future__ import annotations

import argparse
import random
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from conformance.target import Addresses, Target, loopback
from conformance.targetfile import KEYS, read_target_file
from conformance.tokenbook import TokenBook
from conformance.tokensections import read_source
from conformance.tripwire import Tripwire
from conformance.wire import Endpoint
from spec.compiling import load
from spec.deploying import read_deployment
from spec.exits import Exit, Stop
from spec.keyring import key_arguments, keyring
from spec.loading import DocumentError, UnknownProtocol
from spec.machine.machine import Machine
from spec.model import Document
from spec.parameters import ParameterProblem, resolve
from spec.policies import policy_for
from spec.tokens import SigningKey, VerifyKey

__all__ = [
    "LEVELS",
    "Arranged",
    "arrange",
    "bare_arguments",
    "document_named",
    "document_of",
    "settings",
    "target_arguments",
]

LEVELS = ("smoke", "complete", "deep")

_EXAMPLES = {"smoke": 0, "complete": 12, "deep": 300}
"""How many examples of each property a level draws."""

_MANY, _FEW = 600, 50
"""How many connections may be open at once: on a machine of our own, and on another."""


@frozen
class Arranged:
    """A target, and how it is to be run."""

    target: Target
    level: str
    seed: int
    fail_on: str
    run: tuple[str, ...]
    skip: tuple[str, ...]
    examples: int = 0


def target_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that say what a target is and how it is deployed."""
    parser.add_argument("--protocol", metavar="NAME", help="the protocol, such as chat")
    parser.add_argument("--document", metavar="PATH", help="a document instead of a packaged protocol")
    parser.add_argument("--target", metavar="FILE", help="a target file (default: handfast.toml, where there is one)")
    keys = parser.add_argument_group("keys", "What tokens are minted with: of a pair the private half.")
    key_arguments(keys)
    keys.add_argument("--token", metavar="env:NAME", help="a valid token, where there is no key to mint with")
    keys.add_argument("--issuer", metavar="TEXT", help="the issuer that the target demands")
    keys.add_argument("--audience", metavar="TEXT", help="the audience that the target demands")
    parser.add_argument("--quick", action="store_true", help="the target runs with the document's quick-test values")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="a parameter as deployed (repeatable)"
    )
    parser.add_argument(
        "--with", metavar="NAME=env:VARIABLE", action="append", default=[], dest="deployed",
        help="what the document asks of a deployment, such as service_token=env:SERVICE (repeatable)",
    )  # fmt: skip
    parser.add_argument("--ca", metavar="FILE", help="the certificate authority of a wss:// target")
    parser.add_argument("--connections", metavar="N", type=int, help="how many connections may be open at once")
    parser.add_argument(
        "--i-own-this-target", action="store_true", help="attack the target too, though it is not on loopback"
    )


_NAMES = ("protocol", "document", "target", "secret", "key", "kid", "token", "issuer", "audience", "ca")


def bare_arguments(**given: Any) -> argparse.Namespace:
    """Flags as if only these had been given."""
    return argparse.Namespace(
        **{
            **dict.fromkeys((*_NAMES, "connections")),
            "set": [],
            "deployed": [],
            "quick": False,
            "i_own_this_target": False,
            **given,
        }
    )


def document_of(arguments: argparse.Namespace, given: Mapping[str, Any]) -> Document:
    """Load the document that the flags or the target file name; raises Stop."""
    name = _named(arguments, given)
    if name is None:
        raise Stop(Exit.USAGE, "which protocol?", "say it with `--protocol chat`; `handfast list` shows them")
    try:
        return load(name)
    except UnknownProtocol as problem:
        raise Stop(Exit.USAGE, str(problem)) from None
    except DocumentError as problem:
        raise Stop(Exit.USAGE, f"the document has problems:\n{problem}") from None


def document_named(arguments: argparse.Namespace) -> str | None:
    """The name or path of the document that the flags or the target file name."""
    return _named(arguments, _file(arguments)["target"])


def _named(arguments: argparse.Namespace, given: Mapping[str, Any]) -> str | None:
    return arguments.document or arguments.protocol or given.get("document") or given.get("protocol")


def arrange(
    arguments: argparse.Namespace, url: str | None, tables: Mapping[str, Mapping[str, Any]] | None = None
) -> Arranged:
    """Put a target together, by the target file or by tables as it has them; raises Stop for what does not fit."""
    file = _file(arguments) if tables is None else tables
    document = document_of(arguments, file["target"])
    drawn = _first(getattr(arguments, "drawn", None), random.SystemRandom().randrange(10**6))
    seed = _first(getattr(arguments, "seed", None), file["run"].get("seed"), drawn)
    endpoint = _endpoint(url or file["target"].get("url"), arguments.ca or file["target"].get("ca"))
    given = {**{name: _plain(value) for name, value in file["parameters"].items()}, **settings(arguments.set)}
    try:
        parameters = resolve(document.parameters, given, quick=arguments.quick)
    except ParameterProblem as problem:
        raise Stop(Exit.USAGE, str(problem)) from None
    tripwire = Tripwire()
    book = _book(arguments, file["tokens"], document, parameters, tripwire)
    deployed = [f"{name}={reference}" for name, reference in file["deployment"].items()] + (arguments.deployed or [])
    deployment = read_deployment(document, deployed, complete=False)
    book.sieve.add(deployment.values())
    target = Target(
        endpoint=endpoint,
        document=document,
        parameters=parameters,
        book=book,
        tripwire=tripwire,
        machine=Machine(document, parameters, book.judge, deployment),
        deployment=deployment,
        addresses=Addresses.for_host(endpoint.address or endpoint.host, tuple(file["addresses"].get("pool", ())), seed),
        tag=f"{random.SystemRandom().randrange(16**8):08x}",
        epoch=time.time(),
        connections=_first(arguments.connections, file["target"].get("connections"), _at_once(endpoint)),
        owned=loopback(endpoint.host) or arguments.i_own_this_target or bool(file["target"].get("owned")),
        given=frozenset(given) | (_quick(document) if arguments.quick else frozenset()),
    )
    run = file["run"]
    level = _choice("level", _first(getattr(arguments, "level", None), run.get("level"), "complete"), LEVELS)
    fail_on = _choice(
        "fail-on", _first(getattr(arguments, "fail_on", None), run.get("fail_on"), "must"), ("must", "should")
    )
    chosen = tuple(getattr(arguments, "run", None) or run.get("run", ()))
    skipped = tuple(getattr(arguments, "skip", None) or run.get("skip", ()))
    examples = _first(getattr(arguments, "examples", None), run.get("examples"), _EXAMPLES[level])
    if examples < 0:
        raise Stop(Exit.USAGE, f"`examples` is a number from zero on, not {examples}")
    return Arranged(target, level, seed, fail_on, chosen, skipped, examples)


def _at_once(endpoint: Endpoint) -> int:
    """How many connections may be open where nobody says so: few to others' machines, and half of our own files."""
    if not loopback(endpoint.host):
        return _FEW
    try:
        import resource
    except ImportError:
        return _FEW
    return min(_MANY, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


def _quick(document: Document) -> frozenset[str]:
    return frozenset(name for name, parameter in document.parameters.items() if parameter.quick is not None)


def _file(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    if arguments.target is not None:
        return read_target_file(Path(arguments.target))
    default = Path("handfast.toml")
    return read_target_file(default) if default.exists() else {key: {} for key in KEYS}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _choice(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise Stop(Exit.USAGE, f"`{name}` is one of {', '.join(known)}, not `{value}`")
    return value


def _plain(value: Any) -> Any:
    return value if isinstance(value, list | bool) else str(value)


def settings(pairs: list[str]) -> dict[str, str]:
    """Parameters of `--set NAME=VALUE`; raises Stop for one without a value."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise Stop(Exit.USAGE, f"`--set {pair}` has no value", "write `--set name=value`")
        found[name.strip()] = value.strip()
    return found


def _endpoint(url: str | None, authority: str | None) -> Endpoint:
    if url is None:
        raise Stop(Exit.USAGE, "which target?", "give its URL: `handfast check wss://…`")
    context = None
    if authority is not None:
        try:
            context = ssl.create_default_context(cafile=authority)
        except (OSError, ssl.SSLError) as problem:
            raise Stop(Exit.USAGE, f"--ca {authority}: {problem}") from None
    try:
        return _by_address(Endpoint.parse(url, context))
    except ValueError as problem:
        raise Stop(Exit.USAGE, str(problem)) from None


def _by_address(endpoint: Endpoint) -> Endpoint:
    """`localhost` by its IPv4 address where something listens there: only 127.0.0.0/8 has many source addresses."""
    if endpoint.host == "127.0.0.1" or not loopback(endpoint.host) or ":" in endpoint.host:
        return endpoint
    try:
        socket.create_connection(("127.0.0.1", endpoint.port), timeout=1).close()
    except OSError:
        return endpoint
    return evolve(endpoint, address="127.0.0.1")


def _book(
    arguments: argparse.Namespace,
    tokens: Mapping[str, Any],
    document: Document,
    parameters: Mapping[str, Any],
    tripwire: Tripwire,
) -> TokenBook:
    known = _keys(arguments, tokens)
    keys = tuple(key for key in known if isinstance(key, SigningKey))
    if known and not keys:
        raise Stop(Exit.USAGE, "no key is a private one; tokens are minted with the private half of a pair")
    policy = policy_for(
        document,
        parameters,
        (key.verifier() if isinstance(key, SigningKey) else key for key in known),
        issuer=arguments.issuer or tokens.get("issuer"),
        audience=arguments.audience or tokens.get("audience"),
    )
    return TokenBook(
        document,
        keys=keys,
        source=None if keys else read_source(tokens, arguments.token),
        policy=policy,
        points_to=tripwire.address,
    )


def _keys(arguments: argparse.Namespace, tokens: Mapping[str, Any]) -> tuple[SigningKey | VerifyKey, ...]:
    """The keys that the flags name, or the file where the flags say nothing of keys or tokens.

    A public key among them is one that the target knows and with which nothing is minted.
    """
    flagged = bool(arguments.secret or arguments.key or arguments.token)
    secret = arguments.secret if flagged else tokens.get("secret")
    references = (arguments.key if flagged else tokens.get("key")) or ()
    kid = arguments.kid or tokens.get("kid")
    return keyring(secret, [references] if isinstance(references, str) else references, kid)
