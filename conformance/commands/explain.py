"""`handfast explain`: a rule, where it sits in the machine, and how it is tested."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["EXPLAIN"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", metavar="RULE", help="a rule's identifier, such as CHAT-AUTH-4")
    parser.add_argument("--protocol", metavar="NAME", help="the protocol, where several have the rule")


def _run(arguments: argparse.Namespace) -> int:
    from conformance.explaining import explain

    print(explain(arguments.rule, arguments.protocol), end="")
    return 0


EXPLAIN = Command("explain", "a rule: its text, where it sits in the machine, how it is tested", _arguments, _run)
