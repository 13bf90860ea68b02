"""`handfast replay`: play one saved failure."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["REPLAY"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    from conformance.arranging import target_arguments

    parser.add_argument("file", metavar="FILE", help="a file that `handfast check` saved")
    parser.add_argument("--url", metavar="URL", help="another target than the one of the file")
    target_arguments(parser)


def _run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from conformance.arranging import arrange
    from conformance.failures import read_failure
    from conformance.replaying import replay

    saved = read_failure(Path(arguments.file))
    arguments.protocol = arguments.protocol or saved["protocol"]
    arguments.issuer = arguments.issuer or saved.get("issuer")
    arguments.audience = arguments.audience or saved.get("audience")
    arguments.kid = arguments.kid or saved.get("kid")
    told = [pair.partition("=")[0] for pair in arguments.set]
    arguments.set += [f"{name}={value}" for name, value in saved["parameters"].items() if name not in told]
    return replay(arrange(arguments, arguments.url or saved["target"]), saved)


REPLAY = Command("replay", "plays one saved failure: fixed, failed, changed or error", _arguments, _run)
