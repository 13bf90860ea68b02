"""`handfast list`: protocols, rules and cases."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["LIST"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("protocol", nargs="?", metavar="PROTOCOL", help="list this protocol's rules")
    parser.add_argument("--cases", action="store_true", help="list the cases at default parameters")
    parser.add_argument("--parameters", action="store_true", help="list the parameters")
    parser.add_argument("--tokens", action="store_true", help="list the tokens that are presented, in Markdown")
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="a parameter, for --cases")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.protocol is None:
        _protocols()
    elif arguments.cases:
        _cases(arguments)
    elif arguments.parameters:
        _parameters(arguments)
    elif arguments.tokens:
        _tokens(arguments)
    else:
        _rules(arguments)
    return 0


def _protocols() -> None:
    from spec.compiling import load
    from spec.loading import available

    for packaged in available():
        document = load(str(packaged.path))
        print(f"{packaged.name:<12} version {packaged.version}  {document.title}: {len(document.rules)} rules")


def _load(arguments: argparse.Namespace) -> object:
    from conformance.arranging import document_of

    arguments.document = None
    return document_of(arguments, {})


def _rules(arguments: argparse.Namespace) -> None:
    from spec.model import Document

    document = _load(arguments)
    assert isinstance(document, Document)
    for rule in document.rules.values():
        level = rule.level.upper().replace("_", " ")
        print(f"{rule.id:<15} {level:<8} {rule.observe:<8} {rule.text}")


def _parameters(arguments: argparse.Namespace) -> None:
    from spec.model import Document
    from spec.parameters import format_value

    document = _load(arguments)
    assert isinstance(document, Document)
    for parameter in document.parameters.values():
        values = f" one of {', '.join(parameter.values)}." if parameter.values else ""
        print(f"{parameter.name:<14} {format_value(parameter.default) or '(none)':<22} {parameter.text}{values}")


def _tokens(arguments: argparse.Namespace) -> None:
    from conformance.vectors import page
    from spec.model import Document

    document = _load(arguments)
    assert isinstance(document, Document)
    print(page(document), end="")


def _cases(arguments: argparse.Namespace) -> None:
    from conformance.arranging import arrange, bare_arguments
    from conformance.plan import Plan
    from conformance.session import choose

    bare = bare_arguments(protocol=arguments.protocol, set=arguments.set)
    arranged = arrange(bare, "ws://127.0.0.1:1")
    for case in choose(Plan(arranged.target), arranged)[1]:
        print(f"{case.id}  {' '.join(case.rules[:3])}")


LIST = Command("list", "protocols, rules, parameters, tokens and cases", _arguments, _run)
