"""`handfast export`: a document for other tools."""

from __future__ import annotations

import argparse

from spec.cli import Command

__all__ = ["EXPORT"]

_KINDS = ("jsonschema", "asyncapi", "typescript", "python", "mermaid", "dot", "xstate")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC", help="a packaged protocol by name, or a document's path")
    parser.add_argument("--to", required=True, choices=_KINDS, help="what is made of it")
    parser.add_argument("--output", metavar="FILE", help="write it there; without this, to standard output")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where FILE is not what would be written"
    )


def _run(arguments: argparse.Namespace) -> int:
    from spec.authoring.exporting.kinds import export
    from spec.authoring.outlining import outline
    from spec.authoring.reading import read_document
    from spec.authoring.written import Written, put, stale
    from spec.exits import Exit, Stop

    if arguments.check and arguments.output is None:
        raise Stop(Exit.USAGE, "which file is to be checked?", "write `--output FILE` beside `--check`")
    document = outline(read_document(arguments.document))
    text = export(document, arguments.to)
    if arguments.output is None:
        print(text, end="")
        return Exit.CONFORMANT
    written = [Written(arguments.output, text)]
    if arguments.check:
        return stale(written, document.digest)
    put(written)
    return Exit.CONFORMANT


EXPORT = Command("export", "a document for other tools: schemas, types, diagrams", _arguments, _run)
