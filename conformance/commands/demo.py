"""`handfast demo`: start the reference server, check it, show the report."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["DEMO"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL", help="the protocols (default: chat)")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[],
        help="a parameter, or one of one protocol: chat.auth_deadline=2s (repeatable)",
    )  # fmt: skip


def _run(arguments: argparse.Namespace) -> int:
    from conformance.demonstrating import demonstrate

    return demonstrate(arguments.protocols or ["chat"], arguments.set)


DEMO = Command("demo", "starts the reference server, checks it, shows the report", _arguments, _run)
