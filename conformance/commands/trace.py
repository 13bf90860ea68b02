"""`handfast trace check`: judges a recorded exchange against a document, without a server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from spec.cli import Command

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.tracing.judging import Deployment
    from conformance.tracing.reading import Found
    from conformance.tracing.recording import Recording

__all__ = ["TRACE"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    from spec.keyring import key_arguments

    parser.add_argument("action", choices=("check",), metavar="check", help="judge a recording")
    parser.add_argument(
        "file", metavar="FILE", help="a HAR with WebSocket messages, a jsonl report, or a saved failure"
    )
    parser.add_argument("--protocol", metavar="NAME", help="a packaged protocol; a file of the suite says its own")
    parser.add_argument("--document", metavar="FILE", help="a document of your own")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="a parameter as deployed")
    parser.add_argument("--quick", action="store_true", help="the parameters' values for quick tests")
    parser.add_argument("--prefix", metavar="PATH", default="", help="what stands before the document's path in a HAR")
    parser.add_argument("--latency", metavar="DURATION", help="how long a message may have been under way")
    parser.add_argument("--run", metavar="GLOB", action="append", default=[], help="only these cases of a jsonl report")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is told")
    parser.add_argument("--issuer", metavar="NAME", help="the issuer that tokens must have")
    parser.add_argument("--audience", metavar="NAME", help="the audience that tokens must have")
    key_arguments(parser)


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from conformance.tracing.judging import judged
    from conformance.tracing.reading import text_of
    from conformance.tracing.telling import FORMATS, Verdict
    from spec.exits import Exit, Stop

    path = Path(arguments.file)
    text = text_of(path)
    deployment, recordings = _recorded(arguments, path, text)
    if not recordings:
        text = f"{path} holds no exchange to judge"
        raise Stop(Exit.NOTHING, text, "cases that pass keep no transcript; `--run GLOB` may have left all out")
    latency = _latency(arguments.latency)
    verdict = Verdict(deployment.document, str(path), tuple(judged(one, deployment, latency) for one in recordings))
    print(FORMATS[arguments.format](verdict), end="")
    return Exit.CONFORMANT if verdict.conformant else Exit.NONCONFORMANT


def _recorded(arguments: argparse.Namespace, path: Path, text: str) -> tuple[Deployment, list[Recording]]:
    """What was deployed, and the exchanges of a file, by what kind of file it is."""
    from conformance.tracing import har, streams
    from conformance.tracing.reading import read_json
    from spec.exits import Exit, Stop

    if '"event"' in text.partition("\n")[0]:
        header = streams.header_of(text, str(path))
        deployment = _deployed(arguments, header)
        return deployment, list(streams.of_stream(text, str(path), deployment.machine, arguments.run))
    whole = read_json(text, str(path))
    if whole.member("transcript").value is not None:
        deployment = _deployed(arguments, whole)
        return deployment, [streams.of_failure(whole, deployment.machine)]
    if whole.member("log").value is None:
        raise Stop(Exit.USAGE, f"{path} is neither a HAR, nor a jsonl report, nor a saved failure")
    deployment = _deployed(arguments, None)
    return deployment, [har.recording(whole, path.name, deployment.machine, arguments.prefix)]


def _deployed(arguments: argparse.Namespace, told: Found | None) -> Deployment:
    """What the flags say was deployed, and where they do not, what a file of the suite tells of it."""
    from conformance.arranging import document_of, settings
    from conformance.tokenbook import TokenBook
    from conformance.tracing.judging import Deployment
    from spec.exits import Exit, Stop
    from spec.keyring import keyring
    from spec.machine.machine import Machine
    from spec.parameters import ParameterProblem, resolve
    from spec.policies import policy_for
    from spec.tokens import SigningKey

    named = {} if told is None else {"protocol": _protocol(told)}
    document = document_of(arguments, named)
    recorded = told.member("parameters").value if told is not None else {}
    known = recorded if isinstance(recorded, dict) else {}
    given = {name: str(value) for name, value in known.items() if name in document.parameters}
    try:
        parameters = resolve(document.parameters, {**given, **settings(arguments.set)}, quick=arguments.quick)
    except ParameterProblem as problem:
        raise Stop(Exit.USAGE, str(problem)) from None
    keys = keyring(arguments.secret, arguments.key or (), arguments.kid)
    public = [key.verifier() if isinstance(key, SigningKey) else key for key in keys]
    policy = policy_for(document, parameters, public, issuer=arguments.issuer, audience=arguments.audience)
    book = TokenBook(document, policy=policy)
    return Deployment(Machine(document, parameters, book.judge), book)


def _protocol(told: Found) -> str:
    from spec.exits import Exit, Stop

    name, version = told.member("protocol").text(), told.member("version").value
    if not name.replace("_", "").replace("-", "").isalnum() or not isinstance(version, int):
        raise Stop(Exit.USAGE, f"{told.where} names no protocol")
    return f"{name}@{version}"


def _latency(text: str | None) -> float | None:
    from spec.exits import Exit, Stop
    from spec.parameters import parse_value

    try:
        return None if text is None else float(parse_value("duration", text))
    except ValueError as problem:
        raise Stop(Exit.USAGE, f"`--latency`: {problem}") from None


TRACE = Command("trace", "judges a recorded exchange (HAR, jsonl) against a document, offline", _arguments, _run)
