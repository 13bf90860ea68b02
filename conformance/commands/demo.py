"""`handfast demo`: start the reference server, check it, show the report."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["DEMO"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("protocol", nargs="?", default="chat", metavar="PROTOCOL", help="the protocol (default: chat)")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="a parameter (repeatable)")


def _run(arguments: argparse.Namespace) -> int:
    from conformance.demonstrating import demonstrate

    return demonstrate(arguments.protocol, arguments.set)


DEMO = Command("demo", "starts the reference server, checks it, shows the report", _arguments, _run)
