"""`handfast compat`: which scripts of one document still pass against the server of another, stage by stage."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["COMPAT"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help="a name, a path, or git:REVISION:PATH")
    parser.add_argument("new", metavar="NEW", help="the same of the newer document")
    parser.add_argument(
        "--order",
        choices=("server-first", "clients-first", "both"),
        default="server-first",
        help="who is upgraded first (default: the server)",
    )
    parser.add_argument("--level", choices=("smoke", "complete", "deep"), default="complete", help="how many scripts")
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="how it is told")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="look only at stages with this (repeatable)"
    )


def _run(arguments: argparse.Namespace) -> int:
    from conformance.compatibility.running import ORDERS, compatible
    from conformance.compatibility.telling import FORMATS
    from spec.authoring.diffing.locating import document_at
    from spec.exits import Exit, Stop
    from spec.parameters import ParameterProblem

    given = {}
    for text in arguments.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise Stop(Exit.USAGE, f"`--set {text}` has no value", "write `--set name=value`")
        given[name.strip()] = value.strip()
    old, new = document_at(arguments.old), document_at(arguments.new)
    orders = ORDERS if arguments.order == "both" else (arguments.order.replace("-", "_"),)
    try:
        found = compatible(old, new, given, orders=orders, level=arguments.level)
    except ParameterProblem as problem:
        raise Stop(Exit.USAGE, str(problem)) from None
    print(FORMATS[arguments.format](found, (arguments.old, arguments.new)), end="")
    return found.exit


COMPAT = Command("compat", "which scripts of one document pass against the server of another", _arguments, _run)
