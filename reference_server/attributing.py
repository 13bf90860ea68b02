"""`handfast attribute`: events of a store that is older than a member of theirs get it."""

from __future__ import annotations

import argparse

from spec.cli import Command
from spec.exits import Exit, Stop

__all__ = ["ATTRIBUTE"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help="the store, such as sqlite:events.db; no server may use it")
    parser.add_argument("--protocol", default="sync", metavar="NAME", help="whose entries (default: %(default)s)")


def _run(arguments: argparse.Namespace) -> int:
    from contextlib import closing

    from reference_server.storing import open_database
    from spec.compiling import load
    from spec.loading import UnknownProtocol

    try:
        document = load(arguments.protocol)
    except UnknownProtocol as problem:
        raise Stop(Exit.USAGE, str(problem), "`handfast list` names the packaged ones") from None
    if not any(log.lacking for log in document.logs.values()):
        raise Stop(Exit.USAGE, f"the entries of `{document.name}` lack nothing", "`--protocol` names another protocol")
    with closing(open_database(arguments.store, create=False)) as database:
        changed, total = database.attribute(document)
    print(f"{total} entries, {changed} of them attributed now")
    return Exit.CONFORMANT


ATTRIBUTE = Command("attribute", "give events of an older store their attribution", _arguments, _run)
